"""What words and pairs of neighbours speak for each category of phrases: a linear model a language, beside the network.

The network (network.py) reads a word by its parts and its neighbourhood; this model knows words and pairs themselves, by hash, and
nothing of their order or inflection. Where one is wrong the other often is not, so that both have a say (learnt.py). What it does not
know speaks against everything: it is asked of utterances of ordinary words alone. Fitted by `recipe/fit_wording.py` on the project's
own utterances, `wording.npz`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streams.language.network import WORDS_MAX
from streams.language.parts import END, START, WORD_LETTERS_MAX, pair, slot_of
from streams.language.text import Token
from streams.language.weights import WORDING_FILE, Floats

SLOTS = 1 << 14
"""A language: half as many as the sentiment has (parts.py), since more would make the fitted files larger than they may be."""
PARTIES = ("agent", "customer")
"""Whoever is not the agent is taken for a customer."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Of one language: `slots` (slot, category) bytes times `scale` (category), and what each party adds: `party` (2, category)."""

    categories: tuple[str, ...]
    slots: NDArray[np.int8]
    scale: Floats
    party: Floats


@lru_cache(maxsize=8)
def weights(language: str) -> Weights:
    with np.load(WORDING_FILE, allow_pickle=False) as stored:
        return Weights(
            categories=tuple(stored["categories"].tolist()),
            slots=np.ascontiguousarray(stored[f"{language}_slots"].T),
            scale=stored[f"{language}_scale"].astype(np.float32),
            party=stored[f"{language}_party"].astype(np.float32),
        )


def spoken_for(words: Sequence[Token], language: str, party: str | None) -> Floats:
    """Log-odds (categories) of an utterance with at least one word; where it is not known who speaks, by the likelier speaker."""
    known = weights(language)
    slots = slots_of([token.word for token in words[:WORDS_MAX]])
    sums = known.slots[slots].sum(axis=0, dtype=np.int32) * (known.scale / np.float32(len(slots) ** 0.5))
    return np.asarray(sums + (known.party.max(axis=0) if party is None else known.party[int(party != "agent")]))


def slots_of(words: Sequence[str]) -> list[int]:
    """Of the words and the pairs of neighbours, both ends among them, each once."""
    shown = ["0" if word.isdecimal() else word[:WORD_LETTERS_MAX] for word in words]
    pairs = map(pair, [START, *shown], [*shown, END])
    return sorted({slot_of(one) % SLOTS for one in (*shown, *pairs)})
