"""Fits `fitted.yaml`: what evidence, phrases and parties weigh in the sentiment, on labelled utterances.

    python -m streams.language.recipe.fit_sentiment tests/words/dev [--out streams/language/fitted.yaml]

The suite is this project's own (tests/words/README.md); the held-out part is never read. Anybody may fit on utterances of
their own in the same form. An ordinal logistic regression: negative, neutral and positive are stretches of one line.
Eight-fold cross-validation is printed first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import minimize

from streams.language.features import FEATURES, features
from streams.language.lexicon import lexicon
from streams.language.patterns import Line
from streams.language.phrases import find_phrases
from streams.language.sentiment import LABELS, evidence_of
from streams.language.text import tidy, tokens

FOLDS = 8
PENALTY = 0.05
"""Of squared weights; flat between 0.02 and 0.1 in cross-validation."""
FEELING_COUNTS = 1.3
"""A labelled feeling counts as so many neutral utterances: half of a suite is neutral."""


def read_suite(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.yaml")):
        rows += yaml.safe_load(path.read_text(encoding="utf-8"))
    return rows


def row_of(item: dict[str, Any]) -> np.ndarray:
    text = tidy(item["text"])
    words = tokens(text)
    line = Line(words)
    evidence = evidence_of(words, lexicon(item["language"]), line)
    categories = {
        phrase["category"] for phrase in find_phrases(text, words, item["language"], item["party"], line=line)
    }
    present = features([piece.weight for piece in evidence], categories, item["party"])
    return np.array([present.get(name, 0.0) for name in FEATURES])


def fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    counts = np.where(y == 0, 1.0, FEELING_COUNTS)
    penalty = np.full(x.shape[1], PENALTY * len(y) / 100)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        line = x @ weights
        good, bad = 1 / (1 + np.exp(1 - line)), 1 / (1 + np.exp(1 + line))
        chance = np.maximum(np.where(y > 0, good, np.where(y < 0, bad, 1 - good - bad)), 1e-9)
        up, down = good * (1 - good), -bad * (1 - bad)
        slope = np.where(y > 0, up, np.where(y < 0, down, -up - down))
        value = float(-(counts * np.log(chance)).sum() + (penalty * weights**2).sum() / 2)
        return value, x.T @ (-counts * slope / chance) + penalty * weights

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x)


def macro_f1(y: np.ndarray, line: np.ndarray) -> float:
    found = np.where(line >= 1, 1, np.where(line <= -1, -1, 0))
    scores = []
    for label in (-1, 0, 1):
        both = int(((found == label) & (y == label)).sum())
        either = int((found == label).sum() + (y == label).sum())
        scores.append(2 * both / either if either else 0.0)
    return sum(scores) / len(scores)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "fitted.yaml")
    args = parser.parse_args(arguments)
    items = read_suite(args.suite)
    x = np.stack([row_of(item) for item in items])
    y = np.array([LABELS.index(item["sentiment"]) - 1 for item in items])
    languages = np.array([item["language"] for item in items])
    fold = np.random.default_rng(7).integers(0, FOLDS, len(y))
    line = np.zeros(len(y))
    for number in range(FOLDS):
        line[fold == number] = x[fold == number] @ fit(x[fold != number], y[fold != number])
    for language in sorted(set(languages)):
        chosen = languages == language
        print(
            f"{language}  {int(chosen.sum())} utterances, macro-F1 {macro_f1(y[chosen], line[chosen]):.3f} (cross-validated)"
        )
    weights = {name: round(float(value), 2) for name, value in zip(FEATURES, fit(x, y), strict=True)}
    kept = {name: value for name, value in weights.items() if value}
    note = f"# Written by recipe/fit_sentiment.py from {len(items)} utterances of the project's own suite.\n"
    args.out.write_text(note + yaml.safe_dump({"weights": kept}, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
