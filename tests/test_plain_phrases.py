"""Plain sentences in which an exception once stood in the way of what is said, or a pattern found what is not: by the patterns alone."""

from __future__ import annotations

import pytest

from streams.language.phrases import find_phrases
from streams.language.text import words_of

SAID = [
    ("en", "customer", "cancellation", "it doesn't work so i want to cancel my contract"),
    ("en", "customer", "cancellation", "i was cut off again so i'm cancelling my contract"),
    ("en", "customer", "cancellation", "i won't be staying with you after this"),
    ("en", "customer", "waiting", "i've been on hold for twenty minutes"),
    ("en", "customer", "repeated_contact", "i've called three times and you keep hanging up"),
    ("en", "agent", "apology", "i'm so sorry there's been a mix up"),
    ("en", "agent", "transfer", "i'll put you on hold and transfer you to billing"),
    ("en", "customer", "legal_threat", "my brother is a barrister and we will sue you"),
    ("fr", "customer", "legal_threat", "je vais porter plainte à la police contre vous"),
    ("fr", "customer", "cancellation", "mon mari est décédé je dois résilier sa ligne"),
    ("fr", "customer", "escalation", "je veux parler à un chef pas à un employé comme vous"),
    ("fr", "customer", "cancellation", "c'est combien le préavis parce que je veux résilier"),
    ("ar", "customer", "legal_threat", "غنرفع عليكم قضية فالمحكمة"),
    ("ar", "customer", "cancellation", "ما بغيتش نبدل الباقة بغيت نلغي العقد"),
    ("ar", "customer", "repeated_contact", "ماشي أول مرة كنعيط ليكم"),
    ("ar", "customer", "thanks", "شكرا بزاف الله يسهل عليكم"),
    ("ar", "customer", "hearing_trouble", "ما كنسمعكش مزيان راني فالطوموبيل"),
    ("ar", "agent", "help_offer", "ما نقدرش نلغيه ولكن نقدر نصيفط ليك تقني"),
    ("pt", "customer", "escalation", "não quero falar com a máquina quero falar com o gerente"),
    ("pt", "customer", "cancellation", "não obrigado quero mesmo cancelar o serviço"),
    ("pt", "customer", "regulator_press", "vou expor a vossa aplicação nas redes sociais"),
    ("pt", "customer", "repeated_contact", "já liguei quatro vezes e só ouvi música"),
    ("pt", "customer", "thanks", "agradeço o que fez por mim"),
    ("es", "customer", "cancellation", "no gracias lo que quiero es darme de baja"),
    ("es", "customer", "cancellation", "cambié de dirección y quiero cancelar el servicio"),
    ("es", "customer", "escalation", "mi negocio está parado páseme con su supervisor"),
    ("es", "customer", "repeated_contact", "ya he pedido tres veces que me llamen y no llaman"),
    ("es", "customer", "abuse", "usted eres un burro"),
]
NOT_SAID = [
    ("en", "customer", "repeated_contact", "please send it to me again"),
    ("en", "customer", "repeated_contact", "every time i try to log in it crashes"),
    ("en", "customer", "cancellation", "can you take it off the bill"),
    ("en", "customer", "cancellation", "i want to switch to the annual plan"),
    ("en", "customer", "abuse", "i have a brain scan on monday"),
    ("en", "customer", "thanks", "i don't appreciate being spoken to like that"),
    ("en", "agent", "empathy", "it's hard to say from here"),
    ("fr", "customer", "cancellation", "je voudrais mettre la ligne à mon nom"),
    ("fr", "customer", "escalation", "parlez plus haut s'il vous plaît"),
    ("fr", "customer", "hearing_trouble", "passez moi quelqu'un de plus haut"),
    ("fr", "customer", "repeated_contact", "c'est la troisième fois que le wifi tombe en panne ce mois ci"),
    ("fr", "agent", "transfer", "je vous passe les détails"),
    ("fr", "customer", "closing", "j'ai passé une bonne journée à attendre"),
    ("ar", "customer", "abuse", "وصلني ميساج من شي محتالين"),
    ("ar", "customer", "legal_threat", "كندعي ليك بالتوفيق"),
    ("ar", "customer", "hearing_trouble", "الكونيكسيون ضعيفة هاد السيمانة"),
    ("ar", "customer", "repeated_contact", "كتبت الكود السري ثلاث مرات"),
    ("ar", "agent", "empathy", "للأسف ما عندناش هاد العرض"),
    ("pt", "agent", "transfer", "fique descansada que isto resolve se"),
    ("pt", "customer", "cancellation", "devo desligar a net e voltar a ligar"),
    ("pt", "customer", "escalation", "há alguém em casa com mais de dezoito anos"),
    ("pt", "customer", "thanks", "agradeço que resolvam isto depressa"),
    ("pt", "agent", "apology", "sinto muito mas não entendi o nome"),
    ("es", "agent", "transfer", "lamento lo que le pasó"),
    ("es", "customer", "cancellation", "llevo dos días sin línea"),
    ("es", "customer", "repeated_contact", "pedí unos tenis del cuarenta"),
    ("es", "customer", "escalation", "quiero un plan superior"),
    ("es", "customer", "regulator_press", "les mandé un mensaje por twitter y no contestaron"),
]


def by_patterns(text: str, language: str, party: str) -> set[str]:
    return {phrase["category"] for phrase in find_phrases(text, words_of(text, language), language, party)}


@pytest.mark.parametrize(("language", "party", "category", "text"), SAID)
def test_what_is_plainly_said_is_found(language: str, party: str, category: str, text: str) -> None:
    assert category in by_patterns(text, language, party)


@pytest.mark.parametrize(("language", "party", "category", "text"), NOT_SAID)
def test_what_shares_its_words_is_not(language: str, party: str, category: str, text: str) -> None:
    assert category not in by_patterns(text, language, party)
