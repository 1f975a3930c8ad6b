"""The recipe that tries thresholds of fitted phrases, on a small suite of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.evaluation.words_scores import Count
from streams.evaluation.words_suite import SETTINGS, load_suite
from streams.language.learnt import LearntPhrases
from streams.language.recipe import try_thresholds
from streams.language.recipe.try_thresholds import Choice, choices
from tests.settings_suite import write_settings

LINES = (
    "customer\tlegal_threat\ti am going to take you to court over this\tn\n"
    "customer\t\tthe court fee is paid from this account\t0\n"
    "agent\tclosing\thave a lovely day goodbye\t0\n"
)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_settings(tmp_path, LINES)


def test_of_each_choice_is_counted_what_it_finds_and_what_it_misses(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_taken_back = 100.0
    monkeypatch.setattr(try_thresholds, "ADD", (everything_taken_back,))
    monkeypatch.setattr(try_thresholds, "KEEP", (-50.0, everything_taken_back))
    monkeypatch.setattr(try_thresholds, "NAMED", (-50.0,))
    in_force, kept, taken_back = choices(load_suite(SETTINGS, suite, ["en"]), None)
    assert in_force[0] == Choice(LearntPhrases.add_min, LearntPhrases.keep_min, LearntPhrases.keep_named_min)
    assert in_force[1] == kept[1] == Count(hits=2)
    assert taken_back[1] == Count(missed=2)


def test_the_best_are_told_first_and_what_is_worse_is_not(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(try_thresholds, "ADD", (0.6, 100.0))
    monkeypatch.setattr(try_thresholds, "KEEP", (-1.0, 100.0))
    monkeypatch.setattr(try_thresholds, "NAMED", (-2.0,))
    try_thresholds.main(["--words", str(suite)])
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("in force: ")
    assert len(shown) > 1
    assert not [line for line in shown[1:] if "keep 100.0" in line]
