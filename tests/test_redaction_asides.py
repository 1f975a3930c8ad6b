"""Cards as people dictate them, with a word to the other party in the midst of them: none of the digits is left."""

from __future__ import annotations

import random

import pytest
from stdnum import luhn

from streams.language import Redactor, redact_text
from streams.language.text import read_yaml

ASIDES = {
    "en": [
        "are you following",
        "you got that",
        "still with me",
        "and the rest is",
        "hold on",
        "have you noted that",
        "that's it",
    ],
    "fr": [
        "vous suivez",
        "vous notez",
        "c'est ça",
        "je continue",
        "la suite c'est",
        "le reste",
        "vous y êtes",
        "et après",
        "d'accord",
    ],
    "pt": ["está a acompanhar", "anotou", "é isso", "continuo", "o resto é", "está a tomar nota", "certo"],
    "es": ["me sigue", "lo apunta", "eso es", "sigo", "el resto es", "lo tiene anotado", "vale"],
    "ar": ["واش كتبتي", "تبعتيني", "صافي", "الباقي هو", "wach ktebti", "m3aya", "nzid"],
}
BEGIN = {
    "en": "my card number is",
    "fr": "ma carte c'est le",
    "pt": "o meu cartão é o",
    "es": "mi tarjeta es la",
    "ar": "لاكارط ديالي هي",
}
CARDS_A_LANGUAGE, LEFT_MAX = 120, 2
"""Some begin with a lone digit before what is a telephone number as well, or are a card too soon by a word like "to"."""
DIGITS = (13, 15, 16, 16, 16, 19)


def card(rng: random.Random) -> str:
    digits = rng.choice("3456") + "".join(rng.choice("0123456789") for _ in range(rng.choice(DIGITS) - 2))
    return digits + luhn.calc_check_digit(digits)


def dictated(digits: str, language: str, rng: random.Random) -> tuple[str, set[str]]:
    """Digit by digit or in figures by four, with two asides in between; and the words that are digits of it."""
    values = read_yaml("numbers.yaml")[language]["values"]
    names: dict[str, str] = {}
    for word, value in values.items():
        if value < 10:
            names.setdefault(str(value), str(word))
    spoken = rng.random() < 0.6
    groups = [names[digit] for digit in digits] if spoken else [digits[at : at + 4] for at in range(0, len(digits), 4)]
    secret = set(groups)
    for at in sorted(rng.sample(range(1, len(groups)), 2), reverse=True):
        groups.insert(at, rng.choice(ASIDES[language]))
    return " ".join(groups), secret


@pytest.mark.parametrize("language", sorted(ASIDES))
def test_a_word_to_the_other_party_does_not_end_a_card(language: str) -> None:
    rng = random.Random(f"asides {language}")
    left = []
    for _ in range(CARDS_A_LANGUAGE):
        said, secret = dictated(card(rng), language, rng)
        redacted = redact_text(f"{BEGIN[language]} {said}", language)[0]
        if secret & set(redacted.split()):
            left.append((said, redacted))
    assert len(left) <= LEFT_MAX, f"{len(left)} of {CARDS_A_LANGUAGE}, as {left[:5]}"


@pytest.mark.parametrize(
    "text",
    [
        "quatre trois neuf huit six cinq neuf un deux sept deux six neuf quatre zéro alors un",
        "ma carte c'est 4485 2757 4230 832 et puis sept merci",
    ],
)
def test_the_check_digit_after_a_pause_belongs_to_the_card(text: str) -> None:
    redacted = redact_text(text, "fr")[0]
    assert not {"un", "sept", "4485"} & set(redacted.split()), redacted


@pytest.mark.parametrize(
    ("language", "text", "redacted"),
    [
        ("fr", "la carte finit par 4471 c'est bon 45 euros", "la carte finit par [card] c'est bon 45 euros"),
        ("fr", "le code c'est 4512 c'est bon 15 minutes", "le code c'est [code] c'est bon 15 minutes"),
        ("fr", "le cryptogramme 503 je reste 5 minutes", "le cryptogramme [cvv] je reste 5 minutes"),
        ("en", "card ending 4471 and that's 45 pounds", "card ending [card] and that's 45 pounds"),
        ("es", "la tarjeta acaba en 4471 eso es 20 euros", "la tarjeta acaba en [card] eso es 20 euros"),
        ("fr", "ma carte 4980 1341 1056 1670 c'est bon 45 euros", "ma carte [card] c'est bon 45 euros"),
        ("fr", "on a payé 1200 c'est ça 1300 c'est ça et 1400 c'est bon", None),
        ("en", "we paid 1200 that's it 1300 that's it and 1400 so", None),
        ("en", "the tickets 551203 and also my wife's 551207 and the neighbour's 551218", None),
        (
            "fr",
            "4980 deuxième groupe 1341 troisième 1056 quatrième 1670 et j'habite au 12 rue des lilas",
            "[card] deuxième groupe [card] troisième [card] quatrième [card] et j'habite au 12 rue des lilas",
        ),
        (
            "en",
            "my card 4008 new line 89511 new line 37170 let me put my glasses on 30769",
            "my card [card] new line [card] new line [card] let me put my glasses on [card]",
        ),
    ],
)
def test_what_comes_after_an_aside_is_judged_by_itself(language: str, text: str, redacted: str | None) -> None:
    assert redact_text(text, language)[0] == (redacted or text)


@pytest.mark.parametrize(
    "text",
    [
        "il me reste trois factures vous suivez et deux rendez vous",
        "on est passé de quarante à trente vous notez",
        "j'ai deux lignes c'est ça une fixe et une mobile",
        "i have two lines you following one for each office",
    ],
)
def test_asides_between_ordinary_numbers_hide_nothing(text: str) -> None:
    assert redact_text(text, "en" if text.startswith("i ") else "fr")[0] == text


@pytest.mark.parametrize(
    ("language", "between"),
    [
        ("fr", "deuxième groupe"),
        ("fr", "tout de suite après"),
        ("fr", "attends chéri"),
        ("en", "new line"),
        ("en", "next line says"),
        ("pt", "em baixo diz"),
        ("es", "en la fila de abajo"),
        ("ar", "السطر اللي موراه"),
    ],
)
def test_four_groups_that_make_a_card_are_one_whatever_is_said_between(language: str, between: str) -> None:
    groups = ("4980", "1341", "1056", "1670")
    assert redact_text(f" {between} ".join(groups), language)[0] == f" {between} ".join(["[card]"] * 4)
    wrong = ("4980", "1341", "1056", "1671")
    assert redact_text(f" {between} ".join(wrong), language)[0].count("[card]") == 0, "the check digit is wrong"


@pytest.mark.parametrize(
    ("language", "text", "redacted"),
    [
        ("en", "4471 are the last four", "[card] are the last four"),
        ("en", "4471 at the end of the card", "[card] at the end of the card"),
        ("en", "i paid 1450 in the last four months", None),
        ("fr", "quarante quatre soixante et onze ce sont les quatre derniers", "[card] ce sont les quatre derniers"),
        ("fr", "les quatre de la fin c'est 4471", "les quatre de la fin c'est [card]"),
        ("fr", "j'ai payé mille quatre cent cinquante les quatre derniers mois", None),
        ("pt", "4471 são os últimos quatro", "[card] são os últimos quatro"),
        ("pt", "paguei 1450 euros nos últimos quatro meses", None),
        ("es", "4471 son los cuatro últimos", "[card] son los cuatro últimos"),
        ("es", "gasté 1450 euros los últimos cuatro meses", None),
        ("ar", "4471 houma lkhrin f la carte", "[card] houma lkhrin f la carte"),
        ("fr", "c'était 4471 les derniers colis étaient abîmés", None),
        ("fr", "en 1998 les quatre derniers modèles étaient meilleurs", None),
        ("en", "i ordered 4500 of them the last four parcels never came", None),
        ("en", "it's flat 1204 the last four doors on the right", None),
        ("ar", "خلصت 1450 الشهر الاخيرة", None),
    ],
)
def test_the_last_four_of_a_card_may_be_called_so_afterwards(language: str, text: str, redacted: str | None) -> None:
    assert redact_text(text, language)[0] == (redacted or text)


TAILS = {
    "en": ["have you got that", "all good", "ready for the next", "do you want me to repeat", "are you following", ""],
    "fr": ["c'est enregistré", "tout va bien", "prêt pour la suite", "vous voulez que je répète", "vous suivez", ""],
    "pt": ["está tudo bem", "já apontou", "quer que repita", "está a seguir", ""],
    "es": ["todo bien", "ya lo tiene", "quiere que lo repita", "me sigue", ""],
    "ar": ["واش كتبتي", "صافي", "مزيان", "safi ktebti", ""],
}
LEADS = {
    "en": ["and then", "okay so", "the rest is", "next", ""],
    "fr": ["et ensuite", "je continue", "la suite c'est", "alors attendez", ""],
    "pt": ["e depois", "então", "o resto é", "continuo", ""],
    "es": ["y luego", "entonces", "el resto es", "sigo", ""],
    "ar": ["و من بعد", "الباقي هو", "واخا", "nzid", ""],
}


@pytest.mark.parametrize("language", sorted(TAILS))
def test_a_card_in_several_utterances_is_hidden_whatever_is_asked_between_them(language: str) -> None:
    rng = random.Random(f"turns {language}")
    left = []
    for _ in range(CARDS_A_LANGUAGE // 2):
        digits = rng.choice("3456") + "".join(rng.choice("0123456789") for _ in range(14))
        digits += luhn.calc_check_digit(digits)
        groups = [digits[at : at + 4] for at in range(0, 16, 4)]
        cut = rng.randrange(1, 4)
        texts = [f"{BEGIN[language]} {' '.join(groups[:cut])} {rng.choice(TAILS[language])}".strip()]
        texts.append(f"{rng.choice(LEADS[language])} {' '.join(groups[cut:])}".strip())
        redactor, out = Redactor(language=language), []
        for number, text in enumerate(texts):
            start_ms = 4_000 * number
            out += redactor.push({"text": text, "start_ms": start_ms, "end_ms": start_ms + 3_000, "language": language})
        out += redactor.flush(None)
        if any(group in record["text"] for group in groups for record in out):
            left.append([record["text"] for record in out])
    assert len(left) <= LEFT_MAX, f"{len(left)}, as {left[:5]}"


def test_other_digits_after_a_card_that_is_whole_are_not_waited_for() -> None:
    redactor = Redactor(language="en")
    said = {
        "text": "my card is 4980 1341 1056 1670 and i live at number 12 hill street",
        "start_ms": 0,
        "end_ms": 9_000,
    }
    assert [record["text"] for record in redactor.push({**said, "language": "en"})] == [
        "my card is [card] and i live at number 12 hill street"
    ]


def test_what_follows_a_number_without_a_card_is_not_held_back() -> None:
    for text in (
        "we paid 450 for it and nobody came",
        "the meter says 4512 kilowatt hours this month",
        "my order is 551203 and it never came",
        "my card was charged 45 twice last week",
        "i paid by card on the 30 and it failed",
    ):
        redactor = Redactor(language="en")
        out = redactor.push({"text": text, "start_ms": 0, "end_ms": 3_000, "language": "en"})
        assert [record["text"] for record in out] == [text]


@pytest.mark.parametrize(
    ("language", "texts", "redacted"),
    [
        ("en", ("my code is 4471", "all good 10 minutes"), ["my code is [code]", "all good 10 minutes"]),
        (
            "fr",
            ("mon code c'est 4471", "tout enregistré 10 minutes"),
            ["mon code c'est [code]", "tout enregistré 10 minutes"],
        ),
        ("fr", ("mon cvv 503", "tout enregistré 2 minutes"), ["mon cvv [cvv]", "tout enregistré 2 minutes"]),
        (
            "pt",
            ("o meu código é 4471", "quer que repita 20 dias"),
            ["o meu código é [code]", "quer que repita 20 dias"],
        ),
        (
            "en",
            ("my bill was 1450", "all good", "now it is only 15"),
            ["my bill was 1450", "all good", "now it is only 15"],
        ),
    ],
)
def test_a_measure_in_the_next_utterance_is_no_part_of_a_number(
    language: str, texts: tuple[str, ...], redacted: list[str]
) -> None:
    redactor, out = Redactor(language=language), []
    for number, text in enumerate(texts):
        start_ms = 3_000 * number
        out += redactor.push({"text": text, "start_ms": start_ms, "end_ms": start_ms + 2_000, "language": language})
    out += redactor.flush(None)
    assert [record["text"] for record in out] == redacted


@pytest.mark.parametrize(
    ("language", "text", "redacted"),
    [
        ("fr", "4471 les quatre derniers", "[card] les quatre derniers"),
        ("es", "4471 los cuatro últimos", "[card] los cuatro últimos"),
        ("pt", "4471 os quatro últimos", "[card] os quatro últimos"),
        ("es", "mi tarjeta acaba en 4471 hasta el 15 de marzo", "mi tarjeta acaba en [card] hasta el 15 de marzo"),
        ("pt", "o meu cartão acaba em 4471 até 15 de março", "o meu cartão acaba em [card] até 15 de março"),
        ("en", "my cvv is 503 that is 2 of march", "my cvv is [cvv] that is 2 of march"),
        ("fr", "la commande 7630 et la 6694 puis 1891 et 3126", None),
        ("fr", "en 2022 vous avez fait 1850 et en 2023 1990", None),
    ],
)
def test_articles_alone_join_no_numbers(language: str, text: str, redacted: str | None) -> None:
    assert redact_text(text, language)[0] == (redacted or text)
