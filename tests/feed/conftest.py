from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from streams.feed.absorb import Absorber
from streams.feed.app import create_app
from streams.feed.clips import NoClips
from streams.feed.clock import wall_ms
from streams.feed.database import Database
from streams.feed.item import Item
from streams.feed.source import LocalSource
from streams.feed.tables import metadata


class Store:
    """A store of its own, and the application over it."""

    def __init__(self, url: str) -> None:
        self.url, self.database = url, Database(url)
        self.absorber = Absorber(self.database, NoClips().describe)
        self.app = create_app(self.database, self.absorber, LocalSource(self.absorber), NoClips(), loopback=True)

    def take(self, *records: tuple[str, dict[str, Any]], at: int | None = None) -> None:
        """Absorb records now that were captured `at` (default: now)."""
        now = wall_ms()
        self.absorber.absorb([Item(topic, record, now if at is None else at) for topic, record in records], now)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of either kind."""
    if request.param == "sqlite":
        found = Store(str(tmp_path / "feed.db"))
    else:
        found = Store(request.getfixturevalue("postgresql"))
        with found.database.writing() as connection:
            names = ", ".join(table.name for table in metadata.sorted_tables)
            connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
    yield found
    found.database.close()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    with TestClient(store.app, base_url="http://127.0.0.1") as found:
        found.headers["X-CSRF-Token"] = found.get("/api/me").json()["csrf"]
        yield found
