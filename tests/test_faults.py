"""Dropouts and clipping on hand-made blocks: at, below and above their limits, and on a real call."""

from __future__ import annotations

import os
import random
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.chunk import Block, FrameFacts, Int16Array, LineState, Measure, Party
from audio.faults import FaultDetector, FaultSettings, LossFinder
from audio.state import pack, unpack

SHARED = Path(os.environ.get("VIGIE_SHARED", Path(__file__).resolve().parents[2] / "shared" / "data"))
LCA40 = SHARED / "calls" / "lca40"
Gaps = list[tuple[int, int]]
needs_lca40 = pytest.mark.skipif(not LCA40.is_dir(), reason="the call lca40 is not on this machine")


def call_facts(
    agent: Int16Array,
    customer: Int16Array,
    rate_hz: int = 8000,
    gaps: tuple[Gaps, Gaps] = ((), ()),  # type: ignore[assignment]
    attached_from_ms: tuple[float, float] = (0, 0),
    speech: bool = True,
) -> list[FrameFacts]:
    """Facts of a whole call: speech is what is over -50 dBov, the floor -70 dBov; gaps in samples of the call."""
    per_frame = rate_hz * 32 // 1000
    frames = min(len(agent), len(customer)) // per_frame
    facts = []
    for first in range(0, frames, 8):
        count = min(8, frames - first)
        start, stop = first * per_frame, (first + count) * per_frame
        native = (agent[start:stop].copy(), customer[start:stop].copy())
        power = [np.mean((leg.reshape(count, -1) / 32768.0) ** 2, axis=1) for leg in native]
        level = np.maximum(-100, 10 * np.log10(np.asarray(power) + 1e-12)).astype(np.float32)
        cut = tuple(
            tuple((max(a, start) - start, min(b, stop) - start) for a, b in leg if a < stop and b > start)
            for leg in gaps
        )
        present = np.ones((2, count), np.bool_)
        for party in range(2):
            for a, b in cut[party]:
                native[party][a:b] = 0
                present[party, a // per_frame : (b - 1) // per_frame + 1] = False
        attached = tuple(first * 32 + count * 32 > ms for ms in attached_from_ms)
        empty = np.zeros((2, 0), np.float32)
        block = Block(first // 8, count, (rate_hz, rate_hz), native, cut, present, attached, empty, empty)  # type: ignore[arg-type]
        spoken = (level > -50) if speech else np.zeros((2, count), np.bool_)
        floor = np.full(2, -70, np.float32)
        facts.append(FrameFacts(block, spoken.astype(np.float32), level, floor, spoken))
    return facts


def noise(seconds: float, level_dbov: float = -20.0, rate_hz: int = 8000, seed: int = 1) -> Int16Array:
    """Noise that swells like syllables, so that it has the crest and the levels of speech."""
    size = int(seconds * rate_hz)
    rng = np.random.default_rng(seed)
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * np.arange(size) / rate_hz)
    wave_form = rng.standard_normal(size) * envelope * 32768 * 10 ** (level_dbov / 20)
    return np.clip(np.round(wave_form), -32000, 32000).astype(np.int16)


def steady(seconds: float, level_dbov: float, rate_hz: int = 8000) -> Int16Array:
    """Square-wave noise: every stretch of it has exactly this level."""
    amplitude = round(32768 * 10 ** (level_dbov / 20))
    signs = np.random.default_rng(2).integers(0, 2, int(seconds * rate_hz)) * 2 - 1
    return (signs * amplitude).astype(np.int16)


def run(facts: list[FrameFacts], line: LineState | None = None, settings: FaultSettings | None = None) -> list[Measure]:
    detector = FaultDetector(settings)
    return [measure for one in facts for measure in detector.push(one, line or LineState())]


def values(measures: list[Measure], metric: str, party: Party = Party.CUSTOMER) -> list[float]:
    return [m.value for m in measures if m.metric == metric and m.party == party]


def top(measures: list[Measure], metric: str, party: Party = Party.CUSTOMER) -> float:
    return max(values(measures, metric, party), default=0.0)


def dropouts(customer: Int16Array, **more: Any) -> float:
    quiet = np.zeros(len(customer), np.int16)
    return top(run(call_facts(quiet, customer, **more)), "dropouts_10s")


def with_hole(ms: float, at_ms: float = 1000, value: int = 0, rate_hz: int = 8000) -> Int16Array:
    audio = noise(3, rate_hz=rate_hz)
    start, size = round(at_ms * rate_hz / 1000), round(ms * rate_hz / 1000)
    audio[start - 1] = audio[start + size] = 900
    audio[start : start + size] = value
    return audio


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize(("ms", "seen"), [(11.75, 0), (12, 1), (20, 1), (400, 1), (401, 0)])
def test_a_hole_is_12_to_400_ms_long(rate_hz: int, ms: float, seen: int) -> None:
    assert dropouts(with_hole(ms, rate_hz=rate_hz), rate_hz=rate_hz) == seen


@pytest.mark.parametrize(("value", "seen"), [(0, 1), (8, 1), (-8, 1), (9, 0), (-9, 0)])
def test_a_hole_is_silent_in_either_flavour_of_g711(value: int, seen: int) -> None:
    assert dropouts(with_hole(20, value=value)) == seen


@pytest.mark.parametrize("at_ms", [10.0, 230.0, 240.0, 246.0, 250.0, 255.875, 256.0, 500.0, 512.0])
def test_a_hole_is_found_wherever_the_border_of_a_block_falls(at_ms: float) -> None:
    assert dropouts(with_hole(18, at_ms)) == 1


def test_a_hole_is_told_at_most_one_block_late_with_its_own_times() -> None:
    measures = run(call_facts(noise(3), with_hole(18, 500)))
    first = next(m for m in measures if m.metric == "dropouts_10s")
    assert (first.since_ms, first.until_ms) == (500, 518)
    assert first.detail == {"holes": 1, "repeats": 0, "gaps": 0, "lost_ms": 18}


@pytest.mark.parametrize(("dbov", "seen"), [(-45.5, 0), (-44.5, 1)])
@pytest.mark.parametrize("side", ["left", "right"])
def test_both_flanks_of_a_hole_are_loud(dbov: float, seen: int, side: str) -> None:
    audio = steady(3, -20)
    quiet = steady(3, dbov)
    audio[8000:8160] = 0
    part = slice(7800, 8000) if side == "left" else slice(8160, 8360)
    audio[part] = quiet[part]
    assert dropouts(audio) == seen


def test_tapered_edges_of_a_resampling_filter_do_not_hide_a_hole() -> None:
    audio = noise(3)
    audio[8000:8160] = 0
    audio[8000:8008] = [-344, 120, -60, 23, -12, 7, -4, 2]
    audio[8152:8160] = [2, -4, 7, -12, 23, -60, 120, -344]
    assert dropouts(audio) == 1


def test_a_hole_needs_no_voice_activity() -> None:
    assert dropouts(with_hole(20), speech=False) == 1


def test_noise_gating_between_words_is_no_dropout() -> None:
    audio = noise(12)
    for start in range(4000, len(audio) - 4000, 4000):
        fade = np.concatenate((np.linspace(1, 0, 400) ** 4, np.zeros(800), np.linspace(0, 1, 400) ** 4))
        audio[start : start + 1600] = (audio[start : start + 1600] * fade).astype(np.int16)
    assert dropouts(audio) == 0


@pytest.mark.parametrize("ms", [10, 20, 30, 40])
def test_a_repeated_packet_is_a_dropout(ms: int) -> None:
    audio, size = noise(3), ms * 8
    audio[8000 : 8000 + size] = audio[8000 - size : 8000]
    measures = run(call_facts(noise(3, seed=5), audio))
    assert top(measures, "dropouts_10s") == 1
    assert next(m for m in measures if m.metric == "dropouts_10s").detail == {
        "holes": 0,
        "repeats": 1,
        "gaps": 0,
        "lost_ms": ms,
    }


def test_a_packet_played_four_times_is_one_dropout() -> None:
    audio = noise(3)
    for copy in range(1, 4):
        audio[8000 + 160 * copy : 8160 + 160 * copy] = audio[8000:8160]
    assert dropouts(audio) == 1


@pytest.mark.parametrize("size", [159, 158])
def test_less_than_a_whole_packet_is_no_repetition(size: int) -> None:
    audio = noise(3)
    audio[8000 : 8000 + size] = audio[7840 : 7840 + size]
    audio[8000 + size] = -audio[7840 + size] + 5
    audio[7999] = audio[7839] + 77
    assert dropouts(audio) == 0


def test_a_quiet_repetition_is_no_dropout() -> None:
    audio = noise(3, -60)
    audio[8000:8160] = audio[7840:8000]
    assert dropouts(audio) == 0


@pytest.mark.parametrize(
    "hz", [(400,), (425,), (450,), (400, 450), (440, 480), (697, 1209), (941, 1336), (50,), (200,)]
)
@pytest.mark.parametrize("on_ms", [60, 100, 400])
def test_tones_repeat_exactly_and_are_no_dropouts(hz: tuple[int, ...], on_ms: int) -> None:
    time_s = np.arange(24000) / 8000
    audio = np.round(sum(6000 * np.sin(2 * np.pi * one * time_s) for one in hz)).astype(np.int16)
    audio[: 8000 - on_ms * 8] = audio[8000:] = 0
    measures = run(call_facts(audio, audio))
    assert top(measures, "dropouts_10s") == 0
    assert top(measures, "clipped_runs_10s") == 0


def test_a_gap_inside_speech_is_a_dropout_and_no_hole() -> None:
    measures = run(call_facts(noise(3), noise(3, seed=4), gaps=([], [(8000, 8160), (10000, 10160)])))
    last = [m for m in measures if m.metric == "dropouts_10s"][-1]
    assert last.detail == {"holes": 0, "repeats": 0, "gaps": 2, "lost_ms": 40}
    assert top(measures, "gap_ms_30s") == 40


def test_a_gap_over_many_blocks_is_one() -> None:
    measures = run(call_facts(noise(3), noise(3, seed=4), gaps=([], [(5000, 15000)])))
    assert [m for m in measures if m.metric == "dropouts_10s"][-1].detail == {
        "holes": 0,
        "repeats": 0,
        "gaps": 1,
        "lost_ms": 1250,
    }
    assert top(measures, "gap_ms_30s") == 1250


def test_a_gap_in_silence_is_no_dropout() -> None:
    measures = run(call_facts(noise(3), noise(3, -70), gaps=([], [(8000, 8160)])))
    assert top(measures, "dropouts_10s") == 0
    assert top(measures, "gap_ms_30s") == 20


@pytest.mark.parametrize("line", [LineState(on_hold=True), LineState(ivr=True)])
def test_on_hold_and_in_a_menu_nothing_is_lost(line: LineState) -> None:
    measures = run(call_facts(noise(3), with_hole(20), gaps=([], [(12000, 12160)])), line)
    assert not measures


def test_before_a_leg_is_attached_nothing_is_missing() -> None:
    facts = call_facts(noise(3), noise(3, seed=4), gaps=([], [(0, 9000)]), attached_from_ms=(0, 1124))
    assert not values(run(facts), "gap_ms_30s")


def test_losses_of_one_burst_are_one_event_and_those_320_ms_apart_are_two() -> None:
    def holes(*at_ms: int) -> float:
        audio = noise(8)
        for ms in at_ms:
            audio[ms * 8 : ms * 8 + 160] = 0
        return dropouts(audio)

    assert holes(1000, 1339) == 1
    assert holes(1000, 1340) == 2
    assert holes(*range(1000, 5000, 250)) == 4, "a burst ends after a second: a bad line is not one event for ever"


def test_an_event_leaves_the_window_after_10_s_and_the_zero_is_told_once() -> None:
    measures = run(call_facts(noise(16), np.concatenate((with_hole(20), noise(13, seed=3)))))
    told = [m for m in measures if m.metric == "dropouts_10s"]
    assert [m.value for m in told[-2:]] == [1, 0]
    assert 11_020 < told[-1].until_ms <= 11_020 + 256
    assert [m.value for m in told].count(0) == 1


def test_the_share_of_speech_lost_waits_for_10_s_of_speech() -> None:
    audio = steady(20, -20)
    for second in range(20):
        audio[second * 8000 + 4000 : second * 8000 + 4160] = 0
    measures = run(call_facts(noise(20), audio))
    shares = [m for m in measures if m.metric == "dropout_share_30s"]
    assert shares[0].until_ms >= 9_500
    assert shares[-1].value == pytest.approx(2.0, abs=0.1)


def clipped(gain_db: float, **more: Any) -> float:
    audio = noise(8, -26).astype(np.float64) * 10 ** (gain_db / 20)
    return top(run(call_facts(noise(8), np.clip(audio, -8000, 8000).astype(np.int16), **more)), "clipped_runs_10s")


def test_flat_tops_under_the_limit_of_the_codec_are_clipping() -> None:
    assert clipped(0) <= 1
    assert clipped(20) >= 5


def test_what_no_one_says_cannot_clip() -> None:
    assert clipped(20, speech=False) == 0


@pytest.mark.parametrize("limit", [32124, 32256, 32767])
def test_the_limits_of_the_codecs_are_clipping(limit: int) -> None:
    audio = np.clip(noise(8, -6).astype(np.float64) * 4, -limit, limit).astype(np.int16)
    assert top(run(call_facts(noise(8), audio)), "clipped_runs_10s") >= 5


@pytest.mark.parametrize(
    ("tops", "rate_hz", "size"), [(4, 8000, 3), (5, 8000, 3), (5, 8000, 2), (5, 48000, 12), (5, 48000, 13)]
)
def test_a_flat_top_is_as_long_as_3_samples_at_8_khz(tops: int, rate_hz: int, size: int) -> None:
    audio = np.clip(noise(4, -24, rate_hz), -9000, 9000)
    for number in range(tops):
        at = (number + 3) * rate_hz // 10
        audio[at : at + size] = 9900 + 20 * number
    got = top(run(call_facts(noise(4, rate_hz=rate_hz), audio, rate_hz)), "clipped_runs_10s")
    assert got == (tops if size in (3, 13) else 0)


def test_a_crest_under_10_db_of_speech_is_clipping_inferred() -> None:
    rng = np.random.default_rng(8)
    time_s = np.arange(8 * 8000) / 8000
    loud = np.where(np.sin(2 * np.pi * 1.5 * time_s) > -0.3, 1.0, 0.25)
    squashed = np.tanh(3 * rng.standard_normal(len(time_s))) * 9000 * loud * rng.uniform(0.9, 1.0, len(time_s))
    measures = run(call_facts(noise(8), squashed.astype(np.int16)), settings=FaultSettings(clip_run_ms=9.0))
    first = next(m for m in measures if m.metric == "clipped_runs_10s")
    assert first.value == 5
    assert first.detail is not None
    assert first.detail["inferred"] == 1
    assert first.until_ms >= 3_000


def test_a_restart_between_any_two_blocks_changes_nothing() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    audio = np.clip(noise(12, -20).astype(np.int32) * 3, -9000, 9000).astype(np.int16)
    gaps: Gaps = []
    for _ in range(30):
        at, size = rng.randrange(4000, 90_000), rng.choice((100, 160, 320))
        kind = rng.randrange(3)
        if kind == 0:
            audio[at : at + size] = 0
        elif kind == 1:
            audio[at : at + 160] = audio[at - 160 : at]
        else:
            gaps.append((at, at + size))
    gaps = [gap for i, gap in enumerate(sorted(gaps)) if i == 0 or gap[0] > sorted(gaps)[i - 1][1]]
    facts = call_facts(noise(12), audio, gaps=([], gaps))
    whole, detector, pieces = run(facts), FaultDetector(), list[Measure]()
    for one in facts:
        if rng.random() < 0.3:
            saved = pack(detector.state())
            detector = FaultDetector()
            detector.load_state(unpack(saved))
            assert pack(detector.state()) == saved
        pieces += detector.push(one, LineState())
    assert whole
    assert pieces == whole


def lca40_leg(name: str) -> Int16Array:
    with wave.open(str(LCA40 / f"Auto_Repairs_40_UTC_{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


@needs_lca40
def test_on_a_real_call_the_customer_loses_packets_and_the_gated_agent_hardly() -> None:
    facts = call_facts(lca40_leg("agent"), lca40_leg("caller"))
    count: Callable[[int], int] = lambda party: sum(  # noqa: E731 - one expression, used twice
        len(finder.push(one, party)[0]) for finder in [LossFinder(FaultSettings())] for one in facts
    )
    assert 70 <= count(1) <= 84
    assert count(0) <= 8
    measures = run(facts)
    assert top(measures, "dropouts_10s", Party.CUSTOMER) >= 3
    assert top(measures, "dropouts_10s", Party.AGENT) < 3
    assert top(measures, "dropout_share_30s", Party.AGENT) < 2
    assert top(measures, "clipped_runs_10s", Party.AGENT) < 5
    assert top(measures, "clipped_runs_10s", Party.CUSTOMER) < 5


def test_a_burst_counts_for_more_once_each_of_its_losses_is_longer_than_concealment() -> None:
    def lost(ms: int) -> float:
        audio = noise(4, seed=9)
        for start in (12_000, 13_600, 15_200):  # 200 ms apart
            audio[start : start + ms * 8] = 0
        return top(run(call_facts(noise(4), audio)), "dropouts_10s")

    assert lost(18) == 1
    assert lost(38) == 2
    assert lost(58) == 3


def test_a_packet_of_a_low_voice_may_come_twice_too() -> None:
    time_s = np.arange(32000) / 8000
    # A voice of 109 Hz whose first three harmonics hold nearly all its energy, moving as voices do.
    phase = 2 * np.pi * 109 * (time_s + 0.002 * np.sin(2 * np.pi * 3 * time_s))
    voice = sum(level * np.sin(phase * n) for n, level in ((1, 6000), (2, 3000), (3, 1500)))
    audio = np.round(voice + np.random.default_rng(2).normal(0, 300, len(voice))).astype(np.int16)
    audio[16000:16160] = audio[15840:16000]
    assert top(run(call_facts(noise(4), audio)), "dropouts_10s") == 1
