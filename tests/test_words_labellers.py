"""Others' labels of the held-out part: whole, valid, and what is made of them. Nothing here prints a held-out text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audio.errors import VigieError
from streams.cli import main
from streams.evaluation.words_labellers import AUTHOR, MAJORITY, OTHERS, agreement, labelled_by
from streams.evaluation.words_suite import HELD_OUT, LANGUAGES, Item, Secret, load_suite

ITEMS = load_suite(HELD_OUT)
AGENT = {"greeting", "disclosure", "transfer", "help_offer", "apology", "empathy"}
CUSTOMER = {"escalation", "cancellation", "legal_threat", "regulator_press", "repeated_contact"}


def item(name: str, sentiment: str, *phrases: str, secret: bool = False) -> Item:
    secrets = (Secret("secret", 11, 15),) if secret else ()
    return Item(name, "the pin is 4321 ok", "en", "customer", sentiment, frozenset(phrases), secrets, None)


def write(folder: Path, labeller: str, *lines: str) -> None:
    (folder / "labellers").mkdir(exist_ok=True)
    (folder / "labellers" / f"en.{labeller}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("labeller", OTHERS)
def test_every_utterance_is_labelled_and_each_party_says_what_it_may(labeller: str) -> None:
    labelled = labelled_by(ITEMS, labeller)
    assert [one.id for one in labelled] == [one.id for one in ITEMS]
    assert [one.secrets for one in labelled] == [one.secrets for one in ITEMS]
    assert not [one.id for one in labelled if one.phrases & (CUSTOMER if one.party == "agent" else AGENT)]


def test_labellers_agree_beyond_what_is_asked_of_the_engine() -> None:
    for language, pairs in agreement(ITEMS).items():
        for other in OTHERS:
            by_author = pairs[f"{other} by {AUTHOR}"]
            assert by_author["sentiment_macro_f1"] > 0.95, language
            assert min(by_author["phrases"]["precision"], by_author["phrases"]["recall"]) > 0.94, language
            assert by_author["secrets"]["recall"] >= 0.99, language


def test_two_of_three_make_the_label(tmp_path: Path) -> None:
    own = [item("a", "neutral", "thanks"), item("b", "positive"), item("c", "negative", "abuse"), item("d", "neutral")]
    write(tmp_path, "second", "a\tp\tthanks,closing\t", "b\tn\t\t", "c\t0\t\t", "d\t0\twaiting\t")
    write(tmp_path, "third", "d\t0\twaiting\t", "c\t0\t\t", "b\t0\t\t", "a\tp\tclosing\t")
    found = labelled_by(own, MAJORITY, tmp_path)
    assert [one.sentiment for one in found] == ["positive", "positive", "neutral", "neutral"]
    assert [set(one.phrases) for one in found] == [{"thanks", "closing"}, set(), set(), {"waiting"}]
    assert labelled_by(own, AUTHOR, tmp_path) == own
    assert [one.sentiment for one in labelled_by(own, "third", tmp_path)] == [
        "positive",
        "neutral",
        "neutral",
        "neutral",
    ]


def test_agreement_counts_what_the_one_says_and_the_other_does_not(tmp_path: Path) -> None:
    own = [item("a", "neutral", "thanks", secret=True), item("b", "positive"), item("c", "negative", "abuse")]
    write(tmp_path, "second", "a\t0\tthanks\tsecret=4321", "b\tp\t\t", "c\tn\tabuse\t")
    write(tmp_path, "third", "a\t0\tthanks,closing\tsecret=pin is 4321 | card=4321", "b\tp\t\t", "c\t0\t\t")
    pairs = agreement(own, tmp_path)["en"]
    assert pairs["utterances"] == 3
    assert pairs["second by author"]["phrases"] == {"precision": 1.0, "recall": 1.0, "of": 2, "found": 2}
    assert pairs["third by author"]["phrases"] == {"precision": 0.5, "recall": 0.5, "of": 2, "found": 2}
    assert pairs["second by author"]["sentiment_macro_f1"] == 1.0
    assert pairs["third by second"]["sentiment_macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3, abs=1e-3)
    assert pairs["second by author"]["secrets"]["recall"] == 1.0
    assert pairs["third by author"]["secrets"] == {"precision": 0.0, "recall": 0.0, "of": 1, "found": 2}
    assert pairs["author by majority"]["phrases"]["precision"] == 1.0


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["a\t0\t"], "four fields"),
        (["a\tx\t\t"], "sentiment is none of"),
        (["a\t0\tjoy\t"], "unknown categories"),
        (["a\t0\t\t", "", "a\tp\t\t"], "a: id is labelled twice"),
        (["b\t0\t\t"], "a: the labels of the second labeller are missing"),
    ],
)
def test_a_wrong_label_is_named(tmp_path: Path, lines: list[str], told: str) -> None:
    write(tmp_path, "second", *lines)
    with pytest.raises(VigieError, match=told):
        labelled_by([item("a", "neutral")], "second", tmp_path)
    with pytest.raises(VigieError, match="cannot read the labels"):
        labelled_by([item("a", "neutral")], "third", tmp_path)


def test_the_command_measures_by_any_labeller_and_prints_the_agreement(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--words", "--agreement", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == set(LANGUAGES)
    assert main(["eval", "--words", "--agreement"]) == 0
    shown = capsys.readouterr().out
    assert "author by majority" in shown
    assert main(["eval", "--words", "--part", "heldout", "--labeller", "majority", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["labeller"] == "majority"
    wanted = sum(len(one.phrases) for one in labelled_by(ITEMS, MAJORITY) if one.language == "en")
    assert report["languages"]["en"]["phrases"]["of"] == wanted
    assert main(["eval", "--words", "--agreement", "--word-errors", "0.1"]) == 2
    assert "as it is" in capsys.readouterr().err
    assert main(["eval", "--words", "--labeller", "second"]) == 2
    assert "held-out part alone" in capsys.readouterr().err
    assert main(["eval", "--labeller", "second"]) == 2
    assert "Add --words" in capsys.readouterr().err
