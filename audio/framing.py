"""Chunks of any shape in, blocks on the absolute grid out.

The one place that knows how audio arrives: chunks of any length, of one party or both, doubled, out of order, late or
never. What leaves depends only on *which* samples came in time, never on how they were cut:

- A block leaves once both legs are complete for it, or once the newest chunk starts `wait_ms` after the block's end.
  That is media time: a stalled broker is no hole. The *start* of the newest chunk counts, so that legs which come apart
  in chunks longer than the wait lose nothing.
- What then lacks is a gap. What comes for it later is dropped, and counted in `late_samples`.
- The first copy of a sample wins. Whether a leg is attached, and its rate, are told block by block from the samples
  themselves, not from the order of arrival.

All times are whole ticks of 1/48000 s, which every native rate divides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from audio.chunk import (
    BLOCK_MS,
    FRAME_MS,
    NARROW_RATE_HZ,
    NATIVE_RATES_HZ,
    PARTIES,
    WIDE_RATE_HZ,
    AudioChunk,
    Block,
    BoolArray,
    Float32Array,
    Int16Array,
    Party,
)
from audio.codec import decode
from audio.errors import VigieError
from audio.resample import Doubler, FirResampler
from audio.state import Stateful

_TICK_HZ = 48_000
_TICKS_PER_MS = _TICK_HZ // 1000
_BLOCK_TICKS = BLOCK_MS * _TICKS_PER_MS
_FRAME_TICKS = FRAME_MS * _TICKS_PER_MS
_ABSENT_RATE_HZ = 8_000
_HOLES_REMEMBERED = 64
_FRAME_SAMPLES = {rate: rate * FRAME_MS // 1000 for rate in NATIVE_RATES_HZ}

_INT16_STEP = np.float32(1 / 32_768)
_DOUBLER = Doubler(NARROW_RATE_HZ)

Gaps = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FramingSettings:
    """How long to wait, and how much to hold.

    Attributes:
        wait_ms: media time that a missing sample is waited for; covers jitter buffers and two producers (DESIGN.md).
        ahead_ms_max: how far past the last block a chunk may reach; bounds the memory of a call.
        pause_ms_max: the longest stretch without audio that `advance` and `end` fill with gaps at once.
    """

    wait_ms: int = 400
    ahead_ms_max: int = 30_000
    pause_ms_max: int = 3_600_000


class _Leg(Stateful):
    """What has come of one party and has not left yet.

    `counts` says how many samples of a block there are. A block in `have` has them where that is True, any other block
    has its first ones: audio that comes in order needs no map.
    """

    STATE = ("rate_hz", "attached", "samples", "have", "counts", "end_ticks", "late_samples", "holes", "before")

    def __init__(self) -> None:
        self.rate_hz: int | None = None
        self.attached = False
        self.samples: dict[int, Int16Array] = {}
        self.have: dict[int, BoolArray] = {}
        self.counts: dict[int, int] = {}
        self.end_ticks = 0
        self.late_samples = 0
        self.holes: deque[tuple[int, int]] = deque(maxlen=_HOLES_REMEMBERED)
        self.before: Float32Array = np.zeros(_DOUBLER.history, dtype=np.float32)
        """The last of the leg at 8 kHz, for what the next block is at 16 kHz."""
        self.wide: FirResampler | None = None
        self.narrow: FirResampler | None = None

    @property
    def block_samples(self) -> int:
        return (self.rate_hz or _ABSENT_RATE_HZ) * BLOCK_MS // 1000

    def attach(self) -> None:
        """From now on the leg sounds; before, it is exact silence. At 8 kHz it needs no resampler of its own."""
        self.attached = True
        rate_hz = self.rate_hz or _ABSENT_RATE_HZ
        if rate_hz != NARROW_RATE_HZ:
            self.wide, self.narrow = FirResampler(rate_hz, WIDE_RATE_HZ), FirResampler(rate_hz, NARROW_RATE_HZ)

    @property
    def resamplers(self) -> list[FirResampler]:
        return [part for part in (self.wide, self.narrow) if part is not None]

    @property
    def quiet(self) -> bool:
        """Whether nothing is held that could still sound."""
        return not self.before.any() and all(part.quiet for part in self.resamplers)

    def store(self, offset: int, fresh: Int16Array, first_block: int) -> None:
        """Keep what is new of `fresh`; what belongs to a block that has left is late, where that block lacked it."""
        size = self.block_samples
        ticks = _TICK_HZ // (self.rate_hz or _ABSENT_RATE_HZ)
        late = min(max(first_block * size - offset, 0), len(fresh))
        if late:
            start, stop = offset * ticks, (offset + late) * ticks
            lacked = sum(max(0, min(stop, until) - max(start, since)) for since, until in self.holes)
            self.late_samples += lacked // ticks
        self.end_ticks = max(self.end_ticks, (offset + len(fresh)) * ticks)
        at = late
        while at < len(fresh):
            block, inside = divmod(offset + at, size)
            taken = min(size - inside, len(fresh) - at)
            self._store_in(block, inside, fresh[at : at + taken], size)
            at += taken

    def _store_in(self, block: int, inside: int, piece: Int16Array, size: int) -> None:
        samples = self.samples.get(block)
        if samples is None:
            samples = self.samples[block] = np.zeros(size, dtype=np.int16)
            self.counts[block] = 0
        where = slice(inside, inside + len(piece))
        known_from_start = block not in self.have
        if known_from_start and inside == self.counts[block]:
            samples[where] = piece
            self.counts[block] += len(piece)
            return
        if known_from_start:
            self.have[block] = np.arange(size) < self.counts[block]
        have = self.have[block][where]
        known = int(np.count_nonzero(have))
        if known == 0:
            samples[where] = piece
        elif known < len(piece):
            samples[where] = np.where(have, samples[where], piece)
        have[:] = True
        self.counts[block] += len(piece) - known

    def complete(self, block: int) -> bool:
        return self.counts.get(block, 0) == self.block_samples

    def forget(self, block: int) -> None:
        self.samples.pop(block, None)
        self.have.pop(block, None)
        self.counts.pop(block, None)

    def remember_hole(self, start_ticks: int, stop_ticks: int) -> None:
        if self.holes and self.holes[-1][1] == start_ticks:
            start_ticks = self.holes.pop()[0]
        self.holes.append((start_ticks, stop_ticks))


class Framer(Stateful):
    """Puts the chunks of one call on the grid of 256 ms blocks."""

    STATE = ("_next_block", "_newest_ticks", "_ended", "_legs", "_tails")

    def __init__(self, settings: FramingSettings = FramingSettings()) -> None:
        self.settings = settings
        self._next_block = 0
        self._newest_ticks = 0
        self._ended = False
        self._legs = (_Leg(), _Leg())

    @property
    def emitted_ms(self) -> int:
        """Media time up to which blocks have left."""
        return self._next_block * BLOCK_MS

    @property
    def reach_ms_max(self) -> int:
        """The latest media time to which `advance` and `end` go from here."""
        return self.emitted_ms + self.settings.pause_ms_max

    @property
    def late_samples(self) -> tuple[int, int]:
        """Per party, native samples that came after their block had left without them."""
        return self._legs[0].late_samples, self._legs[1].late_samples

    @property
    def _tails(self) -> list[list[dict[str, Any]]]:
        return [[part.state() for part in leg.resamplers] for leg in self._legs]

    @_tails.setter
    def _tails(self, tails: list[list[dict[str, Any]]]) -> None:
        for leg, saved in zip(self._legs, tails, strict=True):
            leg.wide = leg.narrow = None
            if saved:
                leg.attach()
                for part, state in zip(leg.resamplers, saved, strict=True):
                    part.load_state(state)

    def add(self, chunk: AudioChunk) -> list[Block]:
        """Take one chunk.

        Returns:
            The blocks that it completes, in order.

        Raises:
            VigieError: a negative offset, a rate that is not native or not the leg's own, an encoding that is unknown
                or does not fit the bytes, or audio too far ahead. Nothing of such a chunk is kept.
        """
        decoded = self._checked(chunk)
        if not decoded:
            return []
        for party, fresh in decoded.items():
            leg = self._legs[PARTIES.index(party)]
            leg.rate_hz = chunk.sample_rate_hz
            leg.store(chunk.offset_samples, fresh, self._next_block)
        self._newest_ticks = max(self._newest_ticks, chunk.offset_samples * (_TICK_HZ // chunk.sample_rate_hz))
        return [] if self._ended else self._ready()

    def advance(self, to_ms: int) -> list[Block]:
        """Media time is known to have reached `to_ms` without audio (a hold, a loss that was told): do not wait for it.

        Raises:
            VigieError: `to_ms` is over `pause_ms_max` ahead.
        """
        self.refuse_long_pause(to_ms, "to_ms")
        self._newest_ticks = max(self._newest_ticks, to_ms * _TICKS_PER_MS)
        return [] if self._ended else self._ready()

    def end(self, at_ms: int | None = None) -> list[Block]:
        """Everything that is left, up to `at_ms` or the end of the longest leg, whichever is later.

        The last block holds whole frames; what its last frame has past the end is zero padding, and no gap. Chunks that
        come after are late.

        Raises:
            VigieError: `at_ms` is over `pause_ms_max` ahead.
        """
        if self._ended:
            return []
        if at_ms is not None:
            self.refuse_long_pause(at_ms, "at_ms")
        longest = max(leg.end_ticks for leg in self._legs)
        end_ticks = max(longest, (at_ms or 0) * _TICKS_PER_MS)
        self._ended = True
        blocks: list[Block] = []
        while self._next_block * _BLOCK_TICKS < end_ticks:
            blocks.append(self._block(end_ticks))
        return blocks

    def refuse_long_pause(self, at_ms: int, field: str) -> None:
        """Raises VigieError for a time past `reach_ms_max`."""
        ahead_ms = at_ms - self.emitted_ms
        if at_ms > self.reach_ms_max:
            raise VigieError(
                f"{at_ms} ms is {ahead_ms / 1000:.0f} s after the last audio",
                remedy=f"Give media time of the call, at most {self.settings.pause_ms_max // 1000} s after it",
                field=field,
            )

    def _checked(self, chunk: AudioChunk) -> Mapping[Party, Int16Array]:
        """Samples of every leg that has some, or the error that keeps the whole chunk out."""
        rate_hz, offset = chunk.sample_rate_hz, chunk.offset_samples
        if rate_hz not in NATIVE_RATES_HZ:
            rates = ", ".join(str(rate) for rate in NATIVE_RATES_HZ)
            raise VigieError(f"{rate_hz} Hz is refused", remedy=f"Send one of {rates} Hz", field="sample_rate_hz")
        if offset < 0:
            raise VigieError(
                f"offset {offset} lies before the call", remedy="Count from the call's origin", field="offset_samples"
            )
        decoded = {party: decode(data, chunk.encoding) for party, data in chunk.legs.items() if len(data)}
        limit_ticks = (self.emitted_ms + self.settings.ahead_ms_max) * _TICKS_PER_MS
        for party, fresh in decoded.items():
            known_hz = self._legs[PARTIES.index(party)].rate_hz
            if known_hz is not None and known_hz != rate_hz:
                raise VigieError(
                    f"the {party} leg came at {known_hz} Hz, and {rate_hz} Hz is refused",
                    remedy="Keep one sample rate a leg for the whole call",
                    field="sample_rate_hz",
                )
            if (offset + len(fresh)) * (_TICK_HZ // rate_hz) > limit_ticks:
                ahead_s = (offset + len(fresh)) / rate_hz - self.emitted_ms / 1000
                raise VigieError(
                    f"the {party} leg's audio reaches {ahead_s:.1f} s past what the call has come to",
                    remedy=f"Send chunks in order, at most {self.settings.ahead_ms_max // 1000} s ahead",
                    field="offset_samples",
                )
        return decoded

    def _ready(self) -> list[Block]:
        blocks: list[Block] = []
        waited_ticks = self._newest_ticks - self.settings.wait_ms * _TICKS_PER_MS
        while (self._next_block + 1) * _BLOCK_TICKS <= waited_ticks or all(
            leg.complete(self._next_block) for leg in self._legs
        ):
            blocks.append(self._block(None))
        return blocks

    def _block(self, end_ticks: int | None) -> Block:
        """The next block, whole or up to the frame that holds `end_ticks`."""
        index = self._next_block
        ticks = _BLOCK_TICKS if end_ticks is None else min(_BLOCK_TICKS, end_ticks - index * _BLOCK_TICKS)
        frames = -(-ticks // _FRAME_TICKS)
        present = np.ones((2, frames), dtype=np.bool_)
        first, second = (
            _leg_block(leg, index, frames, ticks, row) for leg, row in zip(self._legs, present, strict=True)
        )
        self._next_block += 1
        narrow, wide_source = _sound(self._legs, (first, second), frames)
        return Block(
            index=index,
            frames=frames,
            rate_hz=(first.rate_hz, second.rate_hz),
            native=(first.native, second.native),
            gaps=(first.gaps, second.gaps),
            present=present,
            attached=(self._legs[0].attached, self._legs[1].attached),
            wide_source=wide_source,
            narrow=narrow,
        )


@dataclass(frozen=True, slots=True)
class _LegBlock:
    """`silent`: nothing came, and nothing of before sounds on."""

    rate_hz: int
    native: Int16Array
    gaps: Gaps
    silent: bool


def _leg_block(leg: _Leg, index: int, frames: int, ticks: int, present: BoolArray) -> _LegBlock:
    """One leg's part of block `index`, of which `ticks` belong to the call; clears its frames in `present`."""
    count = leg.counts.get(index, 0)
    if count and not leg.attached:
        leg.attach()
    rate_hz = leg.rate_hz if leg.attached and leg.rate_hz else _ABSENT_RATE_HZ
    frame = _FRAME_SAMPLES[rate_hz]
    size = frames * frame
    inside = -(-ticks * rate_hz // _TICK_HZ)
    if count == 0:
        native = _no_samples(size)
        gaps: Gaps = ((0, inside),)
        present[:] = False
    else:
        native = leg.samples[index][:size]
        gaps = () if count >= inside else _gaps_of(leg, index, inside)
    start_ticks = index * _BLOCK_TICKS
    for start, stop in gaps:
        present[start // frame : -(-stop // frame)] = False
        leg.remember_hole(start_ticks + start * (_TICK_HZ // rate_hz), start_ticks + stop * (_TICK_HZ // rate_hz))
    leg.forget(index)
    return _LegBlock(rate_hz, native, gaps, not leg.attached or (count == 0 and leg.quiet))


def _sound(
    legs: tuple[_Leg, _Leg], parts: tuple[_LegBlock, _LegBlock], frames: int
) -> tuple[Float32Array, Float32Array | Callable[[], Float32Array]]:
    """Both legs at 8 kHz, and at 16 kHz or how to get it: few blocks need that, but each moves the legs' history on."""
    size, history = frames * FRAME_MS * NARROW_RATE_HZ // 1000, _DOUBLER.history
    if parts[0].silent and parts[1].silent:
        return _silences(size), _silences(2 * size)
    joined = np.zeros((2, history + size), dtype=np.float32)
    resampled: dict[int, Float32Array] = {}
    for row, (leg, part) in enumerate(zip(legs, parts, strict=True)):
        if part.silent:
            continue
        joined[row, :history] = leg.before
        if leg.wide is None or leg.narrow is None:
            np.multiply(part.native, _INT16_STEP, out=joined[row, history:])
        else:
            joined[row, history:] = leg.narrow.push(part.native)
            resampled[row] = leg.wide.push(part.native)
        leg.before = joined[row, size:].copy()

    def wide() -> Float32Array:
        doubled = _DOUBLER.push(joined)
        for row, samples in resampled.items():
            doubled[row] = samples
        return doubled

    return joined[:, history:], wide


@lru_cache(maxsize=64)
def _no_samples(size: int) -> Int16Array:
    """Read-only zeros, shared: an hour without audio is 14,000 blocks."""
    zeros = np.zeros(size, dtype=np.int16)
    zeros.flags.writeable = False
    return zeros


@lru_cache(maxsize=64)
def _silences(size: int) -> Float32Array:
    zeros = np.zeros((2, size), dtype=np.float32)
    zeros.flags.writeable = False
    return zeros


def _gaps_of(leg: _Leg, index: int, inside: int) -> Gaps:
    have = leg.have.get(index)
    return ((leg.counts[index], inside),) if have is None else _gaps_in(have[:inside])


def _gaps_in(have: BoolArray) -> Gaps:
    """The runs of False in `have`, as (start, stop)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], have, [True])).astype(np.int8)))
    return tuple((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))
