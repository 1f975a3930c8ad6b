"""Many calls side by side on the media clock: one thread, and a heap of what is due next.

The clock and the waiting are given, so that a test runs an hour in a moment. At a numeric speed a record goes out when
the clock reaches its moment, and at once where that has passed: a slow producer is late, it leaves nothing out. With no
speed ("max") nothing waits, and the calls advance together through their media time.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from audio.errors import VigieError
from streams.kafka.calls import PRODUCER_STOPPED, Due, Planned
from streams.kafka.records import AudioRecord, CallEnded

Emit = Callable[[AudioRecord, float], None]
"""Sends a record; the number is when it was due, in seconds of the clock."""


@dataclass(slots=True)
class Line:
    """A call in progress."""

    planned: Planned
    items: Iterator[Due]
    origin_s: float
    reached_ms: int = 0
    begun: bool = False


@dataclass(slots=True)
class Tally:
    """What came of the calls so far."""

    ended: int = 0
    failed: list[tuple[Planned, VigieError]] = field(default_factory=list)
    stopped: int = 0
    media_ms: int = 0
    late_s_max: float = 0.0


class Pacer:
    """Plays calls.

    Args:
        planned: the calls, in the order in which they start; asked for one when there is room.
        emit: sends a record.
        now: seconds of a monotonic clock.
        wait: returns after so many seconds, or earlier.
        speed: seconds of media in a second of the clock; None: as fast as it goes.
        at_once: calls in progress at the same time, at most.
        stagger_s: from one call's start to the next one's, at least.
        until_s: when to stop, in seconds from the beginning; None: when all calls have ended.
        halted: whether somebody asks to stop; asked before every record.
    """

    def __init__(
        self,
        planned: Iterable[Planned],
        emit: Emit,
        now: Callable[[], float],
        wait: Callable[[float], None],
        *,
        speed: float | None = 1.0,
        at_once: int = 64,
        stagger_s: float = 0.0,
        until_s: float | None = None,
        halted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._waiting, self._emit, self._clock, self._wait = iter(planned), emit, now, wait
        self._speed, self._at_once, self._stagger_s, self._halted = speed, at_once, stagger_s, halted
        self._started_s = now()
        self._until_s = None if until_s is None else self._started_s + until_s
        self._heap: list[tuple[float, int, Line, Due | None]] = []
        self._order = itertools.count()
        self._next_start_s = self._started_s
        self._unpaced_s = self._started_s
        self.tally = Tally()

    @property
    def in_progress(self) -> int:
        return sum(line.begun for _, _, line, _ in self._heap)

    def run(self) -> None:
        """Play all calls to their end, up to `until_s`, or until `halted`. What has begun by then is for `stop`."""
        self._admit()
        while self._heap:
            due_s, _, line, due = self._heap[0]
            if not self._is_time(due_s):
                return
            try:
                if due is not None:
                    self.tally.late_s_max = max(self.tally.late_s_max, self._now() - due_s)
                    self._send(line, due, due_s)
                self._advance(line)
            except VigieError as error:
                heapq.heappop(self._heap)
                self.tally.failed.append((line.planned, error))
            self._admit()

    def stop(self) -> None:
        """End every call in progress where it is, so that nobody waits for the rest."""
        for _, _, line, _ in self._heap:
            if line.begun:
                ended = CallEnded(line.planned.call_id, line.reached_ms, PRODUCER_STOPPED, None)
                self._emit(ended, self._now())
                self.tally.stopped += 1
        self._heap.clear()

    def _now(self) -> float:
        return self._clock() if self._speed is not None else self._unpaced_s

    def _is_time(self, due_s: float) -> bool:
        """Wait for the moment; False when the end of all comes first."""
        if self._speed is None:
            self._unpaced_s = max(self._unpaced_s, due_s)
            return not self._halted() and (self._until_s is None or self._clock() < self._until_s)
        end_s = due_s if self._until_s is None else min(due_s, self._until_s)
        while (left_s := end_s - self._clock()) > 0 and not self._halted():
            self._wait(left_s)
        return not self._halted() and (self._until_s is None or max(due_s, self._clock()) < self._until_s)

    def _admit(self) -> None:
        """Let calls start while there is room."""
        while len(self._heap) < self._at_once:
            planned = next(self._waiting, None)
            if planned is None:
                return
            start_s = max(self._now(), self._next_start_s)
            self._next_start_s = start_s + self._stagger_s
            # Files are opened when their call starts, not all at the beginning.
            line = Line(planned, planned.script.play(planned.call_id), start_s)
            heapq.heappush(self._heap, (start_s, next(self._order), line, None))

    def _send(self, line: Line, due: Due, due_s: float) -> None:
        self._emit(due.record, due_s)
        line.begun = True
        self.tally.media_ms += max(0, due.at_ms - line.reached_ms)
        line.reached_ms = max(line.reached_ms, due.at_ms)

    def _advance(self, line: Line) -> None:
        """Put the first line of the heap where its next record belongs, or take it off."""
        try:
            due = next(line.items)
        except StopIteration:
            heapq.heappop(self._heap)
            self.tally.ended += 1
            return
        due_s = line.origin_s + due.at_ms / 1000 / (self._speed or 1.0)
        heapq.heapreplace(self._heap, (due_s, next(self._order), line, due))
