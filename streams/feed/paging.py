"""Pages by place: a cursor tells where the last item of its page stands in the list's order, not how many came before.

So a list may change while one pages through it: an item that stays where it is comes once, whatever is put in before
it, taken out or moved. A cursor belongs to the order it was made in, and is opaque: base64 of JSON, checked on return.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from audio.errors import VigieError
from streams.feed.views import Row

CURSOR_CHARS_MAX = 2_500
"""Room for an identity of 300 characters, each of them escaped in JSON, and for the numbers before it."""
INTEGER_MAX, NUMBER_MAX = 2**31 - 1, 2**63 - 1
"""PostgreSQL refuses to compare an INTEGER or a BIGINT with more."""


@dataclass(frozen=True, slots=True)
class Key:
    by: sa.ColumnElement[Any]
    """Never NULL: databases disagree on where NULL stands, and nothing compares with it."""
    descending: bool = False

    @property
    def order(self) -> sa.ColumnElement[Any]:
        return self.by.desc() if self.descending else self.by.asc()

    def beyond(self, value: Any, or_there: bool = False) -> sa.ColumnElement[bool]:
        found: sa.ColumnElement[bool]
        if self.descending:
            found = self.by <= value if or_there else self.by < value
        else:
            found = self.by >= value if or_there else self.by > value
        return found


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted. `name` tells its cursors from those of other orders; the last key is unique."""

    name: str
    keys: tuple[Key, ...]

    def page(
        self, connection: sa.Connection, query: sa.Select[Any], limit: int, cursor: str | None
    ) -> tuple[list[Row], str | None]:
        """The rows after the cursor, and the cursor of the page after them; None: there is none.

        Raises:
            VigieError: the cursor is none of ours, or of another order.
        """
        places = [key.by.label(f"place_{number}") for number, key in enumerate(self.keys)]
        query = query.add_columns(*places).order_by(*(key.order for key in self.keys)).limit(limit + 1)
        if cursor:
            query = query.where(self._after(self._read(cursor)))
        rows = list(connection.execute(query).mappings())
        if len(rows) <= limit:
            return list(rows), None
        last = rows[limit - 1]
        return list(rows[:limit]), self._written([last[place.name] for place in places])

    def _after(self, values: list[Any]) -> sa.ColumnElement[bool]:
        """Beyond the first, or level with it and beyond the second, and so on."""
        pairs = list(zip(self.keys, values, strict=True))
        key, value = pairs.pop()
        found = key.beyond(value)
        for key, value in reversed(pairs):
            # The first half alone says where an index may begin; an OR says it of no database.
            found = sa.and_(key.beyond(value, or_there=True), sa.or_(key.beyond(value), found))
        return found

    def _written(self, values: list[Any]) -> str:
        text = json.dumps([self.name, *values], ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()

    def _read(self, cursor: str) -> list[Any]:
        try:
            given = json.loads(base64.b64decode(cursor, b"-_", validate=True).decode())
        except (ValueError, RecursionError):
            given = None
        match given:
            case [self.name, *values] if len(values) == len(self.keys) and all(map(_fits, self.keys, values)):
                return values
        remedy = "Give `next` of the page before, unchanged, and ask for the same list"
        raise VigieError("it is no cursor of this list", remedy=remedy, field="cursor")


def _fits(key: Key, value: Any) -> bool:
    """Whether a value can be one of this key's: the text of a cursor is a stranger's."""
    if type(value) is not key.by.type.python_type:
        return False
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    small = isinstance(key.by.type, sa.Integer) and not isinstance(key.by.type, sa.BigInteger)
    return math.isfinite(value) and abs(value) <= (INTEGER_MAX if small else NUMBER_MAX)
