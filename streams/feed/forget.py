"""Erasing a call everywhere we keep it, and what has grown too old.

The topics cannot be searched for a call and cleaned of it: what they hold of it goes with their retention, and is passed
over until then. What is erased is written to the audit log, without saying what it was.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from streams.feed import audit
from streams.feed import tables as t
from streams.feed import tables_hooks as th
from streams.feed.clock import wall_ms
from streams.feed.database import Database, insert
from streams.feed.views import View, without_words
from streams.kafka.clips import ClipFolder

OF_A_CALL = (t.seconds, th.deliveries, t.utterances, t.feedback, t.revisions, t.alerts, t.events, t.calls)
DAY_MS = 86_400_000
SWEEP_S = 600.0
SCRUB_S = 86_400.0
"""How often the files are freed of expired words: it is work for the whole index."""
BATCH = 500
HELD = ("audio", "speech", "measurements", "utterances", "alerts", "summaries", "feedback")
log = logging.getLogger("vigie.feed")


@dataclass(frozen=True, slots=True)
class Periods:
    """How many days each is kept; 0: for ever."""

    words_days: int = 30
    alerts_days: int = 400


def forget(
    database: Database, call_id: str, by: str, clips: ClipFolder | None, retention_ms: Mapping[str, int]
) -> View:
    """Erase a call; returns what was erased, and which topics still hold it for how long.

    A call that is not known is remembered as erased all the same: its records may still be on their way.
    """
    sounds = clips.erase(call_id) if clips is not None else 0
    erased: dict[str, int] = {}
    with database.writing() as connection:
        place = connection.execute(
            sa.select(t.calls.c.site, t.calls.c.queue).where(t.calls.c.call_id == call_id)
        ).one_or_none()
        for table in OF_A_CALL:
            erased[table.name] = connection.execute(sa.delete(table).where(table.c.call_id == call_id)).rowcount
        mark = insert(connection, t.forgotten).values(call_id=call_id, at=wall_ms())
        connection.execute(mark.on_conflict_do_nothing())
        if place is not None:
            _tell_pages(connection, call_id, place)
    erased["clips"] = sounds
    topics = [
        {"topic": name, "at_most_hours": round(retention_ms[name] / 3_600_000)} for name in HELD if name in retention_ms
    ]
    database.scrub()
    audit.note(database, by, "forget", call_id, None, erased=erased)
    return {"call_id": call_id, "erased": erased, "still_in_topics": topics, "known": erased["calls"] > 0}


def _tell_pages(connection: sa.Connection, call_id: str, place: Any) -> None:
    """What is open on a screen goes from there too; the id itself is kept anyway, to pass its records over."""
    told = {"kind": "forgotten", "call_id": call_id, "site": place.site, "queue": place.queue}
    data = json.dumps({"call_id": call_id}, ensure_ascii=False)
    connection.execute(t.events.insert().values(**told, data=data, at=wall_ms()))


def expire(database: Database, periods: Periods, now: int) -> dict[str, int]:
    """Erase what is older than its period; returns how much of each."""
    return {
        "words": _expire_words(database, now - periods.words_days * DAY_MS) if periods.words_days else 0,
        "calls": _expire_calls(database, now - periods.alerts_days * DAY_MS) if periods.alerts_days else 0,
    }


def _expire_words(database: Database, before: int) -> int:
    """Utterances go, and the words that alerts and summaries quote; that there was an alert, and its figures, stay."""
    total, number = 0, BATCH
    while number >= BATCH:
        with database.writing() as connection:
            u = t.utterances.c
            numbers = list(connection.execute(sa.select(u.number).where(u.at < before).limit(BATCH)).scalars())
            connection.execute(sa.delete(t.utterances).where(u.number.in_(numbers)))
            number = max(len(numbers), _strip_alerts(connection, before), _strip_summaries(connection, before))
            total += len(numbers)
    return total


def _strip_alerts(connection: sa.Connection, before: int) -> int:
    a, r = t.alerts.c, t.revisions.c
    query = sa.select(a.alert_id, a.record).where(a.raised_at < before, a.wordless.is_(False)).limit(BATCH)
    rows = connection.execute(query).all()
    for alert_id, record in rows:
        plain = {"record": without_words(record), "wordless": True}
        connection.execute(t.alerts.update().where(a.alert_id == alert_id).values(**plain))
        revisions = connection.execute(sa.select(r.revision, r.record).where(r.alert_id == alert_id)).all()
        for revision, whole in revisions:
            which = (r.alert_id == alert_id, r.revision == revision)
            connection.execute(t.revisions.update().where(*which).values(record=without_words(whole)))
    return len(rows)


def _strip_summaries(connection: sa.Connection, before: int) -> int:
    c = t.calls.c
    query = sa.select(c.call_id, c.summary).where(c.seen_at < before, c.wordless.is_(False), c.ended_at.isnot(None))
    rows = connection.execute(query.limit(BATCH)).all()
    for call_id, summary in rows:
        plain = None
        if summary:
            # What a point was lost for is told in the alert's own words, which may quote the call's.
            lost = [
                {**item, "why": dict.fromkeys(item["why"], item.get("rule_id") or "")}
                for item in summary["health_lost"]
            ]
            plain = {**summary, "health_lost": lost}
        connection.execute(t.calls.update().where(c.call_id == call_id).values(summary=plain, wordless=True))
    return len(rows)


def _expire_calls(database: Database, before: int) -> int:
    total = 0
    while True:
        with database.writing() as connection:
            query = sa.select(t.calls.c.call_id).where(t.calls.c.seen_at < before).limit(BATCH)
            ids = list(connection.execute(query).scalars())
            for table in OF_A_CALL:
                connection.execute(sa.delete(table).where(table.c.call_id.in_(ids)))
            connection.execute(sa.delete(t.forgotten).where(t.forgotten.c.at < before))
        total += len(ids)
        if len(ids) < BATCH:
            return total


class Expiry(threading.Thread):
    """Erases what is too old, every few minutes, until `stop`."""

    def __init__(self, database: Database, periods: Periods, clips: Callable[[], int] = lambda: 0) -> None:
        super().__init__(name="vigie-expiry", daemon=True)
        self._database, self._periods, self._clips = database, periods, clips
        self._halt = threading.Event()
        self._scrubbed_s = -SCRUB_S

    def _scrub(self) -> None:
        if time.monotonic() - self._scrubbed_s >= SCRUB_S:
            self._database.scrub()
            self._scrubbed_s = time.monotonic()

    def run(self) -> None:
        while not self._halt.is_set():
            try:
                erased = {**expire(self._database, self._periods, wall_ms()), "clips": self._clips()}
                if any(erased.values()):
                    log.info("expired: %s", erased)
                    self._scrub()
            except (sa.exc.SQLAlchemyError, OSError) as error:
                log.error("what is too old cannot be erased: %s", type(error).__name__)
            self._halt.wait(SWEEP_S)

    def stop(self) -> None:
        self._halt.set()
        self.join(10)


def clip_folder(folder: Path | None) -> ClipFolder | None:
    return ClipFolder.looking(folder) if folder is not None and folder.is_dir() else None
