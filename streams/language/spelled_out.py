"""What is spelled: letters, figures and signs one by one, or codes such as "8C1F 77AD 02EB"."""

from __future__ import annotations

from collections.abc import Iterator

from streams.language.around import LETTER_NAMES
from streams.language.modes import Secret
from streams.language.numbers import figures, written_digits
from streams.language.text import language_code
from streams.language.values import Values

ATOMS_MIN, NAMED_MIN, GROUPS_MIN = 5, 3, 3
"""So many letters and numbers are a value, so many letters with a name each ("d for delta"), or so many groups of both."""
GROUP_CHARS_MAX = 8
_FALSE_LETTERS = frozenset("ayoeiu")
"""Words of one letter, where they stand at the end of what is spelled."""
_CAPITALS = frozenset(["capital", "majuscule", "mayuscula", "maiuscula"])


def spelled_out(values: Values, sure: bool) -> Iterator[Secret]:
    """All that is spelled; `sure`: something that has a value is named near, or was asked for."""
    kinds = _kinds(values)
    first = 0
    while first < values.count:
        last = first
        while last < values.count and kinds[last]:
            last += 1
        yield from _value(values, kinds, first, last - 1, sure)
        first = last + 1


def _kinds(values: Values) -> list[str]:
    """L for a letter, D for a number, M for a word of both, N for the name of a letter, S for a sign; else nothing."""
    word = values.around.word
    kinds = [_kind(values, at) for at in range(values.count)]
    for at in range(1, values.count - 1):
        if word(at) in values.known.as_in:
            letter, name = values.around.beside(at - 1, -1), values.around.beside(at + 1, 1)
            if letter >= 0 and kinds[letter] == "L" and word(name)[:1] == word(letter):
                kinds[at], kinds[name] = "S", "N"
        linked = kinds[at - 1] == "S" and word(at - 1) in values.around.known.link
        if not kinds[at] and linked and len(word(at)) < ATOMS_MIN:
            kinds[at] = "M"
    return kinds


def _kind(values: Values, at: int) -> str:
    around, word = values.around, values.around.word(at)
    if len(word) == 1 and word.isalpha():
        return "L" if values.is_letter(at) else ""
    if values.is_number(at):
        return "D"
    if word in values.known.signs or word in around.numbers.hesitations:
        return "S"
    # In Darija figures are letters too.
    digits = written_digits(word) if language_code(around.language) == "ar" else figures(word)
    if len(word) <= GROUP_CHARS_MAX and word.isalnum() and digits and not word.isdecimal():
        return "M"
    return "L" if word in LETTER_NAMES and language_code(around.language) in ("es", "pt") else ""


def _value(values: Values, kinds: list[str], first: int, last: int, sure: bool) -> Iterator[Secret]:
    word = values.around.word

    def idle(at: int, beside: int) -> bool:
        false = word(at) in _FALSE_LETTERS and kinds[beside] not in ("L", "D", "M")
        return (kinds[at] == "S" and word(at) not in _CAPITALS) or false

    while first < last and idle(first, first + 1):
        first += 1
    while last > first and idle(last, last - 1):
        last -= 1
    atoms = kinds[first : last + 1]
    groups, named = atoms.count("M"), atoms.count("N")
    letters, digits = atoms.count("L") + groups, atoms.count("D") + groups
    enough = letters >= 3 or (letters >= 2 and digits >= 2)
    long = letters + digits >= ATOMS_MIN or named >= NAMED_MIN
    code = groups >= GROUPS_MIN and all(kind in "MD" for kind in atoms)
    if (sure and ((enough and long) or groups >= 2)) or code:
        spelled = "".join(word(at) for at in range(first, last + 1) if kinds[at] == "L")
        told = len(word(first - 1)) > 2 and spelled[:3] == word(first - 1)[:3]  # "berthelot b e r t h e l o t"
        yield Secret("password", first - told, last + (bool(spelled) and word(last + 1) == spelled))
