"""A run over many calls: what is left to do, over worker processes, and the outputs made of what is done."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from audio.quality import QualityEstimator
from streams.replay.clips import Clip, ClipOrder, cut_clips, order_for
from streams.replay.outputs import ALERTS, CALLS, FAILURES, REPORT, UTTERANCES, Assembled, assemble
from streams.replay.playback import CallResult, Engine, EngineSetup, LoadedEngine, play
from streams.replay.pool import Message, Notify, Setup, Task, Word, run_jobs
from streams.replay.quality import estimated_quality
from streams.replay.report import CLIP_BYTES_MAX, ReportData, detailed, write_report
from streams.replay.results import Store, name_of, write_whole
from streams.replay.sources import CallSource, Failure, display_path

NOTE_MS = 20_000
"""A worker tells how far it is once in so much media time."""


@dataclass(frozen=True, slots=True)
class PlayJob:
    source: CallSource
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ClipJob:
    order: ClipOrder
    key: str


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    engine: EngineSetup
    out: str
    dnsmos: bool = False


def player(setup: WorkerSetup) -> Task:
    """The task of a replay's worker: a `PlayJob` to `{duration_ms, warning}`; its result lies in the store."""
    estimator = QualityEstimator() if setup.dnsmos else None
    return playing(LoadedEngine(setup.engine), Store(Path(setup.out)), estimator)


def playing(engine: Engine, store: Store, estimator: QualityEstimator | None = None) -> Task:
    def run(job: PlayJob, notify: Notify) -> dict[str, Any]:
        result = CallResult(job.source)
        told_ms = 0
        for step in play(job.source, engine):
            result.take(step)
            if step.now_ms - told_ms >= NOTE_MS:
                notify(step.now_ms - told_ms)
                told_ms = step.now_ms
        notify(result.now_ms - told_ms)
        record = result.record()
        if estimator is not None:
            record["summary"]["dnsmos"] = estimated_quality(job.source, result.speech, estimator)
        store.save(job.source, job.fingerprint, record)
        return {"duration_ms": result.now_ms, "warning": result.warning}

    return run


def clipper(out: str) -> Task:
    """The task that cuts the clips of one call into the store."""
    store = Store(Path(out))

    def run(job: ClipJob, _: Notify) -> None:
        store.save_clips(job.order.source, job.key, cut_clips(job.order))

    return run


def failure_of(message: Message, source: CallSource, store: Store) -> Failure:
    """A job that did not end well, as a line of failures.ndjson."""
    call_id = source.call.call_id
    if message.word is Word.FAILED:
        return Failure.of(source, message.value)
    if message.word is Word.DIED:
        remedy = "Run again: the call is tried anew. If memory is short, with fewer --workers"
        return Failure(source.file, f"its worker process died ({message.value})", remedy, call_id)
    folder = store.folder / "errors"
    folder.mkdir(exist_ok=True)
    trace = folder / f"{name_of(call_id)}.txt"
    write_whole(trace, message.value)
    # The type alone: what an exception says may hold what was said on the call.
    kind = message.value.strip().splitlines()[-1].partition(":")[0]
    return Failure(source.file, f"the engine failed on it ({kind})", f"Report it with {trace}", call_id)


@dataclass(slots=True)
class Run:
    """One run into one output folder: give it calls, then `work`, then `finish`."""

    store: Store
    out: Path
    calls: Sequence[CallSource]
    fingerprints: Sequence[str]
    workers: int
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def pending(self) -> list[int]:
        """The calls that no earlier run has finished."""
        each = zip(self.calls, self.fingerprints, strict=True)
        return [i for i, (source, mark) in enumerate(each) if not self.store.is_done(source, mark)]

    def work(self, setup: WorkerSetup, *, task: Setup = player) -> Iterator[tuple[int, Message]]:
        """Do what is pending; yields `(call, message)` for a progress display.

        Raises:
            VigieError: the rules or the model cannot be loaded.
        """
        todo = self.pending()
        jobs = [PlayJob(self.calls[i], self.fingerprints[i]) for i in todo]
        for message in run_jobs(jobs, task, setup, min(self.workers, len(jobs))):
            i = todo[message.index]
            if message.word is Word.DONE:
                if message.value["warning"]:
                    self.warnings.append(f"{self.calls[i].file}: {message.value['warning']}")
            elif message.word is not Word.NOTE:
                self.failures.append(failure_of(message, self.calls[i], self.store))
            yield i, message

    def finish(
        self, *, title: str, footer: str, ignored: int, told: Callable[[str], None] = lambda _: None
    ) -> Assembled:
        """Write the outputs from all that is done."""
        marks = self._marks()
        done = [s for s in self.calls if self.store.is_done(s, marks[s.call.call_id])]
        place = {source.call.call_id: i for i, source in enumerate(self.calls)}
        self.failures.sort(key=lambda f: (place.get(f.call_id or "", -1), f.file))
        told("writing the tables")
        assembled = assemble(self.store, self.out, done, self.failures)
        told("cutting clips")
        keys = self._cut(done, assembled)
        told("writing the report")

        def details(position: int) -> tuple[Mapping[str, Any], Mapping[str, Clip]]:
            source = done[position]
            key = keys.get(position)
            return self.store.load(source), (self.store.clips(source, key) or {}) if key else {}

        data = ReportData(
            title,
            assembled.totals,
            assembled.rows,
            self.failures,
            details,
            ignored,
            (*self.notes, *self.warnings),
            footer,
        )
        write_report(self.out / REPORT, data)
        return assembled

    def _marks(self) -> dict[str, str]:
        return {source.call.call_id: mark for source, mark in zip(self.calls, self.fingerprints, strict=True)}

    def _cut(self, done: Sequence[CallSource], assembled: Assembled) -> dict[int, str]:
        """Cut the clips of the calls that the report shows, worst first; returns the key of each call's clips."""
        keys: dict[int, str] = {}
        jobs: list[ClipJob] = []
        seconds, marks = 0, self._marks()
        for row in detailed(assembled.rows):
            order = order_for(done[row.position], self.store.load(done[row.position]))
            # At 2 kB a second of Opus in base64, no clip beyond these would find room on the page.
            seconds += sum(to_ms - from_ms for _, from_ms, to_ms in order.spans) // 1000
            if not order.spans or seconds * 2_000 > 2 * CLIP_BYTES_MAX:
                continue
            plain = json.dumps([dataclasses.asdict(order)["spans"], order.muted, marks[order.source.call.call_id]])
            keys[row.position] = hashlib.sha256(plain.encode()).hexdigest()
            if self.store.clips(order.source, keys[row.position]) is None:
                jobs.append(ClipJob(order, keys[row.position]))
        for message in run_jobs(jobs, clipper, str(self.out), min(self.workers, len(jobs))):
            if message.word not in (Word.DONE, Word.NOTE):
                self.warnings.append(f"{jobs[message.index].order.source.file}: its clips could not be cut")
        return keys


def summary_of(run: Run, assembled: Assembled, *, skipped: int, ignored: int) -> dict[str, Any]:
    """What `--json` prints of a run."""
    return {
        "out": display_path(run.out),
        **assembled.totals.plain(),
        "already_done": skipped,
        "ignored_files": ignored,
        "failures": [dataclasses.asdict(failure) for failure in run.failures],
        "warnings": run.warnings,
        "files": {
            name.partition(".")[0]: display_path(run.out / name)
            for name in (ALERTS, UTTERANCES, CALLS, FAILURES, REPORT)
        },
    }


def check_text(value: str, pattern: Any, problem: str, remedy: str, field_name: str) -> None:
    """Refuse an option that does not look right. Raises VigieError."""
    if not pattern.fullmatch(value):
        raise VigieError(f"{value!r} is {problem}", remedy=remedy, field=field_name)
