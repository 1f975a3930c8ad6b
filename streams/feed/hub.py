"""Server-sent events: what the store's numbered events are to each browser, from where that browser left off.

The hub reads new events once for all clients of this instance: at once where this process wrote them, and soon where
another instance did. A client that is too slow is cut off rather than remembered: it comes back with its last number.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from streams.feed import tables as t
from streams.feed.access import Scope
from streams.feed.database import Database
from streams.feed.queries import for_eyes, measurements_after, newest_event

POLL_S = 0.25
"""How soon what another instance wrote is seen."""
HEARTBEAT_S = 15.0
CLIENT_EVENTS_MAX = 2_000
READ_MAX = 1_000
RESUME_MAX = 5_000
"""A browser that has missed more is told to load everything again."""
WATCH_S = 0.5
STILL_S = 5.0
"""How often it is asked whether a client may go on."""
RETRY_MS = 1_500
RETRY_S = 1.0
"""How soon a store that did not answer is asked again."""
STATES = {current: f"event: health\ndata: {json.dumps({'current': current})}\n\n" for current in (True, False)}
log = logging.getLogger("vigie.feed")


@dataclass(frozen=True, slots=True)
class Event:
    number: int
    kind: str
    call_id: str | None
    site: str | None
    queue: str | None
    text: str


@dataclass(slots=True, eq=False)
class _Client:
    scope: Scope
    call_id: str | None
    queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(CLIENT_EVENTS_MAX))
    lost: bool = False

    def wants(self, event: Event) -> bool:
        if event.kind == "utterance" and event.call_id != self.call_id:
            return False
        return self.scope.allows(event.site, event.queue)

    def told(self, event: Event) -> str:
        """The event as it goes over the line to this client."""
        if event.kind != "alert" or self.scope.may("words"):
            return event.text
        view = for_eyes(self.scope, json.loads(event.text.partition("data: ")[2]))
        return _line(event.number, event.kind, json.dumps(view, ensure_ascii=False))


class Hub:
    """Events to the clients of one instance. `run` reads; `stream` is one client.

    Args:
        wrong: None, or what keeps the store from being current: a page must say so, for its line to us is fine.
    """

    def __init__(self, database: Database, wrong: Callable[[], str | None] = lambda: None) -> None:
        self._database, self._wrong, self._reads = database, wrong, True
        self._clients: set[_Client] = set()
        self._number = 0
        self._new = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def clients(self) -> int:
        return len(self._clients)

    def notice(self, _: int = 0, __: Any = None) -> None:
        """There is something new; may be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._new.set)

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._number = await asyncio.to_thread(self._newest)
        while True:
            # Not `wait_for`: on Python 3.11 it forgets that it was cancelled where what it waits for has just come, and we go on for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._new.wait()
            self._new.clear()
            try:
                events = await asyncio.to_thread(self._read, self._number, READ_MAX)
            except sa.exc.SQLAlchemyError as error:
                # It comes back: what it has by then is read from the same number on.
                if self._reads:
                    log.error("the store does not answer: %s", type(error).__name__)
                self._reads = False
                await asyncio.sleep(RETRY_S)
                continue
            self._reads = True
            self._tell(events)

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self._number = event.number
            for client in self._clients:
                if client.wants(event) and not client.lost:
                    self._put(client, event)

    @staticmethod
    def _put(client: _Client, event: Event) -> None:
        try:
            client.queue.put_nowait(event)
        except asyncio.QueueFull:
            client.lost = True

    async def stream(
        self,
        scope: Scope,
        after: int | None,
        call_id: str | None = None,
        still: Callable[[], bool] = lambda: True,
        seq: int | None = None,
    ) -> AsyncIterator[str]:
        """One client's events as text of an event stream, from number `after` on (None: from now on).

        Args:
            still: whether the client may go on; asked every few seconds, so that a session that ends, or an account
                that is changed, ends its streams too.
            seq: the newest measurement of the call that the client has (None: those from now on).
        """
        client = _Client(scope, call_id)
        self._clients.add(client)
        try:
            yield f"retry: {RETRY_MS}\n\n"
            sent = self._number if after is None else after
            if after is not None:
                for event in await self._missed(after):
                    if event.kind == "reset" or client.wants(event):
                        yield client.told(event)
                    sent = max(sent, event.number)
            watching = _Watch(self._database, call_id, seq) if call_id is not None else None
            quiet_s, asked_s, current = 0.0, time.monotonic(), True
            while not client.lost:
                if self._current() != current:
                    current = not current
                    yield STATES[current]
                if time.monotonic() - asked_s > STILL_S:
                    if not await asyncio.to_thread(still):
                        return
                    asked_s = time.monotonic()
                wait_s = WATCH_S if watching is not None else STILL_S
                try:
                    async with asyncio.timeout(wait_s):
                        event = await client.queue.get()
                except TimeoutError:
                    quiet_s += wait_s
                else:
                    if event.number > sent:
                        sent, quiet_s = event.number, 0.0
                        yield client.told(event)
                if watching is not None:
                    for text in await watching.news():
                        quiet_s = 0.0
                        yield text
                if quiet_s >= HEARTBEAT_S:
                    quiet_s = 0.0
                    yield f": {sent}\n\n"
        finally:
            self._clients.discard(client)

    def _current(self) -> bool:
        return self._reads and self._wrong() is None

    async def _missed(self, after: int) -> list[Event]:
        """What a returning client has not seen; a single `reset` where that is too much, or no longer kept."""
        oldest = await asyncio.to_thread(self._oldest)
        missed = await asyncio.to_thread(self._read, after, RESUME_MAX + 1)
        newest = missed[-1].number if missed else self._number
        if len(missed) > RESUME_MAX or after > max(newest, self._number) or (oldest is not None and after < oldest - 1):
            return [_ready(Event(max(newest, self._number), "reset", None, None, None, "{}"))]
        return missed

    def _newest(self) -> int:
        with self._database.reading() as connection:
            return newest_event(connection)

    def _oldest(self) -> int | None:
        with self._database.reading() as connection:
            return connection.execute(sa.select(sa.func.min(t.events.c.number))).scalar()

    def _read(self, after: int, limit: int) -> list[Event]:
        e = t.events.c
        query = sa.select(e.number, e.kind, e.call_id, e.site, e.queue, e.data).where(e.number > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(e.number).limit(limit)).all()
        # Worked out once, for however many clients.
        return [_ready(Event(*row)) for row in rows]


class _Watch:
    """The measurements of one call as they come: read from the store, since only those who look at it need them."""

    def __init__(self, database: Database, call_id: str, seq: int | None) -> None:
        self._database, self._call_id = database, call_id
        self._seq = seq

    async def news(self) -> list[str]:
        records = await asyncio.to_thread(self._read)
        return [f"event: measurement\ndata: {json.dumps(record, ensure_ascii=False)}\n\n" for record in records]

    def _read(self) -> list[Any]:
        with self._database.reading() as connection:
            if self._seq is None:
                query = sa.select(t.calls.c.last_seq).where(t.calls.c.call_id == self._call_id)
                seq = connection.execute(query).scalar()
                self._seq = -1 if seq is None else seq
                return []
            found = measurements_after(connection, self._call_id, self._seq)
        if found:
            self._seq = found[-1]["seq"]
        return found


def _ready(event: Event) -> Event:
    """The event as it goes over the line."""
    data = event.text
    if event.kind in ("alert", "call") and data.startswith("{"):
        # The view was written before its number was known.
        data = json.dumps({**json.loads(data), "changed": event.number}, ensure_ascii=False)
    return replace(event, text=_line(event.number, event.kind, data))


def _line(number: int, kind: str, data: str) -> str:
    return f"id: {number}\nevent: {kind}\ndata: {data}\n\n"
