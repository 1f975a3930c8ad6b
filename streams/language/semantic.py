"""What an utterance means, beside what its words match: phrases and sentiment from a sentence embedding (optional).

Patterns find what their authors thought of. A linear model a language over the utterance's vector and the parts of its
words, fitted on this project's own utterances (`recipe/fit_semantic.py`, `semantic.npz`), also finds what is said in ways of
its own ("fifteen years with you and it will not be sixteen"), and takes back what only sounds alike. A catalogue's own `like`
examples are compared with the vector itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audio.errors import VigieError
from streams.language.backchannels import is_backchannel
from streams.language.catalogue import Catalogue, Entry, default_catalogue
from streams.language.embedding import Embedder
from streams.language.parts import parts_of, slot_of
from streams.language.phrases import Phrase
from streams.language.text import language_code

if TYPE_CHECKING:
    from streams.language.reading import Heard

FILE = Path(__file__).with_name("semantic.npz")
ADD_MIN, KEEP_MIN = 0.0, -5.0
"""Log-odds from which on a category is said though no pattern matches, and below which a match is taken back. Chosen on
utterances that no pattern had been built on yet."""
LIKE_MIN = 0.5
"""Cosine, less what all utterances have in common, from which on an utterance is like an example."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """Fitted weights of one language: `phrases` by category over (vector, 1, agent), `slots` by category and slot of parts,
    `feelings` by label over the vector."""

    phrases: Floats
    slots: NDArray[np.int8]
    scale: float
    feelings: Floats


@dataclass(frozen=True, slots=True)
class Fitted:
    """`mean` is what the vectors of all utterances have in common."""

    model: str
    mean: Floats
    categories: tuple[str, ...]
    heads: dict[str, Head]


@lru_cache(maxsize=1)
def fitted() -> Fitted:
    with np.load(FILE, allow_pickle=False) as stored:
        heads = {
            code: Head(
                stored[f"{code}_phrases"].astype(np.float32),
                stored[f"{code}_phrase_slots"],
                float(stored[f"{code}_phrase_scale"]),
                stored[f"{code}_feelings"].astype(np.float32),
            )
            for code in stored["languages"].tolist()
        }
        return Fitted(
            str(stored["model"]),
            stored["mean"].astype(np.float32),
            tuple(stored["categories"].tolist()),
            heads,
        )


class Semantics:
    """Meaning for one catalogue. Raises VigieError: the embedder is not the one that the weights are for."""

    def __init__(self, embedder: Embedder, catalogue: Catalogue) -> None:
        self._embedder, self._fitted = embedder, fitted()
        if embedder.name != self._fitted.model:
            raise VigieError(
                f"the weights are for {self._fitted.model}, not for {embedder.name}",
                remedy="Fit them: python -m streams.language.recipe.fit_semantic",
                where=str(FILE),
            )
        own = set(catalogue.entries) - set(default_catalogue().entries)
        self._order = {category: number for number, category in enumerate(catalogue.categories)}
        self._bundled = _parties(set(catalogue.entries) - own)
        self._touched = {(entry.category, entry.language) for entry in own}
        self._like = [(entry, self._centred(entry.like)) for entry in catalogue.entries if entry.like]

    def refine(self, heard: Sequence[Heard]) -> list[Heard]:
        """The utterances with the phrases that they mean, and what the vector says of their sentiment."""
        telling = [at for at, one in enumerate(heard) if one.words and not is_backchannel(one.text, one.language)]
        found = list(heard)
        if telling:
            vectors = self._centred([heard[at].text for at in telling])
            for at, vector in zip(telling, vectors, strict=True):
                found[at] = self._refined(heard[at], vector)
        return found

    def _centred(self, texts: Sequence[str]) -> Floats:
        return self._embedder.embed(texts) - self._fitted.mean

    def _refined(self, one: Heard, vector: Floats) -> Heard:
        code = language_code(one.language)
        head = self._fitted.heads[code]
        phrases = self._phrases(one, code, head, vector) + self._alike(one, code, vector)
        phrases.sort(key=lambda phrase: (phrase["start"], self._order[phrase["category"]]))
        negative, neutral, positive = (head.feelings @ vector).tolist()
        return replace(one, phrases=phrases, meaning=(negative, neutral, positive))

    def _phrases(self, one: Heard, code: str, head: Head, vector: Floats) -> list[Phrase]:
        """What the patterns found, less what is not meant, and what is meant beside it."""
        odds = _odds(one, code, head, vector)
        matched = list(one.phrases)
        for number, category in enumerate(self._fitted.categories):
            parties = self._bundled.get((category, code), ())
            if not parties or (one.party is not None and one.party not in parties):
                continue
            said = any(phrase["category"] == category for phrase in matched)
            if said and odds[number] < KEEP_MIN and (category, code) not in self._touched:
                matched = [phrase for phrase in matched if phrase["category"] != category]
            elif not said and odds[number] >= ADD_MIN:
                matched.append(_whole(one, category))
        return matched

    def _alike(self, one: Heard, code: str, vector: Floats) -> list[Phrase]:
        said = {phrase["category"] for phrase in one.phrases}
        found: dict[str, Phrase] = {}
        for entry, examples in self._like:
            if entry.language != code or entry.category in said or not _may_say(entry, one.party):
                continue
            size = np.linalg.norm(examples, axis=1) * np.linalg.norm(vector)
            if float((examples @ vector / np.maximum(size, 1e-9)).max()) >= LIKE_MIN:
                found[entry.category] = _whole(one, entry.category)
        return list(found.values())


def _odds(one: Heard, code: str, head: Head, vector: Floats) -> Floats:
    """Log-odds by category; where it is not known who speaks, those of the likelier speaker."""
    agents = [one.party == "agent"] if one.party is not None else [False, True]
    slots = Counter(slot_of(part) for part in parts_of([token.word for token in one.words], code))
    counts = np.array(list(slots.values()), dtype=np.float32) / np.sqrt(slots.total())
    from_parts = head.slots[:, list(slots)].astype(np.float32) @ counts * head.scale
    rows = np.array([[*vector, 1.0, float(agent)] for agent in agents], dtype=np.float32)
    return np.asarray((rows @ head.phrases.T + from_parts).max(axis=0), dtype=np.float32)


def _whole(one: Heard, category: str) -> Phrase:
    """All of it is what was meant."""
    start, end = one.words[0].start, one.words[-1].end
    return Phrase(category=category, text=one.text[start:end], start=start, end=end)


def _may_say(entry: Entry, party: str | None) -> bool:
    return party is None or entry.party in ("both", party)


def _parties(entries: set[Entry]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Who may say a category of the bundled catalogue, by category and language."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for entry in entries:
        who = ("customer", "agent") if entry.party == "both" else (entry.party,)
        key = entry.category, entry.language
        found[key] = tuple(dict.fromkeys([*found.get(key, ()), *who]))
    return found
