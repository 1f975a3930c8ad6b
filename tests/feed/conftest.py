from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from streams.feed.absorb import Absorber, Item
from streams.feed.app import create_app
from streams.feed.clips import NoClips
from streams.feed.database import Database
from streams.feed.source import LocalSource, wall_ms


class Store:
    """A store of its own, and the application over it."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.absorber = Absorber(self.database, NoClips().describe)
        self.app = create_app(self.database, self.absorber, LocalSource(self.absorber), NoClips(), loopback=True)

    def take(self, *records: tuple[str, dict[str, Any]], at: int | None = None) -> None:
        now = wall_ms() if at is None else at
        self.absorber.absorb([Item(topic, record, now) for topic, record in records], now)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(str(tmp_path / "feed.db"))
    yield found
    found.database.close()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    with TestClient(store.app, base_url="http://127.0.0.1") as found:
        found.headers["X-CSRF-Token"] = found.get("/api/me").json()["csrf"]
        yield found
