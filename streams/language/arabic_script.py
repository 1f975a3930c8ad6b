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
from streams.language.spelling import is_arabic, sound
from streams.language.text import fold, vocabulary

ALIKE_MIN, SHORT_ALIKE_MIN = 0.6, 0.75
"""Share of letters (difflib's ratio) that a known word has in common with the one written letter by letter; the consonants are alike
already. The second where hardly any are heard."""
SHORT_SOUND = 2
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
    **dict.fromkeys(("7ta", "hta", "7tta"), "حتى"),
    **dict.fromkeys(("3ayet", "3ayett", "3ayyet", "3iyet", "3iyett", "3eyet", "3eyyet", "3yet", "3ayt"), "عيطت"),
    "3la": "على",
    "fin": "فين",
    "li": "لي",
    "lli": "اللي",
    "tlata": "ثلاثة",
}
"""Said all the time, and near to other words or the same as French ones."""
_NUNATED = {"xkrn": "شكرا", "tb3n": "طبعا"}
"""By sound, of words in "-an": it is heard and not written."""
_FRENCH = frozenset({"le", "de", "du", "je", "un", "en", "et", "au", "ce", "ne", "vous", "nous"})
_EITHER = frozenset(
    {"la", "ma", "ta", "sa", "si", "se", "ni", "il", "y", "a", "on", "tu", "me", "te", "lui", "sur", "mon"}
)
"""French before French, else Darija."""
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
        "wifi",
        "pdf",
        "sim",
        "iban",
        "rib",
        "dh",
        "tva",
    }
)
_ELIDED = re.compile("(?:[cdjlmnst]|qu)'")
_FIGURES = re.compile(
    r".*[014].*|\d+(?:g|gb|go|mb|mo|km|kg|h|e|er|eme|eur|mad|dh|kwh|min|mn|cm|mm|ml)|[a-z]\d+|mp3|\d+"
)
"""Of a word in an Arabic call that are no letters: "4g", "b12"; in "m3a", "sme3" and "m39oul" they are."""
_OWN_H = ("اه", "يه", "وه", "الله")


def in_arabic_script(text: str) -> str:
    """A lower-case utterance of an Arabic call with its Darija in Arabic letters."""
    text = text.replace("’", "'")
    words = _WORD.findall(text)
    latin = iter(_stay_latin(words))
    return _WORD.sub(lambda match: match[0] if next(latin) else _written(match[0]), text)


def _stay_latin(words: Sequence[str]) -> list[bool]:
    """Whether each word is French, or no word: what may be both is what the next one is."""
    found: list[bool] = []
    for word in reversed(words):
        too_long = len(word) > WORD_LETTERS_MAX  # to be looked up and kept
        found.append(found[-1] if word in _EITHER and found else too_long or _is_foreign(word))
    return found[::-1]


@lru_cache(maxsize=50_000)
def _is_foreign(word: str) -> bool:
    if word in _SHORT_WORDS or word in _EITHER:
        return False
    if not word.isascii() or word in _OF_THE_TRADE or word in _FRENCH:
        return True
    elided = _ELIDED.match(word)
    rest = word[elided.end() :] if elided else word
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
    rest = _by_letter(word[1:])
    if fold(word[1:]) in _french_words():
        return f"ال{rest}"
    return _known(heard, f"ال{rest}") or f"ال{_known(sound(word[1:]), rest) or rest}"


def _known(heard: str, by_letter: str) -> str | None:
    """The word of ordinary calls that sounds so and is written most like that; of one consonant there are too many."""
    if len(heard) < SHORT_SOUND:
        return None
    likeness, best = max(((_likeness(by_letter, one), one) for one in _by_sound().get(heard, ())), default=(0.0, ""))
    return best if likeness >= (ALIKE_MIN if len(heard) > SHORT_SOUND else SHORT_ALIKE_MIN) else None


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _by_letter(word: str) -> str:
    first = _FIRST_VOWEL.get(word[0], "")
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
    """With the ending of "خدمة", which the vocabulary has as "خدمه": "his" is another ending in Darija, but
    in a few words ("معه"), which get it wrongly."""
    return f"{word[:-1]}ة" if len(word) > 2 and word.endswith("ه") and not word.endswith(_OWN_H) else word


@lru_cache(maxsize=1)
def _french_words() -> frozenset[str]:
    return frozenset(vocabulary("fr"))
