"""A recording as a telephony source would feed it: its audio step by step, its call events before the audio they act on.

The one home of that order: `playback.play` feeds a monitor in process by it, `streams.kafka.calls` a topic.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from audio.chunk import AudioChunk
from audio.errors import VigieError
from streams.events import CallEvent
from streams.replay.media import CHUNK_MS, chunks_of, events_beside, open_media, read_events
from streams.replay.sources import CallSource


@dataclass(frozen=True, slots=True)
class Moment:
    """One step: the events first, since an event acts at the block that holds its time; then the chunks.

    `end_ms` is the media time that the recording has reached with it.
    """

    end_ms: int
    events: list[CallEvent]
    chunks: list[AudioChunk]


class Feeding:
    """One recording, to be iterated once.

    Args:
        native: keep G.711 as G.711; otherwise all is PCM16.

    Attributes:
        call: whose call it is, and whether both parties share a channel.
        now_ms: media time reached so far.
        warning: how the recording broke off, if it did.

    Raises:
        VigieError: nothing can be done with the recording. One that breaks off later ends there, with a warning.
    """

    def __init__(self, source: CallSource, chunk_ms: int = CHUNK_MS, *, native: bool = False) -> None:
        self._media = open_media(source)
        sidecar = events_beside(source)
        self._events = read_events(sidecar) if sidecar else []
        self._chunk_ms, self._native = chunk_ms, native
        self.call = dataclasses.replace(source.call, mono=self._media.mono)
        self.now_ms = 0
        self.warning: str | None = None

    def __iter__(self) -> Iterator[Moment]:
        steps = self._media.steps(self._chunk_ms)
        while True:
            try:
                at_ms, pieces = next(steps)
            except StopIteration:
                break
            except VigieError as error:
                if self.now_ms == 0:
                    raise
                self.warning = f"it breaks off at {self.now_ms / 1000:.1f} s: {error.problem}"
                break
            events = [event for event in self._events if event.at_ms < at_ms + self._chunk_ms]
            del self._events[: len(events)]
            self.now_ms = at_ms + max(len(piece.samples) * 1000 // piece.rate_hz for piece in pieces.values())
            yield Moment(self.now_ms, events, chunks_of(at_ms, pieces, native=self._native))
        if self.now_ms == 0:
            raise VigieError("holds no sound", remedy="Check that the recorder wrote it; leave it out otherwise")
        if self._media.truncated and not self.warning:
            self.warning = f"it breaks off at {self.now_ms / 1000:.1f} s, or parts before that are damaged"
