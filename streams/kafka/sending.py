"""What leaves a role: sent in the order in which its stages left it, and entered in the books as the broker confirms."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from streams.kafka import serde
from streams.kafka.book import Book
from streams.kafka.metrics import Metrics
from streams.kafka.steps import Out, Row, Step
from streams.kafka.topics import Topics

Send = Callable[[str, bytes, bytes | None, int | None, list[tuple[str, bytes]] | None], Awaitable[asyncio.Future[Any]]]
"""Topic, key, value, partition, headers; the future is done once the broker has the record on all replicas."""


class Sender:
    """One role's outgoing records.

    Args:
        current: whether a book is still in force: what a lost partition left is not sent.
        fail: told of a record that the broker did not take.
    """

    def __init__(
        self,
        role: str,
        topics: Topics,
        send: Send,
        current: Callable[[Book], bool],
        fail: Callable[[BaseException], None],
        metrics: Metrics,
    ) -> None:
        self._role, self._topics, self._send, self._metrics = role, topics, send, metrics
        self._current, self._fail = current, fail
        self._state_topic = topics.state(role)
        self._queue: deque[tuple[Book, int, Out] | tuple[Book, None, Row]] = deque()
        self._some = asyncio.Event()

    def enter(self, book: Book, steps: list[Step]) -> None:
        """Note what a stage left, and send it as its turn comes."""
        for number, out in book.accounts.enter(steps):
            self._queue.append((book, number, out))
        self._pass_rows(book)
        self._some.set()

    def _pass_rows(self, book: Book) -> None:
        for row in book.accounts.rows():
            self._queue.append((book, None, row))
            self._some.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._queue:
                book, number, item = self._queue.popleft()
                if not self._current(book):
                    continue
                if isinstance(item, Row):
                    sent = await self._send(self._state_topic, item.key, item.value, book.partition, None)
                    sent.add_done_callback(self._saved(book, item))
                else:
                    assert number is not None
                    partition = None if item.topic == "calls.dead-letters" else book.partition
                    topic = self._topics.name(item.topic.removeprefix("calls."))
                    headers = serde.headers_of(item.captured_ms) or None
                    sent = await self._send(topic, item.key, item.value, partition, headers)
                    sent.add_done_callback(self._confirmed(book, number, item))

    def _confirmed(self, book: Book, number: int, out: Out) -> Callable[[asyncio.Future[Any]], None]:
        def done(sent: asyncio.Future[Any]) -> None:
            if self._lost(sent):
                return
            book.accounts.confirmed(number)
            self._pass_rows(book)
            book.settle()
            self._count(out)

        return done

    def _saved(self, book: Book, row: Row) -> Callable[[asyncio.Future[Any]], None]:
        def done(sent: asyncio.Future[Any]) -> None:
            if self._lost(sent):
                return
            book.accounts.saved(row)
            book.settle()
            self._metrics.rows.labels(self._role).inc()
            self._metrics.row_bytes.labels(self._role).inc(len(row.value or b""))

        return done

    def _lost(self, sent: asyncio.Future[Any]) -> bool:
        """A record that the broker did not take leaves a hole: only a new start from the last row closes it."""
        error = sent.exception() if not sent.cancelled() else asyncio.CancelledError()
        if error is not None:
            self._fail(error)
        return error is not None

    def _count(self, out: Out) -> None:
        role, metrics = self._role, self._metrics
        metrics.outputs.labels(role, out.topic).inc()
        if out.topic == "calls.alerts" and out.captured_ms is not None:
            kind = "sound" if role == "listen" else "words"
            metrics.latency.labels(role, kind).observe(max(0.0, time.time() - out.captured_ms / 1000))
        elif out.topic == "calls.dead-letters":
            metrics.dead_letters.labels(role, out.kind).inc()
        elif out.topic == "calls.summaries":
            metrics.calls_ended.labels(role, out.kind).inc()
        elif out.topic == "calls.utterances":
            metrics.utterances.labels(role, out.kind).inc()
