"""One recorded call through the engine: audio in steps of 100 ms, words as soon as an utterance closes, at batch pace.

The same `CallMonitor` runs here as live. `play` is a generator, so that a demonstration can hold many calls at the
same moment, and a batch can run one call to its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from audio.chunk import AudioChunk
from streams.events import CallEvent, CallInfo, Outputs, Record, SpeechPiece
from streams.language.redaction import apply_earlier
from streams.replay.feeding import Feeding
from streams.replay.sources import CallSource

END_REASON = "recording_ended"
DAMAGED = "recording_damaged"


class Monitor(Protocol):
    """What `play` asks of `streams.monitor.CallMonitor`."""

    def add(self, chunk: AudioChunk) -> Outputs: ...
    def event(self, event: CallEvent) -> Outputs: ...
    def words(self, utterance: Record) -> Outputs: ...
    def end(self, at_ms: int | None = None, reason: str = "ended") -> Outputs: ...


class Words(Protocol):
    """One call's transcriber: pieces of speech in order, utterance records out, the last of them at the end."""

    def push(self, piece: SpeechPiece) -> list[Record]: ...
    def flush(self) -> list[Record]: ...


class Engine(Protocol):
    """What a worker loads once and uses for all its calls."""

    def monitor(self, call: CallInfo) -> Monitor: ...
    def words(self, call: CallInfo) -> Words | None: ...


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """How to build the engine; crosses to a worker process. `rules`: a file, None for the bundled rules.

    `together`: utterances of a call that are heard as one batch; 1 where somebody watches and wants each at once.
    """

    rules: str | None = None
    model: str = "demo"
    cpu_threads: int = 1
    redaction: str = "standard"
    """A mode, or a file that says which by tenant."""
    hints: str | None = None
    sentiment: str = "builtin"
    phrases: str | None = None
    semantic: str = "no"
    beam_size: int = 1
    whole_window: bool = False
    together: int = 1


class LoadedEngine:
    """The real engine: Silero, the rules and a transcriber of one process.

    Raises:
        VigieError: the rules, the hints or the model cannot be loaded.
    """

    def __init__(self, setup: EngineSetup) -> None:
        from audio.vad import load_silero
        from audio.whisper.transcriber import TranscriberSettings, load_transcriber
        from audio.whisper.windows import WindowSettings
        from streams.alerts.rules import load_rules
        from streams.hints import load_hints
        from streams.language.reading import load_reader
        from streams.listen import ListenSettings
        from streams.monitor import MonitorSettings
        from streams.redaction_policy import load_policy
        from streams.supervise import SuperviseSettings

        self._silero = load_silero()
        self._rules = load_rules(setup.rules)
        self._redaction = load_policy(setup.redaction)
        self._hints = load_hints(Path(setup.hints) if setup.hints else None)
        self._reader = load_reader(setup.sentiment, setup.phrases, semantic=setup.semantic)
        settings = TranscriberSettings(
            beam_size=setup.beam_size,
            cpu_threads=setup.cpu_threads,
            windows=WindowSettings(short=not setup.whole_window),
        )
        self._transcriber = load_transcriber(setup.model, settings)
        self._together = setup.together
        hears = self._transcriber is not None
        models = {"transcriber": Path(setup.model).name if hears else "none"}
        self._settings = MonitorSettings(ListenSettings(words=hears), SuperviseSettings(words=hears, models=models))

    def monitor(self, call: CallInfo) -> Monitor:
        from streams.monitor import CallMonitor

        return CallMonitor(call, self._rules, self._silero, self._settings)

    def words(self, call: CallInfo) -> Words | None:
        from streams.transcribe import BatchedTranscription, CallTranscription

        if self._transcriber is None:
            return None
        hints, redaction = self._hints.for_call(call), self._redaction.for_call(call)
        if self._together > 1:
            return BatchedTranscription(call, self._transcriber, hints, self._together, redaction, self._reader)
        return CallTranscription(call, self._transcriber, hints, redaction, self._reader)


@dataclass(slots=True)
class Step:
    """What followed from one step of a call: media time reached, alerts and so on, and the words that were heard."""

    now_ms: int
    outputs: Outputs
    utterances: list[Record] = field(default_factory=list)
    warning: str | None = None


def play(source: CallSource, engine: Engine) -> Iterator[Step]:
    """Run a call to its end, one step for each 100 ms; the last step holds the summary.

    Raises:
        VigieError: nothing can be done with the recording. One that breaks off later ends there, with a warning.
    """
    feeding = Feeding(source)
    monitor, words = engine.monitor(feeding.call), engine.words(feeding.call)
    for moment in feeding:
        out = Outputs()
        for event in moment.events:
            out.extend(monitor.event(event))
        for chunk in moment.chunks:
            out.extend(monitor.add(chunk))
        yield Step(moment.end_ms, out, _hear(monitor, words, out))
    out = monitor.end(feeding.now_ms, END_REASON)
    heard = _hear(monitor, words, out, last=True)
    if out.summary is not None and feeding.warning:
        _mark_damaged(out.summary)
    yield Step(feeding.now_ms, out, heard, feeding.warning)


def _hear(monitor: Monitor, words: Words | None, out: Outputs, *, last: bool = False) -> list[Record]:
    """Transcribe what was said in `out` and let the monitor hear it; what follows from that is added to `out`."""
    heard: list[Record] = []
    if words is None:
        return heard
    for piece in out.speech:
        heard += words.push(piece)
    out.speech = []
    if last:
        heard += words.flush()
    for record in heard:
        out.extend(monitor.words(record))
    return heard


def _mark_damaged(summary: Record) -> None:
    """Nobody watched what could not be decoded: the coverage says so, though its length is unknown."""
    coverage, end_ms = summary["coverage"], summary["duration_ms"]
    if coverage["state"] == "monitored":
        coverage["state"] = "partial"
    coverage["intervals"].append({"from_ms": end_ms, "to_ms": end_ms, "party": "both", "reason": DAMAGED})


class CallResult:
    """Gathers a call's steps into the record that the outputs and the report are made of."""

    def __init__(self, source: CallSource) -> None:
        self.source = source
        self.alerts: list[Record] = []
        self.utterances: list[Record] = []
        self.summary: Record | None = None
        self.warning: str | None = None
        self.now_ms = 0
        self.speech: dict[str, list[list[int]]] = {"agent": [], "customer": []}
        self._hold: list[list[int]] = []

    def take(self, step: Step) -> None:
        out = step.outputs
        self.now_ms = step.now_ms
        self.alerts += out.alerts
        self.utterances += step.utterances
        self.summary = out.summary or self.summary
        self.warning = step.warning or self.warning
        for measurement in out.measurements:
            for party, spans in self.speech.items():
                spans += measurement["speech"].get(party, [])
            if measurement["hold"]:
                _join(self._hold, measurement["start_ms"], measurement["end_ms"])

    def record(self) -> dict[str, Any]:
        """The whole call as one JSON object; equal runs give equal objects."""
        if self.summary is None:
            raise RuntimeError(f"the engine left no summary of {self.source.call.call_id}")
        return {
            "call_id": self.source.call.call_id,
            "file": self.source.file,
            "summary": self.summary,
            "alerts": sorted(self.alerts, key=_moment),
            "utterances": apply_earlier(
                sorted(self.utterances, key=lambda u: (u["start_ms"], u["party"], u["utterance_id"]))
            ),
            "timeline": {**self.speech, "hold": self._hold},
            "warning": self.warning,
        }


def _moment(alert: Record) -> tuple[int, str, int]:
    changed_ms = alert.get("changed_ms") or alert.get("cleared_ms") or alert["raised_ms"]
    return changed_ms, alert["alert_id"], alert["revision"]


def _join(spans: list[list[int]], from_ms: int, to_ms: int) -> None:
    if spans and spans[-1][1] >= from_ms:
        spans[-1][1] = to_ms
    else:
        spans.append([from_ms, to_ms])


def cpu_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
