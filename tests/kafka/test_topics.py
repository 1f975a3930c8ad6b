"""Names, forms and places: what the topics are before any broker is asked."""

from __future__ import annotations

import pytest

from audio.errors import VigieError
from streams.kafka.topics import Topics, check_counts, partition_of, specs


def test_names_are_those_of_the_house_plan_and_a_cell_has_its_own() -> None:
    assert Topics().audio == "calls.audio"
    assert Topics("cell1.").dead_letters == "cell1.calls.dead-letters"
    assert Topics("cell1.").state("listen") == "cell1.calls.state.listen"
    assert len(set(Topics().all())) == 13


@pytest.mark.parametrize("prefix", ["a b", "é", "a/", "x" * 300, "٣"])
def test_a_prefix_that_no_broker_takes_is_refused(prefix: str) -> None:
    with pytest.raises(VigieError):
        Topics(prefix)


def test_every_topic_has_its_form_and_the_same_partitions() -> None:
    made = {spec.name: spec for spec in specs(Topics(), partitions=6, replication=3, retention_ms={"alerts": 1000})}
    assert sorted(made) == sorted(Topics().all())
    assert {spec.partitions for spec in made.values()} == {6}
    assert {spec.configs["min.insync.replicas"] for spec in made.values()} == {"2"}
    assert made["calls.audio"].configs["retention.ms"] == "3600000"
    assert int(made["calls.audio"].configs["segment.ms"]) * 4 < 3_600_000
    assert made["calls.alerts"].configs["retention.ms"] == "1000"
    assert made["calls.state.listen"].configs["cleanup.policy"] == "compact"
    assert made["calls.state.listen"].configs["segment.ms"] == "300000"


def test_one_replica_must_not_wait_for_two() -> None:
    assert {spec.configs["min.insync.replicas"] for spec in specs(Topics())} == {"1"}


def test_a_topic_of_another_number_of_partitions_is_told_with_its_numbers() -> None:
    wanted = specs(Topics(), partitions=6)
    check_counts({"calls.audio": 6}, wanted)
    with pytest.raises(VigieError, match=r"calls\.audio has 5 partitions, and 6"):
        check_counts({"calls.audio": 5}, wanted)


def test_impossible_wishes_are_refused() -> None:
    for wish in ({"partitions": 0}, {"replication": 0}, {"retention_ms": {"alerts": 0}}, {"retention_ms": {"x": 1}}):
        with pytest.raises(VigieError):
            specs(Topics(), **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "hash_"),
    # Java's own: org.apache.kafka.common.utils.UtilsTest.testMurmur2
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_a_key_lies_where_java_puts_it(key: bytes, hash_: int) -> None:
    assert partition_of(key, 24) == (hash_ & 0x7FFFFFFF) % 24
