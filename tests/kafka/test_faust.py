"""What Faust does on a real broker, where `vigie worker` relies on it: private calls, pinned by these tests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.types import TP
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from streams.kafka.connection import Connection
from streams.kafka.delivery import BatchApp, BatchConsumer, Delivery
from streams.kafka.group import Group
from streams.kafka.topics import Topics, create_topics
from tests.kafka.brokers import Broker

pytestmark = pytest.mark.slow


def make_app(broker: Broker, group: str, folder: Path) -> faust.App:
    return faust.App(
        group,
        broker=f"kafka://{broker.address}",
        autodiscover=False,
        datadir=str(folder),
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=1,
        stream_wait_empty=False,
        broker_session_timeout=10,
        broker_heartbeat_interval=2.5,
    )


def test_nothing_is_committed_but_what_we_say_and_the_group_is_left_at_the_end(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    """With `acks=False` Faust tracks nothing, `consumer._commit` commits, and no event that is held stops the stop."""
    topics = Topics(topic_prefix)
    create_topics(Connection(broker.address), topics, partitions=1)
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for number in range(20):
        producer.send(topics.audio, value=b"%d" % number, key=b"k")
    producer.flush()
    producer.close()
    group = f"{topic_prefix}seen"
    held: list[Any] = []
    notes: dict[str, Any] = {}

    async def main() -> None:
        app = make_app(broker, group, tmp_path)
        topic = app.topic(
            topics.audio, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False
        )

        async def consume(stream: Any) -> None:
            async for event in stream.noack().events():
                held.append(event)

        app.agent(topic)(consume)
        await app.start()
        for _ in range(300):
            await asyncio.sleep(0.1)
            if len(held) == 20:
                break
        await asyncio.sleep(3.5)  # Faust's own interval between commits is 2.8 s
        consumer: Any = app.consumer
        place = TopicPartition(topics.audio, 0)
        notes["before"] = await consumer._thread.call_thread(consumer._thread._consumer.committed, place)
        notes["unacked"] = len(consumer.unacked)
        notes["committed"] = await consumer._commit({TP(topics.audio, 0): 7})
        notes["stopped"] = await asyncio.wait_for(app.stop(), 20)

    asyncio.run(main())
    assert [event.message.offset for event in held] == list(range(20))
    assert notes == {"before": None, "unacked": 0, "committed": True, "stopped": None}
    reader = KafkaConsumer(bootstrap_servers=broker.address, group_id=group, enable_auto_commit=False)
    assert reader.committed(TopicPartition(topics.audio, 0)) == 7
    reader.close()
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    described: Any = admin.describe_groups([group])
    admin.close()
    assert not (described[group] if isinstance(described, dict) else described[0])["members"]


def test_a_fetch_comes_whole_and_what_is_sought_again_comes_again(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    """`Group` over `BatchApp`: assignment, deliveries, seek back, commit and end, as `RoleApp` uses them."""
    topics = Topics(topic_prefix)
    create_topics(Connection(broker.address), topics, partitions=2)
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for number in range(600):
        producer.send(topics.audio, value=b"%d" % number, key=b"k", partition=number % 2)
    producer.flush()
    producer.close()
    taken: list[tuple[int, int, int]] = []
    deliveries: list[Delivery] = []
    notes: dict[str, Any] = {}
    name = "calls.audio"

    async def main() -> None:
        ready = asyncio.Event()
        group = Group(
            f"{topic_prefix}whole",
            Connection(broker.address),
            {name: topics.audio},
            tmp_path,
            session_timeout_s=10,
            gathers=True,
        )

        async def take(topic: str, delivery: Delivery) -> bool:
            assert topic == name
            deliveries.append(delivery)
            for partition, records in delivery.records.items():
                taken.extend((delivery.generation, partition, record.offset) for record in records)
            return True

        async def revoked(*_: Any, **__: Any) -> None:
            notes["revoked"] = True

        async def assigned(*_: Any, **__: Any) -> None:
            notes["assigned"] = group.assigned()
            notes["offsets"] = await group.offsets(group.assigned())
            notes["fetch"] = group._client._fetcher._fetch_min_bytes
            ready.set()

        async def until(count: int) -> None:
            for _ in range(300):
                if len(taken) >= count:
                    return
                await asyncio.sleep(0.1)
            raise AssertionError(f"{len(taken)} of {count} records came")

        group.connect(take, revoked, assigned)
        await group.app.start()
        await asyncio.wait_for(ready.wait(), 60)
        await until(600)
        notes["end"] = group.end(name, 1)
        await group.seek(name, 1, 290)
        await until(610)
        await group.commit({(name, 0): 12})
        notes["committed"] = await group.offsets(group.assigned())
        await asyncio.wait_for(group.app.stop(), 20)

    asyncio.run(main())
    generation = taken[0][0]
    places = {(name, 0), (name, 1)}
    assert notes["assigned"] == places
    assert notes["offsets"] == (dict.fromkeys(places, 0), {})
    assert notes["fetch"] > 1
    for partition in (0, 1):
        first = [offset for _, where, offset in taken[:600] if where == partition]
        assert first == list(range(300))
    assert taken[600:] == [(generation, 1, offset) for offset in range(290, 300)]
    assert notes["end"] == 300
    assert notes["committed"] == ({(name, 0): 12, (name, 1): 0}, {})
    assert len(deliveries) < 60, "records come together"


def test_a_full_queue_holds_nobody_once_the_flow_stops_or_it_is_cleared(tmp_path: Path) -> None:
    """What Faust clears it cancels: the fetcher must outlive that, and must not wait for room in a stopped flow."""

    async def main() -> None:
        app = BatchApp(
            "full", broker="kafka://127.0.0.1:9", store="memory://", datadir=str(tmp_path), web_enabled=False
        )
        consumer: Any = app.consumer
        assert isinstance(consumer, BatchConsumer)
        app.flow_control.resume()
        queue = app.FlowControlQueue(1, clear_on_resume=True)
        await consumer._put(queue, "first")
        waiting = asyncio.create_task(consumer._put(queue, "second"))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "there is no room"
        assert await queue.get() == "first"
        await asyncio.wait_for(waiting, 5)
        assert queue.get_nowait() == "second"

        await consumer._put(queue, "third")
        waiting = asyncio.create_task(consumer._put(queue, "fourth"))
        await asyncio.sleep(0.05)
        consumer.stop_flow()
        await asyncio.wait_for(waiting, 5)
        consumer.resume_flow()
        waiting = asyncio.create_task(consumer._put(queue, "fifth"))
        await asyncio.sleep(0.05)
        app.flow_control.clear()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(main())
