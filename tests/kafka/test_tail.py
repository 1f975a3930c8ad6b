"""`vigie tail` on a consumer that only pretends, then on a real broker."""

from __future__ import annotations

import contextlib
import errno
import json
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition

from audio.errors import VigieError
from streams import cli
from streams.kafka import tail
from streams.kafka.connection import Connection
from streams.kafka.lines import Filter
from streams.kafka.serde import encode_audio, encode_json, key_of
from streams.kafka.tail import Span, check_filter, follow, short_name, starting
from streams.kafka.topics import Topics, create_topics, partition_of
from tests.kafka.brokers import Broker
from tests.kafka.test_serde import AUDIO
from tests.test_schemas import GOOD

NAME = "calls.alerts"


class PretendConsumer:
    """Partitions of one topic as lists of (timestamp, value); what is polled comes one record at a time."""

    def __init__(self, *logs: list[tuple[int, bytes]]) -> None:
        self.logs = {TopicPartition(NAME, number): log for number, log in enumerate(logs)}
        self.places: dict[TopicPartition, int] = {}
        self.late: list[tuple[TopicPartition, tuple[int, bytes]]] = []

    def topics(self) -> set[str]:
        return {NAME, "other"}

    def partitions_for_topic(self, name: str) -> set[int]:
        assert name == NAME
        return {partition.partition for partition in self.logs}

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.places = dict.fromkeys(partitions, 0)

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.places |= dict.fromkeys(partitions, 0)

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        self.places |= self.end_offsets(list(partitions))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.places[partition] = offset

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: len(self.logs[partition]) for partition in partitions}

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        found = {p: [i for i, (stamp, _) in enumerate(self.logs[p]) if stamp >= t] for p, t in times.items()}
        return {p: SimpleNamespace(offset=places[0]) if places else None for p, places in found.items()}

    def position(self, partition: TopicPartition) -> int:
        return self.places[partition]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        assert timeout_ms > 0
        for partition, place in self.places.items():
            if place < len(self.logs[partition]):
                self.places[partition] += 1
                stamp, value = self.logs[partition][place]
                message = SimpleNamespace(partition=partition.partition, offset=place, timestamp=stamp, value=value)
                return {partition: [message]}
        if not self.late:
            raise KeyboardInterrupt
        partition, row = self.late.pop(0)
        self.logs[partition].append(row)
        return {}


def alert(number: int, **more: Any) -> tuple[int, bytes]:
    return number * 10, encode_json("alert", {**GOOD["alert"], "alert_id": str(number), **more})


def seen(consumer: Any, span: Span, wanted: Filter | None = None, **more: Any) -> tuple[list[str], int]:
    out: list[str] = []
    skipped = follow(
        consumer, NAME, "alerts", span, wanted or Filter(), lambda *shown: out.append(shown[2]["alert_id"]), **more
    )
    return out, skipped


def test_up_to_the_end_is_all_that_was_there_at_the_start_and_no_more() -> None:
    consumer = PretendConsumer([alert(1), alert(2)], [], [alert(3)])
    consumer.late = [(TopicPartition(NAME, 0), alert(4))]
    assert seen(consumer, Span("beginning", True)) == (["1", "2", "3"], 0)
    assert seen(consumer, Span("now", True)) == ([], 0)


@pytest.mark.parametrize(("from_ms", "found"), [(0, "1234"), (20, "234"), (21, "34"), (40, "4"), (41, "")])
def test_from_a_time_is_from_the_first_record_of_that_time(from_ms: int, found: str) -> None:
    consumer = PretendConsumer([alert(1), alert(3)], [alert(2), alert(4)])
    assert sorted(seen(consumer, Span(from_ms, True))[0]) == list(found)


def test_without_an_end_what_comes_later_is_shown() -> None:
    consumer = PretendConsumer([alert(1)])
    consumer.late = [(TopicPartition(NAME, 0), alert(2))]
    out: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        follow(consumer, NAME, "alerts", Span("now", False), Filter(), lambda *shown: out.append(shown[2]["alert_id"]))
    assert out == ["2"]


def test_an_interrupt_that_a_poll_takes_for_its_own_ends_it_all_the_same() -> None:
    class Deaf(PretendConsumer):
        polls = 0

        def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:  # noqa: ARG002
            self.polls += 1
            assert self.polls < 3, "it goes on"
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            return {}

    consumer = Deaf([])
    # Tests that a shell runs in its background are deaf for it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with tail._interruptible() as interrupted:
            assert seen(consumer, Span("now", False), stop=interrupted) == ([], 0)
        assert consumer.polls == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_background_job_that_is_deaf_for_interrupts_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with tail._interruptible() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    consumer = PretendConsumer([(0, b"\xff\x1b[2J"), alert(1), (0, b"")])
    assert seen(consumer, Span("beginning", True)) == (["1"], 2)
    told = capsys.readouterr().err
    assert "calls.alerts[0]@0 cannot be shown" in told
    assert "\x1b" not in told


def test_one_call_is_read_from_its_own_partition_alone() -> None:
    mine = partition_of(b"c", 3)
    logs: list[list[tuple[int, bytes]]] = [[alert(9)], [alert(9)], [alert(9)]]
    logs[mine] = [alert(1), alert(2, call_id="d")]
    consumer = PretendConsumer(*logs)
    assert seen(consumer, Span("beginning", True), Filter(call="c")) == (["1"], 0)
    assert list(consumer.places) == [TopicPartition(NAME, mine)]


def test_a_topic_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(VigieError, match=r"no topic calls\.speech.*It has calls\.alerts"):
        follow(PretendConsumer([]), "calls.speech", "speech", Span("now", True), Filter(), print)


def test_a_broker_that_falls_silent_before_the_end_is_told() -> None:
    class Silent(PretendConsumer):
        def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
            return {} if timeout_ms else super().poll(timeout_ms)

    seconds = iter(range(0, 1000, 10))
    with pytest.raises(TimeoutError):
        seen(Silent([alert(1)]), Span("beginning", True), clock=lambda: float(next(seconds)))


@pytest.mark.parametrize("text", ["alerts", "calls.alerts", "cell1.calls.alerts"])
def test_a_topic_is_known_by_its_short_and_its_whole_name(text: str) -> None:
    assert short_name(text, Topics("cell1.")) == "alerts"


@pytest.mark.parametrize(("text", "remedy"), [("alert", "Did you mean alerts?"), ("state.listen", "Use one of")])
def test_an_unknown_topic_is_told_with_its_neighbours(text: str, remedy: str) -> None:
    with pytest.raises(VigieError) as caught:
        short_name(text, Topics())
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-25T08:00:00+00:00", 1_795_593_600_000),
        ("2026-11-25T09:00+01:00", 1_795_593_600_000),
        ("90s", 1_000_000_000 - 90_000),
        ("2h", 1_000_000_000 - 7_200_000),
        ("999999999d", 0),
        ("now", "now"),
        ("beginning", "beginning"),
    ],
)
def test_times_to_start_from(text: str, ms: int | str) -> None:
    assert starting(text, 1_000_000.0) == ms


@pytest.mark.parametrize("text", ["", "yesterday", "2h30", "-2h", "25/11/2026", "9999999999999h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(VigieError, match="no time"):
        starting(text, 0.0)


@pytest.mark.parametrize(
    ("topic", "wanted", "flag"),
    [
        ("utterances", {"severity": "warning"}, "--severity"),
        ("utterances", {"site": "x"}, "--site"),
        ("dead-letters", {"queue": "x"}, "--queue"),
    ],
)
def test_a_filter_on_what_a_topic_does_not_say_is_refused(topic: str, wanted: dict[str, str], flag: str) -> None:
    with pytest.raises(VigieError) as caught:
        check_filter(topic, Filter(**wanted))
    assert caught.value.where == flag


def test_a_broker_that_is_not_there_is_a_mistake_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streams.kafka.connection.BOOTSTRAP_TIMEOUT_MS", 300)
    assert cli.main(["tail", "alerts", "--broker", "127.0.0.1:1"]) == 2
    told = capsys.readouterr().err
    assert "no broker answers" in told
    assert told.count("\n") == 1


@pytest.fixture(scope="module")
def filled(broker: Broker) -> list[str]:
    """The arguments that name a broker with some records."""
    topics = Topics("tail.")
    connection = Connection(broker.address)
    create_topics(connection, topics, partitions=3)
    producer = KafkaProducer(**connection.for_kafka_python())
    for number in range(6):
        record = {**GOOD["alert"], "call_id": f"c{number}", "site": "Dakar" if number % 2 else "Fes"}
        severity = ("info", "warning", "critical")[number // 2]
        value = encode_json("alert", {**record, "severity": severity})
        producer.send(topics.alerts, key=key_of(record["call_id"]), value=value)
    for audio in AUDIO:
        producer.send(topics.audio, key=key_of(audio.call_id), value=encode_audio(audio))
    producer.send(topics.audio, key=b"c", value=b"\xc3\x01 no such thing")
    producer.close()
    return ["--broker", broker.address, "--prefix", "tail."]


def calls(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return sorted(json.loads(text)["call_id"] for text in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ([], "012345"),
        (["--site", "Dakar"], "135"),
        (["--severity", "warning"], "2345"),
        (["--call", "c4"], "4"),
        (["--call", "c9"], ""),
        (["--site", "Dakar", "--severity", "critical"], "5"),
    ],
)
def test_alerts_on_a_broker(
    filled: list[str], flags: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["tail", "alerts", *filled, "--from", "beginning", "--until", "end", "--json", *flags]) == 0
    assert calls(capsys) == [f"c{number}" for number in found]


def test_from_a_moment_ago_and_from_now_on_a_broker(filled: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["tail", "alerts", *filled, "--from", "1h", "--until", "end", "--json"]) == 0
    assert len(calls(capsys)) == 6
    assert cli.main(["tail", "alerts", *filled, "--from", "now", "--until", "end", "--json"]) == 0
    assert calls(capsys) == []


def test_audio_on_a_broker_is_lines_without_sound(filled: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tail", "audio", *filled, "--from", "beginning", "--until", "end"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == len(AUDIO)
    assert "mulaw 8000 Hz  agent 800 bytes+customer 800 bytes" in told.out
    assert "cannot be shown: audio: unknown schema fingerprint" in told.err
    assert "1 records were no audio" in told.err


def test_a_topic_that_the_broker_lacks_is_a_mistake_of_the_command(
    filled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["tail", "alerts", *filled[:2], "--prefix", "nobody."]) == 2
    assert "no topic nobody.calls.alerts" in capsys.readouterr().err


def _hears_interrupts() -> None:
    """A shell's background job would be deaf for them, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("end", ["interrupt", "closed pipe"])
def test_it_ends_quietly_when_nobody_wants_more(filled: list[str], end: str) -> None:
    command = [sys.executable, "-m", "streams", "tail", "alerts", *filled, "--from", "beginning"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hears_interrupts
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    assert "echo" in first
    if end == "interrupt":
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
    else:
        process.stdout.close()
        producer = KafkaProducer(**Connection(filled[1]).for_kafka_python())
        producer.send("tail.calls.alerts", key=b"c", value=encode_json("alert", GOOD["alert"]))
        producer.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""


def test_an_output_that_is_full_is_not_the_brokers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.print", full)
    with pytest.raises(VigieError, match="cannot be written"):
        tail._print("a line")
