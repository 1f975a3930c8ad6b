"""Calls sent to a real broker as a telephony source would, workers as processes of their own, and what comes out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition

from streams.kafka import serde
from streams.kafka.children import dies_with_parent
from streams.kafka.records import AudioRecord, CallAudio
from tests.kafka.calls import Gathered

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """`vigie worker` as a process."""

    def __init__(
        self, bootstrap: str, prefix: str, model: str, log: Path, *flags: str, partitions: int | None = 4
    ) -> None:
        command = [sys.executable, "-m", "streams", "worker", "--broker", bootstrap, "--prefix", prefix]
        command += ["--model", model, "--metrics-port", "0", *flags]
        command += ["--partitions", str(partitions)] if partitions else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stderr=file,
                stdin=subprocess.DEVNULL,
                preexec_fn=dies_with_parent,
            )

    def kill(self) -> None:
        """As the kernel does: nothing is saved."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        tail = self.log.read_text().splitlines(keepends=True)[-20:]
        print("".join(tail), file=sys.stderr)  # pytest shows it where the test fails

    def stop(self) -> int:
        """As an operator does."""
        self.process.terminate()
        return self.process.wait(60)

    @property
    def children(self) -> list[int]:
        """The processes of its roles."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        found: list[int] = []
        for path in tasks.glob("*/children") if tasks.is_dir() else ():
            found += [int(pid) for pid in path.read_text().split()]
        return found

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def send(
    bootstrap: str,
    prefix: str,
    calls: dict[str, list[AudioRecord]],
    *,
    speed: float | None = None,
    stop: threading.Event | None = None,
) -> None:
    """All calls at the same time, on the media clock times `speed` (None: as fast as it goes).

    Every record arrives, in its order, or this raises: aiokafka's idempotent producer outlives a broker's restart, and
    kafka-python's takes many failures for its end.
    """
    timeline: list[tuple[int, int, str, AudioRecord]] = []
    for name, records in calls.items():
        now_ms = 0
        for number, record in enumerate(records):
            if isinstance(record, CallAudio):
                now_ms = record.chunk.offset_samples * 1000 // record.chunk.sample_rate_hz + 100
            timeline.append((now_ms, number, name, record))
    timeline.sort(key=lambda entry: entry[:3])
    asyncio.run(_send(bootstrap, f"{prefix}calls.audio", timeline, speed, stop))


async def _send(
    bootstrap: str,
    topic: str,
    timeline: list[tuple[int, int, str, AudioRecord]],
    speed: float | None,
    stop: threading.Event | None,
) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5, request_timeout_ms=300_000
    )
    await producer.start()
    began_s = time.monotonic()
    sent: list[asyncio.Future[Any]] = []
    try:
        for now_ms, _, name, record in timeline:
            if stop is not None and stop.is_set():
                return
            wait_s = began_s + now_ms / 1000 / speed - time.monotonic() if speed is not None else 0.0
            await asyncio.sleep(max(0.0, wait_s))
            headers = serde.headers_of(time.time_ns() // 1_000_000)
            sent.append(await producer.send(topic, serde.encode_audio(record), key=name.encode(), headers=headers))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


@dataclass
class Listening:
    """Reads what leaves the stages, from the beginning, until every call has its summary."""

    bootstrap: str
    prefix: str
    gathered: Gathered = field(default_factory=Gathered)
    letters: list[dict[str, Any]] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    arrived: list[tuple[str, dict[str, Any], int | None, float]] = field(default_factory=list)

    def until(self, summaries: int, patience_s: float, settle_s: float = 1.0) -> Gathered:
        """Raises AssertionError where they do not come in time."""
        deadline_s = time.monotonic() + patience_s
        settled_s: float | None = None
        for topic, record in self._records():
            self._take(topic, record)
            if len(self.gathered.result.summaries) >= summaries and settled_s is None:
                settled_s = time.monotonic() + settle_s
            if settled_s is not None and time.monotonic() > settled_s:
                return self.gathered
            if time.monotonic() > deadline_s:
                break
        done = sorted(self.gathered.result.summaries)
        raise AssertionError(f"{len(done)} of {summaries} summaries after {patience_s} s: {done}")

    def _take(self, topic: str, record: Any) -> None:
        if record is None:
            return
        value = json.loads(record.value)
        match topic:
            case "calls.alerts":
                self.gathered.alert(value)
                captured_ms = serde.captured_ms_of(record.headers)
                if captured_ms is not None:
                    self.latencies_s.append((record.timestamp - captured_ms) / 1000)
            case "calls.utterances":
                self.gathered.utterance(value)
            case "calls.summaries":
                self.gathered.summary(value)
            case "calls.dead-letters":
                self.letters.append(value)

    def _records(self) -> Iterator[tuple[str, Any]]:
        names = ("calls.alerts", "calls.utterances", "calls.summaries", "calls.dead-letters")
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            places = [
                TopicPartition(self.prefix + name, p)
                for name in names
                for p in consumer.partitions_for_topic(self.prefix + name) or ()
            ]
            assert {place.topic for place in places} == {self.prefix + name for name in names}, "topics are made first"
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            while True:
                for place, records in consumer.poll(timeout_ms=300).items():
                    for record in records:
                        yield place.topic.removeprefix(self.prefix), record
                yield "", None
        finally:
            consumer.close()
