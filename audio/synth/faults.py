"""What goes wrong on a line. Each injector damages one leg between two samples and says exactly where it did.

They share neither code nor constants with the detectors: an evaluation by injectors that know the detectors' numbers
measures nothing. Source faults work on float32 `(2, n)` at 8 kHz before the codec (1.0 is full scale), line faults on
the decoded int16 `(2, n)`. All return the damaged stretches as `(start, stop)` in samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.signal import lfilter

from audio.chunk import NARROW_RATE_HZ, Float32Array, Int16Array
from audio.synth.line import band, comfort_noise, gain, speech_level_dbov

Spans = list[tuple[int, int]]
PACKET = NARROW_RATE_HZ // 50
"""20 ms, the packet of nearly all telephony."""
_TAPER = 12
"""1.5 ms: a decoder's filters ring out at the edges of a hole."""


def level(legs: Float32Array, leg: int, start: int, stop: int, rng: np.random.Generator, *, db: float) -> Spans:
    """A handset or gateway that is too quiet or too loud by `db`."""
    del rng
    legs[leg, start:stop] *= gain(db)
    return [(start, stop)]


def clipping(
    legs: Float32Array,
    leg: int,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    over_db: float,
    pad_db: float = 0.0,
) -> Spans:
    """An input overdriven by `over_db` beyond its own peak, then attenuated by `pad_db`."""
    del rng
    piece = legs[leg, start:stop]
    ceiling = np.float32(np.abs(piece).max(initial=1e-6)) / gain(over_db)
    driven = np.clip(piece, -ceiling, ceiling) * gain(over_db) * gain(-pad_db)
    legs[leg, start:stop] = np.clip(driven, -1.0, 1.0)
    return [(start, stop)]


def noise(
    legs: Float32Array,
    leg: int,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    snr_db: float,
    colour: str = "pink",
    own: Float32Array | None = None,
) -> Spans:
    """Background noise `snr_db` under the leg's speech: white, pink, babble or hum, or a recording given as `own`."""
    count = stop - start
    white = rng.standard_normal(count).astype(np.float32)
    seconds = np.arange(count) / NARROW_RATE_HZ
    match colour if own is None else "own":
        case "own":
            assert own is not None
            raw = np.resize(own, count)
        case "white":
            raw = white
        case "pink":
            # Paul Kellet's economy filter: -3 dB an octave within the voice band.
            raw = lfilter([0.05, -0.0959, 0.0506, -0.0044], [1, -2.4950, 2.0173, -0.5221], white)
        case "babble":
            voices = [_babbler(count, rng) for _ in range(6)]
            raw = np.sum(voices, axis=0)
        case "hum":
            raw = sum(np.sin(2 * np.pi * 50 * h * seconds) / h**0.5 for h in range(1, 30)) + 0.1 * white
        case _:
            raise ValueError(f"unknown colour of noise {colour!r}")
    raw = band(np.asarray(raw, dtype=np.float32))
    wanted_dbov = speech_level_dbov(legs[leg, start:stop]) - snr_db
    # The usual level counts: a chair that falls now and then would take up most of an office's mean power.
    step = NARROW_RATE_HZ // 10
    usual = np.median(
        np.square(raw[: max(step, count // step * step)], dtype=np.float64).reshape(-1, step).mean(axis=1)
    )
    legs[leg, start:stop] += raw * np.float32(10 ** (wanted_dbov / 20) / np.sqrt(usual))
    return [(start, stop)]


def _babbler(count: int, rng: np.random.Generator) -> Float32Array:
    """A buzz with the melody and the syllables of somebody at the next desk."""
    steps = max(2, count // (NARROW_RATE_HZ // 4))
    where = np.linspace(0, steps - 1, count)
    pitch_hz = np.interp(where, np.arange(steps), rng.uniform(90, 240) * rng.uniform(0.85, 1.2, steps))
    loudness = np.interp(where, np.arange(steps), rng.uniform(0, 1, steps) ** 2)
    phase = np.cumsum(pitch_hz) / NARROW_RATE_HZ
    return np.asarray(((phase % 1.0) - 0.5 + 0.2 * rng.standard_normal(count)) * loudness, dtype=np.float32)


def echo(
    legs: Float32Array,
    leg: int,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    delay_ms: float,
    loss_db: float,
    distortion: float = 0.0,
) -> Spans:
    """The other party's voice comes back on this leg, late, weaker, and bent by a loudspeaker if `distortion` > 0."""
    del rng
    delay = int(delay_ms * NARROW_RATE_HZ / 1000)
    source = np.concatenate([np.zeros(delay, dtype=np.float32), legs[1 - leg]])[start:stop]
    back = source * gain(-loss_db)
    if distortion > 0:
        drive = np.float32(distortion / (np.abs(source).max(initial=0.0) + 1e-9))
        back = np.asarray(np.tanh(source * drive) / drive * gain(-loss_db), dtype=np.float32)
        back = np.asarray(lfilter([1, 0.4, -0.2], [1, -0.5], back), dtype=np.float32)
    legs[leg, start : start + len(back)] += back
    return [(start, stop)]


def crosstalk(
    legs: Float32Array,
    leg: int,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    loss_db: float,
    delay_ms: float = 1.0,
) -> Spans:
    """The wires couple: the other party is heard on this leg at once, without the delay of an echo."""
    return echo(legs, leg, start, stop, rng, delay_ms=delay_ms, loss_db=loss_db)


def same_audio(
    legs: Float32Array,
    leg: int,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    db: float = 0.0,
    noise_dbov: float = -90.0,
) -> Spans:
    """A recorder that writes the mix of both parties on both legs."""
    mixed = legs[0, start:stop] + legs[1, start:stop]
    legs[1 - leg, start:stop] = mixed
    legs[leg, start:stop] = mixed * gain(db) + comfort_noise(stop - start, noise_dbov, rng)
    return [(start, stop)]


def silence(
    legs: Float32Array, leg: int, start: int, stop: int, rng: np.random.Generator, *, clicks_per_s: float = 0.0
) -> Spans:
    """Digital silence: a muted microphone, a path that carries nothing; with a few stray samples if asked."""
    legs[leg, start:stop] = 0.0
    for at in rng.integers(start, stop, int(clicks_per_s * (stop - start) / NARROW_RATE_HZ)):
        legs[leg, at] = np.float32(rng.choice((-1, 1)) * 0.002)
    return [(start, stop)]


def gate(
    legs: Float32Array,
    leg: int,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    under_dbov: float = -50.0,
    hang_ms: float = 40.0,
) -> Spans:
    """A noise gate: digital zero wherever the leg is quiet, also between words. Normal, and no fault at all."""
    del rng
    step = NARROW_RATE_HZ // 100
    count = (stop - start) // step
    piece = legs[leg, start : start + count * step].reshape(count, step)
    quiet = np.square(piece).mean(axis=1) < 10 ** (under_dbov / 10)
    hang = max(1, int(hang_ms // 10))
    loud = np.convolve(~quiet, np.ones(2 * hang + 1), mode="same") > 0
    piece[~loud] = 0.0
    legs[leg, start : start + count * step] = piece.reshape(-1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~loud, [False]]).astype(np.int8)))
    return [(start + int(a) * step, start + int(b) * step) for a, b in edges.reshape(-1, 2)]


def loss(
    legs: Int16Array,
    leg: int,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    packets: int,
    burst: int = 1,
    repeat: bool = False,
    within: Spans | None = None,
) -> Spans:
    """`packets` holes of `burst` lost packets, spread over the stretch: silence with ringing edges, or repeats.

    `within` lists where holes may fall (the speech itself); without it they fall where the leg is loud.
    """
    slots = _slots(legs[leg], start, stop, burst, within)
    chosen: Spans = []
    for share in np.array_split(slots, packets):
        # One hole in each equal share of the free places, so that they spread as an overloaded link spreads them.
        free = [int(s) for s in share if not chosen or s - chosen[-1][1] >= 3 * PACKET]
        if free:
            at = int(rng.choice(free))
            chosen.append((at, at + burst * PACKET))
    for a, b in chosen:
        before = legs[leg, a - PACKET : a].copy()
        if repeat:
            legs[leg, a:b] = np.tile(before, burst)
            continue
        ringing = np.linspace(1, 0, _TAPER, endpoint=False)
        head, tail = legs[leg, a : a + _TAPER] * ringing, legs[leg, b - _TAPER : b] * ringing[::-1]
        legs[leg, a:b] = 0
        legs[leg, a : a + _TAPER], legs[leg, b - _TAPER : b] = head.astype(np.int16), tail.astype(np.int16)
    return chosen


def _slots(leg: Int16Array, start: int, stop: int, burst: int, within: Spans | None) -> Int16Array | Any:
    """Packet starts at which a hole of `burst` packets would tear speech that is loud before, in and after it."""
    half = PACKET // 2
    count = len(leg) // half
    power = np.square(leg[: count * half].astype(np.float64)).reshape(count, half).mean(axis=1)
    loud = power > max(1.0, np.quantile(power, 0.98) / 100)
    first, last = max(1, -(-start // PACKET)), min(count // 2, stop // PACKET) - burst - 1
    # The 10 ms on either side are loud: where a sound dies away or is about to begin nobody hears a hole.
    numbers = np.array([k for k in range(first, last) if loud[2 * k - 1 : 2 * (k + burst) + 1].all()], dtype=np.int64)
    slots = numbers * PACKET
    if within is not None:
        slots = slots[[any(a <= s and s + burst * PACKET <= b for a, b in within) for s in slots]]
    return slots


def missing(legs: Int16Array, leg: int, start: int, stop: int, rng: np.random.Generator) -> Spans:
    """Packets that never came: a hole in the sequence (zeros where a file must hold something)."""
    del rng
    legs[leg, start:stop] = 0
    return [(start, stop)]


Injector = Callable[..., Spans]
SOURCE_FAULTS: dict[str, Injector] = {
    "level": level,
    "clipping": clipping,
    "noise": noise,
    "echo": echo,
    "crosstalk": crosstalk,
    "same-audio": same_audio,
    "silence": silence,
    "gate": gate,
}
LINE_FAULTS: dict[str, Injector] = {"loss": loss, "missing": missing}
