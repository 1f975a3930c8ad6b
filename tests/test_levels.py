from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.signal import lfilter

from audio.chunk import Block, FrameFacts, Int16Array, LineState, Measure, Party
from audio.facts import FactsSettings, frame_levels
from audio.levels import ActivityMeter, LevelDetector, active_level
from audio.state import pack, unpack
from tests.conftest import blocks_of

A, C = Party.AGENT, Party.CUSTOMER


def facts_of(agent: Int16Array, customer: Int16Array) -> list[FrameFacts]:
    """Facts by level alone: speech is what is louder than -40 dBov."""
    return [by_level(block) for block in blocks_of(agent, customer)]


def by_level(block: Block) -> FrameFacts:
    level = np.stack([frame_levels(native, block.frames)[0] for native in block.native])
    speech = level > -40.0
    return FrameFacts(block, speech.astype(np.float32), level, np.full(2, -100.0, dtype=np.float32), speech)


def bursts(seconds: float, dbov: float, seed: int = 1, noise_dbov: float | None = -60.0) -> Int16Array:
    """Bursts of white noise of that RMS, 1 s on and 1 s off, on steady noise."""
    rng = np.random.default_rng(seed)
    count = int(seconds * 8_000)
    on = (np.arange(count) // 8_000) % 2 == 0
    voice = rng.normal(0, 32_768 * 10 ** (dbov / 20), count) * on
    floor = rng.normal(0, 32_768 * 10 ** (noise_dbov / 20), count) if noise_dbov is not None else 0
    return np.clip(np.round(voice + floor), -32_768, 32_767).astype(np.int16)


def p56_by_sample(samples: Int16Array, rate: int) -> float:
    """ITU-T P.56 method B at every sample, written independently of the module."""
    x = samples / 32_768
    g = np.exp(-1 / (rate * 0.03))
    q = lfilter([1 - g], [1, -g], lfilter([1 - g], [1, -g], np.abs(x)))
    best: list[tuple[float, float]] = []
    for c in 2.0 ** np.arange(-15, 0):
        over = np.flatnonzero(q >= c)
        if len(over):
            active = np.zeros(len(x), dtype=bool)
            for lag in (*range(0, int(0.2 * rate), 8), int(0.2 * rate)):
                active[np.minimum(over + lag, len(x) - 1)] = True
            # holes of under 8 samples between the marks are inside the hangover
            active |= np.convolve(active, np.ones(9), "same") > 1
            level = 10 * np.log10(np.sum(x * x) / active.sum())
            best.append((level, level - 20 * np.log10(c) - 15.9))
    for (above, plus), (below, minus) in itertools.pairwise(best):
        if plus > 0 >= minus:
            return above + (below - above) * plus / (plus - minus)
    return -100.0


def whole_level(agent: Int16Array, customer: Int16Array, rate: int = 8_000) -> list[float]:
    meter = ActivityMeter()
    energy, active = np.zeros(2, dtype=np.int64), np.zeros((2, 15), dtype=np.int64)
    for block in blocks_of(agent, customer, rate):
        more_energy, more_active = meter.push(block.native, block.rate_hz)
        energy += more_energy
        active += more_active
    levels = [active_level(int(energy[leg]), active[leg]) for leg in range(2)]
    return [-100.0 if level is None else level[0] for level in levels]


def run(facts: list[FrameFacts], line: LineState | None = None) -> list[Measure]:
    detector = LevelDetector()
    return [measure for item in facts for measure in detector.push(item, line or LineState())]


def last(measures: list[Measure], metric: str, party: Party) -> Measure | None:
    return next((m for m in reversed(measures) if m.metric == metric and m.party is party), None)


def test_a_real_call_has_the_levels_measured_by_others(lca40: tuple[Int16Array, Int16Array]) -> None:
    agent, customer = whole_level(*lca40)
    assert agent == pytest.approx(-17.0, abs=0.3)
    assert customer == pytest.approx(-17.8, abs=0.3)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_4_ms_steps_are_within_a_tenth_of_a_db_of_every_sample(rate: int) -> None:
    samples = bursts(20, -26.0)
    assert whole_level(samples, samples, rate)[0] == pytest.approx(p56_by_sample(samples, rate), abs=0.15)


@pytest.mark.parametrize("dbov", [-45.0, -36.0, -20.0, -10.0])
def test_the_active_level_is_that_of_the_bursts_and_not_of_the_pauses(dbov: float) -> None:
    level, _ = whole_level(bursts(30, dbov, noise_dbov=-75.0), np.zeros(0, dtype=np.int16))
    assert level == pytest.approx(dbov - 0.6, abs=0.7)


def test_silence_has_no_level() -> None:
    assert active_level(0, np.zeros(15)) is None
    assert whole_level(np.zeros(80_000, dtype=np.int16), np.full(80_000, 8, dtype=np.int16))[0] == -100.0


def test_level_noise_and_snr_come_about_once_a_second() -> None:
    facts = facts_of(bursts(30, -20.0), bursts(30, -30.0, seed=2))
    measures = run(facts)
    level, noise, snr = (last(measures, name, A) for name in ("level_dbov", "noise_dbov", "snr_db"))
    assert level is not None
    assert noise is not None
    assert snr is not None
    assert level.value == pytest.approx(-20.7, abs=0.5)
    assert noise.value == pytest.approx(-60.0, abs=0.5)
    assert snr.value == pytest.approx(level.value - noise.value, abs=0.02)
    assert level.until_ms - level.since_ms <= 60_000
    times = [m.until_ms for m in measures if m.metric == "noise_dbov" and m.party is C]
    assert set(np.diff(times)) == {1_024}


def test_under_10_s_of_speech_there_is_no_level_yet() -> None:
    measures = run(facts_of(bursts(14, -20.0), bursts(60, -20.0)))
    assert last(measures, "level_dbov", A) is None
    assert last(measures, "level_dbov", C) is not None


@pytest.mark.parametrize("pause", [0, 8])
def test_digital_silence_and_a_law_silence_tell_nothing_of_the_noise(pause: int) -> None:
    leg = bursts(30, -20.0, noise_dbov=None)
    leg[leg == 0] = pause
    measures = run(facts_of(leg, leg))
    assert last(measures, "level_dbov", A) is not None
    assert last(measures, "noise_dbov", A) is None
    assert last(measures, "snr_db", A) is None


def test_the_gated_leg_of_a_real_call_has_nearly_no_noise_to_measure(lca40: tuple[Int16Array, Int16Array]) -> None:
    measures = run(facts_of(*(leg[: 8_000 * 90] for leg in lca40)))
    told = [m for m in measures if m.metric == "snr_db"]
    assert sum(m.party is C for m in told) > 2 * sum(m.party is A for m in told)
    assert all(m.value > 30 for m in told)


def test_the_level_follows_when_a_line_goes_quiet_late_in_the_call() -> None:
    leg = np.concatenate((bursts(90, -20.0), bursts(70, -40.0, seed=3)))
    measure = last(run(facts_of(leg, leg)), "level_dbov", A)
    assert measure is not None
    assert measure.value == pytest.approx(-40.5, abs=1.0)


def test_hold_music_is_no_level_and_no_noise() -> None:
    measures = run(facts_of(bursts(40, -20.0), bursts(40, -20.0)), LineState(on_hold=True))
    assert measures == []


def test_what_turns_out_to_be_music_is_taken_out_of_the_noise_again() -> None:
    whole = np.concatenate((bursts(8, -20.0, noise_dbov=-66.0), bursts(20, -20.0, seed=4, noise_dbov=-52.0)))
    facts = facts_of(whole, whole)
    kept, forgot = LevelDetector(), LevelDetector()
    for detector in (kept, forgot):
        for item in facts[:-4]:
            detector.push(item, LineState())
    forgot.forget_noise(0, 20_000)
    noise = [last([m for f in facts[-4:] for m in one.push(f, LineState())], "noise_dbov", A) for one in (kept, forgot)]
    assert noise[0] is not None
    assert noise[1] is not None
    assert noise[1].value < noise[0].value - 5


def test_a_snapshot_anywhere_changes_nothing() -> None:
    facts = facts_of(bursts(40, -20.0), bursts(40, -25.0, seed=4))
    whole = run(facts)
    detector, measures = LevelDetector(), []
    for index, item in enumerate(facts):
        if index % 17 == 3:
            other = LevelDetector()
            other.load_state(unpack(pack(detector.state())))
            detector = other
        measures += detector.push(item, LineState())
    assert measures == whole


def test_noise_and_floor_leave_out_the_same_frames() -> None:
    assert LevelDetector().settings.usable_dbov_min == FactsSettings().usable_dbov_min
