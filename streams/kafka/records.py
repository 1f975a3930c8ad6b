"""What crosses calls.audio and calls.speech, as plain records: what a producer says of a call, and pieces of speech.

Everything names its call, which is also the key of its topic. Wall time is not in here: it travels in headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audio.chunk import WIDE_RATE_HZ, AudioChunk, Float32Array, Int16Array, Party
from audio.errors import VigieError
from streams.events import CallEvent, CallInfo, InterimPiece, Pace, Record, SpeechPiece

PART_BYTES_MAX = 200_000
"""A piece of speech is cut into parts of at most this size: 6.25 s of audio, well under a broker's usual 1 MB."""
BYTES_PER_SAMPLE = 2
FULL_SCALE = 32_768.0
INTERIM_SEQ = -1


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call begins, or one leg of it: who takes part is told before its audio. A second one changes nothing."""

    call: CallInfo
    leg: Party | None = None

    @property
    def call_id(self) -> str:
        return self.call.call_id


@dataclass(frozen=True, slots=True)
class CallAudio:
    """A chunk of one or both parties. A repeated chunk is recognised by its offset, so it carries no number of its own."""

    call_id: str
    chunk: AudioChunk


@dataclass(frozen=True, slots=True)
class CallHappened:
    call_id: str
    event: CallEvent


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over (`leg` None), or one leg of it. `at_ms` None: where its audio ends."""

    call_id: str
    at_ms: int | None = None
    reason: str = "ended"
    leg: Party | None = None


AudioRecord = CallStarted | CallAudio | CallHappened | CallEnded


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Comes before a call's first piece of speech."""

    call: CallInfo

    @property
    def call_id(self) -> str:
        return self.call.call_id


@dataclass(frozen=True, slots=True)
class SpeechPart:
    """Part `part` (from 0) of the `parts` of one utterance; `samples` int16 `(n,)` at 16 kHz.

    `seq` counts the call's utterances from 0, over both parties: their order does not hang on that of the topic. With
    `INTERIM_SEQ` it is what has come of an utterance that is still open, and `part` counts such pieces.
    """

    call_id: str
    utterance_id: str
    party: Party
    start_ms: int
    end_ms: int
    audio_from_ms: int
    language: str | None
    part: int
    parts: int
    samples: Int16Array
    seq: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The call is over, after `pieces` utterances."""

    call_id: str
    at_ms: int
    pieces: int


SpeechRecord = SpeechStarted | SpeechPart | SpeechEnded


def _int16(samples: Float32Array) -> Int16Array:
    steps: Int16Array = np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return steps


def parts_of(piece: SpeechPiece, seq: int, bytes_max: int = PART_BYTES_MAX) -> list[SpeechPart]:
    """The call's utterance number `seq` as the records that carry it; one of no samples is one empty part."""
    samples = _int16(piece.samples)
    step = max(1, bytes_max // BYTES_PER_SAMPLE)
    cuts = [samples[start : start + step] for start in range(0, len(samples), step)] or [samples]
    return [
        SpeechPart(
            piece.call_id,
            piece.utterance_id,
            piece.party,
            piece.start_ms,
            piece.end_ms,
            piece.audio_from_ms,
            piece.language,
            number,
            len(cuts),
            cut,
            seq,
        )
        for number, cut in enumerate(cuts)
    ]


def interim_of(piece: InterimPiece) -> SpeechPart:
    """What has come of an open utterance, as a record: readers that know of none pass its number by."""
    return SpeechPart(
        piece.call_id,
        piece.utterance_id,
        piece.party,
        piece.start_ms,
        piece.end_ms,
        piece.audio_from_ms,
        piece.language,
        piece.part,
        piece.part + 1,
        _int16(piece.samples),
        INTERIM_SEQ,
    )


def interim_piece_of(part: SpeechPart) -> InterimPiece:
    """The piece behind such a record."""
    samples = part.samples.astype(np.float32) / np.float32(FULL_SCALE)
    times = part.start_ms, part.end_ms
    return InterimPiece(
        part.call_id, part.utterance_id, part.party, *times, samples, part.audio_from_ms, part.language, part.part
    )


def piece_of(parts: Sequence[SpeechPart]) -> SpeechPiece:
    """The utterance that these parts, in order, make up.

    Raises:
        VigieError: parts are missing, doubled, out of order, or of several utterances.
    """
    numbers, ids = [part.part for part in parts], {(part.call_id, part.utterance_id) for part in parts}
    if len(ids) != 1 or numbers != list(range(parts[0].parts)):
        raise VigieError(
            f"parts {numbers[:20]} of {len(ids)} utterances do not make up one",
            remedy="Give every part of one utterance, once, in order",
            field="parts",
        )
    first = parts[0]
    samples = np.concatenate([part.samples for part in parts]).astype(np.float32) / np.float32(FULL_SCALE)
    return SpeechPiece(
        first.call_id,
        first.utterance_id,
        first.party,
        first.start_ms,
        first.end_ms,
        samples,
        first.audio_from_ms,
        first.language,
    )


assert PART_BYTES_MAX // BYTES_PER_SAMPLE < 10 * WIDE_RATE_HZ


def call_record(call: CallInfo) -> Record:
    """Who and where, as a JSON object."""
    return {
        "call_id": call.call_id,
        "tenant": call.tenant,
        "agent": call.agent,
        "queue": call.queue,
        "site": call.site,
        "trunk": call.trunk,
        "language": call.language,
        "started_at": call.started_at,
        "pace": str(call.pace),
        "mono": call.mono,
        "attributes": dict(call.attributes),
    }


def call_of(record: Any, call_id: str) -> CallInfo:
    """Who and where, from `call_record`; a call of which nothing is known has its id alone."""
    if not isinstance(record, dict):
        return CallInfo(call_id, pace=Pace.LIVE.value)
    names = ("tenant", "agent", "queue", "site", "trunk", "language", "started_at", "pace", "mono", "attributes")
    return CallInfo(call_id, **{name: record[name] for name in names if name in record})
