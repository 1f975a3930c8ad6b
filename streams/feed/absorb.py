"""Records of the topics into the store, each once: what a batch changes, it changes in one transaction.

Records may come in any order over the topics, twice, and again after a crash. Nothing counts twice: alerts are known by
(`alert_id`, `revision`), measurements by (`call_id`, `seq`), utterances by their id (the first terminal record counts,
as for every consumer), feedback by its id. What a source has read is remembered beside what followed from it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from streams.alerts.health import Health
from streams.events import Record
from streams.feed import tables as t
from streams.feed.database import Database, insert
from streams.feed.feedback import applied
from streams.feed.hiding import hide_earlier
from streams.feed.item import Item
from streams.feed.poison import around
from streams.feed.positions import Positions, skip
from streams.feed.storable import storable
from streams.feed.views import Row, View, alert_view, call_view, timeline_of
from streams.feed.webhooks import enqueue
from streams.supervise import TERMINAL_STATES

RANKS = {"critical": 0, "warning": 1, "info": 2}
EVENTS_KEPT_MS = 3_600_000
PRUNE_EVERY = 500
CALL_TOLD_MS = 10_000
"""A live call whose figures alone go on is told of this often; what changes its look is told at once."""
ADD_EVENT = t.events.insert()
TENANT_UNKNOWN = "default"


@dataclass(slots=True)
class _Batch:
    connection: sa.Connection
    now: int
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The calls as they are in the store."""
    seconds: list[dict[str, Any]] = field(default_factory=list)
    """Measurements that are known to be new, to be written at once."""
    told: set[str] = field(default_factory=set)
    """Calls to tell of."""
    scored: set[str] = field(default_factory=set)
    """Calls whose health and counts must be worked out again."""
    alerts: dict[str, None] = field(default_factory=dict)
    revised: set[str] = field(default_factory=set)
    """Of these, those whose state changed: what supervisors did is no webhook's business."""
    utterances: list[tuple[str, Record]] = field(default_factory=list)
    feedback: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)


class Absorber:
    """Writes batches into a store and says when there is something new.

    Attributes:
        absorbed: records taken in.
        dropped: records of erased calls, passed over.
        refused: records that no store takes, passed over.
    """

    def __init__(self, database: Database, clips: Callable[[Row], View]) -> None:
        self.database, self._clips = database, clips
        self._listeners: list[Callable[[int, list[str]], None]] = []
        self._since_prune = 0
        self._lock = threading.Lock()
        self.dropped = self.refused = 0
        self.absorbed = 0

    def listen(self, listener: Callable[[int, list[str]], None]) -> None:
        """`listener` is called after each commit: the newest event's number, and the feedback that took effect."""
        self._listeners.append(listener)

    def absorb(self, items: Iterable[Item], now: int) -> None:
        """Take in a batch, in its order; `now` is the wall clock in Unix milliseconds."""
        with self._lock:
            clean = [replace(item, record=storable(item.record)) for item in items]
            feedback: list[str] = []
            number = self._write_all(clean, now, feedback)
        for listener in self._listeners:
            listener(number, feedback)

    def _write_all(self, items: list[Item], now: int, feedback: list[str]) -> int:
        """A batch whole, or all of it but what no store takes; returns the newest event's number."""

        def write(some: Sequence[Item]) -> int:
            number, done = self._write(some, now)
            feedback.extend(done)
            return number

        try:
            return write(items)
        except Exception as error:
            bad = around(write, items, error)
        # Their places are remembered like any other's, or they would come again for ever.
        with self.database.writing() as connection:
            skip(connection, bad)
        self.refused += len(bad)
        return write(())

    def _write(self, items: Sequence[Item], now: int) -> tuple[int, list[str]]:
        with self.database.writing() as connection:
            batch = _Batch(connection, now)
            positions = Positions(connection)
            ids = {item.record["call_id"] for item in items}
            gone = set(
                connection.execute(sa.select(t.forgotten.c.call_id).where(t.forgotten.c.call_id.in_(ids))).scalars()
            )
            _load_calls(batch, ids)
            new = [item for item in items if positions.passes(item)]
            for item in new:
                if item.record["call_id"] not in gone:
                    _TAKE[item.topic](batch, item)
            self._settle(batch)
            positions.keep()
            self._since_prune += 1
            if self._since_prune >= PRUNE_EVERY:
                self._since_prune = 0
                connection.execute(sa.delete(t.events).where(t.events.c.at < now - EVENTS_KEPT_MS))
            number = connection.execute(sa.select(sa.func.max(t.events.c.number))).scalar() or 0
        dropped = sum(item.record["call_id"] in gone for item in new)
        self.dropped += dropped
        self.absorbed += len(new) - dropped
        return number, batch.feedback

    def _settle(self, batch: _Batch) -> None:
        """Write back the calls, and tell of what has changed: alerts first, then their calls, then words."""
        _store_seconds(batch)
        for call_id in batch.scored | batch.ended:
            _score(batch, call_id)
        for call_id in batch.ended:
            _close(batch, call_id)
        told = [self._tell_alert(batch, alert_id) for alert_id in batch.alerts]
        revised = [row for row, _ in told if row["alert_id"] in batch.revised]
        enqueue(batch.connection, revised, {row["alert_id"]: view for row, view in told}, batch.now)
        for call_id in batch.told | batch.scored | batch.ended:
            call = batch.calls[call_id]
            call["changed"] = _tell(batch, "call", call, call_view(call, batch.now))
        _store_calls(batch)
        for call_id, record in batch.utterances:
            _tell(batch, "utterance", _call(batch, call_id), record)

    def _tell_alert(self, batch: _Batch, alert_id: str) -> tuple[Row, View]:
        row = batch.connection.execute(sa.select(t.alerts).where(t.alerts.c.alert_id == alert_id)).mappings().one()
        view = alert_view(row, _call(batch, row["call_id"]), self._clips(row), batch.now)
        number = _tell(batch, "alert", row, view)
        batch.connection.execute(t.alerts.update().where(t.alerts.c.alert_id == alert_id).values(changed=number))
        return row, view


def _tell(batch: _Batch, kind: str, about: Row | None, view: Any) -> int:
    about = about or {}
    values = {
        "kind": kind,
        "call_id": about.get("call_id"),
        "site": about.get("site"),
        "queue": about.get("queue"),
        "data": json.dumps(view, ensure_ascii=False),
        "at": batch.now,
    }
    number = batch.connection.execute(ADD_EVENT, values).inserted_primary_key
    assert number is not None
    return int(number[0])


def _call(batch: _Batch, call_id: str, item: Item | None = None) -> dict[str, Any]:
    """A call's row, to be changed in place; made where the call was not known."""
    if call_id not in batch.calls:
        # A batch's own calls are loaded with it; what a record of one call says of another's alert is rare.
        _load_calls(batch, {call_id})
    known = batch.calls.get(call_id)
    if known is not None:
        return known
    at = item.at if item is not None else batch.now
    batch.connection.execute(t.calls.insert(), {"call_id": call_id, "first_at": at, "seen_at": at})
    batch.told.add(call_id)
    _load_calls(batch, {call_id})
    return batch.calls[call_id]


def _load_calls(batch: _Batch, ids: set[str]) -> None:
    query = sa.select(t.calls).where(t.calls.c.call_id.in_(ids))
    for row in batch.connection.execute(query).mappings():
        batch.calls[row["call_id"]], batch.stored[row["call_id"]] = dict(row), dict(row)


def _store_calls(batch: _Batch) -> None:
    """Write what has changed of the calls, those with the same changed columns together."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for call_id, call in batch.calls.items():
        before = batch.stored[call_id]
        names = tuple(name for name, value in call.items() if value != before[name])
        if names:
            groups.setdefault(names, []).append({"key": call_id, **{f"new_{name}": call[name] for name in names}})
    for names, rows in groups.items():
        batch.connection.execute(_call_update(names), rows)


@lru_cache(maxsize=256)
def _call_update(names: tuple[str, ...]) -> Any:
    values = {name: sa.bindparam(f"new_{name}", type_=t.calls.c[name].type) for name in names}
    return t.calls.update().where(t.calls.c.call_id == sa.bindparam("key")).values(values)


def _store_seconds(batch: _Batch) -> None:
    if batch.seconds:
        batch.connection.execute(insert(batch.connection, t.seconds).on_conflict_do_nothing(), batch.seconds)
        batch.seconds = []


def _learn(batch: _Batch, call: dict[str, Any], record: Mapping[str, Any]) -> None:
    """Take over who and where, as far as it was not known: it is given at a call's start, and holds for its life."""
    new = {
        name: record[name]
        for name in ("agent", "queue", "site", "trunk", "language", "attributes")
        if record.get(name) and not call[name]
    }
    if record.get("tenant") and call["tenant"] == TENANT_UNKNOWN != record["tenant"]:
        new["tenant"] = record["tenant"]
    if call["started_at"] is None and (started := _moment(record.get("started_at"))):
        new["started_at"] = started
    if new:
        call.update(new)
        batch.told.add(call["call_id"])
        _place_alerts(batch, call)


def _moment(text: Any) -> int | None:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _take_measurement(batch: _Batch, item: Item) -> None:
    record = item.record
    call = _call(batch, record["call_id"], item)
    if call["complete"]:
        return
    values = {"call_id": record["call_id"], "seq": record["seq"], "record": record}
    if record["seq"] > call["last_seq"]:
        batch.seconds.append(values)
    else:
        # Late or again: only the store can tell.
        _store_seconds(batch)
        statement = insert(batch.connection, t.seconds).on_conflict_do_nothing()
        if batch.connection.execute(statement, values).rowcount == 0:
            return
    call_id = record["call_id"]
    call["seen_at"] = max(call["seen_at"], item.at)
    call["last_seq"] = max(call["last_seq"], record["seq"])
    before_ms, call["duration_ms"] = call["duration_ms"], max(call["duration_ms"], record["end_ms"])
    if "call" in record:
        _learn(batch, call, record["call"])
    if before_ms // CALL_TOLD_MS != call["duration_ms"] // CALL_TOLD_MS:
        batch.scored.add(call_id)
    if record["last"]:
        batch.ended.add(call_id)


def _place_alerts(batch: _Batch, call: dict[str, Any]) -> None:
    """An alert may come before its call's place is known; one that names none takes its call's."""
    place = {name: call[name] for name in ("agent", "queue", "site", "trunk", "language") if call[name]}
    for name, value in place.items():
        column = t.alerts.c[name]
        which = (t.alerts.c.call_id == call["call_id"], column.is_(None))
        # Told anew: those who see this site only have not heard of it.
        batch.alerts |= dict.fromkeys(batch.connection.execute(sa.select(t.alerts.c.alert_id).where(*which)).scalars())
        batch.connection.execute(t.alerts.update().where(*which).values({name: value}))


def _take_alert(batch: _Batch, item: Item) -> None:
    record = item.record
    call = _call(batch, record["call_id"], item)
    key = {"alert_id": record["alert_id"], "revision": record["revision"]}
    statement = insert(batch.connection, t.revisions).values(**key, call_id=record["call_id"], record=record)
    if batch.connection.execute(statement.on_conflict_do_nothing()).rowcount == 0:
        return
    call["seen_at"] = max(call["seen_at"], item.at)
    _learn(batch, call, record)
    batch.scored.add(record["call_id"])
    query = sa.select(t.alerts).where(t.alerts.c.alert_id == record["alert_id"])
    known = batch.connection.execute(query).mappings().one_or_none()
    if known is not None and known["revision"] >= record["revision"]:
        return
    values = _alert_columns(record, call)
    if known is None:
        # Since when is told by the first revision that came; a change of state later does not move it.
        raised = item.at - max(0, record["changed_ms"] - record["raised_ms"])
        onset = raised - (record["raised_ms"] - record["onset_ms"])
        values |= {"raised_at": raised, "onset_at": onset, "notes": []}
        batch.connection.execute(t.alerts.insert().values(**values))
        _apply_feedback(batch, record["alert_id"])
    else:
        which = t.alerts.c.alert_id == record["alert_id"]
        batch.connection.execute(t.alerts.update().where(which).values(**values))
    batch.alerts[record["alert_id"]] = None
    batch.revised.add(record["alert_id"])


def _alert_columns(record: Record, call: Mapping[str, Any]) -> dict[str, Any]:
    names = ("alert_id", "call_id", "revision", "rule_id", "severity", "state", "party")
    place = {name: record.get(name) or call[name] for name in ("agent", "queue", "site", "trunk", "language")}
    told = {name: record[name] for name in names}
    return {
        **told,
        **place,
        "rank": RANKS[record["severity"]],
        "verdict": record["cause"]["verdict"],
        "record": record,
    }


def _take_utterance(batch: _Batch, item: Item) -> None:
    record = item.record
    _call(batch, record["call_id"], item)
    if record["state"] not in TERMINAL_STATES:
        batch.utterances.append((record["call_id"], record))
        return
    values = {name: record[name] for name in ("call_id", "utterance_id", "party", "start_ms", "end_ms", "state")}
    values |= {"language": record.get("language"), "text": record.get("text") or "", "record": record, "at": item.at}
    statement = insert(batch.connection, t.utterances).on_conflict_do_nothing()
    if batch.connection.execute(statement, values).rowcount:
        batch.utterances.append((record["call_id"], record))
        batch.utterances += [(record["call_id"], changed) for changed in hide_earlier(batch.connection, record)]


def _take_summary(batch: _Batch, item: Item) -> None:
    record = item.record
    call = _call(batch, record["call_id"], item)
    if call["summary"] is not None:
        return
    _learn(batch, call, record)
    call["summary"] = record
    call["coverage"] = record["coverage"]["state"]
    call["cause"] = record["cause"]["verdict"]
    call["duration_ms"] = max(call["duration_ms"], record["duration_ms"])
    call["seen_at"] = max(call["seen_at"], item.at)
    batch.ended.add(record["call_id"])


def _take_feedback(batch: _Batch, item: Item) -> None:
    record = item.record
    number = batch.connection.execute(sa.select(sa.func.coalesce(sa.func.max(t.feedback.c.number), 0))).scalar_one()
    values = {name: record[name] for name in ("feedback_id", "alert_id", "call_id")}
    statement = insert(batch.connection, t.feedback).values(**values, number=number + 1, record=record)
    if batch.connection.execute(statement.on_conflict_do_nothing()).rowcount:
        batch.feedback.append(record["feedback_id"])
        if _apply_feedback(batch, record["alert_id"]):
            batch.alerts[record["alert_id"]] = None


def _apply_feedback(batch: _Batch, alert_id: str) -> bool:
    """Bring an alert to what all its feedback makes of it; False: the alert is not known yet."""
    query = sa.select(t.feedback.c.record).where(t.feedback.c.alert_id == alert_id).order_by(t.feedback.c.number)
    records = list(batch.connection.execute(query).scalars())
    statement = t.alerts.update().where(t.alerts.c.alert_id == alert_id)
    return bool(batch.connection.execute(statement.values(**applied(records))).rowcount)


def _score(batch: _Batch, call_id: str) -> None:
    """Health and alert counts of a call; its summary, once it is there, knows best."""
    call = _call(batch, call_id)
    query = sa.select(t.revisions.c.record).where(t.revisions.c.call_id == call_id)
    records = list(batch.connection.execute(query).scalars())
    health, counts = Health(), dict.fromkeys(RANKS, 0)
    newest: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: (r["alert_id"], r["revision"])):
        health.observe_alert(record)
        newest[record["alert_id"]] = record
    for record in newest.values():
        counts[record["severity"]] += 1
    health.advance(call["duration_ms"])
    call.update(counts)
    call["health"] = call["summary"]["health"] if call["summary"] else health.score


def _close(batch: _Batch, call_id: str) -> None:
    """The call is over; once both its last measurement and its summary are here, its measurements are folded."""
    call = _call(batch, call_id)
    call["ended_at"] = call["ended_at"] or call["seen_at"]
    query = sa.select(t.seconds.c.record).where(t.seconds.c.call_id == call_id).order_by(t.seconds.c.seq)
    records = list(batch.connection.execute(query).scalars())
    contiguous = bool(records) and records[-1]["last"] and len(records) == records[-1]["seq"] + 1
    if call["summary"] is None or not contiguous:
        return
    call["timeline"], call["complete"] = timeline_of(records), True
    batch.connection.execute(sa.delete(t.seconds).where(t.seconds.c.call_id == call_id))


_TAKE: dict[str, Callable[[_Batch, Item], None]] = {
    "measurements": _take_measurement,
    "alerts": _take_alert,
    "utterances": _take_utterance,
    "summaries": _take_summary,
    "feedback": _take_feedback,
}
TOPICS = tuple(_TAKE)
