"""Who asks, and may they: the dependencies that turn a request into a `Scope`. Every endpoint has one of them.

People come with a session's cookie, programs with a token. Without accounts (loopback), everyone is the demo user.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.security import APIKeyCookie, HTTPBearer

from streams.feed import accounts, audit, limits
from streams.feed import models as m
from streams.feed.access import Scope, everything
from streams.feed.clock import wall_ms
from streams.feed.database import Database
from streams.feed.paging import CURSOR_CHARS_MAX
from streams.feed.problems import RefusedError, documented

SESSION_COOKIE, CSRF_COOKIE, LOGIN_COOKIE = "vigie_session", "vigie_csrf", "vigie_login"
CSRF_HEADER = "X-CSRF-Token"
LOGIN_S = 3_600
WAYS_IN = [
    Depends(HTTPBearer(auto_error=False, description="A program's token: `vigie accounts token`")),
    Depends(APIKeyCookie(name=SESSION_COOKIE, auto_error=False, description="A person's session")),
]
"""For the OpenAPI document; `needs` is what lets in or refuses."""
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Access:
    """How people come in; `app.state.access`.

    Attributes:
        loopback: nobody logs in; served on a loopback address only.
        secure: cookies go over TLS only. Off where the page is served on loopback without a proxy.
        oidc: how the login page calls the other way in, `{name, url}`, or None.
    """

    database: Database
    loopback: bool = False
    secure: bool = True
    oidc: dict[str, str] | None = None


def access_of(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def needs(power: str) -> Callable[[Request], Scope]:
    """The dependency of an endpoint that needs `alerts`, `words`, `audio`, `act` or `admin`.

    It raises RefusedError: 401 where nobody is logged in, 403 where it is not allowed or not from our page.
    """

    def found(request: Request) -> Scope:
        scope, csrf = _who(request)
        request.state.scope = scope
        if csrf is not None and power in ("act", "admin") and request.method not in ("GET", "HEAD"):
            _check_csrf(request.headers.get(CSRF_HEADER, ""), csrf)
        check(scope, power)
        return scope

    found.power = power  # type: ignore[attr-defined]  # the access tests read it
    return found


def still_allowed(request: Request) -> Callable[[], bool]:
    """Whether who asked would be let in again, to the same sites and queues."""
    scope, _ = _who(request)

    def ask() -> bool:
        try:
            return _who(request)[0] == scope
        except RefusedError:
            return False

    return ask


def check(scope: Scope, power: str) -> None:
    if not scope.may(power):
        raise RefusedError(403, "This account may not do that", remedy="Ask an administrator for the role or the scope")


def _who(request: Request) -> tuple[Scope, str | None]:
    """The scope, and the CSRF token that a change must bring (None: a program's token, which no browser sends)."""
    access = access_of(request)
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and not access.loopback:
        scope = accounts.token_scope(access.database, token.strip())
        if scope is None:
            raise RefusedError(401, "That token is not valid", remedy="Make another with `vigie accounts token`")
        return scope, None
    if access.loopback:
        return everything(), request.cookies.get(CSRF_COOKIE, "")
    session = accounts.session_of(access.database, request.cookies.get(SESSION_COOKIE, ""))
    if session is None:
        raise RefusedError(401, "Please log in")
    return session.scope, session.csrf


def _check_csrf(sent: str, wanted: str) -> None:
    if not wanted or not secrets.compare_digest(sent.encode(), wanted.encode()):
        raise RefusedError(403, "The page is out of date", remedy="Load it again")


@router.get("/api/me", response_model=m.Me, responses=documented(401), dependencies=WAYS_IN)
def me(request: Request, response: Response, scope: Annotated[Scope, Depends(needs("alerts"))]) -> m.Me:
    """Who am I, and what may I see? `csrf` is what actions must bring as X-CSRF-Token."""
    access = access_of(request)
    _, token = _who(request)
    if access.loopback and not token:
        token = secrets.token_urlsafe(24)
        response.set_cookie(CSRF_COOKIE, token, samesite="strict", httponly=True, secure=False, path="/")
    return m.Me(
        user=scope.user,
        name=scope.user,
        role=scope.role.value,
        sites=None if scope.sites is None else sorted(scope.sites),
        queues=None if scope.queues is None else sorted(scope.queues),
        loopback=access.loopback,
        csrf=token or "",
    )


@router.get("/api/login", responses={200: {"description": "What the login form needs"}})
def login_form(request: Request, response: Response) -> dict[str, Any]:
    """The form's CSRF token, and the other way in where there is one."""
    access, token = access_of(request), secrets.token_urlsafe(24)
    response.set_cookie(
        LOGIN_COOKIE, token, max_age=LOGIN_S, samesite="strict", httponly=True, secure=access.secure, path="/login"
    )
    return {"csrf": token, "oidc": access.oidc}


@router.post("/login", include_in_schema=False)
def log_in(
    request: Request,
    name: Annotated[m.Name, Form()] = "",
    password: Annotated[str, Form(max_length=2_000)] = "",
    csrf: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2_000)] = "/",
) -> Response:
    access, now = access_of(request), wall_ms()
    sent = request.cookies.get(LOGIN_COOKIE, "")
    if not csrf or not secrets.compare_digest(csrf.encode(), sent.encode()):
        # A browser keeps no secure cookie of a page that came without TLS; telling it to try again would not help.
        return _refused(next, "cookies" if access.secure and not sent else "csrf")
    database, address = access.database, address_of(request)
    keys = limits.keys_of(name, address)
    waiting = limits.wait_ms(database, keys, now)
    if waiting > 0:
        audit.note(database, name[:100], "login slowed down", address=address)
        return _refused(next, "rate", retry_after=waiting // 1000 + 1)
    if not accounts.check_password(database, name, password):
        limits.failed(database, keys, now)
        audit.note(database, name[:100], "login refused", address=address)
        return _refused(next, "credentials")
    limits.succeeded(database, name, address)
    return entered(request, name, next)


def entered(request: Request, name: str, next_path: str) -> Response:
    """The answer to one who has proved to be that account: a new session, whatever cookie came."""
    access = access_of(request)
    if old := request.cookies.get(SESSION_COOKIE):
        accounts.close_session(access.database, old)
    cookie = accounts.open_session(access.database, name)
    audit.note(access.database, name, "login", address=address_of(request))
    response = RedirectResponse(own_path(next_path), 303)
    # Lax, not strict: a link to an alert in a mail or a chat must open it.
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=accounts.LIFE_MS // 1000,
        httponly=True,
        secure=access.secure,
        samesite="lax",
        path="/",
    )
    return response


@router.post("/logout", include_in_schema=False)
def log_out(request: Request, csrf: Annotated[str, Form(max_length=200)] = "") -> Response:
    access = access_of(request)
    cookie = request.cookies.get(SESSION_COOKIE, "")
    session = accounts.session_of(access.database, cookie)
    if session is not None:
        _check_csrf(csrf, session.csrf)
        accounts.close_session(access.database, cookie)
        audit.note(access.database, session.scope.user, "logout", address=address_of(request))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


def own_path(text: str) -> str:
    """A path of this site; anything else leads to its front page."""
    plain = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if plain else "/"


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def _refused(next_path: str, error: str, **more: Any) -> Response:
    from urllib.parse import urlencode

    query = urlencode({"error": error, **more, "next": own_path(next_path)})
    return RedirectResponse(f"/login?{query}", 303)


@router.get("/api/audit", responses=documented(401, 403, 422), dependencies=WAYS_IN)
def audit_log(
    request: Request,
    scope: Annotated[Scope, Depends(needs("admin"))],
    who: m.Name | None = None,
    what: m.Name | None = None,
    call: m.Identity | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX)] = None,
) -> JSONResponse:
    """Who heard or read what, who did what, who was refused; the newest first. For administrators."""
    with access_of(request).database.reading() as connection:
        found = audit.entries(connection, scope, who, what, call, limit, cursor)
    return JSONResponse(found)
