"""What is heard on a line when nobody speaks, by the minute; and what the voice activity makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt

from audio.chunk import NARROW_RATE_HZ, Float32Array, Int16Array
from audio.facts import FactsMaker
from audio.recordings import open_recording
from audio.resample import FirResampler
from audio.synth.sounds import dtmf, hold_music, ringback, string_music
from audio.vad import SileroModel
from audio.voice import Segmenter, UtteranceSpan
from tests.conftest import blocks_of

RECORDED = {
    "waltz": "impairments/hold_music/147793__setuniman__sweet-waltz-0i-22mi.ogg",
    "ragtime": "impairments/hold_music/442789__lena-orsa__happy-music-pistachio-ice-cream-ragtime.ogg",
    "robin": "impairments/hold_music/456440__inspectorj__bird-whistling-robin-single-13.ogg",
    "silence": "impairments/music_noise_speech/silence2sec.wav",
    "office": "telephony/tones_dtmf/office-ambience-24000-mono.mp3",
    "ding": "telephony/tones_dtmf/ding1.wav",
}
"""Recordings without a voice, under ../shared/data; each is repeated for as long as is asked."""


def silence(count: int, rng: np.random.Generator) -> Float32Array:
    """An idle line: comfort noise at -70 dBov, with digital silence in every other ten seconds."""
    hiss = rng.standard_normal(count) * 10 ** (-70 / 20)
    return (hiss * (np.arange(count) // (10 * NARROW_RATE_HZ) % 2)).astype(np.float32)


def office(count: int, rng: np.random.Generator) -> Float32Array:
    """Air conditioning (falling by 6 dB an octave), mains hum, keyboards and doors, at -38 dBov."""
    air = sosfilt(butter(1, 200, fs=NARROW_RATE_HZ, output="sos"), rng.standard_normal(count))
    out = air / np.std(air) + 0.3 * np.sin(2 * np.pi * 50 * np.arange(count) / NARROW_RATE_HZ)
    for start in np.cumsum(rng.exponential(0.35 * NARROW_RATE_HZ, count // 2_000)).astype(int):
        if start + 400 >= count:
            break
        out[start : start + 400] += rng.standard_normal(400) * np.exp(-np.arange(400) / rng.uniform(20, 90)) * 4
    return (out / np.std(out) * 10 ** (-38 / 20)).astype(np.float32)


def breathing(count: int, rng: np.random.Generator) -> Float32Array:
    """In and out, into the microphone: noise between 300 and 2500 Hz, 15 times a minute, at up to -30 dBov."""
    noise = sosfilt(butter(2, (300, 2_500), "bandpass", fs=NARROW_RATE_HZ, output="sos"), rng.standard_normal(count))
    phase = np.arange(count) / NARROW_RATE_HZ / 4.0 * 2 * np.pi + 0.3 * np.sin(np.arange(count) / NARROW_RATE_HZ / 7)
    swell = np.maximum(0.0, np.sin(phase)) ** 1.5 + 0.5 * np.maximum(0.0, -np.sin(phase)) ** 3
    return (noise / np.std(noise) * swell * 10 ** (-30 / 20)).astype(np.float32)


def _level(sound: Callable[[int, np.random.Generator], Float32Array], dbov: float) -> Callable[..., Float32Array]:
    def made(count: int, rng: np.random.Generator) -> Float32Array:
        out = sound(count, rng)
        return (out / np.std(out) * 10 ** (dbov / 20)).astype(np.float32)

    return made


MADE: dict[str, Callable[[int, np.random.Generator], Float32Array]] = {
    "silence": silence,
    "hold music": _level(hold_music, -22),
    "string music": _level(string_music, -22),
    "DTMF": _level(dtmf, -18),
    "ringback": _level(ringback, -20),
    "office noise": office,
    "breathing": breathing,
}


def recorded(path: Path, count: int) -> Float32Array:
    """A recording at 8 kHz, repeated to `count` samples."""
    recording = open_recording(path)
    native = np.concatenate([block[0] for block in recording.blocks()]).astype(np.float32) / 32_768
    rate_hz = recording.sample_rate_hz
    narrow = native if rate_hz == NARROW_RATE_HZ else FirResampler(rate_hz, NARROW_RATE_HZ).push(native)
    return np.resize(narrow, count)


def utterances(samples: Float32Array, silero: SileroModel) -> Iterator[UtteranceSpan]:
    """What the engine's voice activity takes for speech in 8 kHz audio of the agent's side."""
    native: Int16Array = np.clip(np.rint(samples * 32_767), -32_768, 32_767).astype(np.int16)
    facts, segmenter = FactsMaker(silero), Segmenter()
    for block in blocks_of(native, np.zeros(len(native), np.int16)):
        yield from segmenter.push(facts.push(block))
    yield from segmenter.end()
