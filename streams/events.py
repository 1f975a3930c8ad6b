"""What goes into a call's monitor besides audio, and the records that come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from audio.chunk import Float32Array, Party
from audio.state import record

Record = dict[str, Any]
"""A JSON record as its schema in `schemas/` describes it: what crosses a topic or is written to a file."""


class Pace(StrEnum):
    LIVE = "live"
    BATCH = "batch"


@record
@dataclass(frozen=True, slots=True)
class CallInfo:
    """Who and where: known when the call starts, and kept for its whole life."""

    call_id: str
    tenant: str = "default"
    agent: str | None = None
    queue: str | None = None
    site: str | None = None
    trunk: str | None = None
    language: str | None = None
    started_at: str | None = None
    pace: str = Pace.BATCH.value
    mono: bool = False
    """One channel holds both parties: levels and words are known, who speaks is not."""
    attributes: Mapping[str, str] = field(default_factory=dict)


class EventKind(StrEnum):
    ANSWER = "answer"
    HOLD = "hold"
    RESUME = "resume"
    TRANSFER = "transfer"
    MUTE = "mute"
    UNMUTE = "unmute"
    IVR = "ivr"
    LOST = "lost"
    """We, or Kafka, lost audio from `at_ms` to `until_ms`: coverage partial, never a dropout."""


@record
@dataclass(frozen=True, slots=True)
class CallEvent:
    kind: str
    at_ms: int
    party: Party | None = None
    until_ms: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """An utterance to transcribe: float32 mono samples at 16 kHz, from `audio_from_ms` on, with some air.

    The samples are whole 16-bit steps, so that in process and over a topic a transcriber hears the very same.
    """

    call_id: str
    utterance_id: str
    party: Party
    start_ms: int
    end_ms: int
    samples: Float32Array
    audio_from_ms: int
    language: str | None


@dataclass(frozen=True, slots=True)
class InterimPiece:
    """What has come of an utterance that is still open, since the piece before: `part` counts them from 0.

    For a glance at what is being said; nothing that is decided hangs on it.
    """

    call_id: str
    utterance_id: str
    party: Party
    start_ms: int
    end_ms: int
    samples: Float32Array
    audio_from_ms: int
    language: str | None
    part: int


@dataclass(slots=True)
class Outputs:
    """What one step of a monitor leaves, each in its own order of time."""

    measurements: list[Record] = field(default_factory=list)
    speech: list[SpeechPiece] = field(default_factory=list)
    alerts: list[Record] = field(default_factory=list)
    summary: Record | None = None
    interims: list[InterimPiece] = field(default_factory=list)

    def extend(self, other: Outputs) -> None:
        self.measurements += other.measurements
        self.speech += other.speech
        self.alerts += other.alerts
        self.summary = other.summary or self.summary
        self.interims += other.interims
