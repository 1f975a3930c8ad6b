"""`vigie eval --words`: run a suite of words, print what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from audio.errors import VigieError
from streams.evaluation.words_corrupt import corrupt
from streams.evaluation.words_labellers import AUTHOR, agreement, labelled_by
from streams.evaluation.words_scores import Count, score_items
from streams.evaluation.words_suite import BY_LINE, HELD_OUT, load_suite
from streams.language.reading import load_reader


def run_words(
    folder: Path,
    part: str,
    word_errors: float,
    seed: int,
    failures: bool,
    semantic: str = "no",
    labeller: str = AUTHOR,
) -> dict[str, Any]:
    """The report of one part of the suite; in those by line no secret is labelled. Raises VigieError, also when texts that only
    measure would be shown."""
    if labeller != AUTHOR and part != HELD_OUT:
        raise VigieError(
            "the labels of others are kept for the held-out part alone", remedy="Add --part heldout", field="--labeller"
        )
    if failures and part != "dev":
        raise VigieError(f"{part} utterances are not shown", remedy="Build with --part dev", field="--show-failures")
    items = labelled_by(load_suite(part, folder), labeller, folder)
    realised: dict[str, float] = {}
    if word_errors:
        items, realised = corrupt(items, word_errors, seed)
    scores = score_items(items, secrets=part not in BY_LINE, reader=load_reader(semantic=semantic))
    report: dict[str, Any] = {"part": part, "word_errors": word_errors, "seed": seed if word_errors else None}
    report |= {"semantic": semantic, "labeller": labeller}
    report["languages"] = {language: score.report() for language, score in scores.items()}
    report["together"] = Count.together(count for score in scores.values() for count in score.phrases.values()).report()
    for language, share in realised.items():
        report["languages"][language]["words_hit"] = share
    if failures:
        report["failures"] = [line for score in scores.values() for line in score.failures]
    return report


def print_words(report: dict[str, Any], console: Console) -> None:
    errors = f", {report['word_errors']:.0%} word errors, seed {report['seed']}" if report["word_errors"] else ""
    meaning = ", with meaning" if report["semantic"] == "yes" else ""
    labels = f", labels of the {report['labeller']}" if report["labeller"] != AUTHOR else ""
    table = Table(title=f"words, {report['part']} part{errors}{meaning}{labels}", title_justify="left")
    heads = (
        "utterances",
        "sentiment\nmacro-F1",
        "neutral\nmistaken",
        "phrases\nprecision",
        "\nrecall",
        "\nfalse in 100",
    )
    secrets: tuple[str, ...] = ("redaction\nprecision", "\nrecall", "secrets", "other words\nhidden")
    if report["part"] in BY_LINE:
        secrets = ()
    table.add_column("language")
    for head in (*heads, "worst\ncategory, F1", *secrets, "language\naccuracy"):
        table.add_column(head, justify="right")
    for language, row in report["languages"].items():
        phrases, redaction = row["phrases"], row["redaction"]
        shares = (redaction["precision"], redaction["recall"], redaction["of"], redaction["other_words_hidden"])
        table.add_row(
            language,
            str(row["utterances"]),
            _figure(row["sentiment_macro_f1"]),
            _figure(row["neutral_mistaken"]),
            _figure(phrases["precision"]),
            _figure(phrases["recall"]),
            _figure(phrases["false_in_100"], 1),
            f"{phrases['worst']} {_figure(phrases['worst_f1'])}",
            *(_figure(share) for share in shares[: len(secrets)]),
            _figure(row["language"]["accuracy"]),
        )
    console.print(table)
    together = report["together"]
    console.print(
        f"phrases of all languages together: precision {_figure(together['precision'])}, recall {_figure(together['recall'])}"
    )
    for line in report.get("failures", ()):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def run_agreement(folder: Path) -> dict[str, Any]:
    """How far those who labelled the held-out part agree. Raises VigieError."""
    return agreement(load_suite(HELD_OUT, folder), folder)


def print_agreement(report: dict[str, Any], console: Console) -> None:
    table = Table(title="words, held-out part: how far its labellers agree", title_justify="left")
    table.add_column("language")
    table.add_column("labels of, by")
    for head in ("sentiment\nmacro-F1", "phrases\nprecision", "\nrecall", "secrets\nprecision", "\nrecall"):
        table.add_column(head, justify="right")
    for language, pairs in report.items():
        for pair, row in pairs.items():
            if pair == "utterances":
                continue
            secrets = row.get("secrets", {"precision": None, "recall": None})
            shares = (row["phrases"]["precision"], row["phrases"]["recall"], secrets["precision"], secrets["recall"])
            table.add_row(language, pair, _figure(row["sentiment_macro_f1"]), *map(_figure, shares))
    console.print(table)


def print_tweets(report: dict[str, Any], console: Console) -> None:
    table = Table(title="sentiment of tweets, validation split: macro-F1", title_justify="left")
    table.add_column("language")
    for head in ("tweets", "built-in", "VADER", "tf-idf + logistic regression", "trained on"):
        table.add_column(head, justify="right")
    for language, row in report.items():
        ways = (_figure(row["built_in"]), _figure(row.get("vader")), _figure(row["tfidf_logistic"]))
        table.add_row(language, str(row["tweets"]), *ways, str(row["trained_on"]))
    console.print(table)


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.{digits}f}"
