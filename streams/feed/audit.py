"""Who heard or read what, who did what, and who was refused. Never what was said."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from streams.feed import tables_access as ta
from streams.feed.access import Scope
from streams.feed.clock import wall_ms
from streams.feed.database import Database
from streams.feed.paging import Key, Order

LATEST = Order("audit", (Key(ta.audit.c.number, descending=True),))


def note(
    database: Database, who: str, what: str, call_id: str | None = None, address: str | None = None, **detail: Any
) -> None:
    values = {"at": wall_ms(), "who": who, "what": what, "call_id": call_id, "detail": detail or None}
    with database.writing() as connection:
        connection.execute(ta.audit.insert(), {**values, "address": address})


def entries(
    connection: sa.Connection, scope: Scope, who: str | None, what: str | None, call_id: str | None, limit: int,
    cursor: str | None,
) -> dict[str, Any]:  # fmt: skip
    """The newest first. `scope` must be an administrator's: checked by the endpoint."""
    assert scope.administers
    a = ta.audit.c
    pairs = ((a.who, who), (a.what, what), (a.call_id, call_id))
    wanted = [column == value for column, value in pairs if value is not None]
    total = connection.execute(sa.select(sa.func.count()).select_from(ta.audit).where(*wanted)).scalar_one()
    rows, following = LATEST.page(connection, sa.select(ta.audit).where(*wanted), limit, cursor)
    items = [{column.name: row[column.name] for column in ta.audit.columns} for row in rows]
    return {"items": items, "next": following, "total": total}
