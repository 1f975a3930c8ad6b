"""Incidents: what stands out, and since when."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from streams.feed.clock import wall_ms
from streams.feed.incidents import IncidentSettings, began_at, incidents
from tests.feed.conftest import Store
from tests.feed.records import alert, measurement, summary

NOW = 1_790_000_000_000
MINUTE_MS = 60_000
SETTINGS = IncidentSettings()
WINDOW_MS = SETTINGS.window_ms
Row = dict[str, Any]


class World:
    """Calls of 4 minutes on two trunks, three begun each minute; on one trunk every call of some spans has an alert."""

    def __init__(self, minutes: int, ill: list[tuple[int, int]], everywhere: list[tuple[int, int]] = []) -> None:  # noqa: B006
        self.alerts: list[Row] = []
        self.calls: list[Row] = []
        self.looks = 0
        for ago in range(minutes, 0, -1):
            at = NOW - ago * MINUTE_MS
            for trunk in ("sip-4", "sip-9", "sip-9"):
                self.add(at, trunk, ill if trunk == "sip-4" else everywhere)

    def add(self, at: int, trunk: str, spans: list[tuple[int, int]]) -> None:
        place = {"trunk": trunk, "site": None, "queue": None, "agent": None}
        call_id = f"c{len(self.calls)}"
        self.calls.append({"call_id": call_id, **place, "first_at": at, "ended_at": at + 4 * MINUTE_MS})
        if any(NOW - at <= since * MINUTE_MS and NOW - at > until * MINUTE_MS for since, until in spans):
            told = {"rank": 1, "severity": "warning", "verdict": "technology", "record": {"message": {}}}
            self.alerts.append(
                {"alert_id": call_id, "call_id": call_id, "rule_id": "echo", "raised_at": at, **place, **told}
            )

    def look(self, since_at: int, until_at: int) -> tuple[list[Row], list[Row]]:
        self.looks += 1
        raised = [a for a in self.alerts if since_at <= a["raised_at"] < until_at]
        return raised, [c for c in self.calls if c["first_at"] < until_at and c["ended_at"] >= since_at]

    def began(self, settings: IncidentSettings = SETTINGS) -> int:
        """Minutes ago."""
        (incident,) = incidents(*self.look(NOW - WINDOW_MS, NOW), NOW, settings)
        assert incident["scope"] == {"kind": "trunk", "value": "sip-4"}
        self.looks = 0
        return (NOW - began_at(incident, self.look, settings)) // MINUTE_MS


@pytest.mark.parametrize("minutes", [6, 15, 16, 60, 200])
def test_an_incident_tells_since_when_it_is_on_however_long_ago(minutes: int) -> None:
    world = World(400, [(minutes, 0)])
    # The window in which it began holds calls from before it: what is too few there is not told.
    assert minutes - world.began() in range(15 if minutes > 15 else 1)
    assert world.looks <= minutes // 15 + 2


def test_what_was_over_for_a_window_is_another_incident() -> None:
    assert World(400, [(40, 0), (200, 60)]).began() == 40


def test_what_was_the_same_everywhere_was_not_this_incident() -> None:
    assert World(400, [(200, 0)], everywhere=[(200, 45)]).began() == 45


def test_the_beginning_is_looked_for_a_shift_back_and_no_more() -> None:
    world = World(700, [(700, 0)])
    assert world.began() == 8 * 60 + 15
    assert world.looks == 32
    assert world.began(IncidentSettings(since_ms_max=20 * MINUTE_MS)) == 35


def test_alerts_by_threes_do_not_make_the_search_endless() -> None:
    world = World(400, [(minute, minute - 3) for minute in range(390, 0, -13)])
    assert world.began(IncidentSettings(share_min=0.1)) > 300
    assert world.looks <= 2 * 8 * 60 // 15


def test_the_api_tells_since_when(store: Store, client: TestClient) -> None:
    now = wall_ms()
    for n in range(0, 50, 2):
        for trunk in ("sip-4", "sip-9", "sip-10"):
            call_id, at = f"{trunk}-{n}", now - n * MINUTE_MS - 10_000
            place = {"trunk": trunk, "site": "rabat", "queue": f"queue-{n % 5}", "agent": f"agent-{call_id}"}
            ended = [("summaries", {**summary(call_id, 1), **place})] if n > 2 else []
            store.take(("measurements", measurement(call_id, 0, last=n > 2, **place)), *ended, at=at)
            if trunk == "sip-4" and n <= 40:
                store.take(("alerts", alert(call_id, call_id, rule_id="dropouts", **place)), at=at)
    (incident,) = client.get("/api/incidents").json()["items"]
    assert incident["scope"] == {"kind": "trunk", "value": "sip-4"}
    first = client.get("/api/alerts/sip-4-40").json()["raised_at"]
    assert incident["since_at"] == first
    assert len(incident["alerts"]) < 10
