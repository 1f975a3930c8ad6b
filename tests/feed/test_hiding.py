"""A secret that shows only with its last part: what was published of it before is hidden in the store."""

from __future__ import annotations

import json

import sqlalchemy as sa
from fastapi.testclient import TestClient

from streams.feed.tables import events
from tests.feed.conftest import Store
from tests.feed.records import measurement, utterance


def test_earlier_words_are_hidden_in_the_call_the_search_and_the_events(store: Store, client: TestClient) -> None:
    first = utterance("c", 1, "mon numéro quatre cinq six sept et puis huit neuf dix")
    store.take(("measurements", measurement("c", 0)), ("utterances", first))
    spans = [(11, 31), (40, 53)]
    assert [first["text"][a:b] for a, b in spans] == ["quatre cinq six sept", "huit neuf dix"]
    for number, (start, end) in enumerate(spans):
        span = {"utterance_id": first["utterance_id"], "kind": "card", "start": start, "end": end}
        store.take(("utterances", utterance("c", 5 + number, "[card]", earlier=[span, span])))
    words = client.get("/api/calls/c").json()["utterances"]
    assert words[0]["text"] == "mon numéro [card] et puis [card]"
    assert client.get("/api/search", params={"q": "quatre"}).json()["items"] == []
    assert client.get("/api/search", params={"q": "neuf"}).json()["items"] == []
    assert len(client.get("/api/search", params={"q": "puis"}).json()["items"]) == 1
    with store.database.reading() as connection:
        told = [json.loads(data) for data in connection.execute(sa.select(events.c.data)).scalars()]
    assert "quatre" not in str(told)
    assert "huit" not in str(told)


def test_a_span_of_an_unknown_utterance_changes_nothing(store: Store, client: TestClient) -> None:
    span = {"utterance_id": "nobody", "kind": "card", "start": 0, "end": 4}
    store.take(("utterances", utterance("c", 5, "bonjour", earlier=[span])))
    assert client.get("/api/calls/c").json()["utterances"][0]["text"] == "bonjour"
