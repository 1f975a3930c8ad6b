"""The API over a small world: what each view says, and how mistakes are told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

import schemas
from streams.feed import tables as t
from streams.feed.access import limited
from streams.feed.clock import wall_ms
from tests.feed.conftest import Store
from tests.feed.records import alert, measurement, summary, utterance, whole_call


def live(call_id: str, seconds: int = 5, **place: Any) -> list[tuple[str, Any]]:
    return [("measurements", measurement(call_id, n, **(place if n == 0 else {}))) for n in range(seconds)]


def test_open_alerts_come_worst_first_and_acknowledged_after_the_others(store: Store, client: TestClient) -> None:
    store.take(*live("c1"), *live("c2"))
    store.take(("alerts", alert("c1", "warned")), ("alerts", alert("c2", "grave", severity="critical")))
    store.take(("alerts", alert("c2", "other")), ("alerts", alert("c2", "over", state="cleared")))
    assert client.get("/api/alerts").json()["items"][0]["alert_id"] == "grave"
    assert client.post("/api/alerts/warned/acknowledge").status_code == 200
    assert [a["alert_id"] for a in client.get("/api/alerts").json()["items"]] == ["grave", "other", "warned"]
    every = client.get("/api/alerts", params={"state": "all"}).json()
    assert every["total"] == 4


def test_an_action_is_in_its_answer_and_in_the_next_look(store: Store, client: TestClient) -> None:
    store.take(*live("c1"), ("alerts", alert("c1", "a")))
    url = "/api/alerts/a"
    assert client.post(f"{url}/acknowledge").json()["feedback"]["acknowledged_by"] == "demo"
    assert client.post(f"{url}/assign", json={"to": "amina"}).json()["feedback"]["assigned_to"] == "amina"
    noted = client.post(f"{url}/note", json={"text": "rappelé"}).json()["feedback"]["notes"]
    assert [note["text"] for note in noted] == ["rappelé"]
    assert client.post(f"{url}/snooze", json={"minutes": 5}).json()["feedback"]["snoozed_until_at"] > wall_ms()
    assert client.get("/api/alerts").json()["items"] == []
    dismissed = client.post(f"{url}/dismiss", json={"reason": "false alarm"}).json()["feedback"]["dismissed"]
    assert dismissed["reason"] == "false alarm"
    again = client.post(f"{url}/reopen").json()["feedback"]
    assert (again["dismissed"], again["snoozed_until_at"], again["assigned_to"]) == (None, None, "amina")
    assert [a["alert_id"] for a in client.get("/api/alerts").json()["items"]] == ["a"]


def test_an_assignment_is_taken_back_and_who_did_it_is_told(store: Store, client: TestClient) -> None:
    store.take(*live("c1"), ("alerts", alert("c1", "a")))
    given = client.post("/api/alerts/a/assign", json={"to": "amina"}).json()["feedback"]
    assert (given["assigned_to"], given["assigned_by"]) == ("amina", "demo")
    taken = client.post("/api/alerts/a/unassign").json()["feedback"]
    assert (taken["assigned_to"], taken["assigned_by"]) == (None, "demo")
    assert taken["assigned_at"] >= given["assigned_at"]
    assert [a["alert_id"] for a in client.get("/api/alerts", params={"assigned": ""}).json()["items"]] == ["a"]
    again = client.post("/api/alerts/a/unassign")
    assert (again.status_code, again.json()["field"]) == (422, "assigned_to")
    done = [entry["what"] for entry in client.get("/api/audit").json()["items"]]
    assert done[:2] == ["alert unassigned", "alert assigned"]
    assert client.post("/api/alerts/a/assign", json={"to": "karim"}).json()["feedback"]["assigned_to"] == "karim"
    with store.database.reading() as connection:
        records = list(connection.execute(sa.select(t.feedback.c.record).order_by(t.feedback.c.number)).scalars())
    assert [r.get("unassigned", False) for r in records] == [False, True, False]
    for record in records:
        schemas.validator("feedback").validate(record)
        # A reader of the first version reads it, and goes on seeing who had it.
        Draft202012Validator(schemas.history("feedback")[0]).validate(record)
    assert records[1]["assigned_to"] == "amina"


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [("dismiss", {}, "reason"), ("assign", {"to": " "}, "to"), ("snooze", {}, "minutes"), ("note", {}, "text")],
)
def test_an_action_without_what_it_needs_says_what_is_missing(
    store: Store, client: TestClient, verb: str, body: dict[str, Any], field: str
) -> None:
    store.take(*live("c1"), ("alerts", alert("c1", "a")))
    answer = client.post(f"/api/alerts/a/{verb}", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert answer.json()["remedy"]


def test_without_the_token_of_the_page_nothing_is_done(store: Store, client: TestClient) -> None:
    store.take(*live("c1"), ("alerts", alert("c1", "a")))
    answer = client.post("/api/alerts/a/acknowledge", headers={"X-CSRF-Token": "guessed"})
    assert answer.status_code == 403
    assert client.get("/api/alerts/a").json()["feedback"]["acknowledged_by"] is None


def test_a_call_tells_its_words_its_alerts_and_who_spoke(store: Store, client: TestClient) -> None:
    store.take(*whole_call("c1"))
    call = client.get("/api/calls/c1").json()
    assert call["live"] is False
    assert call["health"] == 92.0
    assert [u["text"] for u in call["utterances"]] == ["je veux parler à un responsable"]
    assert [a["state"] for a in call["alerts"]] == ["cleared"]
    assert call["timeline"]["agent"]["speech"][0] == [0, 500]
    assert len(call["timeline"]["agent"]["level_dbov"]) == 15
    assert call["timeline"]["sentiment"]["customer"] == [{"at_ms": 3900, "score": -0.5}]
    assert client.get("/api/calls/none").status_code == 404


def test_the_floor_groups_live_calls_by_site_and_queue(store: Store, client: TestClient) -> None:
    store.take(*live("c1"), *live("c2", queue="sales"), *live("c3", site="dakar"), *whole_call("gone"))
    store.take(("alerts", alert("c2", "grave", severity="critical", queue="sales")))
    floor = client.get("/api/floor").json()
    assert {site["site"]: [(q["queue"], q["calls"]) for q in site["queues"]] for site in floor["sites"]} == {
        "dakar": [("billing", 1)],
        "rabat": [("billing", 1), ("sales", 1)],
    }
    assert floor["calls"][0]["call_id"] == "c2"


def test_coverage_names_the_reasons(store: Store, client: TestClient) -> None:
    store.take(*live("c1"), ("summaries", summary("c1", 5, coverage="partial")))
    found = client.get("/api/coverage").json()
    assert found["counts"]["partial"] == 1
    assert found["reasons"] == [{"reason": "audio_gap", "calls": 1, "ms": 2000}]
    assert found["items"][0]["coverage_intervals"][0]["reason"] == "audio_gap"


def test_search_finds_beginnings_of_words_without_accents_and_marks_them(store: Store, client: TestClient) -> None:
    store.take(*live("c1"), *live("c2"))
    store.take(("utterances", utterance("c1", 1, "je veux être remboursé")))
    store.take(("utterances", utterance("c2", 1, "أريد التحدث مع المدير", party="agent")))
    hit = client.get("/api/search", params={"q": "REMBOURSE etre"}).json()["items"]
    assert [item["call_id"] for item in hit] == ["c1"]
    assert [piece["text"] for piece in hit[0]["snippet"] if piece["hit"]] == ["être", "remboursé"]
    assert [i["call_id"] for i in client.get("/api/search", params={"q": "المدير"}).json()["items"]] == ["c2"]
    assert client.get("/api/search", params={"q": "المدير", "party": "customer"}).json()["items"] == []
    for odd in ('"', "'; drop", "AND OR NOT", "* ( )", "a" * 200, "\u0000"):
        assert client.get("/api/search", params={"q": odd}).status_code == 200


def test_many_calls_of_one_trunk_become_one_incident(store: Store, client: TestClient) -> None:
    for n in range(12):
        trunk = "sip-9" if n < 5 else f"sip-{n}"
        store.take(*live(f"c{n}", trunk=trunk, agent=f"agent-{n}"))
    for n in range(4):
        record = alert(f"c{n}", f"a{n}", rule_id="dropouts", trunk="sip-9", agent=f"agent-{n}")
        store.take(("alerts", {**record, "cause": {"verdict": "technology", "for": [], "against": []}}))
    found = client.get("/api/incidents").json()["items"]
    assert [(i["rule_id"], i["scope"], len(i["calls"]), i["verdict"]) for i in found] == [
        ("dropouts", {"kind": "trunk", "value": "sip-9"}, 4, "technology")
    ]


def test_pages_follow_each_other_without_a_gap(store: Store, client: TestClient) -> None:
    for n in range(7):
        store.take(*live(f"c{n}", 1))
    seen, cursor = list[str](), None
    while True:
        page = client.get("/api/calls", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [call["call_id"] for call in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == [f"c{n}" for n in range(7)]
    assert client.get("/api/calls", params={"cursor": "nonsense"}).status_code == 422


def test_every_answer_keeps_the_browser_to_itself(client: TestClient) -> None:
    for url in ("/", "/api/alerts", "/api/nothing", "/healthz"):
        headers = client.get(url).headers
        assert "default-src 'none'" in headers["content-security-policy"], url
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_health_and_metrics(client: TestClient) -> None:
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").json() == {"ready": True, "wrong": None}
    assert "vigie_feed_records_total" in client.get("/metrics").text


def events_of(
    store: Store, after: int | None, wanted: int, scope: Any = None, call: str | None = None, seq: int | None = None
) -> list[Any]:
    """The first events of a client of its own hub."""
    from streams.feed.access import everything
    from streams.feed.hub import Hub

    async def gather() -> list[Any]:
        hub = Hub(store.database)
        running = asyncio.create_task(hub.run())
        await asyncio.sleep(0.05)
        out: list[Any] = []
        stream = hub.stream(scope or everything(), after, call, seq=seq)
        async for text in stream:
            fields = dict(line.split(": ", 1) for line in text.strip().splitlines() if ": " in line)
            if "event" in fields:
                out.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
            if len(out) >= wanted:
                break
        running.cancel()
        return out

    return asyncio.run(asyncio.wait_for(gather(), 20))


def test_a_client_that_comes_back_gets_what_it_missed_once(store: Store) -> None:
    store.take(*live("c1"), ("alerts", alert("c1", "a")))
    every = events_of(store, 0, 2)
    assert [kind for _, kind, _ in every] == ["alert", "call"]
    rest = events_of(store, int(every[0][0]), 1)
    assert rest == every[1:2]


def test_a_client_whose_place_is_no_longer_kept_is_told_to_load_again(store: Store) -> None:
    store.take(*live("c1"))
    assert [kind for _, kind, _ in events_of(store, 10**9, 1)] == ["reset"]


def test_events_reach_only_those_who_may_see_the_call(store: Store) -> None:
    store.take(*live("c1", site="rabat"), *live("c2", site="dakar"))
    scope = limited("amina", "supervisor", ["dakar"], None)
    found = events_of(store, 0, 1, scope)
    assert {data["call_id"] for _, _, data in found} == {"c2"}


def test_an_alert_whose_place_is_told_later_reaches_those_of_that_place(store: Store) -> None:
    nowhere = dict.fromkeys(("agent", "queue", "site", "trunk", "language"))
    store.take(("alerts", alert("c1", "a", **nowhere)))
    store.take(*live("c1", site="dakar"))
    found = events_of(store, 0, 2, limited("amina", "supervisor", ["dakar"], None))
    assert {kind for _, kind, data in found if data["site"] == "dakar"} == {"alert", "call"}


def test_who_watches_a_call_gets_its_words(store: Store) -> None:
    store.take(*live("c1"), ("utterances", utterance("c1", 1, "bonjour")))
    assert [kind for _, kind, _ in events_of(store, 0, 2, call="c1")] == ["call", "utterance"]


def test_a_second_instance_on_the_same_database_sees_and_tells_the_same(postgresql: str, store: Store) -> None:
    if store.database.sqlite:
        pytest.skip("several instances share PostgreSQL")
    other = Store(postgresql)
    try:
        store.take(*live("c1"), ("alerts", alert("c1", "a")))
        with TestClient(other.app, base_url="http://127.0.0.1") as there:
            there.headers["X-CSRF-Token"] = there.get("/api/me").json()["csrf"]
            assert there.post("/api/alerts/a/acknowledge").status_code == 200
        with TestClient(store.app, base_url="http://127.0.0.1") as here:
            assert here.get("/api/alerts/a").json()["feedback"]["acknowledged_by"] == "demo"
        told = events_of(store, 0, 3)
        assert told == events_of(other, 0, 3)
        assert told[-1][2]["feedback"]["acknowledged_by"] == "demo"
    finally:
        other.database.close()


@pytest.mark.parametrize(
    "call_id", ["a/b", "a//b", "/a", "a/", "a%2Fb", "a?b#c", "a/audio", "<b>&", "\u202eab", "a\\b", "a;b", "é" * 128]
)
def test_whatever_a_call_is_called_its_own_address_finds_it(store: Store, client: TestClient, call_id: str) -> None:
    from urllib.parse import quote

    # As a server gives it: the test client would decode twice.
    alert_id = f"{call_id}/alert"
    store.take(*live(call_id), ("alerts", alert(call_id, alert_id)))
    for path in (f"/api/calls/{call_id}", f"/api/alerts/{alert_id}", f"/api/alerts/{alert_id}/acknowledge"):
        method = "POST" if path.endswith("acknowledge") else "GET"
        address = quote(path.replace("%", "%25"))
        answer = client.request(method, address)
        assert (answer.status_code, answer.json().get("call_id")) == (200, call_id), path
    assert client.get("/api/alerts", params={"call": call_id}).json()["total"] == 1
    with store.database.reading() as connection:
        assert connection.execute(sa.select(t.calls.c.call_id)).scalars().all() == [call_id]


@pytest.mark.parametrize("call_id", [".", ".."])
def test_a_call_that_no_address_can_end_in_is_found_and_erased(store: Store, client: TestClient, call_id: str) -> None:
    store.take(*live(call_id), *live("c1"))
    there = {"params": {"id": call_id}}
    assert client.get("/api/calls/", **there).json()["call_id"] == call_id
    assert client.get("/api/calls/c1", **there).json()["call_id"] == "c1"
    assert client.get("/api/calls/").status_code == 422
    assert client.delete("/api/calls/", **there).json()["call_id"] == call_id
    assert client.get("/api/calls/", **there).status_code == 404
    assert client.get("/api/calls").json()["total"] == 1


def test_a_name_of_any_length_can_be_filtered_by(store: Store, client: TestClient) -> None:
    place = {name: f"{name} " + "é" * 900 for name in ("agent", "queue", "site")}
    store.take(("measurements", measurement("c1", 0, **place)), ("alerts", alert("c1", "a", **place)), *live("c2"))
    assert client.get("/api/alerts", params=place).json()["total"] == 1
    assert client.get("/api/calls", params=place).json()["total"] == 1
    assert client.get("/api/coverage", params=place).json()["counts"]["live"] == 1


@pytest.mark.parametrize("path", ["/api/alerts", "/api/calls", "/api/floor", "/api/calls/c1"])
def test_what_happens_while_an_answer_is_made_is_in_it_or_told_after_it(
    store: Store, client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    from streams.feed import overview, queries

    store.take(*live("c1"), ("alerts", alert("c1", "a")))
    happened = []

    def meanwhile(view: Any) -> Any:
        def late(*args: Any, **more: Any) -> Any:
            # The rows have been read: each statement sees the store as it then is.
            if not happened:
                happened.append(1)
                store.take(
                    *live("c2"), ("alerts", alert("c2", "b")), ("utterances", utterance("c1", 1, "la ligne coupe"))
                )
            return view(*args, **more)

        return late

    for module, name in ((queries, "call_view"), (queries, "alert_view"), (overview, "call_view")):
        monkeypatch.setattr(module, name, meanwhile(getattr(module, name)))
    found = client.get(path).json()
    assert happened
    told = events_of(store, found["event"], 3, call="c1")
    assert {"alert", "call", "utterance"} == {kind for _, kind, _ in told}


def test_the_seconds_between_a_calls_view_and_its_stream_are_told(store: Store, client: TestClient) -> None:
    store.take(*live("c1", 1))
    seen = client.get("/api/calls/c1").json()
    store.take(*[("measurements", measurement("c1", n)) for n in range(1, 4)])
    told = events_of(store, seen["event"] + 10_000, 4, call="c1", seq=seen["last_seq"])
    assert [data["seq"] for _, kind, data in told if kind == "measurement"] == [1, 2, 3]


def test_a_call_of_one_second_is_not_told_again(store: Store) -> None:
    from streams.feed.hub import _Watch

    store.take(*live("c1", 1))
    watch = _Watch(store.database, "c1", None)
    assert asyncio.run(watch.news()) == []
    assert asyncio.run(watch.news()) == []


def test_a_call_that_nobody_watched_has_no_health(store: Store, client: TestClient) -> None:
    seen, unseen = summary("seen", 5, health=60.0), summary("unseen", 5, health=100.0, coverage="unmonitored")
    store.take(*live("seen"), ("summaries", seen), *live("unseen"), ("summaries", unseen))
    assert client.get("/api/calls/unseen").json()["health"] is None
    by_health = client.get("/api/calls", params={"health_max": 100}).json()["items"]
    assert [call["call_id"] for call in by_health] == ["seen"]
    stats = client.get("/api/stats", params={"by": "site"}).json()
    assert (stats["calls"], stats["health_mean"]) == (2, 60.0)
    assert [(group["calls"], group["health_mean"]) for group in stats["groups"]] == [(2, 60.0)]
