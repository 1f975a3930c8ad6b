"""Words of a transcript as all of the language parts see them: folded, with where they stand, and patterns over them.

Folding takes away what transcribers disagree about: case, accents, the shape of apostrophes, hyphens. "Soixante-dix"
is two words, "can't" is "can t", "déjà" is "deja", "مشكلة" is "مشكله". A mark left by redaction ("[card]") is one word that
no pattern names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

LANGUAGES = ("en", "fr", "pt", "es", "ar")
DEFAULT_LANGUAGE = "en"

_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670"
"""Accents and vowel signs that are written as characters of their own; they belong to the word they stand in."""
_WORD = re.compile(rf"\[[a-z_]+\]|[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")
_PATTERN_PART = re.compile(r"\.\.\d*|[()\[\]|^$]|[^\s()\[\]|^$]+")
_ONE_LETTER = str.maketrans({"œ": "oe", "æ": "ae", "ة": "ه", "ى": "ي", "ٱ": "ا", "ـ": None, "ک": "ك", "ی": "ي"})
"""Letters that writers use for one another: Arabic endings, the long stroke, Persian forms, ligatures."""
_GAP_WORDS = 3
"""Words that a bare ".." of a pattern may skip."""


KEPT_CHARS_MAX = 2_000
"""Of a longer text, which is no utterance, the words are made anew each time."""


class Token(NamedTuple):
    """One word: its folded form and its characters `start..end` in the text."""

    word: str
    start: int
    end: int


@lru_cache(maxsize=256)
def language_code(language: str | None) -> str:
    """The language whose lists apply: "fr-MA" is "fr"; an unknown language or none is English."""
    code = (language or DEFAULT_LANGUAGE).lower().replace("_", "-").split("-")[0]
    return code if code in LANGUAGES else DEFAULT_LANGUAGE


@lru_cache(maxsize=20_000)
def _fold_foreign(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.casefold().translate(_ONE_LETTER))
    return "".join(sign for sign in plain if sign.isalnum()).translate(_ONE_LETTER)


def fold(word: str) -> str:
    return word.lower() if word.isascii() else _fold_foreign(word)


def tokens(text: str) -> list[Token]:
    """The words of `text`, in order, with their character offsets."""
    return list(_kept_tokens(text) if len(text) <= KEPT_CHARS_MAX else _tokens(text))


@lru_cache(maxsize=16)
def _kept_tokens(text: str) -> tuple[Token, ...]:
    """Of the last few texts, as they were said, in this process's memory alone: every step between a transcript and its alert asks for
    the words of the same utterance."""
    return _tokens(text)


def _tokens(text: str) -> tuple[Token, ...]:
    made = tuple.__new__  # what Token() comes to, without its detour: this runs for every word
    return tuple([made(Token, (word, *match.span())) for match in _WORD.finditer(text) if (word := fold(match[0]))])


_CONTRACTED = {
    f"{front}{back}": len(front)
    for back, fronts in {
        "t": "ain aren can couldn didn don doesn hadn hasn haven isn mustn needn shouldn wasn weren won wouldn",
        "m": "i",
        "s": "he let she that there what who",
        "re": "they you",
        "ve": "i they we you",
        "ll": "they you",
        "d": "you",
    }.items()
    for front in fronts.split()
}
"""English contractions that are no other word when their apostrophe is left out, and where they part: "dont" is "don t"."""


def words_of(text: str, language: str | None) -> list[Token]:
    """The `tokens` of a text in a known language: English contractions part as if their apostrophe were written."""
    found = tokens(text)
    if language_code(language) != "en" or not any(token.word in _CONTRACTED for token in found):
        return found
    parted: list[Token] = []
    for token in found:
        at = _CONTRACTED.get(token.word)
        if at is None or token.end - token.start != len(token.word):
            parted.append(token)
        else:
            middle = token.start + at
            parted += [Token(token.word[:at], token.start, middle), Token(token.word[at:], middle, token.end)]
    return parted


def tidy(text: str) -> str:
    """Composed characters and no control or surrogate characters: what the offsets of every later step refer to."""
    text = unicodedata.normalize("NFC", text)
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in text)


class Line:
    """A text's words joined by single spaces, for patterns; knows which word a character belongs to."""

    __slots__ = ("_starts", "joined", "tokens")

    def __init__(self, words: Sequence[Token]) -> None:
        self.tokens = words
        self.joined = "".join(f"{token.word} " for token in words)
        self._starts: dict[int, int] | None = None

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        """First word of a match and the one after its last."""
        if self._starts is None:
            self._starts, position = {}, 0
            for index, token in enumerate(self.tokens):
                self._starts[position] = index
                position += len(token.word) + 1
            self._starts[position] = len(self.tokens)
        return self._starts[match.start()], self._starts[match.end()]


def compile_patterns(patterns: Iterable[str]) -> re.Pattern[str]:
    """One expression over `Line.joined` for a list of patterns.

    A pattern is words with `(a|b c)` alternatives, `[x]` optional parts, `_` any word, `..` up to three words
    (`..5` up to five), `stem~` any word that begins so, `^` and `$` the ends of the utterance.

    Raises:
        ValueError: the pattern is empty, or its brackets do not match.
    """
    return re.compile("(?:^|(?<= ))(?:" + "|".join(_expression(pattern) for pattern in patterns) + ")")


def _expression(pattern: str) -> str:
    parts: list[str] = []
    open_brackets: list[str] = []
    for part in _PATTERN_PART.findall(pattern):
        if part in "([":
            open_brackets.append(part)
            parts.append("(?:")
        elif part in ")]":
            if not open_brackets or open_brackets.pop() != {")": "(", "]": "["}[part]:
                raise ValueError(f"brackets do not match in pattern {pattern!r}")
            parts.append(")?" if part == "]" else ")")
        elif part in ("|", "^", "$"):
            parts.append(part)
        elif part.startswith(".."):
            parts.append(f"(?:[^ ]+ ){{0,{int(part[2:] or _GAP_WORDS)}}}?")
        elif part == "_":
            parts.append("[^ ]+ ")
        else:
            words = [token.word for token in tokens(part)]
            if not words:
                raise ValueError(f"pattern {pattern!r} holds {part!r}, which is no word")
            tail = "[^ ]*" if part.endswith("~") else ""
            parts.append(" ".join(map(re.escape, words)) + tail + " ")
    if open_brackets or not parts:
        raise ValueError(f"brackets do not match in pattern {pattern!r}")
    return "".join(parts)


class _WordLoader(yaml.SafeLoader):
    """YAML in which "on", "yes" and "no" are words."""


_WordLoader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if not tag.endswith((":bool", ":null"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@lru_cache(maxsize=64)
def read_yaml(name: str) -> Mapping[str, Any]:
    """A data file that lies beside this module."""
    content: Mapping[str, Any] = yaml.load((Path(__file__).parent / name).read_text(encoding="utf-8"), _WordLoader)
    return content


@lru_cache(maxsize=8)
def vocabulary(code: str) -> tuple[str, ...]:
    """The words of ordinary calls, sorted: those that come up often in the corpus (`recipe/make_vocabulary.py`)."""
    return tuple((Path(__file__).parent / "vocabulary" / f"{code}.txt").read_text(encoding="utf-8").split())
