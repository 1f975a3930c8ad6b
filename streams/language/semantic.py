"""What an utterance means, beside what its words match: phrases and sentiment from a sentence embedding (optional).

As `learnt.py`, and a network of two layers over the utterance's vector, all languages together, has a say in both: that also finds what
shares no word with anything that was labelled. Weights: `recipe/fit_semantic.py`, `semantic.npz`. With a catalogue's own `like`
examples the vector itself is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from audio.errors import VigieError
from streams.language.catalogue import Catalogue, Entry
from streams.language.embedding import Embedder, read_as
from streams.language.fitted import Meant
from streams.language.learnt import LearntPhrases, in_its_language, phrase_of
from streams.language.network import LABELS, SIDES, side_of
from streams.language.text import language_code
from streams.language.weights import SEMANTIC_FILE, Floats

if TYPE_CHECKING:
    from streams.language.phrases import Phrase
    from streams.language.reading import Heard

LIKE_MIN = 0.4
"""Cosine with the middle of the examples, less what all utterances of the language have in common, from which on an utterance is
like them; `python -m streams.language.recipe.fit_semantic --examples` says what is found so."""
MEANING = 0.3
"""What the vector counts in phrases and sentiment; the words count the rest."""
_SIDES = np.eye(SIDES, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Fitted:
    """`mean` is what the vectors of all utterances of a language have in common; `layers` are (weights (out, in), bias): two over the
    vector and the side, and the last, to categories and labels, over the second's and the first's input."""

    model: str
    categories: tuple[str, ...]
    mean: dict[str, Floats]
    layers: tuple[tuple[Floats, Floats], ...]

    def odds(self, vector: Floats, side: int) -> Floats:
        """Log-odds of the categories, then of the labels, of a vector less its language's mean, said from that side."""
        given = np.concatenate([unit(vector), _SIDES[side]])
        (first, first_bias), (second, second_bias), (last, last_bias) = self.layers
        found = np.maximum(first @ given + first_bias, 0)
        found = np.maximum(second @ found + second_bias, 0)
        return np.asarray(last @ np.concatenate([found, given]) + last_bias, dtype=np.float32)


@lru_cache(maxsize=1)
def fitted() -> Fitted:
    with np.load(SEMANTIC_FILE, allow_pickle=False) as stored:
        layers = tuple(
            (stored[name].astype(np.float32), stored[f"{name}_bias"].astype(np.float32))
            for name in ("first", "second", "last")
        )
        return Fitted(
            model=str(stored["model"]),
            categories=tuple(stored["categories"].tolist()),
            mean={code: stored[f"{code}_mean"].astype(np.float32) for code in stored["languages"].tolist()},
            layers=layers,
        )


class Semantics(LearntPhrases):
    """Meaning for one catalogue. Raises VigieError: the embedder is not the one that the weights are for."""

    add_min, keep_min, keep_named_min = 0.2, -1.4, -2.0
    """Words and meaning together are surer than words alone."""
    wording = 0.2
    """Beside meaning, what words and pairs say by themselves counts less."""

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
            own = [in_its_language(heard[at]) for at in telling]
            vectors = self._embedder.embed([read_as(one.text, language_code(one.language)) for one in own])
            for at, one, vector in zip(telling, own, vectors, strict=True):
                found[at] = self._by_meaning(one, vector)
        return found

    def _middle(self, entry: Entry) -> Floats:
        examples = self._embedder.embed([read_as(text, entry.language) for text in entry.like])
        return middle_of(examples - fitted().mean[entry.language])

    def _by_meaning(self, one: Heard, vector: Floats) -> Heard:
        code = language_code(one.language)
        vector = vector - fitted().mean[code]
        meant = _meant(vector, code, one.party)
        negative, neutral, positive = meant[-LABELS:].tolist()
        one = self._by_words(one, meant[:-LABELS], MEANING)._replace(
            meaning=Meant((negative, neutral, positive), MEANING)
        )
        alike = self._alike(one, {phrase["category"] for phrase in one.phrases}, code, vector)
        if not alike:
            return one
        return one._replace(phrases=self._in_order([*one.phrases, *alike]))

    def _alike(self, one: Heard, said: set[str], code: str, vector: Floats) -> list[Phrase]:
        """What is like a user's examples: all of the utterance."""
        found: dict[str, Phrase] = {}
        for entry, middle in self._like:
            if entry.language != code or entry.category in said or not _may_say(entry, one.party):
                continue
            if float(middle @ unit(vector)) >= LIKE_MIN:
                found[entry.category] = phrase_of(one, entry.category, None)
        return list(found.values())


def _meant(vector: Floats, code: str, party: str | None) -> Floats:
    """Log-odds of the categories and labels; where it is not known who speaks, each category by the likelier speaker."""
    if party is not None:
        return fitted().odds(vector, side_of(code, party))
    customer, agent = (fitted().odds(vector, side_of(code, one)) for one in ("customer", "agent"))
    customer[:-LABELS] = np.maximum(customer, agent)[:-LABELS]
    return customer


def middle_of(vectors: Floats) -> Floats:
    """Of unit length: what vectors (less their language's mean) point to together."""
    return unit((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0))


def unit(vector: Floats) -> Floats:
    """The vector with a length of one."""
    return np.asarray(vector / max(1e-9, float(np.linalg.norm(vector))), dtype=np.float32)


def _may_say(entry: Entry, party: str | None) -> bool:
    return party is None or entry.party in ("both", party)
