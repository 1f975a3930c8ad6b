"""The evaluation: matching, statistics, pieces that are what they say, and suites that run."""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from audio.chunk import Encoding
from audio.errors import VigieError
from audio.synth.line import p56, speech_level_dbov
from streams.evaluation import command, suites, table
from streams.evaluation.labelled import read_labels
from streams.evaluation.matching import Expected, match
from streams.evaluation.negatives import NEGATIVES
from streams.evaluation.pieces import Job, Outcome, build
from streams.evaluation.positives import POSITIVES
from streams.evaluation.scenes import Scene, Turn, completed_ms, reached
from streams.evaluation.statistics import poisson_upper, quantile, wilson
from streams.evaluation.suites import Plan
from streams.evaluation.voices import (
    ESPEAK_VOICES,
    HALVES,
    HOPS,
    MADE_MUSIC,
    PUBLIC_FILES,
    Bank,
    phrases,
    real_bank,
    sounding,
)

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


def test_tuning_and_reporting_share_no_stretch_of_any_file_no_music_no_noise_and_no_codec() -> None:
    rows = list(csv.DictReader(PUBLIC_FILES.splitlines()))
    for one in rows:
        for other in rows:
            if (one["half"], other["half"]) != ("tune", "report") or one["file"] != other["file"]:
                continue
            spans = [(float(row["from_s"]), float(row["to_s"] or "inf")) for row in (one, other)]
            assert spans[0][1] <= spans[1][0] or spans[1][1] <= spans[0][0], one["file"]
    for kind in ("speech", "music", "noise"):
        names = {half: {row["voice"] for row in rows if row["half"] == half and row["kind"] == kind} for half in HALVES}
        assert names["tune"]
        assert names["report"]
        assert not names["tune"] & names["report"]
    assert MADE_MUSIC["tune"] != MADE_MUSIC["report"]
    assert not set(HOPS["tune"]) & set(HOPS["report"])
    assert not set(ESPEAK_VOICES["tune"]) & set(ESPEAK_VOICES["report"])


def test_what_the_detectors_were_developed_on_is_not_reported() -> None:
    developed_on = ("lca40", "OSR_us", "office-ambience", "442789")
    reported = [row["file"] for row in csv.DictReader(PUBLIC_FILES.splitlines()) if row["half"] == "report"]
    assert not [file for file in reported if any(name in file for name in developed_on)]


def test_a_voice_in_both_halves_is_the_users_mistake(tmp_path: Path) -> None:
    text = "file,voice,half,channel,from_s,kind\na.wav,anna,tune,0,0,speech\nb.wav,anna,report,0,0,speech\n"
    (tmp_path / "voices.csv").write_text(text, encoding="utf-8")
    with pytest.raises(VigieError, match="anna is in both halves"):
        real_bank(tmp_path, "report")


def test_active_level_and_time_are_those_of_p56() -> None:
    t = np.arange(20 * RATE) / RATE
    tone = (0.1 * np.sqrt(2) * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    level_dbov, active_ms = p56(tone)
    assert level_dbov == pytest.approx(-20.0, abs=0.05)
    assert active_ms == pytest.approx(20_000, rel=0.01)
    halved = tone * (t % 4 < 2)
    level_dbov, active_ms = p56(halved.astype(np.float32))
    assert level_dbov == pytest.approx(-20.0, abs=0.6)  # 200 ms of hangover after each stretch count in
    assert active_ms == pytest.approx(11_000, abs=600)


def test_a_stretch_ends_where_the_voice_ends_and_is_solid_where_asked() -> None:
    bank = Bank({"a": voice(1)})
    for seed in range(8):
        rng = np.random.default_rng(seed)
        cut = bank.stretch("a", 1.5 + 0.2 * seed, rng)
        assert sounding(cut[: len(cut) // 80 * 80])[-3:].any()
        solid = sounding(bank.stretch("a", 2.0, rng, solid_s=0.15))
        assert solid[-15:].mean() > 0.9


def test_what_is_heard_of_a_turn_adds_up() -> None:
    made = scene()
    turn = made.say_at(0, 1_000, 3.0)
    heard = made.heard(0)
    assert not heard[: turn.start_ms // 10].any()
    assert not heard[turn.end_ms // 10 + 1 :].any()
    assert 0 < heard.sum() <= made.heard(0, 300).sum() <= (turn.end_ms - turn.start_ms) // 10 + 1
    assert made.heard_ms(0, 500) > 1_500 - 10
    assert completed_ms(np.array([True, False, True, True]), 20) == 30
    assert completed_ms(np.array([True, False]), 20) == 20


def test_the_table_gives_each_detector_its_counts_and_intervals() -> None:
    plan = Plan(only=("echo",), half="tune")
    expected = Expected("echo", "agent", 5_000, 10_000)
    jobs = [Job("positive", "echo", number, seed=1, half="tune", strength=number % 3) for number in range(9)]
    results = [Outcome(job, match([expected], [alert(10_000)] if job.number else []), (), 30_000) for job in jobs]
    results.append(Outcome(Job("negative", "clean", 0, seed=1, half="tune"), match([], [alert(3_000)]), (), 30_000))
    console = Console(width=150, file=io.StringIO())
    table.print_suite(suites.summarise(plan, results), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    row = next(line for line in text.splitlines() if "echo" in line and "│" in line)
    assert [cell.strip() for cell in row.split("│")][2:8] == ["2/3", "21% to 94%", "3/3", "3/3", "8/9", "56% to 98%"]
    assert "false echo in hard negatives of kind clean: 1" in text
