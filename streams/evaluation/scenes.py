"""The stage of every test piece: two voices in turns at known times, a line, faults, and what must be raised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audio.chunk import NARROW_RATE_HZ, PARTIES, BoolArray, Encoding, Float32Array, Int16Array
from audio.synth.faults import LINE_FAULTS, SOURCE_FAULTS, Spans
from audio.synth.line import comfort_noise, gain, p56, through_g711
from streams.evaluation.matching import Expected
from streams.evaluation.voices import Bank, sounding
from streams.events import CallEvent

PER_MS = NARROW_RATE_HZ // 1000
STEP_MS = 10
_FULL_SOUND_DB = 15.0
"""Vowels lie within this of a voice's loudest sounds."""


@dataclass(frozen=True, slots=True)
class Turn:
    leg: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A short call as received: int16 `(2, n)` at 8 kHz, what never came, its events, and the alert that must come."""

    samples: Int16Array
    missing: tuple[Spans, Spans]
    events: tuple[CallEvent, ...]
    expected: Expected | None


@dataclass(slots=True)
class Scene:
    """Say things, then `mix`, then break things at the source, then `receive`, then break things on the line."""

    bank: Bank
    rng: np.random.Generator
    hops: tuple[Encoding, ...]
    """The G.711 laws that both legs go through, one after the other."""
    voices: list[str] = field(default_factory=list)
    level_dbov: list[float] = field(default_factory=list)
    noise_dbov: list[float] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    events: list[CallEvent] = field(default_factory=list)
    now_ms: int = 500
    legs: Float32Array = field(default_factory=lambda: np.zeros((2, 0), dtype=np.float32))
    received: Int16Array = field(default_factory=lambda: np.zeros((2, 0), dtype=np.int16))
    missing: tuple[Spans, Spans] = field(default_factory=lambda: ([], []))
    _audio: list[tuple[int, int, Float32Array]] = field(default_factory=list)
    _heard: list[tuple[int, int, BoolArray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.voices = [str(name) for name in self.rng.choice(sorted(self.bank.phrases), 2, replace=False)]
        self.level_dbov = [float(level) for level in self.rng.uniform(-29, -22, 2)]
        self.noise_dbov = [float(level) for level in self.rng.uniform(-68, -58, 2)]

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def say(
        self, leg: int, seconds: float, *, after_ms: float | None = None, db: float = 0.0, solid_s: float = 0.0
    ) -> Turn:
        """A turn, `after_ms` after the last moment spoken so far (negative: overlap); 250 to 900 ms unless given."""
        after_ms = self.between(250, 900) if after_ms is None else after_ms
        start_ms = int(max(0, self.now_ms + after_ms))
        return self.say_at(leg, start_ms, seconds, db=db, solid_s=solid_s)

    def say_at(
        self,
        leg: int,
        start_ms: int,
        seconds: float,
        *,
        db: float = 0.0,
        solid_s: float = 0.0,
        clear: bool = False,
    ) -> Turn:
        """A turn at a time; its last `solid_s` are speech without a pause.

        `clear`: the first full sound comes at that time, a breath or a weak consonant goes before it.
        """
        speech = self.bank.stretch(self.voices[leg], seconds, self.rng, solid_s)
        if clear:
            start_ms -= STEP_MS * int(sounding(speech, _FULL_SOUND_DB).argmax())
        self._heard.append((leg, start_ms // STEP_MS, sounding(speech)))
        self._audio.append((leg, start_ms, speech * gain(self.level_dbov[leg] + 26.0 + db)))
        turn = Turn(leg, start_ms, start_ms + len(speech) // PER_MS)
        self.turns.append(turn)
        self.now_ms = max(self.now_ms, turn.end_ms)
        return turn

    def play(self, leg: int, start_ms: int, sound: Float32Array) -> None:
        """Something that is no speech; `sound` at -26 dBov."""
        self._audio.append((leg, start_ms, sound))
        self.now_ms = max(self.now_ms, start_ms + len(sound) // PER_MS)

    def chat(self, seconds: float, *, first: int = 0, long: int | None = None) -> None:
        """Turns of 1.5 to 5 s, one after the other, for about `seconds`; the leg `long` does most of the talking."""
        until_ms, leg = self.now_ms + seconds * 1000, first
        while self.now_ms < until_ms:
            length = self.between(1.5, 5.0) if long is None else self.between(*((4, 6) if leg == long else (1, 2)))
            self.say(leg, length)
            leg = 1 - leg

    def event(self, kind: str, at_ms: int, leg: int | None = None) -> None:
        self.events.append(CallEvent(kind, at_ms, None if leg is None else PARTIES[leg]))

    def mix(self, tail_ms: float = 600) -> None:
        """Everything said, over comfort noise on both legs."""
        length = int(self.now_ms + tail_ms) * PER_MS
        self.legs = np.stack([comfort_noise(length, level, self.rng) for level in self.noise_dbov])
        for leg, start_ms, samples in self._audio:
            start = start_ms * PER_MS
            self.legs[leg, start : start + len(samples)] += samples[: length - start]

    def source(self, kind: str, leg: int, from_ms: float = 0, to_ms: float | None = None, **options: Any) -> Spans:
        """A fault before the codec; to the end unless `to_ms` is given."""
        start, stop = self._range(from_ms, to_ms, self.legs.shape[1])
        return SOURCE_FAULTS[kind](self.legs, leg, start, stop, self.rng, **options)

    def receive(self) -> None:
        legs: list[Int16Array] = []
        for leg in self.legs:
            for law in self.hops:
                coded = through_g711(leg, law)
                leg = coded.astype(np.float32) / np.float32(32768)
            legs.append(coded)
        self.received = np.stack(legs)

    def line(self, kind: str, leg: int, from_ms: float = 0, to_ms: float | None = None, **options: Any) -> Spans:
        """A fault after the codec."""
        start, stop = self._range(from_ms, to_ms, self.received.shape[1])
        spans = LINE_FAULTS[kind](self.received, leg, start, stop, self.rng, **options)
        if kind == "missing":
            self.missing[leg].extend(spans)
        return spans

    def piece(self, expected: Expected | None = None) -> Piece:
        if not self.legs.size:
            self.mix()
        if not self.received.size:
            self.receive()
        return Piece(self.received, self.missing, tuple(self.events), expected)

    def spoken_by(self, leg: int) -> list[Turn]:
        return [turn for turn in self.turns if turn.leg == leg]

    def spoken_ms(self, leg: int, needed_ms: int, from_ms: int = 0) -> int:
        """When this leg has spoken for `needed_ms` since `from_ms`; the end of the call if it never has."""
        return reached(self.spoken_by(leg), needed_ms, from_ms) or self.received.shape[1] // PER_MS

    def heard(self, leg: int, bridge_ms: int = 0) -> BoolArray:
        """bool, one a 10 ms: where this party's voice is heard, pauses of up to `bridge_ms` included."""
        out = np.zeros(self.now_ms // STEP_MS + 100, dtype=np.bool_)
        for owner, start, mask in self._heard:
            if owner == leg:
                out[start : start + len(mask)] |= mask
        where = np.flatnonzero(out)
        for a in np.flatnonzero((np.diff(where) > 1) & (np.diff(where) <= bridge_ms // STEP_MS)):
            out[where[a] : where[a + 1]] = True
        return out

    def heard_ms(self, leg: int, needed_ms: int, bridge_ms: int = 0) -> int:
        """When this party's voice has been heard for `needed_ms`, by what really sounds of their turns."""
        return completed_ms(self.heard(leg, bridge_ms), needed_ms)

    def both_heard_ms(self, needed_ms: int, from_ms: int) -> int:
        """When both have been heard at once for `needed_ms`; pauses of 300 ms are no end of anybody's speech."""
        both = self.heard(0, 300) & self.heard(1, 300)
        both[: from_ms // STEP_MS] = False
        return completed_ms(both, needed_ms)

    def spans_of(self, leg: int) -> Spans:
        return [(turn.start_ms * PER_MS, turn.end_ms * PER_MS) for turn in self.spoken_by(leg)]

    @staticmethod
    def _range(from_ms: float, to_ms: float | None, length: int) -> tuple[int, int]:
        return int(from_ms) * PER_MS, length if to_ms is None else min(length, int(to_ms) * PER_MS)


def speech_done_ms(samples: Float32Array, needed_ms: int) -> int:
    """When a leg's active speech by ITU-T P.56 comes to `needed_ms`, to a quarter of a second; its end if never."""
    low, high = needed_ms // 250, len(samples) // PER_MS // 250
    while low < high:
        middle = (low + high) // 2
        if p56(samples[: middle * 250 * PER_MS])[1] >= needed_ms:
            high = middle
        else:
            low = middle + 1
    return low * 250


def completed_ms(mask: BoolArray, needed_ms: int) -> int:
    """The moment at which the set steps of 10 ms add up to `needed_ms`; the end if they never do."""
    places = np.flatnonzero(mask)
    needed = needed_ms // STEP_MS
    return (int(places[needed - 1]) + 1 if len(places) >= needed else len(mask)) * STEP_MS


def reached(turns: Iterable[Turn], needed_ms: int, from_ms: int = 0) -> int | None:
    """The moment at which these turns add up to `needed_ms` after `from_ms`."""
    total = 0
    for turn in sorted(turns, key=lambda t: t.start_ms):
        start = max(turn.start_ms, from_ms)
        if start >= turn.end_ms:
            continue
        if total + turn.end_ms - start >= needed_ms:
            return start + needed_ms - total
        total += turn.end_ms - start
    return None
