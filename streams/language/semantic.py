"""What an utterance means, beside what its words match: phrases and sentiment from a sentence embedding (optional).

As `learnt.py`, with the utterance's vector beside the parts of its words: that also finds what shares no word with anything that was
labelled. The sentiment has the vector beside its evidence too. Weights:
`recipe/fit_semantic.py`, `semantic.npz`. With a catalogue's own `like` examples the vector itself is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from audio.errors import VigieError
from streams.language.catalogue import Catalogue, Entry
from streams.language.embedding import Embedder
from streams.language.learnt import LearntPhrases, odds_of, phrase_of
from streams.language.text import language_code
from streams.language.weights import BESIDE_MEANING, SEMANTIC_FILE, Floats, part, weights

if TYPE_CHECKING:
    from streams.language.phrases import Phrase
    from streams.language.reading import Heard

LIKE_MIN = 0.4
"""Cosine with the middle of the examples, less what all utterances of the language have in common, from which on an utterance is
like them; `python -m streams.language.recipe.fit_semantic --examples` says what is found so."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """By language, `mean` is what the vectors of all utterances have in common, `feelings` (label, vector) weights."""

    model: str
    mean: dict[str, Floats]
    feelings: dict[str, Floats]


@lru_cache(maxsize=1)
def fitted() -> Fitted:
    with np.load(SEMANTIC_FILE, allow_pickle=False) as stored:
        codes = stored["languages"].tolist()
        mean = {code: stored[f"{code}_mean"].astype(np.float32) for code in codes}
        feelings = {code: stored[f"{code}_feelings"].astype(np.float32) for code in codes}
        return Fitted(str(stored["model"]), mean, feelings)


class Semantics(LearntPhrases):
    """Meaning for one catalogue. Raises VigieError: the embedder is not the one that the weights are for."""

    kind, linear = BESIDE_MEANING, 0.5

    def __init__(self, embedder: Embedder, catalogue: Catalogue) -> None:
        if embedder.name != fitted().model:
            raise VigieError(
                f"the weights are for {fitted().model}, not for {embedder.name}",
                remedy="Fit them: python -m streams.language.recipe.fit_semantic",
                where=str(SEMANTIC_FILE),
            )
        super().__init__(catalogue)
        self._embedder = embedder
        self._like = [(entry, self._middle(entry)) for entry in catalogue.entries if entry.like]

    def refine(self, heard: Sequence[Heard]) -> list[Heard]:
        """The utterances with the phrases that they mean, and what the vector says of their sentiment."""
        telling = [at for at, one in enumerate(heard) if one.words and not one.backchannel]
        found = list(heard)
        if telling:
            vectors = self._embedder.embed([heard[at].text for at in telling])
            for at, vector in zip(telling, vectors, strict=True):
                found[at] = self._by_meaning(heard[at], vector)
        return found

    def _middle(self, entry: Entry) -> Floats:
        return middle_of(self._embedder.embed(entry.like) - fitted().mean[entry.language])

    def _by_meaning(self, one: Heard, vector: Floats) -> Heard:
        code = language_code(one.language)
        vector = vector - fitted().mean[code]
        parted, known = part(one.words, code, self.kind), weights(code, self.kind).phrases
        sums = parted.phrase_sums(known) + known.dense[:, :-2] @ vector
        understood = self._understood(one, code)
        odds = odds_of(sums + known.dense[:, -2], known.dense[:, -1], one.party)
        meant = self._phrases(one, code, understood, odds)
        phrases = [*meant, *self._alike(one, {phrase["category"] for phrase in meant}, code, vector)]
        phrases.sort(key=lambda phrase: (phrase["start"], self._order[phrase["category"]]))
        negative, neutral, positive = (fitted().feelings[code] @ vector).tolist()
        meaning = negative, neutral, positive
        return one._replace(phrases=phrases, parted=parted, understood=understood, meaning=meaning)

    def _alike(self, one: Heard, said: set[str], code: str, vector: Floats) -> list[Phrase]:
        """What is like a user's examples: all of the utterance."""
        found: dict[str, Phrase] = {}
        for entry, middle in self._like:
            if entry.language != code or entry.category in said or not _may_say(entry, one.party):
                continue
            if float(middle @ _unit(vector)) >= LIKE_MIN:
                found[entry.category] = phrase_of(one, entry.category, None)
        return list(found.values())


def middle_of(vectors: Floats) -> Floats:
    """Of unit length: what vectors (less their language's mean) point to together."""
    return _unit((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0))


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / max(1e-9, float(np.linalg.norm(vector))), dtype=np.float32)


def _may_say(entry: Entry, party: str | None) -> bool:
    return party is None or entry.party in ("both", party)
