"""`vigie eval --words`: run a suite of words, print what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from audio.errors import VigieError
from streams.evaluation.words_corrupt import corrupt
from streams.evaluation.words_scores import score_items
from streams.evaluation.words_suite import load_suite
from streams.language.reading import load_reader


def run_words(
    folder: Path, part: str, word_errors: float, seed: int, failures: bool, semantic: str = "no"
) -> dict[str, Any]:
    """The report of one part of the suite. Raises VigieError, also when held-out texts would be shown."""
    if failures and part == "heldout":
        raise VigieError("held-out utterances are not shown", remedy="Build with --part dev", field="--show-failures")
    items = load_suite(part, folder)
    realised: dict[str, float] = {}
    if word_errors:
        items, realised = corrupt(items, word_errors, seed)
    scores = score_items(items, reader=load_reader(semantic=semantic))
    report: dict[str, Any] = {"part": part, "word_errors": word_errors, "seed": seed if word_errors else None}
    report["semantic"] = semantic
    report["languages"] = {language: score.report() for language, score in scores.items()}
    for language, share in realised.items():
        report["languages"][language]["words_hit"] = share
    if failures:
        report["failures"] = [line for score in scores.values() for line in score.failures]
    return report


def print_words(report: dict[str, Any], console: Console) -> None:
    errors = f", {report['word_errors']:.0%} word errors, seed {report['seed']}" if report["word_errors"] else ""
    meaning = ", with meaning" if report["semantic"] == "yes" else ""
    table = Table(title=f"words, {report['part']} part{errors}{meaning}", title_justify="left")
    heads = ("utterances", "sentiment\nmacro-F1", "phrases\nprecision", "\nrecall", "worst category\nF1")
    table.add_column("language")
    for head in (*heads, "redaction\nprecision", "\nrecall", "secrets", "other words\nhidden", "language\naccuracy"):
        table.add_column(head, justify="right")
    for language, row in report["languages"].items():
        phrases, redaction = row["phrases"], row["redaction"]
        table.add_row(
            language,
            str(row["utterances"]),
            _figure(row["sentiment_macro_f1"]),
            _figure(phrases["precision"]),
            _figure(phrases["recall"]),
            f"{phrases['worst']} {_figure(phrases['worst_f1'])}",
            _figure(redaction["precision"]),
            _figure(redaction["recall"]),
            str(redaction["of"]),
            _figure(redaction["other_words_hidden"]),
            _figure(row["language"]["accuracy"]),
        )
    console.print(table)
    for line in report.get("failures", ()):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_tweets(report: dict[str, Any], console: Console) -> None:
    table = Table(title="sentiment of tweets, validation split: macro-F1", title_justify="left")
    table.add_column("language")
    for head in ("tweets", "built-in", "VADER", "tf-idf + logistic regression", "trained on"):
        table.add_column(head, justify="right")
    for language, row in report.items():
        ways = (_figure(row["built_in"]), _figure(row.get("vader")), _figure(row["tfidf_logistic"]))
        table.add_row(language, str(row["tweets"]), *ways, str(row["trained_on"]))
    console.print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
