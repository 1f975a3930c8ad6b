"""Fitted weights of the parts of words, and what they come to in an utterance's sentiment.

They stand in `sentiment.npz`, one byte a slot and label, and are kept together by word: what costs time is to fetch them, not to
add them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.language.parts import END, START, pair, slot_of, word_parts
from streams.language.text import Token

FOLDER = Path(__file__).parent
SENTIMENT_FILE, SEMANTIC_FILE, NETWORK_FILE, WORDING_FILE = (
    FOLDER / f"{name}.npz" for name in ("sentiment", "semantic", "network", "wording")
)
Floats = NDArray[np.float32]


class Weighed(NamedTuple):
    """How many parts there are, and the sums of their weights for negative, neutral and positive."""

    parts: int
    negative: float
    neutral: float
    positive: float


@dataclass(frozen=True, slots=True)
class Weights:
    """Fitted weights of one language: `dense` by feature (see features.py) and label, `slots` by label and slot."""

    dense: dict[str, tuple[float, float, float]]
    slots: NDArray[np.int8]
    scale: float


@dataclass(frozen=True, slots=True)
class Parted:
    """What the words of an utterance weigh, and the pairs of neighbours (one more, with both ends); `size` is the root of the
    number of parts."""

    words: list[Weighed]
    pairs: list[Weighed]
    size: float


@lru_cache(maxsize=8)
def weights(language: str) -> Weights:
    with np.load(SENTIMENT_FILE, allow_pickle=False) as stored:
        names, dense = stored["features"].tolist(), stored[f"{language}_dense"]
        by_name = {name: (float(row[0]), float(row[1]), float(row[2])) for name, row in zip(names, dense, strict=True)}
        return Weights(by_name, stored[f"{language}_slots"], float(stored[f"{language}_scale"]))


def part(words: Sequence[Token], language: str) -> Parted:
    """Of an utterance with at least one word."""
    said = [token.word for token in words]
    own = [word_weight(language, word) for word in said]
    pairs = [pair_weight(language, *both) for both in zip([START, *said], [*said, END], strict=True)]
    return Parted(own, pairs, (sum([one.parts for one in own]) + len(pairs)) ** 0.5)


@lru_cache(maxsize=50_000)
def word_weight(language: str, word: str) -> Weighed:
    """What a word and its runs of letters weigh."""
    return _weighed(language, word_parts(word, language))


@lru_cache(maxsize=100_000)
def pair_weight(language: str, before: str, word: str) -> Weighed:
    return _weighed(language, [pair(before, word)])


def _weighed(language: str, parts: Sequence[str]) -> Weighed:
    known, slots = weights(language), [slot_of(part) for part in parts]
    sums = known.slots[:, slots].sum(axis=1, dtype=np.int64) * known.scale
    return Weighed(len(parts), float(sums[0]), float(sums[1]), float(sums[2]))
