"""What Faust does on a real broker, where `vigie worker` relies on it: private calls, pinned by these tests."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

import faust
import pytest
from faust.types import TP
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from streams.kafka.connection import Connection
from streams.kafka.topics import Topics, create_topics
from tests.kafka.brokers import Broker

pytestmark = pytest.mark.slow


def make_app(broker: Broker, group: str) -> faust.App:
    return faust.App(
        group,
        broker=f"kafka://{broker.address}",
        autodiscover=False,
        datadir=tempfile.mkdtemp(),
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
    broker: Broker, topic_prefix: str
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
        app = make_app(broker, group)
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
