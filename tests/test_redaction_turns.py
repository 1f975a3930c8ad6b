"""Secrets over several utterances, with the other party in between; and what must hold of any text at all."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.language import Mode, RedactionSettings, Redactor, apply_earlier, redact_text
from streams.language.number_words import number_words
from streams.language.text import tokens
from streams.replay.muting import muted_spans

LANGUAGES = ["en", "fr", "pt", "es", "ar"]


def said(text: str, start_ms: int, end_ms: int, language: str = "en", **more: Any) -> dict[str, Any]:
    parts = text.split()
    step = (end_ms - start_ms) / max(1, len(parts))
    words = [
        {"word": part, "start_ms": int(start_ms + at * step), "end_ms": int(start_ms + (at + 1) * step)}
        for at, part in enumerate(parts)
    ]
    base = {"utterance_id": f"u{start_ms}", "party": "customer", "state": "final", "language": language}
    return {**base, "start_ms": start_ms, "end_ms": end_ms, "text": text, "words": words, **more}


def texts(records: list[dict[str, Any]]) -> list[str]:
    return [record["text"] for record in records]


TURNS = [
    ("en", "it's four five three two|uh|zero one five one, yes|one two eight three|and the rest is zero three six six"),
    (
        "fr",
        "c'est quatre cinq trois deux|attendez une seconde|zéro un cinq un|et pour finir douze quatre vingt trois zéro trois",
    ),
    ("pt", "é o quatro cinco três dois|um momento|zero um cinco um um dois oito três|e no fim zero três meia meia"),
    ("es", "empieza por cuatro cinco tres dos|espere|cero uno cinco uno|y termina en doce ochenta y tres cero tres"),
    ("ar", "rb3a khamsa tlata jouj|euh|sifr wahed khamsa wahed|douze quatre vingt trois zéro trois soixante six"),
]


@pytest.mark.parametrize(("language", "turn"), TURNS)
@pytest.mark.parametrize("overheard", [None, "mm-hm", "oui d'accord je vous écoute allez y"])
def test_a_number_goes_on_over_hesitation_and_over_the_other_party(
    language: str, turn: str, overheard: str | None
) -> None:
    """The other's sign of listening ends while ours is in mid-utterance: that is no reason to let go."""
    redactor, out = Redactor(language=language), []
    for at, text in enumerate(turn.split("|")):
        if overheard and at:
            # We spoke again 2 s after our last word, and are known only when that utterance is over.
            other = said(overheard, 8_000 * at - 2_500, 8_000 * at - 1_000, party="agent")
            redactor.overheard(other)
            out += redactor.flush(other["end_ms"], by_other=True)
        out += redactor.push(said(text, 8_000 * at - 3_000 + 3_000, 8_000 * at + 4_000, language))
    out += redactor.flush(None)
    assert len(out) == len(turn.split("|"))
    known = number_words(language)
    left = [token.word for record in out for token in tokens(record["text"])]
    assert not [word for word in left if known.begins(word) and word not in known.articles]


@pytest.mark.parametrize(("end_ms", "released"), [(16_999, 0), (17_000, 1)])
def test_by_the_others_clock_a_dictated_number_waits_longer(end_ms: int, released: int) -> None:
    redactor = Redactor()
    assert redactor.push(said("it's four five three two", 0, 2_000)) == []
    assert len(redactor.flush(end_ms, by_other=True)) == released


def test_a_lone_small_number_waits_no_longer_than_the_hold() -> None:
    redactor = Redactor()
    assert redactor.push(said("there were two", 0, 2_000)) == []
    assert len(redactor.flush(7_000, by_other=True)) == 1


def test_a_number_asked_for_is_secret_whatever_its_length_and_an_order_number_is_not() -> None:
    for question, redacted in (("what is your pin", "[code]"), ("and the order number please", "four five seven two")):
        redactor = Redactor()
        redactor.overheard(said(question, 0, 2_000))
        redactor.push(said("four five seven two", 3_000, 5_000))
        assert texts(redactor.flush(None)) == [redacted]


def test_what_is_read_back_is_hidden_too() -> None:
    agent = Redactor()
    agent.overheard(said("oh seven four nine five oh five six four five two", 0, 5_000))
    agent.push(said("so that is 0749 505 right", 6_000, 8_000))
    assert texts(agent.flush(None)) == ["so that is [number] right"]


def test_an_address_that_is_told_in_two_breaths_is_hidden_whole() -> None:
    redactor = Redactor(language="fr")
    out = redactor.push(said("mon mail c'est", 0, 1_000, "fr"))
    out += redactor.push(said("jean point dupont", 1_500, 2_500, "fr"))
    out += redactor.push(said("arobase gmail point com", 3_500, 5_000, "fr"))
    out += redactor.flush(None)
    assert texts(out) == ["mon mail c'est", "[email]", "[email]"]


def test_a_beginning_that_is_out_is_named_by_what_comes_too_late() -> None:
    redactor = Redactor()
    out = redactor.push(said("sure it is 4539", 0, 2_000))
    out += redactor.push(said("1488 034 please", 9_000, 10_000))
    out += redactor.flush(None)
    assert texts(out) == ["sure it is 4539", "[number] please"]
    span = out[1]["earlier"][0]
    assert out[0]["text"][span["start"] : span["end"]] == "4539"
    assert ("customer", span["from_ms"], span["to_ms"]) in muted_spans(out)
    assert span["from_ms"] < out[0]["words"][3]["start_ms"]
    hidden = apply_earlier(out)
    assert texts(hidden) == ["sure it is [number]", "[number] please"]
    assert [word["word"] for word in hidden[0]["words"]] == ["sure", "it", "is", "[number]"]
    mark = hidden[0]["redactions"][0]
    assert hidden[0]["text"][mark["start"] : mark["end"]] == "[number]"
    assert texts(out)[0] == "sure it is 4539"


def test_the_language_of_the_words_brings_its_announcements() -> None:
    record = said("la contraseña es girasol", 0, 1_000, "en", text_language={"language": "es", "confidence": 0.99})
    redactor = Redactor(language="en")
    assert texts(redactor.push(record) + redactor.flush(None)) == ["la contraseña es [password]"]


def test_off_holds_and_hides_nothing() -> None:
    redactor = Redactor(RedactionSettings(mode=Mode.OFF))
    assert texts(redactor.push(said("my pin is 4521", 0, 1_000))) == ["my pin is 4521"]


_WORDS = [
    "my", "card", "code", "is", "mon", "mot", "de", "passe", "c'est", "senha", "é", "clave", "es", "iban", "fr", "arobase", "at",
    "gmail", "dot", "point", "com", "seven", "huit", "quatre", "vingt", "mil", "cento", "خمسة", "وعشرين", "الرمز", "هو", "tlata",
    "w", "3chrin", "euh", "double", "12", "4539", "٠٦", "x", "euros", "mars", "und", "-", "+212", "[card]", "cent", "mille", "no",
]  # fmt: skip
_said = st.lists(st.sampled_from(_WORDS), max_size=24).map(" ".join)


@given(st.one_of(st.text(max_size=80), _said), st.sampled_from([*LANGUAGES, None, "zz"]), st.sampled_from(list(Mode)))
@example("[national_id] 4 [card]", "fr", Mode.STANDARD)
@example("0@:", "en", Mode.STRICT)
@settings(deadline=None)
def test_marks_are_valid_and_a_second_pass_finds_nothing(text: str, language: str | None, mode: Mode) -> None:
    chosen = RedactionSettings(mode=mode)
    redacted, marks = redact_text(text, language, chosen)
    end = 0
    for mark in marks:
        assert end <= mark["start"] < mark["end"] <= len(redacted)
        assert redacted[mark["start"] : mark["end"]] == f"[{mark['kind']}]"
        end = mark["end"]
    assert redact_text(redacted, language, chosen) == (redacted, [])


@given(_said, st.sampled_from(LANGUAGES), st.lists(st.integers(1, 23), max_size=3))
@settings(deadline=None)
def test_records_come_out_whole_in_order_with_valid_places(text: str, language: str, cuts: list[int]) -> None:
    parts = text.split()
    edges = sorted({0, len(parts), *(cut for cut in cuts if cut < len(parts))})
    pieces = [" ".join(parts[start:end]) for start, end in pairwise(edges)] or [""]
    redactor, out = Redactor(language=language), []
    for at, piece in enumerate(pieces):
        out += redactor.push(said(piece, 2_000 * at, 2_000 * at + 900, language))
    out += redactor.flush(None)
    assert [record["start_ms"] for record in out] == [2_000 * at for at in range(len(pieces))]
    for record in out:
        for mark in record["redactions"]:
            assert record["text"][mark["start"] : mark["end"]] == f"[{mark['kind']}]"
            assert record["start_ms"] <= mark["from_ms"] <= mark["to_ms"] <= record["end_ms"]
            if "word_from" in mark:
                assert 0 <= mark["word_from"] < mark["word_to"] <= len(record["words"])


DIGITS = {
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "fr": ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
    "pt": ["zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove"],
    "es": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    "ar": ["صفر", "واحد", "جوج", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة"],
}
BREATHS = {"en": "uh", "fr": "euh", "pt": "hum", "es": "eh", "ar": "اه"}


@given(
    st.sampled_from(LANGUAGES),
    st.text(alphabet="0123456789", min_size=9, max_size=19),
    st.lists(st.integers(3, 18), max_size=2),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_a_number_said_digit_by_digit_never_leaves(
    language: str, digits: str, cuts: list[int], rng: random.Random
) -> None:
    """However it is cut into utterances, with hesitations anywhere, no digit word comes out."""
    spoken = DIGITS[language]
    parts = [
        f"{spoken[int(digit)]} {BREATHS[language]}" if rng.random() < 0.2 else spoken[int(digit)] for digit in digits
    ]
    edges = sorted({0, len(parts), *(cut for cut in cuts if cut < len(parts))})
    redactor, out = Redactor(language=language), []
    for at, (start, end) in enumerate(pairwise(edges)):
        out += redactor.push(said(" ".join(parts[start:end]), 2_000 * at, 2_000 * at + 900, language))
    out += redactor.flush(None)
    left = {word for record in out for word in record["text"].split()}
    assert not left & set(spoken), texts(out)
