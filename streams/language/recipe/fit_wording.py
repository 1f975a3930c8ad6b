"""Fits `wording.npz`: what words and pairs of neighbours speak for each category of phrases, language by language.

    python -m streams.language.recipe.fit_wording                 # cross-validation, then the file
    python -m streams.language.recipe.fit_wording --only-check    # cross-validation alone

A logistic regression a category and language on the utterances of `labelled.py`, by averaged stochastic gradient descent. Needs
scikit-learn (`pip install 'vigie[dev]'`), which running Vigie does not. Half a minute (`--no-check`), each of five folds nearly as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from streams.language.catalogue import CATEGORIES
from streams.language.recipe.labelled import (
    FOLDS,
    SEED,
    Floats,
    Labelled,
    corpus_mark,
    fit_by_language,
    folds_of,
    precision_recall,
    read_all,
    recipe_parser,
    said_in,
    weights_of,
    words_said,
)
from streams.language.text import LANGUAGES
from streams.language.weights import WORDING_FILE
from streams.language.wording import PARTIES, SLOTS, slots_of

DECAY, ROUNDS = 1e-6, 12
NEVER = -10.0
"""Log-odds of a category that nobody says."""
STEPS = 10
"""Either way, in which a weight is kept."""
SPARED = 99.9
"""Percentile of the weights' sizes that the steps reach to: a few larger ones may take more of them."""


def matrix(items: Sequence[Labelled]) -> sparse.csr_matrix:
    """One row an utterance: the slots of its words and pairs, then who speaks."""
    said = [slots_of(words_said(item)) for item in items]
    ends = np.cumsum([0, *map(len, said)])
    values = [len(slots) ** -0.5 for slots in said for _ in slots]
    slots = [slot for slots in said for slot in slots]
    of_words = sparse.csr_matrix((values, slots, ends), shape=(len(items), SLOTS))
    speaks = np.array([[item.party == party for party in PARTIES] for item in items], dtype=float)
    return sparse.csr_matrix(sparse.hstack([of_words, sparse.csr_matrix(speaks)]))


def fit(x: sparse.csr_matrix, said: NDArray[np.bool_], counts: Floats) -> Floats:
    """Weights by category and column; a category that nobody says here is never said."""
    from sklearn.linear_model import SGDClassifier

    found = np.zeros((said.shape[1], x.shape[1]))
    for number, of_category in enumerate(said.T):
        if not of_category.any():
            found[number, -len(PARTIES) :] = NEVER
            continue
        model = SGDClassifier(
            loss="log_loss",
            alpha=DECAY,
            max_iter=ROUNDS,
            tol=None,
            average=True,
            random_state=SEED,
        )
        model.fit(x, of_category, sample_weight=counts)
        found[number] = model.coef_[0]
        found[number, -len(PARTIES) :] += model.intercept_[0]
    return found


def cross_validated(
    x: sparse.csr_matrix, said: NDArray[np.bool_], counts: Floats, fold: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """What is found in each utterance by the utterances of the other folds."""
    found = np.zeros(said.shape, dtype=bool)
    for number in range(FOLDS):
        other = fold != number
        found[~other] = x[~other] @ fit(x[other], said[other], counts[other]).T > 0
    return found


def stored(weights: Floats, language: str) -> dict[str, NDArray[Any]]:
    """What goes into the file: the weights of the slots as bytes, what the parties add as it is."""
    slots, party = weights[:, :SLOTS], weights[:, SLOTS:]
    scale = np.maximum(np.percentile(np.abs(slots), SPARED, axis=1), 1e-9) / STEPS
    most = np.iinfo(np.int8).max
    return {
        f"{language}_slots": np.rint(slots / scale[:, None]).clip(-most, most).astype(np.int8),
        f"{language}_scale": scale.astype(np.float32),
        f"{language}_party": party.T.astype(np.float32),
    }


def of_language(language: str, items: Sequence[Labelled], check: bool, write: bool) -> tuple[str, dict[str, Any]]:
    x, said, counts = matrix(items), said_in(items), weights_of(items)
    told = f"{language}  {len(items)} utterances"
    if check:
        found = cross_validated(x, said, counts, folds_of(items))
        told += f", by itself, cross-validated: {precision_recall(found, said)}"
    return told, stored(fit(x, said, counts), language) if write else {}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = recipe_parser(__doc__, WORDING_FILE)
    parser.add_argument("--no-check", action="store_true", help="write at once")
    args = parser.parse_args(arguments)
    items = read_all(args.suite, args.corpus, judged=False)
    fit_by_language(
        items,
        LANGUAGES,
        lambda language, own: of_language(language, own, not args.no_check, not args.only_check),
        {"categories": np.array(CATEGORIES), "corpus": np.array(corpus_mark(items))},
        None if args.only_check else args.out,
    )


if __name__ == "__main__":
    main()
