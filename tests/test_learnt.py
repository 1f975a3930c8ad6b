"""Phrases by the network beside the patterns: what it adds and takes back, what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.language import analyse
from streams.language.catalogue import default_catalogue
from streams.language.learnt import LearntPhrases, _is_french, _run
from streams.language.patterns import Line
from streams.language.phrases import find_phrases
from streams.language.reading import Heard, WordReader, load_reader
from streams.language.recipe.labelled import CORPUS, SUITE, read_all
from streams.language.text import LANGUAGES, words_of
from streams.language.wording import spoken_for


def said(text: str, language: str, party: str | None, reader: WordReader | None = None) -> set[str]:
    return {phrase["category"] for phrase in analyse(text, language, party, reader=reader).phrases}


def by_patterns(text: str, language: str, party: str) -> set[str]:
    return {phrase["category"] for phrase in find_phrases(text, words_of(text, language), language, party)}


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
            "a usted mismo le reclamé la farola y aquí seguimos a oscuras",
            "le reclamé la farola",
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


@pytest.mark.parametrize(("language", "share"), [("en", LearntPhrases.wording), ("es", 0.0)])
def test_the_words_themselves_count_beside_the_network_in_their_own_language(language: str, share: float) -> None:
    one = WordReader().hear("put your boss on the line", language, "customer")
    understood = LearntPhrases._understood(one, language)
    found = LearntPhrases(default_catalogue())._odds(one, language, understood)
    expected = share * spoken_for(one.words, language, "customer") + (1 - share) * understood.categories
    assert found.tolist() == pytest.approx(expected.tolist())


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
    for row in read_all(SUITE, CORPUS, judged=False)[::40]:
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
