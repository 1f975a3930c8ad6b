"""The HTTP API. Each endpoint reads its question, asks the store within the caller's `Scope`, and answers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from streams.feed import models as m
from streams.feed import overview, queries
from streams.feed.absorb import Absorber
from streams.feed.access import Scope
from streams.feed.clips import Clips
from streams.feed.clock import wall_ms
from streams.feed.database import Database
from streams.feed.feedback import feedback_record, taken_by
from streams.feed.forget import forget
from streams.feed.hub import Hub
from streams.feed.incidents import IncidentSettings, began_at, incidents
from streams.feed.paging import CURSOR_CHARS_MAX
from streams.feed.problems import RefusedError, documented, not_found
from streams.feed.sessions import WAYS_IN, check, needs, still_allowed
from streams.feed.source import Actions
from streams.kafka.clips import ClipFolder

router = APIRouter(prefix="/api", responses=documented(401, 403, 422, 503), dependencies=WAYS_IN)
Names = Annotated[list[m.Text], Query()]
"""Of agents, queues, sites: nobody upstream bounds them."""
Number = Annotated[int | None, Query(ge=0, le=2**52)]
Limit = Annotated[int, Query(ge=1, le=queries.LIMIT_MAX)]
Cursor = Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX)]
Identity = Annotated[m.Identity, Path(min_length=1)]
Spoken = Annotated[m.Identity | None, Query(alias="id", min_length=1)]
Viewer = Annotated[Scope, Depends(needs("alerts"))]
Reader = Annotated[Scope, Depends(needs("words"))]
Hearer = Annotated[Scope, Depends(needs("audio"))]
Administrator = Annotated[Scope, Depends(needs("admin"))]
Actor = Annotated[Scope, Depends(needs("act"))]
DEFAULT_INCIDENTS = IncidentSettings()
PARTIES = Literal["agent", "customer", "both"]


@dataclass(frozen=True, slots=True)
class Erasing:
    """What `DELETE /api/calls/…` must reach beside the store."""

    clips: ClipFolder | None = None
    retention_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Feed:
    """What the endpoints work with; `app.state.feed`."""

    database: Database
    absorber: Absorber
    hub: Hub
    actions: Actions
    clips: Clips
    erasing: Erasing
    incidents: IncidentSettings = DEFAULT_INCIDENTS


def feed_of(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed


Served = Annotated[Feed, Depends(feed_of)]


def named(call_id: Annotated[m.Identity, Path()], other: Spoken = None) -> str:
    """The call that is asked for. No address can end in "." or "..": these calls are `/api/calls/?id=..`."""
    if not (found := call_id or other):
        raise RefusedError(422, "That is no valid request", field="call_id", remedy="Name the call")
    return found


Named = Annotated[str, Depends(named)]


@router.get("/alerts", response_model=m.Alerts)
def alerts(
    feed: Served,
    scope: Viewer,
    state: Literal["open", "all"] = "open",
    severity: Annotated[list[m.Severity], Query()] = [],  # noqa: B006  (FastAPI reads the default, never changes it)
    site: Names = [],  # noqa: B006
    queue: Names = [],  # noqa: B006
    agent: Names = [],  # noqa: B006
    rule: Names = [],  # noqa: B006
    cause: Names = [],  # noqa: B006
    party: Annotated[list[PARTIES], Query()] = [],  # noqa: B006
    call: m.Identity | None = None,
    assigned: m.Name | None = None,
    acknowledged: bool | None = None,
    from_at: Annotated[int | None, Query(alias="from", ge=0, le=2**52)] = None,
    to_at: Annotated[int | None, Query(alias="to", ge=0, le=2**52)] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Any:
    """Alerts: what needs somebody now (`open`, worst first), or all of them (newest first)."""
    asked = queries.AlertFilter(
        state, severity, site, queue, agent, rule, cause, party, call, assigned, acknowledged, from_at, to_at
    )
    with feed.database.reading() as connection:
        return queries.alerts(connection, scope, asked, feed.clips.describe, wall_ms(), limit, cursor)


@router.post("/alerts/{alert_id:path}/{verb}", response_model=m.Alert, responses=documented(400, 404, 409))
async def act(
    feed: Served,
    scope: Actor,
    request: Request,
    alert_id: Identity,
    verb: Literal["acknowledge", "unacknowledge", "assign", "unassign", "snooze", "dismiss", "note", "reopen"],
    asked: m.Asked | None = None,
) -> Any:
    """Act on an alert. The answer comes once calls.feedback has confirmed the action; 409: somebody else was faster."""

    def found() -> Any:
        with feed.database.reading() as connection:
            row = queries.one_alert(connection, scope, alert_id)
            if row is None:
                raise not_found("alert")
            return row, queries.view_of(connection, scope, row, feed.clips.describe, wall_ms())

    row, view = await _threaded(found)
    if first := taken_by(verb, row):
        return _once(view, verb, first, scope.user)
    given = asked.model_dump(exclude_none=True) if asked else {}
    record = feedback_record(verb, row, scope.user, datetime.now(UTC), uuid.uuid4().hex, given)
    await feed.actions.act(lambda: record)
    done = "unassigned" if record.get("unassigned") else record["action"]
    request.state.audited = {"what": f"alert {done}", "call_id": row["call_id"], "alert_id": alert_id}

    row, view = await _threaded(found)
    # Two at once: the topic has both, and the first of them counts.
    first = taken_by(verb, row)
    return _once(view, verb, first, scope.user) if first else view


def _once(view: Any, verb: str, first: str, user: str) -> Any:
    """A second click is answered like the first; a colleague's action is not overwritten."""
    if first != user or verb == "unacknowledge":
        raise RefusedError(409, "Somebody else was faster", detail=first, remedy="Look at the alert again")
    return view


@router.get(
    "/alerts/{alert_id:path}/audio",
    response_class=Response,
    responses={
        **documented(404, 416),
        200: {"description": "The clip", "content": {"audio/ogg": {}, "audio/wav": {}}},
        206: {"description": "A part of it"},
    },
)
def audio(
    feed: Served,
    scope: Hearer,
    request: Request,
    alert_id: Identity,
    party: PARTIES = "both",
    range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
) -> Response:
    """The sound of an alert; redacted and unheard speech is muted."""
    with feed.database.reading() as connection:
        row = queries.one_alert(connection, scope, alert_id)
    sound = feed.clips.sound(row, party) if row is not None else None
    if row is None or sound is None:
        raise not_found("clip")
    request.state.audited = {"what": "audio", "call_id": row["call_id"], "alert_id": alert_id, "party": party}
    return _ranged(sound.data, sound.media_type, range_)


@router.get("/alerts/{alert_id:path}", response_model=m.Alert, responses=documented(404))
def alert(feed: Served, scope: Viewer, alert_id: Identity) -> Any:
    """One alert."""
    # After the clip's: an id may hold slashes, and this address would take it for one.
    with feed.database.reading() as connection:
        row = queries.one_alert(connection, scope, alert_id)
        if row is None:
            raise not_found("alert")
        return queries.view_of(connection, scope, row, feed.clips.describe, wall_ms())


def _ranged(data: bytes, media_type: str, asked: str | None) -> Response:
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-store"}
    span = _span(asked, len(data)) if asked else None
    if span is None:
        return Response(data, 200, headers, media_type)
    first, last = span
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, media_type)


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The first and last byte of a range; None: it asks for nothing that we know, and all is given (RFC 9110)."""
    unit, _, spans = asked.partition("=")
    first, dash, last = spans.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not (first + last).isascii() or not (first + last).isdigit():
        return None
    if first:
        begin, end = int(first), min(int(last) if last else size - 1, size - 1)
    else:
        begin, end = max(0, size - int(last)), size - 1
    if begin > end or begin >= size:
        refusal = RefusedError(416, "That part is not there")
        refusal.headers["Content-Range"] = f"bytes */{size}"
        raise refusal
    return begin, end


@router.get("/calls", response_model=m.Calls)
def calls(
    feed: Served,
    scope: Viewer,
    live: bool | None = None,
    site: Names = [],  # noqa: B006
    queue: Names = [],  # noqa: B006
    agent: Names = [],  # noqa: B006
    language: Names = [],  # noqa: B006
    coverage: Annotated[list[Literal["live", "monitored", "partial", "unmonitored"]], Query()] = [],  # noqa: B006
    cause: Names = [],  # noqa: B006
    health_max: Annotated[float | None, Query(ge=0, le=100)] = None,
    q: m.Name | None = None,
    from_at: Annotated[int | None, Query(alias="from", ge=0, le=2**52)] = None,
    to_at: Annotated[int | None, Query(alias="to", ge=0, le=2**52)] = None,
    sort: Literal["newest", "health", "longest"] = "newest",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """Calls, live and past."""
    asked = queries.CallFilter(live, site, queue, agent, language, coverage, cause, health_max, q, from_at, to_at, sort)
    with feed.database.reading() as connection:
        return queries.calls(connection, scope, asked, wall_ms(), limit, cursor)


@router.get("/calls/{call_id:path}", response_model=m.WholeCall, responses=documented(404))
def call(feed: Served, scope: Reader, request: Request, call_id: Named) -> Any:
    """Everything that is kept of a call: words, alerts, timeline, summary."""
    with feed.database.reading() as connection:
        found = queries.one_call(connection, scope, call_id, feed.clips.describe, wall_ms())
    if found is None:
        raise not_found("call")
    request.state.audited = {"what": "words", "call_id": call_id}
    return found


@router.delete("/calls/{call_id:path}", responses=documented(404))
def erase(feed: Served, scope: Administrator, call_id: Named) -> dict[str, Any]:
    """Erase a call everywhere we keep it; says what was erased, and what the topics hold until their retention."""
    with feed.database.reading() as connection:
        if not queries.is_there(connection, scope, call_id):
            raise not_found("call")
    return forget(feed.database, call_id, scope.user, feed.erasing.clips, feed.erasing.retention_ms)


@router.get("/floor", response_model=m.Floor)
def floor(feed: Served, scope: Viewer) -> Any:
    """All live calls by health, and by site and queue."""
    with feed.database.reading() as connection:
        return overview.floor(connection, scope, wall_ms())


@router.get("/incidents", response_model=m.Incidents)
def incident_list(feed: Served, scope: Viewer) -> Any:
    """Many calls, one cause: what stands out over the last quarter of an hour, and since when it does."""
    with feed.database.reading() as connection:
        now = wall_ms()
        raised, around = queries.of_window(connection, scope, now - feed.incidents.window_ms)
        found = incidents(raised, around, now, feed.incidents)
        for incident in found:
            look = partial(queries.of_past, connection, scope, incident["rule_id"])
            incident["since_at"] = began_at(incident, look, feed.incidents)
            if not scope.may("words"):
                incident["message"] = dict.fromkeys(incident["message"], incident["title"])
    return {"items": found}


@router.get("/coverage", response_model=m.Coverage)
def coverage(
    feed: Served,
    scope: Viewer,
    site: Names = [],  # noqa: B006
    queue: Names = [],  # noqa: B006
    agent: Names = [],  # noqa: B006
    from_at: Annotated[int | None, Query(alias="from", ge=0, le=2**52)] = None,
    to_at: Annotated[int | None, Query(alias="to", ge=0, le=2**52)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """Which calls were not, or not wholly, watched, and why."""
    asked = queries.CallFilter(site=site, queue=queue, agent=agent, since_at=from_at, until_at=to_at)
    with feed.database.reading() as connection:
        return overview.coverage(connection, scope, asked, wall_ms(), limit, cursor)


@router.get("/search", response_model=m.Found)
def search(
    feed: Served,
    scope: Reader,
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    site: Names = [],  # noqa: B006
    queue: Names = [],  # noqa: B006
    agent: Names = [],  # noqa: B006
    party: Annotated[list[PARTIES], Query()] = [],  # noqa: B006
    language: Names = [],  # noqa: B006
    from_at: Annotated[int | None, Query(alias="from", ge=0, le=2**52)] = None,
    to_at: Annotated[int | None, Query(alias="to", ge=0, le=2**52)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """What was said, in redacted words: all the words of `q`, as beginnings of words, without accents."""
    asked = overview.SearchFilter(q, site, queue, agent, party, language, from_at, to_at)
    with feed.database.reading() as connection:
        found = overview.search(connection, scope, asked, limit, cursor)
    if found["items"]:
        request.state.audited = {"what": "search", "calls": sorted({item["call_id"] for item in found["items"]})}
    return found


@router.get("/stats", response_model=m.Stats)
def stats(
    feed: Served,
    scope: Viewer,
    by: Literal["site", "queue", "agent", "cause", "rule"] = "site",
    from_at: Annotated[int | None, Query(alias="from", ge=0, le=2**52)] = None,
    to_at: Annotated[int | None, Query(alias="to", ge=0, le=2**52)] = None,
) -> Any:
    """Calls and alerts by site, queue, agent, cause or rule, and how supervisors answered them."""
    with feed.database.reading() as connection:
        return overview.stats(connection, scope, by, from_at, to_at)


@router.get("/rules", response_model=m.Choices)
def choices(feed: Served, scope: Viewer) -> Any:
    """What the filters can offer."""
    with feed.database.reading() as connection:
        return queries.choices(connection, scope)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        **documented(404),
        200: {"description": "Server-sent events", "content": {"text/event-stream": {}}},
    },
)
def events(
    feed: Served,
    scope: Viewer,
    request: Request,
    call: m.Identity | None = None,
    after: Number = None,
    seq: Annotated[int | None, Query(ge=-1, le=2**31 - 1)] = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=30)] = None,
) -> Response:
    """Alerts and calls as they change, and calls that were erased (`forgotten`); with `call`, also that call's words,
    and its measurements after `seq`."""
    if call is not None:
        check(scope, "words")
        with feed.database.reading() as connection:
            if not queries.is_there(connection, scope, call):
                raise not_found("call")
        request.state.audited = {"what": "words", "call_id": call}
    came = last_event_id if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else None
    start = min(int(came), 2**52) if came else after
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = feed.hub.stream(scope, start, call, still_allowed(request), seq)
    return StreamingResponse(_encoded(stream), headers=headers, media_type="text/event-stream")


async def _encoded(stream: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for text in stream:
        yield text.encode()


async def _threaded(work: Any) -> Any:
    import anyio.to_thread

    return await anyio.to_thread.run_sync(work)
