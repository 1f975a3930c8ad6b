"""TRANSCRIBE with an engine: answers in any order, refusals, crashes; what leaves is what one by one would have left."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audio.chunk import Party
from audio.whisper.batcher import BatchSettings
from audio.whisper.engine import Engine, GivenUpError
from audio.whisper.ladder import LadderSettings, Rung
from audio.whisper.request import Request, TranscriberSettings, Transcript
from streams.alerts.rules import load_rules
from streams.events import CallInfo
from streams.hints import HintBook
from streams.kafka import serde
from streams.kafka.hearing import Heard, Hearing
from streams.kafka.processors import Setup
from streams.kafka.records import INTERIM_SEQ, SpeechEnded, SpeechPart, SpeechStarted
from streams.kafka.stages import Limits, Stage
from streams.kafka.steps import Input, Out, Row, Step


class Model:
    """A transcriber whose words are those of the utterance's id; with no language given it detects French."""

    name = "told"

    def __init__(self, settings: TranscriberSettings | None = None) -> None:
        self.settings = settings or TranscriberSettings(batch=BatchSettings(window_ms=0, size_max=4))
        self.dropped: Any = {}
        self.asked: list[Request] = []

    @property
    def decoder(self) -> Any:
        return self

    def key(self, request: Request) -> Any:
        from audio.whisper.decoder import BatchKey

        return BatchKey(1000, 1 if request.greedy else 5, True, request.prompt, request.hotwords)

    def unheard(self, request: Request) -> Transcript | None:
        return None if request.samples.any() else Transcript("", request.language, 0.0, dropped="too_quiet")

    def run(self, requests: Sequence[Request]) -> list[Transcript]:
        self.asked += requests
        return [self._said(request) for request in requests]

    def transcribe(self, samples: np.ndarray, language: str | None, *, utterance_id: str = "") -> Transcript:
        request = Request(samples, language, utterance_id=utterance_id)
        return self.unheard(request) or self._said(request)

    @staticmethod
    def _said(request: Request) -> Transcript:
        number = request.utterance_id.rpartition(":")[2]
        words = "four five three two" if number.endswith("3") else f"this is {number}"
        shares = {} if request.language else {"fr": 0.7, "en": 0.3}
        return Transcript(words, request.language or "fr", 0.9, shares=shares)


def stage_of(model: Model) -> Stage:
    rules = load_rules(None)
    setup = Setup(rules=lambda _: rules, rules_now=rules.fingerprint, transcriber=model, hints=HintBook())
    return Stage("transcribe", 0, 1, setup, Limits(row_s=1.0))


def speech_of(call_id: str, rng: random.Random, *, pinned: bool, pace: str = "live", pieces: int = 9) -> list[bytes]:
    """A call's records of calls.speech: pieces of one or two parts, of either party, some of them silent."""
    language = "en" if pinned else None
    records: list[Any] = [SpeechStarted(CallInfo(call_id, language=language, pace=pace))]
    counts = {Party.AGENT: 0, Party.CUSTOMER: 0}
    for seq in range(pieces):
        party = rng.choice(list(Party))
        counts[party] += 1
        start_ms, parts = 1_000 + seq * 4_000, rng.randint(1, 2)
        name = f"{call_id}:{party.value[0]}{counts[party]}"
        level = 0 if rng.random() < 0.1 else 1_000
        samples = np.full(8_000, level, np.int16)
        for part in range(parts):
            records.append(
                SpeechPart(
                    call_id, name, party, start_ms, start_ms + 900, start_ms, language, part, parts, samples, seq
                )
            )
    records.append(SpeechEnded(call_id, 60_000, pieces))
    return [serde.encode_speech(record) for record in records]


class Log:
    """calls.speech of several calls, interleaved."""

    def __init__(self, rng: random.Random, calls: int, **options: Any) -> None:
        left = {
            f"call{number}": speech_of(f"call{number}", rng, pinned=number % 2 == 0, **options)
            for number in range(calls)
        }
        self.items: list[Input] = []
        while left:
            name = rng.choice(sorted(left))
            value = left[name].pop(0)
            self.items.append(Input("calls.speech", 0, len(self.items), name.encode(), value, 1_000_000))
            if not left[name]:
                del left[name]


def utterances(steps: list[Step], into: dict[str, list[dict[str, Any]]]) -> None:
    for step in steps:
        if isinstance(step, Out) and step.topic == "calls.utterances":
            record = serde.decode_json("utterance", step.value)
            into.setdefault(record["call_id"], []).append(record)


def one_by_one(log: Log) -> dict[str, list[dict[str, Any]]]:
    stage, out = stage_of(Model()), dict[str, list[dict[str, Any]]]()
    for item in log.items:
        utterances(stage.push(item, 0.0), out)
        while ready := [call_id for call_id, _, _ in stage.waiting()]:
            utterances(stage.work(ready[0], 0.0), out)
    return out


@pytest.mark.parametrize("seed", range(12))
def test_answers_in_any_order_leave_what_one_by_one_would_have_left(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    log = Log(rng, 5)
    expected = one_by_one(log)
    model = Model()
    stage, found = stage_of(model), dict[str, list[dict[str, Any]]]()
    rows: list[Row] = []
    under_way: list[tuple[str, int, Request]] = []
    at = 0
    while at < len(log.items) or under_way or list(stage.startable()):
        match rng.choice(("push", "start", "answer", "crash")):
            case "push" if at < len(log.items):
                steps = stage.push(log.items[at], float(at))
                at += 1
            case "start":
                for call_id, call, seq, _ in list(stage.startable()):
                    if rng.random() < 0.7:
                        under_way.append((call_id, seq, call.start(seq, Rung.FULL)))
                steps = []
            case "answer" if under_way:
                call_id, seq, request = under_way.pop(rng.randrange(len(under_way)))
                answer = model.unheard(request) or model.run([request])[0]
                steps = stage.answered(call_id, seq, answer, float(at))
            case "crash" if rng.random() < 0.15:
                # What was saved, and from the oldest offset on that no row holds.
                rows += [row for row in stage.drain(float(at)) if isinstance(row, Row)]
                held = [c.processor.oldest_unabsorbed() for c in stage.calls.values()]
                oldest = min((offset for offset in held if offset is not None), default=at)
                stage, under_way = stage_of(model), []
                stage.load([(row.key, row.value) for row in rows], float(at))
                at = min(at, oldest)
                steps = []
            case _:
                steps = []
        rows += [step for step in steps if isinstance(step, Row)]
        utterances(steps, found)
    first = {call_id: _firsts(records) for call_id, records in found.items()}
    assert first == expected


def _firsts(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first record of each utterance: what comes again after a crash is the same."""
    kept: dict[str, dict[str, Any]] = {}
    for record in records:
        assert kept.setdefault(record["utterance_id"], record) == record
    return list(kept.values())


def fed(hearing: Hearing, stage: Stage, now_ms: float = 1_000_000) -> list[Heard]:
    return list(hearing.feed({0: (1, stage)}, now_ms))


@pytest.mark.parametrize("seed", range(3))
def test_the_engine_hears_all_calls_and_what_leaves_is_what_one_by_one_leaves(seed: int) -> None:
    import queue

    log, model = Log(random.Random(seed), 8), Model()
    expected = one_by_one(log)
    stage, found = stage_of(model), dict[str, list[dict[str, Any]]]()
    line: queue.Queue[Heard] = queue.Queue()
    ticks = iter(range(10**9))
    engine = Engine(model, lambda: next(ticks) * 1e-6, workers=2)
    hearing = Hearing(engine, line.put, clock=lambda: 0.0)
    for item in log.items:
        utterances(stage.push(item, 0.0), found)
    while stage.calls:
        assert fed(hearing, stage) == []
        heard = line.get(timeout=10)
        hearing.took(heard)
        utterances(stage.answered(heard.place.call_id, heard.place.seq, heard.answer, 0.0), found)
    engine.close()
    assert found == expected
    assert hearing.waiting == 0


def test_a_full_queue_leaves_pieces_where_they_are_and_they_are_heard_later() -> None:
    settings = TranscriberSettings(batch=BatchSettings(window_ms=0, queue_s_max=2.0))
    log, model = Log(random.Random(5), 4), Model(settings)
    stage = stage_of(model)
    for item in log.items:
        stage.push(item, 0.0)
    before = len(list(stage.startable()))
    engine = Engine(model, lambda: 0.0, workers=0)
    hearing = Hearing(engine, lambda _: None, clock=lambda: 0.0)
    fed(hearing, stage)
    assert 0 < engine.waiting < before
    assert hearing.held_back > 0
    assert engine.batcher.held_s <= 2.0 or engine.waiting == 1
    waiting = engine.waiting
    hearing.forget()
    assert engine.waiting == 0
    assert len(list(stage.startable())) >= before - waiting
    engine.close()


def test_under_overload_live_calls_are_heard_with_less_care_then_given_up_and_batch_calls_never() -> None:
    rules = LadderSettings(wait_s=(1.0, 2.0, 3.0, 4.0), climb_s=0.0)
    for pace in ("live", "batch"):
        log, model, now = Log(random.Random(7), 2, pace=pace), Model(), [0.0]
        stage = stage_of(model)
        engine = Engine(model, lambda now=now: now[0], workers=0, ladder=rules)
        hearing = Hearing(engine, lambda _: None, clock=lambda now=now: now[0])
        engine.submit(Request(np.ones(16_000, np.float32)), 1e9, lambda _: None)
        for tick in range(6):
            now[0] = float(tick)
            engine.look()
        assert engine.rung == Rung.GIVING_UP
        for item in log.items:
            stage.push(item, 0.0)
        late = fed(hearing, stage, now_ms=1_000_000 + 29_000)
        assert late == [], "not past its deadline yet"
        asked = [item.payload.request for item in engine.batcher][1:]
        voiced = [request for request in asked if request.samples.any()]
        assert voiced
        assert all(request.greedy == request.loaded == (pace == "live") for request in voiced)
        hearing.forget()
        fresh = stage_of(model)
        for item in log.items:
            fresh.push(item, 0.0)
        late = fed(hearing, fresh, now_ms=1_000_000 + 31_000)
        assert bool(late) == (pace == "live")
        assert all(isinstance(heard.answer, GivenUpError) for heard in late)
        for heard in late:
            found = dict[str, list[dict[str, Any]]]()
            utterances(fresh.answered(heard.place.call_id, heard.place.seq, heard.answer, 0.0), found)
            for records in found.values():
                assert {(record["state"], record["reason"]) for record in records} == {("given_up", "deadline")}
        engine.batcher.remove_all(lambda _: True)
        engine.close()


def test_a_model_that_answers_nothing_is_told_from_one_that_has_nothing_to_do() -> None:
    now = [0.0]
    model = Model()
    hearing = Hearing(Engine(model, lambda: now[0], workers=0), lambda _: None, clock=lambda: now[0])
    now[0] = 1e4
    assert not hearing.stuck
    stage = stage_of(model)
    for item in Log(random.Random(1), 1).items:
        stage.push(item, 0.0)
    fed(hearing, stage)
    now[0] += 119
    assert not hearing.stuck
    now[0] += 2
    assert hearing.stuck


def interim_log(calls: int = 2) -> Log:
    """Calls with pieces of open utterances before each piece of speech."""
    log = Log(random.Random(3), calls)
    items: list[Input] = []
    for item in log.items:
        record = serde.decode_speech(item.value or b"")
        if isinstance(record, SpeechPart) and record.part == 0:
            for part in range(3):
                glance = replace(record, seq=INTERIM_SEQ, part=part, parts=part + 1, end_ms=record.start_ms + part + 1)
                items.append(replace(item, value=serde.encode_speech(glance)))
        items.append(item)
    log.items = [replace(item, offset=offset) for offset, item in enumerate(items)]
    return log


def test_interims_are_shown_of_open_utterances_and_change_no_final() -> None:
    import queue

    log, model = interim_log(), Model()
    expected = one_by_one(log)
    stage, found = stage_of(model), dict[str, list[dict[str, Any]]]()
    line: queue.Queue[Heard] = queue.Queue()
    ticks = iter(range(10**9))
    engine = Engine(model, lambda: next(ticks) * 1e-6, workers=1)
    hearing = Hearing(engine, line.put, clock=lambda: 0.0)
    for item in log.items:
        utterances(stage.push(item, 0.0), found)
        fed(hearing, stage)
        while hearing._asked:
            heard = line.get(timeout=10)
            hearing.took(heard)
            place = heard.place
            if place.glance:
                utterances(stage.glanced(place.call_id, place.glance, heard.answer), found)
            else:
                utterances(stage.answered(place.call_id, place.seq, heard.answer, 0.0), found)
            fed(hearing, stage)
    engine.close()
    interims = [record for records in found.values() for record in records if record["state"] == "interim"]
    finals = {call: [record for record in records if record["final"]] for call, records in found.items()}
    assert finals == expected
    assert len(interims) > 10
    assert any(record["stable_words"] for record in interims)
    assert not any("four five" in record["text"] for record in interims)


def test_under_load_there_are_no_interims() -> None:
    log, model = interim_log(1), Model()
    stage = stage_of(model)
    engine = Engine(model, lambda: 0.0, workers=0)
    hearing = Hearing(engine, lambda _: None, clock=lambda: 0.0)
    for item in log.items[:4]:
        stage.push(item, 0.0)
    engine.ladder.rung = Rung.NO_INTERIM
    fed(hearing, stage)
    assert engine.waiting == 0
    engine.ladder.rung = Rung.FULL
    fed(hearing, stage)
    assert engine.waiting == 1
    engine.close()
