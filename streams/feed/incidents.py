"""Incidents: many calls, one cause. Pure: what is given are rows, what comes out changes no alert.

An alert on one call is that call's; the same alert on a third of a trunk's calls is the trunk's. For every rule and for
every trunk, site, queue and agent the share of calls with that alert is compared with the share among all other calls;
what stands out is an incident. Where the same calls would make several, the one that sets them apart best is kept.

What is counted is the window; since when an incident is on is found by going back from it, window by window, for as long
as it stands out there too.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("trunk", "site", "queue", "agent")
Rows = Iterable[Mapping[Any, Any]]
CAUSE_OF_KIND = {"trunk": "technology", "site": "technology", "queue": "process", "agent": "human"}


@dataclass(frozen=True, slots=True)
class IncidentSettings:
    window_ms: int = 15 * 60_000
    """Alerts this far back count."""
    calls_min: int = 3
    share_min: float = 0.3
    lift_min: float = 3.0
    """How many times the share elsewhere (with one call added there, so that nothing divides by zero)."""
    open_ms: int = 5 * 60_000
    """An incident is open while its last alert is no older."""
    since_ms_max: int = 8 * 3_600_000
    """How far back its beginning is looked for: a shift. Of a longer one the oldest that was seen is told."""


@dataclass(slots=True)
class _Found:
    rule_id: str
    kind: str
    value: str
    alerts: list[Mapping[Any, Any]] = field(default_factory=list)
    share: float = 0.0
    lift: float = 0.0

    @property
    def calls(self) -> frozenset[str]:
        return frozenset(alert["call_id"] for alert in self.alerts)

    @property
    def first_at(self) -> int:
        first: int = min(alert["raised_at"] for alert in self.alerts)
        return first


def incidents(
    alerts: Rows,
    calls: Rows,
    now: int,
    settings: IncidentSettings = IncidentSettings(),
) -> list[dict[str, Any]]:
    """Incidents of the window, the widest first.

    Args:
        alerts: rows of the store raised within the window, none dismissed.
        calls: rows of the calls that were live within the window (`call_id` and the scope columns).
    """
    return [_told(found, now, settings) for found in _best(_standing(alerts, calls, settings))]


def began_at(
    incident: Mapping[str, Any],
    look: Callable[[int, int], tuple[Rows, Rows]],
    settings: IncidentSettings = IncidentSettings(),
) -> int:
    """When an incident began: back from its first alert, while the window before that shows it too.

    Args:
        look: the alerts of the incident's rule raised from one moment to just before another, and the calls between.
    """
    since_at: int = incident["since_at"]
    key = (incident["rule_id"], incident["scope"]["kind"], incident["scope"]["value"])
    oldest = since_at - settings.since_ms_max
    while since_at > oldest:
        standing = _standing(*look(max(oldest, since_at - settings.window_ms), since_at), settings)
        before = next((found for found in standing if (found.rule_id, found.kind, found.value) == key), None)
        if before is None:
            break
        since_at = before.first_at
    return since_at


def _standing(alerts: Rows, calls: Rows, settings: IncidentSettings) -> list[_Found]:
    calls = list(calls)
    totals = {kind: Counter(call[kind] for call in calls if call[kind]) for kind in KINDS}
    place = {call["call_id"]: call for call in calls}
    groups: dict[tuple[str, str, str], _Found] = {}
    by_rule: dict[str, set[str]] = defaultdict(set)
    for alert in alerts:
        by_rule[alert["rule_id"]].add(alert["call_id"])
        for kind in KINDS:
            value = alert[kind] or (place.get(alert["call_id"]) or {}).get(kind)
            if value:
                key = (alert["rule_id"], kind, value)
                groups.setdefault(key, _Found(*key)).alerts.append(alert)
    return [
        found
        for found in groups.values()
        if _stands_out(found, totals[found.kind][found.value], len(calls), len(by_rule[found.rule_id]), settings)
    ]


def _stands_out(found: _Found, here: int, everywhere: int, with_rule: int, settings: IncidentSettings) -> bool:
    affected = len(found.calls)
    here = max(here, affected)
    elsewhere = max(0, everywhere - here)
    found.share = affected / here
    outside = (max(0, with_rule - affected) + 0.5) / (elsewhere + 1)
    found.lift = found.share / outside
    return affected >= settings.calls_min and found.share >= settings.share_min and found.lift >= settings.lift_min


def _best(found: list[_Found]) -> list[_Found]:
    """For each rule, what explains its calls best; what is within another's calls is left out."""
    order = sorted(found, key=lambda f: (-len(f.calls), -f.lift, KINDS.index(f.kind), f.rule_id, f.value))
    kept: list[_Found] = []
    for candidate in order:
        same = [k for k in kept if k.rule_id == candidate.rule_id and candidate.calls <= k.calls]
        better = [k for k in same if candidate.lift <= 2 * k.lift or candidate.calls == k.calls]
        if not better:
            # A narrower place that sets itself apart far better takes the wider one's place.
            kept = [k for k in kept if k not in same]
            kept.append(candidate)
    return sorted(kept, key=lambda f: (-len(f.calls), f.rule_id, f.value))


def _told(found: _Found, now: int, settings: IncidentSettings) -> dict[str, Any]:
    last = max(alert["raised_at"] for alert in found.alerts)
    newest = max(found.alerts, key=lambda alert: (alert["raised_at"], alert["alert_id"]))
    # The window slides over a long incident: its first alert would not name it for long.
    plain = f"{found.rule_id}\n{found.kind}\n{found.value}"
    return {
        "incident_id": hashlib.sha256(plain.encode()).hexdigest()[:16],
        "rule_id": found.rule_id,
        "title": newest["record"].get("title") or found.rule_id,
        "severity": min(found.alerts, key=lambda alert: alert["rank"])["severity"],
        "verdict": _verdict(found),
        "scope": {"kind": found.kind, "value": found.value},
        "calls": sorted(found.calls),
        "alerts": sorted(alert["alert_id"] for alert in found.alerts),
        "since_at": found.first_at,
        "last_at": last,
        "open": last > now - settings.open_ms,
        "share": round(found.share, 3),
        "lift": round(found.lift, 1),
        "message": newest["record"]["message"],
    }


def _verdict(found: _Found) -> str:
    """Most alerts' own verdict where it is technology; else what the place says: one agent's is human, a queue's process."""
    verdicts = Counter(alert["verdict"] for alert in found.alerts)
    most: str
    most, number = verdicts.most_common(1)[0]
    if most == "technology" and number * 2 >= len(found.alerts):
        return most
    return CAUSE_OF_KIND[found.kind] if found.kind in ("queue", "agent") else most
