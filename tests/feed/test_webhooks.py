"""Webhooks: what is sent, once, signed, again when it fails, and never into this network unasked."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from audio.errors import VigieError
from streams.feed import webhooks
from streams.feed.clock import wall_ms
from streams.feed.rebuild import empty
from tests.feed.conftest import Store
from tests.feed.records import T0, alert, feedback, measurement, whole_call

PATIENCE_S = 30


class Receiver:
    """A system that takes webhooks; `answers` are the next statuses, 200 after them."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    outer.requests.append((dict(self.headers), body))
                    status = outer.answers.pop(0) if outer.answers else 200
                outer.goes_on.wait()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WAIT_MS_FIRST", 10)
    monkeypatch.setattr(webhooks, "WAIT_MS_MAX", 40)
    monkeypatch.setattr(webhooks, "ROUND_S", 0.02)


def wait_for(reached: Any) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def counts(store: Store) -> tuple[int, int, int]:
    (row,) = webhooks.listed(store.database)
    return row["waiting"], row["sent"], row["dead"]


def test_an_alert_is_sent_once_and_signed_also_by_two_instances(store: Store, receiver: Receiver) -> None:
    secret = webhooks.add_webhook(store.database, "all", receiver.url, inside=True)
    deliverers = [webhooks.Deliverer(store.database, random.Random(n)) for n in range(2)]
    for deliverer in deliverers:
        deliverer.start()
    for n in range(12):
        store.take(("measurements", measurement(f"c{n}", 0)), ("alerts", alert(f"c{n}", f"a{n}")))
        store.take(("alerts", alert(f"c{n}", f"a{n}")), ("feedback", feedback(f"a{n}", f"c{n}", "acknowledged", n)))
    wait_for(lambda: counts(store) == (0, 12, 0))
    for deliverer in deliverers:
        deliverer.stop()
    sent = [json.loads(body)["alert"]["alert_id"] for _, body in receiver.requests]
    assert sorted(sent) == sorted(f"a{n}" for n in range(12))
    for headers, body in receiver.requests:
        timestamp = int(headers["X-Vigie-Timestamp"])
        assert headers["X-Vigie-Signature"] == webhooks.signature(secret, timestamp, body)
        assert abs(timestamp - time.time()) < 600


def test_what_fails_is_tried_again_and_then_kept_as_dead(store: Store, receiver: Receiver) -> None:
    webhooks.add_webhook(store.database, "all", receiver.url, inside=True)
    receiver.answers = [500, 302, 429]
    deliverer = webhooks.Deliverer(store.database)
    deliverer.start()
    store.take(("alerts", alert("c1", "a1")))
    wait_for(lambda: counts(store) == (0, 1, 0))
    assert len(receiver.requests) == 4
    receiver.answers = [503] * webhooks.ATTEMPTS_MAX
    store.take(("alerts", alert("c2", "a2")))
    wait_for(lambda: counts(store) == (0, 1, 1))
    (given_up,) = webhooks.dead(store.database)
    assert (given_up["alert_id"], given_up["error"]) == ("a2", "HTTP 503")
    assert webhooks.again(store.database, "all") == 1
    wait_for(lambda: counts(store) == (0, 2, 0))
    deliverer.stop()


def test_a_receiver_that_hangs_does_not_keep_back_what_goes_to_others(store: Store, receiver: Receiver) -> None:
    hangs = Receiver()
    hangs.goes_on.clear()
    try:
        webhooks.add_webhook(store.database, "hangs", hangs.url, inside=True)
        store.take(*(("alerts", alert("c1", f"before{number}")) for number in range(2 * webhooks.AT_ONCE)))
        webhooks.add_webhook(store.database, "well", receiver.url, inside=True)
        deliverer = webhooks.Deliverer(store.database)
        deliverer.start()
        wait_for(lambda: hangs.requests)
        store.take(*(("alerts", alert("c1", f"a{number}")) for number in range(5)))
        wait_for(lambda: len(receiver.requests) == 5)
        assert len(hangs.requests) == webhooks.OF_ONE_AT_ONCE
        hangs.goes_on.set()
        wait_for(lambda: all(row["waiting"] == 0 for row in webhooks.listed(store.database)))
        assert [row["sent"] for row in webhooks.listed(store.database)] == [2 * webhooks.AT_ONCE + 5, 5]
        deliverer.stop()
    finally:
        hangs.goes_on.set()
        hangs.server.shutdown()
        hangs.server.server_close()


def test_only_what_is_asked_for_and_fresh_is_sent(store: Store) -> None:
    chosen = {"severity": "critical", "rules": ["dropouts"], "sites": ["rabat"]}
    webhooks.add_webhook(store.database, "some", "http://127.0.0.1:9/", inside=True, **chosen)
    grave = {"severity": "critical", "rule_id": "dropouts"}
    store.take(
        ("alerts", alert("c1", "yes", **grave)),
        ("alerts", alert("c1", "mild", **{**grave, "severity": "warning"})),
        ("alerts", alert("c1", "other", **{**grave, "rule_id": "echo"})),
        ("alerts", alert("c2", "away", **grave, site="dakar")),
    )
    store.take(("alerts", alert("c3", "history", **grave)), at=wall_ms() - webhooks.FRESH_MS - 1_000)
    assert [row["alert_id"] for row in webhooks.Deliverer(store.database).claim(wall_ms() + 1)] == ["yes"]


def test_a_store_that_is_rebuilt_sends_nothing(store: Store) -> None:
    webhooks.add_webhook(store.database, "all", "http://127.0.0.1:9/", inside=True)
    store.take(*whole_call("c1"), at=T0)
    now = wall_ms()
    store.take(("alerts", alert("c2", "fresh")), at=now)
    before = counts(store)
    assert before == (1, 0, 0)
    empty(store.database)
    store.take(*whole_call("c1"), at=T0)
    store.take(("alerts", alert("c2", "fresh")), at=now)
    assert counts(store) == before


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "http://localhost/x", "http://[::1]/", "http://169.254.169.254/latest", "http://10.0.0.1/",
     "ftp://example.org/", "http://user:pw@1.1.1.1/", "nonsense", "http://2130706433/"],
)  # fmt: skip
def test_an_address_in_this_network_is_refused(store: Store, url: str) -> None:
    with pytest.raises(VigieError):
        webhooks.add_webhook(store.database, "bad", url)


def test_a_name_that_moves_into_this_network_is_not_called(store: Store, receiver: Receiver) -> None:
    webhooks.add_webhook(store.database, "all", receiver.url, inside=True)
    import sqlalchemy as sa

    from streams.feed import tables_hooks as th

    with store.database.writing() as connection:
        chosen = connection.execute(sa.select(th.webhooks.c.filter)).scalar_one()
        connection.execute(th.webhooks.update().values(filter={**chosen, "inside": False}))
    deliverer = webhooks.Deliverer(store.database)
    deliverer.start()
    store.take(("alerts", alert("c1", "a1")))
    wait_for(lambda: counts(store) == (0, 0, 1))
    deliverer.stop()
    assert receiver.requests == []
    assert "in this network" in webhooks.dead(store.database)[0]["error"]


@pytest.mark.parametrize("kind", webhooks.KINDS)
def test_each_kind_says_what_which_call_and_why(kind: str, store: Store) -> None:
    from fastapi.testclient import TestClient

    store.take(("alerts", alert("call <1>", "a1", message={"fr": "Personne ne parle & <rien>"})))
    with TestClient(store.app, base_url="http://127.0.0.1") as client:
        view = client.get("/api/alerts/a1").json()
    text = json.dumps(webhooks.body_of(kind, view), ensure_ascii=False)
    assert "dead-air" in text
    assert "Personne ne parle" in text
    assert "human" in text
    if kind == "slack":
        assert "<rien>" not in text


def test_waits_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    chance = random.Random(7)
    waits = [webhooks.back_off_ms(n, chance) for n in range(1, 20)]
    assert all(webhooks.WAIT_MS_FIRST / 2 <= wait <= webhooks.WAIT_MS_MAX for wait in waits)
    assert waits[5] > waits[0]
    in_all_ms = sum(webhooks.back_off_ms(n, chance) for n in range(1, webhooks.ATTEMPTS_MAX))
    assert 90 * 60_000 < in_all_ms < 190 * 60_000, "as the command's help says"
    assert len(set(waits)) > 10
