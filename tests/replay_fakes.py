"""Recordings and an engine for the tests of replay: no model, no rules, and the same answer for the same sound.

A worker process imports this module by name, so what crosses to it is defined here and not inside a test.
"""

from __future__ import annotations

import json
import os
import signal
import wave
from pathlib import Path
from typing import Any

import numpy as np

from audio.chunk import AudioChunk, Party
from audio.errors import VigieError
from streams.events import CallEvent, CallInfo, Outputs, Record, SpeechPiece
from streams.replay.playback import Engine, Monitor, Words
from streams.replay.pool import Notify, Task
from streams.replay.results import Store
from streams.replay.runner import WorkerSetup, playing

RATE_HZ = 8000


def write_wav(path: Path, seconds: float = 2.0, channels: int = 2, rate_hz: int = RATE_HZ) -> Path:
    """A tone of its own on each channel: 300 Hz on the left, 600 Hz on the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tones = [6000 * np.sin(2 * np.pi * 300 * (i + 1) * time_s) for i in range(channels)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.stack(tones, axis=1).astype("<i2").tobytes())
    return path


def alert(call: CallInfo, number: int = 1, **fields: Any) -> Record:
    return {
        "alert_id": f"{call.call_id}-{number}",
        "revision": 1,
        "call_id": call.call_id,
        "rule_id": "dead-air",
        "rule_version": "1",
        "state": "raised",
        "severity": "warning",
        "party": "customer",
        "onset_ms": 200,
        "raised_ms": 900,
        "cleared_ms": None,
        "cause": {
            "verdict": "technology",
            "for": [{"kind": "measure", "name": "x", "from_ms": 0, "text": {"en": "holes", "fr": "trous"}}],
            "against": [],
        },
        "evidence": {
            "metric": "mutual_silence_ms",
            "unit": "ms",
            "value": 12000,
            "threshold": 10000,
            "window_ms": 12000,
            "words": [{"text": "I want your supervisor", "confidence": 0.9}],
            "audio": {"from_ms": 200, "to_ms": 900},
        },
        "message": {"en": "Nobody speaks", "fr": "Personne ne parle"},
        **{name: getattr(call, name) for name in ("agent", "queue", "site", "trunk", "language")},
        **fields,
    }


def utterance(call_id: str = "x", **fields: Any) -> Record:
    return {
        "call_id": call_id,
        "utterance_id": f"{call_id}:c1",
        "party": "customer",
        "start_ms": 100,
        "end_ms": 900,
        "text": "my card is [card] and I want your supervisor",
        "language": "en",
        "confidence": 0.8,
        "final": True,
        "state": "final",
        "words": [],
        "sentiment": {"score": -0.5, "confidence": 0.7, "because": ["want"]},
        "phrases": [{"category": "escalation", "text": "your supervisor", "start": 29, "end": 44}],
        "redactions": [{"kind": "card", "start": 11, "end": 17, "from_ms": 300, "to_ms": 500}],
        **fields,
    }


def summary(call: CallInfo, duration_ms: int, alerts: list[Record], **fields: Any) -> Record:
    return {
        "call_id": call.call_id,
        "duration_ms": duration_ms,
        "agent_talk_ms": 500,
        "customer_talk_ms": 700,
        "overlap_ms": 100,
        "silence_ms": 300,
        "hold_ms": 0,
        "talk_ratio": 0.4167,
        "interruptions_agent": 0,
        "interruptions_customer": 1,
        "health": 100 - 8 * len(alerts),
        "health_lost": [{"points": 8, "alert_id": a["alert_id"], "why": a["message"]} for a in alerts],
        "coverage": {"state": "monitored", "intervals": []},
        "cause": {"verdict": "technology" if alerts else "unknown", "for": [], "against": []},
        "alerts": [a["alert_id"] for a in alerts],
        "sentiment": {"agent": [], "customer": [[900, -0.5]]},
        **{name: getattr(call, name) for name in ("agent", "queue", "site", "trunk", "language", "started_at", "mono")},
        "attributes": dict(call.attributes),
        "models": {"vad": "fake", "transcriber": "fake"},
        **fields,
    }


def call_record(call_id: str = "x", alerts: int = 1, **fields: Any) -> dict[str, Any]:
    """A finished call as the store keeps it."""
    call = CallInfo(call_id, agent="lea", queue="billing", site="rabat", trunk="sip-1")
    made = [alert(call, n + 1) for n in range(alerts)]
    return {
        "call_id": call_id,
        "file": f"{call_id}.wav",
        "summary": summary(call, 2000, made),
        "alerts": made,
        "utterances": [utterance(call_id)],
        "timeline": {"agent": [[0, 500]], "customer": [[400, 1100]], "hold": [[1500, 1800]]},
        "warning": None,
        **fields,
    }


class FakeMonitor:
    """Remembers what it is fed; raises one alert at the first chunk that reaches 900 ms."""

    def __init__(self, call: CallInfo) -> None:
        self.call = call
        self.chunks: list[AudioChunk] = []
        self.log: list[str] = []
        self.heard: list[Record] = []
        self.alerts: list[Record] = []

    def add(self, chunk: AudioChunk) -> Outputs:
        self.chunks.append(chunk)
        start_ms = chunk.offset_samples * 1000 // chunk.sample_rate_hz
        self.log.append(f"audio {start_ms}")
        out = Outputs()
        if start_ms == 800 and not self.alerts:
            self.alerts.append(alert(self.call))
            out.alerts += self.alerts
            samples = np.zeros(1600, dtype=np.float32)
            piece = SpeechPiece(self.call.call_id, "u1", Party.CUSTOMER, 100, 900, samples, 100, None)
            out.speech.append(piece)
        return out

    def event(self, event: CallEvent) -> Outputs:
        self.log.append(f"{event.kind} {event.at_ms}")
        return Outputs()

    def words(self, utterance: Record) -> Outputs:
        self.heard.append(utterance)
        return Outputs()

    def end(self, at_ms: int | None = None, reason: str = "ended") -> Outputs:
        assert at_ms is not None
        self.log.append(f"end {at_ms} {reason}")
        measurement = {"speech": {"agent": [[0, 500]], "customer": []}, "hold": False, "start_ms": 0, "end_ms": at_ms}
        return Outputs([measurement], [], [], summary(self.call, at_ms, self.alerts))


class FakeWords:
    """Holds each utterance back until the call ends, as a redactor holds a number."""

    def __init__(self, call: CallInfo) -> None:
        self.call, self._held = call, 0

    def push(self, piece: SpeechPiece) -> list[Record]:
        self._held += bool(piece.utterance_id)
        return []

    def flush(self) -> list[Record]:
        return [utterance(self.call.call_id) for _ in range(self._held)]


class FakeEngine(Engine):
    def __init__(self, *, hears: bool = True) -> None:
        self.hears = hears
        self.monitors: dict[str, FakeMonitor] = {}

    def monitor(self, call: CallInfo) -> Monitor:
        return self.monitors.setdefault(call.call_id, FakeMonitor(call))

    def words(self, call: CallInfo) -> Words | None:
        return FakeWords(call) if self.hears else None


def fake_player(setup: WorkerSetup) -> Task:
    """A worker with the fake engine; writes a line for each call that it plays, and can be told to die on one."""
    run = playing(FakeEngine(), Store(Path(setup.out)))

    def task(job: Any, notify: Notify) -> Any:
        call_id = job.source.call.call_id
        with Path(setup.out, "played.txt").open("a") as log:
            log.write(call_id + "\n")
        if call_id.startswith("killer"):
            os.kill(os.getpid(), signal.SIGKILL)
        if call_id.startswith("bug"):
            raise ValueError("a secret word of the caller")
        return run(job, notify)

    return task


def refusing(_: Any) -> Task:
    raise VigieError("no such model", remedy="Name another", field="--model")


def events_beside(path: Path, events: list[dict[str, Any]]) -> None:
    Path(f"{path}.events.json").write_text(json.dumps(events))
