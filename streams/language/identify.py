"""In what language an utterance is, by its own words: a check on what the transcriber said.

Arabic script is Arabic. Moroccan Arabic in Latin letters ("bghit n3ref 3lach") has words of its own, and figures for
letters; mixed with French it counts as Arabic when enough of it is. The rest is told by `py3langid` among our languages
(4 MB, 25 µs an utterance, 98 to 99 % right on the development suite; lingua is as good, at 96 MB and 85 µs).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from streams.language.text import LANGUAGES, Token, fold, read_yaml, tokens

WORDS_MIN = 3
"""Fewer words ("ok merci") are said in every language."""
ARABIZI_SHARE = 0.2
ARABIZI_WORDS_MIN = 2
OWN_WORDS_MIN = 2
SURE = 0.9
"""From this confidence on another language than the transcriber's is believed to be worth a doubt."""
DOUBT = 0.6
"""What an utterance's confidence is multiplied by when its words are surely in another language than it was heard in."""
_ARABIC = re.compile(r"[\u0620-\u064a]")
_LETTER = re.compile(r"[^\W\d_]")
_FIGURE_LETTERS = re.compile(r"(?=.*[a-z])(?:[a-z]*[23579][a-z]+|[a-z]{2,}[379])[a-z0-9]*")
_NO_FIGURE_LETTERS = re.compile(
    r"\d+(?:g|gb|go|mb|mo|km|kg|h|e|er|nd|rd|th|st|am|pm|eme|eur|mad|dh|kwh|min|mn|cm|mm|ml|x|d)|[a-z]{1,3}\d+|mp[34]|[a-z]\d[a-z]"
)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import LanguageIdentifier, _load_identifier

    identifier: LanguageIdentifier = _load_identifier(norm_probs=True, langs=list(LANGUAGES))
    return identifier


@lru_cache(maxsize=1)
def _arabizi_words() -> frozenset[str]:
    return frozenset(fold(word) for word in read_yaml("arabizi.yaml")["words"])


def identify(text: str, words: list[Token] | None = None) -> tuple[str | None, float]:
    """The language of a text and how sure that is, 0 to 1; None for text too short to tell."""
    found = tokens(text) if words is None else words
    letters = len(_LETTER.findall(text)) if not text.isascii() else 0
    arabic = len(_ARABIC.findall(text)) if letters else 0
    if arabic * 2 > letters:
        return "ar", 1.0
    spoken = [token.word for token in found if not token.word.isdigit() and not token.word.startswith("[")]
    if len(spoken) < WORDS_MIN:
        return None, 0.0
    share = _arabizi_share(spoken)
    if share * len(spoken) >= ARABIZI_WORDS_MIN and share >= ARABIZI_SHARE:
        return "ar", min(1.0, 0.6 + share)
    language, confidence = _identifier().classify(" ".join(spoken) if text.isascii() else text.lower())
    if language == "ar":
        return None, 0.0
    return str(language), round(float(confidence), 3)


@lru_cache(maxsize=8)
def _own_words(code: str) -> frozenset[str]:
    """Short everyday words of a language that are none of the others'."""
    content = read_yaml("redaction.yaml")
    lists = {name: {fold(str(word)) for word in content[name]["stops"]} for name in LANGUAGES}
    others = set().union(*(words for name, words in lists.items() if name != code))
    return frozenset(word for word in lists.get(code, set()) - others if len(word) > 1)


def _arabizi_share(spoken: list[str]) -> float:
    return sum(_is_arabizi(word) for word in spoken) / len(spoken)


def _is_arabizi(word: str) -> bool:
    return word in _arabizi_words() or _is_figured(word)


@lru_cache(maxsize=20_000)
def is_darija(word: str) -> bool:
    """Whether a word is in Arabic script, or Moroccan Arabic in Latin letters and no word of another language."""
    return _ARABIC.match(word) is not None or _is_arabizi(word)


def _is_figured(word: str) -> bool:
    """Whether figures stand for letters: "3lach", "wa7ed"; not "4g", "b12"."""
    if word.isalpha() or not word.isascii():
        return False
    return bool(_FIGURE_LETTERS.fullmatch(word)) and not _NO_FIGURE_LETTERS.fullmatch(word)


def second_opinion(language: str | None, text: str, words: list[Token] | None = None) -> dict[str, Any] | None:
    """`{language, confidence}` of a text that is surely in another language than `language`; None where it is not."""
    if language is None or not text:
        return None
    code = language.lower().replace("_", "-").split("-")[0]
    own = _own_words(code)
    if sum(token.word in own for token in (words or tokens(text))) >= OWN_WORDS_MIN:
        return None  # of no other language: the usual case, at no cost
    found, confidence = identify(text, words)
    if found is None or confidence < SURE or found == code:
        return None
    return {"language": found, "confidence": confidence}
