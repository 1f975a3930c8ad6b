"""`vigie demo`: the bundled calls side by side at several times real speed, alerts as they are raised, then the report.

Every call is at the same moment of its own media time, as a supervisor would have them live. The engine is that of
replay, and so are the files that are left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.errors import VigieError

if TYPE_CHECKING:
    from streams.events import Record
    from streams.replay.playback import Engine, Step
    from streams.replay.pool import Message, Notify, Task
    from streams.replay.results import Store
    from streams.replay.runner import PlayJob, WorkerSetup
    from streams.replay.sources import CallSource

DESCRIPTION = "Watch the bundled calls, side by side and faster than real; alerts appear as they are raised."
EXAMPLE = "examples:\n  vigie demo\n  vigie demo --speed 4 --model none --out demo-out"
ROUND_MS = 500
"""Calls take turns in steps of this much media time."""
SPEED_DEFAULT = 6.0
GROUPS_MAX = 2
PORT = 8080


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("demo-out"), help="(default: demo-out)")
    parser.add_argument(
        "--speed", metavar="N", type=_speed, default=SPEED_DEFAULT, help="times real speed (default: 6)"
    )
    parser.add_argument(
        "--model", metavar="NAME|PATH", default="demo", help="transcriber: demo, none, small … (default: demo)"
    )
    parser.add_argument("--json", action="store_true", help="only one JSON object, at the end")
    parser.add_argument(
        "--port", metavar="N", type=int, default=PORT, help="of the live page (default: 8080, or a free one)"
    )
    parser.add_argument("--no-page", action="store_true", help="do not serve the live page")


def _speed(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError("between 0.1 and 1000")
    return value


def run(args: argparse.Namespace) -> int:
    """Play the calls and write the outputs. Raises VigieError."""
    from streams.alerts.rules import load_rules
    from streams.replay.manifest import read_manifest
    from streams.replay.playback import EngineSetup, cpu_count
    from streams.replay.pool import run_jobs
    from streams.replay.results import Store, call_fingerprint, run_fingerprint
    from streams.replay.runner import PlayJob, Run, WorkerSetup, summary_of

    manifest = Path(str(resources.files("audio.synth"))) / "calls" / "manifest.csv"
    if not manifest.is_file():
        raise VigieError(
            "the bundled calls are not in this installation",
            remedy="Install the complete package, or make calls with `vigie synth --out calls`",
            where=str(manifest.parent),
        )
    sources, _ = read_manifest(manifest)
    rules = load_rules(None)
    store = Store(args.out)
    store.prepare()
    screen = _Screen(quiet=args.json)
    with _page(args, sources) as page:
        screen.begin(len(sources), args.speed, args.out, page)
        with store.locked():
            common = run_fingerprint(rules.fingerprint + rules.version, args.model)
            marks = [call_fingerprint(source, common) for source in sources]
            jobs = [PlayJob(source, mark) for source, mark in zip(sources, marks, strict=True)]
            groups = [jobs[i :: min(GROUPS_MAX, cpu_count())] for i in range(min(GROUPS_MAX, cpu_count()))]
            work = Run(store, args.out, sources, marks, len(groups))
            engine = EngineSetup(None, args.model, max(1, cpu_count() // len(groups)))
            setup = (WorkerSetup(engine, str(args.out)), args.speed, page is not None)
            for message in run_jobs(groups, side_by_side, setup, len(groups)):
                _take(message, groups[message.index], work, screen, page)
            title = f"Demonstration: {len(sources)} synthetic calls"
            assembled = work.finish(title=title, footer=f"Rules {rules.version}, transcriber {args.model}.", ignored=0)
        if args.json:
            print(json.dumps(summary_of(work, assembled, skipped=0, ignored=0), ensure_ascii=False, indent=2))
        else:
            from streams.replay.progress import told_totals

            told_totals(work, assembled, skipped=0, ignored=0)
        if page is not None and sys.stdin.isatty() and sys.stdout.isatty():
            screen.stay(page)
    return 1 if work.failures else 0


@contextlib.contextmanager
def _page(args: argparse.Namespace, sources: list[CallSource]) -> Iterator[Page | None]:
    """The live page over what plays, while it plays; None where it is not wanted."""
    if args.json or args.no_page:
        yield None
        return
    from streams.feed.local import local_page

    with local_page(sources, args.port) as (feed, address):
        yield Page(feed.put, address)


@dataclass(frozen=True, slots=True)
class Page:
    """Where records go to be shown, and where they are shown."""

    put: Callable[[str, Record], None]
    address: str


def side_by_side(setup: tuple[WorkerSetup, float, bool]) -> Task:
    """The task of a demonstration's worker: a list of `PlayJob`s, played together at a given speed."""
    from streams.replay.playback import LoadedEngine
    from streams.replay.results import Store

    worker, speed, shown = setup
    engine, store = LoadedEngine(worker.engine), Store(Path(worker.out))

    def run_group(jobs: list[PlayJob], notify: Notify) -> None:
        started = time.monotonic()
        for now_ms in _rounds(jobs, engine, store, notify, shown):
            notify(("at", now_ms))
            time.sleep(max(0.0, started + now_ms / 1000 / speed - time.monotonic()))

    return run_group


def _rounds(jobs: list[PlayJob], engine: Engine, store: Store, notify: Notify, shown: bool) -> Iterator[int]:
    """Play all jobs up to the same media time, round by round; yields that time."""
    from streams.replay.playback import CallResult, play

    running = [(job, play(job.source, engine), CallResult(job.source)) for job in jobs]
    now_ms = 0
    while running:
        now_ms += ROUND_MS
        for entry in list(running):
            job, steps, result = entry
            try:
                while result.summary is None and result.now_ms < now_ms:
                    step = next(steps)
                    result.take(step)
                    for alert in step.outputs.alerts:
                        notify(("alert", alert))
                    if shown:
                        _show(step, notify)
            except VigieError as error:
                notify(("failed", (job.source.call.call_id, error.problem, error.remedy)))
                running.remove(entry)
                continue
            if result.summary is not None:
                store.save(job.source, job.fingerprint, result.record())
                running.remove(entry)
        yield now_ms


def _show(step: Step, notify: Notify) -> None:
    """What a step left, as its topics would carry it; alerts go their own way."""
    out = step.outputs
    for topic, records in (("measurements", out.measurements), ("utterances", step.utterances)):
        for record in records:
            notify(("record", (topic, record)))
    if out.summary is not None:
        notify(("record", ("summaries", out.summary)))


def _take(message: Message, group: list[PlayJob], work: Any, screen: _Screen, page: Page | None) -> None:
    from streams.replay.pool import Word
    from streams.replay.runner import failure_of
    from streams.replay.sources import Failure

    if message.word is Word.NOTE:
        kind, value = message.value
        if kind == "alert":
            screen.alert(value)
            if page is not None:
                page.put("alerts", value)
        elif kind == "record" and page is not None:
            page.put(*value)
        elif kind == "failed":
            call_id, reason, remedy = value
            work.failures.append(Failure(call_id, reason, remedy, call_id))
    elif message.word is not Word.DONE:
        unfinished = [job for job in group if not work.store.is_done(job.source, job.fingerprint)]
        work.failures += [failure_of(message, job.source, work.store) for job in unfinished]


class _Screen:
    """Alerts as lines of a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, quiet=quiet, soft_wrap=True)
        self._french = (os.environ.get("LC_ALL") or os.environ.get("LANG") or "").startswith("fr")

    def begin(self, calls: int, speed: float, out: Path, page: Page | None) -> None:
        from rich.text import Text

        if page is not None:
            self._console.print(Text(f"The live page: {page.address}", style="bold green"))
        self._console.print(Text(f"{calls} calls side by side at {speed:g} times real speed, into {out}", style="bold"))

    def stay(self, page: Page) -> None:
        """Keep the page there until Ctrl-C."""
        self._console.print(f"The page stays at {page.address} until Ctrl-C.")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)

    def alert(self, alert: Record) -> None:
        from rich.text import Text

        from streams.replay.progress import STYLES, printable
        from streams.replay.timeline import clock

        if alert["state"] == "cleared":
            return
        style = STYLES[alert["severity"]]
        message = alert["message"]
        text = message.get("fr" if self._french else "en") or next(iter(message.values()))
        line = Text(f"{clock(alert['raised_ms']):>6}  ")
        line.append(f"{'↑' if alert['state'] == 'escalated' else '●'} {alert['severity']:<8}  ", style=style)
        line.append(f"{printable(alert['call_id']):<18} ", style="bold")
        line.append(f"{alert['party'] or 'call':<9} ", style="dim")
        line.append(printable(text))
        line.append(f"  [{alert['cause']['verdict']}]", style="dim italic")
        self._console.print(line)
