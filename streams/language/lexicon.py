"""The words of feeling of a language, read once from `lexicon/`: what they weigh, and what turns or scales them.

A caller may mix languages. Arabic text takes the French lists too (Darija is spoken with French), French text the
words of Darija in Latin letters; a word that both have weighs what the language of the call says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from streams.language.patterns import PatternSet
from streams.language.spelling import arabizi, forms, is_arabic
from streams.language.text import language_code, read_yaml, tokens

MIXED_WITH = {"ar": "fr", "fr": "ar"}
"""The other language whose words may stand in a sentence of this one."""
_STEM_MIN = 3
_DRAWN_OUT = re.compile(r"([^\W\d])\1{2,}")
_NOT_IN_ARABIC = 2.0
"""How bad a good word is that Darija negates around it: "makhdamch", of "khdam" (works)."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Weights are -3 to 3; an idiom of weight 0 takes the feeling out of what it names."""

    language: str
    words: Mapping[str, float]
    stems: Mapping[str, float]
    latin: Mapping[str, float]
    """Darija in Latin letters, in the one spelling of `patterns.arabizi`."""
    idioms: tuple[PatternSet[float], ...]
    negations: frozenset[str]
    negations_after: frozenset[str]
    stronger: frozenset[str]
    stronger_after: frozenset[str]
    """Those that stand behind the word: "غالي جدا"."""
    weaker: frozenset[str]
    turns: frozenset[str]
    """Words and pairs of words: "par contre" turns, "par" does not."""

    def weight(self, word: str) -> float:
        return _weight(self.language, word)


@lru_cache(maxsize=8)
def lexicon(language: str | None) -> Lexicon:
    """The lexicon of a language; one that is not known has English."""
    code = language_code(language)
    content = read_yaml(f"lexicon/{code}.yaml")
    other = read_yaml(f"lexicon/{MIXED_WITH[code]}.yaml") if code in MIXED_WITH else {}
    words, stems = _weights(content)
    latin: dict[str, float] = {}
    if code == "ar":
        latin = {arabizi(word): weight for word, weight in words.items() if not is_arabic(word)}
    more_words, more_stems = _weights(other) if other else ({}, {})
    words = {**{word: weight for word, weight in more_words.items() if code == "ar" or word.isascii()}, **words}
    stems = {**{stem: weight for stem, weight in more_stems.items() if code == "ar"}, **stems}
    sets = {name: _words(content, other if code == "ar" else {}, name) for name in _SETS}
    idioms = [PatternSet(_idioms(content), latin_arabic=code == "ar")]
    if other:
        idioms.append(PatternSet(_idioms(other)))
    return Lexicon(language=code, words=words, stems=stems, latin=latin, idioms=tuple(idioms), **sets)


_SETS = ("negations", "negations_after", "stronger", "stronger_after", "weaker", "turns")


def _weights(content: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    words: dict[str, float] = {}
    stems: dict[str, float] = {}
    for weight, listed in content["words"].items():
        for entry in listed.split():
            (token,) = tokens(entry)
            (stems if entry.endswith("~") else words)[token.word] = float(weight)
    return words, stems


def _idioms(content: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(pattern, float(weight)) for weight, listed in content["idioms"].items() for pattern in listed]


@lru_cache(maxsize=1)
def _signs() -> tuple[dict[str, float], re.Pattern[str]]:
    weights = {
        sign: float(weight) for weight, listed in read_yaml("lexicon/signs.yaml").items() for sign in listed.split()
    }
    return weights, re.compile("|".join(re.escape(sign) for sign in sorted(weights, key=len, reverse=True)))


def signs_in(text: str) -> list[tuple[str, float]]:
    """The signs of feeling of a written text, each once, with their weights: 😍, :-(."""
    weights, any_sign = _signs()
    return [(sign, weights[sign]) for sign in dict.fromkeys(any_sign.findall(text))]


def _words(content: Mapping[str, Any], other: Mapping[str, Any], name: str) -> frozenset[str]:
    listed = f"{content.get(name, '')} {other.get(name, '')}"
    return frozenset(" ".join(token.word for token in tokens(entry.replace("_", " "))) for entry in listed.split())


@lru_cache(maxsize=50_000)
def _weight(language: str, word: str) -> float:
    """The weight of a word as it stands, by its stem, without what Arabic writes onto it, or 0."""
    known = lexicon(language)
    for form in (*forms(word), *_shortened(word)):
        if (weight := _plain_weight(known, form)) is not None:
            return weight
    if not known.latin:
        return 0.0
    spelled = arabizi(word)
    for form in (
        (spelled, spelled[1:]) if spelled[:1] in ("l", "w", "f", "b") and len(spelled) > _STEM_MIN else (spelled,)
    ):
        if (weight := known.latin.get(form)) is not None and len(form) >= _STEM_MIN:
            return weight
    return _negated(known, spelled)


def _shortened(word: str) -> tuple[str, ...]:
    """A word drawn out, "adooooro", as it is otherwise written."""
    if not _DRAWN_OUT.search(word):
        return ()
    return _DRAWN_OUT.sub(r"\1", word), _DRAWN_OUT.sub(r"\1\1", word)


def _plain_weight(known: Lexicon, word: str) -> float | None:
    if (own := known.words.get(word)) is not None:
        return own
    for length in range(len(word), _STEM_MIN - 1, -1):
        if (weight := known.stems.get(word[:length])) is not None:
            return weight
    return None


def _negated(known: Lexicon, word: str) -> float:
    """Darija's negation around a word, "ما…ش" or "ma…ch": bad for a good word, mildly good for a bad one."""
    for front, back in (("ما", "ش"), ("م", "ش"), ("ma", "x"), ("m", "x")):
        if word.startswith(front) and word.endswith(back) and len(word) - len(front) - 1 >= _STEM_MIN:
            inner = word[len(front) : -1]
            weight = known.words.get(inner) or known.latin.get(inner) or 0.0
            if weight:
                return -_NOT_IN_ARABIC if weight > 0 else 0.5
    return 0.0
