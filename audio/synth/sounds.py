"""What a line carries besides voices: hold music, ringback, DTMF, beeps. All synthesised, so free of any rights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audio.chunk import NARROW_RATE_HZ, Float32Array

Sound = Callable[[int, np.random.Generator], Float32Array]
_CHORDS = ((0, 4, 7, 12), (-3, 0, 4, 9), (-7, -3, 0, 5), (-5, -1, 2, 7))
"""Semitones from A3: the four chords every hold music is made of."""
_KEYS = {"1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "4": (770, 1209), "5": (770, 1336), "6": (770, 1477)}


def _seconds(count: int) -> Float32Array:
    return (np.arange(count) / NARROW_RATE_HZ).astype(np.float32)


def _tone(seconds: Float32Array, *frequencies_hz: float) -> Float32Array:
    return np.asarray(np.sum([np.sin(2 * np.pi * hz * seconds) for hz in frequencies_hz], axis=0), dtype=np.float32)


def hold_music(count: int, rng: np.random.Generator) -> Float32Array:
    """Plucked arpeggios over a held chord, two notes a beat, in a tempo and key of the seed."""
    note = int(NARROW_RATE_HZ * 60 / rng.integers(96, 132) / 2)
    key_hz = 220.0 * 2 ** (int(rng.integers(-3, 4)) / 12)
    out = np.zeros(count, dtype=np.float32)
    for number, start in enumerate(range(0, count, note)):
        chord = _CHORDS[(number // 8) % 4]
        seconds = _seconds(min(2 * note, count - start))
        pluck_hz = key_hz * 2 ** (chord[int(rng.integers(4))] / 12) * 2
        pluck = sum(_tone(seconds, pluck_hz * h) / h**1.5 for h in (1, 2, 3, 4)) * np.exp(-4 * seconds)
        held = _tone(seconds, *(key_hz * 2 ** (step / 12) for step in chord)) * np.float32(0.12)
        held[note:] = 0
        out[start : start + len(seconds)] += np.asarray(pluck, dtype=np.float32) + held
    return out


def string_music(count: int, rng: np.random.Generator) -> Float32Array:
    """A bowed melody with vibrato over a plucked bass and brushes, in three-four time: nothing of `hold_music` in it."""
    beat = int(NARROW_RATE_HZ * 60 / rng.integers(84, 160))
    key_hz = 196.0 * 2 ** (int(rng.integers(-2, 6)) / 12)
    scale = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)
    out = np.zeros(count, dtype=np.float32)
    place, start = 4, 0
    while start < count:
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(scale) - 1))
        seconds = _seconds(min(beat * int(rng.choice((1, 1, 2, 3))), count - start))
        swell = np.minimum(1, seconds / 0.06) * np.minimum(1, (seconds[-1] - seconds) / 0.04 + 0.02)
        # Vibrato of 5.5 Hz, a fifth of a semitone either way, once the note is under way.
        sway = 0.012 / (2 * np.pi * 5.5) * np.minimum(1, seconds / 0.3) * np.sin(2 * np.pi * 5.5 * seconds)
        phase = 2 * np.pi * key_hz * 2 ** (scale[place] / 12) * (seconds + sway)
        out[start : start + len(seconds)] += sum(np.sin(phase * h) / h for h in range(1, 9)) * swell
        start += len(seconds)
    for number, start in enumerate(range(0, count, beat)):
        seconds = _seconds(min(beat, count - start))
        low_hz = key_hz * 2 ** ((0, -5, -3, -7)[(number // 3) % 4] / 12) / (1 if number % 3 else 2)
        pluck = (_tone(seconds, low_hz) + _tone(seconds, 2 * low_hz) / 2) * np.exp(-6 * seconds) * 1.2
        brush = rng.standard_normal(len(seconds)) * np.exp(-30 * seconds) * (0.3 if number % 3 else 0.1)
        out[start : start + len(seconds)] += np.asarray(pluck + brush, dtype=np.float32)
    return out


def ringback(count: int, rng: np.random.Generator) -> Float32Array:
    """European ringback: 425 Hz, 1.5 s on, 3.5 s off (ETSI)."""
    del rng
    seconds = _seconds(count)
    on: Float32Array = (seconds % 5.0 < 1.5).astype(np.float32)
    return _tone(seconds, 425) * on


def dtmf(count: int, rng: np.random.Generator) -> Float32Array:
    """Random keys, 100 ms on, 100 ms off (ITU-T Q.23)."""
    out = np.zeros(count, dtype=np.float32)
    press = NARROW_RATE_HZ // 10
    for start in range(0, count - press + 1, 2 * press):
        out[start : start + press] = _tone(_seconds(press), *_KEYS[str(rng.integers(1, 7))])
    return out


def beep(count: int, rng: np.random.Generator) -> Float32Array:
    """A recording beep: 1400 Hz, 250 ms every 5 s."""
    del rng
    seconds = _seconds(count)
    on: Float32Array = (seconds % 5.0 < 0.25).astype(np.float32)
    return _tone(seconds, 1400) * on


SOUNDS: dict[str, Sound] = {
    "hold-music": hold_music,
    "string-music": string_music,
    "ringback": ringback,
    "dtmf": dtmf,
    "beep": beep,
}
