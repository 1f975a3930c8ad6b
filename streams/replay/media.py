"""A recorded call as a stream: 100 ms at a time (or what is asked for), both parties together, in bounded memory.

Recorders close the two files of a pair moments apart: the shorter leg is carried on with silence for up to two seconds,
after which it is missing, as it would be live.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audio.chunk import AudioChunk, Encoding, Int16Array, Party
from audio.codec import encode
from audio.errors import VigieError
from audio.recordings import Recording, open_recording
from streams.events import CallEvent, EventKind
from streams.replay.sources import CallSource

CHUNK_MS = 100
"""What a telephony source sends at a time; results do not depend on it."""
LEG_CLOSED_EARLY_MS_MAX = 2_000
_NOTHING: tuple[Int16Array, int] = np.zeros((2, 0), dtype=np.int16), 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What one party said in one chunk: int16 `(n,)` at `rate_hz`, and how its file has it encoded."""

    rate_hz: int
    samples: Int16Array
    encoding: Encoding = Encoding.PCM16


@dataclass(frozen=True, slots=True)
class Media:
    """An opened call. `mono`: one channel holds both parties (it comes as the customer's)."""

    mono: bool
    _readers: tuple[tuple[Recording, dict[Party, int]], ...]

    @property
    def truncated(self) -> bool:
        """Whether a file holds less than it promised; final once `steps` has ended."""
        return any(recording.truncated for recording, _ in self._readers)

    def steps(self, chunk_ms: int = CHUNK_MS) -> Iterator[tuple[int, dict[Party, Piece]]]:
        """Each `chunk_ms` from the start of the call: when it starts, in ms, and what there is of each party.

        Raises:
            VigieError: from here on the file cannot be decoded; what came before is good.
        """
        streams = [_slices(recording, chunk_ms) for recording, _ in self._readers]
        for index in itertools.count():
            blocks = [next(stream, _NOTHING) for stream in streams]
            lengths = [
                (count / recording.sample_rate_hz, count, recording.sample_rate_hz)
                for (_, count), (recording, _) in zip(blocks, self._readers, strict=True)
            ]
            _, recorded, rate_hz = max(lengths)
            if not recorded:
                return
            step: dict[Party, Piece] = {}
            for (block, _), (recording, channels) in zip(blocks, self._readers, strict=True):
                # The other leg is as long as the longer one where its own silence goes that far.
                samples = block[:, : -(-recorded * recording.sample_rate_hz // rate_hz)]
                if samples.shape[1]:
                    for party, channel in channels.items():
                        step[party] = Piece(recording.sample_rate_hz, samples[channel], recording.encoding)
            yield index * chunk_ms, step


def open_media(source: CallSource) -> Media:
    """Open the recording or the pair of a call.

    Raises:
        VigieError: a file is missing, is no audio, is empty, or has channels that no party can be told by.
    """
    recordings = [open_recording(path) for path in source.paths]
    if source.is_pair:
        for path, recording in zip(source.paths, recordings, strict=True):
            if recording.channels != 1:
                raise VigieError(
                    f"{path.name} has {recording.channels} channels, and a file of a pair holds one party",
                    remedy="List a recording of both parties under `file`",
                )
        return Media(False, ((recordings[0], {Party.AGENT: 0}), (recordings[1], {Party.CUSTOMER: 0})))
    recording = recordings[0]
    if recording.channels == 1:
        return Media(True, ((recording, {Party.CUSTOMER: 0}),))
    if recording.channels != 2:
        raise VigieError(
            f"it has {recording.channels} channels", remedy="Keep two: one with the agent and one with the customer"
        )
    agent = 0 if source.agent_channel == "left" else 1
    return Media(False, ((recording, {Party.AGENT: agent, Party.CUSTOMER: 1 - agent}),))


def chunks_of(now_ms: int, step: dict[Party, Piece], *, native: bool = False) -> list[AudioChunk]:
    """A step as a telephony source would send it: one chunk for each sample rate.

    Args:
        native: keep G.711 as G.711, half the bytes and the very same samples; otherwise all is PCM16.
    """

    def kind(piece: Piece) -> tuple[int, Encoding]:
        return piece.rate_hz, piece.encoding if native else Encoding.PCM16

    out: list[AudioChunk] = []
    for rate_hz, encoding in sorted({kind(piece) for piece in step.values()}):
        legs = {
            party: encode(piece.samples, encoding)
            for party, piece in step.items()
            if kind(piece) == (rate_hz, encoding) and len(piece.samples)
        }
        if legs:
            out.append(AudioChunk(now_ms * rate_hz // 1000, rate_hz, encoding, legs))
    return out


def _slices(recording: Recording, chunk_ms: int) -> Iterator[tuple[Int16Array, int]]:
    """The recording as int16 `(channels, n)`, n being `chunk_ms`, and how many of the samples were recorded.

    What follows the end is silence, as much of it as a leg that closes early is carried on with.
    """
    size = recording.sample_rate_hz * chunk_ms // 1000
    held: Int16Array = np.zeros((recording.channels, 0), dtype=np.int16)
    for block in recording.blocks():
        held = block if held.shape[1] == 0 else np.concatenate((held, block), axis=1)
        whole = held.shape[1] // size * size
        for at in range(0, whole, size):
            yield held[:, at : at + size], size
        held = held[:, whole:]
    rest = held.shape[1]
    carried = recording.sample_rate_hz * LEG_CLOSED_EARLY_MS_MAX // 1000
    held = np.concatenate((held, np.zeros((recording.channels, carried), dtype=np.int16)), axis=1)
    for at in range(0, held.shape[1], size):
        yield held[:, at : at + size], max(0, min(size, rest - at))


def events_beside(source: CallSource) -> Path | None:
    """The file of call events next to a recording: `x.wav.events.json`, or `x.events.json`."""
    for path in source.paths:
        for candidate in (Path(f"{path}.events.json"), path.with_suffix(".events.json")):
            if candidate.is_file():
                return candidate
    return None


def read_events(path: Path) -> list[CallEvent]:
    """The call events of a sidecar file, in order of time.

    Raises:
        VigieError: it is no list of `{kind, at_ms, party?, until_ms?}`; told with the item and its field.
    """
    remedy = 'Write a list such as [{"kind": "hold", "at_ms": 61000}, {"kind": "resume", "at_ms": 95000}]'
    try:
        items = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise VigieError("the call events cannot be read as JSON", remedy=remedy, where=str(path)) from error
    if not isinstance(items, list):
        raise VigieError("the call events are no list", remedy=remedy, where=str(path))
    return sorted((_event(item, i, path) for i, item in enumerate(items)), key=lambda event: event.at_ms)


def _event(item: Any, index: int, path: Path) -> CallEvent:
    def wrong(name: str, problem: str, remedy: str) -> VigieError:
        return VigieError(problem, remedy=remedy, where=str(path), field=f"[{index}].{name}".rstrip("."))

    if not isinstance(item, dict):
        raise wrong("", "the event is no object", "Write each event in braces")
    kind, at_ms, party, until_ms, reason = (item.get(name) for name in ("kind", "at_ms", "party", "until_ms", "reason"))
    if kind not in list(EventKind):
        raise wrong("kind", f"{kind!r} is no event", f"Write one of {', '.join(EventKind)}")
    for name, value in (("at_ms", at_ms), ("until_ms", until_ms)):
        if (value is not None or name == "at_ms") and (type(value) is not int or value < 0):
            raise wrong(name, f"{value!r} is no time", "Write milliseconds from the start of the call")
    if until_ms is not None and until_ms <= at_ms:
        raise wrong("until_ms", f"{until_ms} is not after at_ms, {at_ms}", "Write when the stretch ends")
    if reason is not None and not isinstance(reason, str):
        raise wrong("reason", "it is no text", "Write a word such as audio_lost, or leave it out")
    if party is not None and party not in list(Party):
        raise wrong("party", f"{party!r} is no party", "Write agent or customer, or leave it out")
    assert isinstance(at_ms, int)  # narrowed above, for the type checker
    return CallEvent(str(kind), at_ms, Party(party) if party else None, until_ms, reason)
