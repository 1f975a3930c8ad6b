"""Passwords among words: what follows their announcement, however it was heard."""

from __future__ import annotations

from collections.abc import Iterable

from streams.language.announcements import ENTRY, NOUN
from streams.language.around import Around
from streams.language.credentials import ANSWER_WORDS_MAX, Credentials
from streams.language.modes import Secret

PASSWORD_WORDS_MAX = 6
SHORT_PASSWORD_WORDS_MAX = 4
SPELLED_WORDS_MAX = 24
_TOO_LATE = frozenset(
    [
        "but",
        "thanks",
        "thank",
        "please",
        "can",
        "could",
        "mais",
        "merci",
        "je",
        "vous",
        "pouvez",
        "voila",
        "mas",
        "obrigado",
        "obrigada",
        "pode",
        "pero",
        "gracias",
        "puede",
        "شكرا",
        "ولكن",
        "walakin",
        "chokran",
    ]
)
"""With one of these another sentence begins."""
_ADDRESSES = frozenset(
    [
        "monsieur",
        "madame",
        "mademoiselle",
        "sir",
        "madam",
        "mam",
        "senor",
        "senora",
        "senhor",
        "senhora",
        "sidi",
        "lalla",
    ]
)


class Passwords:
    def __init__(self, around: Around, credentials: Credentials) -> None:
        self.around, self.credentials = around, credentials

    def find(self, expected: str | None) -> tuple[list[Secret], bool]:
        """Words announced as a password, and whether the announcement ends the text."""
        found: list[Secret] = []
        follows = told = False
        count = len(self.around.words)
        noun = bool(self.around.heat & NOUN)
        nouns = dict(self.around.known.spans(self.around.known.password_noun, self.around.line)) if noun else {}
        for start, end in self.around.known.spans(self.around.known.password, self.around.line) if noun else ():
            first, told = self.around.said(end), True
            at = first
            while self.around.word(first) in self.around.known.still:
                first += 1  # "is still dandelion"
            if first >= count > at:
                continue  # "is very simple"
            if self.credentials.is_and(end - 1):
                continue
            if any(
                token.word in self.around.known.denials or token.word in self.credentials.known.breaks
                for token in self.around.words[nouns.get(start, end) : end - 1]
            ):
                continue
            if first >= count:
                follows = True
            elif (
                not self._is_talk(first)
                and not self._is_lone(first)
                and not self.credentials.is_state(first, self.credentials.end(first))
            ):
                found.append(Secret("password", first, self._password_end(first)))
        follows = follows or (not told and bool(self.around.heat & (NOUN | ENTRY)) and self._is_awaited(nouns.values()))
        behind = self._before_as() if noun and not found else None
        if behind is not None:
            return [*found, behind], False
        more = self.credentials.find()
        told = told or any(token.word == "[password]" for token in self.around.words)
        unclear = self._unclear_password() if noun and not told and not more else None
        if unclear is not None:
            found.append(Secret("password", unclear, self._password_end(unclear)))
        if expected == "password" and 0 < count <= ANSWER_WORDS_MAX:
            found += self._answer()
        found += more
        found += self.credentials.mended(found)
        return found, follows

    def _is_awaited(self, ends: Iterable[int]) -> bool:
        """Whether the words end in "my password" and no more than hesitation: it is told next."""
        words = self.around.words
        if len(words) > PASSWORD_WORDS_MAX + 2 or any(token.word in self.around.known.talk for token in words):
            return False
        if any(end < len(words) <= self.around.said(end) for end in ends):
            return True
        spans = self.credentials.spans
        asked = bool(self.around.heat & ENTRY) and any(spans(name) for name in ("things", "frees"))
        return asked and any(self.credentials.begin(end) == len(words) for end in spans("entering").values())

    def _answer(self) -> list[Secret]:
        """What was said when a password was asked for."""
        count = len(self.around.words)
        first = self.around.said(0)
        first -= self.around.word(first - 1) in self.credentials.known.small  # "o rato roeu"
        if count <= PASSWORD_WORDS_MAX and first < count and not self._is_no_answer(first):
            return [Secret("password", first, count - 1)]
        first, last, led = self.credentials.answer()
        told = led or count <= PASSWORD_WORDS_MAX or self.credentials.is_explained(first, last)
        if first < count and told and not self._is_no_answer(first, last + 1, led):
            return [Secret("password", first, last)]
        refused = any(token.word in self.around.known.talk for token in self.around.words)
        return [] if refused else self.credentials.rare(asked=True)

    def _is_no_answer(self, first: int, end: int | None = None, led: bool = False) -> bool:
        """Whether what is said instead of a password, which was asked for, is about something else."""
        known, numbers = self.around.known, self.around.numbers
        said = [token.word for token in self.around.words[first:end]]
        if all(word in numbers.asides or word in numbers.repairs or word in numbers.continues for word in said):
            return True  # "one moment please"
        small = said[0] in self.credentials.known.small and (led or len(said) > 2)
        if not small and (said[0] in known.harmless or said[0] in known.evasive):
            return True
        if _TOO_LATE & set(said):
            return True
        if (
            said[0] in self.credentials.known.small
            and said[1:2]
            and said[1] in numbers.repairs
            and "de" not in said[2:3]
        ):
            return True  # "un instant s'il vu plait"
        # A password of one word may well be "maria"; in more, a word of talk says that this is none.
        second = said[1:2] if said[1:2] and len(said[1]) > 2 and not numbers.begins(said[1]) else []
        return not known.harmless.isdisjoint(second) or (len(said) > 1 and not known.talk.isdisjoint(said))

    def _before_as(self) -> Secret | None:
        """What was chosen, before it is said what for: "i put red lantern as my password"."""
        known = self.around.known
        for start, _ in known.spans(known.password_noun, self.around.line):
            at = next((at for at in range(start - 1, start - 4, -1) if self.around.word(at) in known.as_words), None)
            chosen = range(at - 1, max(-1, at - 2 - SHORT_PASSWORD_WORDS_MAX), -1) if at is not None else range(0)
            verb = next((place for place in chosen if self.around.word(place) in known.chosen), None)
            if at is not None and verb is not None and verb + 1 < at and not self._is_talk(verb + 1):
                return Secret("password", verb + 1, at - 1)
        return None

    def _is_lone(self, first: int) -> bool:
        """Whether an article alone stands where the password would: "it's my first name ousmane"."""
        return self.around.word(first) in self.credentials.known.small and self._password_end(first) == first

    def _is_talk(self, at: int) -> bool:
        """Whether this word begins no password: it is about one, or a mark."""
        word, around = self.around.word(at), self.around
        if word[:3] in ("وال", "وما"):
            return True  # "and the"
        about = word in around.known.harmless or word in around.numbers.units
        return about or word.startswith("[") or self.credentials.is_joined_talk(word)

    def _unclear_password(self) -> int | None:
        """The first word of a password whose "is" was misheard ("my password i bluebird"); talk about one has none."""
        known, words = self.around.known, self.around.words
        for start, end in known.spans(known.password_noun, self.around.line):
            signs = self.credentials.known.signs
            if any(
                word.word in known.talk and not (word.word == "sans" and self.around.word(at + 1) in signs)
                for at, word in enumerate(words)
                if not start <= at < end
            ):
                continue
            named = end
            end = next((last for first, last in known.spans(known.belonging, self.around.line) if first == end), end)
            at = self.around.said(end)
            if at >= len(words) or (at == len(words) - 1 and words[at].word in _ADDRESSES):
                continue  # "my password uh wait", "your password sir"
            bare = len(words) - max(0, end - named) <= PASSWORD_WORDS_MAX + 2 and self.around.said(0) >= start - 1
            if bare and at < len(words) and not self._is_vague(at):
                return at
            at = self._after_copula(end)
            joined = words[end - 1].word != self.around.line.tokens[end - 1].word  # "passwordis"
            closing = at == end and len(words) - at <= 2  # "and my password bluebird"
            told = joined or at > end or closing or self.around.settings.strict
            if told and at < len(words) <= at + SHORT_PASSWORD_WORDS_MAX and not self._is_vague(at):
                return at
        return None

    def _is_vague(self, at: int) -> bool:
        """The same where nothing says that a password follows."""
        known = self.credentials.known
        return self._is_talk(at) or (self.around.word(at) in known.never and self.around.word(at) not in known.small)

    def _after_copula(self, at: int) -> int:
        """The word after up to three short ones, one of which was "is"; the end where one of them is "not"."""
        for _ in range(3):
            word = self.around.word(at)
            if word in self.around.known.harmless or word in self.credentials.known.breaks:
                return len(self.around.words)
            if not word or len(word) > 3 or word.isdigit():
                break
            at += 1
        return at

    def _password_end(self, first: int) -> int:
        """The last word of a password; letters spelled one by one do not count towards the longest."""
        last, count = first, 1
        end = self.credentials.end(first)
        for at in range(first + 1, min(first + SPELLED_WORDS_MAX, len(self.around.words))):
            word = self.around.word(at)
            count += len(word) > 1
            if (at > end) or word.startswith("[") or (word in _TOO_LATE and not self.around.settings.strict):
                break
            last = at
        return last
