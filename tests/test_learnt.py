"""Phrases by a fitted model beside the patterns: the stored weights are the recipe's, what it adds and takes back, what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.language import analyse
from streams.language.catalogue import default_catalogue
from streams.language.learnt import _is_french, _run
from streams.language.parts import SLOTS, pair, slot_of, word_parts
from streams.language.patterns import Line
from streams.language.phrases import find_phrases
from streams.language.reading import Heard, WordReader, load_reader
from streams.language.recipe import fit_phrases
from streams.language.recipe.fit_sentiment import Labelled, read_all, weights_of
from streams.language.text import LANGUAGES, words_of
from streams.language.weights import PHRASES_FILE, part, weights

BYTES_MAX = 3 * 1024 * 1024
REFITTED = "es", "escalation"
"""What is fitted again: all categories of all languages take too long for a test."""


def said(text: str, language: str, party: str | None, reader: WordReader | None = None) -> set[str]:
    return {phrase["category"] for phrase in analyse(text, language, party, reader=reader).phrases}


def by_patterns(text: str, language: str, party: str) -> set[str]:
    return {phrase["category"] for phrase in find_phrases(text, words_of(text, language), language, party)}


def test_the_file_is_small_and_holds_every_language() -> None:
    assert PHRASES_FILE.stat().st_size < BYTES_MAX
    for language in LANGUAGES:
        head = weights(language).phrases
        assert head.slots.shape == (SLOTS, len(fit_phrases.CATEGORIES))
        assert np.abs(head.slots).max() == 127
        assert head.dense.shape == (len(fit_phrases.CATEGORIES), 2)


def test_the_file_is_what_the_recipe_makes_of_the_corpus() -> None:
    language, category = REFITTED
    items = [
        item for item in read_all(fit_phrases.SUITE, fit_phrases.CORPUS, judged=False) if item.language == language
    ]
    number = fit_phrases.CATEGORIES.index(category)
    labels, counts = fit_phrases.said_in(items)[:, [number]], weights_of(items)
    fitted = fit_phrases.fit(fit_phrases.phrase_matrix(items), labels, counts)[0]
    head = weights(language).phrases
    slots = fitted[2:] * fit_phrases.PARTS
    # Another machine's arithmetic may round a weight to the next byte, no more.
    assert np.abs(slots - head.slots[:, number] * head.scale).max() <= 2.1 * head.scale
    assert fitted[:2] * [1.0, fit_phrases.SPEAKER] == pytest.approx(head.dense[number], abs=0.02)


def test_the_fit_learns_what_tells_two_meanings_apart() -> None:
    words = ["voiture", "auto", "pomme", "poire", "bleu", "vert", "grand", "petit"]
    items = [
        Labelled(f"{one} {two}", "fr", "customer", 1, "", frozenset({"abuse"} if two == "chat" else ()))
        for one in words
        for two in ("chat", "chien", "cheval")
    ]
    x, labels = fit_phrases.phrase_matrix(items), fit_phrases.said_in(items)
    number = fit_phrases.CATEGORIES.index("abuse")
    found = x @ fit_phrases.fit(x, labels[:, [number]], weights_of(items)).T > 0
    assert found[:, 0].tolist() == labels[:, number].tolist()


def test_weights_in_use_are_those_of_the_fit() -> None:
    """The sums over words and pairs are the product that was fitted."""
    text = "quiero hablar con alguien que mande algo de una vez"
    item = Labelled(text, "es", "customer", 1, "", frozenset())
    head = weights("es").phrases
    row = fit_phrases.parts_matrix([item])
    expected = row @ (head.slots.astype(float) * head.scale)
    assert part(words_of(text, "es"), "es").phrase_sums(head) == pytest.approx(expected[0], abs=1e-4)


@pytest.mark.parametrize(
    ("language", "category", "text", "quote"),
    [
        (
            "en",
            "waiting",
            "i have missed my lunch and my bus just to hear press one press two please wait",
            "hear press one",
        ),
        (
            "fr",
            "repeated_contact",
            "je vous l'ai dit à noël je vous l'ai redit à pâques",
            "l'ai redit",
        ),
        ("ar", "cancellation", "عشر سنين وأنا معاكم وها هو اليوم اللخر عيا ليا الكونط", "اليوم اللخر"),
        ("pt", "hearing_trouble", "ó menina fale mais para o bocal que eu sou dura de ouvido", "fale mais"),
        (
            "es",
            "repeated_contact",
            "cuando llamé por primera vez mi hija gateaba y ahora ya anda",
            "llamé por primera vez",
        ),
    ],
)
def test_what_no_pattern_holds_is_found_with_the_words_that_say_it(
    language: str, category: str, text: str, quote: str
) -> None:
    """Lines of the corpus for which no pattern was written."""
    assert category not in by_patterns(text, language, "customer")
    found = [phrase for phrase in analyse(text, language, "customer").phrases if phrase["category"] == category]
    assert len(found) == 1
    assert quote in found[0]["text"]


@pytest.mark.parametrize(
    ("language", "party", "category", "text"),
    [
        ("fr", "customer", "waiting", "votre serveur vocal est insupportable"),
        ("en", "agent", "hearing_trouble", "does it click when you turn it"),
        ("es", "customer", "escalation", "el administrador del edificio recibe los sobres"),
    ],
)
def test_what_only_sounds_alike_is_taken_back(language: str, party: str, category: str, text: str) -> None:
    assert category in by_patterns(text, language, party)
    assert category not in said(text, language, party)


@pytest.mark.parametrize(
    ("party", "text", "categories"),
    [
        ("agent", "taisez vous et laissez moi finir", {"abuse"}),
        ("agent", "patientez un instant je regarde ça pour vous", {"waiting", "help_offer"}),
        ("customer", "ça coupe vous pouvez redire", {"hearing_trouble"}),
    ],
)
def test_a_french_utterance_of_an_arabic_call_is_understood_as_french(
    party: str, text: str, categories: set[str]
) -> None:
    assert said(text, "ar", party) == categories
    assert analyse(text, "ar", party).sentiment["score"] == analyse(text, "fr", party).sentiment["score"]


@pytest.mark.parametrize(
    ("text", "french"),
    [
        ("vraiment le gars qui a installé ça mérite dix sur dix", True),
        ("salam telecom sud agence en ligne m3ak rida", False),
        ("nemra dyali zéro cinq vingt deux", False),
        ("d'accord", False),
        ("بغيت الفاتورة ديالي", False),
    ],
)
def test_darija_among_french_words_stays_arabic(text: str, french: bool) -> None:
    heard = Heard(text, words_of(text, "ar"), Line(words_of(text, "ar")), "ar", "customer", [])
    assert _is_french(heard) is french


@pytest.mark.parametrize(
    ("category", "text"),
    [
        ("escalation", "bghit nhder m3a lmas2oul dyalkom"),
        ("escalation", "بغيت نهضر مع المسؤول"),
        ("cancellation", "ghadi nmchi l chi charika khra"),
        ("hearing_trouble", "mazal ma kansem3kch mezyan"),
    ],
)
def test_words_that_the_model_does_not_know_speak_against_nothing(category: str, text: str) -> None:
    """Darija in a French call: the French model has never heard it."""
    assert category in said(text, "fr", "customer")


def test_only_who_may_say_it_is_taken_to_say_it() -> None:
    for row in read_all(fit_phrases.SUITE, fit_phrases.CORPUS, judged=False)[::40]:
        allowed = {entry.category for entry in default_catalogue().entries if entry.party in ("both", row.party)}
        assert said(row.text, row.language, row.party) <= allowed


@pytest.mark.parametrize(("own", "call"), [("fr", "fr"), ("fr", "ar"), ("ar", "ar")])
def test_a_users_own_pattern_is_never_taken_back(own: str, call: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    text = "votre serveur vocal est insupportable"  # whose pattern of the bundled catalogue is taken back
    file.write_text(
        "version: 1\nextends: default\nphrases:\n"
        f"  - {{category: waiting, language: {own}, party: customer, say: [serveur vocal]}}\n",
        encoding="utf-8",
    )
    assert "waiting" not in said(text, call, "customer")
    assert "waiting" in said(text, call, "customer", load_reader(phrases=file))


def test_a_catalogue_that_stands_alone_holds_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("version: 1\nphrases:\n  - {category: parcels, language: en, say: [parcel]}\n", encoding="utf-8")
    reader = load_reader(phrases=file)
    assert said("i want your manager and my parcel or i will sue you", "en", "customer", reader) == {"parcels"}


@settings(deadline=None)
@given(st.text(max_size=80), st.sampled_from([*LANGUAGES, None, "zz"]), st.sampled_from(["agent", "customer", None]))
def test_any_text_has_phrases_within_it_in_order(text: str, language: str | None, party: str | None) -> None:
    found = analyse(text, language, party)
    assert [phrase["start"] for phrase in found.phrases] == sorted(phrase["start"] for phrase in found.phrases)
    for phrase in found.phrases:
        assert found.text[phrase["start"] : phrase["end"]] == phrase["text"] != ""


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_the_run_of_words_that_speaks_most_is_the_best_of_all_runs(shares: list[int]) -> None:
    sums = {(a, b): sum(shares[a:b]) for a in range(len(shares)) for b in range(a + 1, len(shares) + 1)}
    run = _run(shares)
    if run is None:
        assert max(sums.values()) <= 0
    else:
        assert sums[run] == max(sums.values())


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "bc", "def", "ghi", "jklm"]), min_size=1, max_size=300))
def test_packed_sums_are_the_sums(words: list[str]) -> None:
    """For long utterances too."""
    text = " ".join(words)
    parted, known = part(words_of(text, "en"), "en"), weights("en").phrases
    row = fit_phrases.parts_matrix([Labelled(text, "en", "customer", 1, "", frozenset())])
    assert parted.phrase_sums(known) == pytest.approx((row @ (known.slots.astype(float) * known.scale))[0], abs=1e-3)


def test_the_packed_sums_of_a_hundred_thousand_words_still_fit() -> None:
    parted, known = part(words_of("a " * 100_000, "en"), "en"), weights("en").phrases
    assert np.isfinite(parted.phrase_sums(known)).all()
    words = sum(known.slots[slot].astype(np.int64) for slot in map(slot_of, word_parts("a", "en"))) * 100_000
    pairs = known.slots[slot_of(pair("a", "a"))].astype(np.int64) * 99_999
    ends = known.slots[slot_of(pair("^", "a"))].astype(np.int64) + known.slots[slot_of(pair("a", "$"))]
    assert parted.phrase_sums(known) == pytest.approx((words + pairs + ends) * known.scale / parted.size, rel=1e-3)
