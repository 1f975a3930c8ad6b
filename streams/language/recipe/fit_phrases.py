"""Fits `phrases.npz`: what the parts of words say of phrases, language by language.

    python -m streams.language.recipe.fit_phrases                   # cross-validation, then the file
    python -m streams.language.recipe.fit_phrases --only-check      # cross-validation alone

On the utterances of `fit_sentiment.py` and those whose sentiment nobody judged (the held-out part of tests/words is never read).
A logistic regression a language and category over the speaker and the parts. The patterns of the catalogue take no part in the
fit: they were built on many of these utterances, and would seem better than they are. Needs scikit-learn (`pip install
'vigie[dev]'`), which running Vigie does not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from streams.language.catalogue import CATEGORIES
from streams.language.parts import SLOTS, parts_of, slot_of
from streams.language.phrases import find_phrases
from streams.language.recipe.fit_sentiment import CORPUS, FOLDS, SUITE, Labelled, folds_of, read_all, weights_of
from streams.language.text import LANGUAGES, tidy, words_of
from streams.language.weights import PHRASES_FILE

LOOSENESS = 3.0
"""`C` of the regressions."""
PARTS, SPEAKER = 2.0, 2.0
"""What parts and speaker count beside each other."""
ROUNDS_MAX = 200


def parts_matrix(items: Sequence[Labelled]) -> sparse.csr_matrix:
    """One row an utterance, one column a slot."""
    values: list[float] = []
    slots: list[int] = []
    ends = [0]
    for item in items:
        words = [token.word for token in words_of(tidy(item.text), item.language)]
        counts = Counter(slot_of(part) for part in parts_of(words, item.language))
        size = counts.total() ** 0.5
        for slot, count in sorted(counts.items()):
            slots.append(slot)
            values.append(count / size)
        ends.append(len(slots))
    return sparse.csr_matrix((values, slots, ends), shape=(len(items), SLOTS))


def phrase_matrix(items: Sequence[Labelled]) -> sparse.csr_matrix:
    """One row an utterance: 1, whether an agent speaks, and its parts."""
    dense = np.array([[1.0, SPEAKER * (item.party == "agent")] for item in items])
    return sparse.csr_matrix(sparse.hstack([dense, parts_matrix(items) * PARTS]))


def fit(x: sparse.csr_matrix, said: NDArray[np.bool_], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights by category and column; 0 for what no utterance has."""
    from sklearn.linear_model import LogisticRegression

    used = np.flatnonzero(np.asarray((x != 0).sum(axis=0)).ravel())
    found = np.zeros((said.shape[1], x.shape[1]))
    for number in range(said.shape[1]):
        model = LogisticRegression(C=LOOSENESS, fit_intercept=False, max_iter=ROUNDS_MAX, tol=1e-3)
        found[number, used] = model.fit(x[:, used], said[:, number], sample_weight=counts).coef_[0]
    return found


def stored(weights: NDArray[np.float64], language: str) -> dict[str, NDArray[Any]]:
    """What goes into the file: the weights of the slots as bytes, the others as they are."""
    size = weights.shape[1] - SLOTS
    dense = weights[:, :size] * np.array([1.0, SPEAKER])
    slots = weights[:, size:] * PARTS
    scale = float(np.abs(slots).max()) / 127
    return {
        f"{language}_phrases": dense.astype(np.float16),
        f"{language}_phrase_slots": np.rint(slots / scale).astype(np.int8),
        f"{language}_phrase_scale": np.array(scale, dtype=np.float32),
    }


def said_in(items: Sequence[Labelled]) -> NDArray[np.bool_]:
    """By utterance and category, as labelled."""
    return np.array([[category in item.phrases for category in CATEGORIES] for item in items])


def matched_in(items: Sequence[Labelled]) -> NDArray[np.bool_]:
    """By utterance and category, what the patterns find."""
    found = []
    for item in items:
        text = tidy(item.text)
        phrases = find_phrases(text, words_of(text, item.language), item.language, item.party)
        said = {phrase["category"] for phrase in phrases}
        found.append([category in said for category in CATEGORIES])
    return np.array(found)


def checked(items: Sequence[Labelled], x: sparse.csr_matrix) -> str:
    """Precision and recall of the patterns and of the model, each utterance judged by the other folds."""
    fold, said, matched, counts = folds_of(items), said_in(items), matched_in(items), weights_of(items)
    odds = np.zeros(said.shape)
    for number in range(FOLDS):
        other = fold != number
        odds[~other] = (x @ fit(x[other], said[other], counts[other]).T)[~other]
    named = (("patterns", matched), ("model", odds >= 0))
    return "; ".join(f"{name} {precision_recall(found, said)}" for name, found in named)


def precision_recall(found: NDArray[np.bool_], said: NDArray[np.bool_]) -> str:
    hits = int((found & said).sum())
    return f"P {hits / max(1, int(found.sum())):.3f} R {hits / max(1, int(said.sum())):.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=PHRASES_FILE)
    parser.add_argument("--language", nargs="*", default=list(LANGUAGES), help="only with --only-check")
    parser.add_argument("--only-check", action="store_true", help="cross-validate, write nothing")
    parser.add_argument("--no-check", action="store_true", help="write at once")
    args = parser.parse_args(arguments)
    items = read_all(args.suite, args.corpus, judged=False)
    content: dict[str, NDArray[Any]] = {"categories": np.array(CATEGORIES)}
    for language in args.language if args.only_check else LANGUAGES:
        own = [item for item in items if item.language == language]
        x = phrase_matrix(own)
        told = "" if args.no_check else f", cross-validated: {checked(own, x)}"
        print(f"{language}  {len(own)} utterances{told}", flush=True)
        if not args.only_check:
            content |= stored(fit(x, said_in(own), weights_of(own)), language)
    if not args.only_check:
        np.savez_compressed(args.out, allow_pickle=False, **content)
        print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
