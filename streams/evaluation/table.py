"""Reports of an evaluation as tables for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from streams.evaluation.positives import STRENGTHS


def print_suite(report: dict[str, Any], console: Console) -> None:
    title = f"{report['suite']} suite, {report['half']} half, seed {report['seed']}: {report['audio_hours']} h of audio"
    table = Table(title=title, title_justify="left")
    heads = ("detector", STRENGTHS[0], "95 %", *STRENGTHS[1:], "precision", "95 %", "other time", "twice", "negatives")
    for name in heads:
        table.add_column(name, justify="left" if name == "detector" else "right")
    table.add_column("delay ms\nmedian / p95", justify="right")
    table.add_column("onset error ms\nmedian / p95", justify="right")
    for row in report["detectors"]:
        strengths = [row["recall_by_strength"][name] for name in STRENGTHS]
        table.add_row(
            row["rule"],
            _counts(strengths[0]),
            _interval(strengths[0]),
            *map(_counts, strengths[1:]),
            _counts(row["precision"]),
            _interval(row["precision"]),
            str(row["found_at_another_time"]),
            str(row["duplicates"]),
            f"{row['negatives_with_an_alert']}/{row['negatives']}",
            f"{_known(row['delay_ms']['median'])} / {_known(row['delay_ms']['p95'])}",
            f"{_known(row['onset_error_ms']['median'])} / {_known(row['onset_error_ms']['p95_absolute'])}",
        )
    console.print(table)
    clean = report["clean"]
    if clean["hours"]:
        by_rule = ", ".join(f"{rule} {count}" for rule, count in clean["by_rule"].items()) or "none"
        console.print(
            f"clean conversation: {clean['alerts']} false alerts in {clean['hours']} h, {clean['per_hour']} an hour "
            f"(95 %: under {clean['per_hour_upper95']}); {by_rule}"
        )
    for row in report["detectors"]:
        for kind, count in row["false_by_kind"].items():
            console.print(f"false {row['rule']} in hard negatives of kind {kind}: {count}")


def print_labelled(report: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{report['calls']} labelled calls, {report['hours']} h", title_justify="left")
    for name in ("rule", "found", "recall 95 %", "false alerts"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for row in report["rules"]:
        interval = f"{row['low95']:.0%} to {row['high95']:.0%}" if row["expected"] else "-"
        table.add_row(row["rule"], f"{row['found']}/{row['expected']}", interval, str(row["false"]))
    console.print(table)
    for item in report["wrong"]:
        console.print(f"{item['call_id']}: missed {item['missed']}, false {item['false']}")
    if report["not_judged_without_words"]:
        console.print(f"{report['not_judged_without_words']} expected alerts on words not judged: no --model given")


def _counts(share: dict[str, Any]) -> str:
    return f"{share['hits']}/{share['of']}" if share["of"] else "-"


def _interval(share: dict[str, Any]) -> str:
    return f"{share['low95']:.0%} to {share['high95']:.0%}" if share["of"] else "-"


def _known(value: int | None) -> str:
    return "-" if value is None else str(value)
