"""Redaction over several hundred made-up secrets a language, in many forms, and numbers that must stay.

`tests/words/secrets` was written in batches, each measured before the engine was mended with it (README there). So these
figures do not say how the engine does on what it has not seen: they keep what was gained.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.evaluation.words_corrupt import corrupt
from streams.evaluation.words_scores import score_items
from streams.evaluation.words_suite import KINDS, LANGUAGES, Item, load_suite
from streams.language.redaction import Redactor, redact_text

WORDS = Path(__file__).parent / "words"
RECALL_MIN, PRECISION_MIN = 0.99, 0.98
RECALL_MISHEARD_MIN, PRECISION_MISHEARD_MIN = 0.975, 0.97


def _items(language: str) -> list[Item]:
    return load_suite("secrets", WORDS, [language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_secrets_go_and_other_numbers_stay(language: str) -> None:
    score = score_items(_items(language), words=False)[language]
    found = score.redaction.report()
    assert found["recall"] >= RECALL_MIN, score.failures
    assert found["precision"] >= PRECISION_MIN, score.failures


@pytest.mark.parametrize("language", LANGUAGES)
def test_secrets_go_among_misheard_words(language: str) -> None:
    misheard, _ = corrupt(_items(language), 0.1, seed=7)
    score = score_items(misheard, words=False)[language]
    found = score.redaction.report()
    assert found["recall"] >= RECALL_MISHEARD_MIN, score.failures
    assert found["precision"] >= PRECISION_MISHEARD_MIN, score.failures


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_is_there_often_enough(language: str) -> None:
    kinds = [secret.kind for item in _items(language) for secret in item.secrets]
    assert min(kinds.count(kind) for kind in KINDS) >= 10
    assert sum(not item.secrets for item in _items(language)) >= 60


@pytest.mark.parametrize(
    ("language", "text", "redacted"),
    [
        ("es", "dni veintiuno y cero tres dieciocho cuarenta y seis uve doble", "dni [national_id]"),
        ("fr", "mail p comme paul point le goff arobase orange point fr", "mail [email]"),
        ("pt", "é ana noventa e um arroba gmail ponto com", "é [email]"),
        (
            "en",
            "my card four five three two no wait i mean four five three three zero one one five",
            "my card [number]",
        ),
        ("fr", "vingt euros puis vingt cinq puis trente puis trente cinq", None),
        ("en", "three times for the same blood test", None),
        ("pt", "moro em 1250 096 lisboa", None),
        ("fr", "un deux un deux vous m'entendez", None),
        ("en", "my password is very simple", None),
        ("fr", "whatsapp d'eux cent douze six quatre vingt quinze quarante trois dix huit treize", "whatsapp [phone]"),
        ("fr", "l'un d'eux m'a rappelé", None),
        ("fr", "le pin de la carte zéro cette vingt huit", "le pin de la carte [code]"),
        ("fr", "c'est cinq cinq zéro hum neuf le pin", "c'est [code] le pin"),
        ("fr", "mot de passez rivière bleue", "mot de passez [password]"),
        ("fr", "côte d'entrée de l'immeuble 5019", "côte d'entrée de l'immeuble [code]"),
        ("fr", "c'est juste à côté de l'entrée au 5019", None),
        ("fr", "le mot de passe c'est mon prénom", None),
        ("fr", "le mot de passe nemarche plus", None),
        (
            "fr",
            "mon mot de passe c'est pistache suivi de quarante sept",
            "mon mot de passe c'est [password] suivi de [password]",
        ),
        ("en", "my password is pistachio followed by ninety two", "my password is [password] followed by [password]"),
        ("fr", "mon code d'accès client est le six un deux huit", "mon code d'accès client est le [code]"),
        ("fr", "le code du portail douze quatre vingt dix b", "le code du portail [code]"),
        ("fr", "elle expire en août vingt huit la carte", "elle expire en [expiry] la carte"),
        ("fr", "mon forfait est valable jusqu'au vingt huit", None),
        ("es", "mi cuota vence el dieciocho", None),
        ("fr", "point de vente arobase je sais pas ce que c'est", None),
        ("en", "my password is very simple dandelion", "my password is very simple [password]"),
        ("fr", "le mot de sécurité c'est karim quarante et un", "le mot de sécurité c'est [password]"),
        ("fr", "mon mot de passe c'est palmier d'or", "mon mot de passe c'est [password]"),
        ("fr", "ma phrase secrète c'est le chat dort sur le toit", "ma phrase secrète c'est [password]"),
        ("fr", "le cause de mon compte c'est quatre vingt deux zéro sept", "le cause de mon compte c'est [code]"),
        ("fr", "mon code c'est 4137 mes je ne suis pas sûre", "mon code c'est [code] mes je ne suis pas sûre"),
        ("fr", "ma ligne c'est 662 84 29 36 poste douze", "ma ligne c'est [phone] poste douze"),
        ("fr", "elle finit par 4471 c'est une visa", "elle finit par [card] c'est une visa"),
        ("fr", "c'est bon 1374 1976", "c'est bon [phone]"),
        ("fr", "le bon de livraison 1374 1976", None),
        (
            "fr",
            "le portable zéro sept soixante dix huit quarante et un deux fois le dix neuf",
            "le portable [phone]",
        ),
        (
            "fr",
            "c'est zéro sept soixante douze zéro cinq vingt neuf je voulais dire trente cinquante neuf",
            "c'est [number]",
        ),
        ("fr", "iban f comme france r comme robert 76 3000 3597 4784 6486 8230 751", "iban [iban]"),
        ("fr", "c'est a lefevre arobase outlook point com", "c'est [email]"),
        ("fr", "mon mail moreau un cinq arobase laposte point net", "mon mail [email]"),
        ("fr", "conformément à la loi zéro neuf zéro huit vous disposez d'un droit", None),
        ("fr", "mon fils passe ses examens en ligne", None),
        ("fr", "ma prochaine étape c'est niamey", None),
        ("fr", "la photo au dos c'est marqué deux cent grammes", None),
        ("fr", "au compteurje lis deux trois huit un sept", None),
    ],
)
def test_forms(language: str, text: str, redacted: str | None) -> None:
    assert redact_text(text, language)[0] == (redacted or text)


def _answer(question: str, answer: str, language: str) -> str:
    redactor = Redactor(language=language)
    redactor.overheard({"text": question, "start_ms": 0, "end_ms": 2_000, "language": language})
    record = {"text": answer, "start_ms": 2_500, "end_ms": 4_000, "language": language}
    return str([*redactor.push(record), *redactor.flush(None)][0]["text"])


def test_a_password_comes_after_a_pause_behind_its_announcement() -> None:
    for announced in ("mon mot de passe alors attendez", "la question secrète je réponds toujours"):
        redactor = Redactor(language="fr")
        out = redactor.push({"text": announced, "start_ms": 0, "end_ms": 2_000, "language": "fr"})
        out += redactor.push({"text": "c'est hirondelle", "start_ms": 2_500, "end_ms": 4_000, "language": "fr"})
        out += redactor.flush(None)
        assert [record["text"] for record in out] == [announced, "c'est [password]"]


@pytest.mark.parametrize(
    ("begun", "ended", "texts"),
    [
        (
            "je commence quarante quarante huit vous me dites",
            "zéro sept vingt huit quatre vingt seize treize",
            ["je commence [number]", "[number]"],
        ),
        ("bon alors 5145 je vous laisse noter", "la suite 2249 9704 0861", ["bon alors [card]", "[card]"]),
        (
            "notez cinquante et un trente deux vous y êtes",
            "oui donc vingt neuf cinquante et un trente cinq dix neuf",
            ["notez [number]", "[number]"],
        ),
        (
            "la carte quarante neuf soixante dix euh une seconde elle est dans mon sac",
            "soixante zéro quatre quatre vingt cinq cinquante et un soixante dix neuf cinquante deux",
            ["la carte [card] euh une seconde elle est dans mon sac", "[card]"],
        ),
    ],
)
def test_what_is_said_while_a_card_is_noted_does_not_end_it(begun: str, ended: str, texts: list[str]) -> None:
    redactor = Redactor(language="fr")
    out = redactor.push({"text": begun, "start_ms": 0, "end_ms": 3_000, "language": "fr"})
    out += redactor.push({"text": ended, "start_ms": 3_800, "end_ms": 7_000, "language": "fr"})
    out += redactor.flush(None)
    assert [record["text"] for record in out] == texts


def test_ones_and_hesitations_alone_may_begin_a_number() -> None:
    redactor = Redactor(language="en")
    out = redactor.push({"text": "one uh one uh one uh", "start_ms": 0, "end_ms": 900, "language": "en"})
    out += redactor.push(
        {"text": "zero zero zero zero zero zero", "start_ms": 2_000, "end_ms": 2_900, "language": "en"}
    )
    out += redactor.flush(None)
    assert "one" not in " ".join(str(record["text"]) for record in out).split()


def test_the_answer_to_a_question_for_a_password_is_one() -> None:
    assert _answer("et le nom de jeune fille de votre mère", "berthelot b e r t h e l o t", "fr") == "[password]"
    born = "question de sécurité dans quelle ville êtes vous né"
    assert _answer(born, "ben c'était strasbourg en soixante dix neuf", "fr") == "ben c'était [password]"
    assert (
        _answer("vous avez un mot de passe vous vous en souvenez", "oui c'est marmotte", "fr") == "oui c'est [password]"
    )
    assert _answer("et votre mot de passe s'il vous plaît", "c'est citron vert", "fr") == "c'est [password]"
    assert _answer("what's your memorable word", "it's trampoline", "en") == "it's [password]"


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [
        ("fr", "avez vous votre mot de passe", "je l'ai oublié"),
        ("en", "what's your password", "one moment please"),
        ("es", "no diga nunca su contraseña", "entendido muchas gracias"),
        ("pt", "a sua palavra passe está correta", "ótimo"),
    ],
)
def test_other_answers_stay(language: str, question: str, answer: str) -> None:
    assert _answer(question, answer, language) == answer


def test_a_password_that_was_told_makes_no_secret_of_what_follows() -> None:
    redactor = Redactor(language="en")
    redactor.overheard({"text": "what's your password", "start_ms": 0, "end_ms": 1_000, "language": "en"})
    out = redactor.push({"text": "blue kettle", "start_ms": 1_500, "end_ms": 2_500, "language": "en"})
    out += redactor.push({"text": "tomorrow afternoon works", "start_ms": 4_000, "end_ms": 5_000, "language": "en"})
    assert [record["text"] for record in out] == ["[password]", "tomorrow afternoon works"]
