"""Darija in Latin letters, written in Arabic ones: what a sentence model has read more of.

"3afak" may become "عافاك" in many ways; where the words of ordinary calls hold one that sounds the same, it is that one, and else letter
by letter. French in between stays as it is where it is known for French. Only the model reads it: spans and quotes are of what was said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from streams.language.identify import is_darija
from streams.language.parts import WORD_LETTERS_MAX
from streams.language.spelling import HIS, LAST_H, is_arabic, sound
from streams.language.text import fold, vocabulary

ALIKE_MIN, SHORT_ALIKE_MIN = 0.6, 0.75
"""Share of letters (difflib's ratio) that a known word has in common with the one written letter by letter; the consonants are alike
already. The second where hardly any are heard."""
SHORT_SOUND = 2
TIE = 0.01
"""What makes of two words that are alike the one with the vowels that are written."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_TWO_SIGNS = (
    ("kh", "خ"), ("gh", "غ"), ("sh", "ش"), ("ch", "ش"), ("th", "ث"), ("dh", "ذ"), ("dj", "ج"),
    ("qu", "ك"), ("ou", "و"), ("oo", "و"), ("ee", "ي"), ("ei", "ي"),
)  # fmt: skip
_SOFT_C = re.compile("c(?=[eiy])")
_DOUBLED = re.compile(r"(.)\1+")
_FIRST_VOWEL = {"a": "ا", "e": "ا", "i": "إ", "o": "أ", "u": "أ"}
_ONE_SIGN = str.maketrans(
    dict(zip("bptjdrzsfvqklmnhwyiouagcx", "ببتجدرزسففقكلمنهوييوواككش", strict=True))
    | {"2": "ء", "3": "ع", "5": "خ", "6": "ط", "7": "ح", "8": "غ", "9": "ق", "e": ""}
)
_ARTICLE = re.compile("l[^aeiouyl](?=.{2})")
_SHORT_WORDS = {
    **dict.fromkeys(("w", "o", "ou", "u"), "و"),
    **dict.fromkeys(("wahed", "wahd", "wa7ed", "wa7d"), "واحد"),
    **dict.fromkeys(("mn", "men"), "من"),
    **dict.fromkeys(("lah", "llah", "allah"), "الله"),
    **dict.fromkeys(("wehda", "we7da", "wa7da", "wahda"), "وحدة"),
    **dict.fromkeys(("7ta", "hta", "7tta"), "حتى"),
    **dict.fromkeys(("3ayet", "3ayett", "3ayyet", "3iyet", "3iyett", "3eyet", "3eyyet", "3yet", "3ayt"), "عيطت"),
    **dict.fromkeys(("wallah", "walah", "wellah", "wllah", "wlah"), "والله"),
    **dict.fromkeys(("inchallah", "inchalah", "inshallah", "nchallah", "nchalah", "incha'allah"), "إنشاءالله"),
    **dict.fromkeys(("hamdoulah", "hamdolah", "hamdoulillah", "lhmdlah", "lhamdoulah", "lhamdollah"), "الحمدلله"),
    **dict.fromkeys(("lhamdoulillah", "lhamdulilah", "l7amdoulilah", "lhamdolilah"), "الحمدلله"),
    **dict.fromkeys(("chwiya", "chwya", "chwia", "chouiya", "chwiyya", "chouia"), "شوية"),
    **dict.fromkeys(("makayn", "makain", "makayen"), "ماكاين"),
    **dict.fromkeys(("naam", "na3am", "n3am"), "نعم"),
    **dict.fromkeys(("houwa", "howa", "huwa"), "هو"),
    **dict.fromkeys(("hiya", "hya"), "هي"),
    **dict.fromkeys(("mya", "miya", "myat", "miyat", "myet"), "مية"),
    **dict.fromkeys(("mora", "moura"), "مورا"),
    **dict.fromkeys(("salam", "slam"), "سلام"),
    **dict.fromkeys(("alikom", "alikoum", "alaykoum", "alaikoum", "alaykom"), "عليكم"),
    **dict.fromkeys(("3tito", "3titou"), "عطيتو"),
    "salma": "سلمى",
    "resilit": "ريزيليت",
    "payit": "بايت",
    "baqa": "باقا",
    "krit": "كريت",
    "derri": "دري",
    "ga3": "كاع",
    "redd": "رد",
    "3la": "على",
    "kol": "كل",
    "fik": "فيك",
    "fin": "فين",
    "li": "لي",
    "lli": "اللي",
    "tlata": "ثلاثة",
}
"""Said all the time, and near to other words or the same as French ones."""
_NUNATED = {"xkrn": "شكرا", "tb3n": "طبعا"}
"""By sound, of words in "-an": it is heard and not written."""
_FRENCH = frozenset(
    [
        "le", "de", "du", "je", "un", "en", "et", "au", "ce", "ne", "vous", "nous", "va", "vas", "ca", "ci", "stp", "bref",
        "chui", "moquez", "optique", "inadmissible",
    ]
)  # fmt: skip
_EITHER = frozenset(
    [
        "la", "ma", "ta", "sa", "si", "se", "ni", "il", "y", "a", "ai", "on", "tu", "me", "te", "lui", "sur", "mon", "j", "m",
        "n", "s", "c", "t", "qu",
    ]
)  # fmt: skip
"""French before French, or after it at the end; else Darija."""
_OF_THE_TRADE = frozenset(
    {
        "ok",
        "email",
        "mail",
        "gmail",
        "app",
        "lte",
        "vpn",
        "cv",
        "rdv",
        "sms",
        "adsl",
        "box",
        "wifi",
        "pdf",
        "sim",
        "iban",
        "rib",
        "dh",
        "tva",
    }
)
_ELIDED = re.compile("(?:[cdjlmnsty]|(?:quel|lors|jus|puis|pres)?qu)'")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`", "'"))
_FIGURES = re.compile(
    r".*[014].*|\d+(?:g|gb|go|mb|mo|km|kg|h|e|er|eme|eur|mad|dh|kwh|min|mn|cm|mm|ml)|[a-z]\d+|mp3|\d+"
)
"""Of a word in an Arabic call that are no letters: "4g", "b12"; in "m3a", "sme3" and "m39oul" they are."""


def in_arabic_script(text: str) -> str:
    """A lower-case utterance of an Arabic call with its Darija in Arabic letters."""
    text = text.translate(_APOSTROPHES)
    words = _WORD.findall(text)
    latin = iter(_stay_latin(words))
    return _WORD.sub(lambda match: match[0] if next(latin) else _written(match[0]), text)


def _stay_latin(words: Sequence[str]) -> list[bool]:
    """Whether each word is French, or no word: what may be both is what the next one is, or the one before at the end."""
    sure = [None if word in _EITHER else len(word) > WORD_LETTERS_MAX or _is_foreign(word) for word in words]
    known = next((one for one in reversed(sure) if one is not None), False)
    found: list[bool] = []
    for one in reversed(sure):
        known = known if one is None else one
        found.append(known)
    return found[::-1]


@lru_cache(maxsize=50_000)
def _is_foreign(word: str) -> bool:
    if word in _SHORT_WORDS:
        return False
    if not word.isascii() or word in _OF_THE_TRADE or word in _FRENCH:
        return True
    elided = _ELIDED.match(word)
    rest = word[elided.end() :] if elided else word
    if rest == "aujourd'hui" or rest.removeprefix("l") in _OF_THE_TRADE:
        return True
    if not rest.replace("'", "").isalpha():
        return _FIGURES.fullmatch(rest) is not None
    return not is_darija(word) and (fold(rest) in _french_words() or (elided is not None and len(rest) <= SHORT_SOUND))


@lru_cache(maxsize=50_000)
def _written(word: str) -> str:
    word = word.replace("'", "")
    heard = sound(word)
    if word in _SHORT_WORDS:
        return _SHORT_WORDS[word]
    if heard in _NUNATED and word.endswith("n"):
        return _NUNATED[heard]
    if not _ARTICLE.match(word):
        by_letter = _by_letter(word)
        return _known(heard, by_letter) or by_letter
    if fold(word[1:]) in _french_words():
        return f"ال{_by_letter(word[1:].replace('x', 'ks'))}"
    rest = _by_letter(word[1:])
    by_letter, bare = f"ال{rest}", _known(sound(word[1:]), rest)
    found = [one for one in (_known(heard, by_letter), bare and f"ال{bare}") if one]
    return max(found, key=lambda one: _likeness(by_letter, one), default=by_letter)


def _known(heard: str, by_letter: str) -> str | None:
    """The word of ordinary calls that sounds so and is written most like that; of one consonant there are too many."""
    if len(heard) < SHORT_SOUND:
        return None
    sounds = (heard, heard.removesuffix("h")) if by_letter.endswith("ه") else (heard,)  # some write "khidmah"
    known = (word for one in sounds for word in _by_sound().get(one, ()))
    likeness, best = max(((_likeness(by_letter, word), word) for word in known), default=(0.0, ""))
    return best if likeness >= (ALIKE_MIN if len(heard) > SHORT_SOUND else SHORT_ALIKE_MIN) else None


def _likeness(by_letter: str, known: str) -> float:
    """By the letters that Moroccan writers keep apart, with the short vowels written and without, a "g" taken for "ق" or "ك"."""
    heard, other = by_letter.translate(_NEAR), known.translate(_NEAR)
    short, wide = _INNER_ALIF.sub("", heard), other.translate(_NEAR_TOO)
    return max(
        _alike(heard, other),
        _alike(short, other) - TIE,
        _alike(heard.translate(_NEAR_TOO), wide) - TIE,
        _alike(short.translate(_NEAR_TOO), wide) - 2 * TIE,
    )


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


_NEAR = str.maketrans({"ث": "ت", "ط": "ت", "ذ": "د", "ض": "د", "ظ": "د", "ص": "س", "ة": "ا"})
_NEAR_TOO = str.maketrans({"ق": "ك", "ح": "ه"})
_INNER_ALIF = re.compile("(?<!^)(?<!^ال)ا(?!$)")


def _by_letter(word: str) -> str:
    first = _FIRST_VOWEL.get(word[0], "")
    word = word[0] + word[1:].replace("iy", "y")
    for signs, letter in _TWO_SIGNS:
        word = word.replace(signs, letter)
    word = _DOUBLED.sub(r"\1", _SOFT_C.sub("s", word))
    if first and word[0].isascii():
        word = first + word[1:]
    return word.translate(_ONE_SIGN)


@lru_cache(maxsize=1)
def _by_sound() -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for word in vocabulary("ar"):
        if is_arabic(word):
            found.setdefault(sound(word), []).append(_unfolded(word))
    return found


def _unfolded(word: str) -> str:
    """With the ending of "خدمة", which the vocabulary has as "خدمه"."""
    return word if word in HIS else LAST_H.sub("ة", word)


@lru_cache(maxsize=1)
def _french_words() -> frozenset[str]:
    return frozenset(vocabulary("fr"))
