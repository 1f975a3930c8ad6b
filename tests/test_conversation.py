"""Conversation dynamics on hand-made speech frames: definitions at, below and above their limits."""

from __future__ import annotations

import random

import numpy as np
import pytest

from audio.chunk import FRAME_MS, FRAMES_PER_BLOCK, BoolArray, LineState, Measure, Party
from audio.state import pack, unpack
from streams.conversation import Conversation

Span = tuple[int, int]


def speech(agent: list[Span], customer: list[Span], ms: int) -> BoolArray:
    frames = np.zeros((2, ms // FRAME_MS), dtype=np.bool_)
    for row, spans in zip(frames, (agent, customer), strict=True):
        for start_ms, end_ms in spans:
            row[start_ms // FRAME_MS : end_ms // FRAME_MS] = True
    return frames


def run(frames: BoolArray, line: LineState | None = None) -> tuple[Conversation, list[Measure]]:
    conversation, measures = Conversation(), list[Measure]()
    for at in range(0, frames.shape[1], FRAMES_PER_BLOCK):
        measures += conversation.push(frames[:, at : at + FRAMES_PER_BLOCK], line or LineState())
    return conversation, measures + conversation.end()


def values(measures: list[Measure], metric: str, party: Party | None = None) -> list[float]:
    return [m.value for m in measures if m.metric == metric and m.party == party]


def test_pauses_up_to_96_ms_are_bridged_and_longer_ones_are_not() -> None:
    bridged, _ = run(speech([(320, 640), (736, 1056)], [], 2048))
    apart, _ = run(speech([(320, 640), (768, 1088)], [], 2048))
    assert bridged[Party.AGENT].talk_ms == 736
    assert apart[Party.AGENT].talk_ms == 640


def test_mutual_silence_grows_from_the_end_of_the_last_speech() -> None:
    _, measures = run(speech([(0, 1024)], [], 14336))
    assert max(values(measures, "mutual_silence_ms")) == pytest.approx(14336 - 1024)
    assert next(m for m in measures if m.metric == "mutual_silence_ms").since_ms == 1024


def test_a_click_does_not_end_a_silence_but_a_word_does() -> None:
    _, clicked = run(speech([(0, 1024), (6016, 6080)], [], 12288))
    _, spoken = run(speech([(0, 1024), (6016, 6400)], [], 12288))
    assert max(values(clicked, "mutual_silence_ms")) > 11_000
    assert max(values(spoken, "mutual_silence_ms")) < 6_000


def test_hold_is_no_silence() -> None:
    conversation, measures = run(speech([(0, 1024)], [], 14336), LineState(on_hold=True))
    assert not values(measures, "mutual_silence_ms")
    assert conversation.hold_ms == 14336
    assert max(values(measures, "hold_ms")) == 14336


def test_an_interruption_takes_the_floor() -> None:
    conversation, _ = run(speech([(0, 4000)], [(3200, 6400)], 8192))
    assert conversation[Party.CUSTOMER].interruptions == 1
    assert conversation[Party.AGENT].interruptions == 0


@pytest.mark.parametrize(
    ("agent", "customer", "why"),
    [
        ([(0, 8000)], [(3200, 3840)], "a backchannel: the agent goes on"),
        ([(0, 3328)], [(3200, 6400)], "an overlap of under 300 ms at a change of turns"),
        ([(0, 4000)], [(3200, 4480)], "held for under 1.5 s"),
        ([(0, 8000)], [(3200, 6400)], "the agent does not stop within 2 s: talk-over, no interruption"),
        ([(3104, 4000)], [(3200, 6400)], "both start at once: not 300 ms into a turn"),
    ],
)
def test_what_is_no_interruption(agent: list[Span], customer: list[Span], why: str) -> None:
    conversation, _ = run(speech(agent, customer, 10240))
    assert conversation[Party.CUSTOMER].interruptions == 0, why


def test_talk_over_is_the_longest_run_of_both_speaking() -> None:
    _, measures = run(speech([(0, 8000)], [(3200, 6880)], 10240))
    assert 3600 <= max(values(measures, "overlap_run_ms")) <= 3700


def test_a_backchannel_does_not_end_a_monologue_and_a_turn_does() -> None:
    chatter = [(i * 2000, i * 2000 + 1800) for i in range(16)]
    alone, _ = run(speech(chatter, [(15_840, 16_320)], 34_816))
    taken, _ = run(speech([s for s in chatter if s[0] != 16_000], [(15_840, 17_920)], 34_816))
    assert alone[Party.AGENT].monologue_ms_longest > 30_000
    assert taken[Party.AGENT].monologue_ms_longest < 20_000


def test_response_time_runs_from_the_end_of_one_turn_to_the_start_of_the_other() -> None:
    _, measures = run(speech([(0, 2048)], [(6144, 8192)], 10240))
    assert values(measures, "response_ms", Party.CUSTOMER)[0] == pytest.approx(4096)


@pytest.mark.parametrize("seed", range(5))
def test_a_snapshot_anywhere_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    frames = np.random.default_rng(seed).random((2, 400)) < 0.6
    whole, expected = run(frames)
    conversation, measures = Conversation(), list[Measure]()
    for at in range(0, 400, FRAMES_PER_BLOCK):
        if rng.random() < 0.3:
            state = unpack(pack(conversation.state()))
            conversation = Conversation()
            conversation.load_state(state)
        measures += conversation.push(frames[:, at : at + FRAMES_PER_BLOCK], LineState())
    measures += conversation.end()
    assert measures == expected, f"seed {seed}"
    assert conversation.state() == whole.state(), f"seed {seed}"


def test_a_talk_over_goes_on_after_both_paused_for_less_than_a_second() -> None:
    _, paused = run(speech([(0, 8000)], [(1600, 3520), (4160, 6080)], 9984))
    assert max(values(paused, "overlap_run_ms")) == 2 * 1920  # the pause of 640 ms is not counted in
    _, small = run(speech([(0, 8000)], [(1600, 3520), (3840, 5760)], 9984))
    assert max(values(small, "overlap_run_ms")) == 5760 - 1600
    _, apart = run(speech([(0, 8000)], [(1600, 3520), (4640, 6560)], 9984))
    assert max(values(apart, "overlap_run_ms")) == 1920


def test_a_loud_line_is_no_dead_air_but_a_knock_is() -> None:
    nobody = np.zeros((2, FRAMES_PER_BLOCK), dtype=np.bool_)

    def longest(loud: list[int]) -> float:
        conversation, measures = Conversation(), list[Measure]()
        for frames in loud:
            measures += conversation.push(nobody, LineState(), loud_frames=frames)
        return max(values(measures, "mutual_silence_ms"), default=0.0)

    assert longest([0] * 48) > 11_000
    assert longest([0, 0, 0, 1, 0, 0] * 8) > 11_000
    assert longest([5] * 48) < 4_000
    assert longest([0] * 24 + [8] * 4 + [0] * 20) < 8_000
