"""Health of a call: 100 points, less what each alert costs; every lost point names its alert or its measure.

An alert costs some points when it is raised and more for as long as it stays open, up to a limit for each alert and for
each rule: the tenth talk-over of a call tells little that the fifth did not. Points do not come back, and the health at
any moment follows from the alerts alone, so it needs no samples of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audio.chunk import Measure
from audio.state import Stateful
from streams.alerts.model import Severity, known_metric
from streams.events import Record

FULL = 100.0
MINUTE_MS = 60_000
DROP_MS = 60_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Points when raised, points for each minute open, the limit of one alert, and of the rule over the call."""

    points: float
    per_minute: float
    alert_max: float
    rule_max: float


BY_SEVERITY: Mapping[str, Cost] = {
    Severity.INFO: Cost(2, 0, 2, 6),
    Severity.WARNING: Cost(8, 3, 16, 30),
    Severity.CRITICAL: Cost(20, 10, 40, 60),
}
"""For rules without a line of their own. Five warnings or two critical alerts take a call to about 60."""

BY_RULE: Mapping[str, Cost] = {
    # Nobody can talk: the call is lost while it lasts.
    "one-way-audio": Cost(35, 10, 80, 90),
    "missing-leg": Cost(35, 10, 80, 90),
    "same-audio": Cost(25, 10, 50, 50),
    # Part of what was said is gone; G.107 takes about 20 of 100 points for 3 % random loss without concealment.
    "dropouts": Cost(10, 4, 20, 40),
    # Heard, with effort: worse the longer it lasts, never as bad as a loss.
    "clipping": Cost(6, 4, 20, 25),
    "level-low": Cost(6, 3, 20, 25),
    "level-high": Cost(4, 2, 12, 15),
    "noise": Cost(6, 3, 20, 25),
    "echo": Cost(8, 6, 25, 30),
    "crosstalk": Cost(8, 6, 25, 30),
    # The customer waits.
    "dead-air": Cost(8, 16, 30, 40),
    "long-hold": Cost(5, 4, 25, 30),
    "slow-response": Cost(2, 0, 2, 8),
    # How people talk to each other: annoying, often part of a good call.
    "talk-over": Cost(4, 6, 12, 20),
    "interruptions": Cost(4, 1, 8, 12),
    "monologue": Cost(1, 0, 1, 3),
    "talk-ratio": Cost(1, 0, 1, 2),
    "speaking-rate": Cost(1, 0, 1, 3),
    "greeting-missing": Cost(2, 0, 2, 2),
    # What the customer says of it. Words last no time: their alerts cost once.
    "negative-sentiment": Cost(8, 2, 14, 24),
    "sentiment-drop": Cost(8, 0, 8, 16),
    "escalation-request": Cost(15, 0, 15, 25),
    "cancellation": Cost(12, 0, 12, 20),
    "legal-threat": Cost(20, 0, 20, 30),
    "abuse": Cost(18, 0, 18, 36),
    "repeated-contact": Cost(10, 0, 10, 10),
    "hearing-trouble": Cost(8, 0, 8, 24),
}


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Points in 0..100; the reasons stand beside the tables."""

    by_rule: Mapping[str, Cost] = field(default_factory=lambda: dict(BY_RULE))
    by_severity: Mapping[str, Cost] = field(default_factory=lambda: dict(BY_SEVERITY))

    def cost(self, rule_id: str, first: str, now: str) -> Cost:
        """The cost of a rule's alert, raised with severity `first` and at `now` by now."""
        cost = self.by_rule.get(rule_id, self.by_severity[first])
        if first == now:
            return cost
        # Worse than the rule first said: the difference of the severities comes on top.
        low, high = self.by_severity[first], self.by_severity[now]
        extra = high.points - low.points
        return Cost(cost.points + extra, cost.per_minute, cost.alert_max + extra, cost.rule_max + extra)


class Health(Stateful):
    """The health of one call, from its alert records."""

    STATE = ("alerts", "measures", "now_ms")

    def __init__(self, settings: HealthSettings = HealthSettings()) -> None:
        self.settings = settings
        self.alerts: dict[str, Record] = {}
        self.measures: list[tuple[int, str, float, str]] = []
        self.now_ms = 0

    def observe_alert(self, record: Record) -> None:
        """Take in an alert record, each (alert_id, revision) once; alerts on derived metrics cost nothing."""
        if known_metric(record["evidence"]["metric"]).derived:
            return
        known = self.alerts.get(record["alert_id"])
        if known is None:
            known = self.alerts[record["alert_id"]] = {
                "rule_id": record["rule_id"],
                "party": record["party"],
                "raised_ms": record["raised_ms"],
                "steps": [],
                "cleared_ms": None,
                "revision": 0,
                "why": dict(record["message"]),
            }
        if record["revision"] <= known["revision"]:
            return
        changed_ms: int = record["changed_ms"]
        known["revision"], known["why"] = record["revision"], dict(record["message"])
        if not known["steps"] or known["steps"][-1][1] != record["severity"]:
            known["steps"].append((changed_ms, record["severity"]))
        known["cleared_ms"] = record["cleared_ms"]
        self.advance(changed_ms)

    def lose(self, measure: str, points: float, why: str, at_ms: int) -> None:
        """Take points for a measure that is no alert (`points` >= 0)."""
        self.measures.append((at_ms, measure, max(0.0, points), why))
        self.advance(at_ms)

    def advance(self, now_ms: int) -> None:
        """Media time goes on: open alerts cost more. It never goes back."""
        self.now_ms = max(self.now_ms, now_ms)

    @property
    def score(self) -> float:
        """0..100 at the last time that was told, to one decimal."""
        return self.score_at(self.now_ms)

    @property
    def lost(self) -> list[Record]:
        """Every lost point: `{points, alert_id | measure, rule_id, party, why}`; the points add up to 100 - score."""
        return self.lost_at(self.now_ms)

    def score_at(self, at_ms: int) -> float:
        return round(FULL - float(sum(item["points"] for item in self.lost_at(at_ms))), 1)

    def drop_60s(self, now_ms: int) -> float:
        """Points lost in the 60 s before `now_ms`."""
        if not self.alerts and not self.measures:
            return 0.0
        return round(max(0.0, self.score_at(now_ms - DROP_MS) - self.score_at(now_ms)), 1)

    def observations(self, now_ms: int) -> list[Measure]:
        """`health` and `health_drop_60s` as measures for the rules; brings the health to `now_ms`."""
        self.advance(now_ms)
        from_ms = max(0, now_ms - DROP_MS)
        return [
            Measure("health", None, self.score, 0, now_ms),
            Measure("health_drop_60s", None, self.drop_60s(now_ms), from_ms, now_ms),
        ]

    def lost_at(self, at_ms: int) -> list[Record]:
        """`lost` as it was at `at_ms`, from what is known by now."""
        left, left_of_rule = FULL, dict[str, float]()
        found: list[tuple[tuple[int, str], float, Record]] = []
        # In the order they were raised, not told: the limit of a rule falls on its later alerts.
        for alert_id, alert in sorted(self.alerts.items(), key=lambda item: (item[1]["raised_ms"], item[0])):
            if alert["raised_ms"] <= at_ms:
                points, rule_max = self._points(alert, at_ms)
                entry = {key: alert[key] for key in ("rule_id", "party", "why")}
                rule_left = left_of_rule.get(alert["rule_id"], 0.0)
                points = min(points, max(0.0, rule_max - rule_left))
                left_of_rule[alert["rule_id"]] = rule_left + points
                found.append(((alert["raised_ms"], alert_id), points, {"alert_id": alert_id, **entry}))
        for number, (when_ms, measure, points, why) in enumerate(self.measures):
            if when_ms <= at_ms:
                entry = {"measure": measure, "rule_id": None, "party": None, "why": {"en": why}}
                found.append(((when_ms, f"{number:06d}"), points, entry))
        lost: list[Record] = []
        for _, points, entry in sorted(found, key=lambda item: item[0]):
            points = round(min(points, left), 1)
            left = round(left - points, 1)
            if points > 0:
                lost.append({"points": points, **entry})
        return lost

    def _points(self, alert: dict[str, Any], at_ms: int) -> tuple[float, float]:
        steps = [severity for step_ms, severity in alert["steps"] if step_ms <= at_ms] or [alert["steps"][0][1]]
        cost = self.settings.cost(alert["rule_id"], alert["steps"][0][1], steps[-1])
        end_ms = at_ms if alert["cleared_ms"] is None else min(at_ms, alert["cleared_ms"])
        open_ms = max(0, end_ms - alert["raised_ms"])
        return min(cost.alert_max, cost.points + cost.per_minute * open_ms / MINUTE_MS), cost.rule_max
