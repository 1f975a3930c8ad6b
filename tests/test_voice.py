from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from audio.chunk import FRAME_MS, Block, FrameFacts, Party
from audio.state import pack, unpack
from audio.voice import Segmenter, UtteranceSpan

A, C = Party.AGENT, Party.CUSTOMER
ROUND = 32_000


def steps(sample: float) -> int:
    """A sample in 16-bit steps."""
    return round(float(sample) * 32_768)


def facts_of(agent: list[float], customer: list[float] | None = None, level: float = -20.0) -> list[FrameFacts]:
    """Facts with these probabilities; samples count up in 16-bit steps, round and round, so that cuts can be read."""
    frames = -(-len(agent) // 8) * 8
    probability = np.zeros((2, frames), dtype=np.float32)
    probability[0, : len(agent)] = agent
    if customer:
        probability[1, : len(customer)] = customer
    facts = []
    for index in range(frames // 8):
        wide = (np.arange(index * 4_096, (index + 1) * 4_096) % ROUND).astype(np.float32) / 32_768
        block = Block(
            index=index,
            frames=8,
            rate_hz=(8_000, 8_000),
            native=(np.zeros(2_048, dtype=np.int16),) * 2,
            gaps=((), ()),
            present=np.ones((2, 8), dtype=np.bool_),
            attached=(True, True),
            wide_source=np.stack((wide, -wide)),
            narrow=np.zeros((2, 2_048), dtype=np.float32),
        )
        part = probability[:, index * 8 : index * 8 + 8]
        floor = np.full(2, -100.0, dtype=np.float32)
        facts.append(FrameFacts(block, part, np.full((2, 8), level, dtype=np.float32), floor, part >= 0.5))
    return facts


def run(facts: list[FrameFacts]) -> list[UtteranceSpan]:
    segmenter = Segmenter()
    return [span for item in facts for span in segmenter.push(item)] + segmenter.end()


def frames_of(spans: list[UtteranceSpan]) -> list[tuple[int, int]]:
    return [(span.start_ms // FRAME_MS, span.end_ms // FRAME_MS) for span in spans]


def key(spans: list[UtteranceSpan]) -> list[object]:
    return [(s.party, s.number, s.start_ms, s.end_ms, s.samples.tobytes()) for s in spans]


def test_an_utterance_has_the_bounds_of_its_speech_and_200_ms_of_air() -> None:
    (span,) = run(facts_of([0.0] * 20 + [0.9] * 30 + [0.0] * 30))
    assert (span.party, span.number) == (A, 1)
    assert (span.start_ms, span.end_ms) == (20 * 32, 50 * 32)
    assert span.samples.dtype == np.float32
    assert steps(span.samples[0]) == 20 * 512 - 3_200
    assert steps(span.samples[-1]) == 50 * 512 + 3_200 - 1


def test_air_stops_at_the_start_of_the_call() -> None:
    (span,) = run(facts_of([0.9] * 30 + [0.0] * 30))
    assert span.samples[0] == 0
    assert span.start_ms == 0


@pytest.mark.parametrize(("pause", "count"), [(17, 1), (18, 1), (19, 2)])
def test_a_pause_of_600_ms_ends_an_utterance(pause: int, count: int) -> None:
    spans = run(facts_of([0.9] * 20 + [0.0] * pause + [0.9] * 20 + [0.0] * 30))
    assert len(spans) == count


@pytest.mark.parametrize(("stay", "ends"), [(0.34, 20), (0.35, 60), (0.36, 60)])
def test_it_stays_down_to_035(stay: float, ends: int) -> None:
    assert frames_of(run(facts_of([0.9] * 20 + [stay] * 40 + [0.0] * 30)))[0] == (0, ends)


@pytest.mark.parametrize(("enter", "count"), [(0.49, 0), (0.50, 1), (0.51, 1)])
def test_it_enters_at_050(enter: float, count: int) -> None:
    assert len(run(facts_of([0.0] * 8 + [enter] * 20 + [0.0] * 30))) == count


@pytest.mark.parametrize(("speech", "count"), [(3, 0), (4, 1), (5, 1)])
def test_a_burst_of_128_ms_is_kept_and_a_shorter_one_is_not(speech: int, count: int) -> None:
    assert len(run(facts_of([0.0] * 8 + [0.9] * speech + [0.0] * 30))) == count


@pytest.mark.parametrize(("level", "count"), [(-50.1, 0), (-50.0, 0), (-49.9, 1)])
def test_what_is_no_louder_than_minus_50_dbov_starts_none(level: float, count: int) -> None:
    assert len(run(facts_of([0.9] * 20 + [0.0] * 30, level=level))) == count


def test_what_is_within_6_db_of_the_floor_starts_none() -> None:
    loud = [replace(item, floor_dbov=np.full(2, -25.0, dtype=np.float32)) for item in facts_of([0.9] * 40)]
    assert run(loud) == []


def test_a_monologue_is_cut_at_its_least_likely_frame_and_loses_no_sample() -> None:
    speech = [0.9] * 1_000
    speech[300], speech[600] = 0.4, 0.1
    spans = run(facts_of(speech))
    assert frames_of(spans)[:3] == [(0, 300), (300, 600), (601, 601 + 187)]
    assert all(span.end_ms - span.start_ms <= 12_000 for span in spans)
    heard = np.concatenate([span.samples for span in spans])
    assert np.array_equal(heard, (np.arange(len(heard)) % ROUND).astype(np.float32) / 32_768)
    assert [span.number for span in spans] == list(range(1, len(spans) + 1))


def test_the_end_of_the_call_ends_the_open_utterances_of_both() -> None:
    spans = run(facts_of([0.0] * 10 + [0.9] * 22, [0.0] * 8 + [0.9] * 22))
    assert [(span.party, span.end_ms // FRAME_MS) for span in spans] == [(C, 30), (A, 32)]
    assert steps(spans[0].samples[-1]) == -(32 * 512 - 1)


def test_a_snapshot_anywhere_changes_no_bit() -> None:
    rng = random.Random(7)
    lengths = [rng.randrange(1, 60) for _ in range(60)]
    agent = [value for i, n in enumerate(lengths) for value in [rng.uniform(0.3, 1.0) * (i % 2)] * n]
    customer = [0.9 - value if value else 0.0 for value in agent]
    facts = facts_of(agent, customer)
    whole = run(facts)
    assert len(whole) > 15
    for start in (0, 3):
        segmenter, spans = Segmenter(), []
        for index, item in enumerate(facts):
            if index % 7 == start:
                other = Segmenter()
                other.load_state(unpack(pack(segmenter.state())))
                segmenter = other
            spans += segmenter.push(item)
        assert key(spans + segmenter.end()) == key(whole)


def test_the_held_audio_is_bounded() -> None:
    quiet, talking = Segmenter(), Segmenter()
    for item in facts_of([0.0] * 2_000):
        quiet.push(item)
    for item in facts_of([0.9] * 2_000):
        talking.push(item)
    assert len(pack(quiet.state())) < 2 * 3 * 4_096 * 4
    assert len(pack(talking.state())) < 13 * 16_000 * 4
