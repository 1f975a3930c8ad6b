"""Law 2: same call, same alerts, byte for byte, however the audio is cut, ordered, doubled, or the engine restarted."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.chunk import AudioChunk, Encoding, Int16Array, Party
from audio.recordings import open_recording
from audio.vad import SileroModel
from streams.alerts.rules import load_rules
from streams.events import CallInfo, Outputs, Record
from streams.monitor import CallMonitor

CALLS = Path(__file__).resolve().parent.parent / "audio" / "synth" / "calls"
BOUND_MS = 400
RATE_HZ = 8000


def samples_of(stem: str) -> Int16Array:
    recording = open_recording(next(CALLS.glob(f"{stem}.flac")))
    return np.concatenate(list(recording.blocks()), axis=1)


STORIES = ("fr-bad-line", "fr-talk-over", "en-one-way")


@pytest.fixture(scope="module", params=STORIES)
def call(request: pytest.FixtureRequest) -> Int16Array:
    return samples_of(request.param)[:, : 25 * RATE_HZ]


def chunk(samples: Int16Array, start: int, stop: int, parties: Iterable[int]) -> AudioChunk:
    names = list(Party)
    legs = {names[i]: samples[i, start:stop].astype("<i2").tobytes() for i in parties}
    return AudioChunk(start, RATE_HZ, Encoding.PCM16, legs)


def regular(samples: Int16Array, ms: int) -> Iterator[AudioChunk]:
    step = RATE_HZ * ms // 1000
    for at in range(0, samples.shape[1], step):
        yield chunk(samples, at, min(at + step, samples.shape[1]), (0, 1))


def unruly(samples: Int16Array, rng: random.Random) -> list[AudioChunk]:
    """Random cuts, legs apart or together, some chunks twice, each late by less than the bound."""
    arrivals: list[tuple[float, int, AudioChunk]] = []
    for parties in ((0,), (1,)) if rng.random() < 0.7 else ((0, 1),):
        at = 0
        while at < samples.shape[1]:
            stop = min(samples.shape[1], at + rng.randrange(1, RATE_HZ // 5))
            for _ in range(2 if rng.random() < 0.1 else 1):
                late = rng.random() * 0.2 * RATE_HZ
                arrivals.append((stop + late, len(arrivals), chunk(samples, at, stop, parties)))
            at = stop
    return [piece for _, _, piece in sorted(arrivals, key=lambda a: a[:2])]


def words_for(out: Outputs) -> Iterator[Record]:
    """Recorded transcripts: the same words for the same utterance, made from its id."""
    texts = ["i want to speak to your supervisor", "thank you for calling how can i help you", "this is terrible"]
    for piece in out.speech:
        which = sum(piece.utterance_id.encode()) % len(texts)
        yield {
            "call_id": piece.call_id,
            "utterance_id": piece.utterance_id,
            "party": piece.party.value,
            "start_ms": piece.start_ms,
            "end_ms": piece.end_ms,
            "text": texts[which],
            "language": "en",
            "confidence": 0.9,
            "final": True,
            "state": "final",
            "words": [],
            "sentiment": {"score": (-0.9, 0.2, -0.8)[which], "confidence": 0.9, "because": ["w"]},
            "phrases": [{"category": ("escalation", "greeting", "abuse")[which], "text": "x", "start": 0, "end": 1}],
            "redactions": [],
        }


def watch(
    chunks: Iterable[AudioChunk], silero: SileroModel, rng: random.Random | None = None, end_ms: int | None = None
) -> tuple[list[str], list[str], str]:
    """Alerts, measurements and summary as lines; with `rng`, restarts anywhere and words come late in any order."""
    info, rules = CallInfo("same", language="en"), load_rules(None)
    monitor, out, waiting = CallMonitor(info, rules, silero), Outputs(), list[Record]()
    for piece in chunks:
        step = monitor.add(piece)
        waiting += words_for(step)
        out.extend(step)
        if rng and rng.random() < 0.02:
            saved = monitor.snapshot()
            monitor = CallMonitor(info, rules, silero)
            monitor.restore(saved)
        if rng is None or rng.random() < 0.05:
            if rng:
                rng.shuffle(waiting)
            for record in waiting:
                out.extend(monitor.words(record))
            waiting = []
    step = monitor.end(end_ms)
    waiting += words_for(step)
    out.extend(step)
    for record in waiting + (waiting if rng else []):
        out.extend(monitor.words(record))
    assert out.summary is not None
    # Sound alerts and word alerts come from two stages: their mutual order is not promised, their content is.
    alerts = sorted(json.dumps(a, sort_keys=True) for a in out.alerts)
    return alerts, [json.dumps(m, sort_keys=True) for m in out.measurements], json.dumps(out.summary, sort_keys=True)


@pytest.mark.parametrize("ms", [20, 1000])
def test_regular_chunks_of_any_length_give_the_same(call: Int16Array, silero: SileroModel, ms: int) -> None:
    expected = watch(regular(call, 100), silero)
    assert expected[0], "a call without alerts would prove nothing"
    assert watch(regular(call, ms), silero) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_unruly_chunks_and_restarts_give_the_same(call: Int16Array, silero: SileroModel, seed: int) -> None:
    rng = random.Random(seed)
    end_ms = call.shape[1] * 1000 // RATE_HZ
    expected = watch(regular(call, 100), silero, end_ms=end_ms)
    assert watch(unruly(call, rng), silero, rng, end_ms) == expected, f"seed {seed}"
