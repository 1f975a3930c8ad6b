"""Fits `sentiment.npz`: what evidence, phrases, parties and parts of words weigh in the sentiment, language by language.

    python -m streams.language.recipe.fit_sentiment                 # cross-validation, then the file
    python -m streams.language.recipe.fit_sentiment --only-check    # cross-validation alone

Fitted on the utterances of `labelled.py` whose sentiment is labelled. A multinomial logistic regression a language, its labels
balanced. Callers also say in one breath what the corpus has in two: joined utterances, one of feeling and one without, are fitted on
too. Needs scikit-learn (`pip install 'vigie[dev]'`), which running Vigie does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from streams.language.features import FEATURES, features
from streams.language.lexicon import lexicon
from streams.language.parts import SLOTS, parts_of, slot_of
from streams.language.patterns import Line
from streams.language.phrases import find_phrases
from streams.language.recipe.labelled import (
    FOLDS,
    SEED,
    Floats,
    Labelled,
    fit_by_language,
    folds_of,
    macro_f1,
    read_all,
    recipe_parser,
    weights_of,
    words_said,
)
from streams.language.sentiment import LABELS, evidence_of
from streams.language.text import LANGUAGES, tidy, words_of
from streams.language.weights import SENTIMENT_FILE

LOOSENESS = 4.0
"""`C` of the regression; flat between 2 and 8 in cross-validation."""
DENSE = 0.7
"""What dense features count beside parts; flat between 0.5 and 1."""
MISSED_SHARE = 0.15
"""Phrases that are taken away where weights are fitted. The catalogues were built on these utterances and find all that they
say; of what others say they miss about so many, and weights that rely on them would be wrong then."""
JOINED_SHARE = 0.25
"""Joined utterances made for each one of feeling."""
ROUNDS_MAX = 150


def dense_row(item: Labelled) -> list[float]:
    text = tidy(item.text)
    words = words_of(text, item.language)
    line = Line(words)
    evidence = evidence_of(words, lexicon(item.language), line)
    said = {phrase["category"] for phrase in find_phrases(text, words, item.language, item.party, line=line)}
    said = {category for category in said if not _goes_unheard(category, item.text)}
    present = features([piece.weight for piece in evidence], said, item.party)
    return [present.get(name, 0.0) for name in FEATURES]


def _goes_unheard(category: str, text: str) -> bool:
    """Whether the phrase is to be missed here: the same ones in every run."""
    return crc32(f"{category} {text}".encode()) % 100 < 100 * MISSED_SHARE


def matrix(items: Sequence[Labelled]) -> sparse.csr_matrix:
    """One row an utterance: the dense features, then the slots of its parts."""
    values: list[float] = []
    slots: list[int] = []
    ends = [0]
    for item in items:
        parts = [slot_of(part) for part in parts_of(words_said(item), item.language)]
        for slot, count in sorted(Counter(parts).items()):
            slots.append(slot)
            values.append(count / len(parts) ** 0.5)
        ends.append(len(slots))
    parts_of_all = sparse.csr_matrix((values, slots, ends), shape=(len(items), SLOTS))
    dense = sparse.csr_matrix(np.array([dense_row(item) for item in items]) * DENSE)
    return sparse.csr_matrix(sparse.hstack([dense, parts_of_all]))


def fit(x: sparse.csr_matrix, y: NDArray[np.int64], counts: Floats) -> Floats:
    """Weights by label and feature; 0 for what no utterance has."""
    from sklearn.linear_model import LogisticRegression

    used = np.flatnonzero(np.asarray((x != 0).sum(axis=0)).ravel())
    totals = np.bincount(y, weights=counts, minlength=len(LABELS))
    rarer = {label: float(totals.mean() / total) for label, total in enumerate(totals) if total}
    model = LogisticRegression(
        C=LOOSENESS, class_weight=rarer, fit_intercept=False, max_iter=ROUNDS_MAX, tol=1e-3, solver="lbfgs"
    )
    model.fit(x[:, used], y, sample_weight=counts)
    found = np.zeros((len(LABELS), x.shape[1]))
    found[:, used] = model.coef_
    return found


def joined(items: Sequence[Labelled], fold: NDArray[np.int64]) -> tuple[list[Labelled], NDArray[np.int64]]:
    """Utterances of feeling with a neutral one of the same party and fold before or after them, and their folds."""
    rng = np.random.default_rng(SEED)
    neutral: dict[tuple[str, int], list[Labelled]] = {}
    for item, number in zip(items, fold, strict=True):
        if LABELS[item.label] == "neutral":
            neutral.setdefault((item.party, int(number)), []).append(item)
    found, folds = [], []
    for item, number in zip(items, fold, strict=True):
        others = neutral.get((item.party, int(number)))
        if LABELS[item.label] != "neutral" and others and rng.random() < JOINED_SHARE:
            other = others[int(rng.integers(len(others)))].text
            text = f"{item.text} {other}" if rng.random() < 0.5 else f"{other} {item.text}"
            found.append(Labelled(text, item.language, item.party, item.label, "joined"))
            folds.append(number)
    return found, np.array(folds, dtype=np.int64)


def cross_validated(
    x: sparse.csr_matrix, y: NDArray[np.int64], counts: Floats, fold: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The label that each utterance gets from the utterances of the other folds."""
    found = np.zeros(len(y), dtype=np.int64)
    for number in range(FOLDS):
        other = fold != number
        found[~other] = (x[~other] @ fit(x[other], y[other], counts[other]).T).argmax(axis=1)
    return found


def stored(weights: Floats, language: str) -> dict[str, NDArray[Any]]:
    """What goes into the file: the weights of the slots as bytes, those of the dense features as they are."""
    dense, slots = weights[:, : len(FEATURES)].T * DENSE, weights[:, len(FEATURES) :]
    scale = float(np.abs(slots).max()) / 127
    return {
        f"{language}_dense": dense.round(3).astype(np.float32),
        f"{language}_slots": np.rint(slots / scale).astype(np.int8),
        f"{language}_scale": np.array(scale, dtype=np.float32),
    }


def of_language(language: str, items: list[Labelled], check: bool, write: bool) -> tuple[str, dict[str, NDArray[Any]]]:
    fold = folds_of(items)
    more, more_folds = joined(items, fold)
    told = f"{language}  {len(items)} utterances"
    items, fold = [*items, *more], np.concatenate([fold, more_folds])
    x, y, counts = matrix(items), np.array([item.label for item in items]), weights_of(items)
    if check:
        found = cross_validated(x, y, counts, fold)
        sources = np.array([item.source for item in items])
        told += ", macro-F1 cross-validated:"
        for source in sorted(set(sources)):
            chosen = sources == source
            told += f" {source} {macro_f1(y[chosen], found[chosen]):.3f} ({int(chosen.sum())})"
    return told, stored(fit(x, y, counts), language) if write else {}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = recipe_parser(__doc__, SENTIMENT_FILE)
    parser.add_argument("--language", nargs="*", default=list(LANGUAGES), help="only with --only-check")
    parser.add_argument("--no-check", action="store_true", help="write at once")
    args = parser.parse_args(arguments)
    items = read_all(args.suite, args.corpus)
    fit_by_language(
        items,
        args.language if args.only_check else LANGUAGES,
        lambda language, own: of_language(language, own, not args.no_check, not args.only_check),
        {"features": np.array(FEATURES)},
        None if args.only_check else args.out,
    )


if __name__ == "__main__":
    main()
