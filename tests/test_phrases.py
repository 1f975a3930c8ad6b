"""Phrases by category: own sentences, and the shared corpus where it is there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from streams.language import analyse
from streams.language.phrases import CATEGORIES
from streams.language.text import LANGUAGES, compile_patterns

SAID = [
    ("en", "customer", "escalation", "let me talk to your supervisor now"),
    ("en", "customer", "cancellation", "I'd like to terminate my contract today"),
    ("en", "customer", "legal_threat", "my attorney will write to you"),
    ("en", "customer", "abuse", "you are all useless"),
    ("en", "customer", "repeated_contact", "that's the fourth time I've had to ring you"),
    ("en", "customer", "hearing_trouble", "I can barely hear you"),
    ("en", "customer", "escalation", "whoever signs your wages that's who i'll talk to"),
    ("en", "customer", "cancellation", "the cover isn't needed any more since we sold the van"),
    ("en", "customer", "regulator_press", "it all goes up on mumsnet tonight"),
    ("en", "customer", "repeated_contact", "sales says it's billing and billing says it's sales"),
    ("en", "customer", "hearing_trouble", "you're only coming through in bits"),
    ("en", "agent", "disclosure", "the tape is running from here on"),
    ("en", "agent", "greeting", "good morning Northgate Bank Emily speaking"),
    ("en", "agent", "disclosure", "please note this call is being recorded"),
    ("fr", "customer", "escalation", "je voudrais parler avec un supérieur"),
    ("fr", "customer", "cancellation", "Je veux résilier mon contrat."),
    ("fr", "customer", "legal_threat", "je vais porter plainte contre vous"),
    ("fr", "customer", "abuse", "vous êtes vraiment nuls"),
    ("fr", "customer", "repeated_contact", "c’est la quatrième fois que je vous appelle"),
    ("fr", "customer", "hearing_trouble", "je ne vous entends plus du tout"),
    ("fr", "agent", "greeting", "azur énergie bonjour camille à votre écoute"),
    ("fr", "agent", "disclosure", "cet appel peut être enregistré"),
    ("pt", "customer", "escalation", "quero falar com o seu supervisor"),
    ("es", "customer", "cancellation", "quiero dar de baja la línea"),
    ("es", "customer", "repeated_contact", "hoy hace un mes de mi primera llamada y le traigo la tarta"),
    ("ar", "customer", "legal_threat", "سأتصل بالمحامي في المحكمة"),
    ("es", "customer", "repeated_contact", "he llamado dos veces y nadie me ha llamado"),
    ("fr", "customer", "repeated_contact", "ça fait trois fois que j'ai appelé et c'est toujours pas réglé"),
    ("pt", "customer", "repeated_contact", "já liguei três vezes e ficou tudo na mesma"),
    ("pt", "customer", "escalation", "não preciso de explicações passe ao supervisor"),
    ("ar", "customer", "escalation", "ما خاصنيش نهضر معاك دوزني للمسؤول"),
    ("es", "customer", "repeated_contact", "cuando llamé por primera vez mi hija gateaba y ahora ya anda"),
]
NOT_SAID = [
    ("en", "agent", "escalation", "could you hold while i speak to my manager"),
    ("en", "agent", "cancellation", "i can cancel your contract for you"),
    ("en", "customer", "cancellation", "i cancelled the family plan and you're still billing me"),
    ("en", "customer", "cancellation", "i'm leaving the country on friday"),
    ("en", "customer", "escalation", "i'm the manager of the shop next door"),
    ("en", "customer", "legal_threat", "the court fee is paid from this account"),
    ("en", "customer", "regulator_press", "the pressure regulator in the boiler was changed"),
    ("en", "customer", "repeated_contact", "i've restarted the router three times already"),
    ("en", "customer", "abuse", "the remote control is useless without batteries"),
    ("fr", "customer", "repeated_contact", "j'ai déjà redémarré le modem trois fois"),
    ("fr", "customer", "cancellation", "je voudrais annuler ma commande"),
    ("fr", "customer", "abuse", "mon modem dégage une odeur de brûlé"),
    ("fr", "customer", "greeting", "bonjour j'appelle pour mon modem"),
    ("en", "customer", "repeated_contact", "i called yesterday and it was solved"),
    ("en", "customer", "cancellation", "i'll be leaving at five"),
    ("fr", "customer", "repeated_contact", "vous m'avez appelé ce matin"),
    ("es", "customer", "repeated_contact", "me habéis llamado esta mañana"),
    ("pt", "customer", "escalation", "não preciso falar com o supervisor"),
    ("pt", "customer", "cancellation", "queria mudar a morada do contrato"),
    ("en", "customer", "repeated_contact", "when i first contacted the seller he told me two weeks"),
    ("fr", "customer", "repeated_contact", "la première fois que j'ai contacté le notaire il était en congé"),
    ("fr", "customer", "repeated_contact", "c'est la première fois que je vous appelle"),
    ("pt", "customer", "repeated_contact", "quando liguei pela primeira vez o router apareceu uma luz azul"),
    ("es", "customer", "repeated_contact", "cuando llamé por primera vez al fontanero vino enseguida"),
    ("es", "customer", "repeated_contact", "es la primera vez que llamo"),
    ("ar", "customer", "repeated_contact", "لما تواصلت أول مرة مع البائع قال أسبوعين"),
    ("ar", "customer", "repeated_contact", "هادي أول مرة كنعيط"),
]


def categories(text: str, language: str | None, party: str | None) -> set[str]:
    return {phrase["category"] for phrase in analyse(text, language, party).phrases}


@pytest.mark.parametrize(("language", "party", "category", "text"), SAID)
def test_what_is_said_is_recognised(language: str, party: str, category: str, text: str) -> None:
    assert category in categories(text, language, party)


@pytest.mark.parametrize(("language", "party", "category", "text"), NOT_SAID)
def test_neighbours_of_a_phrase_are_not_the_phrase(language: str, party: str, category: str, text: str) -> None:
    assert category not in categories(text, language, party)


def test_where_both_speak_on_one_channel_everybody_may_say_everything() -> None:
    assert "cancellation" in categories("cancel my contract", "en", None)


def test_a_phrase_quotes_its_characters_of_the_text() -> None:
    text = "bon écoutez, je veux RÉSILIER mon contrat"
    for phrase in analyse(text, "fr", "customer").phrases:
        assert text[phrase["start"] : phrase["end"]] == phrase["text"]


def test_what_is_said_without_a_break_is_quoted_as_one() -> None:
    assert [phrase["text"] for phrase in analyse("thank you you have been so helpful", "en", "customer").phrases] == [
        "thank you you have been so helpful"
    ]
    assert [
        phrase["text"]
        for phrase in analyse("thank you for the tickets really you have been so helpful", "en", "customer").phrases
    ] == [
        "thank",
        "you have been so helpful",
    ]


@pytest.mark.parametrize("language", [*LANGUAGES, None, "xx", "fr-MA"])
def test_every_language_has_every_category(language: str | None) -> None:
    assert not [name for name in categories("zzz", language, None) if name not in CATEGORIES]


@pytest.mark.parametrize("pattern", ["(a|b", "a]", "", "?"])
def test_a_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        compile_patterns([pattern])


SITUATIONS = {
    "escalation": "ask_supervisor",
    "cancellation": "threat_cancel",
    "legal_threat": "threat_legal",
    "abuse": "abuse_mild",
    "repeated_contact": "repeated_contact",
    "hearing_trouble": "cannot_hear",
    "greeting": "greeting",
}


LABELLED_OTHERWISE = {"on tourne en rond depuis {month}", "bonjour {firstname} c'est encore moi madame {lastname}"}
"""Left out: on the first the writers of our utterances disagree; the second, a greeting there, is a repeated contact by our guide."""


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_corpus_is_recognised_with_few_false_positives(language: str) -> None:
    """In-sample: the lists were written with these sentences in view. A regression test, not an evaluation."""
    shared = Path(os.environ.get("VIGIE_SHARED", Path(__file__).parents[2] / "shared" / "data"))
    corpus = shared.parent / "demo-model" / "corpus.yaml"
    if not corpus.is_file():
        pytest.skip("the shared corpus is not on this machine")
    content = yaml.safe_load(corpus.read_text(encoding="utf-8"))
    slots = content["slots"][language]
    rows = [
        (party, situation, re.sub(r"\{(\w+)\}", lambda slot: str(slots.get(slot[1], [slot[1]])[0]), text))
        for party, situations in content["sentences"][language].items()
        for situation, texts in situations.items()
        for text in texts
        if text not in LABELLED_OTHERWISE
    ]
    said = [(party, situation, categories(text, language, party)) for party, situation, text in rows]
    # The corpus calls regulators and the press a legal threat; the rule of that name takes both.
    said = [
        (party, where, found | {"legal_threat"} if "regulator_press" in found else found)
        for party, where, found in said
    ]
    for category, situation in SITUATIONS.items():
        wanted = ("agent" if category == "greeting" else "customer", situation)
        positives = [category in found for party, where, found in said if (party, where) == wanted]
        negatives = [category in found for party, where, found in said if (party, where) != wanted]
        assert sum(positives) >= 0.8 * len(positives), category
        assert sum(negatives) <= 3, category
