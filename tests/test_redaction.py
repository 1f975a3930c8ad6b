"""Nothing secret leaves: kinds, pauses inside a number, words, and any text at all."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.state import pack, unpack
from streams.language import Redactor, redact_text
from streams.language.numbers import figures, number_runs
from streams.language.text import tokens

CARD = "4539 1488 0343 6467"
SECRETS = [
    ("en", f"my card is {CARD} ok", "card"),
    ("en", "four five three nine one four double eight oh three four three six four six seven", "card"),
    (
        "fr",
        "quatre mille cinq cent trente-neuf quatorze quatre-vingt-huit zéro trois quarante-trois soixante-quatre soixante-sept",
        "card",
    ),
    ("en", "it's oh seven nine double one one two three four five six", "phone"),
    ("fr", "c'est le zéro six douze trente-quatre cinquante-six soixante-dix-huit", "phone"),
    ("fr", "appelez le +212 6 61 23 45 67", "phone"),
    ("fr", "mon rib c'est FR76 3000 6000 0112 3456 7890 189", "iban"),
    ("en", "write to Omar.Silva@example.com", "email"),
    ("en", "my email is omar dot silva at mailbox dot co dot uk", "email"),
    ("fr", "c'est karim tiret bas diop arobase courriel point fr", "email"),
    ("en", "the three numbers on the back are one two three", "code"),
    ("fr", "mon code secret c'est quatre cinq six sept", "code"),
    ("en", "my password is bluebird", "password"),
    ("en", "one two three four five six seven", "number"),
    ("ar", "رقمي ٠٦٦١٢٣٤٥٦٧", "phone"),
    ("fr", "the number is oh seven nine one one one two three four five six", "number"),
]
OPEN = [
    ("en", "the invoice is one hundred and twenty pounds"),
    ("en", "i was born in nineteen eighty seven"),
    ("en", "my password is not working"),
    ("en", "i waited at the station at nine thirty"),
    ("fr", "le deux mars mille neuf cent soixante-dix-sept"),
    ("fr", "trois mille neuf cent quatre-vingt-dix-sept euros"),
]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "my card is five four three nine one four double eight oh three four three six four six seven"),
        ("en", "la carte c'est quatre cinq trois neuf un quatre huit huit zero trois un trois six un six sept"),
        ("de", "la carte c'est quatre cinq trois neuf un quatre huit huit zero trois un trois six un six sept"),
    ],
)
def test_a_card_in_another_language_than_the_calls_is_hidden(language: str, text: str) -> None:
    redacted, marks = redact_text(text, language)
    assert marks
    assert not set(redacted.split()) & {"four", "nine", "seven", "quatre", "neuf", "huit", "trois"}


@pytest.mark.parametrize(("language", "text", "kind"), SECRETS)
def test_a_secret_is_marked_by_its_kind(language: str, text: str, kind: str) -> None:
    redacted, marks = redact_text(text, language)
    kinds = {mark["kind"] for mark in marks}
    assert kinds == {kind} or (kind == "number" and kinds <= {"number", "phone"} and kinds)
    assert not any(figures(token.word) for token in tokens(redacted))
    for mark in marks:
        assert redacted[mark["start"] : mark["end"]] == f"[{mark['kind']}]"


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "let me read that back one one one one"), ("fr", "je répète un un un un"), ("pt", "um um um um")],
)
def test_digits_that_are_articles_too_are_digits_in_a_row(language: str, text: str) -> None:
    redacted, marks = redact_text(text, language)
    assert marks
    assert not {"one", "un", "um"} & set(redacted.split())


@pytest.mark.parametrize(("language", "text"), OPEN)
def test_prices_dates_and_hours_stay(language: str, text: str) -> None:
    assert redact_text(text, language) == (text, [])


@pytest.mark.parametrize(("count", "hidden"), [(5, False), (6, False), (7, True), (8, True)])
def test_seven_digits_are_hidden_whatever_they_are(count: int, hidden: bool) -> None:
    assert bool(redact_text(" ".join("12345678"[:count]), "en")[1]) is hidden


def test_redacting_twice_changes_nothing() -> None:
    once, _ = redact_text(f"card {CARD} and my email is a dot b at c dot com", "en")
    assert redact_text(once, "en") == (once, [])


def utterance(text: str, start_ms: int, end_ms: int, **more: Any) -> dict[str, Any]:
    parts = text.split()
    step = (end_ms - start_ms) / max(1, len(parts))
    words = [
        {"word": part, "start_ms": int(start_ms + at * step), "end_ms": int(start_ms + (at + 1) * step)}
        for at, part in enumerate(parts)
    ]
    return {
        "utterance_id": f"u{start_ms}",
        "start_ms": start_ms,
        "end_ms": end_ms,
        "text": text,
        "language": "en",
        "words": words,
        **more,
    }


DICTATED = [
    utterance("sure it is four five three nine", 0, 2000),
    utterance("one four eight eight", 3000, 4000),
    utterance("oh three four three", 5000, 6000),
    utterance("six four six seven", 7000, 8000),
    utterance("did you get that", 9000, 10_000),
]


def test_a_card_with_pauses_is_seen_whole_and_comes_out_in_order() -> None:
    redactor = Redactor()
    out = [redactor.push(dict(record)) for record in DICTATED]
    assert [len(records) for records in out] == [0, 0, 0, 0, 5]
    assert [record["text"] for record in out[4]] == [
        "sure it is [card]",
        "[card]",
        "[card]",
        "[card]",
        "did you get that",
    ]
    first = out[4][0]
    assert [word["word"] for word in first["words"]] == ["sure", "it", "is"] + ["[card]"] * 4
    mark = first["redactions"][0]
    assert (mark["word_from"], mark["word_to"], mark["to_ms"]) == (3, 7, 2000)
    assert mark["from_ms"] < first["words"][3]["start_ms"]


@pytest.mark.parametrize(("now_ms", "released"), [(6_999, 0), (7_000, 1), (7_001, 1)])
def test_a_number_waits_five_seconds(now_ms: int, released: int) -> None:
    redactor = Redactor()
    assert redactor.push(utterance("it is four five", 0, 2000)) == []
    assert len(redactor.flush(now_ms)) == released


def test_digits_that_go_on_after_the_hold_still_count() -> None:
    redactor = Redactor()
    redactor.push(utterance("four five three nine", 0, 2000))
    late = redactor.push(utterance("one four eight eight please", 8000, 9000))
    assert late[-1]["text"] == "[number] please"


def test_what_the_other_party_asked_for_is_a_secret() -> None:
    redactor = Redactor()
    redactor.overheard(utterance("and the security code please", 0, 2000))
    redactor.push(utterance("four five three", 3000, 4000))
    assert redactor.flush(None)[0]["text"] == "[code]"


def test_an_endless_number_is_not_held_for_ever() -> None:
    redactor = Redactor()
    out = [redactor.push(utterance("one two three", 1000 * at, 1000 * at + 900)) for at in range(40)]
    assert sum(map(len, out)) >= 26
    assert {record["text"] for records in out for record in records} == {"[number]"}


def test_a_record_without_word_times_is_muted_whole() -> None:
    redactor = Redactor()
    record = {"start_ms": 100, "end_ms": 900, "text": f"{CARD} thanks", "language": "en"}
    mark = redactor.push(record)[0]["redactions"][0]
    assert (mark["from_ms"], mark["to_ms"]) == (100, 900)


def test_words_that_disagree_with_the_text_are_hidden_too() -> None:
    redactor = Redactor()
    record = utterance("4539148803436467 thanks", 0, 900)
    record["words"] = [{"word": " 4539"}, {"word": "1488"}, {"word": "0343"}, {"word": "6467"}, {"word": "thanks"}]
    out = redactor.push(record)[0]
    assert not any(figures(word["word"]) for word in out["words"])


def test_a_restored_redactor_releases_the_same() -> None:
    for cut in range(len(DICTATED)):
        one, other = Redactor(), Redactor()
        for record in DICTATED[:cut]:
            one.push(dict(record))
        other.load_state(unpack(pack(one.state())))
        assert [one.push(dict(r)) for r in DICTATED[cut:]] == [other.push(dict(r)) for r in DICTATED[cut:]]


@given(st.text(max_size=60), st.sampled_from(["en", "fr", "pt", "es", "ar", None, "zz"]))
def test_any_text_can_be_redacted(text: str, language: str | None) -> None:
    redactor = Redactor(language=language)
    out = redactor.push({"start_ms": 0, "end_ms": 10, "text": text, "words": [{"word": text}]}) + redactor.flush(None)
    assert len(out) == 1


_separators = st.sampled_from([" ", "-", ". ", "", "\u00a0", " - ", "\u200b", "_", "/", " uh ", " ", ", "])


@given(
    st.text(st.characters(exclude_categories=("Nd", "Nl", "No", "Lo")), max_size=20),
    st.text(alphabet="123456789", min_size=7, max_size=19),
    st.lists(_separators, min_size=18, max_size=18),
    st.text(st.characters(exclude_categories=("Nd", "Nl", "No", "Lo")), max_size=20),
    st.lists(st.integers(1, 18), max_size=3),
)
def test_secret_digits_never_leave(before: str, digits: str, between: list[str], after: str, cuts: list[int]) -> None:
    """However a number is written and wherever pauses cut it, no digit of it comes out."""
    pieces = [digit + gap for digit, gap in zip(digits, [*between, "", ""], strict=False)]
    edges = sorted({0, len(pieces), *(cut for cut in cuts if cut < len(pieces))})
    texts = ["".join(pieces[start:end]) for start, end in pairwise(edges)]
    texts[0], texts[-1] = f"{before} {texts[0]}", f"{texts[-1]} {after}"
    redactor = Redactor(language="en")
    out = []
    for at, text in enumerate(texts):
        record = utterance(text, 1000 * at, 1000 * at + 900)
        out += redactor.push(record)
    out += redactor.flush(None)
    assert len(out) == len(texts)
    for record in out:
        said = record["text"] + " ".join(word["word"] for word in record["words"])
        assert not set(said) & set("123456789"), said


@pytest.mark.parametrize(
    ("language", "text", "digits"),
    [
        ("en", "double seven oh treble two", "770222"),
        ("en", "forty five seventy two", "4572"),
        ("en", "two thousand and thirty", "2030"),
        ("fr", "soixante et onze quatre-vingt-dix-sept dix-huit", "719718"),
        ("fr", "quatre vingt un", "81"),
        ("fr", "deux cent douze", "212"),
        ("pt", "vinte e dois", "22"),
        ("es", "treinta y cuatro", "34"),
        ("ar", "صفر ستة ٧", "067"),
    ],
)
def test_spoken_numbers_are_read(language: str, text: str, digits: str) -> None:
    assert [run.digits for run in number_runs(tokens(text), language)] == [digits]
