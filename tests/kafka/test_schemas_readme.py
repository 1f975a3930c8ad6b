"""The examples of schemas/README.md do what they say: as code, and on a real broker."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kafka
import pytest

import schemas
from audio.chunk import AudioChunk, Encoding, Party
from streams.events import CallInfo
from streams.kafka.connection import Connection
from streams.kafka.records import CallAudio, CallEnded, CallStarted
from streams.kafka.serde import decode_audio, encode_json
from streams.kafka.topics import Topics, create_topics
from tests.kafka.brokers import Broker
from tests.test_schemas import GOOD

FOLDER = Path(schemas.__file__).parent
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8")
CONSUMER, PRODUCER = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def test_the_producers_example_writes_what_we_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    names: dict[str, Any] = {}
    head, *values = re.split(r"^(?=value\()", PRODUCER, flags=re.M)
    exec(head, names)
    legs = {Party.AGENT: b"\xff" * 800, Party.CUSTOMER: b"\xff" * 800}
    assert [decode_audio(eval(value, names)) for value in values] == [
        CallStarted(CallInfo("c1", site="Dakar", queue="sales", pace="live")),
        CallAudio("c1", AudioChunk(0, 8000, Encoding.MULAW, legs)),
        CallEnded("c1"),
    ]


def test_every_schema_and_no_other_is_in_the_table() -> None:
    files = {path.name for path in FOLDER.glob("*.schema.json")} | {path.name for path in FOLDER.glob("*.avsc")}
    assert set(re.findall(r"\| `([a-z-]+\.(?:schema\.json|avsc))` \|", TEXT)) == files


@pytest.fixture
def filled(broker: Broker, topic_prefix: str) -> str:
    """Name of a topic with one alert in three revisions, out of order, once doubled."""
    topics, connection = Topics(topic_prefix), Connection(broker.address)
    create_topics(connection, topics, partitions=1)
    producer = kafka.KafkaProducer(**connection.for_kafka_python())
    for revision, state in ((1, "raised"), (3, "raised"), (2, "escalated"), (3, "raised"), (4, "escalated")):
        value = encode_json("alert", {**GOOD["alert"], "revision": revision, "state": state})
        producer.send(topics.alerts, key=b"c", value=value)
    producer.close()
    return topics.alerts


def test_the_consumers_example_keeps_the_highest_revision(
    broker: Broker, filled: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = kafka.KafkaConsumer

    def five(*args: Any, **more: Any) -> Any:
        return itertools.islice(whole(*args, **more), 5)

    monkeypatch.setattr(kafka, "KafkaConsumer", five)
    code = CONSUMER.replace("calls.alerts", filled).replace("localhost:9092", broker.address)
    names: dict[str, Any] = {}
    exec(code, names)
    assert [alert["revision"] for alert in names["newest"].values()] == [4]
    assert capsys.readouterr().out.splitlines() == ["raised warning c a", "raised warning c a", "escalated warning c a"]


def test_the_line_of_kcat_shows_keys_and_values(broker: Broker, filled: str) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("no kcat: apt install kcat")
    (line,) = re.findall(r"^kcat .*$", TEXT, re.M)
    line = line.replace("calls.alerts", filled).replace("localhost:9092", broker.address)
    done = subprocess.run(f"{line} -e -q", shell=True, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count('c {"alert_id":') == 5
