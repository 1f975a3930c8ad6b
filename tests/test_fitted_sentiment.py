"""The fitted part of the sentiment: the stored weights are what the recipe makes, scores and labels agree, words are told."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.language import analyse
from streams.language.features import FEATURES
from streams.language.fitted import NEGATIVE, NEUTRAL, POSITIVE, score_of
from streams.language.parts import SLOTS
from streams.language.recipe import fit_sentiment, labelled
from streams.language.sentiment import LABELS, label_of
from streams.language.text import LANGUAGES, tokens
from streams.language.weights import SENTIMENT_FILE, weights

BYTES_MAX = 3 * 1024 * 1024
LANGUAGE = "es"
"""The one that is fitted again: all five take too long for a test."""


def test_the_file_is_small_and_holds_every_language() -> None:
    assert SENTIMENT_FILE.stat().st_size < BYTES_MAX
    for language in LANGUAGES:
        known = weights(language)
        assert set(known.dense) == set(FEATURES)
        assert known.slots.shape == (len(LABELS), SLOTS)
        assert np.abs(known.slots).max() == 127


def test_the_file_is_what_the_recipe_makes_of_the_corpus() -> None:
    items = [item for item in labelled.read_all(labelled.SUITE, labelled.CORPUS) if item.language == LANGUAGE]
    _, made = fit_sentiment.of_language(LANGUAGE, items, check=False, write=True)
    known = weights(LANGUAGE)
    made_slots = made[f"{LANGUAGE}_slots"].astype(float) * float(made[f"{LANGUAGE}_scale"])
    # Another machine's arithmetic may round a weight to the next byte, no more.
    assert np.abs(made_slots - known.slots * known.scale).max() <= 2.1 * known.scale
    dense = np.array([known.dense[name] for name in FEATURES])
    assert np.abs(made[f"{LANGUAGE}_dense"] - dense).max() < 0.05


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_score_is_called_by_the_likeliest_label(parts: list[float]) -> None:
    chances = tuple(part / sum(parts) for part in parts)
    score = score_of((chances[NEGATIVE], chances[NEUTRAL], chances[POSITIVE]))
    assert -1 <= score <= 1
    assert chances[LABELS.index(label_of(score))] == pytest.approx(max(chances))


@pytest.mark.parametrize(
    ("language", "text", "deciding"),
    [
        ("en", "every call i start from scratch", "scratch"),
        ("fr", "on me laisse sans lumière depuis deux jours", "laisse"),
        ("es", "se lavan las manos y aquí sigo", "manos"),
        ("pt", "deixaram nos a ver navios", "navios"),
        ("ar", "khsertou client", "khsertou"),
    ],
)
def test_words_that_no_lexicon_holds_decide_and_are_told(language: str, text: str, deciding: str) -> None:
    felt = analyse(text, language, "customer").sentiment
    assert label_of(felt["score"]) == "negative"
    told = " ".join(felt["because"]).split()
    assert any(token.word in told for token in tokens(deciding))
    assert set(told) <= {token.word for token in tokens(text)}


@given(st.text(max_size=60), st.sampled_from([*LANGUAGES, None, "zz"]), st.sampled_from(["agent", "customer"]))
def test_any_text_of_a_party_has_a_score_and_words_of_its_own(text: str, language: str | None, party: str) -> None:
    felt = analyse(text, language, party).sentiment
    assert -1 <= felt["score"] <= 1
    assert 0 <= felt["confidence"] <= 1
    if label_of(felt["score"]) != "neutral":
        assert felt["because"]


def test_near_duplicates_are_found_without_comparing_all_with_all_at_once() -> None:
    """Twenty words in all, so that every utterance shares some with every other."""
    rng = np.random.default_rng(1)
    texts = [" ".join(f"w{word}" for word in rng.choice(20, 12, replace=False)) for _ in range(3_000)]
    items = [
        labelled.Labelled(text, "en", "customer", 1, "corpus") for text in [*texts, "quite another thing", texts[0]]
    ]
    tracemalloc.start()
    groups = labelled.groups_of(items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert groups[0] == groups[-1] != groups[-2]
    assert peak < 200e6, "nine million pairs of utterances take more"
