"""Empties a store of what the topics hold, so that it is read again; what only the store holds stays."""

from __future__ import annotations

import sqlalchemy as sa

from streams.feed import tables as t
from streams.feed.database import Database

FROM_TOPICS = (t.positions, t.seconds, t.revisions, t.alerts, t.feedback, t.utterances, t.calls, t.events)
"""Erased calls stay erased: `forgotten` is not among them."""


def empty(database: Database) -> None:
    with database.writing() as connection:
        for table in FROM_TOPICS:
            connection.execute(sa.delete(table))
