"""One-way audio and missing legs: when they fire, at, below and above each limit, and when they must not."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from audio.chunk import FrameFacts, Int16Array, LineState, Measure, Party
from audio.liveness import LivenessDetector
from audio.state import pack, unpack
from tests.test_faults import call_facts, lca40_leg, needs_lca40, noise, values

RATE_HZ = 8000


def silence(seconds: float, value: int = 0) -> Int16Array:
    return np.full(int(seconds * RATE_HZ), value, np.int16)


def texture(seconds: float, amplitude: int = 2) -> Int16Array:
    rng = np.random.default_rng(3)
    return rng.integers(-amplitude, amplitude + 1, int(seconds * RATE_HZ)).astype(np.int16)


def talk(turns: int, talk_s: float = 4.096, pause_s: float = 2.56) -> Int16Array:
    """Someone who talks and waits, in whole blocks, over the noise of their room."""
    return np.concatenate([part for _ in range(turns) for part in (steady_talk(talk_s), texture(pause_s))])


def steady_talk(seconds: float) -> Int16Array:
    audio = noise(seconds)
    audio[np.abs(audio) < 500] = 500  # No frame of it falls under the level of speech.
    return audio


def run(facts: list[FrameFacts], line: LineState | None = None) -> list[Measure]:
    detector = LivenessDetector()
    return [measure for one in facts for measure in detector.push(one, line or LineState())]


def one_way(agent: Int16Array, customer: Int16Array, line: LineState | None = None) -> list[float]:
    return values(run(call_facts(agent, customer), line), "one_way_ms")


def test_a_leg_of_zeros_since_answer_is_one_way_after_8_s_and_two_unanswered_pauses() -> None:
    agent = talk(4)
    measures = [m for m in run(call_facts(agent, silence(40)[: len(agent)])) if m.metric == "one_way_ms"]
    assert {m.party for m in measures} == {Party.CUSTOMER}
    assert measures[0].since_ms == 0
    assert 2 * 4096 + 2560 + 2000 <= measures[0].until_ms <= 2 * (4096 + 2560)
    assert measures[-1].value == pytest.approx(measures[-1].until_ms)


@pytest.mark.parametrize("value", [8, -8, 0])
def test_the_silence_of_alaw_is_as_dead_as_zero(value: int) -> None:
    agent = talk(4)
    assert one_way(agent, silence(40, value)[: len(agent)])


@pytest.mark.parametrize(("talk_s", "fires"), [(3.84, False), (4.096, True)])
def test_the_other_has_spoken_for_8_s(talk_s: float, fires: bool) -> None:
    agent = talk(2, talk_s)
    assert bool(one_way(agent, silence(40)[: len(agent)])) is fires


@pytest.mark.parametrize(("pause_s", "fires"), [(1.792, False), (2.048, True)])
def test_an_unanswered_pause_lasts_2_s(pause_s: float, fires: bool) -> None:
    agent = talk(6, 4.096, pause_s)
    assert bool(one_way(agent, silence(60)[: len(agent)])) is fires


@pytest.mark.parametrize(("live_share", "fires"), [(0.01, True), (0.04, False)])
def test_98_percent_of_the_samples_are_constant(live_share: float, fires: bool) -> None:
    agent = talk(4)
    customer = silence(40)[: len(agent)]
    customer[:: round(2 / live_share)] = 3  # One odd sample makes two changes.
    assert bool(one_way(agent, customer)) is fires


def test_a_listener_with_the_noise_of_a_room_is_never_one_way() -> None:
    agent = talk(10)
    assert not one_way(agent, texture(80, 1)[: len(agent)])


def test_one_word_since_answer_is_life() -> None:
    agent = talk(4)
    customer = silence(40)[: len(agent)]
    customer[6 * RATE_HZ : 6 * RATE_HZ + 4096] = noise(1)[:4096]
    assert not one_way(agent, customer)


@pytest.mark.parametrize(
    "line", [LineState(on_hold=True), LineState(ivr=True), LineState(muted=(False, True)), LineState(since_ms=60_000)]
)
def test_hold_a_menu_mute_and_time_before_answer_are_no_one_way_audio(line: LineState) -> None:
    agent = talk(6)
    assert not one_way(agent, silence(60)[: len(agent)], line)


def turned(pauses: int, dead: Int16Array, before: Int16Array | None = None) -> list[Measure]:
    """A customer who spoke and was heard to breathe, and whose leg then turns into `dead`."""
    first = before if before is not None else np.concatenate((noise(3.072), texture(3.072)))
    later = talk(pauses)
    agent = np.concatenate((texture(len(first) / RATE_HZ), later, texture(1.024)))
    customer = np.concatenate((first, np.resize(dead, len(agent) - len(first))))
    return [m for m in run(call_facts(agent, customer)) if m.metric == "one_way_ms"]


def test_a_live_leg_that_turns_constant_is_one_way_after_three_unanswered_pauses() -> None:
    assert not turned(2, silence(1))
    measures = turned(3, silence(1))
    assert {m.party for m in measures} == {Party.CUSTOMER}
    assert measures[0].since_ms == pytest.approx(6144, abs=32)
    assert measures[0].value >= 10_000
    assert measures[0].value == measures[0].until_ms - measures[0].since_ms


def test_a_leg_turned_packetless_is_one_way() -> None:
    customer = np.concatenate((noise(3.072), texture(3.072), texture(30)))
    agent = np.concatenate((texture(6.144), talk(4), texture(4)))
    facts = call_facts(agent, customer, gaps=([], [(6 * RATE_HZ, len(customer))]))
    assert values(run(facts), "one_way_ms")


def test_comfort_noise_is_alive() -> None:
    assert not turned(6, texture(40, 1))


def test_a_leg_that_gates_whenever_it_listens_has_not_turned_constant() -> None:
    gated = np.concatenate([part for _ in range(3) for part in (noise(1.024), silence(1.024))])
    assert not turned(6, silence(1), gated)


def test_life_ends_a_one_way_stretch_with_one_zero() -> None:
    dead_then_live = np.concatenate((silence(4 * 6.656), texture(20)))
    measures = turned(6, dead_then_live)
    assert [m.value for m in measures].count(0) == 1
    assert measures[-1].value == 0


def test_answered_pauses_do_not_count() -> None:
    agent = talk(5)
    customer = silence(60)[: len(agent)]
    for turn in range(5):
        at = int((turn * 6.656 + 5.12) * RATE_HZ)
        customer[at : at + 4096] = noise(1)[:4096]
    assert not one_way(agent, customer)


def test_a_leg_that_never_came_is_missing_from_the_moment_the_other_is_there() -> None:
    facts = call_facts(noise(6), silence(6), attached_from_ms=(1024, 1e9))
    measures = [m for m in run(facts) if m.metric == "missing_leg_ms"]
    assert {m.party for m in measures} == {Party.CUSTOMER}
    assert {m.since_ms for m in measures} == {1024}
    assert measures[-1].value == measures[-1].until_ms - 1024


def test_a_late_leg_is_missing_until_it_comes() -> None:
    facts = call_facts(noise(6), noise(6), attached_from_ms=(0, 3000))
    got = values(run(facts), "missing_leg_ms")
    assert max(got) == 2816
    assert got[-1] == 0
    assert got.count(0) == 1


def test_no_leg_is_missing_before_either_came_or_in_a_menu() -> None:
    neither = call_facts(silence(6), silence(6), attached_from_ms=(1e9, 1e9))
    assert not run(neither)
    one = call_facts(noise(6), silence(6), attached_from_ms=(0, 1e9))
    assert not run(one, LineState(ivr=True))


def test_a_restart_between_any_two_blocks_changes_nothing() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    agent = np.concatenate((texture(6.144), talk(5)))
    customer = np.concatenate((noise(3.072), texture(3.072), silence(26), texture(20)))[: len(agent)]
    facts = call_facts(agent, customer)
    whole, detector, pieces = run(facts), LivenessDetector(), list[Measure]()
    for one in facts:
        if rng.random() < 0.3:
            saved = pack(detector.state())
            detector = LivenessDetector()
            detector.load_state(unpack(saved))
            assert pack(detector.state()) == saved
        pieces += detector.push(one, LineState())
    assert whole
    assert pieces == whole


@needs_lca40
def test_an_agent_who_listens_for_36_s_on_a_real_call_is_not_one_way() -> None:
    assert not run(call_facts(lca40_leg("agent"), lca40_leg("caller")))


def test_a_leg_that_comes_late_is_not_one_way_for_the_time_before_it_came() -> None:
    agent = talk(4)
    customer = texture(len(agent) / RATE_HZ)
    came = 3 * (4096 + 2560) * 8
    customer[:came] = 0
    facts = call_facts(agent, customer)
    late = [replace(f, block=replace(f.block, attached=(True, f.block.start_ms >= came // 8))) for f in facts]
    measures = run(late)
    assert values(measures, "missing_leg_ms")
    # Before it came it is missing, which the listener tells by `attached`; what counts is what is said of it after that.
    assert not [m for m in measures if m.metric == "one_way_ms" and m.value and m.until_ms > came // 8 + 256]
