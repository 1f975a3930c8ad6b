"""A random telephone channel, and sounds that are no speech, at 8 kHz, in numpy.

export.py measures through this channel. train.py trains through hearing.py's, a relative of it that works on whole batches on
the device: what is measured was not trained on sample by sample.
"""

from __future__ import annotations

import math

import numpy as np

RATE_HZ = 8000


def mu_law(x: np.ndarray) -> np.ndarray:
    """Quantise float samples in [-1, 1] to 8 bits on the mu-law curve and back."""
    y = np.sign(x) * np.log1p(255 * np.abs(x)) / math.log(256)
    y = np.round((y + 1) * 127.5) / 127.5 - 1
    return np.sign(y) * np.expm1(np.abs(y) * math.log(256)) / 255


def a_law(x: np.ndarray) -> np.ndarray:
    """Quantise float samples in [-1, 1] to 8 bits on the A-law curve and back (no exact zero, as in the real one)."""
    a, scale = 87.6, 1 + math.log(87.6)
    size = np.abs(x)
    y = np.sign(x) * np.where(size < 1 / a, a * size, 1 + np.log(np.maximum(a * size, 1))) / scale
    y = (np.floor(y * 128) + 0.5) / 128
    size = np.abs(y) * scale
    return np.sign(y) * np.where(size < 1, size / a, np.exp(size - 1) / a)


class Telephone:
    """A random telephone channel on 8 kHz float samples."""

    def __init__(self, rng: np.random.Generator, snr_db: tuple[float, float] = (15, 45)) -> None:
        self.rng, self.snr_db = rng, snr_db

    def band(self, x: np.ndarray) -> np.ndarray:
        """About 300 to 3400 Hz, edges and slopes at random."""
        rng = self.rng
        f = np.fft.rfftfreq(len(x), 1 / RATE_HZ)
        low, high = rng.uniform(150, 320), rng.uniform(3300, 3700)
        gain = 1 / np.sqrt((1 + (low / np.maximum(f, 1)) ** 8) * (1 + (f / high) ** 24))
        return np.fft.irfft(np.fft.rfft(x) * gain * (np.maximum(f, 100) / 1000) ** (rng.uniform(-3, 3) / 6), len(x))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        rng = self.rng
        if rng.random() < 0.8:
            x = self.band(x)
        x = x * (10 ** (rng.uniform(-20, -1) / 20) / (np.abs(x).max() + 1e-6))
        if rng.random() < 0.1:
            x = np.clip(x, -1, np.quantile(np.abs(x), rng.uniform(0.97, 0.999)))
        loud = x[np.abs(x) > 1e-3]
        level = np.sqrt(np.mean(loud**2)) if len(loud) else 0.01
        noise = rng.standard_normal(len(x))
        if rng.random() < 0.5:  # coloured
            noise = np.convolve(noise, rng.standard_normal(12) * np.exp(-np.arange(12) / 3), "same")
        x = x + noise * (level / (np.sqrt(np.mean(noise**2)) + 1e-9) * 10 ** (-rng.uniform(*self.snr_db) / 20))
        if rng.random() < 0.15:
            for _ in range(rng.integers(1, 3)):
                at = rng.integers(0, max(1, len(x) - 320))
                x[at: at + 160 * rng.integers(1, 3)] = 0
        law = rng.random()
        x = np.clip(x, -1, 1)
        return (mu_law(x) if law < 0.45 else a_law(x) if law < 0.9 else x).astype(np.float32)


def not_speech(rng: np.random.Generator, n: int) -> np.ndarray:
    """Music-like tones, hum, noise, DTMF or exact zeros."""
    t, kind = np.arange(n) / RATE_HZ, rng.integers(6)
    level = 10 ** rng.uniform(-3, -0.7)
    if kind == 0:
        return np.zeros(n, np.float32)
    if kind == 1:
        x = rng.standard_normal(n)
        if rng.random() < 0.5:  # pinkish
            x = np.convolve(x, 1 / np.sqrt(np.arange(1, 60)), "same") / 2
        return (x * level * 0.3).astype(np.float32)
    x = np.zeros(n)
    if kind == 2:  # hum or a steady tone
        base = rng.choice([50, 60, 100, 425, 440, 1000])
        for k in range(1, rng.integers(2, 8)):
            x += np.sin(2 * np.pi * base * k * t) * rng.random() / k
    elif kind == 3:  # DTMF
        for at in range(0, n, int(rng.integers(1200, 3000))):
            part = slice(at, min(n, at + 800))
            x[part] = np.sin(2 * np.pi * rng.choice([697, 770, 852, 941]) * t[part]) + np.sin(
                2 * np.pi * rng.choice([1209, 1336, 1477]) * t[part])
    else:  # notes
        at = 0
        while at < n:
            long = int(rng.integers(800, 5000))
            part = slice(at, min(n, at + long))
            u = t[part] - t[at]
            for _ in range(rng.integers(1, 4)):
                f = 110 * 2 ** (rng.integers(0, 40) / 12)
                for k in range(1, 5):
                    if f * k < 3800:
                        x[part] += np.sin(2 * np.pi * f * k * t[part]) / k**1.5 * np.exp(-u * rng.uniform(0, 4))
            at += long
    x = x / (np.abs(x).max() + 1e-6) + rng.standard_normal(n) * 10 ** rng.uniform(-4, -1.5)
    return (x * level).astype(np.float32)
