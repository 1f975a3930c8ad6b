"""What one careless call may not do: stay open for ever, or be saved as more than the broker takes."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from audio.chunk import AudioChunk, Encoding, Party
from audio.vad import SileroModel
from streams.alerts.rules import load_rules
from streams.events import CallEvent, CallInfo, EventKind, Record
from streams.kafka import serde, stages
from streams.kafka.limits import Limits
from streams.kafka.processors import Setup
from streams.kafka.records import AudioRecord, CallAudio, CallEnded, CallHappened, CallStarted
from streams.kafka.stages import Stage
from streams.kafka.steps import Input, Out, Row, Step
from streams.listen import EVENTS_HELD_MAX, ListenSettings

CALL, KEY = "c1", b"c1"
HOUR_S = 3_600.0


def stage_of(silero: SileroModel, limits: Limits | None = None) -> Stage:
    rules = load_rules(None)
    setup = Setup(lambda _: rules, rules.fingerprint, silero, listen=ListenSettings(words=False))
    return Stage("listen", 0, 1, setup, limits)


def chunks(seconds: int) -> list[AudioRecord]:
    legs = dict.fromkeys(Party, b"\xff" * 8_000)
    return [CallAudio(CALL, AudioChunk(s * 8_000, 8_000, Encoding.MULAW, legs)) for s in range(seconds)]


def push(stage: Stage, records: Iterable[AudioRecord | bytes], first: int = 0) -> list[Step]:
    values = (record if isinstance(record, bytes) else serde.encode_audio(record) for record in records)
    return [
        step
        for offset, value in enumerate(values, first)
        for step in stage.push(Input("calls.audio", 0, offset, KEY, value), 0.0)
    ]


def told(steps: Iterable[Step], topic: str) -> list[Record]:
    return [json.loads(step.value) for step in steps if isinstance(step, Out) and step.topic == topic]


@pytest.mark.parametrize("leg", [None, Party.AGENT])
def test_an_end_too_far_ahead_is_a_dead_letter_and_the_call_ends_all_the_same(
    silero: SileroModel, leg: Party | None
) -> None:
    stage = stage_of(silero)
    steps = push(stage, [CallStarted(CallInfo(CALL)), *chunks(2), CallEnded(CALL, 2**50, leg=leg)])
    assert [letter["reason"] for letter in told(steps, "calls.dead-letters")] == ["unusable"]
    proposed = [step.value for step in stage.proposals(100.0, 0.0) if isinstance(step, Out)]
    last = told(push(stage, proposed, 10), "calls.measurements")[-1]
    assert (last["last"], last["end"]["reason"]) == (True, "timed_out")
    assert not stage.calls


def test_a_silence_longer_than_an_end_may_reach_ends_the_call(silero: SileroModel) -> None:
    stage = stage_of(silero, Limits(silence_s_max=3 * HOUR_S))
    push(stage, [CallStarted(CallInfo(CALL)), *chunks(2)])
    assert not stage.proposals(2 * HOUR_S, 0.0)
    proposed = [step.value for step in stage.proposals(4 * HOUR_S, 0.0) if isinstance(step, Out)]
    steps = push(stage, proposed, 10)
    assert not told(steps, "calls.dead-letters")
    assert not stage.calls


def test_events_that_wait_are_bounded_in_number_and_their_reasons_are_not_kept(silero: SileroModel) -> None:
    stage = stage_of(silero)
    push(stage, [CallStarted(CallInfo(CALL)), *chunks(2)])
    hold = CallEvent(EventKind.HOLD.value, 2**50, reason="r" * 1_000)
    steps = push(stage, [CallHappened(CALL, hold)] * (EVENTS_HELD_MAX + 3), 10)
    letters = told(steps, "calls.dead-letters")
    assert len(letters) == 3
    assert all("events of this call wait" in letter["detail"] for letter in letters)
    row = next(step for step in stage.drain(0.0) if isinstance(step, Row))
    assert row.value is not None
    assert len(row.value) < 300_000
    assert told(push(stage, [CallEnded(CALL)], 10_000), "calls.measurements")[-1]["last"]


def test_events_of_an_unknown_kind_are_ignored(silero: SileroModel) -> None:
    stage = stage_of(silero)
    push(stage, [CallStarted(CallInfo(CALL)), *chunks(2)])
    steps = push(stage, [CallHappened(CALL, CallEvent("k" * 1_000, 2**50))] * (EVENTS_HELD_MAX + 3), 10)
    assert not told(steps, "calls.dead-letters")


def test_a_state_too_large_to_be_saved_fails_nobody_and_is_told(
    silero: SileroModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "ROW_BYTES_MAX", 2_000)
    stage = stage_of(silero)
    push(stage, [CallStarted(CallInfo(CALL)), *chunks(2)])
    rows = [step for step in stage.drain(0.0) if isinstance(step, Row)]
    assert [offset for row in rows for _, offset in row.absorbed] == [0, 1, 2]
    assert rows[0].value is not None
    assert len(rows[0].value) <= 2_000
    assert stage.counts["rows_too_large"] == 1
    monkeypatch.undo()

    again = stage_of(silero)
    again.load([(KEY, rows[0].value)], 0.0)
    steps = push(again, [*chunks(4)[2:], CallEnded(CALL)], 3)
    gaps = [gap["reason"] for measurement in told(steps, "calls.measurements") for gap in measurement["gaps"]]
    assert set(gaps) == {"restarted"}
