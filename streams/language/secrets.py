"""Finding what must not leave: cards, phones, accounts, e-mail addresses, codes and passwords, written or spoken.

A number of seven digits or more is hidden whatever it is, unless its words say that it is no secret (an amount, a date,
an order number announced as one); a shorter one is hidden when it was announced. In doubt (`strict`) those words excuse
nothing. A kind is a label for people; whether something is hidden never depends on it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from streams.language.accounts import Ibans
from streams.language.announcements import AT, NOUN, Announced, announcements, codes_for
from streams.language.around import Around
from streams.language.credentials import Credentials
from streams.language.dictated import Dictated
from streams.language.emails import emails
from streams.language.marks import marked
from streams.language.modes import Mode, RedactionSettings, Secret
from streams.language.passwords import Passwords
from streams.language.text import Token, tokens

BREATH_WORDS_MAX = 3
"""So few words ("yes one moment") leave an announcement in force."""

__all__ = ["Mode", "RedactionSettings", "Secret", "find_secrets"]


def find_secrets(
    text: str,
    words: Sequence[Token],
    language: str | None,
    settings: RedactionSettings,
    expected: str | None = None,
    digits_before: int = 0,
    also: str | None = None,
    breaks: Sequence[int] = (),
) -> tuple[list[Secret], str | None]:
    """The secrets among `words`, in order, never overlapping, and the kind announced for the utterance that follows.

    `expected` is a kind announced before this text; `digits_before` are digits published just before its first word;
    `also` is another language whose announcements count; with the words `breaks` further
    utterances of the same party begin.
    """
    if settings.mode is Mode.OFF:
        return [], None
    found, following = _find(text, words, language, settings, expected, digits_before, also, breaks)
    count = 0
    while count != (count := sum(secret.last - secret.first + 1 for secret in found)):
        # A mark is shorter than what it hides, and may bring an announcement within reach of something else.
        hidden = marked(text, words, found)[0]
        left = tokens(hidden)
        places = _places(len(words), found)
        again = [bisect_left(places, (at, at)) for at in breaks]
        again_found, _ = _find(
            hidden, left, language, settings, expected if expected == "open" else None, 0, also, again
        )
        more = [Secret(kind, places[first][0], places[last][1]) for kind, first, last in again_found]
        _take(found, more)
        found.sort(key=lambda secret: secret.first)
    return found, following


def _places(count: int, secrets: Sequence[Secret]) -> list[tuple[int, int]]:
    """Which of the `count` words each word of the marked text stands for, first and last."""
    places: list[tuple[int, int]] = []
    at = 0
    for secret in secrets:
        places += [(word, word) for word in range(at, secret.first)]
        places.append((secret.first, secret.last))
        at = secret.last + 1
    return places + [(word, word) for word in range(at, count)]


def _find(
    text: str,
    words: Sequence[Token],
    language: str | None,
    settings: RedactionSettings,
    expected: str | None,
    digits_before: int,
    also: str | None,
    breaks: Sequence[int],
) -> tuple[list[Secret], str | None]:
    known = announcements(codes_for(language, also, settings.strict))
    heat = known.heat(words)
    if not heat and expected != "password" and "@" not in text:
        return [], expected if not words else None
    around = Around(text, words, language, settings, known, heat, breaks)
    taken: list[Secret] = []
    if heat & AT or "@" in text:
        _take(taken, [Secret("email", *span) for span in emails(text, words, known, around.language)])
    _take(taken, Ibans(around).find())
    _take(taken, Dictated(around, expected).find(digits_before))
    passwords, next_password = Passwords(around, Credentials(around)).find(expected)
    _take(taken, passwords)
    taken.sort(key=lambda secret: secret.first)
    return taken, "password" if next_password and words else _following(around, taken, expected)


def _following(around: Around, taken: list[Secret], expected: str | None) -> str | None:
    """What a number in the next utterance is: announced here and not yet told, or what goes with a card."""
    if not around.words:
        return expected
    last = around.announced[-1] if around.announced else None
    cards = [secret for secret in taken if secret.kind in ("card", "number") and around.digits_in(secret) >= 13]
    if cards and (last is None or last.end <= cards[-1].last):
        return "cvv"
    if last is not None and not _is_answered(around, last, taken):
        return last.kind
    asks_email = around.heat & NOUN and any(True for _ in around.known.spans(around.known.email, around.line))
    if asks_email and not taken:
        return "email"
    return expected if taken or len(around.words) <= BREATH_WORDS_MAX else None


def _is_answered(around: Around, announced: Announced, taken: list[Secret]) -> bool:
    """Whether the announced number came, whole, in these words. Half a card is none."""
    if announced.kind == "open":
        return any(run.first >= announced.end for run in around.runs)
    enough = {"card": 13, "phone": 7, "iban": 14, "national_id": 7}.get(announced.kind, 3)
    return any(secret.last >= announced.end and around.digits_in(secret) >= enough for secret in taken)


def _take(taken: list[Secret], more: list[Secret]) -> None:
    """Add secrets; where they overlap earlier ones the union is hidden under the earlier kind."""
    for secret in more:
        kind, first, last = secret
        for other in [old for old in taken if old.first <= last and first <= old.last]:
            kind, first, last = other.kind, min(first, other.first), max(last, other.last)
            taken.remove(other)
        taken.append(Secret(kind, first, last))
