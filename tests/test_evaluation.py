"""The evaluation: matching, statistics, pieces that are what they say, and suites that run."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.chunk import Encoding
from audio.errors import VigieError
from audio.synth.line import speech_level_dbov
from streams.evaluation import command, suites
from streams.evaluation.labelled import read_labels
from streams.evaluation.matching import Expected, match
from streams.evaluation.negatives import NEGATIVES
from streams.evaluation.pieces import Job, build
from streams.evaluation.positives import POSITIVES
from streams.evaluation.scenes import Scene, Turn, reached
from streams.evaluation.statistics import poisson_upper, quantile, wilson
from streams.evaluation.suites import Plan
from streams.evaluation.voices import Bank, phrases, real_bank

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
RATE = 8_000


def alert(raised_ms: int, rule: str = "echo", party: str | None = "agent", state: str = "raised") -> dict[str, Any]:
    return {"rule_id": rule, "party": party, "raised_ms": raised_ms, "onset_ms": raised_ms, "state": state}


ECHO = Expected("echo", "agent", onset_ms=5_000, due_ms=10_000)


@pytest.mark.parametrize(
    ("raised_ms", "right"), [(9_499, False), (9_500, True), (10_000, True), (12_000, True), (12_001, False)]
)
def test_an_alert_is_right_from_half_a_second_before_it_is_due_to_two_after(raised_ms: int, right: bool) -> None:
    found = match([ECHO], [alert(raised_ms)])
    assert (len(found.pairs), len(found.missed), len(found.false)) == ((1, 0, 0) if right else (0, 1, 1))
    assert found.late == (0 if right else 1)


def test_a_duplicate_is_a_false_alert() -> None:
    found = match([ECHO], [alert(10_000), alert(11_000)])
    assert (len(found.pairs), len(found.false), found.late) == (1, 1, 0)


def test_escalations_and_clearings_are_no_alerts_of_their_own() -> None:
    found = match([ECHO], [alert(10_000), alert(10_000, state="escalated"), alert(10_000, state="cleared")])
    assert (len(found.pairs), len(found.false)) == (1, 0)


def test_another_party_or_rule_does_not_match() -> None:
    assert len(match([ECHO], [alert(10_000, party="customer"), alert(10_000, rule="crosstalk")]).false) == 2


def test_a_count_that_may_complete_early_matches_from_its_first_moment() -> None:
    early = Expected("echo", "agent", 5_000, 10_000, from_ms=6_000)
    assert match([early], [alert(5_500)]).pairs
    assert not match([early], [alert(5_499)]).pairs


def test_wilson_intervals_are_those_of_the_literature() -> None:
    assert wilson(0, 100) == (0.0, pytest.approx(0.0370, abs=1e-4))
    assert wilson(95, 100) == (pytest.approx(0.8882, abs=1e-4), pytest.approx(0.9785, abs=1e-4))
    assert wilson(0, 0) == (0.0, 1.0)


def test_no_alert_in_six_hours_is_under_two_thirds_of_one_an_hour() -> None:
    assert poisson_upper(0, 6) == pytest.approx(3.689 / 6, rel=0.02)
    assert poisson_upper(10, 1) == pytest.approx(18.39, rel=0.01)


def test_quantiles_interpolate() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([0, 10], 0.95) == pytest.approx(9.5)
    assert quantile([], 0.5) is None


def test_speech_adds_up_over_turns() -> None:
    turns = [Turn(0, 1_000, 3_000), Turn(0, 5_000, 9_000)]
    assert reached(turns, 2_000) == 3_000
    assert reached(turns, 4_000) == 7_000
    assert reached(turns, 4_000, from_ms=2_000) == 8_000
    assert reached(turns, 7_000) is None


def voice(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.arange(6 * RATE) / RATE
    syllables = np.sin(np.pi * 3 * t) ** 2 * (t % 3.0 < 2.4)
    buzz = ((t * rng.uniform(90, 220)) % 1.0 - 0.5) * syllables
    return phrases((buzz + 1e-4 * rng.standard_normal(len(t))).astype(np.float32))


def scene(number: int = 0) -> Scene:
    bank = Bank({"a": voice(1), "b": voice(2), "c": voice(3)})
    return Scene(bank, np.random.default_rng(number), (Encoding.MULAW,))


def test_speech_is_cut_at_its_pauses() -> None:
    found = voice(1)
    assert len(found) == 2
    assert all(2.0 < len(phrase) / RATE < 2.5 for phrase in found)


@pytest.mark.parametrize("rule", POSITIVES)
@pytest.mark.parametrize("strength", [0, 1, 2])
def test_a_positive_says_what_must_be_raised_and_lasts_long_enough(rule: str, strength: int) -> None:
    piece = POSITIVES[rule](scene(strength), strength)
    assert piece.expected is not None
    assert piece.expected.rule == rule
    assert piece.expected.onset_ms <= piece.expected.due_ms
    assert piece.expected.due_ms + 300 <= piece.samples.shape[1] // 8
    assert piece.samples.shape[1] // RATE < 90


@pytest.mark.parametrize("kind", NEGATIVES)
def test_a_negative_expects_nothing_and_holds_two_legs_of_speech(kind: str) -> None:
    piece = NEGATIVES[kind](scene(3))
    assert piece.expected is None
    assert all(speech_level_dbov(leg / np.float32(32768)) > -50 for leg in piece.samples)
    assert piece.samples.shape[1] // RATE < 75


@needs_espeak
def test_a_piece_is_the_same_whenever_it_is_made() -> None:
    job = Job("positive", "dropouts", 3, seed=1, half="tune")
    first, second = build(job), build(job)
    assert np.array_equal(first.samples, second.samples)
    assert first.expected == second.expected


def test_tuning_and_reporting_share_no_voice(shared_data: Path) -> None:
    report, tune = real_bank(shared_data, "report"), real_bank(shared_data, "tune")
    assert len(report.phrases) >= 4
    assert len(tune.phrases) >= 4
    assert not set(report.phrases) & set(tune.phrases)


def test_a_plan_holds_the_asked_counts_and_both_laws() -> None:
    jobs = Plan(count=102, clean_hours=1, only=("echo",)).jobs()
    kinds = [job.kind for job in jobs]
    assert kinds.count("positive") == 102 + 17 + 17
    assert kinds.count("negative") >= 102
    assert kinds.count("clean") == 12
    assert {job.number % 2 for job in jobs} == {0, 1}


def test_an_unknown_detector_is_the_users_mistake() -> None:
    with pytest.raises(VigieError, match="no pieces for the rule"):
        Plan(only=("rats",)).jobs()


def test_labels_are_read_from_csv_and_json(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("call_id,rule,party,about_ms,tolerance_ms\nx,echo,agent,5000,\n", encoding="utf-8")
    (expected,) = read_labels(table)["x"].expect
    assert (expected.rule, expected.due_ms, expected.late_ms) == ("echo", 5_000, 4_000)
    labels = {"call_id": "y", "expect": [{"rule": "echo", "party": None, "about_ms": 1}], "allow": ["noise"]}
    (tmp_path / "y.labels.json").write_text(json.dumps(labels), encoding="utf-8")
    assert read_labels(tmp_path)["y"].allow == {"noise"}


def test_a_label_without_its_time_is_named(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("call_id,rule\nx,echo\n", encoding="utf-8")
    with pytest.raises(VigieError, match="about_ms"):
        read_labels(table)


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(given)


@needs_espeak
def test_a_suite_runs_and_reports_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "NEGATIVES", {kind: NEGATIVES[kind] for kind in ("clean", "pauses")})
    given = ("--only", "dead-air", "--count", "3", "--fainter", "0", "--clean-hours", "0", "--workers", "1", "--json")
    assert command.run(arguments(*given)) == 0
    report = json.loads(capsys.readouterr().out)
    (row,) = report["detectors"]
    assert (row["rule"], row["positives"]) == ("dead-air", 3)
    assert row["negatives"] >= 3
    assert row["found"] >= 2


def test_hybrid_without_a_folder_tells_the_remedy() -> None:
    with pytest.raises(VigieError, match="Name its folder"):
        command.run(arguments("--suite", "hybrid"))
