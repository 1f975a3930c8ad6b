"""What every later module agrees on: parties, chunks of audio as they arrive, and blocks of it on an absolute grid.

Audio arrives as `AudioChunk`s of any length, one or both parties, late, doubled or not at all. `framing.Framer` turns
them into `Block`s: 8 frames of 32 ms (256 ms) of both parties, cut at multiples of 256 ms of the call's media time.
Every detector works block by block, so what it says cannot depend on how the audio was cut on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from audio.state import record

Int16Array = npt.NDArray[np.int16]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

FRAME_MS = 32
FRAMES_PER_BLOCK = 8
BLOCK_MS = FRAME_MS * FRAMES_PER_BLOCK
WIDE_RATE_HZ = 16_000
NARROW_RATE_HZ = 8_000
NATIVE_RATES_HZ = (8_000, 16_000, 24_000, 48_000)


@record
class Party(StrEnum):
    AGENT = "agent"
    CUSTOMER = "customer"

    @property
    def other(self) -> Party:
        return Party.CUSTOMER if self is Party.AGENT else Party.AGENT


PARTIES = (Party.AGENT, Party.CUSTOMER)
"""The order of the parties in every array whose first axis has length 2."""


@record
class Encoding(StrEnum):
    PCM16 = "pcm16"
    MULAW = "mulaw"
    ALAW = "alaw"


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Audio of one or both parties from one moment of the call on.

    `offset_samples` counts from the call's origin, at this chunk's own rate. `legs` holds the encoded bytes of each
    party (PCM16 little-endian, or one byte a sample for G.711). A party that is absent from `legs` says nothing about
    that time: its leg may come in a chunk of its own.
    """

    offset_samples: int
    sample_rate_hz: int
    encoding: Encoding
    legs: Mapping[Party, bytes]


@dataclass(frozen=True, slots=True)
class Block:
    """256 ms of both parties on the absolute grid (the last block of a call may hold fewer frames).

    Attributes:
        index: block number; the block starts at `index * BLOCK_MS` of media time.
        frames: frames held, 1 to 8.
        rate_hz: native sample rate of each leg (8000 where a leg never came).
        native: per party int16 `(frames * rate_hz * 0.032,)`, decoded samples as they came, 0 where missing.
        gaps: per party, the missing sample intervals `(start, stop)` in native samples from the block's start.
        present: bool `(2, frames)`: True where no sample of the frame is missing.
        attached: per party, whether any audio of this leg has arrived so far in the call.
        wide_source: what `wide` is, or how it is worked out.
        narrow: float32 `(2, frames * 256)` in [-1, 1) at 8 kHz.
    """

    index: int
    frames: int
    rate_hz: tuple[int, int]
    native: tuple[Int16Array, Int16Array]
    gaps: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
    present: BoolArray
    attached: tuple[bool, bool]
    wide_source: Float32Array | Callable[[], Float32Array]
    narrow: Float32Array
    _wide: Float32Array | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def wide(self) -> Float32Array:
        """float32 `(2, frames * 512)` in [-1, 1) at 16 kHz (FIR, constant delay under 2 ms), worked out once asked."""
        if self._wide is None:
            source = self.wide_source
            object.__setattr__(self, "_wide", source() if callable(source) else source)
        assert self._wide is not None
        return self._wide

    @property
    def start_ms(self) -> int:
        return self.index * BLOCK_MS

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.frames * FRAME_MS


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What is known of the frames of one block once voice activity and levels have run; input of every later detector.

    Attributes:
        block: the audio itself.
        speech_probability: float32 `(2, frames)`, Silero's answer (0 where energy alone decided).
        level_dbov: float32 `(2, frames)`, RMS level of the native samples, -100 for digital zero.
        floor_dbov: float32 `(2,)`, running noise floor.
        speech: bool `(2, frames)`, raw speech: p >= 0.5 and level over max(-50 dBov, floor + 6 dB); no hangover.
        energy: float64 `(2, frames)`, sum of squares of the native samples, exact; None: not worked out.
        varied: bool `(2, frames)`, True where a frame's native samples differ; None: not worked out.
        peak: float64 `(2, frames)`, greatest magnitude of the native samples; None: not worked out.
    """

    block: Block
    speech_probability: Float32Array
    level_dbov: Float32Array
    floor_dbov: Float32Array
    speech: BoolArray
    energy: npt.NDArray[np.float64] | None = None
    varied: BoolArray | None = None
    peak: npt.NDArray[np.float64] | None = None


@record
@dataclass(frozen=True, slots=True)
class Measure:
    """One value of one metric, as a detector leaves it at the end of a block; what the alert rules look at.

    `party` is whom it is about (None: the call). `since_ms`..`until_ms` is the stretch of audio that the value
    was computed on, or the stretch of the fault itself: what a person should hear to judge it. `detail` holds small
    JSON values that explain it (lag, frequency, counts).
    """

    metric: str
    party: Party | None
    value: float
    since_ms: int
    until_ms: int
    detail: Mapping[str, float | int | str] | None = None


@record
@dataclass(frozen=True, slots=True)
class LineState:
    """What telephony events and earlier detectors say of the line during a block; input of the later detectors.

    `answered_ms` is where conversational and one-way clocks start (0 without events). `since_ms` is the latest of
    answer, resume and transfer. `muted` is per party.
    """

    answered_ms: int = 0
    since_ms: int = 0
    on_hold: bool = False
    ivr: bool = False
    muted: tuple[bool, bool] = (False, False)

    @property
    def watching(self) -> bool:
        """Whether two people are expected to talk now."""
        return not (self.on_hold or self.ivr)
