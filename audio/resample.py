"""Sample-rate conversion between the native rates and 8 and 16 kHz, whose state can be saved.

A symmetric windowed-sinc low-pass (Kaiser) in polyphase form. Each output sample is the sum of the same products in
the same order, taken tap by tap over whole arrays: an elementwise sum does not depend on how the input was cut, to the
last bit, and the state is nothing but the last input samples. soxr would be better and faster, but holds 116 ms and
cannot be saved. Half the filter lasts under 2 ms, which is the constant delay; equal rates pass through undelayed.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.lib.stride_tricks import as_strided

from audio.chunk import Float32Array, Int16Array
from audio.errors import VigieError
from audio.state import Stateful

HALF_TAPS = 11
"""Zero crossings of the sinc on either side: with the window below, 8 kHz speech passes whole up to 3.43 kHz (G.712's
band ends at 3.4 kHz) and its images start at 4.57 kHz, for 1.4 ms of delay."""
KAISER_BETA = 5.0
"""About 53 dB of stop band: under the quantisation noise of G.711 (38 dB), with the narrowest transition for it."""
HALF_MS_MAX = 1.95
RATE_HZ_MAX = 192_000

_Taps = tuple[tuple[int, int, float], ...]
_ROWS_AT_ONCE_MIN = 64
"""Outputs from which the taps are summed as one array; numpy may sum narrower ones in another order."""


@lru_cache(maxsize=32)
def _phases(rate_in: int, rate_out: int) -> tuple[int, int, int, tuple[_Taps, ...]]:
    """`(up, down, history, phases)`: per phase, pairs of input lags that share one coefficient.

    A pair `(lag, lag, coefficient)` is the middle tap. Lags count input samples back from a group's first one, and are
    negative where a later sample of the group is meant.
    """
    common = gcd(rate_in, rate_out)
    up, down = rate_out // common, rate_in // common
    half = int(min(HALF_TAPS * max(up, down), rate_in * up * HALF_MS_MAX / 1000.0))
    cutoff = 1.0 / max(up, down)
    position = np.arange(-half, half + 1)
    prototype = np.sinc(position * cutoff) * np.kaiser(2 * half + 1, KAISER_BETA)
    prototype[np.abs(prototype) < 1e-9] = 0.0  # the exact zeros of a half-band filter, which cost nothing
    phases: list[_Taps] = []
    history = 0
    for output in range(up):
        first, base = (output * down) % up, (output * down) // up
        taps = prototype[first::up] / prototype[first::up].sum()
        taps = ((taps + taps[::-1]) / 2).astype(np.float32)
        pairs = []
        for j in range((len(taps) + 1) // 2):
            if taps[j] != 0.0:
                pairs.append((j - base, len(taps) - 1 - j - base, float(taps[j])))
        phases.append(tuple(pairs))
        history = max(history, len(taps) - 1 - base)
    return up, down, -(-history // down) * down, tuple(phases)


@lru_cache(maxsize=32)
def _columns(rate_in: int, rate_out: int) -> tuple[Float32Array, ...]:
    """Per phase, its coefficients as float32 `(pairs, 1)`."""
    phases = _phases(rate_in, rate_out)[3]
    return tuple(np.array([[pair[2]] for pair in taps], dtype=np.float32) for taps in phases)


class FirResampler(Stateful):
    """Streaming conversion from `rate_in` to `rate_out`; what comes out does not depend on how it went in."""

    STATE = ("_held",)

    def __init__(self, rate_in: int, rate_out: int) -> None:
        """
        Args:
            rate_in: sample rate of what is pushed, in Hz.
            rate_out: sample rate of what comes back, in Hz.

        Raises:
            VigieError: a rate out of 1 Hz to 192 kHz.
        """
        if not (0 < rate_in <= RATE_HZ_MAX and 0 < rate_out <= RATE_HZ_MAX):
            raise VigieError(
                f"cannot convert from {rate_in} Hz to {rate_out} Hz",
                remedy=f"Give rates of 1 to {RATE_HZ_MAX} Hz",
                field="sample_rate_hz",
            )
        self.rate_in, self.rate_out = rate_in, rate_out
        self._same = rate_in == rate_out
        self._held: Float32Array = np.zeros(0, dtype=np.float32)
        if not self._same:
            self._up, self._down, self._history, self._phase_taps = _phases(rate_in, rate_out)
            self._columns = _columns(rate_in, rate_out)
            self._held = np.zeros(self._history, dtype=np.float32)

    @property
    def quiet(self) -> bool:
        """Whether silence from here on gives exact zeros."""
        return not self._held.any()

    def push(self, samples: Int16Array | Float32Array) -> Float32Array:
        """Convert what comes next.

        Args:
            samples: int16 `(n,)`, or float32 `(n,)` in [-1, 1).

        Returns:
            float32 `(m,)` in [-1, 1) give or take the filter's ripple: every output whose inputs are all there.
        """
        fresh = as_float(samples)
        if self._same:
            return fresh
        held = np.concatenate((self._held, fresh))
        groups = (len(held) - self._history) // self._down
        used = groups * self._down
        self._held = held[used:].copy()
        out = np.zeros(groups * self._up, dtype=np.float32)
        if groups == 0 or not held.any():
            return out
        # Samples of one residue lie side by side, so that every tap below reads one contiguous row.
        rows = np.ascontiguousarray(held[: used + self._history].reshape(-1, self._down).T)
        for phase, taps in enumerate(self._phase_taps):
            out[phase :: self._up] = self._sum_of(taps, self._columns[phase], rows, groups)
        return out

    def _sum_of(self, taps: _Taps, column: Float32Array, rows: Float32Array, groups: int) -> Float32Array:
        if len(taps) == 1 and taps[0] == (taps[0][0], taps[0][0], 1.0):
            return self._lagged(rows, taps[0][0], groups)
        if self._down == 1 and groups >= _ROWS_AT_ONCE_MIN:
            return self._sum_at_once(taps, column, rows[0], groups)
        product = np.empty(groups, dtype=np.float32)
        total = np.zeros(groups, dtype=np.float32)
        for early, late, coefficient in taps:
            one = self._lagged(rows, early, groups)
            if early == late:
                np.multiply(one, np.float32(coefficient), out=product)
            else:
                np.add(one, self._lagged(rows, late, groups), out=product)
                np.multiply(product, np.float32(coefficient), out=product)
            np.add(total, product, out=total)
        return total

    def _sum_at_once(self, taps: _Taps, column: Float32Array, row: Float32Array, groups: int) -> Float32Array:
        """The same products in the same order, in four calls: neighbouring taps read neighbouring samples."""
        pairs = taps[:-1] if taps[-1][0] == taps[-1][1] else taps
        step = row.strides[0]
        shape = (len(pairs), groups)
        early = as_strided(row[self._history - pairs[0][0] :], shape, (_stride(pairs, 0) * step, step), writeable=False)
        late = as_strided(row[self._history - pairs[0][1] :], shape, (_stride(pairs, 1) * step, step), writeable=False)
        products = np.empty((len(taps), groups), dtype=np.float32)
        np.add(early, late, out=products[: len(pairs)])
        products[: len(pairs)] *= column[: len(pairs)]
        if len(pairs) < len(taps):
            np.multiply(self._lagged(row[None], taps[-1][0], groups), np.float32(taps[-1][2]), out=products[-1])
        total: Float32Array = np.add.reduce(products, axis=0, initial=np.float32(0.0))
        return total

    def _lagged(self, rows: Float32Array, lag: int, groups: int) -> Float32Array:
        column, row = divmod(self._history - lag, self._down)
        return rows[row, column : column + groups]


class Doubler:
    """What `FirResampler(rate, 2 * rate)` does, for whole stretches whose history is at hand: one matrix product.

    Its sums are taken in another order, so that the last bit may differ; each is the same whatever is asked for first.
    """

    TOGETHER = 32
    """Samples of input that one row takes; a stretch holds a multiple of them."""

    def __init__(self, rate_in: int) -> None:
        _, _, self.history, phases = _phases(rate_in, 2 * rate_in)
        self._kernel = np.zeros((self.history + self.TOGETHER, 2 * self.TOGETHER), dtype=np.float32)
        for phase, taps in enumerate(phases):
            for early, late, coefficient in taps:
                for lag in {early, late}:
                    for sample in range(self.TOGETHER):
                        self._kernel[self.history + sample - lag, 2 * sample + phase] += coefficient

    def push(self, joined: Float32Array) -> Float32Array:
        """float32 `(legs, 2 * n)` of a contiguous float32 `(legs, history + n)`."""
        legs, size = len(joined), joined.shape[1] - self.history
        shape = (legs, size // self.TOGETHER, len(self._kernel))
        rows = np.ndarray(shape, np.float32, joined, 0, (joined.strides[0], 4 * self.TOGETHER, 4))
        doubled: Float32Array = rows.reshape(-1, len(self._kernel)) @ self._kernel
        return doubled.reshape(legs, 2 * size)


def _stride(pairs: _Taps, side: int) -> int:
    """Samples from the first pair's early (0) or late (1) sample to the second's."""
    return int(pairs[0][side] - pairs[1][side]) if len(pairs) > 1 else 0


def as_float(samples: Int16Array | Float32Array) -> Float32Array:
    """float32 in [-1, 1) of int16 samples; float32 comes back as it is."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / 32768)
    return samples.astype(np.float32, copy=False)
