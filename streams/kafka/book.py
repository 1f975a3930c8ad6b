"""The book of one assigned partition: what it owes, where it goes on, and what Faust has passed over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from streams.kafka.accounts import Accounts

SEEK_S, SEEKS_MAX = 1.5, 3
"""Our topics have no holes in their offsets, but a foreign transactional producer makes some: after so many seeks back,
so far apart, what does not come is not there."""


class Forgetful(dict[Any, Any]):
    """Stands in for Faust's `_read_offset`, by which it drops whatever lies before what it has read: after a seek back
    that is what we want to see. The ledger remembers instead."""

    def __getitem__(self, key: Any) -> None:
        return None


@dataclass(slots=True)
class Gap:
    """Offsets that were passed over, and how often we have gone back for them."""

    asked_s: float
    seeks: int = 1


@dataclass(slots=True)
class Book:
    """One assigned partition."""

    partition: int
    generation: int
    accounts: Accounts
    committed: dict[str, int]
    """For each topic, the offset that needs no commit any more: what was committed, or where retention lets us begin.
    (To commit where we begin would hide that records before it were never read.)"""
    awaited: dict[str, int]
    """For each topic, the offset that comes next."""
    gaps: dict[str, Gap] = field(default_factory=dict)
    at_end_since_s: float | None = None
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def passed_over(self, topic: str, offset: int) -> tuple[bool, bool]:
        """Whether a record must be left because others before it have not come, and whether to seek back for them."""
        if offset <= self.awaited[topic]:
            return False, False
        gap = self.gaps.get(topic)
        if gap is not None:
            return gap.seeks < SEEKS_MAX, False
        self.gaps[topic] = Gap(time.monotonic())
        return True, True

    def came(self, topic: str, offset: int) -> bool:
        """Note a record; False where it came before."""
        if not self.accounts.came(topic, offset):
            return False
        self.awaited[topic] = offset + 1
        self.gaps.pop(topic, None)
        return True

    def to_seek(self) -> list[str]:
        """The topics to seek back in once more."""
        now_s = time.monotonic()
        due = [topic for topic, gap in self.gaps.items() if now_s - gap.asked_s >= SEEK_S]
        for topic in due:
            self.gaps[topic].asked_s = now_s
            self.gaps[topic].seeks += 1
        return due

    def settle(self) -> None:
        if self.drained.is_set() and self.accounts.idle:
            self.idle.set()


async def within(wait: Callable[[], Awaitable[Any]], deadline_s: float) -> bool:
    """Whether it came to pass before that moment of the monotonic clock."""
    try:
        # Not `wait_for`: on Python 3.11 it forgets that it was cancelled where what it waits for has just come to pass.
        async with asyncio.timeout(max(0.01, deadline_s - time.monotonic())):
            await wait()
    except TimeoutError:
        return False
    return True


async def ended(work: Coroutine[Any, Any, Any], limit_s: float) -> None:
    """Wait until it has ended. In a task of its own: what stops Faust's services swallows cancellations, ours and a time limit's too.

    Raises TimeoutError: it goes on.
    """
    task = asyncio.create_task(work)
    await asyncio.wait([task], timeout=limit_s)
    if not task.done():
        raise TimeoutError(f"not stopped within {limit_s:g} s")
    task.result()
