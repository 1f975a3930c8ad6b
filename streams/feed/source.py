"""Where a feed's records come from, and where a supervisor's actions go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from streams.events import Record
from streams.feed.absorb import Absorber
from streams.feed.clock import wall_ms
from streams.feed.item import Item

CONFIRM_S_MAX = 10.0
SEEN_S_MAX = 5.0


class Source(Protocol):
    """A source hands records to the absorber, and makes a supervisor's action durable."""

    def publish(self, record: Record) -> None:
        """Send a record of calls.feedback; returns once it is confirmed.

        Raises:
            UnconfirmedError: nobody has confirmed it; it may have happened, or not.
        """
        ...

    def healthy(self) -> str | None:
        """None, or what is wrong."""
        ...


class LocalSource:
    """In this process: what is published is absorbed at once, and durable with the store."""

    def __init__(self, absorber: Absorber) -> None:
        self._absorber = absorber

    def publish(self, record: Record) -> None:
        now = wall_ms()
        self._absorber.absorb([Item("feedback", record, now)], now)

    def healthy(self) -> str | None:
        return None


class Actions:
    """Publishes feedback and waits until this instance's store has it, so that the answer shows it."""

    def __init__(self, absorber: Absorber, source: Source) -> None:
        self._source = source
        self._waiting: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        absorber.listen(self._absorbed)

    async def act(self, make: Callable[[], Record]) -> bool:
        """Send it; False: confirmed, but not seen in the store yet. Raises VigieError."""
        record = make()
        seen = asyncio.Event()
        self._waiting[record["feedback_id"]] = (asyncio.get_running_loop(), seen)
        try:
            await asyncio.to_thread(self._source.publish, record)
            async with asyncio.timeout(SEEN_S_MAX):
                await seen.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(record["feedback_id"], None)
        return True

    def _absorbed(self, _: int, feedback: list[str]) -> None:
        for feedback_id in feedback:
            if found := self._waiting.get(feedback_id):
                found[0].call_soon_threadsafe(found[1].set)
