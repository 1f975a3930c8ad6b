"""Pages by place: whatever comes, goes or moves between two pages, what stayed where it was comes once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams.feed import audit, overview, queries
from streams.feed import tables as t
from streams.feed.access import everything
from streams.feed.clips import NoClips
from streams.feed.database import insert
from streams.feed.paging import CURSOR_CHARS_MAX, Order
from streams.feed.queries import CALL_ORDERS, NEWEST_FIRST, WORST_FIRST, AlertFilter, CallFilter
from tests.feed.conftest import Store
from tests.feed.records import alert, measurement, utterance

PAGED_MAX = 100
NOW = 1_790_000_000_000
SCOPE = everything()
ORDERS = [NEWEST_FIRST, WORST_FIRST, *CALL_ORDERS.values(), overview.LATEST_SAID, audit.LATEST]
Row = dict[str, Any]
Ask = Callable[[sa.Connection, int, str | None], dict[str, Any]]


@dataclass(frozen=True)
class Listing:
    """A list of the API: how it is asked, what decides a row's place in it, and whether a row belongs."""

    table: sa.Table
    row: dict[str, st.SearchStrategy[Any]]
    ask: Ask
    place: Callable[[Row], Any]
    belongs: Callable[[Row], bool] = lambda _: True


def asked_alerts(state: str) -> Ask:
    def ask(connection: sa.Connection, limit: int, cursor: str | None) -> dict[str, Any]:
        return queries.alerts(connection, SCOPE, AlertFilter(state), NoClips().describe, NOW, limit, cursor)

    return ask


def asked_calls(sort: str) -> Ask:
    def ask(connection: sa.Connection, limit: int, cursor: str | None) -> dict[str, Any]:
        return queries.calls(connection, SCOPE, CallFilter(sort=sort), NOW, limit, cursor)

    return ask


def asked_coverage(connection: sa.Connection, limit: int, cursor: str | None) -> dict[str, Any]:
    return overview.coverage(connection, SCOPE, CallFilter(), NOW, limit, cursor)


MOMENTS = st.sampled_from([NOW - 1, NOW - 2, NOW - 3])
ALERT = {
    "rank": st.integers(0, 1),
    "acknowledged_at": st.sampled_from([None, NOW]),
    "raised_at": MOMENTS,
    "state": st.sampled_from(["raised", "raised", "cleared"]),
}
CALL = {
    "first_at": MOMENTS,
    "health": st.sampled_from([71.3, 100.0]),
    "duration_ms": st.sampled_from([0, 2**40]),
    "coverage": st.sampled_from(["live", "partial"]),
}
LISTINGS = {
    "alerts, all": Listing(t.alerts, ALERT, asked_alerts("all"), lambda r: (-r["raised_at"], r["alert_id"])),
    "alerts, open": Listing(
        t.alerts,
        ALERT,
        asked_alerts("open"),
        lambda r: (r["rank"], r["acknowledged_at"] is not None, -r["raised_at"], r["alert_id"]),
        lambda r: r["state"] == "raised",
    ),
    "calls, newest": Listing(t.calls, CALL, asked_calls("newest"), lambda r: (-r["first_at"], r["call_id"])),
    "calls, health": Listing(
        t.calls, CALL, asked_calls("health"), lambda r: (r["health"], -r["first_at"], r["call_id"])
    ),
    "calls, longest": Listing(t.calls, CALL, asked_calls("longest"), lambda r: (-r["duration_ms"], r["call_id"])),
    "coverage": Listing(
        t.calls,
        CALL,
        asked_coverage,
        lambda r: (-r["first_at"], r["call_id"]),
        lambda r: r["coverage"] == "partial",
    ),
}
FILLED = {
    "alerts": {
        "call_id": "live",
        "revision": 1,
        "rule_id": "echo",
        "severity": "info",
        "verdict": "human",
        "notes": [],
    },
    "calls": {"seen_at": NOW},
}


def put(connection: sa.Connection, table: sa.Table, row: Row) -> None:
    (key,) = table.primary_key.columns
    values = {**FILLED[table.name], **row}
    if table is t.alerts:
        values |= {"onset_at": row["raised_at"], "record": {"alert_id": row["alert_id"]}}
    statement = insert(connection, table).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=[key.name], set_=row))


@pytest.mark.parametrize("name", LISTINGS)
def test_what_stays_where_it_is_comes_once_whatever_happens_between_two_pages(store: Store, name: str) -> None:
    listing = LISTINGS[name]
    (key,) = listing.table.primary_key.columns
    ids = [f"i{number:02}" for number in range(12)]
    row = st.fixed_dictionaries(listing.row)
    worlds = st.dictionaries(st.sampled_from(ids), row, min_size=3)
    edits = st.lists(st.tuples(st.sampled_from(ids), st.one_of(st.none(), row)), max_size=3)

    @given(world=worlds, between=st.lists(edits, max_size=6), limit=st.integers(1, 4))
    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )
    def paged(world: dict[str, Row], between: list[list[tuple[str, Row | None]]], limit: int) -> None:
        world = {name: {key.name: name, **row} for name, row in world.items()}
        with store.database.writing() as connection:
            connection.execute(sa.delete(t.alerts))
            connection.execute(sa.delete(t.calls))
            if listing.table is t.alerts:
                connection.execute(t.calls.insert(), {"call_id": "live", "first_at": NOW, "seen_at": NOW})
            for row in world.values():
                put(connection, listing.table, row)
            edited, seen, cursor = set[str](), list[str](), None
            steady = dict(world)
            while True:
                page = listing.ask(connection, limit, cursor)
                assert page["total"] == sum(map(listing.belongs, world.values()))
                seen += [item[key.name] for item in page["items"]]
                cursor = page["next"]
                if cursor is None:
                    break
                assert len(page["items"]) == limit
                assert len(seen) < PAGED_MAX, "it has no end"
                for name, new in between.pop(0) if between else []:
                    edited.add(name)
                    if new is None:
                        world.pop(name, None)
                        connection.execute(sa.delete(listing.table).where(key == name))
                    else:
                        world[name] = {key.name: name, **new}
                        put(connection, listing.table, world[name])
        kept = [row for name, row in steady.items() if name not in edited and listing.belongs(row)]
        expected = [row[key.name] for row in sorted(kept, key=listing.place)]
        assert [name for name in seen if name not in edited] == expected

    paged()


def test_what_is_said_and_noted_meanwhile_moves_no_page(store: Store) -> None:
    def say(number: int) -> None:
        store.take(("utterances", utterance("c1", number, "bonjour")))
        audit.note(store.database, "amina", "words")

    store.take(("measurements", measurement("c1", 0)))
    for number in range(5):
        say(number)
    found, noted = list[str](), list[int]()
    said = heard = None
    for number in range(5, 8):
        with store.database.reading() as connection:
            page = overview.search(connection, SCOPE, overview.SearchFilter("bonjour"), 2, said)
            log = audit.entries(connection, SCOPE, None, None, None, 2, heard)
        said, heard = page["next"], log["next"]
        found += [item["utterance_id"] for item in page["items"]]
        noted += [entry["number"] for entry in log["items"]]
        assert log["total"] == number
        say(number)
    assert found == [f"c1:c{number}" for number in (4, 3, 2, 1, 0)]
    assert len(noted) == 5
    assert noted == sorted(set(noted), reverse=True)
    assert (said, heard) == (None, None)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_nothing_that_a_list_is_sorted_by_can_be_null(order: Order) -> None:
    columns = [key.by for key in order.keys if isinstance(key.by, sa.Column)]
    assert not [column.name for column in columns if column.nullable]
    assert columns[-1].primary_key
    computed = [key.by for key in order.keys if not isinstance(key.by, sa.Column)]
    assert [str(by) for by in computed] == (
        ["CASE WHEN (alerts.acknowledged_at IS NULL) THEN :param_1 ELSE :param_2 END"] if order is WORST_FIRST else []
    )


def test_each_order_has_a_name_of_its_own() -> None:
    assert len({order.name for order in ORDERS}) == len(ORDERS)


def cursor_of(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


FOREIGN = {
    "an offset": base64.urlsafe_b64encode(b"100").decode(),
    "no base64": "nonsense",
    "other letters": "Wy%*",
    "no text": base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    "no JSON": base64.urlsafe_b64encode(b"[1,").decode(),
    "an object": base64.urlsafe_b64encode(b"{}").decode(),
    "a deep one": base64.urlsafe_b64encode(b"[" * 1_800).decode(),
    "another list": cursor_of("alerts", NOW, "a1"),
    "another order": cursor_of("calls.longest", 100, "c1"),
    "too few": cursor_of("calls.health", 1.0, NOW),
    "too many": cursor_of("calls.health", 1.0, NOW, "c1", "c1"),
    "a text for a number": cursor_of("calls.health", 1.0, "c1", "c1"),
    "true for a number": cursor_of("calls.health", 1.0, True, "c1"),
    "null": cursor_of("calls.health", 1.0, None, "c1"),
    "no number": cursor_of("calls.health", float("nan"), NOW, "c1"),
    "an endless one": cursor_of("calls.health", float("inf"), NOW, "c1"),
    "more than a database counts": cursor_of("calls.health", 1.0, 2**63, "c1"),
    "a NUL": cursor_of("calls.health", 1.0, NOW, "c\0"),
    "half a letter": cursor_of("calls.health", 1.0, NOW, "\ud800"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_cursor_that_is_not_of_this_list_is_refused_with_a_remedy(client: TestClient, kind: str) -> None:
    answer = client.get("/api/calls", params={"sort": "health", "cursor": FOREIGN[kind]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == "cursor"
    assert answer.json()["remedy"]


def test_a_number_of_32_bits_is_not_compared_with_more(client: TestClient) -> None:
    for rank, status in ((2**31 - 1, 200), (2**31, 422)):
        cursor = cursor_of("alerts.open", rank, 0, NOW, "a1")
        assert client.get("/api/alerts", params={"cursor": cursor}).status_code == status


@pytest.mark.parametrize("char", ["🙂", "\x01"], ids=["wide", "escaped"])
def test_the_longest_identity_fits_a_cursor(store: Store, client: TestClient, char: str) -> None:
    longest = char * 300
    store.take(("alerts", alert("c1", longest)), ("alerts", alert("c1", longest + char)))
    cursor = client.get("/api/alerts", params={"limit": 1, "state": "all"}).json()["next"]
    assert len(cursor) <= CURSOR_CHARS_MAX
    page = client.get("/api/alerts", params={"cursor": cursor, "state": "all"}).json()
    assert [item["alert_id"] for item in page["items"]] == [longest + char]
