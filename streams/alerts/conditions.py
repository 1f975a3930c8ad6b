"""Conditions at work: what they remember of the measures they saw, and whether they start, hold and recover.

A condition never looks at a clock: it is told the media time `now_ms` with each question. `started` means that a
threshold is met, whatever else is asked; `holds` that everything is; `recovered` that the fault is over. Between
holding and recovered lies the band in which an open alert stays open and a closed one closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audio.chunk import Measure, Party
from audio.state import Stateful
from streams.alerts.metrics import Kind
from streams.alerts.model import Condition, Leaf

OCCURRENCES_KEPT = 64
"""At least the greatest `n` of a rule file, so that N of M never forgets what it counts."""

Occurrence = tuple[int, int, int, float, dict[str, Any] | None]
"""now_ms, since_ms, until_ms, value, detail."""


class LeafWatch(Stateful):
    """One threshold, on the measures of one party (or of the call)."""

    STATE = ("value", "since_ms", "until_ms", "detail", "met", "met_since_ms", "held_ms", "occurrences")

    def __init__(self, leaf: Leaf, party: Party | None) -> None:
        self.leaf, self.party = leaf, party
        self.is_event = leaf.metric.kind is Kind.EVENT
        self.counts_each = leaf.metric.kind is not Kind.STATE
        self.memory_ms = max(leaf.m_ms, leaf.within_ms)
        self.value: float | None = None
        self.since_ms = self.until_ms = 0
        self.detail: dict[str, Any] | None = None
        self.met = False
        self.met_since_ms = 0
        self.held_ms: int | None = None
        self.occurrences: list[Occurrence] = []

    def put(self, now_ms: int, measure: Measure) -> bool:
        """Take a measure in; whether the rule now needs a look although nothing of it was running."""
        met = self.leaf.direction.holds(measure.value, self.leaf.threshold)
        if self.is_event and self.met and not met:
            return True
        if met:
            if self.counts_each or not self.met:
                self._occur(now_ms, measure)
            if not self.met:
                self.met_since_ms = now_ms
        elif self.leaf.within_ms and self._met_long_enough(now_ms):
            self.held_ms = now_ms
        self.value, self.since_ms, self.until_ms = measure.value, measure.since_ms, measure.until_ms
        self.detail = _plain(measure.detail) if met else None
        self.met = met
        return met

    def evidence(self, now_ms: int) -> Occurrence:
        """What made the condition true: the measure that meets it now, or the occurrences that did."""
        recent = self.words(now_ms)
        if self.leaf.n and recent:
            worst = (max if self.leaf.direction.rising else min)(item[3] for item in recent)
            return now_ms, min(item[1] for item in recent), max(item[2] for item in recent), worst, recent[-1][4]
        if not self.met and recent:
            return recent[-1]
        return now_ms, self.since_ms, self.until_ms, self.value if self.value is not None else 0.0, self.detail

    def words(self, now_ms: int) -> list[Occurrence]:
        """The occurrences of its window, oldest first: where the words of an alert come from."""
        counted_ms, remembered_ms = now_ms - max(self.leaf.m_ms, 1), now_ms - self.leaf.within_ms
        return [item for item in self.occurrences if item[0] > counted_ms or item[0] >= remembered_ms]

    def _occur(self, now_ms: int, measure: Measure) -> None:
        oldest_ms = now_ms - self.memory_ms
        kept = [item for item in self.occurrences if item[0] >= oldest_ms]
        kept.append((now_ms, measure.since_ms, measure.until_ms, measure.value, _plain(measure.detail)))
        self.occurrences = kept[-OCCURRENCES_KEPT:]

    def end_moment(self, now_ms: int) -> None:
        """What was true only at `now_ms` is over once every question about that moment was answered."""
        if self.leaf.within_ms and self._met_long_enough(now_ms):
            self.held_ms = now_ms
        if self.is_event:
            self.met = False

    def _met_long_enough(self, now_ms: int) -> bool:
        return self.met and now_ms - self.met_since_ms >= self.leaf.for_ms

    def count(self, now_ms: int) -> int:
        """Occurrences in the last `m_ms`."""
        oldest_ms = now_ms - self.leaf.m_ms
        return sum(1 for item in self.occurrences if item[0] > oldest_ms)

    def started(self, now_ms: int) -> bool:
        if self.leaf.until_ms is not None and now_ms >= self.leaf.until_ms:
            return False
        if self.met or (self.leaf.n > 0 and self.count(now_ms) > 0):
            return True
        return self._remembered(now_ms)

    def holds(self, now_ms: int) -> bool:
        leaf = self.leaf
        if now_ms < leaf.after_ms or (leaf.until_ms is not None and now_ms >= leaf.until_ms):
            return False
        return self._true(now_ms)

    def _true(self, now_ms: int) -> bool:
        if self.leaf.n:
            return self.count(now_ms) >= self.leaf.n
        return self._met_long_enough(now_ms) or self._remembered(now_ms)

    def _remembered(self, now_ms: int) -> bool:
        return self.held_ms is not None and now_ms - self.held_ms <= self.leaf.within_ms

    def recovered(self, now_ms: int) -> bool:
        if (self.leaf.n and self.count(now_ms) >= self.leaf.n) or self._remembered(now_ms):
            return False
        if self.is_event:
            return not self.met
        return self.value is None or self.leaf.recovered(self.value)

    def leading(self, now_ms: int) -> LeafWatch:  # noqa: ARG002  a group needs the time, and is asked alike
        """The leaf that explains why the condition holds."""
        return self

    def completed_ms(self) -> int:
        return self.met_since_ms


class GroupWatch:
    """`all` or `any` of other watches; holds no state of its own."""

    def __init__(self, kind: str, parts: list[Watch]) -> None:
        self.parts = parts
        self._every = all if kind == "all" else any
        self._over = any if kind == "all" else all
        self._is_all = kind == "all"

    def started(self, now_ms: int) -> bool:
        return self._every(part.started(now_ms) for part in self.parts)

    def holds(self, now_ms: int) -> bool:
        return self._every(part.holds(now_ms) for part in self.parts)

    def recovered(self, now_ms: int) -> bool:
        return self._over(part.recovered(now_ms) for part in self.parts)

    def leading(self, now_ms: int) -> LeafWatch:
        """For `all` the part that was last to come true, for `any` the first of the list that holds."""
        if self._is_all:
            return max(self.parts, key=lambda part: part.completed_ms()).leading(now_ms)
        holding = [part for part in self.parts if part.holds(now_ms)]
        return (holding or self.parts)[0].leading(now_ms)

    def completed_ms(self) -> int:
        times = [part.completed_ms() for part in self.parts]
        return max(times) if self._is_all else min(times)


Watch = LeafWatch | GroupWatch


def build(condition: Condition, party_of: Callable[[Leaf], Party | None]) -> tuple[Watch, list[LeafWatch]]:
    """The watch of a condition, and its leaves in the order of the file."""
    if isinstance(condition, Leaf):
        leaf = LeafWatch(condition, party_of(condition))
        return leaf, [leaf]
    built = [build(part, party_of) for part in condition.parts]
    return GroupWatch(condition.kind, [watch for watch, _ in built]), [leaf for _, found in built for leaf in found]


def _plain(detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(detail) if detail else None
