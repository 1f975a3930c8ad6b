"""Topics on a real broker: made once, checked ever after."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from audio.errors import VigieError
from streams.kafka.connection import Connection
from streams.kafka.topics import Topics, create_topics, partition_counts, partition_of
from tests.kafka.brokers import Broker


def test_topics_are_made_once_with_their_form(broker: Broker, topic_prefix: str) -> None:
    connection, topics = Connection(broker.address), Topics(topic_prefix)
    assert sorted(create_topics(connection, topics, partitions=3)) == sorted(topics.all())
    assert create_topics(connection, topics, partitions=3) == []
    assert partition_counts(connection, [*topics.all(), "not there"]) == dict.fromkeys(topics.all(), 3)
    admin = KafkaAdminClient(**connection.for_kafka_python())
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topics.state("listen"))
        assert "compact" in str(admin.describe_configs([resource]))
    finally:
        admin.close()


def test_another_number_of_partitions_is_refused_and_nothing_is_made(broker: Broker, topic_prefix: str) -> None:
    connection, topics = Connection(broker.address), Topics(topic_prefix)
    admin = KafkaAdminClient(**connection.for_kafka_python())
    try:
        admin.create_topics({topics.alerts: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    finally:
        admin.close()
    with pytest.raises(VigieError, match="has 2 partitions, and 3 are wanted"):
        create_topics(connection, topics, partitions=3)
    assert partition_counts(connection, topics.all()) == {topics.alerts: 2}


def test_more_replicas_than_brokers_is_the_users_mistake(broker: Broker, topic_prefix: str) -> None:
    with pytest.raises(VigieError, match="InvalidReplicationFactor"):
        create_topics(Connection(broker.address), Topics(topic_prefix), partitions=1, replication=3)


def test_kafka_python_puts_a_key_where_we_expect_it(broker: Broker, topic_prefix: str) -> None:
    connection, topics = Connection(broker.address), Topics(topic_prefix)
    create_topics(connection, topics, partitions=5)
    producer = KafkaProducer(**connection.for_kafka_python())
    keys = [f"appel-é-{number}".encode() for number in range(20)]
    sent = [producer.send(topics.alerts, key=key, value=b"x").get(30).partition for key in keys]
    producer.close()
    assert sent == [partition_of(key, 5) for key in keys]
    assert len(set(sent)) > 1


def test_a_secured_broker_takes_the_right_user_only(
    secured_broker: Broker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka.connection.BOOTSTRAP_TIMEOUT_MS", 3_000)
    good = {
        "security": "SASL_SSL",
        "user": secured_broker.user,
        "password": secured_broker.password_file.read_text().strip(),
        "ca_file": str(secured_broker.ca_file),
    }
    topics = Topics(topic_prefix)
    assert create_topics(Connection(secured_broker.address, **good), topics, partitions=1)
    for wrong, words in [
        ({"password": "wrong"}, "refuses this user|lets us in"),
        ({"ca_file": None}, "TLS failed"),
        ({"security": "PLAINTEXT"}, "no broker answers"),
    ]:
        with pytest.raises(VigieError, match=words):
            partition_counts(Connection(secured_broker.address, **{**good, **wrong}), topics.all())  # type: ignore[arg-type]
