"""The engine: limits, durations, N of M, hysteresis, escalation, cooldown, evidence, restarts."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

import schemas
from audio.chunk import Measure, Party
from audio.errors import VigieError
from audio.state import pack, unpack
from streams.alerts.engine import AlertEngine
from streams.alerts.rules import load_rules, parse_rules
from streams.events import CallInfo, Record

A, C = Party.AGENT, Party.CUSTOMER
CALL = CallInfo("c1")


def engine(condition: str, extra: str = "", *, domain: str = "sound", call: CallInfo = CALL) -> AlertEngine:
    message = "message: {en: '{value} {party}', fr: x}"
    text = f"version: 1\nrules:\n- id: r\n  {condition}\n  severity: warning\n  {message}\n"
    return AlertEngine(parse_rules((text + extra).encode(), "f.yaml"), call, domain)


def m(metric: str, value: float, since: int = 0, until: int = 0, party: Party | None = None, **detail: Any) -> Measure:
    return Measure(metric, party, value, since, until, detail or None)


def brief(records: list[Record]) -> list[tuple[str, int, int, str]]:
    for item in records:
        schemas.validator("alert").validate(item)
    return [(item["state"], item["revision"], item["changed_ms"], item["severity"]) for item in records]


SILENCE = "condition: {metric: mutual_silence_ms, at_least: 10000, clear: 0}"


def silence(until: int) -> list[Measure]:
    return [m("mutual_silence_ms", until - 1000, 1000, until)]


def test_a_threshold_fires_at_it_and_above_never_below() -> None:
    assert engine(SILENCE).observe(10999, silence(10999)) == []
    (record,) = engine(SILENCE).observe(11000, silence(11000))
    assert (record["onset_ms"], record["raised_ms"], record["party"]) == (1000, 11000, "both")
    assert record["evidence"]["audio"] == {"from_ms": 0, "to_ms": 13000}


def test_an_alert_escalates_once_and_clears_at_its_clear_value() -> None:
    one = engine(SILENCE, "  escalate: [{at_least: 30000, severity: critical}]\n")
    records = [item for at in range(5000, 40000, 1000) for item in one.observe(at, silence(at))]
    records += one.observe(40000, [m("mutual_silence_ms", 0)])
    assert brief(records) == [
        ("raised", 1, 11000, "warning"),
        ("escalated", 2, 31000, "critical"),
        ("cleared", 3, 40000, "critical"),
    ]
    assert len({item["alert_id"] for item in records}) == 1
    assert records[2]["evidence"]["value"] == 38000
    assert records[2]["evidence"]["audio"] == {"from_ms": 11000, "to_ms": 41000}


def test_escalation_by_age_counts_from_the_raise() -> None:
    one = engine(SILENCE, "  escalate: [{after_ms: 5000, severity: critical}]\n")
    one.observe(11000, silence(11000))
    assert one.observe(15999, []) == []
    assert brief(one.observe(16000, [])) == [("escalated", 2, 16000, "critical")]


def test_the_band_between_onset_and_clear_holds_the_alert() -> None:
    one = engine("condition: {metric: level_dbov, party: agent, below: -36, clear: -34}")
    assert one.observe(1, [m("level_dbov", -36, party=A)]) == []
    assert len(one.observe(2, [m("level_dbov", -36.1, party=A)])) == 1
    assert one.observe(3, [m("level_dbov", -35, party=A)]) == []
    assert brief(one.observe(4, [m("level_dbov", -34, party=A)])) == [("cleared", 2, 4, "warning")]


def test_a_minimum_duration_needs_no_break() -> None:
    one = engine("condition: {metric: level_dbov, party: agent, below: -36, for_ms: 5000}")
    one.observe(0, [m("level_dbov", -40, party=A)])
    assert one.observe(4999, []) == []
    one.observe(4999, [m("level_dbov", -30, party=A)])
    assert one.observe(5000, [m("level_dbov", -40, party=A)]) == []
    assert brief(one.observe(10000, [])) == [("raised", 1, 10000, "warning")]


def test_n_of_m_counts_events_within_the_window() -> None:
    text = "condition: {metric: phrase.abuse, party: agent, at_least: 1, n_of_m: {n: 3, m_ms: 10000}}"
    late, right = engine(text, domain="words"), engine(text, domain="words")
    said = [m("phrase.abuse", 1, party=A, words="w", utterance_id="u", confidence=0.5)]
    for one in (late, right):
        assert one.observe(0, said) + one.observe(5000, said) == []
    assert late.observe(10000, said) == []
    (record,) = right.observe(9999, said)
    assert len(record["evidence"]["words"]) == 1  # one utterance, however often it was told
    assert record["evidence"]["window_ms"] == 10000


def test_either_party_gets_an_alert_of_its_own() -> None:
    one = engine("condition: {metric: dropouts_10s, at_least: 3}")
    records = one.observe(9, [m("dropouts_10s", 4, party=C), m("dropouts_10s", 3, party=A)])
    assert [item["party"] for item in records] == ["agent", "customer"]
    assert records[0]["alert_id"] != records[1]["alert_id"]
    assert records[1]["message"]["en"] == "4 the customer"


def test_all_joins_conditions_that_remember() -> None:
    one = engine(
        "all: [{metric: phrase.cancellation, party: customer, at_least: 1, within_ms: 20000}, "
        "{metric: dropouts_10s, party: agent, at_least: 3}]",
        domain="words",
    )
    one.observe(1000, [m("phrase.cancellation", 1, party=C, words="stop", utterance_id="u1")])
    (record,) = one.observe(21000, [m("dropouts_10s", 3, party=A)])
    assert (record["party"], record["evidence"]["metric"]) == ("both", "dropouts_10s")
    assert record["evidence"]["words"][0]["text"] == "stop"
    assert [item["met"] for item in record["evidence"]["conditions"]] == [True, True]
    again = engine(
        "all: [{metric: phrase.cancellation, at_least: 1, within_ms: 20000}, {metric: hold_ms, above: 1}]",
        domain="words",
    )
    again.observe(1000, [m("phrase.cancellation", 1, party=C)])
    assert again.observe(21001, [m("hold_ms", 3)]) == []


def test_any_fires_on_either_condition() -> None:
    text = "any: [{metric: snr_db, below: 10}, {metric: noise_dbov, above: -35}]"
    assert engine(text).observe(1, [m("noise_dbov", -30, party=A)])[0]["evidence"]["metric"] == "noise_dbov"


def test_a_condition_waits_for_its_time_of_the_call() -> None:
    one = engine("condition: {metric: not_said.greeting, party: agent, at_least: 1, after_ms: 30000}", domain="words")
    one.observe(0, [m("not_said.greeting", 1, party=A)])
    assert one.observe(29999, []) == []
    assert len(one.observe(30000, [])) == 1
    late = engine("condition: {metric: hold_ms, at_least: 1, until_ms: 5000}")
    assert late.observe(5000, [m("hold_ms", 9)]) == []


def test_clearing_relapses_and_cooldown_keeps_quiet() -> None:
    one = engine(SILENCE, "  clear_after_ms: 2000\n  cooldown_ms: 10000\n")
    zero = [m("mutual_silence_ms", 0)]
    (first,) = one.observe(11000, silence(11000))
    assert one.observe(12000, zero) + one.observe(13999, silence(13999)) + one.observe(14000, zero) == []
    assert brief(one.observe(16000, zero)) == [("cleared", 2, 16000, "warning")]
    assert one.observe(25999, silence(25999)) == []
    (second,) = one.observe(26000, silence(26000))
    assert second["alert_id"] != first["alert_id"]
    assert second["onset_ms"] == 16001  # the first alert told of what came before


def test_words_carry_their_utterance_and_clear_after_a_while() -> None:
    one = AlertEngine(load_rules(), CallInfo("c1", language="fr"), "words")
    said = m("phrase.escalation", 1, 40000, 44000, C, words="votre {responsable}", utterance_id="c1:c3", confidence=0.9)
    (record,) = one.observe(44000, [said])
    assert record["evidence"]["words"] == [
        {
            "text": "votre {responsable}",
            "party": "customer",
            "utterance_id": "c1:c3",
            "confidence": 0.9,
            "start_ms": 40000,
            "end_ms": 44000,
        }
    ]
    assert "« votre {responsable} »" in record["message"]["fr"]
    assert one.observe(50000, []) == []
    assert one.observe(109999, []) == []
    assert brief(one.observe(110000, [])) == [("cleared", 2, 110000, "critical")]


def test_the_end_of_a_call_clears_nothing_and_stops_everything() -> None:
    one = engine(SILENCE)
    one.observe(11000, silence(11000))
    assert one.close(12000) == []
    assert [item["state"] for item in one.open_alerts] == ["raised"]
    assert one.observe(99000, [m("mutual_silence_ms", 0)]) == []


def test_a_mono_call_is_watched_once_and_names_no_party() -> None:
    one = engine("condition: {metric: phrase.abuse, at_least: 1}", domain="words", call=CallInfo("c", mono=True))
    (record,) = one.observe(5, [m("phrase.abuse", 1, party=A)])
    assert record["party"] is None


METRICS = (
    ("mutual_silence_ms", None, (0, 12000, 31000)),
    ("dropouts_10s", A, (0, 1, 4)),
    ("level_dbov", C, (-40, -35, -20)),
    ("overlap_run_ms", None, (0, 4000)),
    ("interruptions_120s", C, (0, 3)),
    ("response_ms", A, (900, 9000)),
    ("hold_ms", None, (0, 70000)),
)


def story(seed: int) -> list[tuple[int, list[Measure]]]:
    chance = random.Random(seed)
    steps = []
    for block in range(400):
        now = (block + 1) * 256
        some = [item for item in METRICS if chance.random() < 0.08]
        steps.append(
            (now, [m(name, chance.choice(values), max(0, now - 3000), now, who) for name, who, values in some])
        )
    return steps


@pytest.mark.parametrize("seed", range(5))
def test_a_restart_between_any_two_blocks_changes_nothing(seed: int) -> None:
    call, rules, chance = CallInfo("c1", tenant="t"), load_rules(), random.Random(seed)
    whole, parted = AlertEngine(rules, call, "sound"), AlertEngine(rules, call, "sound")
    count = 0
    for now, measures in story(seed):
        expected = whole.observe(now, measures)
        assert parted.observe(now, measures) == expected
        count += len(expected)
        brief(expected)
        if chance.random() < 0.1:
            data = pack(parted.state())
            parted = AlertEngine(rules, call, "sound")
            parted.load_state(unpack(data))
            assert pack(parted.state()) == data
    assert count > 10


def test_alert_ids_and_revisions_are_never_given_twice() -> None:
    one = AlertEngine(load_rules(), CallInfo("c1"), "sound")
    keys = [(item["alert_id"], item["revision"]) for step in story(9) for item in one.observe(*step)]
    assert len(keys) == len(set(keys))


def test_a_state_of_other_rules_is_refused() -> None:
    with pytest.raises(VigieError):
        engine(SILENCE).load_state(engine("condition: {metric: hold_ms, at_least: 1}").state())


def test_an_observation_of_a_quiet_call_is_cheap() -> None:
    one = AlertEngine(load_rules(), CallInfo("c1"), "sound")
    quiet = [
        m("level_dbov", -20, party=A),
        m("level_dbov", -20, party=C),
        m("snr_db", 30, party=A),
        m("talk_ratio", 0.5),
    ]
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(200):
            one.observe(1000, quiet)
        best = min(best, (time.perf_counter() - began) / 200)
    assert best < 60e-6
