"""Which alerts were the expected ones: one to one, in time; everything else is false, duplicates too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.events import Record

EARLY_MS = 500
LATE_MS = 2_000
"""An alert may come half a second before the labels say its evidence is complete, and two seconds after."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert that must be raised.

    Attributes:
        onset_ms: where the fault begins.
        due_ms: when the rule's minimum duration or count is complete, by the labels.
        from_ms: the first moment at which raising it would be right (a count may be complete in several ways);
            `due_ms` unless given.
    """

    rule: str
    party: str | None
    onset_ms: int
    due_ms: int
    from_ms: int | None = None
    early_ms: int = EARLY_MS
    late_ms: int = LATE_MS

    def fits(self, alert: Record) -> bool:
        first_ms = self.due_ms if self.from_ms is None else self.from_ms
        return self.concerns(alert) and first_ms - self.early_ms <= alert["raised_ms"] <= self.due_ms + self.late_ms

    def delay_ms(self, raised_ms: int) -> int:
        """How long after it was due, negative before it could be right; 0 between the two."""
        first_ms = self.due_ms if self.from_ms is None else self.from_ms
        return raised_ms - min(max(raised_ms, first_ms), self.due_ms)

    def concerns(self, alert: Record) -> bool:
        """Whether the alert is of this rule and party, whenever it came."""
        return alert["rule_id"] == self.rule and self.party in (None, alert["party"])


@dataclass(frozen=True, slots=True)
class Matching:
    """`pairs` are right; `missed` are expected and not there; `false` are there and not expected (late ones too)."""

    pairs: tuple[tuple[Expected, Record], ...]
    missed: tuple[Expected, ...]
    false: tuple[Record, ...]

    @property
    def late(self) -> int:
        """How many of the missed were raised at another time: found, but not when it was due."""
        return sum(any(expected.concerns(alert) for alert in self.false) for expected in self.missed)


def raised(alerts: Sequence[Record]) -> list[Record]:
    """The first record of each alert, in order of time."""
    return sorted((a for a in alerts if a["state"] == "raised"), key=lambda a: (a["raised_ms"], a["rule_id"]))


def match(expected: Sequence[Expected], alerts: Sequence[Record]) -> Matching:
    """Match raised alerts to expected ones, each at most once, earliest first."""
    open_ = sorted(expected, key=lambda e: e.due_ms)
    pairs: list[tuple[Expected, Record]] = []
    false: list[Record] = []
    for alert in raised(alerts):
        found = next((e for e in open_ if e.fits(alert)), None)
        if found is None:
            false.append(alert)
        else:
            open_.remove(found)
            pairs.append((found, alert))
    return Matching(tuple(pairs), tuple(open_), tuple(false))
