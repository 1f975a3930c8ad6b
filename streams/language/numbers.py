"""Numbers in a transcript, in figures or spoken, as runs of digits: "oh seven double five" is 0755.

A run is as long as a caller can be dictating one number: fillers ("euh", "then", "dash") do not end it. Callers group
digits as they like ("forty five seventy two", "soixante-dix-huit"), and a transcriber drops hyphens, so a run keeps two
readings: `digits`, where words that make one number are taken together, and `spread`, where each word stands alone.
Redaction believes whichever is the more dangerous.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from streams.language.text import LANGUAGES, Token, fold, language_code, read_yaml

FILLERS_MAX = 2
"""Fillers in a row that do not end a dictated number; three words are a sentence."""
_CARDINAL_MAX = 10**9


@dataclass(frozen=True, slots=True)
class NumberWords:
    """What a language's callers may say when they give a number."""

    values: dict[str, int]
    hundred: frozenset[str]
    thousand: frozenset[str]
    joiners: frozenset[str]
    times: dict[str, int]
    fillers: frozenset[str]
    articles: frozenset[str]


@dataclass(frozen=True, slots=True)
class NumberRun:
    """Words `first..last` (inclusive) of one dictated number; `groups` are the numbers heard, as digits."""

    first: int
    last: int
    groups: tuple[str, ...]
    spread: str

    @property
    def digits(self) -> str:
        return "".join(self.groups)

    @property
    def digits_max(self) -> int:
        """Digits in the longer reading. One number on its own ("mille neuf cent quatre-vingt-dix") has only one."""
        return len(self.digits) if len(self.groups) == 1 else max(len(self.digits), len(self.spread))


@lru_cache(maxsize=8)
def number_words(language: str | None) -> NumberWords:
    """The language's own words, and those of the other languages that mean nothing else in it."""
    own = language_code(language)
    content = read_yaml("numbers.yaml")
    excluded = {fold(word) for word in content[own]["not_numbers"]}
    values: dict[str, int] = {}
    times: dict[str, int] = {}
    sets: dict[str, set[str]] = {"hundred": set(), "thousand": set(), "and": set(), "fillers": set()}
    for code in (own, *(other for other in LANGUAGES if other != own)):
        part = content[code]
        foreign = code != own
        for name, into in (("values", values), ("times", times)):
            for word, value in part[name].items():
                if not (foreign and fold(word) in excluded):
                    into.setdefault(fold(word), value)
                elif 0 <= value < 10:  # between digits of a number that is said in the other language
                    sets["fillers"].add(fold(word))
        for name, words in sets.items():
            if not foreign or name in ("hundred", "thousand"):
                words |= {fold(word) for word in part[name] if not (foreign and fold(word) in excluded)}
    return NumberWords(
        values=values,
        hundred=frozenset(sets["hundred"]),
        thousand=frozenset(sets["thousand"]),
        joiners=frozenset(sets["and"]),
        times=times,
        fillers=frozenset(sets["fillers"]),
        articles=frozenset(fold(word) for word in content[own]["articles"]),
    )


def figures(word: str) -> str:
    """The digits written in a word, of any script: "x٣4" is "34"; empty when there are none."""
    if word.isascii():
        return word if word.isdigit() else "".join(sign for sign in word if sign.isdigit())
    found = []
    for sign in word:
        value = unicodedata.numeric(sign, None)
        if value is not None and value in range(10):
            found.append(str(int(value)))
    return "".join(found)


def number_runs(words: Sequence[Token], language: str | None) -> list[NumberRun]:
    """All dictated numbers among `words`, in order, never overlapping."""
    known = number_words(language)
    runs: list[NumberRun] = []
    at = 0
    while at < len(words):
        group = _group(words, at, known)
        if group is None:
            at += 1
            continue
        first, groups, spread = at, [group[0]], [group[1]]
        at = end = group[2]
        while True:
            while at < len(words) and at - end < FILLERS_MAX and _group(words, at, known) is None:
                if words[at].word not in known.fillers:
                    break
                at += 1
            more = _group(words, at, known) if at < len(words) else None
            if more is None:
                at = end
                break
            groups.append(more[0])
            spread.append(more[1])
            at = end = more[2]
        runs.append(NumberRun(first, end - 1, tuple(groups), "".join(spread)))
    return runs


def _group(words: Sequence[Token], at: int, known: NumberWords) -> tuple[str, str, int] | None:
    """The number that begins at word `at`: its digits, the digits of its words one by one, and the word after it."""
    word = words[at].word
    written = figures(word)
    if written:
        return written, written, at + 1
    if word in known.times and at + 1 < len(words):
        digit = figures(words[at + 1].word) or str(known.values.get(words[at + 1].word, ""))
        return (digit * known.times[word], digit * known.times[word], at + 2) if len(digit) == 1 else None
    if known.values.get(word) == 0:
        return "0", "0", at + 1
    if word in known.values or word in known.hundred or word in known.thousand:
        return _cardinal(words, at, known)
    return None


def _cardinal(words: Sequence[Token], at: int, known: NumberWords) -> tuple[str, str, int]:
    """As many words from `at` on as make one number, greedily: "quatre mille cinq cent soixante-douze" is 4572."""
    total = current = 0
    spread: list[str] = []
    first, start = True, at
    while at < len(words):
        word, before = words[at].word, words[at - 1].word if at > start else ""
        if not first and word in known.joiners and at + 1 < len(words) and _joins(words[at + 1].word, current, known):
            at += 1
            word = words[at].word
        value = known.values.get(word)
        if word in known.hundred and 0 < current % 1000 < 100:
            current = current - current % 1000 + current % 1000 * 100
        elif word in known.hundred and current == 0:
            current = 100
        elif word in known.thousand and total == 0 and current < 1000:
            total, current = max(current, 1) * 1000, 0
            if total >= _CARDINAL_MAX:
                break
        elif value and (current == 0 and (first or total) or _fits(value, current, word, before)):
            current = current + 76 if (word in ("vingt", "vingts") and current % 100 == 4) else current + value
            spread.append(str(value))
        else:
            break
        first = False
        at += 1
    return str(total + current), "".join(spread), at


def _joins(word: str, current: int, known: NumberWords) -> bool:
    """Whether "and" before `word` belongs to one number: "hundred and five", "vingt et un", "trinta e dois"."""
    value = known.values.get(word)
    return bool(value) and (current % 100 == 0 or (current % 10 == 0 and current % 100 >= 20 and (value or 0) < 12))


def _fits(value: int, current: int, word: str, before: str) -> bool:
    """Whether `value` continues a number that stands at `current`; `before` is the word just before it."""
    if current == 0:
        return False
    if word in ("vingt", "vingts") and before == "quatre":
        return current % 100 == 4
    if before in ("soixante", "vingt", "vingts", "et") and current % 100 in (60, 80) and 10 <= value < 17:
        return True
    if before == "dix" and 7 <= value <= 9 and current % 100 in (10, 70, 90):
        return True
    if value < 10:
        return current % 10 == 0 and current % 100 != 10
    return current % (100 if value < 100 else 1000) == 0
