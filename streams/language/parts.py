"""Parts of words, and what they weigh in the sentiment: words, pairs of neighbours, runs of 3 to 5 letters, hashed.

The lexicon knows what its author thought of; the parts carry what labelled utterances say beside it ("still nothing", "works
again"), and the runs of letters carry it over to inflections and misheard words. Arabic words also count without what is
written onto their front, Darija in Latin letters in one spelling of the many. Weights are fitted a language by
`recipe/fit_sentiment.py` and stand in `sentiment.npz`, one byte a slot and label; those that are used beside a sentence's
vector (semantic.py) were fitted beside it and stand in `semantic.npz`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streams.language.spelling import arabizi, forms, is_arabic

SLOTS = 1 << 15
"""Slots a language; its twenty thousand parts share few of them."""
RUNS = (3, 4, 5)
WORD_LETTERS_MAX = 24
"""Of a longer word only the first letters count: no word of a language is longer, and text may hold anything."""
START, END = "^", "$"
FILE = Path(__file__).with_name("sentiment.npz")
ALONE, BESIDE_MEANING = "sentiment", "semantic"
"""Names of the files of weights."""


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


def parts_of(words: Sequence[str], language: str) -> Iterator[str]:
    """Every part of an utterance, as often as it stands there."""
    before = START
    for word in words:
        yield from word_parts(word, language)
        yield pair(before, word)
        before = word
    yield pair(before, END)


def word_parts(word: str, language: str) -> list[str]:
    word = "0" if word.isdecimal() else word[:WORD_LETTERS_MAX]
    found = [word]
    if is_arabic(word):
        found += [f"@{form}" for form in forms(word)[1:]]
    elif language == "ar":
        found.append(f"@{arabizi(word)}")
    padded = f"_{word}_"
    for size in RUNS:
        found += [f"#{padded[at : at + size]}" for at in range(len(padded) - size + 1)]
    return found


def pair(before: str, word: str) -> str:
    return f"{before[:WORD_LETTERS_MAX]} {word[:WORD_LETTERS_MAX]}"


def slot_of(part: str) -> int:
    return crc32(part.encode("utf-8", "replace")) % SLOTS


@lru_cache(maxsize=50_000)
def word_weight(language: str, word: str, file: str = ALONE) -> Weighed:
    """What a word and its runs of letters weigh."""
    return _weighed(language, word_parts(word, language), file)


@lru_cache(maxsize=100_000)
def pair_weight(language: str, before: str, word: str, file: str = ALONE) -> Weighed:
    return _weighed(language, [pair(before, word)], file)


def _weighed(language: str, parts: Sequence[str], file: str) -> Weighed:
    known = weights(language, file)
    sums = known.slots[:, [slot_of(part) for part in parts]].sum(axis=1, dtype=np.int64) * known.scale
    return Weighed(len(parts), float(sums[0]), float(sums[1]), float(sums[2]))


@lru_cache(maxsize=16)
def weights(language: str, file: str = ALONE) -> Weights:
    with np.load(FILE.with_name(f"{file}.npz"), allow_pickle=False) as stored:
        names, dense = stored["features"].tolist(), stored[f"{language}_dense"]
        by_name = {name: (float(row[0]), float(row[1]), float(row[2])) for name, row in zip(names, dense, strict=True)}
        return Weights(by_name, stored[f"{language}_slots"], float(stored[f"{language}_scale"]))
