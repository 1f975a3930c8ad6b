"""E-mail addresses, typed or spoken: "karim tiret bas diop arobase courriel point fr"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from streams.language.announcements import CERTAIN_AT, Announcements
from streams.language.number_words import NumberWords, number_words
from streams.language.numbers import written_digits
from streams.language.text import Line, Token

LOCAL_WORDS_MAX = 4
DOMAIN_WORDS_MAX = 4
TOLD_WORDS_MAX = 6
"""So many words behind "my e-mail is" may be the beginning of an address."""
_AS_IN = ("comme", "for", "as", "like", "de", "como", "d", "dial", "dyal")
_PARTICLES = frozenset(
    (
        "de",
        "da",
        "do",
        "dos",
        "das",
        "del",
        "la",
        "las",
        "los",
        "le",
        "les",
        "du",
        "des",
        "el",
        "al",
        "van",
        "von",
        "ben",
        "bin",
    )
)
"""Small words inside names: "sandra punto de la torre"."""
_IS = frozenset(("est", "is", "es", "e", "eh", "era", "s", "huwa", "howa", "houwa", "hiya", "هو", "هي"))
_APOSTROPHES = ("'", "’")
_TYPED = re.compile(r"[^\s@]+@[^\s@]+")
_BROKEN = re.compile(r"[\w.+-]+ ?@ ?[\w-]+(?: ?\. ?\w+)+")
"""With the spaces some transcribers put around the signs."""


def emails(text: str, words: Sequence[Token], known: Announcements, language: str | None) -> list[tuple[int, int]]:
    """First and last word of each address, in order; they may overlap."""
    found = _typed(text, words) if "@" in text else []
    numbers = number_words(language)
    for at, token in enumerate(words):
        if token.word in known.at and 0 < at < len(words) - 1:
            end = _domain_end(text, words, at, known)
            if end is not None:
                found.append((_local_start(text, words, at, known, numbers), end - 1))
        elif _is_provider(words, at, known) and words[at - 1].word not in known.at:
            found.append((_local_start(text, words, at, known, numbers), at + 2))  # the at was not heard
    return found


def _is_provider(words: Sequence[Token], at: int, known: Announcements) -> bool:
    """Whether "gmail point com" stands here, with something before it."""
    if words[at].word not in known.providers or not 0 < at < len(words) - 2:
        return False
    return words[at + 1].word in known.dot and words[at + 2].word in known.endings


def unfinished(words: Sequence[Token], known: Announcements) -> bool:
    """Whether the words end inside an address: after its at, at a dot, or before its at."""
    tail = [token.word for token in words[-DOMAIN_WORDS_MAX - 1 :]]
    if not tail:
        return False
    if any(word in CERTAIN_AT for word in tail):
        after = tail[max(at for at, word in enumerate(tail) if word in CERTAIN_AT) + 1 :]
        return not any(word in known.dot for word in after[:-1])
    if tail[-1] in known.dot and len(tail) > 1 and (tail[-2] in known.providers or tail[-2] in known.endings):
        return True
    if tail[-1] in known.dot and _spelled_start(words, len(words) - 1) is not None:
        return True
    return _is_told(words, known)


def _is_told(words: Sequence[Token], known: Announcements) -> bool:
    """Whether no more than the beginning of an address follows "my e-mail is"."""
    if not any(token.word in known.email.nouns for token in words[-TOLD_WORDS_MAX - 4 :]):
        return False
    line = Line(words)
    end = max((end for _, end in known.spans(known.email, line)), default=len(words))
    said = [token.word for token in words[end:]]
    if not 0 < len(said) <= TOLD_WORDS_MAX + 2 or any(word in CERTAIN_AT for word in said):
        return False
    return len(said) > 1 and (said[-1] in known.dot or not _IS.isdisjoint(said[:2]))


def _typed(text: str, words: Sequence[Token]) -> list[tuple[int, int]]:
    found = []
    for pattern in (_TYPED, _BROKEN):
        for match in pattern.finditer(text):
            inside = [i for i, token in enumerate(words) if token.start < match.end() and match.start() < token.end]
            if any(words[i].word[0] != "[" for i in inside):  # not a mark alone
                found.append((inside[0], inside[-1]))
    return found


def _domain_end(text: str, words: Sequence[Token], at: int, known: Announcements) -> int | None:
    """The word after the domain that begins after `at`; None where there is none."""
    end, dotted, name = at + 1, False, 0
    while end < len(words) and name <= DOMAIN_WORDS_MAX:
        if not dotted and end + 1 < len(words) and text[words[end].end : words[end + 1].start] == ".":
            dotted, end = True, end + 2  # "at gmail.com"
            continue
        more = end + 1 < len(words) and words[end + 1].word.isalpha()
        if words[end].word in known.dot and more and (not dotted or words[end + 1].word in known.endings):
            dotted, name, end = True, DOMAIN_WORDS_MAX, end + 2
            continue
        if dotted or (name == DOMAIN_WORDS_MAX):
            break
        name, end = name + 1, end + 1
    if dotted:
        return end
    after = words[at + 1].word if at + 1 < len(words) else ""
    if words[at].word not in CERTAIN_AT or (after in known.stops and after not in _PARTICLES):
        return None  # "arobase je sais pas ce que c'est"
    return min(at + 3, len(words))


def _local_start(text: str, words: Sequence[Token], at: int, known: Announcements, numbers: NumberWords) -> int:
    """The first word of the local part that ends before `at`."""
    start, count = at, 0
    while start > 1 and words[start - 1].word in numbers.hesitations:
        start -= 1  # "morell um at icloud"
    at = start
    nearest = words[at - 1].word
    if nearest in known.stops and len(nearest) > 2 and nearest not in known.email.nouns and nearest not in _IS:
        start = at - 1  # "hello at the bakery dot com"
    while start > 0:
        spelled = _spelled_start(words, start)
        if spelled is not None:
            start = spelled
            continue
        word = words[start - 1].word
        if word.startswith("[") or (word in known.stops and not _is_inside(text, words, start - 1, at, known, numbers)):
            break
        # Letters, signs and numbers do not count towards the longest local part.
        count += len(word) > 1 and not (word in known.link or written_digits(word) or numbers.begins(word))
        if count > LOCAL_WORDS_MAX:
            break
        start -= 1
    if (
        start > 1
        and words[start - 1].word in _PARTICLES
        and words[start - 2].word in _IS
        and words[start].word not in known.email.nouns
    ):
        return start - 1  # "es el rubio de cadiz arroba"
    return start


def _spelled_start(words: Sequence[Token], end: int) -> int | None:
    """Where the letter stands that the words before `end` spell: "p comme pierre", "b for bravo", "s as in sam"."""
    first = end - (4 if end > 3 and words[end - 2].word == "in" else 3)
    if first < 0 or words[first + 1].word not in _AS_IN:
        return None
    letter, name = words[first].word, words[end - 1].word
    return first if len(letter) == 1 and letter.isalpha() and name[0] == letter else None


def _is_inside(
    text: str, words: Sequence[Token], place: int, at: int, known: Announcements, numbers: NumberWords
) -> bool:
    """Whether a word that would end an address is part of one here: a letter among letters, "tiret du six", "vinte e um"."""
    word, left = words[place].word, words[place - 1].word if place else ""
    right = words[place + 1].word if place + 1 < at else ""
    if numbers.begins(word) and (numbers.begins(left) or left in numbers.joiners or numbers.begins(right) or not right):
        return True  # "moreau un cinq arobase"
    if word in numbers.joiners and numbers.begins(left) and numbers.begins(right):
        return True
    if right in known.link and word not in known.dot:
        return True  # "a tiret la point b"
    if word in _PARTICLES and _joins_names(words, place, known):
        return True
    if left in known.link and left not in known.dot and right:
        return True
    initial = known.french and text[words[place].start : words[place].end].lower() == "a"  # "à" is written otherwise
    if (
        initial
        and len(right) > 2
        and right not in known.stops
        and (not left or left in _IS or left in known.email.nouns)
    ):
        return True  # "c'est a lefevre arobase"
    if text[max(0, words[place].start - 1) : words[place].start] in _APOSTROPHES:
        return False  # "it's"
    letters = [other for other in (left, right) if len(other) == 1 and other.isalpha()]
    last = not right and left in known.dot  # "sophie point l arobase"
    return len(word) == 1 and word.isalpha() and (last or bool(letters))


def _joins_names(words: Sequence[Token], place: int, known: Announcements) -> bool:
    """Whether these particles follow a dot behind a name, or a name: "sandra punto de la torre", "jose da silva"."""
    while place >= 0 and words[place].word in _PARTICLES:
        place -= 1
    if place > 0 and words[place].word in known.dot:
        place -= 1
    name = words[place].word if place >= 0 else ""
    return len(name) > 2 and name not in known.stops and name not in known.dot and not name.startswith("[")
