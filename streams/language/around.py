"""The words in which secrets are looked for, and what is known of them: numbers, announcements, letters spelled."""

from __future__ import annotations

from collections.abc import Sequence

from streams.language.announcements import ENTRY, NUMBER, Announced, Announcements
from streams.language.identity import is_national_id
from streams.language.modes import RedactionSettings, Secret
from streams.language.number_words import NumberWords, number_words
from streams.language.numbers import NumberRun, number_runs
from streams.language.text import Line, Token, language_code

LETTER_NAMES = {
    name: letter
    for letter, names in {
        "b": "be", "c": "ce", "f": "efe effe", "g": "ge", "h": "hache agha", "j": "jota", "k": "ka capa", "l": "ele",
        "m": "eme emme", "n": "ene enne", "p": "pe", "q": "cu", "r": "erre", "s": "ese esse", "t": "te", "v": "uve",
        "w": "dablio", "x": "equis xis ixe", "y": "ipsilon", "z": "zeta zede ze",
    }.items()
    for name in names.split()
}  # fmt: skip
"""Letters as Spanish and Portuguese callers spell them, where a transcriber writes the name."""

_TWO_WORDS = {
    "uve doble": "w", "ve doble": "w", "doble uve": "w", "doble ve": "w", "doble u": "w", "double ve": "w",
    "double u": "w", "double v": "w", "duplo ve": "w", "i griega": "y", "y griega": "y", "i grec": "y", "i grego": "y",
}  # fmt: skip
_ONLY_CHECKED = {"de": "d", "ache": "h", "elle": "l", "ye": "y", "ge": "g", "a": "a", "que": "q", "ve": "v", "ka": "k"}
"""Names that mean something else too: letters where the check digits say so."""
_NIE_LETTERS = ("x", "y", "z", "equis", "zeta", "ye")
SPELLED_MAX = 4
"""Letters in a row inside a number ("n w b k"); more are words."""
COPULA_LETTERS = {"pt": ("e", "o", "a"), "en": ("s",), "es": ("y",), "fr": ("y",)}
"""What is left of "é" and "it's": in front of a spelled number they are no letter of it."""
APOSTROPHES = ("'", "’")
LETTER_SAID = frozenset(("letra", "letter", "lettre", "con", "com", "avec", "y", "la", "حرف"))


class Around:
    """One text (of one utterance, or of several of one party) and its words."""

    def __init__(
        self,
        text: str,
        words: Sequence[Token],
        language: str | None,
        settings: RedactionSettings,
        known: Announcements,
        heat: int,
        breaks: Sequence[int],
    ) -> None:
        self.text, self.words, self.language, self.settings, self.known = text, words, language, settings, known
        self.heat = heat
        self.numbers: NumberWords = number_words(language)
        self.runs: list[NumberRun] = number_runs(words, language, breaks, settings.strict) if heat & NUMBER else []
        self.line = known.plain(words) if heat else Line(words)
        self.announced: list[Announced] = known.heard(self.line) if heat & ~ENTRY else []

    def word(self, at: int) -> str:
        return self.words[at].word if 0 <= at < len(self.words) else ""

    def digits_in(self, secret: Secret) -> int:
        runs = [run for run in self.runs if secret.first <= run.first and run.last <= secret.last]
        return sum(run.digits_max for run in runs)

    def is_letters(self, at: int) -> bool:
        word = self.word(at)
        if not word or word in self.numbers.hesitations or self.numbers.begins(word):
            return False
        if len(word) == 1 and self.text[self.words[at].end : self.words[at].end + 1] in APOSTROPHES:
            return False  # "c'est"
        return (len(word) == 1 and word.isalpha()) or word in LETTER_NAMES

    def beside(self, at: int, step: int) -> int:
        """The next word in that direction that is no hesitation."""
        while self.word(at) in self.numbers.hesitations:
            at += step
        return at

    def lettered(self, run: NumberRun) -> tuple[str, int, int]:
        """The digits of a run with one letter before and after them, where there are such, and which words that is."""
        first, last, text = run.first, run.last, run.digits
        letter, end = self.letter(self._after(last))
        if letter:
            text, last = text + letter, end
        front, start = self._front(first)
        if front and len(run.digits) == 7:
            text, first = front + text, start
        return text, first, last

    def _front(self, first: int) -> tuple[str, int]:
        """The letter of a Spanish NIE before its number, and where it stands; none: an empty one."""
        before = self.beside(first - 1, -1)
        while self._is_pause(before):
            before = self.beside(before - 1, -1)
        if _TWO_WORDS.get(f"{self.word(before - 1)} {self.word(before)}") == "y":
            return "Y", before - 1
        return (letter_of(self.word(before)) if self.word(before) in _NIE_LETTERS else "", before)

    def letter(self, at: int) -> tuple[str, int]:
        """The letter that is spelled at this word, a capital, and its last word; none: an empty one."""
        two = _TWO_WORDS.get(f"{self.word(at)} {self.word(at + 1)}")
        if two:
            return two.upper(), at + 1
        return (letter_of(self.word(at)), at) if self.is_letters(at) else ("", at)

    def checked(self, run: NumberRun) -> list[tuple[str, int]]:
        """Other readings of a number that goes on in letters, for a check to choose from, and their last words."""
        after = self._after(run.last)
        found = []
        front = self._front(run.first)[0] if len(run.digits) == 7 else ""
        name = _ONLY_CHECKED.get(self.word(after))
        if name:
            found.append((front + run.digits + name.upper(), after))
        letters, at = "", after
        while len(letters) < 2 and (self.is_letters(at) or (not letters and len(self.word(at)) == 2)):
            letters, at = letters + letter_of(self.word(at)), at + 1
        while self.word(at) in self.numbers.fillers and not self.is_letters(at):
            at += 1
        last = next((other for other in self.runs if other.first == at and len(other.digits) == 1), None)
        if len(letters) == 2 and last is not None:
            found.append((run.digits + letters + last.digits, last.last))
        return found

    def is_prefix(self, at: int) -> bool:
        word = self.word(at)
        common = word in self.known.stops or word in self.numbers.fillers
        return self.is_letters(at) or (len(word) == 2 and word.isalpha() and not common)

    def is_suffix(self, at: int) -> bool:
        word = self.word(at)
        mixed = len(word) <= 4 and any(sign.isdigit() for sign in word)
        return mixed or self.is_letters(at) or (len(word) == 2 and self.is_prefix(at))

    def with_letters(self, secret: Secret) -> Secret:
        """The secret with the letters and numbers that belong to it: "be 452178", "12 a b 345", "n w b k 12 34"."""
        kind, first, last = secret
        if kind in ("phone", "card", "cvv", "expiry"):
            return secret
        floor = max((a.end for a in self.announced if a.end <= first), default=0)
        named = kind != "number"
        before: list[int] = []
        at = self.beside(first - 1, -1)
        front, start = self._front(first) if kind in ("national_id", "number") else ("", first)
        if front and start >= floor and (named or self.letter(self._after(last))[0]):
            first, at = start, -1
            if not named:
                kind, named = "national_id", True
        while at >= floor and len(before) < SPELLED_MAX and (self.is_prefix(at) or self._is_series(kind, at, floor)):
            before.append(at)
            at = self.beside(at - 1, -1)
        lead = next((run.first for run in self.runs if run.first >= floor and run.last == at), None)
        if lead is None or not named:
            while before and self.word(before[-1]) in COPULA_LETTERS.get(language_code(self.language), ()):
                before.pop()  # "a minha senha é"
        if before:
            first = lead if lead is not None and named else before[-1]
        at, letters = self._after(last), 0
        while named and letters < SPELLED_MAX and (self.is_suffix(at) or self.letter(at)[0]):
            end = self.letter(at)[1]
            if kind == "national_id":
                last = end
            at, letters = self._after(end) if kind == "national_id" else self.beside(end + 1, 1), letters + 1
        letters_after = last != secret.last
        if kind == "national_id" and not letters:
            last = self._checked_end(first, last)
        if letters and named:
            last = next((run.last for run in self.runs if run.first == at), last)
        if kind == "code" and not letters_after:
            last = self._lettered_end(last)
        if kind in ("code", "number"):
            first, last = self._with_keys(first, last)
        return Secret(kind, first, last)

    def _lettered_end(self, last: int) -> int:
        """The end of a code with the letter behind it: "douze quatre vingt dix b"; one that is a word only at the end."""
        at = self.beside(last + 1, 1)
        word, ends = self.word(at), at + 1 == len(self.words)
        if language_code(self.language) == "ar":
            return last  # "f" is "in" there
        if (
            len(word) != 1
            or not word.isalpha()
            or (self.words[at].end < len(self.text) and self.text[self.words[at].end] in "'’")
        ):
            return last
        following = self.word(at + 1) in ("est", "etait", "ai", "a", "et", "is", "s")
        return at if ends or (word not in "aeoyiu" and not following) else last

    def _is_series(self, kind: str, at: int, floor: int) -> bool:
        """Whether two letters stand straight after "la cin", whatever else they mean: "wa 839 174"."""
        word = self.word(at)
        filler = word in self.numbers.fillers and word not in self.known.stops
        return kind == "national_id" and at == floor > 0 and filler and len(word) == 2 and word.isalpha()

    def _with_keys(self, first: int, last: int) -> tuple[int, int]:
        """A number with the other keys that are pressed with it: "star four four one nine hash"."""
        keys = self.known.credentials.keys
        while self.word(before := self.beside(first - 1, -1)) in keys:
            first = before
        while self.word(after := self.beside(last + 1, 1)) in keys:
            last = after
        return first, last

    def _checked_end(self, first: int, last: int) -> int:
        run = next((run for run in self.runs if first <= run.first and run.last == last), None)
        read = self.checked(run) if run is not None else []
        return next((end for text, end in read if is_national_id(text, self.settings.regions, sure=True)), last)

    def _after(self, last: int) -> int:
        """The word after a number that may be its letter: "letra ese"."""
        at = self.beside(last + 1, 1)
        while at < last + 4 and (self._is_pause(at) or self.word(at) in LETTER_SAID):
            if self.is_letters(at) and not self.letter(self.beside(at + 1, 1))[0]:
                break  # "y" is one itself
            at = self.beside(at + 1, 1)
        return at

    def _is_pause(self, at: int) -> bool:
        return len(self.word(at)) > 2 and self.word(at) in self.numbers.fillers and not self.is_letters(at)

    def spelled_digits(self, run: NumberRun) -> int:
        """Letters and digits that go on after a number: "45 b 12" has three after its 45."""
        at, letters = self.beside(run.last + 1, 1), 0
        while letters < SPELLED_MAX and self.is_letters(at):
            at, letters = self.beside(at + 1, 1), letters + 1
        more = next((other.digits_max for other in self.runs if other.first == at), 0) if letters else 0
        return letters + more if more else 0

    def said(self, at: int) -> int:
        """The first word from `at` on that is more than hesitation and copula."""
        idle = ("c", "est", "is", "e", "es", "هو", "هي", "huwa", "hiya", "howa", "it", "s")
        while at < len(self.words) and (
            self.word(at) in idle or (self.word(at) in self.numbers.fillers and not self.numbers.begins(self.word(at)))
        ):
            at += 1
        return at


def letter_of(word: str) -> str:
    return LETTER_NAMES.get(word, word).upper()
