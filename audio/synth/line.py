"""The telephone line of a synthetic call: band, level, comfort noise and G.711.

Samples are float32 with 1.0 at full scale; levels are dBov (0 dBov: the RMS of a full-scale square wave).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from audio.chunk import NARROW_RATE_HZ, Encoding, Float32Array, Int16Array
from audio.codec import decode, encode

_BAND = butter(4, (300, 3400), btype="bandpass", fs=NARROW_RATE_HZ, output="sos")
"""The voice band of ITU-T G.712."""
_PIECE_SAMPLES = NARROW_RATE_HZ // 50


def band(samples: Float32Array) -> Float32Array:
    """Float32 `(n,)` at 8 kHz, limited to 300 to 3400 Hz."""
    return np.asarray(sosfilt(_BAND, samples), dtype=np.float32)


def speech_level_dbov(samples: Float32Array) -> float:
    """Level of the speech only: the mean power of the 20 ms pieces within 20 dB of the loud ones (after P.56)."""
    count = len(samples) // _PIECE_SAMPLES
    power = np.square(samples[: count * _PIECE_SAMPLES].reshape(count, -1), dtype=np.float64).mean(axis=1)
    if not power.size or power.max() <= 0:
        return -100.0
    return float(10 * np.log10(power[power > np.quantile(power, 0.95) / 100].mean()))


def p56(samples: Float32Array) -> tuple[float, float]:
    """Active speech level in dBov and active time in ms as ITU-T P.56 (method B) defines them, sample by sample."""
    decay = np.exp(-1.0 / (NARROW_RATE_HZ * 0.03))
    once = ([1.0 - decay], [1.0, -decay])
    envelope = lfilter(*once, lfilter(*once, np.abs(samples, dtype=np.float64)))
    energy, places, hang = (
        float(np.square(samples, dtype=np.float64).sum()),
        np.arange(len(samples)),
        NARROW_RATE_HZ // 5,
    )
    before: tuple[float, float] | None = None
    for power in range(-15, 0):
        over = np.maximum.accumulate(np.where(envelope >= 2.0**power, places, -2 * hang))
        active = int((places - over <= hang).sum())
        if not active:
            break
        level = 10 * np.log10(energy / active)
        excess = level - 20 * np.log10(2.0**power) - 15.9
        if excess <= 0 and before is not None:
            share = before[1] / (before[1] - excess)
            level = before[0] + share * (level - before[0])
            return float(level), float(energy / 10 ** (level / 10) * 1000 / NARROW_RATE_HZ)
        before = (level, excess)
    return -100.0, 0.0


def gain(db: float) -> np.float32:
    return np.float32(10 ** (db / 20))


def at_level(samples: Float32Array, level_dbov: float) -> Float32Array:
    """The same speech at an active level of `level_dbov`."""
    return samples * gain(level_dbov - speech_level_dbov(samples))


def comfort_noise(count: int, level_dbov: float, rng: np.random.Generator) -> Float32Array:
    """Float32 `(count,)` of white noise in the voice band at an RMS of `level_dbov`."""
    noise = band(rng.standard_normal(count).astype(np.float32))
    rms = float(np.sqrt(np.square(noise).mean())) if count else 1.0
    return noise * (gain(level_dbov) / np.float32(rms))


def through_g711(samples: Float32Array, law: Encoding) -> Int16Array:
    """Int16 `(n,)` as the far end decodes it; what does not fit is cut off at full scale."""
    whole = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return decode(encode(whole, law), law)
