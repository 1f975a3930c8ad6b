"""What lets somebody in, said in words: how it is told, and talk about it that tells nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.language.recipe.make_vocabulary import FOLDER, vocabulary
from streams.language.redaction import Redactor, redact_text
from streams.language.text import LANGUAGES


@pytest.mark.parametrize(
    ("language", "text", "redacted"),
    [
        ("en", "whenever it asks i put cordwainers lane", "whenever it asks i put [password]"),
        ("en", "pumpernickel that's what i set it to", "[password] that's what i set it to"),
        ("fr", "perce neige c'est ce que je tape", "[password] c'est ce que je tape"),
        ("fr", "on y rentre avec azerty2026 comme mot de passe", "on y rentre avec [password] comme mot de passe"),
        ("es", "la contraseña es luna llena no perdón luna nueva", "la contraseña es [password] no perdón [password]"),
        ("pt", "a chave por baixo do router E4 77 B0 9A 1C", "a chave por baixo do router [password]"),
        ("en", "the password is d for delta o for oscar g for golf", "the password is [password]"),
        ("fr", "le code du portail c'est dièse douze douze étoile", "le code du portail c'est [code]"),
        ("ar", "kelmat sser hiya chamchoun", "kelmat sser hiya [password]"),
    ],
)
def test_what_lets_in_goes(language: str, text: str, redacted: str) -> None:
    assert redact_text(text, language)[0] == redacted


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "my password is saved on the laptop"),
        ("en", "i always put my shoes outside for the driver"),
        ("en", "my husband knows the password but he's at work"),
        ("en", "tell your colleague it's me who rang yesterday"),
        ("fr", "mon mot de passe est enregistré sur l'ordinateur"),
        ("fr", "ma réponse c'est non et ça le restera"),
        ("fr", "votre mot de passe doit faire douze caractères"),
        ("es", "metí el pin tres veces y se bloqueó"),
        ("pt", "esqueci me da palavra passe e o link não chega"),
        ("ar", "وصلتني رسالة كيطلبو الكود واش نصب"),
    ],
)
def test_talk_about_it_stays(language: str, text: str) -> None:
    assert redact_text(text, language)[0] == text


@pytest.mark.parametrize(
    ("language", "question", "answer", "redacted"),
    [
        ("en", "and your mothers maiden name", "fairweather", "[password]"),
        ("en", "the hint says holiday destination", "that'll be lanzarote", "that'll be [password]"),
        ("fr", "le nom de jeune fille de votre mère", "alors le bihan", "alors [password]"),
        ("es", "deletréeme la contraseña", "m o r a s y luego 8 2", "[password]"),
        ("en", "what's your password", "haven't got it to hand right this minute", None),
    ],
)
def test_answers(language: str, question: str, answer: str, redacted: str | None) -> None:
    redactor = Redactor(language=language)
    redactor.overheard({"text": question, "start_ms": 0, "end_ms": 2_000, "language": language})
    record = {"text": answer, "start_ms": 2_500, "end_ms": 4_000, "language": language}
    assert [*redactor.push(record), *redactor.flush(None)][0]["text"] == (redacted or answer)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_vocabulary_is_that_of_our_utterances(language: str) -> None:
    assert Path(FOLDER / f"{language}.txt").read_text(encoding="utf-8") == vocabulary(language)
