"""Finding what must not leave: cards, phones, accounts, e-mail addresses, codes and passwords, written or spoken.

Strict when in doubt: seven digits that look like one number are redacted whatever they are, and what was announced as a
secret is redacted when it is shorter. A kind is a label for people; whether something is hidden never depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from stdnum import iban, luhn

from streams.language.numbers import NumberRun, figures, number_runs, number_words
from streams.language.text import Line, Token, compile_patterns, fold, language_code, read_yaml


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """Regions are where the sites are (house plan) and where their callers call from; order settles doubtful cases."""

    regions: tuple[str, ...] = ("FR", "MA", "PT", "TN", "SN", "CI", "CM", "GB", "ES", "BE", "US")
    digits_max: int = 6
    """The longest dictated number that may be published: prices and years are shorter, phones and cards longer."""
    announced_words_max: int = 6
    """Words between "my code" and the code."""
    hold_ms: int = 5_000
    """A trailing number waits this long, in media time, for its continuation (notes on signal)."""
    held_utterances_max: int = 12
    """A caller who dictates longer than this is published redacted, not held for ever."""
    expected_ms: int = 20_000
    """How long an announcement, by either party, makes the next number a secret."""
    continued_ms: int = 15_000
    """Digits published just before count towards the length of a number that goes on after the hold."""
    mute_margin_ms: int = 150
    """Word times of a transcriber are this far off; muted audio reaches further."""


class Secret(NamedTuple):
    """Words `first..last` (inclusive) that must not be published."""

    kind: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Announcements:
    numbers: tuple[tuple[str, re.Pattern[str], int], ...]
    password: re.Pattern[str]
    harmless: frozenset[str]
    at: frozenset[str]
    dot: frozenset[str]
    link: frozenset[str]
    stops: frozenset[str]


_TYPED_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_IBAN_LENGTHS = range(15, 35)
_CARD_LENGTHS = range(13, 20)
_PHONE_LENGTHS = range(7, 16)
_LOCAL_WORDS_MAX = 4
_DOMAIN_WORDS_MAX = 4


@lru_cache(maxsize=8)
def _announcements(language: str) -> _Announcements:
    content = read_yaml("redaction.yaml")
    own = content[language]
    words = {name: frozenset(fold(word) for word in own[name]) for name in ("harmless", "at", "dot", "link", "stops")}
    return _Announcements(
        numbers=tuple((kind, compile_patterns(own[kind]), least) for kind, least in content["kinds"].items()),
        password=compile_patterns(own["password"]),
        **words,
    )


def find_secrets(
    text: str,
    words: Sequence[Token],
    language: str | None,
    settings: RedactionSettings,
    expected: str | None = None,
    digits_before: int = 0,
) -> tuple[list[Secret], str | None]:
    """The secrets among `words`, in order, never overlapping, and the kind announced for the utterance that follows.

    `expected` is a kind announced before this text; `digits_before` are digits published just before its first word.
    """
    known = _announcements(language_code(language))
    runs = number_runs(words, language)
    line = Line(words)
    announced: list[tuple[int, str, int]] = []
    for kind, pattern, least in known.numbers:
        announced += [(line.span(match)[1], kind, least) for match in pattern.finditer(line.joined)]
    announced.sort()
    taken: list[Secret] = []
    _take(taken, _typed_emails(text, words))
    _take(taken, _spoken_emails(words, known))
    _take(taken, _ibans(words, runs))
    _take(taken, _number_secrets(text, words, runs, announced, settings, expected, digits_before))
    passwords, next_password = _passwords(line, known, expected, language)
    _take(taken, passwords)
    following = expected if not words else "password" if next_password else announced[-1][1] if announced else None
    return sorted(taken, key=lambda secret: secret.first), following


def _take(taken: list[Secret], more: list[Secret]) -> None:
    """Add secrets; where they overlap earlier ones the union is hidden under the earlier kind."""
    for secret in more:
        kind, first, last = secret
        for other in [old for old in taken if old.first <= last and first <= old.last]:
            kind, first, last = other.kind, min(first, other.first), max(last, other.last)
            taken.remove(other)
        taken.append(Secret(kind, first, last))


def _number_secrets(
    text: str,
    words: Sequence[Token],
    runs: list[NumberRun],
    announced: list[tuple[int, str, int]],
    settings: RedactionSettings,
    expected: str | None,
    digits_before: int,
) -> list[Secret]:
    found = []
    for position, run in enumerate(runs):
        before = digits_before if position == 0 and run.first <= 1 else 0
        kind = None
        if run.digits_max + before > settings.digits_max:
            kind = _kind_of(text, words, run, settings)
        near = [
            (name, least)
            for end, name, least in announced
            if 0 <= run.first - end <= settings.announced_words_max or run.first < end <= run.last + 1
        ]
        if expected and expected != "password":
            near.append((expected, 3))
        for name, least in near:
            if run.digits_max >= least and kind in (None, "number", "phone"):
                kind = name
        if kind:
            found.append(Secret(kind, run.first, run.last))
    return found


def _kind_of(text: str, words: Sequence[Token], run: NumberRun, settings: RedactionSettings) -> str:
    for digits in (run.digits, run.spread):
        if len(digits) in _CARD_LENGTHS and luhn.is_valid(digits):
            return "card"
    start = words[run.first].start
    plus = text[max(0, start - 2) : start].strip().endswith("+") or (run.first and words[run.first - 1].word == "plus")
    return "phone" if _is_phone(run.digits, bool(plus), settings.regions) else "number"


def _is_phone(digits: str, plus: bool, regions: tuple[str, ...]) -> bool:
    if len(digits) not in _PHONE_LENGTHS:
        return False
    written = [("+" + digits, None)] if plus or digits.startswith("00") else [(digits, region) for region in regions]
    for number, region in written:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number.replace("+00", "+"), region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _typed_emails(text: str, words: Sequence[Token]) -> list[Secret]:
    found = []
    for match in _TYPED_EMAIL.finditer(text) if "@" in text else ():
        inside = [i for i, token in enumerate(words) if token.start < match.end() and match.start() < token.end]
        if inside:
            found.append(Secret("email", inside[0], inside[-1]))
    return found


def _spoken_emails(words: Sequence[Token], known: _Announcements) -> list[Secret]:
    found = []
    for at, token in enumerate(words):
        if token.word not in known.at or at == 0 or at + 1 >= len(words):
            continue
        end, dotted, name = at + 1, False, 0
        while end < len(words) and name <= _DOMAIN_WORDS_MAX:
            if words[end].word in known.dot and end + 1 < len(words) and words[end + 1].word.isalpha():
                dotted, name, end = True, _DOMAIN_WORDS_MAX, end + 2
                continue
            if dotted:
                break
            name, end = name + 1, end + 1
        if not dotted and token.word not in ("arobase", "arrobase", "arroba"):
            continue
        end = end if dotted else min(at + 3, len(words))
        start, plain = at, 0
        while start > 0 and words[start - 1].word not in known.stops:
            word = words[start - 1].word
            plain += len(word) > 1 and word not in known.link and not figures(word)
            if plain > _LOCAL_WORDS_MAX:
                break
            start -= 1
        found.append(Secret("email", start, end - 1))
    return found


def _ibans(words: Sequence[Token], runs: list[NumberRun]) -> list[Secret]:
    """Two letters, two digits and what follows, joined word by word until the check digits agree."""
    atoms: list[str] = []
    grouped = {run.first: run for run in runs}
    owner: list[int] = []
    at = 0
    while at < len(words):
        run = grouped.get(at)
        if run and not any(
            any(sign.isalpha() for sign in words[i].word) and figures(words[i].word)
            for i in range(run.first, run.last + 1)
        ):
            atoms.append(run.digits)
            at = run.last + 1
        else:
            atoms.append(words[at].word.upper())
            at += 1
        owner.append(at - 1)
    found = []
    first = 0
    for index in range(len(atoms)):
        first = owner[index - 1] + 1 if index else 0
        joined = ""
        for last in range(index, min(index + 34, len(atoms))):
            joined += atoms[last]
            if len(joined) >= 2 and not (joined[:2].isalpha() and joined[:2].isascii()) or len(joined) > 34:
                break
            if len(joined) >= 4 and not joined[2:4].isdecimal():
                break
            if len(joined) in _IBAN_LENGTHS and joined.isascii() and iban.is_valid(joined):
                found.append(Secret("iban", first, owner[last]))
                break
    return found


def _passwords(
    line: Line, known: _Announcements, expected: str | None, language: str | None
) -> tuple[list[Secret], bool]:
    """Words announced as a password, and whether the announcement ends the text."""
    found, follows = [], False
    count = len(line.tokens)
    for match in known.password.finditer(line.joined):
        first = line.span(match)[1]
        if first >= count:
            follows = True
        elif line.tokens[first].word not in known.harmless:
            found.append(Secret("password", first, min(first + 5, count - 1)))
    if expected == "password" and 0 < count <= 4 and line.tokens[0].word not in number_words(language).fillers:
        found.append(Secret("password", 0, count - 1))
    return found, follows
