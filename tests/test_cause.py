"""Causes: technology outranks people when audio was lost, and unknown is honest."""

from __future__ import annotations

import pytest

from audio.chunk import Measure, Party
from streams.alerts.cause import call_cause
from streams.alerts.engine import AlertEngine
from streams.alerts.rules import load_rules
from streams.events import CallInfo, Record

C = Party.CUSTOMER
SILENT = Measure("mutual_silence_ms", None, 10000, 30000, 40000)
DROPS = Measure("dropouts_10s", C, 5, 22000, 30000)


def sound(*steps: tuple[int, list[Measure]]) -> list[Record]:
    engine = AlertEngine(load_rules(), CallInfo("c1"), "sound")
    return [item for step in steps for item in engine.observe(*step)]


def names(facts: list[Record]) -> list[str]:
    return [item["name"] for item in facts]


def test_dead_air_with_dropouts_open_is_technology() -> None:
    for steps in ([(30000, [DROPS]), (40000, [SILENT])], [(40000, [SILENT, DROPS])]):
        cause = sound(*steps)[-1]["cause"]
        assert (cause["verdict"], names(cause["for"])) == ("technology", ["dropouts"])


def test_dead_air_after_the_customer_spoke_is_the_agents() -> None:
    last = Measure("mutual_silence_ms", None, 10000, 30000, 40000, {"last_party": "customer"})
    assert sound((40000, [last]))[0]["cause"]["verdict"] == "human"


def test_dead_air_without_evidence_is_unknown() -> None:
    assert sound((40000, [SILENT]))[0]["cause"] == {"verdict": "unknown", "for": [], "against": []}


def test_a_loss_long_before_explains_nothing() -> None:
    cleared = [(3000, [Measure("dropouts_10s", C, 5, 1000, 3000)]), (4000, [Measure("dropouts_10s", C, 0, 0, 4000)])]
    assert sound(*cleared, (9000, []), (40000, [SILENT]))[-1]["cause"]["verdict"] == "unknown"


def test_talk_over_is_human_on_a_clean_line_and_technology_with_echo() -> None:
    over = Measure("overlap_run_ms", None, 3000, 37000, 40000)
    clean = sound((40000, [over]))[-1]["cause"]
    assert (clean["verdict"], names(clean["for"])) == ("human", ["overlap_run_ms", "loss"])
    echo = Measure("echo_ms", C, 6000, 30000, 36000)
    assert sound((36000, [echo]), (40000, [over]))[-1]["cause"]["verdict"] == "technology"


def test_a_hole_under_the_limit_speaks_against_a_person() -> None:
    hole = Measure("dropouts_10s", C, 1, 36000, 36100)
    cause = sound((36100, [hole]), (40000, [Measure("overlap_run_ms", None, 3000, 37000, 40000)]))[0]["cause"]
    assert (cause["verdict"], names(cause["against"])) == ("human", ["dropouts_10s"])


def test_alerts_of_the_other_stage_count_as_evidence() -> None:
    words = AlertEngine(load_rules(), CallInfo("c1"), "words")
    unhappy = Measure("sentiment", C, -0.8, 30000, 33000)
    words.note_alerts(sound((30000, [DROPS])))
    assert words.observe(33000, [unhappy])[0]["cause"]["verdict"] == "technology"


@pytest.mark.parametrize(
    ("alerts", "verdict"),
    [
        ([], "none"),
        ([("monologue_ms", "info", "human")], "human"),
        ([("phrase.legal_threat", "critical", "unknown"), ("talk_ratio", "info", "human")], "unknown"),
        ([("overlap_run_ms", "critical", "human"), ("dropouts_10s", "warning", "technology")], "technology"),
        ([("overlap_run_ms", "critical", "human"), ("snr_db", "warning", "technology")], "human"),
        ([("unwatched_ms", "critical", "technology"), ("hold_ms", "warning", "process")], "process"),
        ([("sentiment", "warning", "unknown"), ("hold_ms", "warning", "process")], "process"),
    ],
)
def test_the_cause_of_a_call(alerts: list[tuple[str, str, str]], verdict: str) -> None:
    records: list[Record] = [
        {
            "alert_id": str(number),
            "revision": 1,
            "rule_id": metric,
            "party": None,
            "onset_ms": number,
            "severity": severity,
            "evidence": {"metric": metric, "value": 1},
            "cause": {"verdict": cause},
        }
        for number, (metric, severity, cause) in enumerate(alerts)
    ]
    assert call_cause(records)["verdict"] == verdict == call_cause(reversed(records))["verdict"]
