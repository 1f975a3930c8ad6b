"""The compacted topics that a role reads back: its rows of state, and the rule files of calls that go on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from audio.errors import VigieError
from streams.alerts.model import RuleSet
from streams.alerts.rules import DEFAULT_PATH, load_rules, parse_rules
from streams.kafka.connection import Connection

log = logging.getLogger("vigie.state")
ASK_AGAIN_S = 5.0
FETCH_BYTES = 8_000_000

Rows = list[tuple[bytes, bytes | None]]


async def load_rows(connection: Connection, topic: str, partitions: Iterable[int]) -> dict[int, Rows]:
    """Every row of these partitions, in their order, up to what was there when asked. Belongs to no group."""
    wanted = [TopicPartition(topic, partition) for partition in partitions]
    rows: dict[int, Rows] = {place.partition: [] for place in wanted}
    if not wanted:
        return rows
    consumer: Any = AIOKafkaConsumer(
        **connection.for_aiokafka(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        consumer.assign(wanted)
        ends = await consumer.end_offsets(wanted)
        await consumer.seek_to_beginning(*wanted)
        left = {place for place in wanted if await consumer.position(place) < ends[place]}
        while left:
            for place, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                rows[place.partition] += [(r.key or b"", r.value) for r in records if r.offset < ends[place]]
            left = {place for place in left if await consumer.position(place) < ends[place]}
    finally:
        await consumer.stop()
    return rows


class Rulebook:
    """Rule sets by fingerprint. A call keeps the rules it started with, whatever file its next worker was given."""

    def __init__(self, path: Path | None, read: Callable[[], dict[str, bytes]]) -> None:
        """`read` fetches what other workers have published; asked only about rules that are not known here.

        Raises:
            VigieError: the file has mistakes.
        """
        own = load_rules(path)
        self.now = own.fingerprint
        self.text = (path or DEFAULT_PATH).read_bytes()
        self._known = {self.now: own}
        self._read = read
        self._asked_s = -ASK_AGAIN_S
        self._lock = threading.Lock()

    def find(self, fingerprint: str) -> RuleSet:
        """The rules of that fingerprint; where they are lost, ours, and the log says so."""
        with self._lock:
            if fingerprint not in self._known and time.monotonic() - self._asked_s >= ASK_AGAIN_S:
                self._asked_s = time.monotonic()
                self._learn(self._read())
            if fingerprint not in self._known:
                log.warning("rules %s are not on the rules topic: their calls go on with %s", fingerprint, self.now)
            return self._known.get(fingerprint, self._known[self.now])

    def _learn(self, published: dict[str, bytes]) -> None:
        for fingerprint, text in published.items():
            if fingerprint in self._known:
                continue
            try:
                rules = parse_rules(text, f"rules {fingerprint}")
            except VigieError as error:
                log.warning("rules %s cannot be read: %s", fingerprint, error.problem)
                continue
            if rules.fingerprint != fingerprint:
                # It extends the bundled rules, and those of this release are others.
                log.warning("rules %s behave otherwise in this release", fingerprint)
            self._known[fingerprint] = rules


def read_rules(connection: Connection, topic: str) -> dict[str, bytes]:
    """Every rule file on the topic, by fingerprint. Takes a moment; nothing is remembered of where it got to."""
    found: dict[str, bytes] = {}
    consumer = KafkaConsumer(**connection.for_kafka_python(), group_id=None, enable_auto_commit=False)
    try:
        places = [KafkaPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()]
        if not places:
            return found
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        consumer.seek_to_beginning(*places)
        while any(consumer.position(place) < ends[place] for place in places):
            for records in consumer.poll(timeout_ms=500).values():
                found.update({r.key.decode("ascii", "replace"): r.value for r in records if r.key and r.value})
    finally:
        consumer.close()
    return found
