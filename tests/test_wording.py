"""What words and pairs speak for categories: the stored weights are what the recipe makes, and no text upsets them."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.language.catalogue import CATEGORIES
from streams.language.network import WORDS_MAX
from streams.language.network import weights as network_weights
from streams.language.recipe import fit_wording
from streams.language.recipe.labelled import CORPUS, SUITE, Labelled, corpus_mark, read_all
from streams.language.text import LANGUAGES, words_of
from streams.language.weights import FOLDER, WORDING_FILE
from streams.language.wording import PARTIES, SLOTS, slots_of, spoken_for, weights

LANGUAGE = "en"
"""The one that is fitted again."""


def odds(text: str, category: str, language: str = "en", party: str | None = "customer") -> float:
    return float(spoken_for(words_of(text, language), language, party)[CATEGORIES.index(category)])


def test_the_file_is_what_the_code_expects_and_all_that_is_fitted_by_words_stays_under_three_megabytes() -> None:
    for language in LANGUAGES:
        known = weights(language)
        assert known.categories == CATEGORIES == network_weights().categories
        assert known.slots.shape == (SLOTS, len(CATEGORIES))
        assert known.party.shape == (len(PARTIES), len(CATEGORIES))
    assert sum((FOLDER / f"{name}.npz").stat().st_size for name in ("sentiment", "network", "wording")) < 3_000_000


def test_the_file_is_what_the_recipe_makes_of_the_corpus_as_it_is() -> None:
    items = read_all(SUITE, CORPUS, judged=False)
    with np.load(WORDING_FILE, allow_pickle=False) as stored:
        assert str(stored["corpus"]) == corpus_mark(items), "python -m streams.language.recipe.fit_wording"
    own = [item for item in items if item.language == LANGUAGE]
    _, made = fit_wording.of_language(LANGUAGE, own, check=False, write=True)
    known = weights(LANGUAGE)
    # Another machine's arithmetic may round a weight to the next step, no more.
    made_slots = made[f"{LANGUAGE}_slots"].T * made[f"{LANGUAGE}_scale"]
    assert (np.abs(made_slots - known.slots * known.scale) <= 2.1 * known.scale).all()
    assert np.abs(made[f"{LANGUAGE}_party"] - known.party).max() < 0.1


@pytest.mark.parametrize("party", [*PARTIES, None])
def test_the_odds_are_the_weights_of_words_and_pairs(party: str | None) -> None:
    said = ["i", "want", "your", "manager"]
    parts = [*said, "^ i", "i want", "want your", "your manager", "manager $"]
    known = weights("en")
    rows = [known.slots[crc32(part.encode()) % SLOTS].astype(float) * known.scale for part in parts]
    of_party = known.party.max(axis=0) if party is None else known.party[PARTIES.index(party)]
    found = spoken_for(words_of(" ".join(said), "en"), "en", party)
    assert found.tolist() == pytest.approx((sum(rows) / len(parts) ** 0.5 + of_party).tolist(), abs=1e-4)


def test_whoever_is_not_the_agent_is_a_customer() -> None:
    words = words_of("no thank you", "en")
    assert spoken_for(words, "en", "caller").tolist() == spoken_for(words, "en", "customer").tolist()


def test_words_that_are_said_twice_count_once_and_figures_are_all_one() -> None:
    assert slots_of(["no", "no"]) == slots_of(["no", "no", "no"])
    assert slots_of(["4", "x"]) == slots_of(["17", "x"])


def test_what_is_said_stands_out() -> None:
    assert odds("i want to speak to your manager", "escalation") > 2 > -2 > odds("my manager is on leave", "escalation")
    assert odds("quiero dar de baja la línea", "cancellation", "es") > 2


@given(st.text(min_size=1), st.sampled_from(LANGUAGES), st.sampled_from([*PARTIES, None]))
def test_any_text_has_odds(text: str, language: str, party: str | None) -> None:
    words = words_of(text, language)
    if words:
        assert np.isfinite(spoken_for(words, language, party)).all()


def test_of_a_long_utterance_no_more_is_read_than_the_network_reads() -> None:
    long = words_of("no " * WORDS_MAX + "i want to speak to your manager", "en")
    assert spoken_for(long, "en", "customer").tolist() == spoken_for(long[:WORDS_MAX], "en", "customer").tolist()


def test_the_recipe_learns_what_is_said_and_that_nobody_says_a_category() -> None:
    items = [
        Labelled(f"{verb} the {thing}", "en", "customer", 1, "corpus", frozenset({"cancellation"} if stop else ()))
        for thing in ("line", "plan", "card", "loan", "policy", "phone")
        for verb, stop in (("stop", True), ("keep", False), ("end", True), ("check", False))
    ]
    said = fit_wording.said_in(items)
    found = fit_wording.matrix(items) @ fit_wording.fit(fit_wording.matrix(items), said, np.ones(len(items))).T > 0
    assert (found == said).all()
