"""How a replay tells a person where it is: a bar on standard error, and at the end what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from streams.replay.outputs import REPORT, SEVERITIES, Assembled
from streams.replay.pool import Message, Word
from streams.replay.runner import Run

STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
FAILURES_TOLD_MAX = 10


def printable(text: Any) -> str:
    """A name from outside, without the characters that move a terminal's cursor."""
    return "".join(c if c.isprintable() else "·" for c in str(text))


class Progress:
    """A bar over calls, with hours done and how many times real speed that is."""

    def __init__(self, calls: int, skipped: int, failed: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._started = now, now()
        self._media_ms, self._failed = 0, failed
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("calls  {task.fields[pace]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("listening", total=calls, completed=skipped, pace="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def take(self, message: Message) -> None:
        if message.word is Word.NOTE:
            self._media_ms += message.value
        else:
            self._failed += message.word is not Word.DONE
            self._bar.advance(self._task)
        speed = self._media_ms / 1000 / max(0.001, self._now() - self._started)
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.update(self._task, pace=f"{self._media_ms / 3_600_000:.2f} h, {speed:.0f}× real speed{failed}")

    def tell(self, what: str) -> None:
        self._bar.update(self._task, description=what)


def told_totals(run: Run, done: Assembled, *, skipped: int, ignored: int) -> None:
    """The end of a run, on standard output; failures on standard error."""
    out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    totals = done.totals
    counts = Text(", ").join(Text(f"{totals.alerts[name]} {name}", style=STYLES[name]) for name in SEVERITIES)
    already = f" ({skipped} from an earlier run)" if skipped else ""
    calls = "1 call" if totals.calls == 1 else f"{totals.calls} calls"
    line = Text(f"{calls}{already}, {totals.duration_ms / 3_600_000:.2f} h. Alerts: ")
    out.print(line + counts)
    blind = [f"{totals.coverage[name]} {name}" for name in ("partial", "unmonitored") if totals.coverage[name]]
    if blind:
        out.print(Text("Coverage: " + ", ".join(blind)))
    if ignored:
        out.print(Text(f"{ignored} files that are no audio were passed over"))
    for warning in run.warnings:
        err.print(Text("warning: " + printable(warning), style="yellow"))
    for failure in run.failures[:FAILURES_TOLD_MAX]:
        err.print(
            Text(
                f"failed: {printable(failure.file)}: {printable(failure.reason)}. {printable(failure.remedy)}",
                style="red",
            )
        )
    if len(run.failures) > FAILURES_TOLD_MAX:
        err.print(Text(f"and {len(run.failures) - FAILURES_TOLD_MAX} more, all in failures.ndjson", style="red"))
    print(f"Report: {run.out / REPORT}")
    sys.stdout.flush()
