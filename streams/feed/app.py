"""The ASGI application: the API, the page, health, and the headers that keep a browser to itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as ASGIScope

from streams.feed import api, audit, problems, sessions
from streams.feed.absorb import Absorber
from streams.feed.api import Erasing, Feed
from streams.feed.clips import Clips
from streams.feed.database import Database
from streams.feed.hub import Hub
from streams.feed.metrics import exposition
from streams.feed.oidc import Provider
from streams.feed.oidc import router as oidc_router
from streams.feed.sessions import Access
from streams.feed.source import Actions, Source

log = logging.getLogger("vigie.feed")
PAGE = Path(__file__).parent / "page"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
THREADS = 8
"""Requests that are worked on at once."""
VIEWS = ("alerts", "floor", "calls", "incidents", "coverage", "history")
"""The page's own addresses: each is answered with the page, which reads the address."""


def create_app(
    database: Database,
    absorber: Absorber,
    source: Source,
    clips: Clips,
    *,
    loopback: bool = False,
    access: Access | None = None,
    erasing: Erasing | None = None,
    oidc: Provider | None = None,
) -> FastAPI:
    """The application over a store.

    Args:
        loopback: nobody logs in; the caller must serve it on a loopback address only.
        access: how people come in otherwise (default: by their accounts, with cookies for TLS).
    """
    hub = Hub(database, source.healthy)
    absorber.listen(hub.notice)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Each thread may come to a connection with a cache of its own.
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        running = asyncio.create_task(hub.run())
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    app = FastAPI(
        title="Vigie feed",
        summary="Live alerts, calls and history of a call centre, for people and programs.",
        version=_release(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.oidc = oidc
    app.state.access = access or Access(database, loopback=loopback, secure=not loopback)
    app.state.feed = Feed(database, absorber, hub, Actions(absorber, source), clips, erasing or Erasing())
    problems.install(app)
    app.add_middleware(_Headers)
    app.include_router(sessions.router)
    app.include_router(oidc_router)
    app.include_router(api.router)
    _add_health(app, source)
    _add_page(app)
    return app


class _Headers:
    """Puts our headers on every answer, and notes before its first byte who is given what: where that cannot be noted,
    nothing is given. What was done is told as done all the same: its own record says by whom.

    Plain ASGI: what wraps answers for a framework would hand every event of every stream through one queue more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        refused = False

        async def sending(message: Message) -> None:
            nonlocal refused
            if refused:
                return
            if message["type"] == "http.response.start":
                seen = scope.get("state", {}).get("audited")
                if seen and message["status"] < 400 and not await asyncio.to_thread(_audit, Request(scope), dict(seen)):
                    refused = scope["method"] == "GET"
                if refused:
                    gone = problems.store_gone()
                    _put(gone.headers, scope["path"])
                    await gone(scope, receive, send)
                    return
                _put(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self._app(scope, receive, sending)


def _put(headers: MutableHeaders, path: str) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    # A page that is open all day must see an update: the browser asks each time, and mostly hears "not modified".
    headers.setdefault("Cache-Control", "no-store" if path.startswith("/api/") else "no-cache")


def _audit(request: Request, seen: dict[str, Any]) -> bool:
    """Whether it could be noted."""
    access, scope = request.app.state.access, request.state.scope
    what, call_id = seen.pop("what"), seen.pop("call_id", None)
    try:
        audit.note(access.database, scope.user, what, call_id, sessions.address_of(request), **seen)
    except SQLAlchemyError as error:
        log.error("the audit log cannot be written: %s", type(error).__name__)
        return False
    return True


def _add_health(app: FastAPI, source: Source) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> Response:
        wrong = source.healthy()
        return JSONResponse({"ready": wrong is None, "wrong": wrong}, 200 if wrong is None else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        feed: Any = app.state.feed
        return Response(exposition(feed), media_type="text/plain; version=0.0.4")


def _add_page(app: FastAPI) -> None:
    index = PAGE / "index.html"

    def page() -> FileResponse:
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    @app.get("/login", include_in_schema=False)
    def login() -> FileResponse:
        return FileResponse(PAGE / "login.html")

    app.get("/", include_in_schema=False)(page)
    for view in VIEWS:
        app.get(f"/{view}", include_in_schema=False)(page)
        app.get(f"/{view}/{{rest:path}}", include_in_schema=False)(page)
    app.mount("/page", StaticFiles(directory=PAGE, check_dir=False), name="page")


def _release() -> str:
    try:
        return metadata.version("vigie")
    except metadata.PackageNotFoundError:
        return "source"
