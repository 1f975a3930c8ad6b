"""Who asks: the dependency that turns a request into a `Scope`. Without accounts (loopback), everyone is the demo user."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from streams.feed import models as m
from streams.feed.access import Scope, everything
from streams.feed.problems import RefusedError

CSRF_COOKIE, CSRF_HEADER = "vigie_csrf", "X-CSRF-Token"
router = APIRouter()


def current_scope(request: Request) -> Scope:
    """Raises RefusedError (401) where nobody is logged in."""
    if request.app.state.loopback:
        return everything()
    raise RefusedError(401, "Please log in")


def may_act(request: Request, scope: Annotated[Scope, Depends(current_scope)]) -> Scope:
    """One who may change something, and did so from our page. Raises RefusedError (403)."""
    sent = request.headers.get(CSRF_HEADER, "")
    if not sent or not secrets.compare_digest(sent, request.cookies.get(CSRF_COOKIE, "")):
        raise RefusedError(403, "The page is out of date", remedy="Load it again")
    if not scope.acts:
        raise RefusedError(403, "This account only looks", remedy="Ask an administrator for the role supervisor")
    return scope


@router.get("/api/me", response_model=m.Me)
def me(request: Request, response: Response, scope: Annotated[Scope, Depends(current_scope)]) -> m.Me:
    """Who am I, and what may I see? Sets the cookie that actions are checked against."""
    token = request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(24)
    response.set_cookie(CSRF_COOKIE, token, samesite="strict", secure=request.url.scheme == "https", path="/")
    return m.Me(
        user=scope.user,
        name=scope.user,
        role=scope.role.value,
        sites=None if scope.sites is None else sorted(scope.sites),
        queues=None if scope.queues is None else sorted(scope.queues),
        loopback=request.app.state.loopback,
        csrf=token,
    )
