"""The views over many calls: floor, coverage, search, statistics."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from streams.feed import tables as t
from streams.feed.access import Scope
from streams.feed.paging import Key, Order
from streams.feed.queries import CALL_ORDERS, CallFilter, call_conditions, live_calls, newest_event
from streams.feed.views import Row, View, call_view, health_of

FLOOR_CALLS_MAX = 2_000
WORDS_MAX = 12
SNIPPET_CHARS = 160
_WORD = re.compile(r"\w+", re.UNICODE)
LATEST_SAID = Order("search", (Key(t.utterances.c.number, descending=True),))
_HEALTH_MEAN = sa.func.avg(sa.case((t.calls.c.coverage != "unmonitored", t.calls.c.health)))
STATS_BY = {"site": "site", "queue": "queue", "agent": "agent", "cause": "verdict", "rule": "rule_id"}


@dataclass(frozen=True, slots=True)
class SearchFilter:
    q: str
    site: Sequence[str] = ()
    queue: Sequence[str] = ()
    agent: Sequence[str] = ()
    party: Sequence[str] = ()
    language: Sequence[str] = ()
    since_at: int | None = None
    until_at: int | None = None


def floor(connection: sa.Connection, scope: Scope, now: int) -> View:
    """All live calls by health, and by site and queue."""
    event = newest_event(connection)
    rows = live_calls(connection, scope, now)
    groups: dict[str | None, dict[str | None, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["site"]][row["queue"]].append(row)
    sites = [
        {"site": site, "queues": [_queue(queue, found) for queue, found in sorted(queues.items(), key=_name)]}
        for site, queues in sorted(groups.items(), key=_name)
    ]
    worst = sorted(
        rows, key=lambda row: (row["coverage"] == "unmonitored", row["health"], -row["first_at"], row["call_id"])
    )[:FLOOR_CALLS_MAX]
    return {"sites": sites, "calls": [call_view(row, now) for row in worst], "event": event}


def _name(item: tuple[str | None, Any]) -> tuple[bool, str]:
    return item[0] is None, item[0] or ""


def _queue(queue: str | None, rows: list[Row]) -> View:
    health = [known for row in rows if (known := health_of(row)) is not None]
    coverage = Counter(row["coverage"] for row in rows)
    return {
        "queue": queue,
        "calls": len(rows),
        "partial": coverage["partial"],
        "unmonitored": coverage["unmonitored"],
        "health_median": round(statistics.median(health), 1) if health else None,
        "health_worst": min(health, default=None),
        "alerts": {name: sum(row[name] for row in rows) for name in ("critical", "warning", "info")},
    }


def coverage(
    connection: sa.Connection, scope: Scope, asked: CallFilter, now: int, limit: int, cursor: str | None
) -> View:
    """Who was not watched, and why: counts, reasons, and the calls in question."""
    conditions = [*scope.where(t.calls), *call_conditions(asked, now)]
    counted = sa.select(t.calls.c.coverage, sa.func.count()).where(*conditions).group_by(t.calls.c.coverage)
    counts = dict.fromkeys(("live", "monitored", "partial", "unmonitored"), 0)
    counts |= dict(connection.execute(counted).all())
    holes = [*conditions, t.calls.c.coverage.in_(("partial", "unmonitored"))]
    # The database takes them out of the summaries: to read thousands of these whole would cost more than all the rest.
    of_all = connection.execute(sa.select(t.calls.c.summary[("coverage", "intervals")]).where(*holes)).scalars()
    calls, lost = Counter[str](), Counter[str]()
    for found in of_all:
        intervals = found or []
        calls.update({item["reason"] for item in intervals})
        for item in intervals:
            lost[item["reason"]] += item["to_ms"] - item["from_ms"]
    rows, following = CALL_ORDERS["newest"].page(connection, sa.select(t.calls).where(*holes), limit, cursor)
    items = [
        {**call_view(row, now), "coverage_intervals": row["summary"]["coverage"]["intervals"] if row["summary"] else []}
        for row in rows
    ]
    reasons = [{"reason": reason, "calls": number, "ms": lost[reason]} for reason, number in calls.most_common()]
    total = counts["partial"] + counts["unmonitored"]
    return {"counts": counts, "reasons": reasons, "items": items, "next": following, "total": total}


def search(connection: sa.Connection, scope: Scope, asked: SearchFilter, limit: int, cursor: str | None) -> View:
    """Utterances in which all the words stand (as beginnings of words), newest first."""
    words = [folded(word) for word in _WORD.findall(asked.q)][:WORDS_MAX]
    if not words:
        return {"items": [], "next": None}
    u, c = t.utterances.c, t.calls.c
    conditions = [*scope.where(t.calls), *_search_conditions(asked), _matches(connection, words)]
    columns = [u.call_id, u.utterance_id, u.party, u.start_ms, u.text, u.at, u.language]
    query = (
        sa.select(*columns, c.started_at, c.first_at, c.agent, c.queue, c.site)
        .select_from(t.utterances.join(t.calls, c.call_id == u.call_id))
        .where(*conditions)
    )
    rows, following = LATEST_SAID.page(connection, query, limit, cursor)
    names = ("call_id", "utterance_id", "party", "start_ms", "at", "language", "agent", "queue", "site")
    items = [
        {
            **{name: row[name] for name in names},
            "started_at": row["started_at"] or row["first_at"],
            "snippet": snippet(row["text"], words),
        }
        for row in rows
    ]
    return {"items": items, "next": following}


def _search_conditions(asked: SearchFilter) -> list[Any]:
    u, c = t.utterances.c, t.calls.c
    pairs = ((c.site, asked.site), (c.queue, asked.queue), (c.agent, asked.agent), (u.party, asked.party))
    found: list[Any] = [column.in_(values) for column, values in (*pairs, (u.language, asked.language)) if values]
    if asked.since_at is not None:
        found.append(u.at >= asked.since_at)
    if asked.until_at is not None:
        found.append(u.at < asked.until_at)
    return found


def _matches(connection: sa.Connection, words: list[str]) -> Any:
    if connection.dialect.name == "sqlite":
        quoted = " ".join(f'"{word}"*' for word in words)
        inner = sa.text("SELECT rowid FROM utterances_index WHERE utterances_index MATCH :words")
        return t.utterances.c.number.in_(inner.bindparams(words=quoted).columns(rowid=sa.Integer))
    query = " & ".join(f"'{word}':*" for word in words)
    return sa.text("utterances.found @@ to_tsquery('simple', :words)").bindparams(words=query)


def folded(text: str) -> str:
    """Lower case without accents: as the index sees it."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in plain if not unicodedata.combining(c))


def snippet(text: str, words: Sequence[str]) -> list[View]:
    """The text around the first hit, cut into pieces `{text, hit}`."""
    spans = [
        (m.start(), m.end()) for m in _WORD.finditer(text) if any(folded(m.group()).startswith(word) for word in words)
    ]
    begin = max(0, spans[0][0] - SNIPPET_CHARS // 3) if spans else 0
    stop = min(len(text), begin + SNIPPET_CHARS)
    pieces, at = list[View](), begin
    for start, end in spans:
        if start < at or end > stop:
            continue
        if start > at:
            pieces.append({"text": text[at:start], "hit": False})
        pieces.append({"text": text[start:end], "hit": True})
        at = end
    if at < stop:
        pieces.append({"text": text[at:stop], "hit": False})
    if begin > 0 and pieces:
        pieces[0]["text"] = "…" + pieces[0]["text"]
    if stop < len(text) and pieces:
        pieces[-1]["text"] += "…"
    return pieces


def stats(connection: sa.Connection, scope: Scope, by: str, since_at: int | None, until_at: int | None) -> View:
    """Calls, alerts and what supervisors thought of them, grouped."""
    a, c = t.alerts.c, t.calls.c
    wanted = [*scope.where(t.alerts)]
    wanted += [a.raised_at >= since_at] if since_at is not None else []
    wanted += [a.raised_at < until_at] if until_at is not None else []
    column = a[STATS_BY[by]]
    answered = a.acknowledged_at - a.raised_at
    query = sa.select(
        column.label("name"),
        sa.func.count().label("alerts"),
        sa.func.count(sa.distinct(a.call_id)).label("calls_with_alerts"),
        sa.func.sum(sa.case((a.severity == "critical", 1), else_=0)).label("critical"),
        sa.func.sum(sa.case((a.dismissed_at.isnot(None), 1), else_=0)).label("dismissed"),
        sa.func.sum(sa.case((a.acknowledged_at.isnot(None), 1), else_=0)).label("acknowledged"),
        sa.func.avg(answered).label("acknowledged_after_ms"),
    )
    rows = connection.execute(query.where(*wanted).group_by(column)).mappings().all()
    groups = [{**row, "acknowledged_after_ms": _whole(row["acknowledged_after_ms"])} for row in rows]
    if by in ("site", "queue", "agent"):
        _add_calls(connection, scope, by, groups, since_at, until_at)
    seen = [*scope.where(t.calls)]
    seen += [c.first_at >= since_at] if since_at is not None else []
    seen += [c.first_at < until_at] if until_at is not None else []
    total = sa.select(sa.func.count(), _HEALTH_MEAN, sa.func.sum(c.duration_ms)).where(*seen)
    number, health, duration_ms = connection.execute(total).one()
    return {
        "by": by,
        "calls": number,
        "health_mean": _rounded(health),
        "duration_ms": int(duration_ms or 0),
        "groups": sorted(groups, key=lambda group: (-group["alerts"], group["name"] or "")),
    }


def _add_calls(
    connection: sa.Connection,
    scope: Scope,
    by: str,
    groups: list[dict[str, Any]],
    since_at: int | None,
    until_at: int | None,
) -> None:
    """How many calls there were, with alerts or without, and how well they went."""
    c = t.calls.c
    wanted = [*scope.where(t.calls)]
    wanted += [c.first_at >= since_at] if since_at is not None else []
    wanted += [c.first_at < until_at] if until_at is not None else []
    query = sa.select(c[by], sa.func.count(), _HEALTH_MEAN).where(*wanted).group_by(c[by])
    found = {name: (number, _rounded(health)) for name, number, health in connection.execute(query)}
    known = {group["name"] for group in groups}
    for name in found.keys() - known:
        groups.append({"name": name, "alerts": 0, "calls_with_alerts": 0, "critical": 0, "dismissed": 0})
        groups[-1] |= {"acknowledged": 0, "acknowledged_after_ms": None}
    for group in groups:
        group["calls"], group["health_mean"] = found.get(group["name"], (0, None))


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 1)


def _whole(value: Any) -> int | None:
    return None if value is None else round(float(value))
