"""Failed logins slow down who fails; counted in the store, by all instances together.

A whole centre may come from one address, and anybody may try a supervisor's name: what is counted strictly is a name
from an address. The name from anywhere, and the address with any name, have a wider limit and a short wait, so that
neither a colleague's typing mistakes nor a stranger keep a supervisor out.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from streams.feed import tables_access as ta
from streams.feed.database import Database, insert

WAIT_MS_FIRST = 2_000
FORGOTTEN_MS = 60 * 60_000
KEYS_MAX = 20_000
KEY_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Limit:
    free: int
    """Failures that cost nothing; each further one doubles the wait."""
    wait_ms_max: int


LIMITS = {
    "pair": Limit(5, 15 * 60_000),
    "account": Limit(20, 60_000),
    "address": Limit(50, 60_000),
}


def keys_of(name: str, address: str) -> list[str]:
    return [f"pair {address} {name}", f"account {name}", f"address {address}"]


def wait_ms(database: Database, keys: list[str], now: int) -> int:
    """How long the next attempt of these keys must wait."""
    f = ta.failures.c
    with database.reading() as connection:
        rows = connection.execute(
            sa.select(f.key, f.count, f.at).where(f.key.in_(_stored(keys)), f.at > now - FORGOTTEN_MS)
        ).all()
    return max((at + _penalty_ms(key, count) - now for key, count, at in rows), default=0)


def _penalty_ms(key: str, count: int) -> int:
    limit = LIMITS[key.partition(" ")[0]]
    return 0 if count < limit.free else min(limit.wait_ms_max, WAIT_MS_FIRST << min(20, count - limit.free))


def _stored(keys: list[str]) -> list[str]:
    """A name that was tried may be of any length."""
    return [key[:KEY_CHARS_MAX] for key in keys]


def failed(database: Database, keys: list[str], now: int) -> None:
    f = ta.failures.c
    with database.writing() as connection:
        connection.execute(sa.delete(ta.failures).where(f.at <= now - FORGOTTEN_MS))
        known = connection.execute(sa.select(sa.func.count()).select_from(ta.failures)).scalar_one()
        if known > KEYS_MAX:
            # Whoever tries a new name each time must not fill the store; addresses are few.
            keys = [key for key in keys if key.startswith("address ")]
        for key in _stored(keys):
            statement = insert(connection, ta.failures).values(key=key, count=1, at=now)
            changes = {"count": f.count + 1, "at": now}
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changes))


def succeeded(database: Database, name: str, address: str) -> None:
    """The name's failures are over, from there and from anywhere."""
    pair, account, _ = _stored(keys_of(name, address))
    with database.writing() as connection:
        connection.execute(sa.delete(ta.failures).where(ta.failures.c.key.in_((pair, account))))
