"""Audio that a topic's retention deletes while no worker is there, on a real broker."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from streams.kafka.connection import Connection
from streams.kafka.records import CallAudio, CallEnded
from streams.kafka.topics import Topics, create_topics, partition_of
from tests.kafka.brokers import Broker
from tests.kafka.calls import SOURCES, records_of
from tests.kafka.live import Listening, Worker, send

pytestmark = pytest.mark.slow
NAME = "en-good"
PARTITIONS = 2
PATIENCE_S = 300


def committed(broker: Broker, prefix: str, place: TopicPartition) -> tuple[int, int]:
    """How far LISTEN has committed, and the end of the partition."""
    reader = KafkaConsumer(bootstrap_servers=broker.address, group_id=f"{prefix}vigie.listen", enable_auto_commit=False)
    try:
        return reader.committed(place) or 0, reader.end_offsets([place])[place]
    finally:
        reader.close()


def _wait_assigned(worker: Worker) -> None:
    for _ in range(PATIENCE_S * 5):
        if any(line["role"] == "listen" and line["message"].startswith("assigned") for line in worker.lines()):
            return
        time.sleep(0.2)
    raise AssertionError("the worker got no partitions")


def test_what_retention_deleted_is_told_as_lost(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=PARTITIONS)
    place = TopicPartition(f"{topic_prefix}calls.audio", partition_of(NAME.encode(), PARTITIONS))
    records = list(records_of(SOURCES[NAME]))
    audio = [record for record in records if isinstance(record, CallAudio)]
    ends = [record for record in records if isinstance(record, CallEnded)]
    flags = ("--roles", "listen,supervise")
    listening = Listening(broker.address, topic_prefix)

    send(broker.address, topic_prefix, {NAME: [records[0], *audio[:200]]})
    first = Worker(broker.address, topic_prefix, "none", tmp_path / "1.log", *flags, partitions=PARTITIONS)
    try:
        _wait_assigned(first)
        assert first.stop() == 0
    finally:
        first.kill()
    at, end = committed(broker, topic_prefix, place)
    taken = at - 1  # the start of the call comes before its audio
    send(broker.address, topic_prefix, {NAME: audio[200:300]})
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.delete_records({place: end + 60})
    admin.close()
    send(broker.address, topic_prefix, {NAME: [*audio[300:], *ends]})
    second = Worker(broker.address, topic_prefix, "none", tmp_path / "2.log", *flags, partitions=PARTITIONS)
    try:
        found = listening.until(1, PATIENCE_S)
    finally:
        second.kill()
    summary = json.loads(found.result.summaries[NAME])
    lost = {"from_ms": taken * 100, "to_ms": 26_000, "party": "both", "reason": "audio_lost"}
    assert summary["coverage"] == {"state": "partial", "intervals": [lost]}
    rules = {json.loads(line)["rule_id"] for line in found.result.alerts.values()}
    assert not rules & {"dropouts", "one-way-audio", "missing-leg", "dead-air", "not-watched"}
