"""Who may do what: every endpoint, by every role and token, for calls of their own site and of another."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from audio.errors import VigieError
from streams.feed import accounts, audit, limits
from streams.feed import tables_access as ta
from streams.feed.access import Scope, everything
from streams.feed.app import create_app
from streams.feed.clips import Sound
from streams.feed.clock import wall_ms
from streams.feed.sessions import LOGIN_COOKIE, SESSION_COOKIE, Access
from streams.feed.source import LocalSource
from tests.feed.conftest import Store
from tests.feed.records import alert, measurement, utterance

PASSWORD = "correct horse battery"
MINE, THEIRS = "rabat", "dakar"
NEEDS = {
    ("GET", "/api/me"): "alerts",
    ("GET", "/api/login"): None,
    ("GET", "/api/alerts"): "alerts",
    ("GET", "/api/alerts/{alert_id}"): "alerts",
    ("POST", "/api/alerts/{alert_id}/{verb}"): "act",
    ("GET", "/api/alerts/{alert_id}/audio"): "audio",
    ("GET", "/api/calls"): "alerts",
    ("GET", "/api/calls/{call_id}"): "words",
    ("DELETE", "/api/calls/{call_id}"): "admin",
    ("GET", "/api/floor"): "alerts",
    ("GET", "/api/incidents"): "alerts",
    ("GET", "/api/coverage"): "alerts",
    ("GET", "/api/search"): "words",
    ("GET", "/api/stats"): "alerts",
    ("GET", "/api/rules"): "alerts",
    ("GET", "/api/events"): "alerts",
    ("GET", "/api/audit"): "admin",
}
"""What each endpoint must ask for. One that is not in here fails the test below: decide, and write it down."""
POWERS = {
    "supervisor": {"alerts", "words", "audio", "act"},
    "analyst": {"alerts", "words", "audio"},
    "admin": {"alerts", "words", "audio", "act", "admin"},
    "token alerts": {"alerts"},
    "token words": {"alerts", "words"},
    "token audio": {"alerts", "audio"},
    "token act": {"alerts", "act"},
    "token admin": {"alerts", "words", "audio", "act", "admin"},
    "nobody": set(),
}


class AnyClips:
    def describe(self, alert: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"state": "ready", "parties": ["agent"], "from_ms": 0, "to_ms": 1, "muted": []}

    def sound(self, alert: Any, party: str) -> Sound | None:  # noqa: ARG002
        return Sound(b"0123456789", "audio/ogg")


class House:
    """An application with logins over the calls of two sites, or of two queues of one site."""

    def __init__(self, store: Store, by: str = "site") -> None:
        self.by = by
        self.database, self.take = store.database, store.take
        access = Access(store.database, secure=False)
        self.app = create_app(store.database, store.absorber, LocalSource(store.absorber), AnyClips(), access=access)
        for site in (MINE, THEIRS):
            call = f"call-{site}"
            place = {"site": "both", "queue": "both", by: site}
            store.take(*(("measurements", measurement(call, n, **(place if n == 0 else {}))) for n in range(3)))
            store.take(("alerts", alert(call, f"alert-{site}", **place)))
            store.take(("utterances", utterance(call, 1, "la ligne coupe")))

    def client(self, who: str) -> TestClient:
        """A client of that role or token, who sees one site or queue (an administrator too)."""
        seen = (None, [MINE]) if self.by == "queue" else ([MINE], None)
        client = TestClient(self.app, base_url="http://127.0.0.1", follow_redirects=False)
        if who.startswith("token"):
            powers = [who.removeprefix("token ")] if who == "token admin" else sorted(POWERS[who])
            token = accounts.add_token(self.database, who.replace(" ", "-"), powers, *seen, None)
            client.headers["Authorization"] = f"Bearer {token}"
        elif who != "nobody":
            accounts.add_account(self.database, who, PASSWORD, who, *seen)
            assert log_in(client, who).headers["location"] == "/"
            client.headers["X-CSRF-Token"] = client.get("/api/me").json()["csrf"]
        return client


def log_in(client: TestClient, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    csrf = client.get("/api/login").json()["csrf"]
    return client.post("/login", data={"name": name, "password": password, "csrf": csrf, **more})


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


def routes(app: Any) -> list[tuple[str, str]]:
    found = []
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        pending += getattr(getattr(route, "original_router", None), "routes", ())
        if isinstance(route, APIRoute) and route.path.startswith("/api/"):
            found += [(method, route.path_format) for method in route.methods]
    return sorted(set(found))


def test_every_endpoint_has_its_rule(house: House) -> None:
    assert routes(house.app) == sorted(NEEDS)


@pytest.mark.parametrize("by", ["site", "queue"])
@pytest.mark.parametrize("who", POWERS)
def test_role_by_endpoint_by_site(store: Store, who: str, by: str) -> None:
    with House(store, by).client(who) as client:
        for (method, path), site in itertools.product(NEEDS, (THEIRS, MINE)):
            if method == "DELETE" and site == MINE:
                continue  # the calls of this house are needed by the endpoints after it
            need = NEEDS[method, path]
            url = path.format(alert_id=f"alert-{site}", call_id=f"call-{site}", verb="acknowledge")
            url += {"/api/search": "?q=ligne", "/api/events": f"?call=call-{site}"}.get(path, "")
            if path == "/api/events" and site == MINE and "words" in POWERS[who]:
                continue  # it would stream for ever: test_events_… below
            answer = client.request(method, url)
            told = f"{who} {method} {url}: {answer.status_code} {answer.text[:200]}"
            if who == "nobody" and need is not None:
                assert answer.status_code == 401, told
                continue
            allowed = need is None or need in POWERS[who]
            if path == "/api/events":
                allowed = "words" in POWERS[who]
            if not allowed:
                assert answer.status_code == 403, told
            elif site == THEIRS and "{" in path + ("{" if path == "/api/events" else ""):
                assert answer.status_code == 404, told
            else:
                assert answer.status_code == 200, told
                assert THEIRS not in answer.text, told


@pytest.mark.parametrize("by", ["site", "queue"])
def test_events_of_another_site_never_come(store: Store, by: str) -> None:
    from tests.feed.test_api import events_of

    house = House(store, by)
    seen = {"sites": [MINE]} if by == "site" else {"queues": [MINE]}
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor", **seen)
    cookie = accounts.open_session(house.database, "amina")
    session = accounts.session_of(house.database, cookie)
    assert session is not None
    told_by: Any = house
    found = events_of(told_by, 0, 2, session.scope)
    assert found
    assert all(data[by] == MINE for _, _, data in found)


def test_a_token_without_words_reads_none_in_alerts_either(house: House) -> None:
    """An alert quotes what was said: in its message, in its evidence, in its incident, and on the event stream."""
    from tests.feed.test_api import events_of

    quoted = {"message": {"en": "They said “la ligne coupe”", "fr": "« la ligne coupe »"}, "title": "Hearing trouble"}
    for number in range(4):
        record = alert(
            f"call-{MINE}" if not number else f"other-{number}", f"quoting-{number}", trunk="sip-9", **quoted
        )
        record["evidence"] |= {"words": [{"text": "la ligne coupe", "party": "customer"}]}
        house.take(("alerts", record))
    calm = {"site": MINE, "agent": "calm", "queue": "calm", "trunk": "sip-1"}
    house.take(*(("measurements", measurement(f"calm-{n}", 0, **calm)) for n in range(6)))
    url = "/api/alerts/quoting-0"
    for who, reads in (("token alerts", False), ("token act", False), ("token words", True), ("supervisor", True)):
        client = house.client(who)  # not entered: one application runs once
        for path in ("/api/alerts", url, "/api/incidents"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert ("ligne" in answer.text) == reads, (who, path)
            assert "Hearing trouble" in answer.text
        if who == "token act":
            assert "ligne" not in client.post(f"{url}/note", json={"text": "rappeler"}).text
    for powers, reads in ((frozenset({"alerts"}), False), (None, True)):
        told = events_of(house, 0, 9, Scope("t", powers=powers))
        assert "quoting-0" in str(told)
        assert ("ligne" in str(told)) == reads


def test_an_administrator_of_one_site_reads_the_audit_of_its_calls(house: House) -> None:
    house.take(("measurements", measurement("nowhere", 0, site=None)))
    for call_id in (f"call-{MINE}", f"call-{THEIRS}", "nowhere", "erased"):
        audit.note(house.database, "amina", "words", call_id)
    audit.note(house.database, "amina", "search", calls=[f"call-{MINE}", f"call-{THEIRS}", "nowhere"])
    with house.client("admin") as client:
        answer = client.get("/api/audit", params={"who": "amina"})
    assert [(entry["what"], entry["call_id"]) for entry in answer.json()["items"]] == [
        ("search", None),
        ("words", "erased"),
        ("words", f"call-{MINE}"),
    ]
    assert answer.json()["total"] == 3
    assert not [name for name in (THEIRS, "nowhere") if name in answer.text]


def test_an_open_event_stream_ends_with_its_session(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from streams.feed import hub as hubs

    monkeypatch.setattr(hubs, "STILL_S", 0.05)
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor", [MINE])
    cookie = accounts.open_session(house.database, "amina")

    def still() -> bool:
        return accounts.session_of(house.database, cookie) is not None

    async def follow() -> list[str]:
        hub = hubs.Hub(house.database)
        running = asyncio.create_task(hub.run())
        told = []
        async for text in hub.stream(everything(), 0, None, still):
            told.append(text)
            accounts.change_account(house.database, "amina", {"sites": [THEIRS]})
        running.cancel()
        return told

    assert asyncio.run(asyncio.wait_for(follow(), 20))


def test_erasing_says_what_it_erased_and_nothing_is_left(house: House) -> None:
    with house.client("admin") as client:
        told = client.delete(f"/api/calls/call-{MINE}").json()
        assert told["erased"]["utterances"] == 1
        assert told["erased"]["alerts"] == 1
        assert client.get(f"/api/calls/call-{MINE}").status_code == 404
        assert client.get("/api/search", params={"q": "ligne"}).json()["items"] == []
        audited = client.get("/api/audit", params={"what": "forget"}).json()["items"]
    assert [(entry["who"], entry["call_id"]) for entry in audited] == [("admin", f"call-{MINE}")]


def test_what_is_heard_and_read_is_written_down(house: House) -> None:
    with house.client("admin") as client:
        client.get(f"/api/calls/call-{MINE}")
        client.get(f"/api/alerts/alert-{MINE}/audio")
        client.get(f"/api/calls/call-{THEIRS}")
        client.post(f"/api/alerts/alert-{MINE}/acknowledge")
        entries = client.get("/api/audit").json()["items"]
    assert [(entry["what"], entry["call_id"]) for entry in entries][:3] == [
        ("alert acknowledged", f"call-{MINE}"),
        ("audio", f"call-{MINE}"),
        ("words", f"call-{MINE}"),
    ]
    assert "coupe" not in str(entries)


def test_a_wrong_password_and_an_unknown_account_are_told_alike(house: House) -> None:
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor")
    with house.client("nobody") as client:
        known, unknown = (
            log_in(client, "amina", "wrong wrong wrong"),
            log_in(client, "nobody-such", "wrong wrong wrong"),
        )
    assert known.headers["location"] == unknown.headers["location"] == "/login?error=credentials&next=%2F"


def test_guessing_is_slowed_down_for_the_name_from_there_alone(house: House) -> None:
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor")
    accounts.add_account(house.database, "bruno", PASSWORD, "supervisor")
    before = wall_ms()
    with house.client("nobody") as client:
        for _ in range(limits.LIMITS["pair"].free):
            log_in(client, "amina", "wrong wrong wrong")
        refused = log_in(client, "amina")
        colleague = log_in(client, "bruno")
    assert "error=rate" in refused.headers["location"]
    assert "retry_after=" in refused.headers["location"]
    assert colleague.headers["location"] == "/"
    assert limits.wait_ms(house.database, limits.keys_of("amina", "testclient"), before) >= limits.WAIT_MS_FIRST
    assert limits.wait_ms(house.database, limits.keys_of("amina", "10.0.0.1"), wall_ms()) <= 0, "she is elsewhere"


@pytest.mark.parametrize("kind", limits.LIMITS)
def test_a_wait_grows_up_to_its_most_and_is_forgotten(house: House, kind: str) -> None:
    key, now = [f"{kind} {'x' * 400}"], wall_ms()
    for _ in range(limits.LIMITS[kind].free + 20):
        assert limits.wait_ms(house.database, key, now) <= limits.LIMITS[kind].wait_ms_max
        limits.failed(house.database, key, now)
    assert limits.wait_ms(house.database, key, now) == limits.LIMITS[kind].wait_ms_max
    assert limits.wait_ms(house.database, key, now + limits.FORGOTTEN_MS) == 0


def test_a_login_ends_the_wait_of_its_name_and_not_of_its_address(house: House) -> None:
    keys, now = limits.keys_of("amina", "10.0.0.1"), wall_ms()
    for _ in range(60):
        limits.failed(house.database, keys, now)
    limits.succeeded(house.database, "amina", "10.0.0.1")
    assert limits.wait_ms(house.database, keys[:2], now) == 0
    assert limits.wait_ms(house.database, keys, now) == limits.LIMITS["address"].wait_ms_max


def test_a_browser_that_kept_no_secure_cookie_is_told_so(house: House) -> None:
    with house.client("nobody") as client:
        house.app.state.access = Access(house.database, secure=True)
        refused = log_in(client, "amina")
    assert refused.headers["location"].startswith("/login?error=cookies")


def test_a_login_makes_a_new_session_whatever_cookie_came(house: House) -> None:
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor")
    with house.client("nobody") as client:
        client.cookies.set(SESSION_COOKIE, "planted", domain="127.0.0.1")
        log_in(client, "amina")
        assert accounts.session_of(house.database, "planted") is None
        cookie = next(c for c in client.cookies.jar if c.name == SESSION_COOKIE and c.value != "planted")
        assert cookie.has_nonstandard_attr("HttpOnly")


def test_a_login_from_elsewhere_is_refused(house: House) -> None:
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor")
    with house.client("nobody") as client:
        client.cookies.set(LOGIN_COOKIE, "mine", domain="127.0.0.1", path="/login")
        answer = client.post("/login", data={"name": "amina", "password": PASSWORD, "csrf": "theirs"})
        assert "error=csrf" in answer.headers["location"]


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x=1", ""]
)
def test_a_login_leads_to_our_own_pages_only(house: House, path: str) -> None:
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor")
    with house.client("nobody") as client:
        assert log_in(client, "amina", next=path).headers["location"] == "/"


def test_a_link_survives_the_login(house: House) -> None:
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor")
    with house.client("nobody") as client:
        assert log_in(client, "amina", next="/?view=floor").headers["location"] == "/?view=floor"


def test_a_session_ends_by_logout_by_a_new_password_by_disabling_and_by_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house.client("supervisor") as client:
        csrf = client.headers["X-CSRF-Token"]
        assert client.post("/logout", data={"csrf": "guessed"}).status_code == 403
        assert client.get("/api/me").status_code == 200
        assert client.post("/logout", data={"csrf": csrf}).headers["location"] == "/login"
        assert client.get("/api/me").status_code == 401
        for change in ({"password": accounts.hashed("another long one")}, {"enabled": False}):
            cookie = accounts.open_session(house.database, "supervisor")
            accounts.change_account(house.database, "supervisor", dict(change))
            assert accounts.session_of(house.database, cookie) is None
        accounts.change_account(house.database, "supervisor", {"enabled": True})
        cookie = accounts.open_session(house.database, "supervisor")
        assert accounts.session_of(house.database, cookie) is not None
        later = wall_ms() + accounts.IDLE_MS + 1
        monkeypatch.setattr(accounts, "wall_ms", lambda: later)
        assert accounts.session_of(house.database, cookie) is None


def test_a_token_ends_with_its_time_and_when_it_is_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    token = accounts.add_token(house.database, "short", ["alerts"], None, None, 1)
    assert accounts.token_scope(house.database, token) is not None
    assert accounts.token_scope(house.database, token + "x") is None
    later = wall_ms() + 86_400_001
    with monkeypatch.context() as patched:
        patched.setattr(accounts, "wall_ms", lambda: later)
        assert accounts.token_scope(house.database, token) is None
    accounts.remove_token(house.database, "short")
    assert accounts.token_scope(house.database, token) is None


def test_nothing_in_the_store_lets_anybody_in(house: House) -> None:
    accounts.add_account(house.database, "amina", PASSWORD, "supervisor")
    cookie = accounts.open_session(house.database, "amina")
    token = accounts.add_token(house.database, "t", ["alerts"], None, None, None)
    with house.database.reading() as connection:
        tables = (ta.accounts, ta.sessions, ta.tokens, ta.audit)
        stored = str([connection.execute(sa.select(table)).all() for table in tables])
    assert not [secret for secret in (PASSWORD, cookie, token) if secret in stored]


def test_mistakes_in_accounts_are_told(house: House) -> None:
    for name, password, role in (("a b", PASSWORD, "admin"), ("ok", "short", "admin"), ("ok", PASSWORD, "boss")):
        with pytest.raises(VigieError):
            accounts.add_account(house.database, name, password, role)
    with pytest.raises(VigieError, match="no account"):
        accounts.change_account(house.database, "nobody", {"enabled": False})
    with pytest.raises(VigieError, match="no scope"):
        accounts.add_token(house.database, "t", ["everything"], None, None, None)


def test_of_two_supervisors_the_first_has_it_and_the_second_is_told(house: House) -> None:
    """A stale page, two clicks in one instant, a second click of one's own."""
    url = f"/api/alerts/alert-{MINE}"
    second = house.client("admin")  # not entered: one application runs once
    with house.client("supervisor") as first:
        assert first.post(f"{url}/acknowledge").status_code == 200
        late = second.post(f"{url}/acknowledge")
        assert (late.status_code, late.json()["detail"]) == (409, "supervisor")
        again = first.post(f"{url}/acknowledge").json()["feedback"]
        assert again["acknowledged_by"] == "supervisor"
        assert len(actions(house)) == 1
        assert second.post(f"{url}/dismiss", json={"reason": "known"}).status_code == 200
        assert first.post(f"{url}/dismiss", json={"reason": "false_alert"}).status_code == 409
        assert first.post(f"{url}/unacknowledge").status_code == 409
        found = first.get(url).json()["feedback"]
        assert (found["dismissed"]["by"], found["dismissed"]["reason"]) == ("admin", "known")
        reopened = first.post(f"{url}/reopen").json()["feedback"]
        assert (reopened["dismissed"], reopened["acknowledged_by"]) == (None, None)
        assert second.post(f"{url}/acknowledge").json()["feedback"]["acknowledged_by"] == "admin"


def test_two_clicks_at_once_are_settled_by_the_topic(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    url, publish = f"/api/alerts/alert-{MINE}/acknowledge", LocalSource.publish

    def raced(self: LocalSource, record: Any) -> None:
        publish(self, {**record, "feedback_id": "theirs", "by": "somebody-faster"})
        publish(self, record)

    with house.client("supervisor") as client:
        monkeypatch.setattr(LocalSource, "publish", raced)
        answer = client.post(url)
        assert (answer.status_code, answer.json()["detail"]) == (409, "somebody-faster")
        found = client.get(f"/api/alerts/alert-{MINE}").json()["feedback"]
    assert found["acknowledged_by"] == "somebody-faster"


def actions(house: House) -> list[Any]:
    from streams.feed.tables import feedback

    with house.database.reading() as connection:
        return list(connection.execute(sa.select(feedback.c.feedback_id)).scalars())
