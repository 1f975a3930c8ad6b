"""A role's consumer group: its Faust app, and all that is asked of Faust and aiokafka beyond what they publish.

Whatever is private to them is here and in `delivery`; `tests/kafka/test_faust.py` pins it on a real broker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.book import Forgetful
from streams.kafka.connection import Connection
from streams.kafka.delivery import BatchApp, Delivery
from streams.kafka.topics import MESSAGE_BYTES_MAX, STATE_BYTES_MAX

FETCH_BYTES_MIN, FETCH_WAIT_MS_MAX = 65_536, 100
"""A fetch for each chunk would cost more than the chunk: the broker gathers for a moment."""
DELIVERIES_MAX = 4
"""That Faust holds for the agent of a topic, each of one fetch."""
RECORDS_MAX = 500
"""Of one fetch."""
LINGER_S = 0.005
END_KNOWN_MS_MAX = 5_000
"""A broker that is there answers a fetch at least twice a second."""

Offsets = dict[tuple[str, int], int]
"""By topic, without its prefix, and partition."""


class Group:
    """The app of one role, its membership and its clients.

    Args:
        group: id of the consumer group.
        topics: names of the input topics, by their names without prefix.
        folder: for what Faust keeps on disk (nothing, with tables in memory and none of them).
        gathers: whether the broker gathers records for a moment before it answers a fetch.
    """

    def __init__(
        self,
        group: str,
        connection: Connection,
        topics: Mapping[str, str],
        folder: Path,
        *,
        session_timeout_s: float,
        gathers: bool,
    ) -> None:
        self._full, self._gathers = dict(topics), gathers
        self._short = {full: short for short, full in topics.items()}
        self.app = BatchApp(
            group,
            broker=connection.faust_broker(),
            broker_credentials=connection.faust_credentials(),
            autodiscover=False,
            datadir=str(folder),
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=1,
            stream_wait_empty=False,
            stream_buffer_maxsize=DELIVERIES_MAX,
            broker_max_poll_records=RECORDS_MAX,
            broker_session_timeout=session_timeout_s,
            broker_heartbeat_interval=session_timeout_s / 4,
            broker_request_timeout=60.0,
            broker_rebalance_timeout=30.0,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=MESSAGE_BYTES_MAX,
            producer_acks=-1,
            producer_linger=LINGER_S,
            producer_max_request_size=STATE_BYTES_MAX,
            producer_request_timeout=120.0,
        )

    def connect(
        self,
        take: Callable[[str, Delivery], Awaitable[bool]],
        revoked: Callable[..., Awaitable[None]],
        assigned: Callable[..., Awaitable[None]],
    ) -> None:
        """Say who takes the deliveries (False: no more), and who is told of revocations and completed assignments."""
        for short, full in self._full.items():
            topic = self.app.topic(
                full, value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw", acks=False
            )
            self.app.agent(topic, name=f"vigie.{full}")(_agent(short, take))
        self._consumer._read_offset = Forgetful()
        self.app.on_partitions_revoked.connect(revoked)
        self.app.on_rebalance_complete.connect(assigned)

    # Membership -----------------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        return int(self.app.consumer_generation_id)

    def assigned(self) -> set[tuple[str, int]]:
        """Topics without prefix, and partitions, that are ours now."""
        assignment = self._consumer.assignment()
        return {(self._short[tp.topic], tp.partition) for tp in assignment if tp.topic in self._short}

    async def crashed(self) -> BaseException:
        """Waits until Faust gives up; returns why."""
        while not self.app.crashed:
            await asyncio.sleep(0.2)
        return self.app.crash_reason or RuntimeError("Faust crashed")

    # Offsets --------------------------------------------------------------------------------------------------------

    async def offsets(self, places: Iterable[tuple[str, int]]) -> tuple[Offsets, Offsets]:
        """Where to go on, and the ends of the places that have lost their beginning: retention has deleted records
        there that the group had not committed."""
        found: tuple[Offsets, Offsets] = await self._in_consumer(self._offsets, list(places))
        return found

    async def _offsets(self, places: list[tuple[str, int]]) -> tuple[Offsets, Offsets]:
        consumer = self._client
        if self._gathers:
            # Faust has no setting for it.
            fetcher = consumer._fetcher
            fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = FETCH_BYTES_MIN, FETCH_WAIT_MS_MAX
        first = await consumer.beginning_offsets([self._place(*place) for place in places])
        committed = {place: await consumer.committed(self._place(*place)) or 0 for place in places}
        starts = {place: max(committed[place], first[self._place(*place)]) for place in places}
        late = [place for place in places if starts[place] > committed[place]]
        ends = await consumer.end_offsets([self._place(*place) for place in late]) if late else {}
        return starts, {place: ends[self._place(*place)] for place in late}

    async def commit(self, offsets: Offsets) -> None:
        """Raises KafkaError. Faust's own `_commit` crashes the app on any error of the broker."""
        told = {self._place(*place): OffsetAndMetadata(offset, "") for place, offset in offsets.items()}

        async def there() -> None:
            await self._client.commit(told)

        await self._in_consumer(there)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        async def there() -> None:
            self._client.seek(self._place(topic, partition), offset)

        await self._in_consumer(there)

    def end(self, topic: str, partition: int) -> int | None:
        """The offset after the newest record, as of the last fetch; None where nobody can say (`known_end`)."""
        return known_end(self._client, self._place(topic, partition), time.time() * 1000)

    # Output ---------------------------------------------------------------------------------------------------------

    async def send(
        self,
        topic: str,
        key: bytes,
        value: bytes | None,
        partition: int | None,
        headers: list[tuple[str, bytes]] | None,
    ) -> asyncio.Future[Any]:
        """Hand a record over, under the topic's full name; the future is done once all replicas have it."""
        sent: Awaitable[Any] = await self.app.producer.send(topic, key, value, partition, None, headers)
        assert isinstance(sent, asyncio.Future)
        return sent

    # What is Faust's own --------------------------------------------------------------------------------------------

    def _place(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._full[topic], partition)

    @property
    def _consumer(self) -> Any:
        return self.app.consumer

    @property
    def _client(self) -> Any:
        """The aiokafka consumer, which belongs to Faust's consumer thread."""
        return self._consumer._thread._consumer

    async def _in_consumer(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await self._consumer._thread.call_thread(function, *args)


def known_end(client: Any, place: TopicPartition, now_ms: float) -> int | None:
    """What the aiokafka consumer knows of a partition's end; None between two assignments, and where the broker has
    answered no fetch of late. What producers could not send meanwhile comes once it is back: until then a call that
    was read to its end is not a silent one."""
    try:
        end: int | None = client.highwater(place)
        answered_ms: int | None = client.last_poll_timestamp(place)
    except Exception:
        return None
    return end if answered_ms is not None and now_ms - answered_ms < END_KNOWN_MS_MAX else None


def _agent(topic: str, take: Callable[[str, Delivery], Awaitable[bool]]) -> Callable[[Any], Awaitable[None]]:
    async def consume(stream: Any) -> None:
        async for event in stream.noack().events():
            if not await take(topic, event.value):
                return

    return consume
