"""OpenID Connect against a provider of the tests' own: the way in, and every way it must not go."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey

from audio.errors import VigieError
from streams.feed import accounts
from streams.feed.app import create_app
from streams.feed.clips import NoClips
from streams.feed.oidc import Provider, claims_named
from streams.feed.sessions import Access
from streams.feed.source import LocalSource
from tests.feed.conftest import Store

ISSUER, CLIENT = "https://id.example", "vigie"


class FakeProvider(httpx.BaseTransport):
    """An identity provider: discovery, keys, and tokens for codes, with whatever is wrong put in by a test."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "1"})
        self.claims: dict[str, Any] = {
            "email": "amina@example.org",
            "vigie_role": "supervisor",
            "vigie_sites": ["rabat"],
        }
        self.wrong: dict[str, Any] = {}
        self.nonsense: dict[str, Any] = {}
        self.signed_by = self.key
        self.asked: dict[str, str] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path in self.nonsense:
            return httpx.Response(200, json=self.nonsense[path])
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/keys"}
            return httpx.Response(200, json={"issuer": ISSUER, **{k: ISSUER + v for k, v in places.items()}})
        if path == "/keys":
            return httpx.Response(200, json={"keys": [self.key.as_dict(private=False)]})
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if create_s256_code_challenge(form["code_verifier"]) != self.asked["code_challenge"] or form["code"] != "good":
            return httpx.Response(400, json={"error": "invalid_grant"})
        now = int(time.time())
        token = {"iss": ISSUER, "aud": CLIENT, "sub": "1", "exp": now + 300, "iat": now, "nonce": self.asked["nonce"]}
        claims = {**token, **self.claims, **self.wrong}
        return httpx.Response(200, json={"id_token": jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signed_by)})


class Door:
    def __init__(self, store: Store) -> None:
        self.fake, self.store = FakeProvider(), store
        provider = Provider(ISSUER, CLIENT, "secret", "http://127.0.0.1/oidc/back", transport=self.fake)
        access = Access(store.database, secure=False, oidc={"name": "Example", "url": "/oidc/start"})
        source = LocalSource(store.absorber)
        app = create_app(store.database, store.absorber, source, NoClips(), access=access, oidc=provider)
        self.client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)

    def go(self, next_path: str = "/?view=floor", **changes: str) -> httpx.Response:
        away = urlsplit(self.client.get("/oidc/start", params={"next": next_path}).headers["location"])
        self.fake.asked = {name: values[0] for name, values in parse_qs(away.query).items()}
        back = {"code": "good", "state": self.fake.asked["state"], **changes}
        return self.client.get("/oidc/back", params=back)


@pytest.fixture
def door(store: Store) -> Door:
    return Door(store)


def test_a_user_of_the_provider_comes_in_with_the_role_and_sites_of_the_claims(door: Door) -> None:
    assert door.client.get("/api/login").json()["oidc"] == {"name": "Example", "url": "/oidc/start"}
    assert door.go().headers["location"] == "/?view=floor"
    me = door.client.get("/api/me").json()
    assert (me["user"], me["role"], me["sites"], me["queues"]) == ("amina@example.org", "supervisor", ["rabat"], None)
    door.fake.claims["vigie_role"] = "analyst"
    door.go()
    assert door.client.get("/api/me").json()["role"] == "analyst"


@pytest.mark.parametrize(
    "wrong",
    [{"iss": "https://evil.example"}, {"aud": "another"}, {"exp": 1}, {"nonce": "another"}, {"vigie_role": "boss"},
     {"email": "a b", "preferred_username": None, "sub": "<x>"}, {"vigie_sites": 7}, {"vigie_role": None}, {"vigie_role": 7},
     {"vigie_role": ["boss"]}, {"sub": None},
     {"email_verified": False}],
)  # fmt: skip
def test_a_token_that_is_not_right_lets_nobody_in(door: Door, wrong: dict[str, Any]) -> None:
    door.fake.wrong = wrong
    assert "error=oidc" in door.go().headers["location"]
    assert door.client.get("/api/me").status_code == 401
    assert accounts.listed(door.store.database) == []


def test_a_token_signed_by_another_lets_nobody_in(door: Door) -> None:
    door.fake.signed_by = RSAKey.generate_key(2048, {"kid": "1"})
    assert "error=oidc" in door.go().headers["location"]


@pytest.mark.parametrize("changes", [{"state": "guessed"}, {"code": "bad"}, {"error": "access_denied"}])
def test_a_way_back_that_is_not_right_lets_nobody_in(door: Door, changes: dict[str, str]) -> None:
    assert "error=oidc" in door.go(**changes).headers["location"]
    assert door.client.get("/api/me").status_code == 401


def test_a_way_back_without_a_way_there_lets_nobody_in(door: Door) -> None:
    assert "error=oidc" in door.client.get("/oidc/back", params={"code": "good", "state": "x"}).headers["location"]


def test_a_local_account_is_not_entered_by_its_name(door: Door) -> None:
    accounts.add_account(door.store.database, "amina@example.org", "a long password", "admin")
    assert "error=oidc" in door.go().headers["location"]


def test_an_account_made_beforehand_keeps_its_role_where_the_claims_say_none(door: Door) -> None:
    accounts.add_account(door.store.database, "amina@example.org", None, "analyst", ["dakar"])
    door.fake.claims = {"email": "amina@example.org"}
    door.go()
    me = door.client.get("/api/me").json()
    assert (me["role"], me["sites"]) == ("analyst", ["dakar"])
    accounts.change_account(door.store.database, "amina@example.org", {"enabled": False})
    assert "error=oidc" in door.go().headers["location"]


def test_it_leads_to_our_own_pages_only(door: Door) -> None:
    assert door.go("//evil.example").headers["location"] == "/"


def test_an_account_belongs_to_the_first_user_who_entered_it(door: Door) -> None:
    door.go()
    door.client.cookies.clear()
    door.fake.wrong = {"sub": "2"}
    assert "error=oidc" in door.go().headers["location"]
    assert door.client.get("/api/me").status_code == 401
    door.fake.wrong = {"email": "amina.b@example.org"}  # the same person under a new address
    door.go()
    assert door.client.get("/api/me").json()["user"] == "amina@example.org"


def test_a_name_that_a_user_chooses_is_not_taken_for_an_address(door: Door) -> None:
    accounts.add_account(door.store.database, "amina@example.org", None, "admin")
    door.fake.claims = {"preferred_username": "amina@example.org"}
    assert "error=oidc" in door.go().headers["location"]


def test_the_highest_of_several_roles_counts(door: Door) -> None:
    door.fake.claims["vigie_role"] = ["staff", "analyst", "supervisor"]
    door.go()
    assert door.client.get("/api/me").json()["role"] == "supervisor"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
@pytest.mark.parametrize("said", [[], {}, {"issuer": ISSUER, "keys": 7}])
def test_a_provider_that_answers_nonsense_lets_nobody_in(door: Door, path: str, said: Any) -> None:
    door.fake.nonsense = {path: said}
    if path == "/keys":
        assert "error=oidc" in door.go().headers["location"]
    else:
        assert "error=oidc" in door.client.get("/oidc/start").headers["location"]


def test_claims_are_named_in_the_settings() -> None:
    assert claims_named("role=groups, sites = site") == {"role": "groups", "sites": "site"}
    assert claims_named(None) == {}
    for wrong in ("boss=x", "role", "role="):
        with pytest.raises(VigieError, match="claims"):
            claims_named(wrong)
