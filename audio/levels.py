"""How loud each party is, and how far over the line's noise.

Speech level follows ITU-T P.56, method B: an envelope of two 30 ms stages, fifteen thresholds 6 dB apart, 200 ms of
hangover; the active level is where the level over the active time stands 15.9 dB above the threshold that made it so.
The envelope is taken from 4 ms means and not from single samples: against its 30 ms that costs under 0.1 dB and saves
nine tenths of the time. The sum of squares is exact. Both run over the last minute, so that a line that goes quiet in
its tenth minute shows; hold and announcements are left out.

Noise is the median level of the frames without speech in the last 30 s, leaving out constant, gated and comfort-noise
frames: where nearly nothing is left, the line tells nothing of its noise, and SNR stays undefined.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from audio.chunk import (
    BLOCK_MS,
    FRAME_MS,
    NARROW_RATE_HZ,
    PARTIES,
    Block,
    Float32Array,
    FrameFacts,
    Int16Array,
    LineState,
    Measure,
)
from audio.facts import frame_levels
from audio.state import Stateful

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

ENVELOPE_STEP_MS = 4
ENVELOPE_TIME_CONSTANT_MS = 30.0
HANGOVER_MS = 200
MARGIN_DB = 15.9
THRESHOLDS = 2.0 ** np.arange(-15, 0)
"""ITU-T P.56 clause 6: fifteen, each twice the last, the highest one half of full scale."""
_THRESHOLDS_DB = (20.0 * np.log10(THRESHOLDS)).tolist()
_HANGOVER_STEPS = HANGOVER_MS // ENVELOPE_STEP_MS
_LONG_AGO = 1 << 20
_TICK_HZ = 48_000
_FULL_SCALE = 32768.0
_DECAY = float(np.exp(-ENVELOPE_STEP_MS / ENVELOPE_TIME_CONSTANT_MS))
_NUMERATOR = np.array([(1.0 - _DECAY) ** 2])
_DENOMINATOR = np.array([1.0, -2.0 * _DECAY, _DECAY**2])


@dataclass(frozen=True, slots=True)
class LevelSettings:
    """What a level is measured over.

    Attributes:
        window_ms: the last stretch that the speech level is taken over.
        active_ms_min: active speech needed for a level (notes: 10 s).
        voiced_ms_min: of that, what voice activity must call speech, whatever its level: P.56 alone finds "active
            speech" in comfort noise too.
        voiced_probability_min: a frame that counts for it.
        noise_window_ms: the last stretch that noise is taken over (notes: 30 s).
        noise_ms_min: usable frames needed for it (notes: 2 s).
        noise_probability_max: frames at or over this may be speech, and are no noise (notes: leave at 0.35).
        usable_dbov_min: frames under this are gated or comfort noise (as FactsSettings).
        every_blocks: one measure every so many blocks (4 are 1,024 ms).
    """

    window_ms: int = 60_000
    active_ms_min: int = 10_000
    voiced_ms_min: int = 4_000
    voiced_probability_min: float = 0.5
    noise_window_ms: int = 30_000
    noise_ms_min: int = 2_000
    noise_probability_max: float = 0.35
    usable_dbov_min: float = -70.0
    every_blocks: int = 4


class ActivityMeter(Stateful):
    """The running part of P.56 for both parties: how much energy, and how long active over each threshold."""

    STATE = ("_envelope", "_since")

    def __init__(self) -> None:
        self._envelope = np.zeros((2, 2))
        self._since = np.full((2, len(THRESHOLDS)), _LONG_AGO, dtype=np.int64)

    def push(self, native: tuple[Int16Array, Int16Array], rate_hz: tuple[int, int]) -> tuple[Int64Array, Int64Array]:
        """Take the same stretch of both parties, whole frames of 32 ms.

        Args:
            native: per party int16 `(n,)`.
            rate_hz: per party, their sample rate.

        Returns:
            int64 `(2,)`, sum of squares in LSB^2 as if at 48 kHz; int64 `(2, 15)`, active milliseconds per threshold.
        """
        energy = np.empty(2, dtype=np.int64)
        for leg, (samples, rate) in enumerate(zip(native, rate_hz, strict=True)):
            wide = samples.astype(np.float64)
            energy[leg] = int(np.dot(wide, wide)) * (_TICK_HZ // rate)
        rectified = rectified_means(native, rate_hz)
        return energy, self.active_ms(rectified, [rectified.shape[1]])[0]

    def active_ms(self, rectified: Float64Array, steps: list[int]) -> list[Int64Array]:
        """Take the means of `rectified_means`, `(2, sum(steps))`; per stretch of `steps`, int64 `(2, 15)` in ms."""
        envelope, self._envelope = lfilter(_NUMERATOR, _DENOMINATOR, rectified, axis=-1, zi=self._envelope)
        total = envelope.shape[1]
        index = np.arange(total, dtype=np.int32)
        reached = np.where(envelope[:, None, :] >= THRESHOLDS[None, :, None], index, np.int32(-_LONG_AGO))
        np.maximum(reached[:, :, 0], -self._since, out=reached[:, :, 0], casting="unsafe")
        latest = np.maximum.accumulate(reached, axis=-1)
        self._since = np.minimum(total - latest[:, :, -1], _LONG_AGO).astype(np.int64)
        active = np.subtract(index, latest, out=reached) <= _HANGOVER_STEPS
        starts = np.cumsum([0, *steps[:-1]])
        sums = np.add.reduceat(active, starts, axis=-1, dtype=np.int64) * ENVELOPE_STEP_MS
        return [sums[:, :, i] for i in range(len(steps))]


def rectified_means(native: tuple[Int16Array, Int16Array], rate_hz: tuple[int, int]) -> Float64Array:
    """Mean magnitude of every 4 ms, float64 `(2, steps)`, 1 for full scale. Exact sums: whole numbers under 2^24."""
    means = np.empty((2, len(native[0]) * 1000 // (rate_hz[0] * ENVELOPE_STEP_MS)))
    for leg, (samples, rate) in enumerate(zip(native, rate_hz, strict=True)):
        step = rate * ENVELOPE_STEP_MS // 1000
        magnitude = samples.astype(np.float32)
        np.abs(magnitude, out=magnitude)
        means[leg] = np.add.reduce(magnitude.reshape(-1, step), axis=1)
        means[leg] /= step * _FULL_SCALE
    return means


def _rectified_means_of(block: Block) -> Float64Array:
    """`rectified_means` of a block; at 8 kHz both legs at once, from samples that are the same but for their scale."""
    if block.rate_hz != (NARROW_RATE_HZ, NARROW_RATE_HZ) or block.narrow.shape[1] != len(block.native[0]):
        return rectified_means(block.native, block.rate_hz)
    step = NARROW_RATE_HZ * ENVELOPE_STEP_MS // 1000
    sums = np.add.reduce(np.abs(block.narrow).reshape(2, -1, step), axis=2)
    means: Float64Array = sums.astype(np.float64)
    means /= step
    return means


def active_level(energy: int, active_ms: npt.NDArray[Any]) -> tuple[float, float] | None:
    """Active speech level by ITU-T P.56.

    Args:
        energy: sum of squares as `ActivityMeter` returns it, over the whole stretch.
        active_ms: `(15,)`, active milliseconds per threshold over the same stretch.

    Returns:
        The level in dBov and the active time in ms, or None where there is no speech that stands out.
    """
    if energy <= 0 or active_ms[0] <= 0:
        return None
    mean_square_ms = energy / (_TICK_HZ / 1000 * _FULL_SCALE**2)
    before: tuple[float, float] | None = None
    for threshold_db, active in zip(_THRESHOLDS_DB, active_ms.tolist(), strict=True):
        if active <= 0:
            continue
        level = 10.0 * math.log10(mean_square_ms / active)
        over = level - threshold_db - MARGIN_DB
        if over <= 0.0:
            if before is None:
                return None
            share = before[1] / (before[1] - over)
            answer = before[0] + share * (level - before[0])
            return answer, mean_square_ms / 10.0 ** (answer / 10.0)
        before = level, over
    return None


class LevelDetector(Stateful):
    """Measures `level_dbov`, `noise_dbov` and `snr_db` of each party, about once a second."""

    STATE = (
        "_meter",
        "_entries",
        "_energy",
        "_active_ms",
        "_voiced_ms",
        "_open_energy",
        "_open_voiced_ms",
        "_open",
        "_noise",
        "_noise_at",
    )

    def __init__(self, settings: LevelSettings = LevelSettings()) -> None:
        self.settings = settings
        self._meter = ActivityMeter()
        self._entries: deque[tuple[Int64Array, Int16Array, Int16Array]] = deque()
        self._voiced_ms = np.zeros(2, dtype=np.int64)
        self._open_voiced_ms = np.zeros(2, dtype=np.int64)
        self._energy = np.zeros(2, dtype=np.int64)
        self._active_ms = np.zeros((2, len(THRESHOLDS)), dtype=np.int64)
        self._open_energy = np.zeros(2, dtype=np.int64)
        self._open: list[tuple[Float64Array, bool]] = []
        """Per block since the last measure, its rectified means and whether it counts: the meter runs once a second."""
        self._noise = np.full((2, settings.noise_window_ms // FRAME_MS), np.inf, dtype=np.float32)
        self._noise_at = 0

    def push(self, facts: FrameFacts, line: LineState) -> list[Measure]:
        """Take the facts of the next block; returns measures at every fourth."""
        block = facts.block
        self._open.append((_rectified_means_of(block), line.watching))
        if line.watching:
            voiced = facts.speech_probability >= self.settings.voiced_probability_min
            for leg in range(2):
                self._open_energy[leg] += _energy_of(facts, leg) * (_TICK_HZ // block.rate_hz[leg])
                self._open_voiced_ms[leg] += FRAME_MS * int(np.count_nonzero(voiced[leg]))
            self._note_noise(facts)
        if (block.index + 1) % self.settings.every_blocks:
            return []
        self._slide()
        return self._measures(block.end_ms)

    def forget_noise(self, leg: int, last_ms: int) -> None:
        """The last stretch of a leg was no background after all: music, known as such only after seconds."""
        frames = min(self._noise.shape[1], -(-last_ms // FRAME_MS))
        self._noise[leg, (self._noise_at - 1 - np.arange(frames)) % self._noise.shape[1]] = np.inf

    def _note_noise(self, facts: FrameFacts) -> None:
        block = facts.block
        columns: slice | npt.NDArray[np.intp] = slice(self._noise_at, self._noise_at + block.frames)
        if self._noise_at + block.frames > self._noise.shape[1]:
            columns = (self._noise_at + np.arange(block.frames)) % self._noise.shape[1]
        self._noise_at = (self._noise_at + block.frames) % self._noise.shape[1]
        usable = facts.level_dbov > self.settings.usable_dbov_min
        usable &= facts.speech_probability < self.settings.noise_probability_max
        usable &= ~facts.speech
        usable &= block.present
        if facts.varied is not None:
            usable &= facts.varied
        else:
            usable &= np.stack([frame_levels(native, block.frames)[1] for native in block.native])
        self._noise[:, columns] = np.where(usable, facts.level_dbov, np.float32(np.inf))

    def _slide(self) -> None:
        """Close one entry of the window, and let the oldest go."""
        rectified = np.concatenate([means for means, _ in self._open], axis=1)
        stretches = self._meter.active_ms(rectified, [means.shape[1] for means, _ in self._open])
        active_ms = np.zeros_like(self._active_ms)
        for stretch, (_, counts) in zip(stretches, self._open, strict=True):
            if counts:
                active_ms += stretch
        self._open = []
        # Of one entry no more than its length is active: 16 bits are enough, and a call holds 58 entries.
        self._entries.append((self._open_energy, active_ms.astype(np.int16), self._open_voiced_ms.astype(np.int16)))
        self._voiced_ms += self._open_voiced_ms
        self._open_voiced_ms = np.zeros_like(self._open_voiced_ms)
        self._energy += self._open_energy
        self._active_ms += active_ms
        self._open_energy = np.zeros_like(self._open_energy)
        while len(self._entries) * self.settings.every_blocks * BLOCK_MS > self.settings.window_ms:
            energy, active, voiced = self._entries.popleft()
            self._voiced_ms -= voiced
            self._energy -= energy
            self._active_ms -= active

    def _measures(self, now_ms: int) -> list[Measure]:
        settings = self.settings
        measures = []
        since_ms = max(0, now_ms - len(self._entries) * settings.every_blocks * BLOCK_MS)
        noise_since_ms = max(0, now_ms - settings.noise_window_ms)
        for leg, party in enumerate(PARTIES):
            level = active_level(int(self._energy[leg]), self._active_ms[leg])
            voiced = self._voiced_ms[leg] >= settings.voiced_ms_min
            if level is not None and (level[1] < settings.active_ms_min or not voiced):
                level = None
            usable = self._noise[leg][self._noise[leg] < np.inf]
            noise = _median(usable) if len(usable) * FRAME_MS >= settings.noise_ms_min else None
            if level is not None:
                detail = {"active_ms": round(level[1])}
                measures.append(Measure("level_dbov", party, round(level[0], 2), since_ms, now_ms, detail))
            if noise is not None:
                measures.append(Measure("noise_dbov", party, round(noise, 2), noise_since_ms, now_ms))
            if level is not None and noise is not None:
                measures.append(Measure("snr_db", party, round(level[0] - noise, 2), noise_since_ms, now_ms))
        return measures


def _median(values: Float32Array) -> float:
    """The middle of float32 `(n,)`, or the mean of the two in the middle."""
    middle = len(values) // 2
    low, high = np.partition(values, (max(0, middle - 1), middle))[[max(0, middle - 1), middle]].tolist()
    return float(high) if len(values) % 2 else (low + high) / 2


def _energy_of(facts: FrameFacts, leg: int) -> int:
    """Sum of squares of a leg's samples, in LSB^2."""
    if facts.energy is not None:
        return int(np.add.reduce(facts.energy[leg]))
    wide = facts.block.native[leg].astype(np.float64)
    return int(np.dot(wide, wide))
