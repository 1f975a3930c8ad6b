"""Health: every lost point has its alert, limits hold, and order does not matter."""

from __future__ import annotations

import random

from audio.state import pack, unpack
from streams.alerts.health import BY_RULE, BY_SEVERITY, Health
from streams.alerts.rules import load_rules
from streams.events import Record


def alert(name: str, at: int, *, rule: str = "dead-air", severity: str = "warning", **more: object) -> Record:
    base = {"alert_id": name, "revision": 1, "rule_id": rule, "party": None, "severity": severity, "raised_ms": at}
    rest = {"changed_ms": at, "cleared_ms": None, "message": {"en": name}, "evidence": {"metric": "mutual_silence_ms"}}
    return {**base, **rest, **more}


def test_a_call_without_alerts_is_whole() -> None:
    health = Health()
    health.advance(60000)
    assert (health.score, health.lost, health.drop_60s(60000)) == (100.0, [], 0.0)


def test_an_open_alert_costs_more_with_time_up_to_its_limit() -> None:
    health, cost = Health(), BY_RULE["dead-air"]
    health.observe_alert(alert("a", 10000))
    assert health.score == 100 - cost.points
    health.advance(70000)
    assert health.score == 100 - cost.points - cost.per_minute
    health.advance(10_000_000)
    assert health.score == 100 - cost.alert_max


def test_a_cleared_alert_stops_costing() -> None:
    health = Health()
    health.observe_alert(alert("a", 0))
    health.observe_alert(alert("a", 0, revision=2, cleared_ms=30000, changed_ms=30000))
    health.advance(900000)
    assert health.score == 100 - 8 - 8


def test_escalation_costs_the_difference_of_the_severities() -> None:
    health = Health()
    health.observe_alert(alert("a", 0))
    health.observe_alert(alert("a", 0, revision=2, severity="critical", changed_ms=0))
    assert health.score == 100 - 8 - (BY_SEVERITY["critical"].points - BY_SEVERITY["warning"].points)


def test_a_revision_counts_once_and_an_older_one_never() -> None:
    health = Health()
    for revision in (2, 1, 2):
        health.observe_alert(alert("a", 0, revision=revision))
    assert health.score == 92.0


def test_the_points_add_up_and_stop_at_zero_in_any_order() -> None:
    alerts = [alert(str(n), n * 100, rule=rule, severity="critical") for n, rule in enumerate(list(BY_RULE) * 2)]
    scores = set()
    for seed in range(4):
        health = Health()
        random.Random(seed).shuffle(alerts)
        for item in alerts:
            health.observe_alert(item)
        health.advance(300000)
        assert round(sum(item["points"] for item in health.lost), 1) == 100.0
        scores.add((health.score, str(health.lost)))
    assert len(scores) == 1
    assert scores.pop()[0] == 0.0


def test_the_drop_looks_back_60_s() -> None:
    health = Health()
    health.observe_alert(alert("a", 1000, rule="legal-threat", severity="critical"))
    assert [health.drop_60s(at) for at in (999, 1000, 60999, 61000)] == [0.0, 20.0, 20.0, 0.0]


def test_what_follows_from_health_does_not_lower_it() -> None:
    health = Health()
    health.observe_alert(alert("a", 0, evidence={"metric": "health_drop_60s"}))
    assert health.score == 100.0


def test_a_measure_may_cost_points_and_is_named() -> None:
    health = Health()
    health.lose("mos", 7, "R factor under 70", 5000)
    assert (health.score, health.lost[0]["measure"]) == (93.0, "mos")


def test_a_restart_changes_nothing() -> None:
    health, other = Health(), Health()
    health.observe_alert(alert("a", 1000))
    health.lose("mos", 7, "why", 5000)
    other.load_state(unpack(pack(health.state())))
    assert (other.lost_at(90000), other.score) == (health.lost_at(90000), health.score)


def test_every_default_rule_that_costs_has_its_line() -> None:
    assert set(BY_RULE) == {rule.id for rule in load_rules().rules} - {"call-degrading", "not-watched"}
