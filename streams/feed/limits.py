"""Failed logins slow their account and their address down; counted in the store, by all instances together."""

from __future__ import annotations

import sqlalchemy as sa

from streams.feed import tables_access as ta
from streams.feed.database import Database, insert

FREE = 5
"""Failures that cost nothing."""
WAIT_MS_FIRST = 2_000
WAIT_MS_MAX = 15 * 60_000
FORGOTTEN_MS = 60 * 60_000
KEYS_MAX = 20_000


def wait_ms(database: Database, keys: list[str], now: int) -> int:
    """How long the next attempt of these keys (an account, an address) must wait."""
    f = ta.failures.c
    with database.reading() as connection:
        rows = connection.execute(sa.select(f.count, f.at).where(f.key.in_(keys), f.at > now - FORGOTTEN_MS)).all()
    return max((at + _penalty_ms(count) - now for count, at in rows), default=0)


def _penalty_ms(count: int) -> int:
    return 0 if count < FREE else min(WAIT_MS_MAX, WAIT_MS_FIRST << min(20, count - FREE))


def failed(database: Database, keys: list[str], now: int) -> None:
    f = ta.failures.c
    with database.writing() as connection:
        connection.execute(sa.delete(ta.failures).where(f.at <= now - FORGOTTEN_MS))
        known = connection.execute(sa.select(sa.func.count()).select_from(ta.failures)).scalar_one()
        if known > KEYS_MAX:
            # Whoever tries a new name each time must not fill the store; addresses are few.
            keys = [key for key in keys if key.startswith("address ")]
        for key in keys:
            statement = insert(connection, ta.failures).values(key=key[:300], count=1, at=now)
            changes = {"count": f.count + 1, "at": now}
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changes))


def succeeded(database: Database, key: str) -> None:
    with database.writing() as connection:
        connection.execute(sa.delete(ta.failures).where(ta.failures.c.key == key))
