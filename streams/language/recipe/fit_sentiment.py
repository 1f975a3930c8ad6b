"""Fits `sentiment.npz`: what evidence, phrases, parties and parts of words weigh in the sentiment, language by language.

    python -m streams.language.recipe.fit_sentiment                 # cross-validation, then the file
    python -m streams.language.recipe.fit_sentiment --only-check    # cross-validation alone

Fitted on this project's own labelled utterances: the corpus beside this file and the development part of tests/words
(the held-out part is never read), and on what is plain in every call (`plain_of`); anybody may fit on utterances of
their own in the same form. A multinomial logistic regression a language, its labels balanced. Callers also say in one
breath what the corpus has in two: joined utterances, one of feeling and one without, are fitted on too. Utterances
that share half of their words are kept in one fold, so that no near-duplicate helps to judge another. Needs
scikit-learn (`pip install 'vigie[dev]'`), which running Vigie does not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from streams.language.embedding import read_as
from streams.language.features import FEATURES, features
from streams.language.lexicon import lexicon
from streams.language.parts import SLOTS, parts_of, slot_of
from streams.language.patterns import Line
from streams.language.phrases import find_phrases
from streams.language.sentiment import LABELS, evidence_of
from streams.language.text import LANGUAGES, read_yaml, tidy, words_of
from streams.language.weights import SENTIMENT_FILE

CORPUS = Path(__file__).parent / "corpus"
SUITE = Path("tests/words/dev")
SHORT = {"n": "negative", "0": "neutral", "p": "positive"}
NOT_JUDGED = "-"
"""Written for the phrases; nobody has judged its sentiment with care."""
AGENT_ONLY = {"greeting", "disclosure", "transfer", "help_offer", "apology", "empathy"}
"""Categories that only an agent can say: an utterance of the corpus with one of them is an agent's."""
FOLDS = 5
SEED = 3
ALIKE_MIN = 0.5
"""Shared words among all words of two utterances from which on they are near-duplicates."""
AT_ONCE = 500
"""Utterances compared with all others at once: all with all would take gigabytes."""
LOOSENESS = 4.0
"""`C` of the regression; flat between 2 and 8 in cross-validation."""
DENSE = 0.7
"""What dense features count beside parts; flat between 0.5 and 1."""
MISSED_SHARE = 0.15
"""Phrases that are taken away where weights are fitted. The catalogues were built on these utterances and find all that they
say; of what others say they miss about so many, and weights that rely on them would be wrong then."""
SUITE_WEIGHT = 3.0
"""What an utterance of the suite counts: its labels are those of the guide's own author, and it is the kind that is measured.
So does what is plain: there is little of it."""
PLAIN_FIGURES = 100
JOINED_SHARE = 0.25
"""Joined utterances made for each one of feeling."""
ROUNDS_MAX = 150
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An utterance; `source` is the corpus, the suite, plain (see `plain_of`), or joined (made of two others)."""

    text: str
    language: str
    party: str
    label: int
    source: str
    phrases: frozenset[str] = frozenset()


def read_suite(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.yaml")):
        rows += yaml.safe_load(path.read_text(encoding="utf-8"))
    return rows


def read_corpus(folder: Path, *, judged: bool = True) -> Iterator[Labelled]:
    """With `judged` False also those whose sentiment is not labelled (`label` -1)."""
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            sentiment, listed, text, *party = line.split("\t")
            if sentiment == NOT_JUDGED and judged:
                continue
            phrases = frozenset(listed.split(",")) - {""}
            speaker = party[0] if party else "agent" if AGENT_ONLY & phrases else "customer"
            label = -1 if sentiment == NOT_JUDGED else LABELS.index(SHORT[sentiment])
            yield Labelled(text, path.stem, speaker, label, "corpus", phrases)


def read_all(suite: Path, corpus: Path, *, judged: bool = True) -> list[Labelled]:
    of_suite = [
        Labelled(
            item["text"],
            item["language"],
            item["party"],
            LABELS.index(item["sentiment"]),
            "suite",
            frozenset(item["phrases"]),
        )
        for item in read_suite(suite)
    ]
    plain = [item for language in LANGUAGES for item in plain_of(language)]
    return [*of_suite, *plain, *read_corpus(corpus, judged=judged)]


def mark_of(items: Sequence[Labelled]) -> str:
    """Changes with any utterance or label."""
    lines = sorted(
        f"{item.language}\t{item.party}\t{item.label}\t{sorted(item.phrases)}\t{item.text}" for item in items
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def corpus_mark(items: Sequence[Labelled]) -> str:
    """Changes with any utterance or label of the suite or the corpus."""
    return mark_of([item for item in items if item.source != "plain"])


def read_mark(items: Sequence[Labelled]) -> str:
    """Changes as well with how they are given to the sentence model."""
    return corpus_mark([replace(item, text=read_as(item.text, item.language)) for item in items])


def plain_of(language: str) -> Iterator[Labelled]:
    """What every call is full of and nobody writes down for a corpus: "of course", "mm", figures. It says nothing by itself."""
    content, rng = read_yaml(f"lexicon/{language}.yaml"), np.random.default_rng(SEED)
    figures = [str(word) for word in read_yaml("numbers.yaml")[language]["values"]]
    texts = {str(entry) for name in ("backchannels", "hesitations") for entry in content[name]}
    texts |= {" ".join(rng.choice(figures, rng.integers(1, 11))) for _ in range(PLAIN_FIGURES)}
    for text in sorted(texts):
        words = words_of(text, language)
        if not words or evidence_of(words, lexicon(language), Line(words)):
            continue
        for party in ("agent", "customer"):
            if not find_phrases(text, words, language, party):
                yield Labelled(text, language, party, LABELS.index("neutral"), "plain")


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


def _said(item: Labelled) -> list[str]:
    return [token.word for token in words_of(tidy(item.text), item.language)]


def matrix(items: Sequence[Labelled]) -> sparse.csr_matrix:
    """One row an utterance: the dense features, then the slots of its parts."""
    values: list[float] = []
    slots: list[int] = []
    ends = [0]
    for item in items:
        parts = [slot_of(part) for part in parts_of(_said(item), item.language)]
        for slot, count in sorted(Counter(parts).items()):
            slots.append(slot)
            values.append(count / len(parts) ** 0.5)
        ends.append(len(slots))
    parts_of_all = sparse.csr_matrix((values, slots, ends), shape=(len(items), SLOTS))
    dense = sparse.csr_matrix(np.array([dense_row(item) for item in items]) * DENSE)
    return sparse.csr_matrix(sparse.hstack([dense, parts_of_all]))


def weights_of(items: Sequence[Labelled]) -> Floats:
    """What each utterance counts."""
    return np.array([1.0 if item.source in ("corpus", "joined") else SUITE_WEIGHT for item in items])


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


def groups_of(items: Sequence[Labelled]) -> NDArray[np.int64]:
    """A number for each of one utterance or more, the same for near-duplicates."""
    said = [sorted(set(_said(item))) for item in items]
    number = {word: at for at, word in enumerate(sorted({word for words in said for word in words}))}
    ends = np.cumsum([0, *(len(words) for words in said)])
    columns = [number[word] for words in said for word in words]
    has = sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(items), len(number)))
    size, rows, others = np.diff(ends), [], []
    for start in range(0, len(items), AT_ONCE):
        shared = sparse.coo_matrix(has[start : start + AT_ONCE] @ has.T)
        row = shared.row + start
        alike = shared.data / (size[row] + size[shared.col] - shared.data) >= ALIKE_MIN
        rows.append(row[alike])
        others.append(shared.col[alike])
    first, second = np.concatenate(rows), np.concatenate(others)
    graph = sparse.csr_matrix((np.ones(len(first)), (first, second)), shape=(len(items), len(items)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def folds_of(items: Sequence[Labelled]) -> NDArray[np.int64]:
    groups = groups_of(items)
    return np.random.default_rng(SEED).integers(0, FOLDS, int(groups.max()) + 1)[groups]


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


def macro_f1(y: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Mean F1 of the labels that occur."""
    scores = []
    for label in sorted(set(y.tolist())):
        both = int(((found == label) & (y == label)).sum())
        either = int((found == label).sum() + (y == label).sum())
        scores.append(2 * both / either)
    return sum(scores) / len(scores)


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=SENTIMENT_FILE)
    parser.add_argument("--language", nargs="*", default=list(LANGUAGES), help="only with --only-check")
    parser.add_argument("--only-check", action="store_true", help="cross-validate, write nothing")
    parser.add_argument("--no-check", action="store_true", help="write at once")
    args = parser.parse_args(arguments)
    items = read_all(args.suite, args.corpus)
    content: dict[str, NDArray[Any]] = {"features": np.array(FEATURES)}
    for language in args.language if args.only_check else LANGUAGES:
        own = [item for item in items if item.language == language]
        told, found = of_language(language, own, not args.no_check, not args.only_check)
        print(told, flush=True)
        content |= found
    if not args.only_check:
        np.savez_compressed(args.out, allow_pickle=False, **content)
        print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
