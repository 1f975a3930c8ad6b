"""The store: the same records in any order, doubled, cut by crashes, leave the same world."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.feed import tables as t
from streams.feed.absorb import Absorber
from streams.feed.clips import NoClips
from streams.feed.database import Database
from streams.feed.item import Item
from streams.feed.storable import storable
from streams.kafka.serde import decode_json, encode_json
from tests.feed.conftest import Store
from tests.feed.records import T0, alert, feedback, measurement, summary, utterance, whole_call

NAMES = {"measurements": "measurement", "alerts": "alert", "utterances": "utterance", "summaries": "summary"}
COMPARED = (t.calls, t.alerts, t.revisions, t.seconds, t.utterances, t.feedback)
VARYING = {"changed", "number", "first_at", "seen_at", "ended_at", "raised_at", "onset_at", "at"}
"""What follows from when and in which order records came, and may: numbers of events, and the wall clock."""


def world_of(database: Database) -> dict[str, Any]:
    """All that a store holds, without what follows from the order of arrival."""
    with database.reading() as connection:
        return {
            table.name: sorted(
                repr(sorted((k, v) for k, v in row.items() if k not in VARYING))
                for row in connection.execute(sa.select(table)).mappings()
            )
            for table in COMPARED
        }


def items_of(records: list[tuple[str, Any]], start: int = 0) -> list[Item]:
    """As a topic would hold them: one partition, offsets in the order that they were written."""
    offsets: dict[str, int] = {}
    out = []
    for topic, record in records:
        offsets[topic] = offsets.get(topic, start - 1) + 1
        out.append(Item(topic, record, T0 + 1000 * len(out), 0, offsets[topic]))
    return out


def absorbed(path: Path, batches: list[list[Item]]) -> dict[str, Any]:
    database = Database(str(path))
    try:
        for batch in batches:
            Absorber(database, NoClips().describe).absorb(batch, T0)
        return world_of(database)
    finally:
        database.close()


CALLS = [record for n in range(3) for record in whole_call(f"c{n}", site=f"s{n % 2}")] + [
    ("feedback", feedback("c0-a1", "c0", "acknowledged", 1)),
    ("feedback", feedback("c0-a1", "c0", "noted", 2)),
    ("feedback", feedback("c1-a1", "c1", "dismissed", 3)),
]


@pytest.mark.parametrize(("topic", "record"), [pair for pair in CALLS if pair[0] != "feedback"])
def test_the_records_of_these_tests_are_valid(topic: str, record: dict[str, Any]) -> None:
    assert decode_json(NAMES[topic], encode_json(NAMES[topic], record)) == record


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, len(CALLS)), max_size=6))
def test_any_interleaving_of_the_topics_and_any_restart_leaves_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("world")
    plain = absorbed(folder / "plain.db", [items_of(CALLS)])
    chance = random.Random(seed)
    # Each topic keeps its own order; how they mix is chance. After each cut the source reads some of it again.
    left = {name: [i for i in items_of(CALLS) if i.topic == name] for name in {i.topic for i in items_of(CALLS)}}
    mixed = []
    while any(left.values()):
        name = chance.choice([n for n, found in sorted(left.items()) if found])
        mixed.append(left[name].pop(0))
    batches, start = [], 0
    for stop in [*sorted(cuts), len(mixed)]:
        batches.append(mixed[max(0, start - chance.randrange(10)) : stop])
        start = stop
    assert absorbed(folder / "mixed.db", batches) == plain


def test_a_batch_that_fails_leaves_nothing_and_is_taken_again(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "feed.db"))
    before = world_of(database)
    wrong = True

    def describe(row: Any) -> dict[str, Any]:
        if wrong:
            raise OSError("the disk is gone")
        return NoClips().describe(row)

    absorber = Absorber(database, describe)
    with pytest.raises(OSError, match="gone"):
        absorber.absorb(items_of(CALLS), T0)
    assert world_of(database) == before
    wrong = False
    absorber.absorb(items_of(CALLS), T0)
    assert len(world_of(database)["calls"]) == 3


def test_a_lower_revision_never_overwrites_a_higher_one(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "feed.db"))
    absorber = Absorber(database, NoClips().describe)
    absorber.absorb([Item("alerts", alert("c", "a", 2, state="escalated", severity="critical"), T0)], T0)
    absorber.absorb([Item("alerts", alert("c", "a", 1), T0)], T0)
    with database.reading() as connection:
        row = connection.execute(sa.select(t.alerts)).mappings().one()
        call = connection.execute(sa.select(t.calls)).mappings().one()
    assert (row["revision"], row["severity"]) == (2, "critical")
    assert (call["critical"], call["warning"]) == (1, 0)
    assert call["health"] < 100


def test_the_first_terminal_record_of_an_utterance_counts(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "feed.db"))
    absorber = Absorber(database, NoClips().describe)
    given_up = utterance("c", 1, "", state="given_up", reason="deadline")
    absorber.absorb([Item("utterances", given_up, T0), Item("utterances", utterance("c", 1, "trop tard"), T0)], T0)
    with database.reading() as connection:
        assert connection.execute(sa.select(t.utterances.c.state, t.utterances.c.text)).all() == [("given_up", "")]


def test_a_call_is_over_when_its_last_second_and_its_summary_are_here_in_either_order(tmp_path: Path) -> None:
    seconds = [("measurements", measurement("c", n, last=n == 4)) for n in range(5)]
    for name, records in (
        ("a", [*seconds, ("summaries", summary("c", 5))]),
        ("b", [("summaries", summary("c", 5)), *seconds]),
        ("c", [*seconds[::-1], ("summaries", summary("c", 5))]),
    ):
        database = Database(str(tmp_path / f"{name}.db"))
        absorber = Absorber(database, NoClips().describe)
        for topic, record in records:
            absorber.absorb([Item(topic, record, T0)], T0)
        with database.reading() as connection:
            call = connection.execute(sa.select(t.calls)).mappings().one()
            left = connection.execute(sa.select(sa.func.count()).select_from(t.seconds)).scalar_one()
        assert call["complete"], name
        assert left == 0
        assert call["timeline"]["agent"]["speech"] == [[n * 1000, n * 1000 + 500] for n in range(5)]
        assert call["coverage"] == "monitored"


def test_records_of_an_erased_call_are_passed_over(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "feed.db"))
    with database.writing() as connection:
        connection.execute(t.forgotten.insert().values(call_id="c0", at=T0))
    absorber = Absorber(database, NoClips().describe)
    absorber.absorb(items_of(CALLS), T0)
    with database.reading() as connection:
        assert set(connection.execute(sa.select(t.calls.c.call_id)).scalars()) == {"c1", "c2"}
    assert absorber.dropped == sum(record["call_id"] == "c0" for _, record in CALLS)


@pytest.mark.parametrize("bad", ["a\0b", "a\ud800b"])
def test_a_record_with_a_character_that_no_store_takes_does_not_stop_the_feed(store: Store, bad: str) -> None:
    store.take(("measurements", measurement(bad, 0, site=bad)))
    store.take(("alerts", alert(bad, bad)), ("utterances", utterance(bad, 1, bad)))
    columns = (t.calls.c.call_id, t.alerts.c.call_id, t.alerts.c.alert_id, t.utterances.c.text)
    with store.database.reading() as connection:
        found = [connection.execute(sa.select(column)).scalar_one() for column in columns]
    assert found == ["a\N{REPLACEMENT CHARACTER}b"] * 4


def test_a_record_that_every_store_takes_is_left_as_it_is() -> None:
    record = whole_call("call-1")[0][1]
    assert storable(record) is record


def taken(path: Path, *records: tuple[str, Any]) -> Database:
    database = Database(str(path))
    absorber = Absorber(database, NoClips().describe)
    for topic, record in records:
        absorber.absorb([Item(topic, record, T0)], T0 + 5_000)
    return database


NOWHERE: dict[str, Any] = dict.fromkeys(("agent", "queue", "site", "trunk", "language"))


@pytest.mark.parametrize("later", ["alert", "summary", "measurement"])
def test_an_alert_without_a_place_takes_the_one_that_its_call_is_told_later(tmp_path: Path, later: str) -> None:
    told = {
        "alert": ("alerts", alert("c", "b", site="dakar")),
        "summary": ("summaries", {**summary("c", 5), "site": "dakar"}),
        "measurement": ("measurements", measurement("c", 0, site="dakar")),
    }
    database = taken(tmp_path / "feed.db", ("alerts", alert("c", "a", **NOWHERE)), told[later])
    with database.reading() as connection:
        query = sa.select(t.alerts.c.site).where(t.alerts.c.alert_id == "a")
        assert connection.execute(query).scalar_one() == "dakar"


def test_a_call_keeps_the_place_it_was_given(tmp_path: Path) -> None:
    moved = alert("c", "a", 2, site="dakar")
    database = taken(tmp_path / "feed.db", ("measurements", measurement("c", 0, site="rabat")), ("alerts", moved))
    with database.reading() as connection:
        assert connection.execute(sa.select(t.calls.c.site)).scalar_one() == "rabat"


def test_an_interim_that_comes_first_makes_its_call_known_at_its_own_time(tmp_path: Path) -> None:
    interim = utterance("c", 1, "je", state="interim", final=False)
    database = taken(tmp_path / "feed.db", ("utterances", interim))
    with database.reading() as connection:
        assert connection.execute(sa.select(t.calls.c.first_at)).scalar_one() == T0
        assert set(connection.execute(sa.select(t.events.c.kind)).scalars()) == {"call", "utterance"}


def test_feedback_that_names_another_call_than_its_alert_stops_nothing(tmp_path: Path) -> None:
    stray = feedback("a", "another", "acknowledged")
    database = taken(tmp_path / "feed.db", ("alerts", alert("c", "a")), ("feedback", stray))
    with database.reading() as connection:
        assert connection.execute(sa.select(t.alerts.c.acknowledged_by)).scalar_one() == "amina"


@pytest.mark.parametrize("field", ["start_ms", "seq", "onset_ms"])
def test_a_record_that_no_store_takes_does_not_stop_the_others(store: Store, field: str) -> None:
    bad: tuple[str, Any] = ("measurements", {**measurement("bad", 1), field: 2**70})
    if field == "onset_ms":
        bad = ("alerts", alert("bad", "bad", onset_ms=2**70))
    elif field == "start_ms":
        bad = ("utterances", utterance("bad", 1, "mot", start_ms=2**70))
    around = [("measurements", measurement("good", n)) for n in range(5)]
    records = [*around[:2], bad, *around[2:], ("utterances", utterance("good", 1, "la ligne coupe"))]
    store.absorber.absorb(items_of(records), T0)
    assert store.absorber.refused == 1
    with store.database.reading() as connection:
        assert list(connection.execute(sa.select(t.seconds.c.seq).order_by(t.seconds.c.seq)).scalars()) == [
            0,
            1,
            2,
            3,
            4,
        ]
        assert list(connection.execute(sa.select(t.utterances.c.call_id)).scalars()) == ["good"]
        places = {row.topic: row.offset for row in connection.execute(sa.select(t.positions))}
    newest = {item.topic: item.offset for item in items_of(records)}
    assert places == newest
    before = world_of(store.database)
    store.absorber.absorb(items_of(records), T0)
    assert (world_of(store.database), store.absorber.refused) == (before, 1)


def test_a_store_that_is_gone_is_no_records_fault(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> Any:
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patched:
        patched.setattr(Absorber, "_write", gone)
        with pytest.raises(sa.exc.OperationalError):
            store.absorber.absorb(items_of(whole_call("c1")), T0)
    assert store.absorber.refused == 0
    store.absorber.absorb(items_of(whole_call("c1")), T0)
    assert store.absorber.absorbed == len(whole_call("c1"))


def test_a_number_without_an_end_is_none() -> None:
    """JSON that names 1e999 is read as infinity, which no browser could read again."""
    record = decode_json("alert", encode_json("alert", alert("c", "a")).replace(b'"value":10000', b'"value":1e999'))
    assert record["evidence"]["value"] == float("inf")
    assert storable(record)["evidence"]["value"] is None
