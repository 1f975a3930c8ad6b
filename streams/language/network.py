"""A small network that reads the words of an utterance in their order: log-odds of phrases and sentiment, all languages together.

A word is the sum of what its parts are (parts.py, hashed with the language); five neighbouring words together make each of 128
features; the most and the mean of a feature over the utterance, and who speaks in which language, speak for each category and
label. Fitted by `recipe/fit_network.py` on the project's own utterances, `network.npz`. What a word gives to the features in each
of the five places is kept by word, so that of a known word nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
_KEPT_WORDS = 4096


@dataclass(frozen=True, slots=True)
class Weights:
    """`parts` (slot, width) bytes times `scale` (width); `near` (width, place and feature); `side` and `told` by side: what it gives
    to the features in each place, and to the categories and labels; `out` (2 features, categories and labels); `unknown` by side
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
        by_place = (side @ near).reshape(len(side), REACH, features)
        told = side @ out[:, 2 * features :].T + stored["out_bias"].astype(np.float32)
        out = np.ascontiguousarray(out[:, : 2 * features].T)
        nothing = np.zeros((UNKNOWN_WORDS, REACH, features), dtype=np.float32)
        unknown = [_features(nothing + own, bias)[1] @ out + other for own, other in zip(by_place, told, strict=True)]
        return Weights(
            categories=tuple(stored["categories"].tolist()),
            parts=stored["parts"],
            scale=stored["scale"],
            near=near,
            bias=bias,
            side=by_place,
            told=told,
            out=out,
            unknown=np.array(unknown)[:, :-LABELS],
        )


def side_of(language: str, party: str) -> int:
    """The number of a speaker's side."""
    return 2 * LANGUAGES.index(language) + (party == "agent")


def part_slots(language: str, word: str) -> list[int]:
    return [crc32(f"{language}{part}".encode("utf-8", "replace")) % SLOTS for part in word_parts(word, language)]


@lru_cache(maxsize=_KEPT_WORDS)
def word_gives(language: str, word: str) -> Floats:
    """What a word gives to each feature in each place: (places, features)."""
    known = weights()
    vector = known.parts[part_slots(language, word)].sum(axis=0, dtype=np.float32) * known.scale
    return np.asarray((vector @ known.near).reshape(REACH, -1))


def understand(words: Sequence[Token], language: str, party: str) -> Understood:
    """Of an utterance with at least one word."""
    known, side = weights(), side_of(language, party)
    given = np.array([word_gives(language, token.word) for token in words[:WORDS_MAX]])
    given += known.side[side]
    found, both = _features(given, known.bias)
    odds = both @ known.out + known.told[side]
    negative, neutral, positive = odds[-LABELS:].tolist()
    categories = odds[:-LABELS]
    return Understood(categories, categories < known.unknown[side], (negative, neutral, positive), found)


def _features(given: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """What each feature finds in each word, and the most and the mean of it, from what the words give it in each place."""
    count, edge = len(given), REACH // 2
    sums = np.zeros((count + REACH - 1, len(bias)), dtype=np.float32)
    for place in range(REACH):
        sums[REACH - 1 - place : REACH - 1 - place + count] += given[:, place]
    found = sums[edge : edge + count]
    found += bias
    np.maximum(found, 0, out=found)
    return found, np.concatenate((found.max(axis=0), found.sum(axis=0) / count**0.5))
