"""`vigie replay --to`: recordings as live calls on a cluster, many at once, on the media clock."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.events import Pace
from streams.kafka.calls import Plan, Planned, Script, keep_repeated
from streams.kafka.connection import Connection
from streams.kafka.pacing import Pacer
from streams.kafka.producing import CallsProducer
from streams.kafka.records import AudioRecord
from streams.kafka.topics import Topics, create_topics, partition_counts
from streams.replay.sources import Failure, Found
from streams.settings import CREATING, KAFKA, Settings, load

SETTINGS = tuple(name for name in (*KAFKA, *CREATING, "config") if name != "broker")
"""Settings whose flags `vigie replay --to` takes."""
AT_ONCE = 64
"""Calls in progress unless told; each holds its recording open."""
INTERRUPTED = 130
STOP_FLUSH_S_MAX = 10
"""How long an interrupted producer waits for what it has sent to be confirmed."""
TOLD_EVERY_S = 0.5


def run_live(args: argparse.Namespace, found: Found) -> int:
    """Send the calls; returns 0, 1 where files or records failed, 130 when interrupted before the end.

    Raises:
        VigieError: no broker answers, or it refuses.
    """
    settings = load({**{name: getattr(args, name, None) for name in SETTINGS}, "broker": args.to})
    connection, topics = settings.connection(), settings.topics()
    _need_topics(connection, topics, settings)
    pace = Pace.BATCH if args.speed is None else Pace.LIVE
    scripts = [Script(source, pace.value, args.chunk_ms) for source in found.calls]
    plan = Plan(scripts, args.calls, args.loop, args.id_suffix)
    if plan.repeats():
        keep_repeated(scripts)
    producer = CallsProducer(connection, topics.audio)
    try:
        with _halting() as halt, _Screen(quiet=args.json) as screen:
            run = _Run(args, plan, producer, halt, screen)
            run.play()
    finally:
        producer.close()
    failures = [*found.failures, *run.failures()]
    told = run.summary(failures)
    if args.json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _tell(told)
    if failures or producer.undelivered:
        return 1
    return INTERRUPTED if halt.is_set() and not args.loop else 0


def _need_topics(connection: Connection, topics: Topics, settings: Settings) -> None:
    """Make the topics where nobody has yet; those that are there are used as they are."""
    if topics.audio not in partition_counts(connection, [topics.audio]):
        create_topics(
            connection,
            topics,
            partitions=settings.partitions,
            replication=settings.replication,
            retention_ms=settings.retention_ms(),
        )


@contextlib.contextmanager
def _halting() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets, so that calls are ended in order; the second one interrupts."""
    halt = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(*_: object) -> None:
        halt.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield halt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Screen:
    """A line on standard error that says how far it is; nothing where that is no terminal, or a program reads."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console
        from rich.status import Status

        console = Console(stderr=True, highlight=False)
        self._status = None if quiet or not console.is_terminal else Status("", console=console, refresh_per_second=4)
        self._next_s = 0.0

    def __enter__(self) -> _Screen:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, pacer: Pacer, producer: CallsProducer) -> None:
        now_s = time.monotonic()
        if self._status is None or now_s < self._next_s:
            return
        self._next_s = now_s + TOLD_EVERY_S
        tally, delivered = pacer.tally, producer.delivered
        parts = [f"{pacer.in_progress} calls live, {tally.ended} ended", f"{tally.media_ms / 60_000:.1f} min of calls"]
        parts.append(f"{delivered.bytes / 1e6:.1f} MB confirmed, {producer.unconfirmed_bytes / 1e6:.1f} MB under way")
        if delivered.undelivered:
            parts.append(f"{delivered.undelivered} records undelivered")
        self._status.update(" · ".join(parts))


@dataclass(slots=True)
class _Run:
    args: argparse.Namespace
    plan: Plan
    producer: CallsProducer
    halt: threading.Event
    screen: _Screen
    pacer: Pacer | None = None
    wall_s: float = 0.0

    def play(self) -> None:
        started_s, wall_origin_s = time.monotonic(), time.time()

        def emit(record: AudioRecord, due_s: float) -> None:
            # What is late was spoken when it was due: the delay is the producer's, and counts.
            spoken_s = time.time() if self.args.speed is None else wall_origin_s + due_s - started_s
            self.producer.send(record, round(spoken_s * 1000))

        self.pacer = pacer = Pacer(
            self._planned(),
            emit,
            time.monotonic,
            lambda seconds: self._wait(min(seconds, TOLD_EVERY_S)),
            speed=self.args.speed,
            at_once=self.args.at_once or self.args.calls or AT_ONCE,
            stagger_s=self.args.stagger,
            until_s=self.args.for_s,
            halted=self._halted,
        )
        pacer.run()
        pacer.stop()
        self.producer.flush(*([STOP_FLUSH_S_MAX] if self.halt.is_set() else []))
        self.wall_s = time.monotonic() - started_s

    def _planned(self) -> Iterator[Planned]:
        for planned in self.plan:
            yield planned
            if self.pacer is not None:
                self.plan.unusable |= {failed.script.source.call.call_id for failed, _ in self.pacer.tally.failed}

    def _wait(self, seconds: float) -> None:
        self.halt.wait(seconds)

    def _halted(self) -> bool:
        if self.pacer is not None:
            self.screen.tell(self.pacer, self.producer)
        return self.halt.is_set()

    def failures(self) -> list[Failure]:
        """One for each recording on which nothing could be done."""
        assert self.pacer is not None
        failed = {planned.script.source.file: (planned, error) for planned, error in self.pacer.tally.failed}
        return [Failure.of(planned.script.source, error) for planned, error in failed.values()]

    def summary(self, failures: list[Failure]) -> dict[str, Any]:
        assert self.pacer is not None
        tally, delivered = self.pacer.tally, self.producer.delivered
        return {
            "calls_ended": tally.ended,
            "calls_stopped": tally.stopped,
            "failures": [
                {"file": failure.file, "reason": failure.reason, "remedy": failure.remedy} for failure in failures
            ],
            "warnings": [f"{script.source.file}: {script.warning}" for script in self.plan.scripts if script.warning],
            "media_ms": tally.media_ms,
            "wall_ms": round(self.wall_s * 1000),
            "late_ms_max": round(tally.late_s_max * 1000),
            "records": delivered.records,
            "bytes": delivered.bytes,
            "undelivered": self.producer.undelivered,
            "undelivered_reason": delivered.reason,
        }


def _tell(told: dict[str, Any]) -> None:
    from streams.replay.progress import FAILURES_TOLD_MAX, printable

    stopped = f", {told['calls_stopped']} stopped early" if told["calls_stopped"] else ""
    print(
        f"{told['calls_ended']} calls{stopped}, {told['media_ms'] / 60_000:.1f} min of calls in {told['wall_ms'] / 1000:.1f} s: "
        f"{told['records']} records, {told['bytes'] / 1e6:.1f} MB"
    )
    if told["late_ms_max"] > 1000:
        print(f"warning: up to {told['late_ms_max'] / 1000:.1f} s behind the media clock", file=sys.stderr)
    for warning in told["warnings"][:FAILURES_TOLD_MAX]:
        print(printable(f"warning: {warning}"), file=sys.stderr)
    for failure in told["failures"][:FAILURES_TOLD_MAX]:
        line = f"failed: {failure['file']}: {failure['reason']}. {failure['remedy']}"
        print(printable(line), file=sys.stderr)
    if len(told["failures"]) > FAILURES_TOLD_MAX:
        print(f"and {len(told['failures']) - FAILURES_TOLD_MAX} more, all in --json", file=sys.stderr)
    if told["undelivered"]:
        print(f"failed: {told['undelivered']} records undelivered: {told['undelivered_reason']}", file=sys.stderr)
