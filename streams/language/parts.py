"""Parts of words that fitted weights stand for (weights.py): words, pairs of neighbours, runs of 3 to 5 letters, hashed.

The lexicon knows what its author thought of; the parts carry what labelled utterances say beside it ("still nothing", "works
again"), and the runs of letters carry it over to inflections and misheard words. Arabic words also count without what is
written onto their front, Darija in Latin letters in one spelling of the many, and both by the consonants that are heard: the two
scripts then teach each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zlib import crc32

from streams.language.spelling import arabizi, forms, is_arabic, sound

SLOTS = 1 << 15
"""Slots a language; of parts that come up five times or more the corpus has 42,000 (English) to 116,000 (Arabic), which share them."""
RUNS = (3, 4, 5)
WORD_LETTERS_MAX = 24
"""Of a longer word only the first letters count: no word of a language is longer, and text may hold anything."""
START, END = "^", "$"


def parts_of(words: Sequence[str], language: str) -> Iterator[str]:
    """Every part of an utterance, as often as it stands there."""
    before = START
    for word in words:
        yield from word_parts(word, language)
        yield pair(before, word)
        before = word
    yield pair(before, END)


def word_parts(word: str, language: str) -> list[str]:
    word = "0" if word.isdecimal() else word[:WORD_LETTERS_MAX]
    found = [word]
    if is_arabic(word):
        found += [f"@{form}" for form in forms(word)[1:]]
    elif language == "ar":
        found.append(f"@{arabizi(word)}")
    if language == "ar":
        found += _sound_parts(sound(word))
    padded = f"_{word}_"
    for size in RUNS:
        found += [f"#{padded[at : at + size]}" for at in range(len(padded) - size + 1)]
    return found


def _sound_parts(heard: str) -> list[str]:
    """What a word of Darija shares with itself in the other script: the consonants, those behind the article, and runs of three."""
    if len(heard) <= 1:
        return []
    found = [f"~{heard}"]
    if heard[0] == "l" and len(heard) > RUNS[0]:
        found.append(f"~{heard[1:]}")
    padded = f"_{heard}_"
    return found + [f"~#{padded[at : at + RUNS[0]]}" for at in range(len(padded) - RUNS[0] + 1)]


def pair(before: str, word: str) -> str:
    return f"{before[:WORD_LETTERS_MAX]} {word[:WORD_LETTERS_MAX]}"


def slot_of(part: str) -> int:
    return crc32(part.encode("utf-8", "replace")) % SLOTS
