"""Utterances that are made up for the network to learn from: of known words, each once, and judged by both judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.language.catalogue import CATEGORIES
from streams.language.network import LABELS, side_of, understand
from streams.language.recipe.fit_sentiment import Labelled
from streams.language.recipe.made_up import WORDS_MAX, WORDS_MIN, MadeUp, judged, keep, make_up
from streams.language.semantic import fitted, share_of
from streams.language.text import words_of

TEXTS = {
    "en": [
        "i want to talk to your manager now",
        "the parcel has not come and i want my money",
        "i have been on hold for an hour",
        "thanks so much for your help today",
        "the engineer has not come again",
    ],
    "fr": [
        "je veux parler à votre responsable",
        "le colis est arrivé hier soir merci",
        "je vais résilier mon contrat demain",
        "ça fait une heure que j'attends",
    ],
}
ITEMS = [
    Labelled(text, language, party, 1, "corpus")
    for language, texts in TEXTS.items()
    for text in texts
    for party in ("customer", "agent")
]


def test_they_are_new_and_of_the_words_of_their_language() -> None:
    made = make_up(ITEMS, {"en": 200, "fr": 100}, 1)
    assert len(made) == len(set(made)) == 300
    assert [one.language for one in made] == ["en"] * 200 + ["fr"] * 100
    assert {one.party for one in made} == {"customer", "agent"}
    for one in made:
        words = one.text.split()
        assert one.text not in TEXTS[one.language]
        assert WORDS_MIN <= len(words) <= WORDS_MAX
        assert set(words) <= {word for text in TEXTS[one.language] for word in text.split()}


def test_they_are_the_same_in_every_run_and_others_with_another_seed() -> None:
    assert make_up(ITEMS, {"en": 50}, 1) == make_up(ITEMS, {"en": 50}, 1)
    assert make_up(ITEMS, {"en": 50}, 1) != make_up(ITEMS, {"en": 50}, 2)


def test_words_follow_what_they_follow_somewhere() -> None:
    """A word that is put in another's place does; what two utterances meet with need not."""
    after = {pair for text in TEXTS["en"] for pair in zip(text.split(), text.split()[1:], strict=False)}
    strange = [
        sum(pair not in after for pair in zip(made.text.split(), made.text.split()[1:], strict=False))
        for made in make_up(ITEMS, {"en": 200}, 3)
    ]
    assert min(strange) == 0
    assert sum(strange) / len(strange) < 2


def test_they_are_judged_by_words_and_meaning_together(tmp_path: Path) -> None:
    made = [MadeUp("i want your manager to", "en", "customer"), MadeUp("your contrat demain", "fr", "agent")]
    vectors = np.random.default_rng(1).normal(size=(2, 384)).astype(np.float32)
    odds = judged(made, vectors)
    assert odds.shape == (2, len(CATEGORIES) + LABELS)
    for one, vector, found in zip(made, vectors, odds, strict=True):
        read = understand(words_of(one.text, one.language), one.language, one.party)
        meant = fitted().odds(vector - fitted().mean[one.language], side_of(one.language, one.party))
        share = share_of(one.language)
        words = np.array([*read.categories, *read.labels])
        assert found == pytest.approx((1 - share) * words + share * meant, abs=1e-4)
    file = tmp_path / "made.npz"
    keep(file, made, vectors)
    with np.load(file, allow_pickle=False) as kept:
        assert [MadeUp(*row) for row in zip(kept["texts"], kept["languages"], kept["parties"], strict=True)] == made
        assert kept["odds"] == pytest.approx(odds)
        assert kept["vectors"][1] == pytest.approx(vectors[1] - fitted().mean["fr"])


def test_the_network_learns_what_was_judged_and_not_only_what_was_labelled(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from streams.language.recipe import fit_network

    written = [
        Labelled(f"{one} {two}", "en", "customer", 1, "corpus") for one in ("bab", "deg") for two in ("kur", "mec")
    ]
    abuse, size = CATEGORIES.index("abuse"), fit_network.MEANING_SIZE
    names = ["anna", "bob", "carl", "dora", "emil", "fritz", "gina", "hans"]
    made = [
        MadeUp(f"{one} {verb} {other}", "en", "customer") for one in names for other in names for verb in ("lyx", "paf")
    ]
    odds = np.full((len(made), len(CATEGORIES) + LABELS), -6, np.float32)
    odds[:, abuse] = [6 if "lyx" in one.text else -6 for one in made]
    odds[:, -1], odds[:, -2] = odds[:, abuse], -odds[:, abuse]
    file = tmp_path / "made.npz"
    heads = {
        name: np.array(values)
        for name, values in zip(("texts", "languages", "parties"), zip(*made, strict=True), strict=True)
    }
    np.savez(file, allow_pickle=False, **heads, vectors=np.zeros((len(made), size), np.float32), odds=odds)
    examples = fit_network.with_made_up(written, np.zeros((len(written), size), np.float32), file)
    assert examples.counts.tolist() == [1.0] * len(written) + [fit_network.MADE_UP] * len(made)
    rows = np.arange(len(written) + len(made))
    found = fit_network.odds_of(fit_network.fit(examples, rows, 120, 1), examples, rows)[len(written) :]
    assert ((found[:, abuse] > 0) == (odds[:, abuse] > 0)).mean() > 0.95
    assert ((found[:, -1] > found[:, -2]) == (odds[:, abuse] > 0)).mean() > 0.95
