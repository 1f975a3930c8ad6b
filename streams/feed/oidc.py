"""OpenID Connect: people come in by the identity provider of their house (authorization code, PKCE, state and nonce).

Who may see what comes from claims of the ID token, or from an account made with `vigie accounts add NAME --no-password`.
An account with a password of its own is never entered this way: a provider's user of the same name is another person.
An account belongs to the first user (`sub`) who enters it: names and addresses can change hands, or be chosen by a user.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

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
PLACES = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
CLAIMS = {"name": "email", "role": "vigie_role", "sites": "vigie_sites", "queues": "vigie_queues"}
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
                if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in PLACES):
                    raise OidcError(f"{url} does not tell {', '.join(PLACES)}")
                if found["issuer"].rstrip("/") != self.issuer.rstrip("/"):
                    raise OidcError("the provider calls itself otherwise than oidc_issuer")
                self._said = found
            return self._said

    def keys(self, *, anew: bool = False) -> KeySet:
        if self._keys is None or anew:
            try:
                self._keys = KeySet.import_key_set(self._json(self.said()["jwks_uri"]))
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise OidcError(f"the provider's keys cannot be read: {type(error).__name__}") from error
        return self._keys

    def _json(self, url: str) -> Any:
        try:
            with self.client() as client:
                answer = client.get(url)
                answer.raise_for_status()
                return answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
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
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
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
                sub={"essential": True},
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
    named = {**CLAIMS, **provider.claims}
    subject = f"{provider.issuer.rstrip('/')} {claims['sub']}"
    told: dict[str, Any] = {}
    if (role := claims.get(named["role"])) is not None:
        told["role"] = _role(role)
    told |= {key: _names(claims[named[key]]) for key in ("sites", "queues") if claims.get(named[key]) is not None}
    a = ta.accounts.c
    with database.writing() as connection:
        known = sa.select(ta.accounts)
        row = connection.execute(known.where(a.subject == subject)).mappings().one_or_none()
        name = row["name"] if row is not None else _name(claims, named["name"])
        row = row or connection.execute(known.where(a.name == name)).mappings().one_or_none()
        if row is None:
            if "role" not in told:
                raise OidcError("nobody has given this user a role")
            values = {"name": name, "password": None, "sites": None, "queues": None, **told, "subject": subject}
            connection.execute(ta.accounts.insert(), {**values, "created_at": wall_ms()})
            return str(name)
        if row["password"] is not None:
            raise OidcError("a local account has that name")
        if not row["enabled"]:
            raise OidcError("the account is disabled")
        if row["subject"] not in (None, subject):
            raise OidcError("the account belongs to another user of the provider")
        connection.execute(ta.accounts.update().where(a.name == name).values({**told, "subject": subject}))
    return str(name)


def _name(claims: Mapping[str, Any], claim: str) -> str:
    name = claims.get(claim) or claims["sub"]
    if not isinstance(name, str) or not accounts.NAME.fullmatch(name):
        raise OidcError("the claims tell no name")
    if claim == "email" and claims.get("email_verified") is False:
        raise OidcError("the provider has not verified the address")
    return name


def _role(value: Any) -> str:
    """The highest of our roles among the claim's; providers send one name or a list."""
    names = value if isinstance(value, list) else [value]
    found = [role.value for role in (Role.ADMIN, Role.SUPERVISOR, Role.ANALYST) if role.value in names]
    if not found:
        raise OidcError("the claims tell no role of ours")
    return found[0]


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
    where = urlsplit(settings.oidc_issuer)
    if where.scheme != "https" and where.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise VigieError(
            "the provider must be reached by https", remedy="Give an https:// address", field="oidc_issuer"
        )
    secret = read_secret(settings.oidc_secret_file, "oidc_secret_file")
    redirect = settings.feed_url.rstrip("/") + "/oidc/back"
    claims = claims_named(settings.oidc_claims)
    return Provider(settings.oidc_issuer, settings.oidc_client_id, secret, redirect, settings.oidc_label, claims)


def claims_named(text: str | None) -> dict[str, str]:
    """`role=groups,sites=site` as a mapping. Raises VigieError."""
    pairs = [piece.partition("=") for piece in (text or "").split(",") if piece.strip()]
    found = {name.strip(): claim.strip() for name, _, claim in pairs}
    if not set(found) <= set(CLAIMS) or not all(found.values()):
        remedy = "Write name=CLAIM,role=CLAIM,sites=CLAIM,queues=CLAIM, or some of them"
        raise VigieError("it names no claims", remedy=remedy, field="oidc_claims")
    return found
