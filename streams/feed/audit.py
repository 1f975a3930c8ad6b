"""Who heard or read what, who did what, and who was refused. Never what was said."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from streams.feed import tables as t
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
    """The newest first. `scope` must be an administrator's: checked by the endpoint. What names a call of another site
    than theirs is not for their eyes."""
    assert scope.administers
    a = ta.audit.c
    pairs = ((a.who, who), (a.what, what), (a.call_id, call_id))
    wanted = [column == value for column, value in pairs if value is not None]
    wanted += [sa.or_(a.call_id.is_(None), a.call_id.notin_(_elsewhere(scope)))] if scope.where(t.calls) else []
    total = connection.execute(sa.select(sa.func.count()).select_from(ta.audit).where(*wanted)).scalar_one()
    rows, following = LATEST.page(connection, sa.select(ta.audit).where(*wanted), limit, cursor)
    items = [{column.name: row[column.name] for column in ta.audit.columns} for row in rows]
    if scope.where(t.calls):
        _hide_calls(connection, scope, items)
    return {"items": items, "next": following, "total": total}


def _elsewhere(scope: Scope) -> sa.Select[Any]:
    """The calls that a scope does not see; a call without a site is seen by those only who see all."""
    seen = sa.func.coalesce(sa.and_(*scope.where(t.calls)), sa.false())
    return sa.select(t.calls.c.call_id).where(sa.not_(seen))


def _hide_calls(connection: sa.Connection, scope: Scope, items: list[dict[str, Any]]) -> None:
    """A search names the calls that it found: of these too, only those of the scope."""
    named = {call_id for item in items for call_id in (item["detail"] or {}).get("calls", ())}
    query = _elsewhere(scope).where(t.calls.c.call_id.in_(named))
    hidden = set(connection.execute(query).scalars()) if named else set()
    for item in items:
        if hidden & set((item["detail"] or {}).get("calls", ())):
            item["detail"] = {**item["detail"], "calls": [c for c in item["detail"]["calls"] if c not in hidden]}
