"""Sentiment of words, backchannels, and the course of a call."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.chunk import Party
from audio.state import pack, unpack
from streams.language import analyse, annotate, is_backchannel
from streams.language.course import CourseSettings, SentimentCourse
from streams.language.text import words_of

BAD = [
    ("en", "this is absolutely ridiculous i've had enough"),
    ("en", "your service is appalling"),
    ("en", "i'm not happy with this"),
    ("en", "you were polite but the result is a disaster"),
    ("fr", "c'est scandaleux j'en ai assez"),
    ("fr", "votre service est honteux"),
    ("fr", "je ne suis pas content du tout"),
    ("pt", "isto é inaceitável"),
    ("es", "estoy harto esto es una vergüenza"),
    ("ar", "هذا عيب و كارثة"),
]
GOOD = [
    ("en", "that's wonderful thank you so much"),
    ("en", "it was slow but you have been brilliant"),
    ("fr", "merci beaucoup c'est formidable"),
    ("fr", "je suis vraiment soulagée"),
    ("pt", "muito obrigado foi excelente"),
    ("es", "muchas gracias perfecto"),
    ("ar", "شكرا جزيلا ممتاز"),
]
NEUTRAL = [
    ("en", "my account number is on the letter"),
    ("en", "good morning"),
    ("fr", "bonjour j'appelle pour mon modem"),
    ("fr", "mon vol pour lisbonne est à midi"),
]


NO_PRAISE = [
    ("ar", "الخدمة سيئة جدا"),
    ("ar", "سيء جدا"),
    ("ar", "خايبة بزاف"),
    ("ar", "السعر مرتفع جدا"),
    ("ar", "هذا غال جدا"),
    ("ar", "الموظف كان وقحا جدا"),
    ("ar", "الثمن غالي بزاف"),
    ("ar", "ghali bezaf"),
    ("ar", "l'internet t9il bezaf"),
    ("ar", "لست راضية عن الخدمة"),
    ("ar", "ma3jbatnich lkhidma"),
    ("fr", "c'est vraiment trop cher"),
    ("fr", "c'est beaucoup trop cher pour ce que c'est"),
]


@pytest.mark.parametrize(("language", "text"), NO_PRAISE)
def test_words_that_are_all_bad_are_no_praise(language: str, text: str) -> None:
    assert analyse(text, language, "customer").sentiment["score"] < 0


def test_what_follows_an_arabic_word_makes_it_stronger() -> None:
    assert analyse("خايب بزاف", "ar", None).sentiment["score"] < analyse("خايب", "ar", None).sentiment["score"]


@pytest.mark.parametrize(("language", "text"), BAD)
def test_bad_words_score_below_zero_and_are_quoted(language: str, text: str) -> None:
    felt = analyse(text, language, "customer").sentiment
    assert felt["score"] < -0.1
    assert felt["because"]


@pytest.mark.parametrize(("language", "text"), GOOD)
def test_good_words_score_above_zero(language: str, text: str) -> None:
    assert analyse(text, language, "customer").sentiment["score"] > 0.1


@pytest.mark.parametrize(("language", "text"), NEUTRAL)
def test_plain_words_are_neutral(language: str, text: str) -> None:
    assert abs(analyse(text, language, "customer").sentiment["score"]) <= 0.1


def test_intensity_moves_the_score() -> None:
    plain, strong = (analyse(text, "en", None).sentiment["score"] for text in ("it is bad", "it is very bad"))
    assert strong < plain


@given(st.text(max_size=80), st.sampled_from(["en", "fr", "pt", "es", "ar", None, "zz"]))
@settings(deadline=None)  # the first text of a language compiles its phrases
def test_any_text_has_a_score_in_range(text: str, language: str | None) -> None:
    felt = analyse(text, language, None).sentiment
    assert -1 <= felt["score"] <= 1
    assert 0 <= felt["confidence"] <= 1


@pytest.mark.parametrize(
    ("language", "text", "is_one"),
    [
        ("en", "mm hmm", True),
        ("en", "Yeah, okay.", True),
        ("en", "yes i agree to the recording", False),
        ("fr", "d'accord", True),
        ("fr", "oui oui très bien", True),
        ("fr", "oui mais non merci monsieur", False),
        ("ar", "نعم", True),
        ("pt", "está bem", True),
        ("es", "de acuerdo", True),
        ("en", "", False),
    ],
)
def test_backchannels(language: str, text: str, is_one: bool) -> None:
    assert is_backchannel(text, language) is is_one


def test_unsure_text_has_unsure_sentiment() -> None:
    felt = annotate({"text": "this is outrageous", "language": "en", "party": "customer", "confidence": 0.2})
    assert felt["sentiment"]["confidence"] <= 0.2


def test_a_call_that_turns_bad_drops_from_its_best() -> None:
    course = SentimentCourse()
    for at, score in enumerate((0.6, 0.6, 0.5)):
        course.push(Party.CUSTOMER, 1000 * at, score, 0.9)
    for at in range(3, 7):
        feeling, drop, *_ = course.push(Party.CUSTOMER, 1000 * at, -0.8, 0.9, words=["ridiculous"], utterance_id="u")
    assert feeling.value < -0.3
    assert drop.value > 0.6
    assert drop.since_ms == 2000
    assert drop.detail == {"words": "ridiculous", "utterance_id": "u"}


def test_a_caller_who_starts_angry_has_not_turned() -> None:
    course = SentimentCourse()
    drops = [course.push(Party.CUSTOMER, at, -0.8, 0.9)[1].value for at in range(2)]
    assert drops == [0.0, 0.0]


@pytest.mark.parametrize(("confidence", "moves"), [(0.39, False), (0.4, True), (float("nan"), False)])
def test_low_confidence_is_neutral(confidence: float, moves: bool) -> None:
    assert CourseSettings().confidence_min == 0.4
    feeling, *_ = SentimentCourse().push(Party.AGENT, 10, -0.9, confidence)
    assert (feeling.value != 0) is moves


def test_a_restored_course_goes_on_the_same() -> None:
    one, other = SentimentCourse(), SentimentCourse()
    one.push(Party.CUSTOMER, 10, 0.5, 0.9)
    other.load_state(unpack(pack(one.state())))
    assert one.push(Party.CUSTOMER, 20, -0.5, 0.9) == other.push(Party.CUSTOMER, 20, -0.5, 0.9)


def test_english_contractions_part_without_their_apostrophe() -> None:
    text = "im sure it doesnt work"
    parted = [(token.word, text[token.start : token.end]) for token in words_of(text, "en")]
    assert parted == [(word, word) for word in ("i", "m", "sure", "it", "doesn", "t", "work")]
    assert [token.word for token in words_of("dont la facture", "fr")] == ["dont", "la", "facture"]


@pytest.mark.parametrize(
    ("text", "language", "sign"),
    [("ta aí o menu 😍", "pt", 1), ("le menu 😭", "fr", -1), ("the menu :(", "en", -1), ("the menu :-)", "en", 1)],
)
def test_signs_of_feeling_count_where_somebody_wrote(text: str, language: str, sign: int) -> None:
    feeling = analyse(text, language, None).sentiment
    assert feeling["score"] * sign > 0.25
    assert feeling["because"][0] in text


def test_signs_say_nothing_of_an_address_or_of_one_who_speaks() -> None:
    assert analyse("see https://example.com/a", "en", None).sentiment["because"] == []
    assert "😭" not in analyse("le menu 😭", "fr", "customer").sentiment["because"]


@pytest.mark.parametrize(("drawn", "plain", "language"), [("adooooro", "adoro", "pt"), ("geniaaaal", "genial", "fr")])
def test_a_word_drawn_out_weighs_what_it_weighs(drawn: str, plain: str, language: str) -> None:
    assert analyse(drawn, language, None).sentiment["score"] == analyse(plain, language, None).sentiment["score"]
