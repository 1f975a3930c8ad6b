"""How far a store has read each partition: kept beside what followed from it."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from streams.feed import tables as t
from streams.feed.database import insert
from streams.feed.item import Item


class Positions:
    """The newest offset of every partition, as of the transaction that it lives in."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        rows = connection.execute(sa.select(t.positions))
        self._known: dict[tuple[str, int], int] = {(row.topic, row.partition): row.offset for row in rows}
        self._moved: set[tuple[str, int]] = set()

    def passes(self, item: Item) -> bool:
        """Whether the item is new here; its place is remembered. What has no place is always new."""
        if item.offset is None:
            return True
        place = (item.topic, item.partition or 0)
        if item.offset <= self._known.get(place, -1):
            return False
        self._known[place] = item.offset
        self._moved.add(place)
        return True

    def keep(self) -> None:
        for topic, partition in self._moved:
            values = {"topic": topic, "partition": partition, "offset": self._known[topic, partition]}
            statement = insert(self._connection, t.positions).values(**values)
            changes = {"offset": values["offset"]}
            self._connection.execute(
                statement.on_conflict_do_update(index_elements=["topic", "partition"], set_=changes)
            )


def skip(connection: sa.Connection, items: Iterable[Item]) -> None:
    """Remember that these were seen, whatever became of them."""
    positions = Positions(connection)
    for item in items:
        positions.passes(item)
    positions.keep()
