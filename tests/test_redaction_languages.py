"""What is secret and what is not, as callers of five languages say it; and the modes."""

from __future__ import annotations

import pytest

from streams.language import Mode, RedactionSettings, redact_text
from streams.language.numbers import number_runs
from streams.language.text import tokens

STRICT, OFF = RedactionSettings(mode=Mode.STRICT), RedactionSettings(mode=Mode.OFF)
# What stands between braces must go, and nothing else; the kind is that of its mark.
SECRETS = [
    ("en", "code", "my pin is {four five two uh one} sorry"),
    ("fr", "code", "mon code pin c'est {quatre sept deux euh neuf} attendez je vérifie"),
    ("pt", "code", "o meu pin é {quatro sete dois hum um} desculpe"),
    ("es", "code", "mi pin es {cuatro siete dos eh uno} espere"),
    ("fr", "password", "le mot de passe c'est {girafe au singulier 2014}"),
    ("en", "card", "my card number's {four nine two nine, one zero double eight, treble three two, one nine oh five}"),
    ("en", "card", "it's the card ending in {4471}"),
    ("en", "phone", "call me back on {oh one six one four nine six oh double seven one}"),
    ("en", "email", "it's {p j underscore walker at hotmail dot co dot uk} thanks"),
    ("en", "email", "send to {tom.b at gmail.com} please"),
    ("en", "national_id", "my nhs number is {nine four three four seven six five nine one nine}"),
    ("en", "national_id", "national insurance is {q q one two three four five six c}"),
    ("en", "code", "{one three five seven} that's the pin i chose"),
    ("en", "code", "i put {8461} in as the security code"),
    ("en", "code", "the three digits on the back are {won nine for}"),
    ("en", "password", "password {red lantern one word}"),
    ("en", "password", "my online banking password is {capital h u n t e r two}"),
    ("en", "password", "i set the password to {goldfish}"),
    ("en", "code", "they texted {558120} to me"),
    ("fr", "password", "j'ai mis {poisson rouge} comme mot de passe"),
    ("es", "password", "puse {pez rojo} como contraseña"),
    ("pt", "password", "pus {peixe vermelho} como senha"),
    ("es", "code", "me mandaron {558120} por sms"),
    ("pt", "number", "diga {seis seis zero nove} outra vez"),
    ("ar", "national_id", "lcarte nationale {ee 45 87 12}"),
    ("fr", "phone", "rappelez moi au {zéro sept quatre vingt deux quarante cinq onze quatre vingt dix neuf} merci"),
    ("fr", "phone", "en côte d'ivoire c'est le {07 08 12 34 56}"),
    ("fr", "email", "mon mail c'est {j point martin tiret dupuis arobase orange point fr}"),
    (
        "fr",
        "national_id",
        "mon numéro de sécu {un quatre vingt cinq zéro sept soixante quinze cent seize zéro zéro un vingt trois}",
    ),
    ("fr", "national_id", "mon passeport c'est le {dix huit a b cinq quatre trois deux un}"),
    ("fr", "code", "mon code c'est {deux fois le quatre et un zéro}"),
    ("fr", "code", "le code confidentiel {quatre mille cinq cent douze}"),
    ("fr", "password", "mon mot de passe c'est {soleil deux mille vingt} merci"),
    ("pt", "phone", "o telemóvel é {novecentos e doze trezentos e quarenta e cinco seiscentos e setenta e oito}"),
    ("pt", "phone", "o meu celular é {onze nove oitenta e sete sessenta e cinco quarenta e três vinte e um}"),
    ("pt", "email", "mande para {info arroba padaria central ponto pt}"),
    ("pt", "national_id", "o meu nif é {dois um zero meia cinco quatro três dois um}"),
    ("pt", "national_id", "o cpf é {529.982.247-25}"),
    ("pt", "code", "a minha senha é {meia um dois quatro}"),
    ("es", "phone", "mi móvil {seiscientos doce trescientos cuarenta y cinco seiscientos setenta y ocho}"),
    ("es", "email", "mi correo es {ana punto lópez arroba gmail punto com}"),
    ("es", "national_id", "el dni es {54362178 letra m}"),
    ("es", "iban", "mi cuenta es {ES91 2100 0418 4502 0005 1332}"),
    ("es", "password", "contraseña {amapola azul}"),
    ("ar", "phone", "رقم هاتفي هو {٠٦٦١٢٣٤٥٦٧}"),
    ("ar", "phone", "اتصل بي على الرقم {صفر ستة ستة واحد ثلاثة وعشرين خمسة وأربعين سبعة وستين}"),
    ("ar", "code", "الرمز السري ديالي هو {أربعة خمسة واحد اثنان}"),
    ("ar", "code", "lcode dyali huwa {rb3a khamsa wahed jouj}"),
    ("ar", "phone", "nmra dyal mrati {sifr seb3a tlata w 3chrin khamsa w rb3in setta w settin tes3a w ts3in}"),
    ("ar", "phone", "nmrti hiya {zéro six soixante et un vingt trois quarante cinq soixante sept}"),
    ("ar", "email", "بريدي الإلكتروني هو {أحمد نقطة علي أروباز جيميل نقطة كوم}"),
    ("ar", "national_id", "la cin dyali {bk 321405}"),
    ("ar", "password", "كلمة السر ديالي هي {الوردة البيضاء}"),
]
OPEN = [
    ("en", "the order is number 88213 and it was 129 pounds 99"),
    ("en", "call me between 9 30 and 11 45"),
    ("en", "we moved here in 1998 and then again in 2004"),
    ("en", "the reference is 4471 882"),
    ("en", "my contract number is 5512 7781"),
    ("en", "i forgot my password how do i reset it"),
    ("en", "i never received a pin for my card"),
    ("en", "the contract ending in 4471 is mine"),
    ("fr", "j'ai été prélevé deux fois quarante cinq euros quatre vingt dix le trois et le dix sept"),
    ("fr", "je suis né le douze mars mille neuf cent quatre vingt cinq"),
    ("fr", "le montant c'est 1 250 000 euros"),
    ("fr", "on a deux cent cinquante mille abonnés"),
    ("fr", "le code postal c'est 75011 et c'est au 221 rue de la gare"),
    ("fr", "mon agent de sécurité c'est karim"),
    ("fr", "la garantie elle commence le 12 06 2025"),
    ("fr", "la réunion ça commence à 1430 et ça finit à 1600"),
    ("fr", "votre clause 4512"),
    ("fr", "le numéro commerce c'est 4512"),
    ("fr", "au comptear je lis deux trois huit un sept"),
    ("pt", "o voo é às dez e quarenta e cinco do dia vinte e dois de junho de dois mil e vinte e seis"),
    ("pt", "são duzentos e cinquenta mil habitantes"),
    ("es", "me han cobrado cuarenta y cinco noventa el tres y el diecisiete"),
    ("es", "el expediente 4471 882"),
    ("ar", "خلصت ألف ومئتين درهم هذا الشهر"),
    ("ar", "الملف رقم 4471 882"),
    ("ar", "3afak 9oli lia chno hadchi 3ndi mochkil f 4g"),
    ("ar", "tsennit mn 10 o ta 11 w 45 d9i9a"),
]


@pytest.mark.parametrize(("language", "kind", "text"), SECRETS)
def test_a_secret_goes_and_its_words_stay(language: str, kind: str, text: str) -> None:
    before, secret, after = text.replace("}", "{").split("{")
    redacted, marks = redact_text(before + secret + after, language)
    assert redacted == f"{before}[{kind}]{after}"
    assert [mark["kind"] for mark in marks] == [kind]


@pytest.mark.parametrize(("language", "text"), OPEN)
def test_amounts_dates_hours_and_orders_stay(language: str, text: str) -> None:
    assert redact_text(text, language) == (text, [])


def test_a_card_takes_its_expiry_and_cvv_with_it() -> None:
    text = "c'est la visa 4970 1012 3456 7893 elle expire en mars vingt neuf et le crypto c'est deux cent douze"
    assert redact_text(text, "fr")[0] == "c'est la visa [card] elle expire en [expiry] et le crypto c'est [cvv]"


@pytest.mark.parametrize(
    "text", ["the reference is 4471 882", "my contract number is 5512 7781", "call me between 9 30 and 11 45"]
)
def test_strict_takes_no_excuse_for_a_long_number(text: str) -> None:
    assert redact_text(text, "en")[1] == []
    assert redact_text(text, "en", STRICT)[1]


@pytest.mark.parametrize("language", [None, "de"])
def test_a_language_nobody_knows_makes_it_strict(language: str | None) -> None:
    assert redact_text("the reference is 4471 882", language)[1]


@pytest.mark.parametrize(("confidence", "mode"), [(0.49, Mode.STRICT), (0.5, Mode.STANDARD), (None, Mode.STANDARD)])
def test_an_unsure_utterance_is_strict(confidence: float | None, mode: Mode) -> None:
    assert RedactionSettings().for_utterance("fr", confidence).mode is mode


def test_off_is_off_and_stays_so_in_doubt() -> None:
    assert redact_text("my pin is 4521", None, OFF) == ("my pin is 4521", [])


@pytest.mark.parametrize("text", ["mon code c'est quatre sept", "my pin is 4 5", "el pin es cuatro uno"])
def test_strict_hides_a_code_that_lost_a_digit(text: str) -> None:
    assert redact_text(text, text.split()[0].replace("mon", "fr").replace("my", "en").replace("el", "es"), STRICT)[1]


@pytest.mark.parametrize(
    ("language", "text", "digits"),
    [
        ("fr", "quarante euh deux", "42"),
        ("fr", "quatre vingt quatre vingt dix neuf", "8099"),
        ("fr", "trois fois le sept", "777"),
        ("fr", "zéro six douze cet trente quatre", "0612734"),
        ("en", "four five ate won nine", "45819"),
        ("en", "i have two for you", "2"),
        ("ar", "خمسة وعشرين خمسة عشر ألفين وستة", "25152006"),
        ("ar", "tlata w 3chrin khmstach soixante et onze", "231571"),
        ("pt", "cinquenta e cinco meia zero mil e duzentos", "55601200"),
        ("es", "un millón doscientos mil", "1200000"),
    ],
)
def test_numbers_are_read_as_they_are_said(language: str, text: str, digits: str) -> None:
    assert "".join(run.digits for run in number_runs(tokens(text), language)) == digits
