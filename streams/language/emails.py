"""E-mail addresses, typed or spoken: "karim tiret bas diop arobase courriel point fr"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from streams.language.announcements import CERTAIN_AT, Announcements
from streams.language.number_words import number_words
from streams.language.numbers import written_digits
from streams.language.text import Token

LOCAL_WORDS_MAX = 4
DOMAIN_WORDS_MAX = 4
_TYPED = re.compile(r"[^\s@]+@[^\s@]+")
_BROKEN = re.compile(r"[\w.+-]+ ?@ ?[\w-]+(?: ?\. ?\w+)+")
"""With the spaces some transcribers put around the signs."""


def emails(text: str, words: Sequence[Token], known: Announcements, language: str | None) -> list[tuple[int, int]]:
    """First and last word of each address, in order; they may overlap."""
    found = _typed(text, words) if "@" in text else []
    numbers = number_words(language)

    def plain(word: str) -> bool:
        """Whether a word counts towards the longest local part: letters, signs and numbers do not."""
        return len(word) > 1 and word not in known.link and not written_digits(word) and not numbers.begins(word)

    for at, token in enumerate(words):
        if token.word in known.at and 0 < at < len(words) - 1:
            end = _domain_end(text, words, at, known)
            if end is not None:
                found.append((_local_start(words, at, known, plain), end - 1))
        elif _is_provider(words, at, known) and words[at - 1].word not in known.at:
            found.append((_local_start(words, at, known, plain), at + 2))  # the at was not heard
    return found


def _is_provider(words: Sequence[Token], at: int, known: Announcements) -> bool:
    """Whether "gmail point com" stands here, with something before it."""
    if words[at].word not in known.providers or not 0 < at < len(words) - 2:
        return False
    return words[at + 1].word in known.dot and words[at + 2].word in known.endings


def unfinished(words: Sequence[Token], known: Announcements) -> bool:
    """Whether the words end inside an address: after its at, or at a dot."""
    tail = [token.word for token in words[-DOMAIN_WORDS_MAX - 1 :]]
    if not tail:
        return False
    if any(word in CERTAIN_AT for word in tail):
        after = tail[max(at for at, word in enumerate(tail) if word in CERTAIN_AT) + 1 :]
        return not any(word in known.dot for word in after[:-1])
    return tail[-1] in known.dot and len(tail) > 1 and (tail[-2] in known.providers or tail[-2] in known.endings)


def _typed(text: str, words: Sequence[Token]) -> list[tuple[int, int]]:
    found = []
    for pattern in (_TYPED, _BROKEN):
        for match in pattern.finditer(text):
            inside = [i for i, token in enumerate(words) if token.start < match.end() and match.start() < token.end]
            if inside:
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
    if words[at].word not in CERTAIN_AT:
        return None
    return min(at + 3, len(words))


def _local_start(words: Sequence[Token], at: int, known: Announcements, plain: Callable[[str], bool]) -> int:
    start, count = at, 0
    while start > 0:
        word = words[start - 1].word
        if word.startswith("["):
            break
        # A link on its other side makes a part of the address of a word that would end it ("a tiret la point b").
        if word in known.stops and not (start < at and words[start].word in known.link and word not in known.dot):
            break
        count += plain(word)
        if count > LOCAL_WORDS_MAX:
            break
        start -= 1
    return start
