"""Plain Darija is read alike in Arabic and in Latin letters."""

import pytest

from streams.language import analyse

PAIRS = [
    ("customer", "cancellation", "بغيت نلغي الكونطرا", "bghit nlghi lkontra"),
    ("customer", "cancellation", "بغيت نلغي الاشتراك ديالي", "bghit nlghi lichtirak dyali"),
    ("customer", "cancellation", "بغيت نسد الحساب ديالي", "bghit nsed lhsab dyali"),
    ("customer", "cancellation", "غادي نبدل الشركة", "ghadi nbeddel charika"),
    ("customer", "repeated_contact", "هادي المرة الثالثة اللي كنتاصل بيكم", "hadi lmerra talta li kanettasel bikom"),
    ("customer", "repeated_contact", "هادي ثالث مرة كنعيط ليكم", "hadi talet mra kan3eyet likom"),
    ("customer", "repeated_contact", "عيطت البارح على نفس المشكل", "3eyett lbareh 3la nefs lmochkil"),
    ("customer", "escalation", "بغيت نهضر مع المسؤول", "bghit nhder m3a lmas2oul"),
    ("customer", "escalation", "دوز ليا الشاف ديالك", "douz liya chef dyalek"),
    ("customer", "legal_threat", "غادي نمشي للمحكمة", "ghadi nmchi lmahkama"),
    ("customer", "regulator_press", "غادي نفضحكم فالفايسبوك", "ghadi nfdehkom f facebook"),
    ("customer", "abuse", "سد فمك", "sed fomek"),
    ("customer", "hearing_trouble", "ما كنسمعكش مزيان", "ma kansem3ekch mezyan"),
    ("customer", "waiting", "هادي نص ساعة وانا كنتسنا", "hadi nos sa3a w ana kantsenna"),
    ("customer", "thanks", "الله يعطيك الصحة", "lah y3tik sa7a"),
    ("customer", "closing", "مع السلامة", "m3a salama"),
    ("agent", "greeting", "السلام عليكم", "salam 3likom"),
    ("agent", "help_offer", "غادي نشوف ليك الملف ديالك", "ghadi nchouf lik lmilef dyalek"),
    ("agent", "disclosure", "هاد المكالمة كتسجل", "had lmokalama katsejjel"),
    ("agent", "transfer", "غادي ندوزك للمصلحة التقنية", "ghadi ndouzek lmaslaha tti9niya"),
    ("agent", "waiting", "تسنا معايا شوية", "tsenna m3aya chwiya"),
    ("agent", "closing", "نهارك مبروك", "nharek mabrouk"),
    ("agent", "apology", "سمح لينا على هاد المشكل", "smeh lina 3la had lmochkil"),
    ("agent", "empathy", "ما تقلقش", "mat9le9ch"),
]
NOTHING_SAID = [
    ("customer", "واش ممكن تدوزني للمصلحة التقنية", "wach momkin tdouzni l lmasla7a te9niya"),
    ("customer", "ما محتاجش نهضر مع المسؤول", "ma mhtajch nhder m3a lmas2oul"),
    ("customer", "عيطت البارح وتحل المشكل", "3eyett lbareh w t7ell lmochkil"),
    ("customer", "بغيت نخلص الفاتورة", "bghit nkhelles lfatora"),
    ("customer", "فين كاين الفرع ديالكم", "fin kayn lfer3 dyalkom"),
]


def _said(text: str, party: str) -> set[str]:
    return {phrase["category"] for phrase in analyse(text, "ar", party).phrases}


@pytest.mark.parametrize(("party", "category", "arabic", "latin"), PAIRS)
def test_plain_darija_is_found_in_both_scripts(party: str, category: str, arabic: str, latin: str) -> None:
    assert category in _said(arabic, party)
    assert category in _said(latin, party)


@pytest.mark.parametrize(("party", "arabic", "latin"), NOTHING_SAID)
def test_plain_darija_that_says_nothing_is_taken_for_nothing_in_both_scripts(
    party: str, arabic: str, latin: str
) -> None:
    assert _said(arabic, party) == set()
    assert _said(latin, party) == set()
