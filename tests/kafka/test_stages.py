"""The three stages over logs in memory: whatever arrives when, twice, or after a crash, the call is told the same."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from audio.vad import SileroModel
from audio.whisper.transcriber import load_transcriber
from streams.alerts.rules import load_rules
from streams.kafka import serde
from streams.kafka.limits import Limits
from streams.kafka.processors import Setup
from streams.kafka.records import CallAudio, CallEnded
from streams.listen import ListenSettings
from tests.kafka.calls import SOURCES, Gathered, Result, in_process, records_of, write_transcripts
from tests.kafka.simulated import Broker, run

NAMES = ["en-card", "fr-hold-transfers", "en-angry"]
SEEDS = range(1, 7)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"recorded:{write_transcripts(tmp_path_factory.mktemp('words') / 'said.ndjson', [SOURCES[name] for name in NAMES])}"


@pytest.fixture(scope="module")
def expected(model: str) -> Result:
    result = in_process([SOURCES[name] for name in NAMES], model)
    assert result.alerts
    assert any("[card]" in line or "[number]" in line for line in result.utterances.values())
    return result


@pytest.fixture(scope="module")
def produced() -> dict[str, list[bytes]]:
    return {name: [serde.encode_audio(record) for record in records_of(SOURCES[name])] for name in NAMES}


def setup_for(silero: SileroModel, model: str) -> Setup:
    rules = load_rules(None)
    return Setup(
        rules=lambda _: rules,
        rules_now=rules.fingerprint,
        silero=silero,
        transcriber=load_transcriber(model),
        listen=ListenSettings(),
        models={"transcriber": Path(model).name},
    )


def interleaved(produced: dict[str, list[bytes]], rng: random.Random, doubled: float = 0.0) -> Broker:
    """The calls' records in one log, each call in its order, with some chunks sent twice by their producer."""
    broker, left = Broker(), {name: list(values) for name, values in produced.items()}
    log = broker.log("calls.audio")
    while left:
        name = rng.choice(sorted(left))
        for _ in range(rng.randint(1, 30)):
            value = left[name].pop(0)
            log.append((name.encode(), value, None))
            if rng.random() < doubled:
                log.append((name.encode(), value, None))
            if not left[name]:
                del left[name]
                break
    return broker


def gathered(broker: Broker) -> Gathered:
    out = Gathered()
    for _, value, _ in broker.log("calls.alerts"):
        out.alert(json.loads(value or b""))
    for _, value, _ in broker.log("calls.utterances"):
        out.utterance(json.loads(value or b""))
    for _, value, _ in broker.log("calls.summaries"):
        out.summary(json.loads(value or b""))
    return out


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_duplicates_and_crashes_tell_the_same(
    produced: dict[str, list[bytes]], expected: Result, silero: SileroModel, model: str, seed: int
) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    broker = interleaved(produced, rng, doubled=0.05)
    history = run(broker, setup_for(silero, model), rng, crashes=0 if seed == 1 else 12)
    found = gathered(broker)
    assert found.result == expected, f"seed {seed}, {history}"
    assert not broker.log("calls.dead-letters")
    if seed == 1:
        assert not found.doubled, "without a crash nothing is said twice"
    for role, topics in (("listen", ["calls.audio"]), ("supervise", ["calls.measurements", "calls.utterances"])):
        for topic in topics:
            assert broker.committed[role, topic] == len(broker.log(topic)), "in the end everything is done with"


def test_what_is_left_of_a_call_that_is_over_is_dropped(
    produced: dict[str, list[bytes]], expected: Result, silero: SileroModel, model: str
) -> None:
    broker = interleaved({"en-card": produced["en-card"]}, random.Random(1))
    run(broker, setup_for(silero, model), random.Random(1), crashes=0)
    before = {topic: len(log) for topic, log in broker.logs.items() if topic != "calls.audio"}
    again = [value for value in produced["en-card"] if isinstance(serde.decode_audio(value), CallAudio)][:50]
    broker.log("calls.audio").extend((b"en-card", value, None) for value in again)
    run(broker, setup_for(silero, model), random.Random(2), crashes=2)
    assert {topic: len(log) for topic, log in broker.logs.items() if topic != "calls.audio"} == before
    assert gathered(broker).result.summaries["en-card"] == expected.summaries["en-card"]


def test_a_call_for_which_there_is_no_room_ends_unmonitored_and_the_others_go_on(
    silero: SileroModel, model: str, produced: dict[str, list[bytes]]
) -> None:
    broker, setup = (
        interleaved({name: produced[name][:40] for name in NAMES}, random.Random(1)),
        setup_for(silero, model),
    )
    log = broker.log("calls.audio")
    log += [(name.encode(), serde.encode_audio(CallEnded(name)), None) for name in NAMES]
    first = list(dict.fromkeys(key.decode() for key, _, _ in log))
    run(broker, setup, random.Random(1), crashes=0, limits=Limits(calls_max=2))
    summaries = {
        key.decode(): serde.decode_json("summary", value or b"") for key, value, _ in broker.log("calls.summaries")
    }
    assert {name: summaries[name]["coverage"]["state"] for name in NAMES} == {
        first[0]: "monitored",
        first[1]: "monitored",
        first[2]: "unmonitored",
    }
    assert summaries[first[2]]["end_reason"] == "overloaded"
    assert not broker.log("calls.dead-letters")
