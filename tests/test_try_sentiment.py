"""The recipe that tries what counts in the sentiment, on a small suite of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.evaluation.words_suite import SETTINGS, load_suite
from streams.language.fitted import IN_FORCE, Blend
from streams.language.reading import WordReader
from streams.language.recipe import try_sentiment
from streams.language.recipe.try_sentiment import choices, felt_in
from tests.settings_suite import write_settings

LINES = (
    "customer\tthanks\tthank you so much you have been wonderful\tp\n"
    "customer\t\tthis is a disgrace and i am furious\tn\n"
    "agent\t\tthe order is in the warehouse\t0\n"
)
ALL_NEUTRAL = 50.0


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_settings(tmp_path, LINES)


def test_each_choice_is_judged_by_it(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_sentiment, "OWN", (0.0, 1.0))
    monkeypatch.setattr(try_sentiment, "LEAN", (0.0, ALL_NEUTRAL))
    in_force, *found = choices(load_suite(SETTINGS, suite, ["en"]), None)
    assert in_force == (IN_FORCE, {"en": 1.0})
    half_of_a_label_of_three = pytest.approx(1 / 6)
    assert (
        dict(found)[Blend(1.0, ALL_NEUTRAL)] == dict(found)[Blend(0.0, ALL_NEUTRAL)] == {"en": half_of_a_label_of_three}
    )
    assert dict(found)[Blend(1.0, 0.0)] == {"en": 1.0}


def test_the_choice_in_force_is_the_engine(suite: Path) -> None:
    reader = WordReader()
    for item in load_suite(SETTINGS, suite, ["en"]):
        one = reader.hear(item.text, item.language, item.party)
        [engine] = reader.engine.judge([one])
        evidence = try_sentiment.evidence_of(one.words, try_sentiment.lexicon("en"), one.line)
        assert felt_in(one, evidence, IN_FORCE) == try_sentiment.label_of(engine["score"])


def test_a_text_without_words_is_neutral_as_it_is_for_the_engine() -> None:
    reader = WordReader()
    one = reader.hear("...", "en", "customer")
    [engine] = reader.engine.judge([one])
    assert felt_in(one, [], IN_FORCE) == try_sentiment.label_of(engine["score"]) == "neutral"


def test_the_best_are_told_first(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(try_sentiment, "OWN", (0.5,))
    monkeypatch.setattr(try_sentiment, "LEAN", (ALL_NEUTRAL, 0.0))
    try_sentiment.main(["--words", str(suite)])
    in_force, best, worst = capsys.readouterr().out.splitlines()
    assert in_force.startswith("in force: own 0.45")
    assert "neutral  0.00" in best
    assert "neutral 50.00" in worst
