"""The store answers what the page asks most without reading all that it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from streams.feed import queries
from streams.feed.access import Scope, everything, limited
from streams.feed.clips import NoClips
from streams.feed.clock import wall_ms
from streams.feed.tables import metadata
from tests.feed.conftest import Store

SCOPES = {"all": everything(), "one site": limited("amina", "supervisor", ["rabat"], None)}
ASKED: dict[str, Callable[[sa.Connection, Scope], Any]] = {
    "open": lambda c, scope: queries.alerts(
        c, scope, queries.AlertFilter(), NoClips().describe, wall_ms(), 200, None
    ),
    "newest": lambda c, scope: queries.alerts(
        c, scope, queries.AlertFilter("all"), NoClips().describe, wall_ms(), 200, None
    ),
    "filters": queries.choices,
    "incidents": lambda c, scope: queries.of_window(c, scope, wall_ms()),
    "floor": lambda c, scope: queries.live_calls(c, scope, wall_ms()),
}  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("asked", ASKED)
def test_no_view_reads_every_alert_or_call(store: Store, asked: str, scope: str) -> None:
    if not store.database.sqlite:
        pytest.skip("PostgreSQL plans by what its tables hold: an empty one is read whole")
    statements: list[tuple[str, Any]] = []

    def listen(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    with store.database.reading() as connection:
        sa.event.listen(store.database.engine, "before_cursor_execute", listen)
        ASKED[asked](connection, SCOPES[scope])
        sa.event.remove(store.database.engine, "before_cursor_execute", listen)
        plans = [
            str(step[3])
            for statement, parameters in statements
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert len(statements) >= 1
    scans = [step for step in plans if step.startswith(("SCAN alerts", "SCAN calls"))]
    # Along an index: no more rows than asked for, or none at all.
    assert [step for step in scans if "USING" not in step] == []
    if asked == "open":
        assert scans == []
        assert any("alerts_raised" in step for step in plans)
    if asked == "filters":
        assert [step for step in plans if step.startswith(("SCAN", "SEARCH")) and "COVERING" not in step] == []


def test_the_tables_have_the_indexes_that_are_written_down(store: Store) -> None:
    found = sa.inspect(store.database.engine)
    for table in metadata.sorted_tables:
        there = {(index["name"], tuple(index["column_names"])) for index in found.get_indexes(table.name)}
        written = {(index.name, tuple(column.name for column in index.columns)) for index in table.indexes}
        assert written <= there, table.name
        ours = {name for name, _ in there if name and name.startswith(f"{table.name}_") and not name.endswith("_key")}
        assert ours - {"utterances_found"} == {name for name, _ in written}, table.name
