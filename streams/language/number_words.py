"""The words of numbers, of five languages and Darija, as one language's speakers use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from streams.language.text import LANGUAGES, fold, language_code, read_yaml


@dataclass(frozen=True, slots=True)
class NumberWords:
    """What a language's callers may say when they give a number."""

    values: dict[str, int]
    hundred: frozenset[str]
    thousand: dict[str, int]
    joiners: frozenset[str]
    times: dict[str, int]
    hesitations: frozenset[str]
    fillers: frozenset[str]
    sounds_like: dict[str, str]
    continues: frozenset[str]
    repairs: frozenset[str]
    asides: frozenset[str]
    articles: frozenset[str]
    apart: frozenset[str]
    units: frozenset[str]
    months: frozenset[str]

    def begins(self, word: str) -> bool:
        """Whether a number can begin with this spoken word."""
        return word in self.values or word in self.hundred or word in self.thousand

    def is_filler(self, word: str) -> bool:
        """Whether this word does not end a dictated number, nor with the Arabic "and" before it."""
        return word in self.fillers or (word[:1] == "و" and word[1:] in self.fillers)


@lru_cache(maxsize=8)
def number_words(language: str | None) -> NumberWords:
    """The language's own words, and those of the other languages that mean nothing else in it."""
    own = language_code(language)
    content = read_yaml("numbers.yaml")
    excluded = _folded(content[own]["not_numbers"])
    values: dict[str, int] = {}
    times: dict[str, int] = {}
    thousand: dict[str, int] = {}
    hundred: set[str] = set()
    units: set[str] = set()
    months: set[str] = set()
    fillers = set(_folded(content[own]["fillers"]))
    for code in (own, *(other for other in LANGUAGES if other != own)):
        part: dict[str, Any] = content[code]
        foreign = code != own
        for name, into in (("values", values), ("times", times)):
            for word, value in part[name].items():
                if not (foreign and fold(str(word)) in excluded):
                    into.setdefault(fold(str(word)), value)
                elif 0 <= value < 10:  # between digits of a number that is said in the other language
                    fillers.add(fold(str(word)))
        for name, size in (("thousand", 1000), ("million", 1_000_000)):
            thousand |= {word: size for word in _folded(part[name]) if not (foreign and word in excluded)}
        hundred |= {word for word in _folded(part["hundred"]) if not (foreign and word in excluded)}
        units |= _folded(part["units"]) - (excluded if foreign else frozenset())
        months |= _folded(part["months"])
    return NumberWords(
        values=values,
        hundred=frozenset(hundred),
        thousand=thousand,
        joiners=_folded(content[own]["and"]) | _folded(content["ar"]["and"]),
        times=times,
        hesitations=_folded(content[own]["hesitations"]),
        fillers=frozenset(fillers) | _folded(content[own]["hesitations"]),
        sounds_like={fold(str(word)): fold(str(meant)) for word, meant in content[own]["sounds_like"].items()},
        continues=_folded(content[own]["continues"]) | fillers,
        repairs=_of_own("repairs", content, own),
        asides=_of_own("asides", content, own) | fillers,
        articles=_folded(content[own]["articles"]),
        apart=_of_own("apart", content, own),
        units=frozenset(units - set(values)),
        months=frozenset(months - set(values)),
    )


def _of_own(name: str, content: Mapping[str, Any], own: str) -> frozenset[str]:
    """A list of a language; Darija callers repair what they say in French as well."""
    return _folded(content[own][name]) | (_folded(content["fr"][name]) if own == "ar" else frozenset())


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(fold(str(word)) for word in words)
