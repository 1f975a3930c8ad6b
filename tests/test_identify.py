"""The language of an utterance, by its words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.language import identify
from streams.language.identify import DOUBT, second_opinion
from streams.language.text import LANGUAGES
from streams.transcribe import utterance_record

SAID = [
    ("en", "so i have been waiting for my new router since last tuesday"),
    ("fr", "je vous appelle parce que ma facture n'est pas juste du tout"),
    ("pt", "queria saber porque é que a minha fatura veio tão alta este mês"),
    ("es", "quiero saber por qué me han cobrado dos veces la misma factura"),
    ("ar", "بغيت نعرف علاش الفاتورة ديالي طالعة بزاف"),
    ("ar", "bghit n3ref 3lach lfatoura dyali tal3a bezzaf"),
    ("ar", "salam khoya la connexion dyali katqte3 mn lbareh"),
]


@pytest.mark.parametrize(("language", "text"), SAID)
def test_the_words_tell_the_language(language: str, text: str) -> None:
    assert identify(text)[0] == language


@pytest.mark.parametrize("text", ["", "ok", "merci", "12 34 56 78 90", "[card] [code]"])
def test_a_word_or_two_tell_nothing(text: str) -> None:
    assert identify(text) == (None, 0.0)


@pytest.mark.parametrize("text", ["i have a 4g router and an mp3 player", "meet me at b12 in 10min or 2nd floor"])
def test_figures_in_names_are_no_arabic(text: str) -> None:
    assert identify(text)[0] == "en"


@pytest.mark.parametrize(("language", "text"), SAID)
def test_an_opinion_is_given_only_against_the_transcriber(language: str, text: str) -> None:
    assert second_opinion(language, text) is None
    other = "es" if language != "es" else "en"
    opinion = second_opinion(other, text)
    assert opinion is not None
    assert opinion["language"] == language


@given(st.text(max_size=60), st.sampled_from([*LANGUAGES, None, "zz"]))
@settings(deadline=None)
def test_any_text_has_a_language_or_none(text: str, language: str | None) -> None:
    found, confidence = identify(text)
    assert found is None or found in LANGUAGES
    assert 0 <= confidence <= 1
    second_opinion(language, text)


def test_words_in_another_language_than_was_heard_are_doubted() -> None:
    import numpy as np

    from audio.chunk import Party
    from audio.whisper.transcriber import Transcript
    from streams.events import SpeechPiece

    piece = SpeechPiece("c", "c:1", Party.CUSTOMER, 0, 1000, np.zeros(16_000, np.float32), 0, "es")
    heard = Transcript(text=SAID[1][1], language="es", confidence=0.8, words=(), dropped=None)
    record = utterance_record(piece, heard)
    assert record["text_language"]["language"] == "fr"
    assert record["confidence"] == round(0.8 * DOUBT, 3)
    same = utterance_record(piece, Transcript(text=SAID[3][1], language="es", confidence=0.8, words=(), dropped=None))
    assert "text_language" not in same
    assert same["confidence"] == 0.8
