"""Sentiment of tweets, a far domain: the built-in engine beside VADER and beside a classifier trained on such tweets.

Reads a copy of the XLM-T data (Barbieri et al. 2022), one folder a language: `train_text.txt`, `train_labels.txt`,
`val_text.txt`, `val_labels.txt`, labels 0 negative, 1 neutral, 2 positive. Nothing of it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from streams.evaluation.words_scores import macro_f1
from streams.evaluation.words_suite import SENTIMENTS
from streams.language.lexicon import signs_in
from streams.language.sentiment import label_of, sentiment
from streams.language.text import words_of

FOLDERS = {"fr": "french", "en": "english", "ar": "arabic", "pt": "portuguese", "es": "spanish"}
VADER_NEUTRAL_UNDER = 0.05
"""The bound its authors give."""
NGRAMS = (1, 2)


def compare(folder: Path) -> dict[str, Any]:
    """Macro-F1 on the validation split by language: this engine, tf-idf with logistic regression, VADER (English)."""
    report: dict[str, Any] = {}
    for language, name in FOLDERS.items():
        texts, labels = _read(folder / name, "val")
        train_texts, train_labels = _read(folder / name, "train")
        found = {
            "built_in": [_judged(text, language) for text in texts],
            "tfidf_logistic": _trained(train_texts, train_labels, texts),
        }
        if language == "en":
            found["vader"] = _vader(texts)
        report[language] = {"tweets": len(texts), "trained_on": len(train_texts)} | {
            way: round(macro_f1(Counter(zip(labels, said, strict=True))), 4) for way, said in found.items()
        }
    return report


def _judged(text: str, language: str) -> str:
    return label_of(sentiment(words_of(text, language), language, signs=signs_in(text))["score"])


def _read(folder: Path, split: str) -> tuple[list[str], list[str]]:
    try:
        texts = (folder / f"{split}_text.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
        numbers = (folder / f"{split}_labels.txt").read_text(encoding="utf-8").split()
        labels = [SENTIMENTS[int(number)] for number in numbers]
    except (OSError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise VigieError(
            f"cannot read the {split} split: {error}",
            remedy="Give the folder that holds english/, french/ …",
            where=str(folder),
            field="--xlmt",
        ) from error
    if len(texts) != len(labels):
        raise VigieError(
            f"{len(texts)} texts but {len(labels)} labels", remedy="Fetch it again", where=str(folder), field="--xlmt"
        )
    return texts, labels


def _trained(train_texts: Sequence[str], train_labels: Sequence[str], texts: Sequence[str]) -> list[str]:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise _missing("scikit-learn") from error
    vectoriser = TfidfVectorizer(ngram_range=NGRAMS)
    classifier = LogisticRegression(max_iter=1_000).fit(vectoriser.fit_transform(train_texts), train_labels)
    return [str(label) for label in classifier.predict(vectoriser.transform(texts))]


def _vader(texts: Sequence[str]) -> list[str]:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise _missing("vaderSentiment") from error
    analyser = SentimentIntensityAnalyzer()
    scores = [analyser.polarity_scores(text)["compound"] for text in texts]
    return [
        "neutral" if abs(score) < VADER_NEUTRAL_UNDER else "positive" if score > 0 else "negative" for score in scores
    ]


def _missing(package: str) -> VigieError:
    return VigieError(f"{package} is not installed", remedy="pip install 'vigie[dev]'", field="--xlmt")
