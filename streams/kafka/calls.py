"""A recording as the records of a live call, each with the moment of the call at which it would be sent.

A chunk is due when its last sample has been spoken, an event when it happens. G.711 stays G.711. The order of the
records is that in which the same call is fed to a monitor in process (`streams.replay.feeding`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from audio.errors import VigieError
from streams.events import CallInfo
from streams.kafka.records import AudioRecord, CallAudio, CallEnded, CallHappened, CallStarted
from streams.replay.feeding import Feeding
from streams.replay.media import CHUNK_MS
from streams.replay.playback import DAMAGED, END_REASON
from streams.replay.sources import CallSource

PRODUCER_STOPPED = "producer_stopped"
"""Why a call ended whose recording was not played to its end."""
CACHE_BYTES_MAX = 64 * 1024 * 1024
"""Audio of recordings that are played more than once is decoded once while all of it fits in this."""


@dataclass(frozen=True, slots=True)
class Due:
    """A record and the media time at which it is sent."""

    at_ms: int
    record: AudioRecord


@dataclass(slots=True)
class Script:
    """A recording that can be played any number of times, under any call id.

    Attributes:
        source: the recording and whose call it is.
        warning: what was wrong with it, once it has been played.
    """

    source: CallSource
    pace: str
    chunk_ms: int = CHUNK_MS
    warning: str | None = None
    _kept: list[Due] | None = None

    def play(self, call_id: str) -> Iterator[Due]:
        """The call's records in order of time.

        Raises:
            VigieError: nothing can be done with the recording; nothing was yielded.
        """
        for due in self._kept if self._kept is not None else self._read():
            yield Due(due.at_ms, renamed(due.record, call_id))

    def keep(self, bytes_max: int) -> int:
        """Decode now, once, for every later `play`; returns the bytes kept, 0 where it is longer than `bytes_max`."""
        kept: list[Due] = []
        size = 0
        for due in self._read():
            kept.append(due)
            size += audio_bytes(due.record)
            if size > bytes_max:
                return 0
        self._kept = kept
        return size

    def _read(self) -> Iterator[Due]:
        feeding = Feeding(self.source, self.chunk_ms, native=True)
        call = dataclasses.replace(feeding.call, pace=self.pace)
        for number, moment in enumerate(feeding):
            if number == 0:
                yield Due(0, CallStarted(call, None))
            for event in moment.events:
                yield Due(event.at_ms, CallHappened(call.call_id, event))
            for chunk in moment.chunks:
                yield Due(moment.end_ms, CallAudio(call.call_id, chunk))
        self.warning = feeding.warning
        reason = DAMAGED if self.warning else END_REASON
        yield Due(feeding.now_ms, CallEnded(call.call_id, feeding.now_ms, reason, None))


def renamed(record: AudioRecord, call_id: str) -> AudioRecord:
    """The same record as part of another call."""
    if isinstance(record, CallStarted):
        if record.call.call_id == call_id:
            return record
        return dataclasses.replace(record, call=dataclasses.replace(record.call, call_id=call_id))
    return record if record.call_id == call_id else dataclasses.replace(record, call_id=call_id)


def audio_bytes(record: AudioRecord) -> int:
    return sum(map(len, record.chunk.legs.values())) if isinstance(record, CallAudio) else 0


@dataclass(frozen=True, slots=True)
class Planned:
    """One call to be played: which recording, under which id."""

    script: Script
    call_id: str


@dataclass(slots=True)
class Plan:
    """Which calls are played, one after another: every recording once, `calls` of them, or for ever.

    The first time around a recording keeps its own id (and `suffix`), later rounds add their number: `x`, `x.2`, `x.3`.
    """

    scripts: Sequence[Script]
    calls: int | None = None
    loop: bool = False
    suffix: str = ""
    unusable: set[str] = field(default_factory=set)
    """Ids of the recordings on which nothing can be done: not tried again."""

    def __iter__(self) -> Iterator[Planned]:
        count, played = self.calls or len(self.scripts), 0
        round_number = 0
        while played < count or self.loop:
            round_number += 1
            usable = [script for script in self.scripts if script.source.call.call_id not in self.unusable]
            if not usable:
                return
            for script in usable:
                if played >= count and not self.loop:
                    return
                played += 1
                yield Planned(script, self._call_id(script.source.call, round_number))

    def _call_id(self, call: CallInfo, round_number: int) -> str:
        return f"{call.call_id}{self.suffix}" + (f".{round_number}" if round_number > 1 else "")

    def repeats(self) -> bool:
        return self.loop or (self.calls or 0) > len(self.scripts)


def keep_repeated(scripts: Sequence[Script], bytes_max: int = CACHE_BYTES_MAX) -> None:
    """Decode recordings once that will be played again and again, as far as they fit; broken ones are told later."""
    left = bytes_max
    for script in scripts:
        try:
            left -= script.keep(left)
        except VigieError:
            continue
