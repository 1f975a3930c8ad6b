"""`vigie replay --to` against a real broker: what a consumer of calls.audio gets."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.consumer.fetcher import ConsumerRecord

from audio.chunk import AudioChunk, Encoding, Party
from streams import cli
from streams.kafka.connection import Connection
from streams.kafka.producing import CallsProducer
from streams.kafka.records import AudioRecord, CallAudio, CallEnded, CallHappened, CallStarted
from streams.kafka.serde import captured_ms_of, decode_audio
from streams.kafka.topics import Topics, create_topics, partition_of
from tests.kafka.brokers import Broker, running
from tests.replay_fakes import write_wav

PARTITIONS = 3


def replay(
    capsys: pytest.CaptureFixture[str], address: str, prefix: str, *arguments: str
) -> tuple[int, dict[str, Any]]:
    options = ["--to", address, "--prefix", prefix, "--partitions", str(PARTITIONS), "--json"]
    code = cli.main(["replay", *arguments, *options])
    return code, json.loads(capsys.readouterr().out)


def taken(address: str, topic: str, client: Mapping[str, Any] | None = None) -> list[ConsumerRecord]:
    """All that is on a topic, each partition in its order."""
    consumer = KafkaConsumer(bootstrap_servers=address, **(client or {}))
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    records: list[ConsumerRecord] = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        records += [record for batch in consumer.poll(500).values() for record in batch]
    consumer.close()
    return records


def by_call(records: list[ConsumerRecord]) -> dict[str, list[AudioRecord]]:
    calls: dict[str, list[AudioRecord]] = {}
    for record in records:
        decoded = decode_audio(record.value)
        assert record.key == decoded.call_id.encode()
        assert record.partition == partition_of(record.key, PARTITIONS)
        calls.setdefault(decoded.call_id, []).append(decoded)
    return calls


def test_recordings_arrive_as_calls_in_order_and_complete(
    broker: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abcd":
        write_wav(tmp_path / f"{name}.wav", 1.0)
    (tmp_path / "a.wav.events.json").write_text('[{"kind": "hold", "at_ms": 450}]')
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    before_ms = time.time() * 1000
    code, told = replay(capsys, broker.address, topic_prefix, str(tmp_path), "--speed", "max")
    assert code == 1, "one file failed"
    assert [Path(failure["file"]).name for failure in told["failures"]] == ["broken.wav"]
    records = taken(broker.address, Topics(topic_prefix).audio)
    assert (told["calls_ended"], told["undelivered"], told["records"]) == (4, 0, len(records))
    calls = by_call(records)
    assert set(calls) == set("abcd")
    for name, call in calls.items():
        start, end = call[0], call[-1]
        assert isinstance(start, CallStarted)
        assert start.call.pace == "batch"
        assert end == CallEnded(name, 1000, "recording_ended")
        offsets = [record.chunk.offset_samples for record in call if isinstance(record, CallAudio)]
        assert offsets == list(range(0, 8000, 800))
    assert [type(record) for record in calls["a"]].index(CallHappened) == 5
    captured = [captured_ms_of(record.headers) for record in records]
    assert all(before_ms - 1 <= (at or 0) <= time.time() * 1000 for at in captured)


def test_live_calls_say_when_their_audio_was_spoken(
    broker: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "a.wav", 2.0)
    arguments = ["--speed", "4", "--chunk-ms", "200", "--calls", "3", "--stagger", "0.1", "--id-suffix=-x"]
    code, told = replay(capsys, broker.address, topic_prefix, str(tmp_path / "a.wav"), *arguments)
    assert (code, told["calls_ended"], told["media_ms"]) == (0, 3, 6000)
    records = taken(broker.address, Topics(topic_prefix).audio)
    calls = by_call(records)
    assert set(calls) == {"a-x", "a-x.2", "a-x.3"}
    start = calls["a-x"][0]
    assert isinstance(start, CallStarted)
    assert start.call.pace == "live"
    captured = {name: [captured_ms_of(r.headers) or 0 for r in records if r.key == name.encode()] for name in calls}
    for at in captured.values():
        # Chunks of 200 ms at four times real speed are 50 ms apart, however late they were sent.
        assert all(abs((later - earlier) - 50) <= 2 for earlier, later in itertools.pairwise(at[1:-1]))
    starts = sorted(at[0] for at in captured.values())
    assert [round((at - starts[0]) / 10) for at in starts] == [0, 10, 20]


def test_topics_that_are_there_are_used_as_they_are(
    broker: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_wav(tmp_path / "a.wav", 0.2)
    assert replay(capsys, broker.address, topic_prefix, str(path), "--speed", "max")[0] == 0
    options = ["--to", broker.address, "--prefix", topic_prefix, "--partitions", "7", "--speed", "max", "--json"]
    assert cli.main(["replay", str(path), *options]) == 0
    assert {record.partition for record in taken(broker.address, Topics(topic_prefix).audio)} <= set(range(PARTITIONS))


def test_interrupted_it_ends_its_calls(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 60.0)
    options = ["--to", broker.address, "--prefix", topic_prefix, "--partitions", str(PARTITIONS), "--json"]
    command = [sys.executable, "-m", "streams", "replay", str(path), "--calls", "2", *options]
    topic = Topics(topic_prefix).audio
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            wait_for_records(broker.address, topic)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    told = json.loads(out)
    assert (told["calls_stopped"], told["undelivered"]) == (2, 0)
    for call in by_call(taken(broker.address, topic)).values():
        end = call[-1]
        assert isinstance(end, CallEnded)
        assert end.reason == "producer_stopped"
        heard_ms = sum(len(r.chunk.legs) > 0 for r in call if isinstance(r, CallAudio)) * 100
        assert end.at_ms == heard_ms < 60_000


def wait_for_records(address: str, topic: str, patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    consumer = KafkaConsumer(bootstrap_servers=address)
    while time.monotonic() < deadline:
        numbers = consumer.partitions_for_topic(topic)
        if numbers and any(consumer.end_offsets([TopicPartition(topic, n) for n in numbers]).values()):
            break
        time.sleep(0.2)
    else:
        pytest.fail(f"nothing came to {topic}")
    consumer.close()


def test_a_secured_cluster_is_reached_with_user_password_and_certificate(
    secured_broker: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_wav(tmp_path / "a.wav", 0.5)
    who = ["--security", "SASL_SSL", "--user", secured_broker.user, "--ca-file", str(secured_broker.ca_file)]
    right = ["--password-file", str(secured_broker.password_file)]
    code, told = replay(capsys, secured_broker.address, topic_prefix, str(path), "--speed", "max", *who, *right)
    assert (code, told["records"]) == (0, 7)
    records = taken(secured_broker.address, Topics(topic_prefix).audio, secured_broker.client)
    assert len(by_call(records)["a"]) == 7

    (tmp_path / "wrong").write_text("guessed")
    options = ["--to", secured_broker.address, *who, "--password-file", str(tmp_path / "wrong")]
    assert cli.main(["replay", str(path), *options]) == 2
    assert secured_broker.password_file.read_text() not in capsys.readouterr().err


@pytest.mark.slow
def test_a_broker_that_restarts_loses_nothing_and_doubles_nothing(tmp_path: Path, topic_prefix: str) -> None:
    path = write_wav(tmp_path / "a.wav", 12.0)
    data = tmp_path / "kafka"
    options = ["--prefix", topic_prefix, "--partitions", str(PARTITIONS), "--json", "--calls", "4"]
    topic = Topics(topic_prefix).audio
    with running(data) as first:
        port = first.port
        command = [sys.executable, "-m", "streams", "replay", str(path), "--to", first.address, *options]
        replayed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            wait_for_records(first.address, topic)
            first.stop(signal.SIGKILL)
            with running(data, port=port) as second:
                out, _ = replayed.communicate(timeout=120)
                calls = by_call(taken(second.address, topic))
        finally:
            replayed.kill()
    told = json.loads(out)
    assert (replayed.returncode, told["undelivered"], told["calls_ended"]) == (0, 0, 4)
    assert {len(call) for call in calls.values()} == {122}
    for call in calls.values():
        offsets = [record.chunk.offset_samples for record in call if isinstance(record, CallAudio)]
        assert offsets == list(range(0, 96_000, 800))


@pytest.mark.slow
def test_after_an_outage_that_was_too_long_later_records_arrive(tmp_path: Path, topic_prefix: str) -> None:
    topic, data = Topics(topic_prefix).audio, tmp_path / "kafka"
    with running(data) as first:
        connection, port = Connection(first.address), first.port
        create_topics(connection, Topics(topic_prefix), partitions=1)
        producer = CallsProducer(connection, topic, patience_ms=2_000)
        producer.send(CallEnded("before", 1), 0)
        assert producer.flush(30)
        first.stop(signal.SIGKILL)
        producer.send(CallEnded("during", 2), 0)
        assert producer.flush(60)
        assert (producer.delivered.records, producer.undelivered) == (1, 1)
        with running(data, port=port) as second:
            producer.send(CallEnded("after", 3), 0)
            assert producer.flush(30)
            producer.close()
            assert (producer.delivered.records, producer.undelivered) == (2, 1)
            assert [record.key for record in taken(second.address, topic)] == [b"before", b"after"]


def test_what_cannot_be_delivered_is_counted(broker: Broker, topic_prefix: str) -> None:
    producer = CallsProducer(Connection(broker.address), topic_prefix + "not-there", patience_ms=1_500)
    producer.send(CallEnded("x", 5), 0)
    assert producer.flush(20)
    assert (producer.delivered.records, producer.undelivered) == (0, 1)
    assert producer.delivered.reason
    producer.close()


@pytest.fixture
def narrow_topic(broker: Broker, topic_prefix: str) -> str:
    """A calls.audio that takes nothing longer than 600 bytes."""
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    form = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "600"}}
    admin.create_topics({Topics(topic_prefix).audio: form}, wait_for_metadata=True)
    admin.close()
    return Topics(topic_prefix).audio


def noise(size: int) -> bytes:
    """Bytes that no compression makes smaller."""
    return np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8).tobytes()


def test_records_that_the_broker_refuses_make_it_fail(
    broker: Broker, topic_prefix: str, narrow_topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_wav(tmp_path / "a.wav", 0.2)
    path.write_bytes(path.read_bytes()[:44] + noise(6400))
    code, told = replay(capsys, broker.address, topic_prefix, str(path), "--speed", "max")
    assert code == 1
    assert told["undelivered"] >= 2, "two chunks are too long"
    assert told["records"] + told["undelivered"] == 4
    assert told["records"] == len(taken(broker.address, narrow_topic))
    assert "TooLarge" in told["undelivered_reason"]


def test_a_record_that_is_refused_stops_no_later_one(broker: Broker, narrow_topic: str) -> None:
    producer = CallsProducer(Connection(broker.address), narrow_topic)
    long = CallAudio("x", AudioChunk(0, 8000, Encoding.PCM16, {Party.AGENT: noise(3200)}))
    for record in (CallEnded("first", 1), long, CallEnded("second", 2), long, CallEnded("third", 3)):
        producer.send(record, 0)
        assert producer.flush(30)
    producer.close()
    assert (producer.delivered.records, producer.undelivered) == (3, 2)
    assert [record.key for record in taken(broker.address, narrow_topic)] == [b"first", b"second", b"third"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--to", "127.0.0.1:1"], "no broker answers"),
        (["--to", "nowhere"], "no broker's address"),
        (["--to", "127.0.0.1:1", "--out", "out"], "one place"),
        ([], "--out DIR"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(
    arguments: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", str(write_wav(tmp_path / "a.wav", 0.2)), *arguments]) == 2
    assert word in capsys.readouterr().err
