"""The labelled utterances that every recipe fits on: reading them, and which of them are near-duplicates.

They are the project's own: the corpus beside this file, the development part of tests/words (the held-out part is never read), and
what is plain in every call (`plain_of`); anybody may fit on utterances of their own in the same form. Utterances that share half of
their words are kept in one fold, so that no near-duplicate helps to judge another.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from streams.language.catalogue import CATEGORIES
from streams.language.embedding import read_as
from streams.language.lexicon import lexicon
from streams.language.patterns import Line
from streams.language.phrases import find_phrases
from streams.language.sentiment import LABELS, evidence_of
from streams.language.text import LANGUAGES, read_yaml, tidy, words_of

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
SUITE_WEIGHT = 3.0
"""What an utterance of the suite counts: its labels are those of the guide's own author, and it is the kind that is measured.
So does what is plain: there is little of it."""
PLAIN_FIGURES = 100
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


def recipe_parser(description: str | None, out: Path) -> argparse.ArgumentParser:
    """What every recipe that fits takes; `out` is the file that it writes if it is told no other."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--only-check", action="store_true", help="cross-validate, write nothing")
    return parser


def fit_by_language(
    items: Sequence[Labelled],
    languages: Sequence[str],
    fit: Callable[[str, list[Labelled]], tuple[str, dict[str, NDArray[Any]]]],
    content: dict[str, NDArray[Any]],
    out: Path | None,
) -> None:
    """Prints what `fit` tells of each language's utterances, and writes what it makes beside `content`, if there is a file for it."""
    for language in languages:
        told, made = fit(language, [item for item in items if item.language == language])
        print(told, flush=True)
        content |= made
    if out is not None:
        np.savez_compressed(out, allow_pickle=False, **content)
        print(f"{out}: {out.stat().st_size / 1024:.0f} KiB")


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


def weights_of(items: Sequence[Labelled]) -> Floats:
    """What each utterance counts."""
    return np.array([1.0 if item.source in ("corpus", "joined") else SUITE_WEIGHT for item in items])


def said_in(items: Sequence[Labelled]) -> NDArray[np.bool_]:
    """By utterance and category, as labelled."""
    return np.array([[category in item.phrases for category in CATEGORIES] for item in items])


def words_said(item: Labelled) -> list[str]:
    return [token.word for token in words_of(tidy(item.text), item.language)]


def groups_of(items: Sequence[Labelled]) -> NDArray[np.int64]:
    """A number for each of one utterance or more, the same for near-duplicates."""
    said = [sorted(set(words_said(item))) for item in items]
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


def precision_recall(found: NDArray[np.bool_], said: NDArray[np.bool_]) -> str:
    hits = int((found & said).sum())
    return f"P {hits / max(1, int(found.sum())):.3f} R {hits / max(1, int(said.sum())):.3f}"


def macro_f1(y: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Mean F1 of the labels that occur."""
    scores = []
    for label in sorted(set(y.tolist())):
        both = int(((found == label) & (y == label)).sum())
        either = int((found == label).sum() + (y == label).sum())
        scores.append(2 * both / either)
    return sum(scores) / len(scores)
