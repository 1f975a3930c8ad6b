"""Days on which the store cannot be written, does not answer, or is behind: nobody is told what is not so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from streams.feed.access import everything
from streams.feed.app import CSP, create_app
from streams.feed.clips import NoClips
from streams.feed.hub import Hub
from streams.feed.problems import UnconfirmedError
from streams.feed.source import LocalSource
from tests.feed.conftest import Store
from tests.feed.records import alert, utterance
from tests.feed.test_api import live


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Store, TestClient]]:
    """A store with a call and an alert, on a disk that has no room left: what is there can be read."""
    store = Store(str(tmp_path / "feed.db"))
    store.take(*live("c1"), ("utterances", utterance("c1", 1, "good morning")), ("alerts", alert("c1", "a")))
    with TestClient(store.app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.headers["X-CSRF-Token"] = client.get("/api/me").json()["csrf"]

        @sa.event.listens_for(store.database.engine, "checkout")
        def _no_room(connection: Any, *_: Any) -> None:
            connection.execute("PRAGMA query_only=ON")

        yield store, client
    store.database.close()


def test_words_that_cannot_be_noted_as_read_are_not_given(full: tuple[Store, TestClient]) -> None:
    _, client = full
    refused = client.get("/api/calls/c1")
    assert refused.status_code == 503
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Content-Security-Policy"] == CSP
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.json()["remedy"]
    assert "good morning" not in refused.text
    assert [a["alert_id"] for a in client.get("/api/alerts").json()["items"]] == ["a"]


def test_an_action_that_is_not_kept_is_not_told_as_done(full: tuple[Store, TestClient]) -> None:
    _, client = full
    assert client.post("/api/alerts/a/acknowledge").status_code == 503
    assert client.get("/api/alerts/a").json()["feedback"]["acknowledged_by"] is None


def test_an_action_that_is_on_its_topic_is_told_as_done_though_the_audit_log_is_full(
    full: tuple[Store, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, client = full
    published = []

    async def act(make: Any) -> bool:
        published.append(make())
        return False

    monkeypatch.setattr(store.app.state.feed.actions, "act", act)
    assert client.post("/api/alerts/a/note", json={"text": "called back"}).status_code == 200
    assert [record["note"] for record in published] == ["called back"]


def test_an_action_that_nobody_confirmed_is_no_mistake_of_who_asked(
    full: tuple[Store, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, client = full

    async def act(_: Any) -> bool:
        raise UnconfirmedError("Kafka did not confirm it", remedy="See whether it took effect")

    monkeypatch.setattr(store.app.state.feed.actions, "act", act)
    told = client.post("/api/alerts/a/acknowledge")
    assert (told.status_code, told.json()["title"]) == (503, "Kafka did not confirm it")


def test_events_go_on_after_the_store_did_not_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.feed.hub.RETRY_S", 0.01)

    async def told() -> list[str]:
        hub = Hub(store.database)
        real, failures = hub._read, [1, 2]

        def read(after: int, limit: int) -> Any:
            if failures:
                failures.pop()
                raise sa.exc.OperationalError("SELECT", {}, Exception("gone"))
            return real(after, limit)

        running = asyncio.create_task(hub.run())
        while hub._loop is None:
            await asyncio.sleep(0.01)
        stream = hub.stream(everything(), None)
        out = [await anext(stream)]
        monkeypatch.setattr(hub, "_read", read)
        hub.notice()
        store.take(*live("c1"), ("alerts", alert("c1", "a")))
        while "event: alert" not in out[-1]:
            out.append(await asyncio.wait_for(anext(stream), 10))
        running.cancel()
        return out

    assert '"alert_id": "a"' in asyncio.run(told())[-1]


@pytest.mark.parametrize("turns", range(4))
def test_reading_ends_when_it_is_told_to_in_the_moment_in_which_something_new_comes(store: Store, turns: int) -> None:
    async def ends() -> bool:
        hub = Hub(store.database)
        running = asyncio.create_task(hub.run())
        while hub._loop is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # it has read, and waits
        hub._new.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running}, timeout=5)
        return running.done()

    assert asyncio.run(ends())


def test_a_page_is_told_that_what_it_shows_is_not_current_and_when_it_is_again(store: Store) -> None:
    wrong: list[str] = ["the brokers do not answer"]

    async def told() -> list[str]:
        hub = Hub(store.database, lambda: wrong[0] if wrong else None)
        stream = hub.stream(everything(), None)
        out = [await anext(stream), await asyncio.wait_for(anext(stream), 10)]
        wrong.clear()
        return [*out, await asyncio.wait_for(anext(stream), 10)]

    _, behind, again = asyncio.run(told())
    assert behind == 'event: health\ndata: {"current": false}\n\n'
    assert again == 'event: health\ndata: {"current": true}\n\n'


def test_the_application_tells_its_pages_of_its_source(store: Store) -> None:
    source = LocalSource(store.absorber)
    source.healthy = lambda: "stopped"  # type: ignore[method-assign]
    app = create_app(store.database, store.absorber, source, NoClips(), loopback=True)
    assert app.state.feed.hub._wrong() == "stopped"
