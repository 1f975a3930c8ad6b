"""The topics: their names, their form, and how they come to be.

A record's key is its call id, and its partition is the murmur2 hash of that key: partition n of every topic holds the
same calls, which is why partition counts are equal over the topics, and fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError
from kafka.partitioner.default import murmur2

from audio.errors import VigieError
from streams.kafka.connection import Connection, kafka_errors

PARTITIONS = 24
"""For a cell of about 1,500 calls; see the house plan. A single machine takes fewer."""
ROLES = ("listen", "transcribe", "supervise", "evidence")
SHORT_NAMES = (
    "audio",
    "speech",
    "measurements",
    "utterances",
    "alerts",
    "summaries",
    "feedback",
    "dead-letters",
)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RETENTION_MS: Mapping[str, int] = {
    "audio": HOUR_MS,
    "speech": HOUR_MS,
    "measurements": 7 * DAY_MS,
    "utterances": 30 * DAY_MS,
    "alerts": 90 * DAY_MS,
    "summaries": 90 * DAY_MS,
    "feedback": 90 * DAY_MS,
    "dead-letters": 7 * DAY_MS,
}
"""Unredacted sound is kept one hour; what is retained longest is what a lost store is rebuilt from."""
SEGMENT_MS_SHORT = 5 * 60_000
"""A segment is deleted or compacted only once it is closed: an hour of retention, or a state of now, needs short ones."""
MESSAGE_BYTES_MAX = 1_150_000
"""A broker's usual limit is 1,048,588; a chunk of 1 MB with its frame is a little over."""
STATE_BYTES_MAX = 8_000_000
NAME_LENGTH_MAX = 249


@dataclass(frozen=True, slots=True)
class Topics:
    """The names, with a cell's prefix (`cell1.`) where there is one."""

    prefix: str = ""

    def __post_init__(self) -> None:
        legal = all(c.isascii() and (c.isalnum() or c in "._-") for c in self.prefix)
        if not legal or len(self.prefix) > NAME_LENGTH_MAX - 40:
            raise VigieError(
                f"{self.prefix[:60]!r} cannot begin a topic's name",
                remedy="Use up to 209 ASCII letters, digits, '.', '_' and '-', such as 'cell1.'",
                field="prefix",
            )

    def name(self, short: str) -> str:
        return f"{self.prefix}calls.{short}"

    @property
    def audio(self) -> str:
        return self.name("audio")

    @property
    def speech(self) -> str:
        return self.name("speech")

    @property
    def measurements(self) -> str:
        return self.name("measurements")

    @property
    def utterances(self) -> str:
        return self.name("utterances")

    @property
    def alerts(self) -> str:
        return self.name("alerts")

    @property
    def summaries(self) -> str:
        return self.name("summaries")

    @property
    def feedback(self) -> str:
        return self.name("feedback")

    @property
    def dead_letters(self) -> str:
        return self.name("dead-letters")

    @property
    def rules(self) -> str:
        """Compacted: rule files by the hash of their content, so that a call keeps the rules it started with."""
        return self.name("rules")

    def state(self, role: str) -> str:
        """Compacted: one row a call, on the partition of the role's input."""
        return self.name(f"state.{role}")

    def all(self) -> list[str]:
        return [*map(self.name, SHORT_NAMES), self.rules, *map(self.state, ROLES)]


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str] = field(default_factory=dict)


def specs(
    topics: Topics,
    *,
    partitions: int = PARTITIONS,
    replication: int = 1,
    retention_ms: Mapping[str, int] | None = None,
) -> list[TopicSpec]:
    """What every topic looks like; `retention_ms` by short name overrides `RETENTION_MS`.

    Raises:
        VigieError: a retention is given for no topic, or a number is out of range.
    """
    kept = {**RETENTION_MS, **(retention_ms or {})}
    if unknown := sorted(set(kept) - set(SHORT_NAMES)):
        raise VigieError(
            f"no topic is named {unknown[0][:40]!r}", remedy=f"Use one of: {', '.join(SHORT_NAMES)}", field="retention"
        )
    if partitions < 1 or replication < 1 or min(kept.values()) < 1:
        raise VigieError("partitions, replication and retention are at least 1", remedy="Give positive whole numbers")
    # With three replicas a record is confirmed once two have it: one broker may fail and nothing is lost or stopped.
    safe = {"min.insync.replicas": str(2 if replication >= 3 else 1)}
    out = []
    for short in SHORT_NAMES:
        segment_ms = SEGMENT_MS_SHORT if kept[short] <= DAY_MS else DAY_MS
        configs = {
            "cleanup.policy": "delete",
            "retention.ms": str(kept[short]),
            "segment.ms": str(segment_ms),
            "max.message.bytes": str(MESSAGE_BYTES_MAX),
            # The producer's codec is kept: audio is stored as it came.
            "compression.type": "producer",
            **safe,
        }
        out.append(TopicSpec(topics.name(short), partitions, replication, configs))
    for name in (topics.rules, *map(topics.state, ROLES)):
        configs = {
            "cleanup.policy": "compact",
            "segment.ms": str(SEGMENT_MS_SHORT),
            "min.cleanable.dirty.ratio": "0.1",
            "max.message.bytes": str(STATE_BYTES_MAX),
            **safe,
        }
        out.append(TopicSpec(name, partitions, replication, configs))
    return out


def create_topics(
    connection: Connection,
    topics: Topics,
    *,
    partitions: int = PARTITIONS,
    replication: int = 1,
    retention_ms: Mapping[str, int] | None = None,
) -> list[str]:
    """Make the topics that are missing; returns their names. A second time changes nothing.

    Raises:
        VigieError: the broker cannot be reached or refuses, or a topic is there with another number of partitions.
    """
    wanted = specs(topics, partitions=partitions, replication=replication, retention_ms=retention_ms)
    with kafka_errors(connection):
        admin = KafkaAdminClient(**connection.for_kafka_python(), client_id="vigie-topics")
        try:
            return _create_missing(admin, wanted)
        finally:
            admin.close()


def partition_counts(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """How many partitions each of these topics has; those that are not there are left out.

    Raises:
        VigieError: the broker cannot be reached or refuses.
    """
    with kafka_errors(connection):
        admin = KafkaAdminClient(**connection.for_kafka_python(), client_id="vigie-topics")
        try:
            return _counts(admin, list(names))
        finally:
            admin.close()


def check_counts(counts: Mapping[str, int], wanted: Iterable[TopicSpec]) -> None:
    """Raises VigieError where a topic that is there has another number of partitions than is wanted."""
    for spec in wanted:
        there = counts.get(spec.name, spec.partitions)
        if there != spec.partitions:
            raise VigieError(
                f"topic {spec.name} has {there} partitions, and {spec.partitions} are wanted",
                remedy="All topics of one prefix have the same number, for good: set partitions to what is there, "
                "or use another prefix",
                field="partitions",
            )


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Where a key belongs: kafka-python's and Java's default. librdkafka needs `partitioner=murmur2_random`."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def _create_missing(admin: KafkaAdminClient, wanted: list[TopicSpec]) -> list[str]:
    counts = _counts(admin, [spec.name for spec in wanted])
    check_counts(counts, wanted)
    missing = [spec for spec in wanted if spec.name not in counts]
    if not missing:
        return []
    request = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": dict(spec.configs),
        }
        for spec in missing
    }
    try:
        admin.create_topics(request, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        # Somebody else was starting too: what they made must fit, and what is still missing is made now.
        return _create_missing(admin, wanted)
    return [spec.name for spec in missing]


def _counts(admin: KafkaAdminClient, names: list[str]) -> dict[str, int]:
    # Asking for a topic by name could create it; the list of all never does.
    there = set(names) & set(admin.list_topics())
    if not there:
        return {}
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(sorted(there))}
