"""A small network that reads the words of an utterance in their order: log-odds of phrases and sentiment, all languages together.

A word is the sum of what its parts are (parts.py, hashed); five neighbouring words together make each feature; the most and the
mean of a feature over the utterance, and who speaks in which language, speak for each category and label. Fitted by
`recipe/fit_network.py` on the project's own utterances, `network.npz`; networks fitted apart stand side by side in it as one. What a
word adds to the features of its neighbours is worked out once a word and kept in whole units, so that an utterance of known words
costs sums and no large product, and comes to the same whatever was read before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streams.language.parts import WORD_LETTERS_MAX, word_parts
from streams.language.text import LANGUAGES, Token
from streams.language.weights import NETWORK_FILE, Floats

SLOTS = 1 << 16
"""All languages share them: of half as many, too many parts of words share each."""
REACH = 5
"""Neighbouring words that a feature sees."""
SIDES = 2 * len(LANGUAGES)
LABELS = 3
WORDS_MAX = 200
"""Of a longer utterance only the first words are read: nobody says more in one breath."""
UNKNOWN_WORDS = 8
"""As many words has an utterance usually."""
UNIT = 1 / 768
"""What a word adds to a feature is kept in steps of it, up to 42 either way: no word of the corpus adds more."""
_KEPT_WORDS = 8_192
"""Of 5 kB each: 800 of every side in five languages."""
Units = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Weights:
    """`parts` (slot, width) bytes times `scale` (width); `near` (width, place and feature); `side` (side, place and feature) and
    `told` (side, categories and labels): what each side adds to every word's features, their biases among it, and to the odds;
    `out` (2 features, categories and labels) by unit; `unknown` by side and category: the odds of an utterance of words that were
    never heard."""

    categories: tuple[str, ...]
    parts: NDArray[np.int8]
    scale: Floats
    near: Floats
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
        by_side = side @ near
        middle = REACH // 2 * features  # each feature has its middle on a word
        by_side[:, middle : middle + features] += bias
        known = Weights(
            categories=tuple(stored["categories"].tolist()),
            parts=stored["parts"],
            scale=stored["scale"],
            near=near,
            side=by_side,
            told=told,
            out=out * np.float32(UNIT),
            unknown=np.zeros(0, dtype=np.float32),
        )
    nothing = [_features([_units(own)] * UNKNOWN_WORDS)[1] for own in known.side]
    return replace(known, unknown=(np.array(nothing) @ known.out + told)[:, :-LABELS])


def side_of(language: str, party: str) -> int:
    """The number of a speaker's side."""
    return 2 * LANGUAGES.index(language) + (party == "agent")


def part_slots(language: str, word: str) -> list[int]:
    """Runs of letters are hashed without the language: French in an Arabic call and what Portuguese and Spanish share is learnt once."""
    own = [part if part.startswith("#") else f"{language}{part}" for part in word_parts(word, language)]
    return [crc32(part.encode("utf-8", "replace")) % SLOTS for part in own]


@lru_cache(maxsize=_KEPT_WORDS)
def word_features(language: str, party: str, word: str) -> Units:
    """What a word of that side adds to each feature, by the place where it stands in the feature's reach: (places * features,)."""
    known = weights()
    vector = known.parts[part_slots(language, word)].sum(axis=0, dtype=np.float32) * known.scale
    return _units(vector @ known.near + known.side[side_of(language, party)])


def _units(added: Floats) -> Units:
    most = np.iinfo(np.int16).max
    return np.asarray(np.rint(added / UNIT).clip(-most, most), dtype=np.int16)


def understand(words: Sequence[Token], language: str, party: str) -> Understood:
    """Of an utterance with at least one word."""
    known, side = weights(), side_of(language, party)
    # Of a word no more is read, nor kept.
    shown = [token.word[:WORD_LETTERS_MAX] for token in words[:WORDS_MAX]]
    found, both = _features([word_features(language, party, word) for word in shown])
    odds = both @ known.out
    odds += known.told[side]
    negative, neutral, positive = odds[-LABELS:].tolist()
    categories = odds[:-LABELS]
    return Understood(categories, categories < known.unknown[side], (negative, neutral, positive), found)


def _features(words: list[Units]) -> tuple[Floats, Floats]:
    """What each feature finds in each word, in units, and the most and the mean of it."""
    count, features = len(words), len(words[0]) // REACH
    around = [np.zeros(REACH // 2 * REACH * features, dtype=np.int16)]
    by_place = np.concatenate(around + words + around, dtype=np.float32)
    row, place = by_place.itemsize * REACH * features, by_place.itemsize * features
    # A feature at a word sums up what each neighbour adds from its place: one row and one place further each.
    neighbours = np.ndarray((count, REACH, features), np.float32, by_place, 0, (row, row + place, by_place.itemsize))
    found = np.add.reduce(neighbours, axis=1)
    np.maximum(found, 0, out=found)
    both = np.empty(2 * features, dtype=np.float32)
    np.maximum.reduce(found, axis=0, out=both[:features])
    np.add.reduce(found, axis=0, out=both[features:])
    both[features:] *= count**-0.5
    return found, both
