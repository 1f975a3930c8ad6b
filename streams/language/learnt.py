"""Phrases by what labelled utterances have taught, beside the patterns of the catalogue.

Patterns find what their authors thought of. A linear model a language over the parts of words, fitted on this project's own
utterances (`recipe/fit_phrases.py`, `phrases.npz`), adds what is said in other words when it is sure, and takes a pattern's match
back when the rest of the utterance speaks clearly against it. A category that a catalogue of a user's own replaces or lacks is left
alone, and what the user's own patterns find always stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.language.catalogue import Catalogue, Entry, default_catalogue
from streams.language.parts import END, START, pair, slot_of, word_parts
from streams.language.phrases import Phrase
from streams.language.text import Token, language_code

if TYPE_CHECKING:
    from streams.language.reading import Heard

FOLDER = Path(__file__).parent
PHRASES, SEMANTIC = "phrases", "semantic"
"""Names of the files of weights: by parts alone, and by parts beside the utterance's vector."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """Fitted weights of one language, by category: `dense` over (vector, where there is one, 1, agent), `slots` (slot,
    category) over parts."""

    dense: Floats
    slots: NDArray[np.int8]
    scale: float


@lru_cache(maxsize=16)
def head_of(file: str, language: str) -> Head:
    with np.load(FOLDER / f"{file}.npz", allow_pickle=False) as stored:
        dense = stored[f"{language}_phrases"].astype(np.float32)
        slots = np.ascontiguousarray(stored[f"{language}_phrase_slots"].T)
        return Head(dense, slots, float(stored[f"{language}_phrase_scale"]))


@lru_cache(maxsize=2)
def categories_of(file: str) -> tuple[str, ...]:
    with np.load(FOLDER / f"{file}.npz", allow_pickle=False) as stored:
        return tuple(stored["categories"].tolist())


@lru_cache(maxsize=20_000)
def _word(file: str, language: str, word: str) -> tuple[int, NDArray[np.int32]]:
    """How many parts a word has, and what they weigh by category, not yet scaled."""
    return _summed(file, language, word_parts(word, language))


@lru_cache(maxsize=40_000)
def _pair(file: str, language: str, before: str, word: str) -> NDArray[np.int32]:
    return _summed(file, language, [pair(before, word)])[1]


def _summed(file: str, language: str, parts: Sequence[str]) -> tuple[int, NDArray[np.int32]]:
    rows = head_of(file, language).slots[[slot_of(part) for part in parts]]
    return len(parts), rows.sum(axis=0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Weighed:
    """The words' and pairs' weights of an utterance: (words, category) and (words + 1, category), and their scale."""

    words: NDArray[np.int32]
    pairs: NDArray[np.int32]
    scale: float

    def sums(self) -> Floats:
        """By category."""
        total = np.add.reduce(self.words) + np.add.reduce(self.pairs)
        return np.asarray(total * np.float32(self.scale), dtype=np.float32)

    def run(self, category: int) -> tuple[int, int] | None:
        """The neighbouring words (first, end) that together speak most for a category; None where none does."""
        shares = self.words[:, category] + (self.pairs[:-1, category] + self.pairs[1:, category]) / 2
        best, found, total, first = 0.0, None, 0.0, 0
        for at, share in enumerate(shares.tolist()):
            if total <= 0:
                total, first = 0.0, at
            total += share
            if total > best:
                best, found = total, (first, at + 1)
        return found


def weigh(words: Sequence[Token], language: str, file: str) -> Weighed:
    """Of an utterance with at least one word."""
    said = [START, *(token.word for token in words), END]
    own = [_word(file, language, word) for word in said[1:-1]]
    pairs = [_pair(file, language, said[at], said[at + 1]) for at in range(len(said) - 1)]
    size = (sum(parts for parts, _ in own) + len(pairs)) ** 0.5
    return Weighed(np.array([row for _, row in own]), np.array(pairs), head_of(file, language).scale / size)


class LearntPhrases:
    """Adds to and takes from what the patterns of one catalogue found.

    Attributes:
        add_min: log-odds from which on a category is said though no pattern matches.
        keep_min: log-odds below which a pattern's match is taken back.
    """

    file = PHRASES
    add_min, keep_min = 0.0, -4.0

    def __init__(self, catalogue: Catalogue) -> None:
        bundled = set(default_catalogue().entries)
        own = [entry for entry in catalogue.entries if entry not in bundled]
        self._numbers = {category: number for number, category in enumerate(categories_of(self.file))}
        self._order = {category: number for number, category in enumerate(catalogue.categories)}
        self._touched = {(entry.category, entry.language) for entry in own}
        self._parties = _parties(entry for entry in catalogue.entries if entry in bundled)

    def refine(self, heard: Sequence[Heard]) -> list[Heard]:
        """The utterances with the phrases that they are taken to say."""
        return [self._by_parts(one) if one.words else one for one in heard]

    def _by_parts(self, one: Heard) -> Heard:
        code = language_code(one.language)
        weighed = weigh(one.words, code, self.file)
        dense = head_of(self.file, code).dense
        return self._with(one, code, weighed, odds_of(weighed, dense[:, 0], dense[:, 1], one.party))

    def _with(self, one: Heard, code: str, weighed: Weighed, odds: Floats) -> Heard:
        sure = set(np.flatnonzero(odds >= self.add_min).tolist())
        if not sure and not one.phrases:
            return one
        said = {phrase["category"] for phrase in one.phrases}
        kept = [phrase for phrase in one.phrases if self._stands(phrase["category"], code, odds)]
        for category, parties in self._parties[code].items():
            number = self._numbers[category]
            if number in sure and category not in said and (one.party is None or one.party in parties):
                kept.append(phrase_of(one, category, weighed.run(number)))
        kept.sort(key=lambda phrase: (phrase["start"], self._order[phrase["category"]]))
        return replace(one, phrases=kept)

    def _stands(self, category: str, code: str, odds: Floats) -> bool:
        number = self._numbers.get(category)
        return number is None or (category, code) in self._touched or bool(odds[number] >= self.keep_min)


def odds_of(weighed: Weighed, always: Floats, agent: Floats, party: str | None) -> Floats:
    """Log-odds by category; where it is not known who speaks, those of the likelier speaker."""
    sums: Floats = weighed.sums() + always
    if party is None:
        return np.maximum(sums, sums + agent)
    return sums + agent if party == "agent" else sums


def phrase_of(one: Heard, category: str, run: tuple[int, int] | None) -> Phrase:
    first, end = run or (0, len(one.words))
    start_at, end_at = one.words[first].start, one.words[end - 1].end
    return Phrase(category=category, text=one.text[start_at:end_at], start=start_at, end=end_at)


def _parties(entries: Iterable[Entry]) -> dict[str, dict[str, set[str]]]:
    """Who may say a category of the bundled catalogue, by language and category."""
    found: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for entry in entries:
        who = {"customer", "agent"} if entry.party == "both" else {entry.party}
        found[entry.language].setdefault(entry.category, set()).update(who)
    return found
