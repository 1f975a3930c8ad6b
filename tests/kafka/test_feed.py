"""`vigie feed` on a real broker: what crosses the topics is shown once, through kill -9, restarts and a lost store."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from kafka import KafkaProducer

from streams.feed import kafka_source
from streams.feed import tables as t
from streams.feed.absorb import Absorber
from streams.feed.clips import NoClips
from streams.feed.database import Database
from streams.feed.kafka_source import KafkaSource
from streams.kafka import serde
from streams.kafka.children import dies_with_parent
from streams.kafka.connection import Connection
from streams.kafka.topics import Topics, create_topics
from tests.feed.postgres import fresh
from tests.feed.records import whole_call
from tests.feed.test_absorb import NAMES
from tests.kafka.brokers import Broker
from tests.kafka.live import ROOT

pytestmark = pytest.mark.slow
PATIENCE_S = 90
SEED = 20261126


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FeedProcess:
    def __init__(self, broker: Broker, prefix: str, database: str, log: Path, *flags: str) -> None:
        self.port, self.log = free_port(), log
        command = [sys.executable, "-m", "streams", "feed", "--broker", broker.address, "--prefix", prefix]
        command += ["--database", database, "--feed-port", str(self.port), "--no-login", "--group", prefix, *flags]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=file,
                preexec_fn=dies_with_parent,
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self.wait(lambda: self.client.get("/readyz").status_code == 200)
        self.client.headers["X-CSRF-Token"] = self.client.get("/api/me").json()["csrf"]

    def wait(self, reached: Any) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                if reached():
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, "the feed has ended"
            assert time.monotonic() < deadline_s, self.log.read_text()[-4000:]
            time.sleep(0.1)

    def world(self) -> dict[str, Any]:
        """What it shows of everything, without wall times and event numbers."""
        calls = self.client.get("/api/calls", params={"limit": 500}).json()["items"]
        return {call["call_id"]: plain(self.client.get(f"/api/calls/{call['call_id']}").json()) for call in calls}

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.close()


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        left = ("changed", "event", "first_at", "ended_at", "seen_at", "raised_at", "onset_at", "live")
        return {name: plain(item) for name, item in value.items() if name not in left}
    return [plain(item) for item in value] if isinstance(value, list) else value


@contextmanager
def producing(broker: Broker) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", linger_ms=5)
    try:
        yield producer
    finally:
        producer.close()


def send(producer: KafkaProducer, prefix: str, records: list[tuple[str, Any]]) -> None:
    for topic, record in records:
        value = serde.encode_json(NAMES[topic], record)
        producer.send(f"{prefix}calls.{topic}", key=record["call_id"].encode(), value=value)
    producer.flush()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_record_and_no_acknowledged_action_is_lost_or_doubled_by_kills(
    broker: Broker, topic_prefix: str, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    database = str(tmp_path / "feed.db") if kind == "sqlite" else fresh(request.getfixturevalue("postgresql"))
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=3)
    calls = [whole_call(f"{topic_prefix}c{n}", site=f"s{n % 3}") for n in range(30)]
    answered: list[str] = []
    with producing(broker) as producer:
        for part in range(3):
            feed = FeedProcess(broker, topic_prefix, database, tmp_path / "log")
            mine = calls[part * 10 : part * 10 + 10]
            send(producer, topic_prefix, [record for call in mine for record in call])
            ids = {call[0][1]["call_id"] for call in mine}
            feed.wait(lambda ids=ids, feed=feed: ids <= set(feed.world()))
            for call_id in sorted(ids)[:4]:
                url = f"/api/alerts/{call_id}-a1/note"
                feed.wait(lambda url=url, feed=feed: feed.client.get(url.removesuffix("/note")).status_code == 200)
                assert feed.client.post(url, json={"text": f"seen in part {part}"}).status_code == 200
                answered.append(call_id)
            time.sleep(chance.random() * 0.3)
            feed.kill()
    feed = FeedProcess(broker, topic_prefix, database, tmp_path / "log")
    feed.wait(lambda: all(len(call["alerts"]) == 1 and call["summary"] for call in feed.world().values()))
    world = feed.world()
    assert len(world) == 30
    noted = {
        call_id for call_id, call in world.items() for alert in call["alerts"] if len(alert["feedback"]["notes"]) == 1
    }
    assert noted == set(answered)
    assert all(len(call["utterances"]) == 1 for call in world.values())
    feed.kill()

    # A store that is lost is made again from the topics: the same world, actions included.
    flags = ("--rebuild",) if kind == "postgresql" else ()
    rebuilt = FeedProcess(
        broker, topic_prefix, database if flags else str(tmp_path / "anew.db"), tmp_path / "log", *flags
    )
    rebuilt.wait(lambda: rebuilt.world() == world)
    rebuilt.kill()
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_is_no_record_is_passed_over_and_the_rest_goes_on(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=1)
    feed = FeedProcess(broker, topic_prefix, str(tmp_path / "feed.db"), tmp_path / "log")
    with producing(broker) as producer:
        for value in (b"garbage", b"{}", json.dumps({"call_id": "x" * 10_000}).encode(), None):
            producer.send(f"{topic_prefix}calls.alerts", key=b"c", value=value)
        send(producer, topic_prefix, whole_call("c"))
    feed.wait(lambda: feed.client.get("/api/calls/c").status_code == 200)
    feed.wait(lambda: len(feed.client.get("/api/calls/c").json()["alerts"]) == 1)
    assert feed.client.get("/readyz").status_code == 200
    feed.kill()


def test_topics_that_come_later_are_joined_though_no_poll_lasts_long_enough(
    broker: Broker, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_source, "POLL_MS", 1)
    connection, topics = Connection(broker.address), Topics(topic_prefix)
    database = Database(str(tmp_path / "feed.db"))
    source = KafkaSource(connection, topics, Absorber(database, NoClips().describe), topic_prefix)
    source.start()
    time.sleep(3)  # it has joined, with no topic to read
    create_topics(connection, topics, partitions=1)
    with producing(broker) as producer:
        send(producer, topic_prefix, whole_call("c"))
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s and not counted(database):
        time.sleep(0.1)
    assert counted(database) == 1
    source.stop()
    database.close()


def counted(database: Database) -> int:
    with database.reading() as reading:
        return int(reading.execute(sa.select(sa.func.count()).select_from(t.calls)).scalar_one())
