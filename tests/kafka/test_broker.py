"""`vigie broker`: a real Kafka that starts, answers, keeps its data, stops, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from streams import cli
from tests.kafka.brokers import Broker, need_kafka, running, start


def send(broker: Broker, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.address, **broker.client)
    for sent in [producer.send(topic, value) for value in values]:
        sent.get(30)
    producer.close()


def create(broker: Broker, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.address, **broker.client)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()


def read(broker: Broker, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest", **broker.client)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    values: list[bytes] = []
    deadline = time.monotonic() + 30
    while len(values) < count and time.monotonic() < deadline:
        values += [record.value for records in consumer.poll(500).values() for record in records]
    consumer.close()
    return values


def java_of(data: Path) -> list[int]:
    """Process ids of the Java machines that serve a data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if b"kafka.Kafka" in command and str(data).encode() in command:
            found.append(int(entry.name))
    return found


def gone(data: Path, patience_s: float = 20) -> bool:
    deadline = time.monotonic() + patience_s
    while java_of(data) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not java_of(data)


def test_what_is_sent_is_read(broker: Broker, topic_prefix: str) -> None:
    create(broker, topic := topic_prefix + "words")
    send(broker, topic, [b"one", b"two"])
    assert read(broker, topic, 2) == [b"one", b"two"]


def test_a_topic_is_never_made_by_writing_to_it(broker: Broker, topic_prefix: str) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.address, max_block_ms=1_500)
    with pytest.raises(KafkaError):
        producer.send(topic_prefix + "unknown", b"x").get(5)
    producer.close()


def test_only_this_machine_reaches_it(broker: Broker) -> None:
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    ours = [line.split()[1] for line in listening.splitlines() if f":{broker.port:04X} " in line.split(" 0A ")[0]]
    assert [address for address in ours if address.endswith(f":{broker.port:04X}")]
    addresses = {address.partition(":")[0] for address in ours if address.endswith(f":{broker.port:04X}")}
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_a_second_broker_on_the_same_folder_is_told_of_the_first(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["broker", "--data", str(broker.data), "--port", "0"]) == 2
    assert broker.address in capsys.readouterr().err


def test_a_port_in_use_is_the_callers_mistake(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["broker", "--data", str(tmp_path), "--port", str(broker.port)]) == 2
    assert f"port {broker.port} cannot be used" in capsys.readouterr().err


@pytest.mark.slow
def test_data_outlives_a_stop_and_a_kill_and_java_never_does(tmp_path: Path, topic_prefix: str) -> None:
    need_kafka()
    first = start(tmp_path)
    create(first, topic := topic_prefix + "kept")
    send(first, topic, [b"before the stop"])
    assert first.stop(signal.SIGINT) == 0
    assert java_of(tmp_path) == []
    assert first.process is not None
    assert first.process.stdout is not None
    assert first.process.stdout.read() == "", "nothing but the address goes to standard output"

    second = start(tmp_path, port=first.port)
    assert second.address == first.address == f"127.0.0.1:{first.port}"
    send(second, topic, [b"before the kill"])
    assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    assert gone(tmp_path)

    with running(tmp_path) as third:
        assert read(third, topic, 2) == [b"before the stop", b"before the kill"]
    assert java_of(tmp_path) == []


@pytest.mark.slow
def test_when_kafka_dies_its_keeper_says_so(tmp_path: Path) -> None:
    need_kafka()
    broker = start(tmp_path)
    assert broker.process is not None
    (java,) = java_of(tmp_path)
    subprocess.run(["kill", "-9", str(java)], check=True)
    _, told = broker.process.communicate(timeout=30)
    assert broker.process.returncode == 2
    assert "Kafka ended by itself with code -9" in told


def test_a_secured_broker_serves_who_has_the_password_and_trusts_it(secured_broker: Broker, topic_prefix: str) -> None:
    create(secured_broker, topic := topic_prefix + "secret")
    send(secured_broker, topic, [b"x"])
    assert read(secured_broker, topic, 1) == [b"x"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sasl_plain_password": "guessed"},
        {"sasl_plain_username": "nobody"},
        {"ssl_cafile": None},
        {"security_protocol": "PLAINTEXT"},
        {"security_protocol": "SSL"},
        {"sasl_mechanism": "PLAIN"},
    ],
    ids=str,
)
def test_a_secured_broker_refuses_the_others(secured_broker: Broker, wrong: dict[str, str | None]) -> None:
    settings = {**secured_broker.client, **wrong}
    with pytest.raises((KafkaError, OSError)):
        KafkaAdminClient(bootstrap_servers=secured_broker.address, bootstrap_timeout_ms=2_000, **settings)


def test_secrets_are_readable_by_their_owner_only(secured_broker: Broker) -> None:
    for path in (secured_broker.password_file, secured_broker.data / "server.properties"):
        assert path.stat().st_mode & 0o077 == 0, path
    for process in java_of(secured_broker.data):
        command = Path(f"/proc/{process}/cmdline").read_text()
        assert secured_broker.password_file.read_text() not in command


def test_an_open_folder_cannot_be_reopened_as_a_secured_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need_kafka()
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "meta.properties").write_text("version=1\n")
    assert cli.main(["broker", "--data", str(tmp_path), "--port", "0", "--secure"]) == 2
    assert re.search(r"made without --secure", capsys.readouterr().err)


def test_a_data_folder_that_cannot_be_used_is_the_callers_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_kafka()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "server.properties").mkdir()
    for folder in ("data", "data/server.properties/../../file/below"):
        (tmp_path / "file").write_text("x")
        assert cli.main(["broker", "--data", str(tmp_path / folder), "--port", "0"]) == 2
        told = capsys.readouterr().err
        assert "--data" in told
        assert told.count("\n") == 1


def test_python_runs_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams", "broker", "--data", str(tmp_path / "file"), "--port", "70000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "0 to 65535" in done.stderr
