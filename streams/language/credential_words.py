"""The words around what lets somebody in, in one or more languages, compiled, and the words of ordinary calls."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from streams.language.text import Line, Token, compile_patterns, fold, read_yaml, vocabulary

PATTERNS = (
    "things", "frees", "words", "is", "choosing", "entering", "being", "asking", "named", "knowing", "letting", "opening",
    "stated", "owner", "spelled", "ends", "mends", "leads", "topics", "questions", "followed",
)  # fmt: skip
MIXED_LETTERS_MIN = 4
STEM_MIN = 5
"""A word that begins as one of ordinary calls does, with so many letters or three quarters of it, is as ordinary."""
ARTICLE = "ال"
"""Its letters are those of half of all nouns, and count for nothing there."""


class CredentialWords:
    def __init__(self, codes: tuple[str, ...]) -> None:
        content = read_yaml("credentials.yaml")
        own = [content[code] for code in codes]
        # Darija is full of French; to a French caller "la" is no "no".
        main = [content[code] for code in codes[: 2 if codes[0] == "ar" else 1]]

        def words(name: str, parts: list[Any]) -> frozenset[str]:
            return frozenset(fold(str(word)) for part in parts for word in part[name])

        self.nouns, self.verbs, self.hints = words("nouns", own), words("verbs", own), words("hints", own)
        self.breaks, self.never = words("breaks", main), words("never", main)
        self.small, self.signs = words("small", main), words("signs", main)
        every = [content["all"]]
        # In Darija "ma" is "not"; in French it is "my".
        self.negated = words("negated", every) - (frozenset() if codes[0] == "ar" else {"ma"})
        self.persons, self.beside = words("persons", every), words("with", every)
        self.noting, self.as_in, self.keys = words("noting", every), words("as_in", every), words("keys", every)
        self.counted, self.about, self.of_my = words("counted", every), words("about", every), words("of_my", every)
        self.patterns = {
            name: compile_patterns([str(line) for part in own for line in part[name]]) for name in PATTERNS
        }
        self._plain = [vocabulary(code) for code in codes[:2]]

    def concerns(self, words: Sequence[Token]) -> bool:
        """Whether anything of this may stand in these words: true of few."""
        said = {token.word for token in words}
        if not self.nouns.isdisjoint(said):
            return True
        hints = len(self.hints & said)
        return hints > 1 or (hints > 0 and not self.verbs.isdisjoint(said))

    def asks(self, line: Line) -> bool:
        """Whether these words of the other party ask what only the owner knows."""
        return self.patterns["questions"].search(line.joined) is not None

    @staticmethod
    def is_mixed(word: str) -> bool:
        """Whether this is a word of letters, four at least, and figures: "letmein1"."""
        letters = sum(sign.isalpha() for sign in word)
        return MIXED_LETTERS_MIN <= letters < len(word) > 5 and word[0].isalpha() and word.isalnum()

    def is_plain(self, word: str) -> bool:
        """Whether ordinary calls have this word, or one that begins as it does."""
        own = len(word.removeprefix(ARTICLE))
        if own < STEM_MIN:
            return len(word) < 3 or any(_begins(words, word, exactly=True) for words in self._plain)
        stem = word[: len(word) - own + max(STEM_MIN, own * 3 // 4)]
        return any(_begins(words, stem) for words in self._plain)


def _begins(words: tuple[str, ...], stem: str, exactly: bool = False) -> bool:
    at = bisect_left(words, stem)
    return at < len(words) and (words[at] == stem if exactly else words[at].startswith(stem))


@lru_cache(maxsize=32)
def credential_words(codes: tuple[str, ...]) -> CredentialWords:
    return CredentialWords(codes)
