"""`vigie worker` on a real broker: what leaves it equals the in-process run, through kills, poison and silence."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from audio.chunk import FRAME_MS, AudioChunk, Encoding, Party
from streams.events import CallInfo, Pace
from streams.kafka import serde
from streams.kafka.connection import Connection
from streams.kafka.records import AudioRecord, CallAudio, CallEnded, CallStarted
from streams.kafka.topics import Topics, create_topics, partition_of
from streams.replay.sources import CallSource
from tests.kafka.brokers import Broker
from tests.kafka.calls import SOURCES, Gathered, Result, copies, in_process, records_of, write_transcripts
from tests.kafka.chaos import Chaos, Plan, difference
from tests.kafka.live import Listening, Worker, send

pytestmark = pytest.mark.slow
PARTITIONS = 4
PATIENCE_S = 300
"""On a busy machine a worker's start alone takes a minute."""
ALL = [SOURCES[name] for name in sorted(SOURCES)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"recorded:{write_transcripts(tmp_path_factory.mktemp('words') / 'said.ndjson', ALL)}"


@pytest.fixture(scope="module")
def expected(model: str) -> Result:
    return in_process(ALL, model)


@pytest.fixture(scope="module")
def records() -> dict[str, list[AudioRecord]]:
    return {name: list(records_of(SOURCES[name])) for name in SOURCES}


def only(result: Result, names: list[str]) -> Result:
    """The part of a result that is of these calls."""

    def mine(kept: dict[str, str]) -> dict[str, str]:
        return {key: line for key, line in kept.items() if any(f'"call_id": "{name}"' in line for name in names)}

    return Result(mine(result.alerts), mine(result.utterances), mine(result.summaries))


def committed(broker: Broker, prefix: str, role: str, topics: list[str]) -> dict[str, tuple[int, int]]:
    """For each topic, how far the group has committed, and how much there is."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker.address, group_id=f"{prefix}vigie.{role}", enable_auto_commit=False
    )
    try:
        out = {}
        for name in topics:
            places = [TopicPartition(prefix + name, p) for p in range(PARTITIONS)]
            ends = consumer.end_offsets(places)
            out[name] = sum(consumer.committed(place) or 0 for place in places), sum(ends.values())
        return out
    finally:
        consumer.close()


def group_members(broker: Broker, group: str) -> int:
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    try:
        described: Any = admin.describe_groups([group])
        found = described[group] if isinstance(described, dict) else described[0]
        return len(found["members"])
    finally:
        admin.close()


@pytest.mark.parametrize(("speed", "workers"), [(8.0, 1), (None, 2), (None, 3)])
def test_every_bundled_call_is_told_as_in_process(
    broker: Broker,
    topic_prefix: str,
    tmp_path: Path,
    model: str,
    expected: Result,
    records: dict[str, list[AudioRecord]],
    speed: float | None,
    workers: int,
) -> None:
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=PARTITIONS)
    running = [Worker(broker.address, topic_prefix, model, tmp_path / f"{i}.log") for i in range(workers)]
    try:
        send(broker.address, topic_prefix, records, speed=speed)
        listening = Listening(broker.address, topic_prefix)
        found = listening.until(len(records), PATIENCE_S)
        assert not difference(expected, found.result)
        assert not listening.letters
        if workers == 1:
            assert not found.doubled
            began_s = time.monotonic()
            assert running[0].stop() == 0
            assert time.monotonic() - began_s < 20
            for role, topics in (
                ("listen", ["calls.audio"]),
                ("supervise", ["calls.measurements", "calls.utterances"]),
            ):
                assert group_members(broker, f"{topic_prefix}vigie.{role}") == 0, "it has left its group"
                for name, (at, end) in committed(broker, topic_prefix, role, topics).items():
                    assert at == end, f"{name}: everything is done with"
            assert not any(word in (tmp_path / "0.log").read_text() for word in ("bonjour", "account", "card number"))
    finally:
        for worker in running:
            worker.kill()


def told(result: Result) -> dict[str, tuple[str, str, str | None]]:
    """What was said, by utterance: how it ended, its text, its language."""
    lines = {key: json.loads(line) for key, line in result.utterances.items()}
    return {key: (line["state"], line["text"], line["language"]) for key, line in lines.items()}


def test_a_model_that_hears_many_calls_at_once_hears_in_each_what_it_hears_alone(
    broker: Broker, topic_prefix: str, tmp_path: Path, records: dict[str, list[AudioRecord]]
) -> None:
    names = ["en-angry", "en-card", "fr-good", "fr-talk-over"]
    alone = told(in_process([SOURCES[name] for name in names], "demo"))
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=PARTITIONS)
    worker = Worker(broker.address, topic_prefix, "demo", tmp_path / "0.log", "--asr-workers", "2")
    try:
        send(broker.address, topic_prefix, {name: records[name] for name in names})
        listening = Listening(broker.address, topic_prefix)
        found = listening.until(len(names), PATIENCE_S)
        assert told(found.result) == alone
        assert sum(state == "final" for state, _, _ in alone.values()) > 30
        assert not listening.letters
        assert worker.stop() == 0
    finally:
        worker.kill()


def test_a_short_chaos_changes_nothing(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("VIGIE_SEED", "7"))
    print(f"seed {seed}")
    plan = Plan(seed, copies(4), kills=3, workers=1, workers_max=2, speed=3.0, pause_s=4.0, partitions=3, save_s=2.0)
    chaos = Chaos(plan, broker.address, topic_prefix, tmp_path)
    found = chaos.run(print)
    assert not difference(chaos.expected(), found.result), f"seed {seed}: {chaos.history.events}"


def _in_partition(number: int, stem: str) -> str:
    return next(f"{stem}-{i}" for i in range(1000) if partition_of(f"{stem}-{i}".encode(), PARTITIONS) == number)


def _renamed(source: CallSource, call_id: str) -> CallSource:
    return dataclasses.replace(source, call=dataclasses.replace(source.call, call_id=call_id))


def _poison(call_id: str, other_key: bytes) -> list[tuple[bytes | None, bytes | None]]:
    """Bad records of partition 0, each (key, value); `call_id` is a good call's."""
    key = call_id.encode()
    chunk = AudioChunk(0, 8_000, Encoding.PCM16, {Party.AGENT: b"\0\0" * 800})
    good = serde.encode_audio(CallAudio(call_id, chunk))
    far = serde.encode_audio(CallAudio(call_id, dataclasses.replace(chunk, offset_samples=8_000 * 86_400 * 30)))
    odd_rate = serde.encode_audio(CallAudio(call_id, dataclasses.replace(chunk, sample_rate_hz=11_025)))
    return [
        (key, os.urandom(300)),
        (key, b"\xc3\x01" + os.urandom(8) + good[10:]),  # another schema's fingerprint
        (key, good[:-7]),
        (key, good + b"\0"),
        (key, b""),
        (key, None),
        (key, os.urandom(1_100_000)),
        (key, far),
        (key, odd_rate),
        (None, good),
        (b"\xff\xfe", good),
        (other_key, serde.encode_audio(CallAudio(other_key.decode(), chunk))),
        (b"x" * 300, good),
        (key, serde.encode_audio(CallAudio("somebody else", chunk))),
    ]


def test_a_poisoned_partition_stops_nothing_and_every_bad_record_is_accounted_for(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=PARTITIONS)
    names = {number: _in_partition(number, "good") for number in (0, 1)}
    sources = [_renamed(SOURCES["en-one-way"], names[0]), _renamed(SOURCES["fr-dead-air"], names[1])]
    said = tmp_path / "said.ndjson"
    said.write_text("")
    model = f"recorded:{said}"
    bad = _poison(names[0], names[1].encode())
    worker = Worker(broker.address, topic_prefix, model, tmp_path / "0.log")
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", max_request_size=2_000_000)
    try:
        for source in sources:
            turn = list(records_of(source))
            before: CallAudio | None = None
            for number, record in enumerate(turn):
                key, value = source.call.call_id.encode(), serde.encode_audio(record)
                producer.send(f"{topic_prefix}calls.audio", key=key, value=value)
                if before is not None and number % 7 == 0:  # the sequence goes back: what has been heard comes again
                    producer.send(f"{topic_prefix}calls.audio", key=key, value=serde.encode_audio(before))
                before = record if isinstance(record, CallAudio) else before
                if number % 20 == 0 and source is sources[0] and number // 20 < len(bad):
                    bad_key, bad_value = bad[number // 20]
                    producer.send(f"{topic_prefix}calls.audio", key=bad_key, value=bad_value, partition=0)
        producer.flush(60)
        listening = Listening(broker.address, topic_prefix)
        found = listening.until(2, PATIENCE_S, settle_s=3.0)
        sent = min(len(bad), -(-len(list(records_of(sources[0]))) // 20))
        assert sent == len(bad), "the call is long enough to hold them all"
        assert len(listening.letters) == len(bad), [letter["detail"] for letter in listening.letters]
        reasons = {letter["reason"] for letter in listening.letters}
        assert reasons == {"undecodable", "wrong_partition", "unusable"}
        assert not difference(in_process(sources, model), found.result)
        assert worker.stop() == 0
        at, end = committed(broker, topic_prefix, "listen", ["calls.audio"])["calls.audio"]
        assert at == end
    finally:
        producer.close()
        worker.kill()


def test_a_call_id_of_ten_megabytes_is_a_dead_letter(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    connection = Connection(broker.address)
    create_topics(connection, Topics(topic_prefix), partitions=PARTITIONS)
    _allow_large(broker, f"{topic_prefix}calls.audio")
    name = _in_partition(0, "good")
    source = _renamed(SOURCES["en-one-way"], name)
    said = tmp_path / "said.ndjson"
    said.write_text("")
    huge = "x" * 10_000_000
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", max_request_size=30_000_000)
    worker = Worker(broker.address, topic_prefix, f"recorded:{said}", tmp_path / "0.log")
    try:
        topic = f"{topic_prefix}calls.audio"
        producer.send(topic, key=huge.encode(), value=b"\xc3\x01", partition=0).get(timeout=60)
        producer.send(topic, key=name.encode(), value=os.urandom(10_000_000), partition=0).get(timeout=60)
        for record in records_of(source):
            producer.send(topic, key=name.encode(), value=serde.encode_audio(record))
        producer.flush(60)
        listening = Listening(broker.address, topic_prefix)
        found = listening.until(1, PATIENCE_S)
        assert len(listening.letters) == 2
        assert max(len(letter["key"]) for letter in listening.letters) <= 64
        assert not difference(in_process([source], f"recorded:{said}"), found.result)
    finally:
        producer.close()
        worker.kill()


def _allow_large(broker: Broker, topic: str) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    try:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "20000000"})]
        )
    finally:
        admin.close()


def test_a_call_whose_audio_stops_is_over_and_words_that_nobody_hears_are_given_up(
    broker: Broker, topic_prefix: str, tmp_path: Path, model: str, records: dict[str, list[AudioRecord]]
) -> None:
    """No role `transcribe` runs here, and the call never ends: both are told by records that act when read back."""
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=PARTITIONS)
    flags = ("--roles", "listen,supervise", "--call-silence-s-max", "3", "--words-s-max", "2")
    worker = Worker(broker.address, topic_prefix, model, tmp_path / "0.log", *flags)
    started, *rest = records["en-angry"]
    assert isinstance(started, CallStarted)
    live = dataclasses.replace(started, call=dataclasses.replace(started.call, pace=Pace.LIVE.value))
    begun = [record for record in rest if not isinstance(record, CallEnded)][:200]
    try:
        listening = Listening(broker.address, topic_prefix)
        send(broker.address, topic_prefix, {"en-angry": [live, *begun]})
        found = listening.until(1, PATIENCE_S)
    finally:
        worker.kill()
    summary = _only_summary(found)
    assert summary["end_reason"] == "timed_out"
    assert summary["coverage"]["state"] == "partial"
    reasons = {interval["reason"] for interval in summary["coverage"]["intervals"]}
    assert reasons >= {"audio_gap", "words_given_up"}
    assert summary["duration_ms"] >= 20_000 + 3_000
    assert found.result.utterances
    assert all('"transcriber_silent"' in line for line in found.result.utterances.values())


def test_legs_end_apart_and_a_call_nobody_announced_is_watched(
    broker: Broker, topic_prefix: str, tmp_path: Path, model: str
) -> None:
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=PARTITIONS)
    worker = Worker(broker.address, topic_prefix, model, tmp_path / "0.log")
    tone = b"\x00\x10\x00\xf0" * 400
    apart: list[AudioRecord] = [CallStarted(CallInfo("apart"), party) for party in Party]
    for at in range(0, 40_000, 800):
        apart += [CallAudio("apart", AudioChunk(at, 8_000, Encoding.PCM16, {party: tone})) for party in Party]
    apart += [CallEnded("apart", 5_000, "hung_up", Party.AGENT), CallEnded("apart", 5_000, "hung_up", Party.CUSTOMER)]
    unannounced: list[AudioRecord] = [
        CallAudio("new", AudioChunk(at, 8_000, Encoding.PCM16, dict.fromkeys(Party, tone)))
        for at in range(0, 16_000, 800)
    ]
    try:
        send(broker.address, topic_prefix, {"apart": apart, "new": [*unannounced, CallEnded("new", 2_000)]})
        found = Listening(broker.address, topic_prefix).until(2, PATIENCE_S)
    finally:
        worker.kill()
    apart_summary, new_summary = (json.loads(found.result.summaries[name]) for name in ("apart", "new"))
    assert apart_summary["end_reason"] == "hung_up"
    assert 5_000 <= apart_summary["duration_ms"] < 5_000 + FRAME_MS, "up to the frame that holds the end"
    assert 2_000 <= new_summary["duration_ms"] < 2_000 + FRAME_MS


def _only_summary(found: Gathered) -> dict[str, Any]:
    (line,) = found.result.summaries.values()
    summary: dict[str, Any] = json.loads(line)
    return summary
