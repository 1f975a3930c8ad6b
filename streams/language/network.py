"""A small network that reads the words of an utterance in their order: log-odds of phrases and sentiment, all languages together.

A word is the sum of what its parts are (parts.py, hashed with the language); five neighbouring words together make each of 128
features; the most and the mean of a feature over the utterance, and who speaks in which language, speak for each category and
label. Fitted by `recipe/fit_network.py` on the project's own utterances, `network.npz`. What a word is, is kept by word: of a known
word no part is fetched twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streams.language.parts import word_parts
from streams.language.text import LANGUAGES, Token
from streams.language.weights import NETWORK_FILE, Floats

SLOTS = 1 << 14
"""All languages share them."""
REACH = 5
"""Neighbouring words that a feature sees."""
SIDES = 2 * len(LANGUAGES)
LABELS = 3
WORDS_MAX = 200
"""Of a longer utterance only the first words are read: nobody says more in one breath."""
UNKNOWN_WORDS = 8
"""As many words has an utterance usually."""
_KEPT_WORDS = 50_000


@dataclass(frozen=True, slots=True)
class Weights:
    """`parts` (slot, width) bytes times `scale` (width); `near` (place and width, feature); `side` and `told` by side: what it adds
    to each word, and to the categories and labels; `out` (2 features, categories and labels); `unknown` by side
    and category: the odds of an utterance of words that were never heard."""

    categories: tuple[str, ...]
    parts: NDArray[np.int8]
    scale: Floats
    near: Floats
    bias: Floats
    side: Floats
    told: Floats
    out: Floats
    unknown: Floats


@dataclass(frozen=True, slots=True)
class Understood:
    """Log-odds by category and by label, which categories the words speak against, and what each feature found in each word."""

    categories: Floats
    against: NDArray[np.bool_]
    labels: tuple[float, float, float]
    found: Floats
    """(words, features)"""

    def shares(self, category: int) -> list[float]:
        """What each word speaks for a category."""
        out, count = weights().out[:, category], len(self.found)
        features = self.found.shape[1]
        shares = self.found @ (out[features:] / count**0.5)
        np.add.at(shares, self.found.argmax(axis=0), self.found.max(axis=0) * out[:features])
        return [float(share) for share in shares]


@lru_cache(maxsize=1)
def weights() -> Weights:
    with np.load(NETWORK_FILE, allow_pickle=False) as stored:
        near, side, out, bias = (stored[name].astype(np.float32) for name in ("near", "side", "out", "near_bias"))
        features = len(bias)
        told = side @ out[:, 2 * features :].T + stored["out_bias"].astype(np.float32)
        out = np.ascontiguousarray(out[:, : 2 * features].T)
        near = near.reshape(-1, REACH, features).transpose(1, 0, 2).reshape(-1, features)
        known = Weights(
            categories=tuple(stored["categories"].tolist()),
            parts=stored["parts"],
            scale=stored["scale"],
            near=np.ascontiguousarray(near),
            bias=bias,
            side=side,
            told=told,
            out=out,
            unknown=np.zeros(0, dtype=np.float32),
        )
    nothing = np.zeros((UNKNOWN_WORDS, side.shape[1]), dtype=np.float32)
    unknown = [_features(nothing + own, known)[1] @ out + other for own, other in zip(side, told, strict=True)]
    return replace(known, unknown=np.array(unknown)[:, :-LABELS])


def side_of(language: str, party: str) -> int:
    """The number of a speaker's side."""
    return 2 * LANGUAGES.index(language) + (party == "agent")


def part_slots(language: str, word: str) -> list[int]:
    return [crc32(f"{language}{part}".encode("utf-8", "replace")) % SLOTS for part in word_parts(word, language)]


@lru_cache(maxsize=_KEPT_WORDS)
def word_vector(language: str, word: str) -> Floats:
    """What a word is: (width,)."""
    known = weights()
    return np.asarray(known.parts[part_slots(language, word)].sum(axis=0, dtype=np.float32) * known.scale)


def understand(words: Sequence[Token], language: str, party: str) -> Understood:
    """Of an utterance with at least one word."""
    known, side = weights(), side_of(language, party)
    vectors = [word_vector(language, token.word) for token in words[:WORDS_MAX]]
    found, both = _features(np.array(vectors) + known.side[side], known)
    odds = both @ known.out
    odds += known.told[side]
    negative, neutral, positive = odds[-LABELS:].tolist()
    categories = odds[:-LABELS]
    return Understood(categories, categories < known.unknown[side], (negative, neutral, positive), found)


def _features(words: Floats, known: Weights) -> tuple[Floats, Floats]:
    """What each feature finds in each word, and the most and the mean of it."""
    count, width = words.shape
    padded = np.zeros((count + REACH - 1, width), dtype=np.float32)
    padded[REACH // 2 : REACH // 2 + count] = words
    # Row after row the neighbours lie side by side already: each begins one word later.
    near = np.ndarray((count, REACH * width), np.float32, padded, 0, (padded.strides[0], padded.itemsize))
    found = np.ascontiguousarray(near) @ known.near
    found += known.bias
    np.maximum(found, 0, out=found)
    features = len(known.bias)
    both = np.empty(2 * features, dtype=np.float32)
    np.maximum.reduce(found, axis=0, out=both[:features])
    np.add.reduce(found, axis=0, out=both[features:])
    both[features:] *= count**-0.5
    return found, both
