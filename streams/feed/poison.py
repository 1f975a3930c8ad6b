"""A record that cannot be stored, and the many around it that can: one must not stop the feed for all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from streams.feed.item import Item

STORE_GONE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, OSError, MemoryError)
"""No record's fault: the same batch is worth another try."""
log = logging.getLogger("vigie.feed")


def around(write: Callable[[Sequence[Item]], object], items: Sequence[Item], failure: Exception) -> list[Item]:
    """Write what can be written of a batch that failed, in its order; returns what cannot.

    Raises:
        Exception: the store is gone, which is no record's fault.
    """
    if is_gone(failure):
        raise failure
    if len(items) == 1:
        item = items[0]
        # What is wrong may quote the record, which is call content: only its kind and its place are told.
        place = f"{item.topic}[{item.partition}]@{item.offset}"
        log.error("a record at %s cannot be stored and is passed over: %s", place, type(failure).__name__)
        return [item]
    middle, bad = len(items) // 2, list[Item]()
    for half in (items[:middle], items[middle:]):
        try:
            write(half)
        except Exception as error:
            bad += around(write, half, error)
    return bad


def is_gone(failure: Exception) -> bool:
    lost = isinstance(failure, sa.exc.DBAPIError) and failure.connection_invalidated
    return lost or isinstance(failure, STORE_GONE)
