"""The topics as a feed's source: a consumer whose offsets live in the store, and a producer of calls.feedback.

Offsets are kept beside what followed from them, so that neither a kill nor a restored backup loses or doubles a record.
Several instances on one PostgreSQL share the partitions as a consumer group; membership is Kafka's, the offsets are not.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import sqlalchemy as sa
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError

from audio.errors import VigieError
from streams.events import Record
from streams.feed import tables as t
from streams.feed.absorb import TOPICS, Absorber
from streams.feed.clock import wall_ms
from streams.feed.item import Item
from streams.feed.problems import UnconfirmedError
from streams.feed.source import CONFIRM_S_MAX
from streams.kafka import serde
from streams.kafka.connection import Connection, kafka_errors
from streams.kafka.lines import JSON_TOPICS
from streams.kafka.topics import Topics

POLL_MS = 100
GATHER_MS = 50
"""How long the records of a live stream wait for company: a transaction, and a look at the events, cost the same for
one record as for many. They wait at the broker, so that what comes meanwhile comes along, and not with the next answer."""
GATHER_BYTES = 256 * 1024
"""So much does not wait."""
RECORDS_MAX = 2_000
RETRY_S = 2.0
SILENT_S_MAX = 60.0
log = logging.getLogger("vigie.feed")


class KafkaSource(threading.Thread):
    """Reads the topics into the store until `stop`.

    Raises:
        VigieError: no broker answers, or it refuses.
    """

    def __init__(self, connection: Connection, topics: Topics, absorber: Absorber, group: str) -> None:
        super().__init__(name="vigie-feed-source", daemon=True)
        self._absorber, self._topics = absorber, topics
        self._short = {topics.name(short): short for short in TOPICS}
        self._halt = threading.Event()
        self._polled_s = time.monotonic()
        self._failure: str | None = None
        self.undecodable = 0
        with kafka_errors(connection):
            self._producer = KafkaProducer(
                **connection.for_kafka_python(),
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                client_id="vigie-feed",
            )
            self._consumer = KafkaConsumer(
                **connection.for_kafka_python(),
                group_id=f"{group}.feed",
                client_id="vigie-feed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                max_poll_records=RECORDS_MAX,
                fetch_min_bytes=GATHER_BYTES,
                fetch_max_wait_ms=GATHER_MS,
                session_timeout_ms=10_000,
                heartbeat_interval_ms=3_000,
            )
            self._consumer.subscribe(list(self._short), listener=_Seeking(self))

    def run(self) -> None:
        while not self._halt.is_set():
            try:
                self._round()
                self._failure = None
            except (KafkaError, OSError, sa.exc.SQLAlchemyError) as error:
                # What was polled and not absorbed is read again: the place in the store has not moved.
                self._failure = f"{type(error).__name__}"
                log.error("the topics cannot be read: %s", type(error).__name__)
                self._halt.wait(RETRY_S)
                self._rewind()
        self._consumer.close(autocommit=False)

    def stop(self) -> None:
        self._halt.set()
        self.join(15)
        self._producer.close(timeout=5)

    def publish(self, record: Record) -> None:
        """Send an action; returns when all in-sync replicas have it. Raises UnconfirmedError."""
        value = serde.encode_json("feedback", record)
        try:
            future = self._producer.send(self._topics.feedback, value, serde.key_of(record["call_id"]))
            future.get(CONFIRM_S_MAX)
        except KafkaError as error:
            remedy = "See whether it took effect, else try again; see that the brokers run"
            raise UnconfirmedError(f"Kafka did not confirm it ({type(error).__name__})", remedy=remedy) from error

    def healthy(self) -> str | None:
        if self._failure:
            return self._failure
        if not self.is_alive():
            return "the source has stopped"
        silent = time.monotonic() - self._polled_s > SILENT_S_MAX
        return "the brokers do not answer" if silent else None

    def _round(self) -> None:
        polled = self._consumer.poll(timeout_ms=POLL_MS)
        self._polled_s = time.monotonic()
        items = [item for messages in polled.values() for message in messages if (item := self._item(message))]
        if items:
            items.sort(key=lambda item: item.at)
            self._absorber.absorb(_in_order(items), wall_ms())

    def _item(self, message: Any) -> Item | None:
        short = self._short[message.topic]
        try:
            record = serde.decode_json(JSON_TOPICS[short], message.value or b"")
        except VigieError:
            # Not ours to answer for: its stage has dead letters, and the store has no place for it.
            self.undecodable += 1
            log.warning("no %s at %s[%s]@%s", short, message.topic, message.partition, message.offset)
            return None
        at = serde.captured_ms_of(message.headers) or message.timestamp or wall_ms()
        return Item(short, record, at, message.partition, message.offset)

    def seek(self, partitions: list[TopicPartition]) -> None:
        """Go on where the store is, or at the beginning."""
        with self._absorber.database.reading() as connection:
            known = {(row.topic, row.partition): row.offset for row in connection.execute(sa.select(t.positions))}
        for place in partitions:
            offset = known.get((self._short[place.topic], place.partition))
            if offset is None:
                self._consumer.seek_to_beginning(place)
            else:
                self._consumer.seek(place, offset + 1)

    def want_join(self) -> None:
        """Have the consumer finish the join that it has begun.

        kafka-python 3.0.12 forgets a join that outlives its poll where new partitions asked for it: it then has no
        partition and no heartbeat for good, without an error. Only a rejoin that was asked for is waited for in the
        next poll, and there is no public way to ask.
        """
        self._consumer._coordinator.request_rejoin()

    def _rewind(self) -> None:
        try:
            self.seek(list(self._consumer.assignment()))
        except (KafkaError, OSError, sa.exc.SQLAlchemyError) as error:
            log.error("the store does not answer: %s", type(error).__name__)


class _Seeking(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002
        """Nothing is held: every batch is absorbed before the next poll. The join that begins here is seen through."""
        self._source.want_join()

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._source.seek(list(assigned))


def _in_order(items: list[Item]) -> list[Item]:
    """By time over the topics, and by offset within each partition whatever its records' clocks say."""
    queues: dict[tuple[str, int | None], list[Item]] = {}
    for item in items:
        queues.setdefault((item.topic, item.partition), []).append(item)
    for queue in queues.values():
        queue.sort(key=lambda item: item.offset or 0, reverse=True)
    return [queues[item.topic, item.partition].pop() for item in items]
