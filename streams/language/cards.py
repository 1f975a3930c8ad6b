"""Cards that are not said in one go: in groups with anything between them, over several utterances, or by their last four."""

from __future__ import annotations

from collections.abc import Sequence

from streams.language.announcements import Announcements
from streams.language.around import Around
from streams.language.identity import CARD_LENGTHS, begins_card, is_card, is_phone
from streams.language.number_words import NumberWords
from streams.language.numbers import OF, NumberRun
from streams.language.quantities import Quantities
from streams.language.text import Token

GROUPS_MAX, WORDS_MAX, UNTOLD_WORDS_MAX = 10, 10, 5
"""Groups, and words between them where a card is spoken of and where none is, with which numbers that stand apart are still looked
at as one card."""
GROUP_DIGITS_MIN = 3
PHONE_DIGITS_MIN = 9
"""Shorter telephone numbers are as often half a card."""
PART_DIGITS_MIN = 4
"""So many digits may be part of a card that goes on in the next utterance."""
SHAPES = frozenset(
    [(4, 4, 4, 4), (8, 8), (4, 12), (12, 4), (4, 4, 8), (4, 8, 4), (8, 4, 4), (4, 6, 5), (4, 11), (10, 5)]
)
"""How cards are said where none is spoken of: other numbers make a card in one of ten cases."""
_ORDINALS = frozenset(["second", "segundo", "seconds", "segundos"])
"""Units of time that count groups as well."""
_FIGURES = frozenset(
    ["digits", "numbers", "figures", "chiffres", "numeros", "digitos", "algarismos", "cifras", "ارقام", "الارقام"]
)
_ON = frozenset(
    ["on", "in", "for", "sur", "dans", "pour", "no", "na", "em", "en", "f", "fi", "dyal", "dial", "ديال", "في", "aussi"]
)


def grouped_cards(around: Around, quantities: Quantities, expected: str | None) -> set[int]:
    """Cards of which each group is a number by itself, whatever is said between ("4980 deuxième groupe 1341 …"): the positions of
    their runs."""
    runs, found = around.runs, set[int]()
    told = _is_told(around, expected)
    apart = around.numbers.apart - around.known.cards
    for first in range(len(runs)):
        if first in found or not begins_card(runs[first].digits):
            continue
        if not told and any(a.kind == "open" and a.first <= runs[first].first for a in around.announced):
            continue
        longest = first
        for last in range(first + 1, min(first + GROUPS_MAX, len(runs))):
            gap = range(runs[last - 1].last + 1, runs[last].first)
            if len(gap) > (WORDS_MAX if told else UNTOLD_WORDS_MAX):
                break
            if not apart.isdisjoint(around.word(at) for at in gap):
                break
            if _make_card(runs[first : last + 1], around, quantities, told):
                longest = last
        if longest > first:
            found |= set(range(first, longest + 1))
    return found


def _is_told(around: Around, expected: str | None) -> bool:
    return expected == "card" or not around.known.cards.isdisjoint(token.word for token in around.line.tokens)


def _make_card(runs: Sequence[NumberRun], around: Around, quantities: Quantities, told: bool) -> bool:
    sizes = tuple(len(run.digits) for run in runs)
    if sizes not in SHAPES and not (told and _is_regular(sizes)):
        return False
    regions = around.settings.regions
    for run in runs:
        if quantities.measured(run) and around.word(run.last + 1) not in _ORDINALS:
            return False
        if not told and len(run.digits) >= PHONE_DIGITS_MIN and is_phone(run.digits, False, regions):
            return False
    return any(is_card("".join(digits)) for digits in ((run.digits for run in runs), (run.spread for run in runs)))


def _is_regular(sizes: tuple[int, ...]) -> bool:
    """Whether somebody reads groups of about one size, the last as it comes, or pairs, some of them at once."""
    *begun, _ = sizes
    near = min(begun) >= GROUP_DIGITS_MIN and max(begun) - min(begun) <= 1
    return near or len(set(begun)) == 1 or all(size % 2 == 0 for size in sizes)


def fours(around: Around) -> list[tuple[int, int]]:
    """Words (first, end) that call a number a card's last four, and may hold the word "four" themselves; not "the last four months"."""
    if not any(len(run.digits) == 4 for run in around.runs):
        return []
    return [span for span in around.known.spans(around.known.fours, around.line) if names_card(around, span[1])]


def names_card(around: Around, behind: int) -> bool:
    """Whether the word behind "the last four" lets them be a card's: "of my card", "digits", nothing at all."""
    word = around.word(behind)
    return word in {"", *(of for of in OF if of != "d"), *_FIGURES, *_ON} or word in around.known.cards


def begun_card(words: Sequence[Token], runs: Sequence[NumberRun], numbers: NumberWords) -> tuple[int, bool] | None:
    """Where among `runs` a card begins that goes on to the last of them, and whether it is whole; None where there is none."""
    begun, found = "", None
    for at in reversed(range(len(runs))):
        run = runs[at]
        after = words[run.last + 1].word if run.last + 1 < len(words) else ""
        if after in numbers.units or after in numbers.months or is_card(run.digits):
            break
        begun = run.digits + begun
        if is_card(begun):
            return at, True
        if begins_card(begun) and PART_DIGITS_MIN <= len(begun) < CARD_LENGTHS[-1]:
            found = at
    return None if found is None else (found, False)


def is_part_of_card(
    words: Sequence[Token],
    runs: Sequence[NumberRun],
    others: Sequence[Token],
    known: Announcements,
    numbers: NumberWords,
) -> bool:
    """Whether the last of the numbers `runs` among `words`, held back, are some digits of a card but not all, and `others`, said before
    or after more of them, name nothing else."""
    begun = begun_card(words, runs, numbers)
    return begun is not None and not begun[1] and _goes_together(others, known, numbers)


def is_told_part(
    words: Sequence[Token],
    last: NumberRun,
    others: Sequence[Token],
    known: Announcements,
    numbers: NumberWords,
    asked: bool,
) -> bool:
    """Whether the last number is some digits of a card that was asked for or is spoken of before it, and `others`, said after it, name
    nothing else: more may come."""
    told = asked or not known.cards.isdisjoint(token.word for token in words[: last.first])
    some = PART_DIGITS_MIN <= len(last.digits) < CARD_LENGTHS[0]
    return told and some and begins_card(last.digits) and _goes_together(others, known, numbers)


def _goes_together(others: Sequence[Token], known: Announcements, numbers: NumberWords) -> bool:
    return (numbers.apart - known.cards).isdisjoint(token.word for token in others)
