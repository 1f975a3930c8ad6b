"""Phrases of an utterance, by category: what an alert on words quotes.

A category says who may say it: a customer's "I'll cancel" is a threat, an agent's is a service. With two channels mixed
into one (`party` None) everybody may say everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from streams.language.catalogue import CATEGORIES as CATEGORIES
from streams.language.catalogue import Catalogue, LanguagePhrases, Said, default_catalogue
from streams.language.fuzzy import enough
from streams.language.patterns import Line
from streams.language.text import Token

UNLESS_REACH = 5
"""Words within which an `unless` takes a match back."""
Match = tuple[int, int, int]
"""The entry's number, the first word of the match and the one after its last."""


class Phrase(TypedDict):
    """Characters `start..end` of the utterance's text say something of this category."""

    category: str
    text: str
    start: int
    end: int


def find_phrases(
    text: str,
    words: Sequence[Token],
    language: str | None,
    party: str | None,
    catalogue: Catalogue | None = None,
    *,
    line: Line | None = None,
) -> list[Phrase]:
    """The phrases of `text` (whose `tokens` are `words`), by where they start; those of a category neither overlap nor touch."""
    return match_phrases(text, words, language, party, catalogue, line=line)[0]


def match_phrases(
    text: str,
    words: Sequence[Token],
    language: str | None,
    party: str | None,
    catalogue: Catalogue | None = None,
    *,
    line: Line | None = None,
) -> tuple[list[Phrase], frozenset[str]]:
    """As `find_phrases`, and the categories that an `unless` says are not meant, whether or not anything was taken back."""
    if not words:
        return [], frozenset()
    known = (catalogue or default_catalogue()).of(language)
    line = line or Line(words)
    matches, taken_back = _matches(known, line)
    denied = frozenset(known.entries[match[0]].category for match in taken_back)
    if not matches:
        return [], denied
    found: list[Phrase] = []
    for category, spans in _by_category(known, matches, party).items():
        for first, end in _joined(spans):
            start_at, end_at = words[first].start, words[end - 1].end
            found.append(Phrase(category=category, text=text[start_at:end_at], start=start_at, end=end_at))
    order = {category: number for number, category in enumerate((catalogue or default_catalogue()).categories)}
    return sorted(found, key=lambda phrase: (phrase["start"], order[phrase["category"]])), denied


def _by_category(
    known: LanguagePhrases, matches: Sequence[Match], party: str | None
) -> dict[str, list[tuple[int, int]]]:
    """By category, the longest of overlapping matches, as words."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, first, end in sorted(matches, key=lambda match: (match[1] - match[2], match[1])):
        entry = known.entries[number]
        if party is not None and entry.party not in ("both", party):
            continue
        spans = found.setdefault(entry.category, [])
        if not any(first < other_end and other_first < end for other_first, other_end in spans):
            spans.append((first, end))
    return found


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those with no word between are quoted as one: "thank" and "you you have been so helpful" are halves of one thanks."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(spans):
        if joined and joined[-1][1] == first:
            first = joined.pop()[0]
        joined.append((first, end))
    return joined


def _matches(known: LanguagePhrases, line: Line) -> tuple[list[Match], list[Match]]:
    """What is said, and what an `unless` says is not."""
    said: list[Match] = []
    taken_back: list[Match] = []
    for number, patterns in enumerate(known.sets):
        is_guest = known.guests[number]
        if is_guest is not None and not any(map(is_guest, line.words())):
            continue
        for first, end, what in (*patterns.search(line), *_misheard(known, number, line)):
            (taken_back if what.taken_back else said).append((what.entry, first, end))
    if not taken_back:
        return said, taken_back
    return [match for match in said if not any(_takes_back(known, other, match) for other in taken_back)], taken_back


def _takes_back(known: LanguagePhrases, other: Match, match: Match) -> bool:
    """Whether an `unless` stands so near that it is about this match, and not about another half of what was said."""
    one, two = known.entries[other[0]], known.entries[match[0]]
    near = match[1] < other[2] + UNLESS_REACH and other[1] < match[2] + UNLESS_REACH
    return near and (one.category, one.party) == (two.category, two.party)


def _misheard(known: LanguagePhrases, number: int, line: Line) -> Iterator[tuple[int, int, Said]]:
    """Matches that rest on a word that was mended, where enough around it was heard right."""
    patterns, mender = known.sets[number], known.menders[number]
    heard = line.words(patterns.latin_arabic)
    mended = {at: better for at, word in enumerate(heard) if (better := mender.mend(word)) is not None}
    if not mended:
        return
    words = [mended.get(at, word) for at, word in enumerate(heard)]
    better_line = Line([Token(word, 0, 0) for word in words])
    for first, end, what in patterns.search(better_line, calling=[*mended.values(), *_others(heard, mended)]):
        changed = [at in mended for at in range(first, end)]
        if not known.entries[what.entry].fuzzy or not any(changed):
            continue
        if enough(words[first:end], changed):
            yield first, end, what


def _others(heard: Sequence[str], mended: dict[int, str]) -> list[str]:
    """The words that stand right beside a mended one: a pattern may be filed under them."""
    reach = 6
    near = {at + step for at in mended for step in range(-reach, reach + 1)}
    return [word for at, word in enumerate(heard) if at in near and at not in mended]
