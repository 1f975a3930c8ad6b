"""Where a value that lets somebody in may stand among words: where it begins and ends, and what looks like one."""

from __future__ import annotations

from functools import cached_property

from streams.language.around import LETTER_NAMES, Around
from streams.language.modes import Secret
from streams.language.numbers import NumberRun, written_digits
from streams.language.text import language_code

VALUE_WORDS_MAX = 7
"""So many words of more than two letters make a value; numbers, letters and what spells them do not count."""
JOINED_TALK_MIN = 8
"""Shorter words of two such ("toutou") are words of their own."""
_ADVERBS = ("ment", "mente", "ly")
_SIGNS = "_*#!$%&+=@?"
_APOSTROPHES = "'’"


class Values:
    """One text, and where in it the words stand that lead to a value, end it, or come after one."""

    def __init__(self, around: Around) -> None:
        self.around, self.known = around, around.known.credentials
        self.count = len(around.words)
        self._found: dict[str, dict[int, int]] = {}

    def spans(self, name: str) -> dict[int, int]:
        """The word after the match, by the first of each match, of one list of patterns."""
        found = self._found.get(name)
        if found is None:
            line = self.around.line
            matches = self.known.patterns[name].finditer(line.joined)
            found = self._found[name] = dict(line.span(match) for match in matches)
        return found

    def begin(self, at: int) -> int:
        """The first word from `at` on that is no hesitation, and none of the words that may lead to a value."""
        leads = self.spans("leads")
        while at < self.count:
            if at in leads and leads[at] <= self.count:
                at = leads[at]
            elif self.around.word(at) in self.around.numbers.hesitations:
                at += 1
            else:
                break
        return at

    def end(self, first: int) -> int:
        """The last word of the value that begins at `first`."""
        last, content = first, 0
        for at in range(first, self.count):
            word = self.around.word(at)
            stopped = at in self.stops or word in self.known.nouns
            if word.startswith("[") or (at > first and stopped and not self._is_spelled(at)):
                break
            content += self.is_content(at)
            if content > VALUE_WORDS_MAX:
                break
            last = at
        while last > first and self._is_idle(last):
            last -= 1
        return last

    def _is_idle(self, at: int) -> bool:
        """Whether a value does not end in this word: "8461 in as the code"."""
        word = self.around.word(at)
        if self._ends_number(at) or (self.around.word(at - 1) == "d" and not self.is_letter(at - 1)):
            return False  # "vingt et un", "d'or"
        little = len(word) == 2 and word in self.known.never
        return (
            little or word in self.around.numbers.hesitations or (word in self.known.small and not self.is_letter(at))
        )

    def _ends_number(self, at: int) -> bool:
        """Whether this is the last word of a number said in several."""
        return any(part.first < at == part.last for run in self.around.runs for part in run.parts)

    @cached_property
    def stops(self) -> frozenset[int]:
        return frozenset(at for name in ("ends", "mends", "named", "knowing", "stated") for at in self.spans(name))

    def value(self, at: int, whole: bool = False) -> Secret | None:
        """The value that begins at `at`, or a few idle words later; `whole`: it may be a sentence."""
        first = self.begin(at)
        if first >= self.count:
            return None
        last = self.end(first)
        return Secret("password", first, last) if self.may_be(first, last, whole) else None

    def may_be(self, first: int, last: int, whole: bool = False) -> bool:
        """Whether these words can be a value, and are no talk about one."""
        word, known, harmless = self.around.word(first), self.known, self.around.known.harmless
        said = [self.around.word(at) for at in range(first, last + 1)]
        about = not known.nouns.isdisjoint(said) or not known.about.isdisjoint(said[:3])
        if last < first or word.startswith("[") or about:
            return False
        if word in known.small:
            second = self.around.word(first + 1)
            idle = second in known.never or second in harmless
            named = (len(second) > 3 and second in known.signs) or second in LETTER_NAMES
            idle = idle and not self.is_letter(first + 1) and not (whole and named)
            return last > first and not idle and (whole or self.has_form(first, last))
        if whole and last - first >= 3 and word not in harmless:
            return True  # "mas vale pajaro en mano"
        if word in known.never or word in harmless:
            return False
        if len(word) > 1 and word in self.around.numbers.units:
            return False
        if self.is_number(first):
            return sum(len(run.digits) for run in self.around.runs if first <= run.first <= last) >= 3
        return len(word) > 1 or last > first

    def has_form(self, first: int, last: int) -> bool:
        """Whether a number follows words here, or a sign stands inside a word: "lisbon 74", "rover_1958"."""
        content = False
        for at in range(first, last + 1):
            token = self.around.words[at]
            sign, after = self.around.text[token.end : token.end + 1], self.around.text[token.end + 1 : token.end + 2]
            if self.is_mixed(at) or (at < last and sign and sign in _SIGNS and after.isalnum()):
                return True
            if self.is_number(at) and content and not self._is_counted(at):
                return True
            content = content or (self.is_content(at) and token.word not in self.around.numbers.months)
        return False

    def is_rare(self, first: int, last: int) -> bool:
        """Whether ordinary calls do not have one of these words."""
        return any(self.is_strange(at) for at in range(first, last + 1))

    def is_strange(self, at: int) -> bool:
        word = self.around.word(at)
        if len(word) < 3 or not word.isalpha() or self.is_number(at) or word in self.known.signs:
            return False
        known = self.around.known
        listed = (
            word in known.nouns
            or word in self.known.counted
            or word in known.harmless
            or word in known.talk
            or word in self.known.never
        )
        listed = listed or word[:3] in ("وما", "وال")
        plain = listed or word in self.around.numbers.fillers or word.endswith(_ADVERBS)
        return not plain and not self.known.is_plain(word) and not self.is_joined_talk(word)

    def is_joined_talk(self, word: str) -> bool:
        """Whether these are two words about a password, written as one: "nemarche"."""
        if len(word) < JOINED_TALK_MIN:
            return False
        harmless, never = self.around.known.harmless, self.known.never
        pairs = ((word[:cut], word[cut:]) for cut in range(2, len(word) - 2))
        return any(all(part in harmless or part in never for part in pair) for pair in pairs)

    def is_mixed(self, at: int) -> bool:
        """Whether this is a word of letters and figures: "letmein1", "kx7rtp22"."""
        word = self.around.word(at)
        if word.isalpha() or not self.known.is_mixed(word):
            return False
        return language_code(self.around.language) != "ar" or bool(written_digits(word))  # "3afak"

    def is_content(self, at: int) -> bool:
        word = self.around.word(at)
        return len(word) > 2 and not self.is_number(at) and word not in self.known.signs

    def is_number(self, at: int) -> bool:
        word = self.around.word(at)
        return bool(word) and (self.around.numbers.begins(word) or word.isdecimal())

    def is_letter(self, at: int) -> bool:
        """Whether this is a letter, and none that an apostrophe parts from its word."""
        if at >= self.count or len(self.around.word(at)) != 1 or not self.around.word(at).isalpha():
            return False
        text, token = self.around.text, self.around.words[at]
        beside = text[max(0, token.start - 1) : token.start] + text[token.end : token.end + 1]
        return not any(sign in _APOSTROPHES for sign in beside)

    def _is_spelled(self, at: int) -> bool:
        """Whether this is a letter among letters."""
        beside = (self.around.word(at - 1), self.around.word(at + 1))
        return len(self.around.word(at)) == 1 and any(len(word) == 1 for word in beside)

    def _is_counted(self, at: int) -> bool:
        """Whether this number is one of a few, or of something: "platform 9", "12 months"."""
        run: NumberRun | None = next((run for run in self.around.runs if run.first <= at <= run.last), None)
        if run is None or (len(run.parts) < 3 and max(map(len, run.groups)) < 2):
            return True
        numbers, after = self.around.numbers, self.around.word(run.last + 1)
        months = after in numbers.months or self.around.word(run.first - 1) in numbers.months
        return months or after in numbers.units or after in self.known.counted
