"""Numbers in a transcript, in figures or spoken, as runs of digits: "oh seven double five" is 0755.

A run is as long as a caller can be dictating one number: hesitations and confirmations ("euh", "yes", "dash") do not end
it, nor does a word in place of a digit that was misheard. Callers group digits as they like ("forty five seventy two",
"soixante-dix-huit"), and a transcriber drops hyphens, so a run keeps two readings: `digits`, where words that make one
number are taken together, and `spread`, where each word stands alone. Redaction believes whichever is the more dangerous.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from streams.language.cardinals import read_cardinal
from streams.language.identity import is_card
from streams.language.number_words import NumberWords, number_words
from streams.language.text import Token

FILLERS_MAX = 4
"""Fillers in a row that do not end a dictated number ("euh oui alors donc"); more is a pause in dictating."""
REPAIR_WORDS_MAX = 7
"""The longest that a caller who is still dictating speaks of something else ("wait no i mean")."""
DICTATED_GROUPS_MIN = 3
"""So many groups, of three digits at most, are one number being dictated."""
SURE_DIGITS_MIN = 6
"""With so many digits, words that only sound like digits count as well."""
LEADING_WORDS_MAX = 8
"""Words around a pause that do not end a number dictated over it."""
STRANGE_WORDS_MAX = 1
"""Of those, words that mean something else: one may be misheard."""
BRIDGED_CHARS_MAX = 9
"""A misheard digit is a short word; "abonnement" is none."""
_LETTER_DIGITS = re.compile(r"(?:[a-z]+[235679])+[a-z]*|[235679](?:[a-z]+[235679]?)+")
"""Arabizi writes letters as single figures ("3afak", "mar7ba"); also "4g", "mp3", "b2b": words, not numbers."""


_QUANTITY = re.compile(
    r"\d{1,2}h(?:\d\d)?|\d+(?:st|nd|rd|th|e|er|eme|ere|o|a|am|pm|g|k|km|gb|mb|go|mo|eur|euros?|mad|dh|dhs|min|mn|kwh|m|cm|kg|s|x)"
)


class Group(NamedTuple):
    """Words `first..last` (inclusive) that make one number."""

    first: int
    last: int
    digits: str
    spread: str
    spoken: bool
    soft: bool = False
    """All of its words are others that sound like number words."""


@dataclass(frozen=True, slots=True)
class NumberRun:
    """Words `first..last` (inclusive) of one dictated number; `parts` are the numbers heard, in order."""

    parts: tuple[Group, ...]
    bridges: tuple[int, ...] = ()
    """Parts before which a word stands that is neither number nor filler: a misheard digit, or no dictation at all."""

    @property
    def first(self) -> int:
        return self.parts[0].first

    @property
    def last(self) -> int:
        return self.parts[-1].last

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(part.digits for part in self.parts)

    @property
    def digits(self) -> str:
        return "".join(part.digits for part in self.parts)

    @property
    def spread(self) -> str:
        return "".join(part.spread for part in self.parts)

    @property
    def solid_digits_max(self) -> int:
        """Digits of the longest stretch without a strange word."""
        edges = [0, *self.bridges, len(self.parts)]
        pieces = [NumberRun(self.parts[start:end]) for start, end in pairwise(edges) if end > start]
        return max(piece.digits_max for piece in pieces)

    @property
    def digits_max(self) -> int:
        """Digits in the longer reading. One number on its own ("mille neuf cent quatre-vingt-dix") has only one, and
        of several not all are two that were taken for one."""
        hard = [part for part in self.parts if not part.soft]
        joined = sum(len(part.digits) for part in hard)
        if len(self.parts) == 1 or joined < SURE_DIGITS_MIN:
            return joined
        spread = sum(len(part.spread) for part in hard)
        return max(joined, min(spread, joined * 4 // 3)) + sum(len(part.digits) for part in self.parts if part.soft)


def figures(word: str) -> str:
    """The digits written in a word, of any script: "x٣4" is "34"; empty when there are none."""
    if word.isascii():
        return word if word.isdigit() else "".join(sign for sign in word if sign.isdigit())
    found = []
    for sign in word:
        value = unicodedata.numeric(sign, None)
        if value is not None and value in range(10):
            found.append(str(int(value)))
    return "".join(found)


@lru_cache(maxsize=20_000)
def written_digits(word: str) -> str:
    """`figures`, but of words in which single figures stand for letters none ("3afak", "mp3"), nor of a quantity ("10h30")."""
    found = figures(word)
    if found and found != word and word.isascii():
        letters = len(word) - len(found) >= 2 and _LETTER_DIGITS.fullmatch(word)
        if letters or (len(found) <= 6 and _QUANTITY.fullmatch(word)):
            return ""
    return found


def number_runs(
    words: Sequence[Token], language: str | None, breaks: Sequence[int] = (), loose: bool = False
) -> list[NumberRun]:
    """All dictated numbers among `words`, in order, never overlapping.

    `breaks` are the words with which further utterances of the same party begin: a number goes on over them although
    other words lead on ("and the rest is"); when `loose`, whatever these words are.
    """
    known = number_words(language)
    runs: list[NumberRun] = []
    parts: list[Group] = []
    bridges: list[int] = []
    for group in number_groups(words, known):
        gap = _gap(words, parts, group, known, breaks, loose) if parts else None
        if gap is None:
            runs += _closed(parts, bridges, words, known)
            parts, bridges = [], []
        elif gap:
            bridges.append(len(parts))
        parts.append(group)
    return runs + _closed(parts, bridges, words, known)


def _closed(parts: list[Group], bridges: list[int], words: Sequence[Token], known: NumberWords) -> list[NumberRun]:
    """The number that these groups are; where one only sounds like a number and none is dictated, those around it."""
    hard = [part for part in parts if not part.soft]
    if not hard:
        return []
    if len(hard) < len(parts) and not _is_dictated(parts, hard):
        runs: list[NumberRun] = []
        edges = [-1, *(at for at, part in enumerate(parts) if part.soft), len(parts)]
        for start, end in pairwise(edges):
            piece = parts[start + 1 : end]
            runs += _closed(piece, [at - start - 1 for at in bridges if start + 1 < at < end], words, known)
        return runs
    if len(parts) > 1 and parts[-1].last + 1 < len(words):
        last, after = parts[-1], words[parts[-1].last + 1].word
        between = [words[at].word for at in range(parts[-2].last + 1, last.first)]
        article = last.first == last.last and words[last.first].word in known.articles
        paused = any(word not in known.hesitations for word in between) and after not in known.fillers
        if article and (paused or (between and after in known.units)) and not _is_card(parts):
            parts = parts[:-1]  # "… 14315 é um american express", "… 70 euh une seconde"
    return [NumberRun(tuple(parts), tuple(at for at in bridges if at < len(parts)))]


def _is_card(parts: list[Group]) -> bool:
    """Whether the groups, with the last of them, make a card: nobody says "one" by chance where its check digit is due."""
    return any(
        is_card("".join(digits)) for digits in ((part.digits for part in parts), (part.spread for part in parts))
    )


def _is_dictated(parts: list[Group], hard: list[Group]) -> bool:
    """Whether these are groups of a long number, so that what sounds like a number between them is one."""
    longest = max(len(part.digits) for part in hard)
    if all(_is_between(parts, at) for at, part in enumerate(parts) if part.soft):
        return True
    if len(hard) >= DICTATED_GROUPS_MIN and longest <= (3 if len(hard) == DICTATED_GROUPS_MIN else 4):
        return True
    return len(parts) >= DICTATED_GROUPS_MIN and len(hard) > 1 and all(len(part.digits) == 1 for part in parts)


def _is_between(parts: list[Group], at: int) -> bool:
    """Whether what sounds like a number stands between a spoken nought and another number: "zéro cette vingt huit"."""
    before, after = parts[at - 1 : at], parts[at + 1 : at + 2]
    if not before or not after or before[0].soft or after[0].soft or before[0].digits != "0":
        return False
    return before[0].spoken and before[0].last + 1 == parts[at].first and parts[at].last + 1 == after[0].first


def _gap(
    words: Sequence[Token], parts: list[Group], after: Group, known: NumberWords, breaks: Sequence[int], loose: bool
) -> int | None:
    """How many misheard words lie between a number so far and the next group; None: that is another number."""
    before = parts[-1]
    if after.first == before.last + 1:
        return 0
    between = [words[at].word for at in range(before.last + 1, after.first)]
    if any(before.last < at <= after.first for at in breaks):
        if between and (between[0] in known.units or _is_counted(words, after, known)):
            return None  # "the code of three digits is" says how many, "all good ten minutes" how long
        strange = [word for word in between if word not in known.continues]
        leads_on = loose or len(strange) <= STRANGE_WORDS_MAX
        return 0 if len(between) <= LEADING_WORDS_MAX and leads_on else None
    strange = [word for word in between if not known.is_filler(word)]
    if not strange:
        return 0 if len(between) <= FILLERS_MAX else None
    if not _is_counted(words, after, known) and _is_aside(between, parts, after, known):
        return 1
    word = strange[0]
    dictated = len(before.digits) <= 2 and len(after.digits) <= 2 and not (before.soft or after.soft)
    ordinary = word in known.units or word in known.months or word in known.apart or len(word) > BRIDGED_CHARS_MAX
    if word in _TIMES_SAID and len(before.digits) == len(after.digits) == 1:
        ordinary = False  # "deux fois d'eux": a digit said twice, and misheard
    return 1 if dictated and len(between) == 1 and not ordinary else None


def _is_counted(words: Sequence[Token], group: Group, known: NumberWords) -> bool:
    """Whether a unit or a month stands behind the number: "ten minutes", "15 de marzo"."""
    behind = [word.word for word in words[group.last + 1 : group.last + 3]]
    behind = behind[1:] if behind[:1] and behind[0] in OF else behind[:1]
    return any(word in known.units or word in known.months for word in behind)


def _is_aside(between: Sequence[str], parts: list[Group], after: Group, known: NumberWords) -> bool:
    """Whether these words look a number up or put it right ("no sorry i mean", "attendez je cherche mes lunettes"), or make sure
    that the other follows ("you got that")."""
    before = parts[-1].digits
    if len(between) > REPAIR_WORDS_MAX or len(before) > 4 or len(after.digits) > 4:
        return False
    if known.repairs.isdisjoint(between):
        return False
    if _is_card(parts) or (before.endswith("00") and after.digits.endswith("00")):
        return False  # it is whole, or these are amounts: "1200 c'est ça 1300"
    if len(before) >= 3 and len(after.digits) <= 2 and not _is_card([*parts, after]):
        return False  # "ma carte 4471 j'ai les deux"
    return all(word in known.repairs or word in known.asides or known.is_filler(word) for word in between)


def number_groups(words: Sequence[Token], known: NumberWords) -> list[Group]:
    """The numbers among `words`, each for itself, with those that only sound like numbers."""
    parted: set[int] = set()
    if "eux" in known.sounds_like:
        parted = {at for at in range(1, len(words)) if words[at].word == "eux" and words[at - 1].word == "d"}
    if parted:  # "d'eux cent douze" is one word, misheard
        places = [at for at in range(len(words)) if at + 1 not in parted]
        groups = _number_groups([words[at] for at in places], known)
        return [
            group._replace(first=places[group.first] - (places[group.first] in parted), last=places[group.last])
            for group in groups
        ]
    return _number_groups(words, known)


def _number_groups(words: Sequence[Token], known: NumberWords) -> list[Group]:
    found = []
    meant, at = words, 0
    if any(token.word in known.sounds_like for token in words):
        meant = [Token(known.sounds_like.get(token.word, token.word), token.start, token.end) for token in words]
    while at < len(words):
        group = _group(meant, at, known)
        if group is None:
            at += 1
        else:
            soft = meant is not words and all(words[i].word in known.sounds_like for i in range(at, group.last + 1))
            if words[at].word == "eux" and group.last + 1 < len(words):
                soft = soft and not _is_digits(words[group.last + 1].word, known)
            found.append(group._replace(soft=soft))
            at = group.last + 1
    return found


def _is_digits(word: str, known: NumberWords) -> bool:
    return known.begins(word) or word.isdecimal()


def _group(words: Sequence[Token], at: int, known: NumberWords) -> Group | None:
    """The number that begins at word `at`: its digits, and the digits of its words one by one."""
    word = words[at].word
    value = known.values.get(word)
    if value is None and (written := written_digits(word)):
        return Group(at, at, written, written, False)
    if word in known.times:
        after = at + 1
        while after < len(words) and (words[after].word in known.hesitations or words[after].word == "d"):
            after += 1
        following = words[after].word if after < len(words) else ""
        digit = written_digits(following) or str(known.values.get(following, ""))
        if len(digit) == 1:
            return Group(at, after, digit * known.times[word], digit * known.times[word], True)
        return None
    if value in _REPEATS and (repeated := _repeated(words, at, value, known)):
        return repeated
    if value == 0:
        return Group(at, at, "0", "0", True)
    if known.begins(word):
        last, digits, spread = read_cardinal(words, at, known)
        return Group(at, last, digits, spread, True)
    if word[0] == "و" and len(word) > 2 and (rest := known.values.get(word[1:])) is not None:
        return Group(at, at, str(rest), str(rest), True)
    return None


_REPEATS = (2, 3, 4)
OF = ("of", "de", "del", "do", "d", "en", "ديال")
"""Between a number and what it counts."""
_TIMES_SAID = ("fois", "veces", "vezes", "times", "مرات", "merrat")


def _repeated(words: Sequence[Token], at: int, count: int, known: NumberWords) -> Group | None:
    """ "Trois fois le sept" is 777."""
    said = [(place, words[place].word) for place in range(at + 1, min(at + 8, len(words)))]
    said = [(place, word) for place, word in said if word not in known.hesitations]
    article = len(said) > 2 and said[1][1] in ("le", "el", "o", "the", "la", "a")
    said = said[:1] + said[2:] if article else said
    if len(said) < 2 or said[0][1] not in _TIMES_SAID:
        return None
    last, word = said[1]
    digit = str(known.values.get(word, written_digits(word)))
    if article and len(digit) == 2 and known.begins(word):  # "deux fois le dix neuf"
        last, digit, _ = read_cardinal(words, last, known)
        return Group(at, last, digit * count, digit * count, True) if len(digit) == 2 else None
    behind = said[2][1] if len(said) > 2 else ""
    measured = behind in known.units or behind in known.hundred or behind in known.thousand
    beside = known.begins(behind) or (at > 0 and known.begins(words[at - 1].word))
    return (
        Group(at, last, digit * count, digit * count, True)
        if len(digit) == 1 and (article or (beside and not measured))
        else None
    )
