"""What the API asks of the store: alerts and calls, one call, the filters' choices. Every query takes a `Scope`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from streams.feed import tables as t
from streams.feed.access import Scope
from streams.feed.paging import Key, Order
from streams.feed.views import (
    STALE_MS,
    Row,
    View,
    alert_view,
    call_view,
    is_live,
    sentiment_of,
    timeline_of,
    without_words,
)

Clips = Callable[[Row], View]
OPEN_MS = 15 * 60_000
"""An alert of a call that has ended stays on the live list for so long, unless somebody has acknowledged it."""
LONG_CALL_MS = 3_600_000
LIMIT_MAX = 500
_PLACES = sa.select(t.calls.c.call_id, t.calls.c.trunk, t.calls.c.site, t.calls.c.queue, t.calls.c.agent)
_NEWEST_ALERT = (Key(t.alerts.c.raised_at, descending=True), Key(t.alerts.c.alert_id))
_NEWEST_CALL = (Key(t.calls.c.first_at, descending=True), Key(t.calls.c.call_id))
NEWEST_FIRST = Order("alerts", _NEWEST_ALERT)
WORST_FIRST = Order(
    "alerts.open",
    (
        Key(t.alerts.c.rank),
        Key(sa.case((t.alerts.c.acknowledged_at.is_(None), 0), else_=1)),
        *_NEWEST_ALERT,
    ),
)
CALL_ORDERS = {
    "newest": Order("calls.newest", _NEWEST_CALL),
    "health": Order("calls.health", (Key(t.calls.c.health), *_NEWEST_CALL)),
    "longest": Order("calls.longest", (Key(t.calls.c.duration_ms, descending=True), Key(t.calls.c.call_id))),
}


@dataclass(frozen=True, slots=True)
class AlertFilter:
    state: str = "open"
    severity: Sequence[str] = ()
    site: Sequence[str] = ()
    queue: Sequence[str] = ()
    agent: Sequence[str] = ()
    rule: Sequence[str] = ()
    cause: Sequence[str] = ()
    party: Sequence[str] = ()
    call: str | None = None
    assigned: str | None = None
    acknowledged: bool | None = None
    since_at: int | None = None
    until_at: int | None = None


@dataclass(frozen=True, slots=True)
class CallFilter:
    live: bool | None = None
    site: Sequence[str] = ()
    queue: Sequence[str] = ()
    agent: Sequence[str] = ()
    language: Sequence[str] = ()
    coverage: Sequence[str] = ()
    cause: Sequence[str] = ()
    health_max: float | None = None
    q: str | None = None
    since_at: int | None = None
    until_at: int | None = None
    sort: str = "newest"


def newest_event(connection: sa.Connection) -> int:
    """From where a browser must go on. Asked before the rows: each statement sees the store as it then is, and what
    happened between the rows and the number would be told to nobody."""
    return connection.execute(sa.select(sa.func.max(t.events.c.number))).scalar() or 0


def alerts(
    connection: sa.Connection, scope: Scope, asked: AlertFilter, clips: Clips, now: int, limit: int, cursor: str | None
) -> View:
    """Worst first for `state=open` (unacknowledged before acknowledged of a severity), else newest first."""
    event = newest_event(connection)
    conditions = [*scope.where(t.alerts), *_alert_conditions(asked, now)]
    total = connection.execute(sa.select(sa.func.count()).select_from(t.alerts).where(*conditions)).scalar_one()
    order = WORST_FIRST if asked.state == "open" else NEWEST_FIRST
    rows, following = order.page(connection, sa.select(t.alerts).where(*conditions), limit, cursor)
    calls = calls_of(connection, {row["call_id"] for row in rows})
    items = [for_eyes(scope, alert_view(row, calls.get(row["call_id"]), clips(row), now)) for row in rows]
    return {"items": items, "next": following, "total": total, "event": event}


def open_conditions(now: int) -> list[Any]:
    """Alerts that are a supervisor's business now."""
    a, c = t.alerts.c, t.calls.c
    live = sa.select(a.alert_id).join(t.calls, c.call_id == a.call_id)
    live = live.where(c.ended_at.is_(None), c.seen_at > now - STALE_MS)
    fresh = sa.select(a.alert_id).where(a.raised_at > now - OPEN_MS, a.acknowledged_at.is_(None))
    return [
        # Few against all that is kept: each half has its index, where a join with an OR reads every alert and its call.
        a.alert_id.in_(live.correlate(None).union(fresh.correlate(None))),
        a.dismissed_at.is_(None),
        a.state != "cleared",
        sa.or_(a.snoozed_until_at.is_(None), a.snoozed_until_at <= now),
    ]


def _alert_conditions(asked: AlertFilter, now: int) -> list[Any]:
    c = t.alerts.c
    found: list[Any] = open_conditions(now) if asked.state == "open" else []
    for column, values in (
        (c.severity, asked.severity),
        (c.site, asked.site),
        (c.queue, asked.queue),
        (c.agent, asked.agent),
        (c.rule_id, asked.rule),
        (c.verdict, asked.cause),
        (c.party, asked.party),
    ):
        if values:
            found.append(column.in_(values))
    if asked.call is not None:
        found.append(c.call_id == asked.call)
    if asked.assigned is not None:
        found.append(c.assigned_to == asked.assigned if asked.assigned else c.assigned_to.is_(None))
    if asked.acknowledged is not None:
        found.append(c.acknowledged_at.isnot(None) if asked.acknowledged else c.acknowledged_at.is_(None))
    if asked.since_at is not None:
        found.append(c.raised_at >= asked.since_at)
    if asked.until_at is not None:
        found.append(c.raised_at < asked.until_at)
    return found


def one_alert(connection: sa.Connection, scope: Scope, alert_id: str) -> Row | None:
    """An alert's row; None where there is none, or not for these eyes."""
    query = sa.select(t.alerts).where(t.alerts.c.alert_id == alert_id, *scope.where(t.alerts))
    return connection.execute(query).mappings().one_or_none()


def view_of(connection: sa.Connection, scope: Scope, row: Row, clips: Clips, now: int) -> View:
    call = calls_of(connection, {row["call_id"]}).get(row["call_id"])
    return for_eyes(scope, alert_view(row, call, clips(row), now))


def for_eyes(scope: Scope, alert: View) -> View:
    """An alert's view as this scope may read it: what was said is for those who may read words."""
    return alert if scope.may("words") else without_words(alert)


def calls_of(connection: sa.Connection, ids: set[str]) -> dict[str, Row]:
    query = sa.select(*_light()).where(t.calls.c.call_id.in_(ids))
    return {row["call_id"]: row for row in connection.execute(query).mappings()}


def _light() -> list[Any]:
    """A call's columns without the two large ones."""
    return [column for column in t.calls.c if column.name not in ("summary", "timeline")]


def calls(connection: sa.Connection, scope: Scope, asked: CallFilter, now: int, limit: int, cursor: str | None) -> View:
    event = newest_event(connection)
    conditions = [*scope.where(t.calls), *call_conditions(asked, now)]
    total = connection.execute(sa.select(sa.func.count()).select_from(t.calls).where(*conditions)).scalar_one()
    query = sa.select(*_light()).where(*conditions)
    rows, following = CALL_ORDERS[asked.sort].page(connection, query, limit, cursor)
    items = [call_view(row, now) for row in rows]
    return {"items": items, "next": following, "total": total, "event": event}


def call_conditions(asked: CallFilter, now: int) -> list[Any]:
    c = t.calls.c
    found: list[Any] = []
    for column, values in (
        (c.site, asked.site),
        (c.queue, asked.queue),
        (c.agent, asked.agent),
        (c.language, asked.language),
        (c.coverage, asked.coverage),
        (c.cause, asked.cause),
    ):
        if values:
            found.append(column.in_(values))
    if asked.live is not None:
        live = sa.and_(c.ended_at.is_(None), c.seen_at > now - STALE_MS)
        found.append(live if asked.live else sa.not_(live))
    if asked.health_max is not None:
        found += [c.health <= asked.health_max, c.coverage != "unmonitored"]
    if asked.q:
        pattern = "%" + asked.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        found.append(sa.or_(*(column.ilike(pattern, escape="\\") for column in (c.call_id, c.agent, c.queue))))
    if asked.since_at is not None:
        found.append(c.first_at >= asked.since_at)
    if asked.until_at is not None:
        found.append(c.first_at < asked.until_at)
    return found


def one_call(connection: sa.Connection, scope: Scope, call_id: str, clips: Clips, now: int) -> View | None:
    """Everything that is kept of a call, for its own page; None where there is none, or not for these eyes."""
    event = newest_event(connection)
    query = sa.select(t.calls).where(t.calls.c.call_id == call_id, *scope.where(t.calls))
    call = connection.execute(query).mappings().one_or_none()
    if call is None:
        return None
    words = (
        sa.select(t.utterances.c.record)
        .where(t.utterances.c.call_id == call_id)
        .order_by(t.utterances.c.start_ms, t.utterances.c.utterance_id)
    )
    raised = sa.select(t.alerts).where(t.alerts.c.call_id == call_id).order_by(t.alerts.c.raised_at)
    summary = call["summary"]
    return {
        **call_view(call, now),
        "utterances": list(connection.execute(words).scalars()),
        "alerts": [alert_view(row, call, clips(row), now) for row in connection.execute(raised).mappings()],
        "summary": summary,
        "coverage_intervals": summary["coverage"]["intervals"] if summary else [],
        "timeline": timeline(connection, call),
        "last_seq": call["last_seq"],
        "event": event,
    }


def timeline(connection: sa.Connection, call: Row) -> View:
    """A call's timeline, folded or not, with the course of its words."""
    found = call["timeline"]
    if found is None:
        query = sa.select(t.seconds.c.record).where(t.seconds.c.call_id == call["call_id"]).order_by(t.seconds.c.seq)
        found = timeline_of(connection.execute(query).scalars())
    query = sa.select(t.utterances.c.record).where(t.utterances.c.call_id == call["call_id"])
    records = sorted(connection.execute(query).scalars(), key=lambda u: (u["end_ms"], u["party"]))
    return {**found, "sentiment": sentiment_of(records)}


def is_there(connection: sa.Connection, scope: Scope, call_id: str) -> bool:
    query = sa.select(t.calls.c.call_id).where(t.calls.c.call_id == call_id, *scope.where(t.calls))
    return connection.execute(query).first() is not None


def choices(connection: sa.Connection, scope: Scope) -> View:
    """What the filters can offer."""

    def seen(table: sa.Table, **columns: str) -> dict[str, list[str]]:
        # One walk along an index that holds all of these, and no row.
        query = sa.select(*(table.c[name] for name in columns.values())).where(*scope.where(table)).distinct()
        rows = connection.execute(query).all()
        values = zip(*rows, strict=True) if rows else [()] * len(columns)
        return {
            plural: sorted({value for value in found if value is not None})
            for plural, found in zip(columns, values, strict=True)
        }

    calls_ = seen(t.calls, sites="site", queues="queue", agents="agent", languages="language")
    return calls_ | seen(t.alerts, rules="rule_id", causes="verdict")


def measurements_after(connection: sa.Connection, call_id: str, seq: int, limit: int = 30) -> list[Any]:
    query = sa.select(t.seconds.c.record).where(t.seconds.c.call_id == call_id, t.seconds.c.seq > seq)
    return list(connection.execute(query.order_by(t.seconds.c.seq).limit(limit)).scalars())


def live_calls(connection: sa.Connection, scope: Scope, now: int) -> list[Row]:
    conditions = [*scope.where(t.calls), *call_conditions(CallFilter(live=True), now)]
    rows = connection.execute(sa.select(*_light()).where(*conditions)).mappings().all()
    return [row for row in rows if is_live(row, now)]


def of_window(connection: sa.Connection, scope: Scope, since_at: int) -> tuple[list[Row], list[Row]]:
    """Alerts raised since then that nobody dismissed, and the calls that were live since: what incidents are made of."""
    a = t.alerts.c
    raised = sa.select(t.alerts).where(*scope.where(t.alerts), a.raised_at >= since_at, a.dismissed_at.is_(None))
    around = _PLACES.where(*scope.where(t.calls), _lived(since_at))
    return list(connection.execute(raised).mappings()), list(connection.execute(around).mappings())


def of_past(
    connection: sa.Connection, scope: Scope, rule_id: str, since_at: int, until_at: int
) -> tuple[list[Row], list[Row]]:
    """The same of a window in the past, for one rule. Calls that began long before it are left out: they are few."""
    a, c = t.alerts.c, t.calls.c
    raised = sa.select(a.alert_id, a.call_id, a.rule_id, a.raised_at, a.trunk, a.site, a.queue, a.agent).where(
        *scope.where(t.alerts),
        a.raised_at >= since_at,
        a.raised_at < until_at,
        a.rule_id == rule_id,
        a.dismissed_at.is_(None),
    )
    began = (c.first_at >= since_at - LONG_CALL_MS, c.first_at < until_at)
    around = _PLACES.where(*scope.where(t.calls), *began, _lived(since_at))
    return list(connection.execute(raised).mappings()), list(connection.execute(around).mappings())


def _lived(since_at: int) -> Any:
    c = t.calls.c
    return sa.or_(sa.and_(c.ended_at.is_(None), c.seen_at >= since_at), c.ended_at >= since_at)
