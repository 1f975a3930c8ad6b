"""Arabic words as patterns compare them: one spelling for the many in use, and what is written onto their front.

Darija has no fixed spelling, least of all in Latin letters (arabizi): vowels come and go, 3 7 9 are letters, doubling is
at will. Of a Latin word only the consonants are compared, and the vowel it ends on: "3ayyett", "3eyet" and "3iyt" are one
word, and so are "lmochkil" and "lmouchkel". The article and short words before a noun, and what makes the person and
tense of a verb, may stand on the front of it in both scripts.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ARABIC = re.compile(r"[\u0600-\u06ff]")
_DOUBLED = re.compile(r"([a-z0-9])\1+")
_DRAWN_OUT = re.compile(r"(.)\1{2,}")
_WORD_CHARS_MIN = 2
VERB_CHARS_MIN = 2
SKELETON_LETTERS_MIN = 3
"""A word of fewer consonants is compared with its vowels: they are all there is to tell it by."""


def is_arabic(word: str) -> bool:
    return _ARABIC.match(word) is not None


@lru_cache(maxsize=20_000)
def arabizi(word: str) -> str:
    """A light spelling of a Darija word in Latin letters, vowels kept; Arabic script comes back as it is."""
    if not word.isascii():
        return word
    for sign, plain in (("kh", "5"), ("gh", "8"), ("sh", "x"), ("ch", "x"), ("ou", "u"), ("oo", "u")):
        word = word.replace(sign, plain)
    word = word.translate(_SIGNS if len(word) > _SIGNS_LETTERS_MIN else _SHORT_SIGNS)
    return _DOUBLED_LETTER.sub(r"\1", word) or word


_DOUBLED_LETTER = re.compile(r"([a-z])\1+")
_SIGNS = str.maketrans({"7": "h", "9": "q", "3": "a", "y": "i", "o": "u", "e": None, "2": None})
_SHORT_SIGNS = str.maketrans({"7": "h", "9": "q", "3": "a", "y": "i", "o": "u"})
_SIGNS_LETTERS_MIN = 3
"""In a word of so many letters or fewer, "e" and "2" are all there is to tell it by."""


@lru_cache(maxsize=50_000)
def spelled(word: str, *, stem: bool = False, verb: bool = False) -> str:
    """What a word is compared by; of a stem also the vowel at its end may go on and is left out."""
    if not word.isascii():
        return _arabic(word) if is_arabic(word) else word
    if word.isdigit() or word.startswith("["):
        return word
    short = _skeleton(word, stem)
    return short if len(short) >= (VERB_CHARS_MIN if stem or verb else SKELETON_LETTERS_MIN) else arabizi(word)


def _arabic(word: str) -> str:
    word = _DRAWN_OUT.sub(r"\1", word.translate(_ARABIC_LETTERS)) or word
    if word == "اللي":
        return "لي"
    ending = word.endswith("ا") and len(word) >= _ENDING_LETTERS_MIN and not word.endswith("خطا")
    return word[:-1] if ending else word


_ENDING_LETTERS_MIN = 5
"""A longer word is compared without the alif of "شخصيا" and "أغلقوا"."""
_ARABIC_LETTERS = str.maketrans({"ث": "ت", "ذ": "د", "ظ": "ض", "گ": "ك", "ڭ": "ك", "ڤ": "ف", "پ": "ب", "ء": None})
"""Letters that Moroccan writers use for one another."""
_TWO_SIGNS = (
    ("kh", "5"), ("gh", "8"), ("sh", "x"), ("ch", "x"), ("th", "t"), ("dh", "d"), ("ph", "f"), ("ck", "k"),
    ("ou", "u"), ("oo", "u"), ("yy", "Y"), ("ww", "W"), ("iy", "y"), ("yi", "y"),
)  # fmt: skip
_ONE_SIGN = str.maketrans({"7": "h", "9": "q", "6": "t", "c": "k", "2": None})
_VOWELS = "aeiou3"
_FIRST_VOWELS = {"a": "3", "i": "y", "e": "", "o": "u", "u": "u", "y": "y"}
_LAST_VOWELS = {"a": "a", "e": "", "i": "i", "y": "i", "o": "u", "u": "u", "w": "u"}


def _skeleton(word: str, stem: bool) -> str:
    for two, one in _TWO_SIGNS:
        word = word.replace(two, one)
    word = _DOUBLED.sub(r"\1", word.translate(_ONE_SIGN))
    last = len(word) - 1
    found = []
    for at, sign in enumerate(word):
        beside = (at > 0 and word[at - 1] in _VOWELS) or (at < last and word[at + 1] in _VOWELS)
        if sign in "YW":
            found.append(sign.lower())
        elif sign in "iyuw" and beside and not (at == last and sign in "iu" and word[at - 1] not in "aeo3"):
            found.append("y" if sign in "iy" else "w")
        elif at == 0 and sign in _FIRST_VOWELS:
            found.append(_FIRST_VOWELS[sign])
        elif at == last and sign in _LAST_VOWELS:
            found.append("" if stem else _LAST_VOWELS[sign])
        elif sign == "w" or sign not in "aeiouy":
            found.append(sign)
    letters = "".join(found)
    fewer = _DOUBLED.sub(r"\1", letters)
    return fewer if len(fewer) >= SKELETON_LETTERS_MIN else letters


def sound(word: str) -> str:
    """The consonants that are heard, whatever script a word is written in: "بزاف", "bzaf" and "bezzaf" are "bzf", "المشكل" and
    "lmochkil" are "lmxkl" (but "khidmah", which arabic_script.py mends). Much coarser than `spelled`, and shorter."""
    if word.isascii():
        for signs, letter in _HEARD_TOGETHER:
            word = word.replace(signs, letter)
        word = _SOFT_C.sub("s", word)
    word = word if word in HIS else LAST_H.sub("", word)
    first = _FIRST_HEARD.get(word[:1], "")
    return _HEARD_TWICE.sub(r"\1", first + word.translate(_HEARD))


_HEARD_TOGETHER = (
    ("kh", "5"), ("gh", "8"), ("sh", "x"), ("ch", "x"), ("th", "t"), ("dh", "d"), ("ph", "f"), ("qu", "k"), ("dj", "j"),
)  # fmt: skip
_SOFT_C = re.compile("c(?=[eiy])")
HIS = frozenset(
    [
        "فيه", "بيه", "ليه", "معه", "منه", "عنه", "كله", "وجه", "انه", "هذه", "ايه", "عليه", "اليه", "وفيه", "خليه", "نخليه",
        "عطيه", "نعطيه", "نفسه", "عنده", "لديه", "بعده", "قبله",
    ]
)  # fmt: skip
"""The commonest words that end in "his" (or in an own "ه") and look like a feminine."""
LAST_H = re.compile("(?<=..)(?<![او])(?<!لل)ه$")
"""What `text.fold` makes of the ending of "خدمة".
After alif and waw and in "الله" it is heard; so is the "h" of "lbareh", which is a "ح"."""
_HEARD_TWICE = re.compile(r"(.)\1+")
_FIRST_HEARD = {"و": "w", "ي": "y", "w": "w", "y": "y"}
"""Elsewhere in a word they may as well be vowels."""
_HEARD = str.maketrans(
    dict(zip("ثتطذدضظسصحهخغقگڭجشزكفڤبپرلمنع", "tttddddsshh58qqqjxzkffbbrlmn3", strict=True))
    | {"7": "h", "9": "q", "g": "q", "6": "t", "c": "k", "v": "f", "p": "b"}
    | dict.fromkeys("اأإآءئؤىةويaeiouyw2'\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652", "")
)

_FRONTS = (
    *("و", "ف", "ال", "ب", "ل", "ك", "د", "وال", "فال", "بال"),
    *("كال", "دال", "لل", "ول", "فل", "بل", "وب", "وبال", "ولل"),
)
_LATIN_FRONTS = ("l", "3l", "w", "f", "b", "d", "wl", "fl", "bl", "dl", "ll")
_ARABIC_FRONT = "(?:و(?:بال|ال|لل|ل|ب)?|ف(?:ال|ل)?|ب(?:ال|ل)?|ل(?:ل)?|[كد](?:ال)?|ال)?"
"""The same, the longest first, by their first letters."""
_LATIN_FRONT = "(?:(?:3l|[wfbdl]?l|[wfbd]) ?|(?:al|el|la|le|les) )?"
"""Written onto a word or before it: "lcontrat", "l'contrat", "l contrat"."""


def front_of(word: str, latin_arabic: bool) -> str:
    """The expression for what may be written onto the front of a word."""
    if is_arabic(word):
        return _ARABIC_FRONT
    return _LATIN_FRONT if latin_arabic and len(word) >= SKELETON_LETTERS_MIN and word.isalnum() else ""


@lru_cache(maxsize=50_000)
def forms(word: str, latin_arabic: bool = False) -> tuple[str, ...]:
    """The word, and the words it may be without what is written onto its front."""
    fronts: tuple[str, ...]
    if not is_arabic(word):
        if not latin_arabic or not word.isascii():
            return (word,)
        fronts, chars_min = _LATIN_FRONTS, SKELETON_LETTERS_MIN
    else:
        fronts, chars_min = _FRONTS, _WORD_CHARS_MIN
    found = [word]
    for front in fronts:
        if word.startswith(front) and len(word) - len(front) >= chars_min:
            found.append(word[len(front) :])
    return tuple(found)


_ARABIC_VERB = "[وفل]?(?:ما|م|لا)?(?:غادي|كا|تا|غا|[كتغس])?"
_ARABIC_PERSON = "[نتيا]"
_LATIN_VERB = "w?(?:ma|m)?(?:8d|[kt8s])?"
_LATIN_PERSON = "[nty] ?"
_ARABIC_VERBS = re.compile(f"{_ARABIC_VERB}{_ARABIC_PERSON}?")
_LATIN_VERBS = re.compile(f"{_LATIN_VERB}[nty]?")
VERB_STEM_MIN = 3
"""A stem of fewer letters needs a person before it."""


def verb_front_of(stem: str) -> str:
    """The expression for person, tense and negation before a verb."""
    front, person = (_ARABIC_VERB, _ARABIC_PERSON) if is_arabic(stem) else (_LATIN_VERB, _LATIN_PERSON)
    return f"{front}(?:{person})" + ("?" if len(stem) >= VERB_STEM_MIN else "")


@lru_cache(maxsize=50_000)
def verb_forms(word: str) -> tuple[str, ...]:
    """The stems that a word may be a verb of, each after a "+"."""
    fronts = _ARABIC_VERBS if is_arabic(word) else _LATIN_VERBS
    return tuple(
        f"+{word[at:]}"
        for at in range(max(0, min(8, len(word) - 1)))
        if at == 0 or fronts.fullmatch(word[:at]) is not None
    )
