"""OpenID Connect: people come in by the identity provider of their house (authorization code, PKCE, state and nonce).

Who may see what comes from claims of the ID token, or from an account made with `vigie accounts add NAME --no-password`.
An account with a password of its own is never entered this way: a provider's user of the same name is another person.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import sqlalchemy as sa
from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from audio.errors import VigieError
from streams.feed import accounts, audit
from streams.feed import tables_access as ta
from streams.feed.access import Role
from streams.feed.clock import wall_ms
from streams.feed.database import Database
from streams.feed.sessions import access_of, address_of, entered, own_path

COOKIE = "vigie_oidc"
WAY_S = 600
"""How long somebody may take at the provider."""
TIMEOUT_S = 10.0
LEEWAY_S = 60
ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"]
log = logging.getLogger("vigie.feed")
router = APIRouter(prefix="/oidc")


class OidcError(Exception):
    """Why somebody could not come in; for the log, never for the page."""


@dataclass(slots=True)
class Provider:
    """One identity provider, as configured; what it says of itself is asked once and kept.

    Attributes:
        redirect: the address of our `/oidc/back` as browsers reach it.
        claims: which claims tell the `name`, `role`, `sites` and `queues`.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    redirect: str
    label: str = "OpenID Connect"
    claims: Mapping[str, str] = field(default_factory=dict)
    transport: httpx.BaseTransport | None = None
    _said: dict[str, Any] | None = None
    _keys: KeySet | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self) -> httpx.Client:
        return httpx.Client(timeout=TIMEOUT_S, transport=self.transport, follow_redirects=False)

    def said(self) -> dict[str, Any]:
        """The provider's discovery document. Raises OidcError."""
        with self._lock:
            if self._said is None:
                url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
                found = self._json(url)
                if found.get("issuer", "").rstrip("/") != self.issuer.rstrip("/"):
                    raise OidcError("the provider calls itself otherwise than oidc_issuer")
                self._said = found
            return self._said

    def keys(self, *, anew: bool = False) -> KeySet:
        if self._keys is None or anew:
            self._keys = KeySet.import_key_set(self._json(self.said()["jwks_uri"]))
        return self._keys

    def _json(self, url: str) -> Any:
        try:
            with self.client() as client:
                answer = client.get(url)
                answer.raise_for_status()
                return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise OidcError(f"{url}: {type(error).__name__}") from error

    def claims_of(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """Exchange a code, and check the ID token that comes. Raises OidcError."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect}
        form |= {"client_id": self.client_id, "code_verifier": verifier}
        auth = httpx.BasicAuth(self.client_id, self.client_secret) if self.client_secret else httpx.Auth()
        try:
            with self.client() as client:
                answer = client.post(self.said()["token_endpoint"], data=form, auth=auth)
                answer.raise_for_status()
                token = answer.json()["id_token"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise OidcError(f"no ID token for the code: {type(error).__name__}") from error
        return self._checked(token, nonce)

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        try:
            decoded = self._decoded(token)
            registry = jwt.JWTClaimsRegistry(
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.said()["issuer"]},
                aud={"essential": True, "value": self.client_id},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            registry.validate(decoded)
        except (JoseError, ValueError) as error:
            raise OidcError(f"the ID token is not valid: {type(error).__name__}") from error
        return decoded

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return dict(jwt.decode(token, self.keys(), algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError):
            # The provider may have changed its keys since they were asked for.
            return dict(jwt.decode(token, self.keys(anew=True), algorithms=ALGORITHMS).claims)


@router.get("/start", include_in_schema=False)
def start(request: Request, next: str = "/") -> Response:
    provider = _provider(request)
    state, nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(24), generate_token(64)
    try:
        endpoint = provider.said()["authorization_endpoint"]
    except OidcError as error:
        return _failed(request, next, error)
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": provider.redirect,
        "scope": "openid profile email",
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    response = RedirectResponse(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", 303)
    kept = json.dumps({"state": state, "nonce": nonce, "verifier": verifier, "next": own_path(next)})
    # Lax: the way back comes from the provider's site.
    response.set_cookie(
        COOKIE, kept.encode().hex(), max_age=WAY_S, httponly=True, secure=access_of(request).secure, samesite="lax",
        path="/oidc",
    )  # fmt: skip
    return response


@router.get("/back", include_in_schema=False)
def back(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
    provider = _provider(request)
    try:
        kept = json.loads(bytes.fromhex(request.cookies.get(COOKIE, "")))
        known, nonce, verifier, next_path = (str(kept[name]) for name in ("state", "nonce", "verifier", "next"))
    except (ValueError, KeyError, TypeError):
        return _failed(request, "/", OidcError("the way back has no way there"))
    try:
        if not state or not secrets.compare_digest(state.encode(), known.encode()):
            raise OidcError("another state")
        if error or not code:
            raise OidcError(f"the provider says {error[:60] or 'nothing'}")
        name = account_of(access_of(request).database, provider, provider.claims_of(code, verifier, nonce))
    except OidcError as refused:
        return _failed(request, next_path, refused)
    response = entered(request, name, next_path)
    response.delete_cookie(COOKIE, path="/oidc")
    return response


def account_of(database: Database, provider: Provider, claims: Mapping[str, Any]) -> str:
    """The account of a provider's user, made or brought to what the claims say. Raises OidcError."""
    named = {"name": "email", "role": "vigie_role", "sites": "vigie_sites", "queues": "vigie_queues", **provider.claims}
    name = claims.get(named["name"]) or claims.get("preferred_username") or claims.get("sub")
    if not isinstance(name, str) or not accounts.NAME.fullmatch(name):
        raise OidcError("the claims tell no name")
    told = {key: claims[named[key]] for key in ("role", "sites", "queues") if claims.get(named[key]) is not None}
    places = {key: _names(value) for key, value in told.items() if key != "role"}
    a = ta.accounts.c
    with database.writing() as connection:
        row = connection.execute(sa.select(ta.accounts).where(a.name == name)).mappings().one_or_none()
        if row is not None and (row["password"] is not None or not row["enabled"]):
            raise OidcError("a local account has that name" if row["password"] is not None else "it is disabled")
        if "role" in told and told["role"] not in set(Role):
            raise OidcError("the claims tell a role that is none of ours")
        if row is None:
            if "role" not in told:
                raise OidcError("nobody has given this user a role")
            values = {"name": name, "password": None, "sites": None, "queues": None, **told, **places}
            connection.execute(ta.accounts.insert(), {**values, "created_at": wall_ms()})
        elif told:
            connection.execute(ta.accounts.update().where(a.name == name).values({**told, **places}))
    return name


def _names(value: Any) -> list[str]:
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise OidcError("the claims tell no list of names")
    return sorted({item.strip() for item in found if item.strip()})


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.oidc
    if provider is None:
        from streams.feed.problems import RefusedError

        raise RefusedError(404, "OpenID Connect is not set up", remedy="Set oidc_issuer and oidc_client_id")
    return provider


def _failed(request: Request, next_path: str, error: OidcError) -> Response:
    log.warning("OpenID Connect: %s", error)
    audit.note(access_of(request).database, "", "login refused", None, address_of(request), oidc=str(error)[:200])
    return RedirectResponse("/login?" + urlencode({"error": "oidc", "next": own_path(next_path)}), 303)


def provider_from(settings: Any) -> Provider | None:
    """As set up; None where it is not. Raises VigieError for half of a set-up."""
    from streams.settings import read_secret

    if not settings.oidc_issuer:
        return None
    for name in ("oidc_client_id", "feed_url"):
        if not getattr(settings, name):
            raise VigieError("OpenID Connect needs it", remedy=f"Set {name}", field=name)
    secret = read_secret(settings.oidc_secret_file, "oidc_secret_file")
    redirect = settings.feed_url.rstrip("/") + "/oidc/back"
    return Provider(settings.oidc_issuer, settings.oidc_client_id, secret, redirect, settings.oidc_label)
