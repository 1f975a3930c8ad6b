"""Finding what must not leave: cards, phones, accounts, e-mail addresses, codes and passwords, written or spoken.

A number of seven digits or more is hidden whatever it is, unless its words say that it is no secret (an amount, a date,
an order number announced as one); a shorter one is hidden when it was announced. In doubt (`strict`) those words excuse
nothing. A kind is a label for people; whether something is hidden never depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from streams.language.announcements import AT, NOUN, NUMBER, Announced, Announcements, announcements, codes_for
from streams.language.emails import emails
from streams.language.identity import IBAN_COUNTRIES, is_card, is_iban, is_national_id, is_phone
from streams.language.numbers import Group, NumberRun, NumberWords, number_groups, number_runs, number_words
from streams.language.text import LANGUAGES, Line, Token, language_code


class Mode(StrEnum):
    """How much is hidden. `OFF` publishes everything as it was said."""

    STRICT = "strict"
    STANDARD = "standard"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """Regions are where the sites are (house plan) and where their callers call from; order settles doubtful cases."""

    mode: Mode = Mode.STANDARD
    regions: tuple[str, ...] = ("FR", "MA", "PT", "TN", "SN", "CI", "CM", "ES", "GB", "US", "BR", "BE")
    digits_max: int = 6
    """The longest dictated number that may be published: prices and years are shorter, phones and cards longer."""
    bridged_digits_max: int = 8
    """The same for a number with strange words inside: those are as often two numbers."""
    announced_words_max: int = 8
    """Words between "my code" and the code; twice as many in strict mode."""
    confidence_min: float = 0.5
    """An utterance the transcriber was less sure of is redacted strictly."""
    hold_ms: int = 5_000
    """A trailing number waits this long, in media time, for its continuation (notes on signal)."""
    talked_over_ms: int = 10_000
    """And this much longer while only the other party is heard: ours may be speaking, and is known when it is done."""
    held_utterances_max: int = 12
    """A caller who dictates longer than this is published redacted, not held for ever."""
    expected_ms: int = 20_000
    """How long an announcement, by either party, makes the next number a secret."""
    continued_ms: int = 15_000
    """Digits published just before count towards the length of a number that goes on after the hold."""
    mute_margin_ms: int = 150
    """Word times of a transcriber are this far off; muted audio reaches further."""

    def for_utterance(self, language: str | None, confidence: float | None = None) -> RedactionSettings:
        """Strict where one of our languages is not known to be spoken, or the words are doubtful."""
        known = language is not None and language.lower().replace("_", "-").split("-")[0] in LANGUAGES
        doubt = not known or (confidence is not None and confidence < self.confidence_min)
        return replace(self, mode=Mode.STRICT) if doubt and self.mode is Mode.STANDARD else self

    @property
    def strict(self) -> bool:
        return self.mode is Mode.STRICT


class Secret(NamedTuple):
    """Words `first..last` (inclusive) that must not be published."""

    kind: str
    first: int
    last: int


KINDS = ("card", "iban", "phone", "email", "national_id", "code", "password", "cvv", "expiry", "account", "number")
AFTER_CARD = ("cvv", "expiry")
_SPELLED_MAX = 4
"""Letters in a row inside a number ("n w b k"); more are words."""
LETTER_NAMES = {
    name: letter
    for letter, names in {
        "b": "be", "c": "ce", "f": "efe effe", "g": "ge", "h": "hache agha", "j": "jota", "k": "ka capa", "l": "ele",
        "m": "eme", "n": "ene", "p": "pe", "q": "cu", "r": "erre", "s": "ese esse", "t": "te", "v": "uve",
        "x": "equis xis", "y": "ipsilon", "z": "zeta",
    }.items()
    for name in names.split()
}  # fmt: skip
"""Letters as Spanish and Portuguese callers spell them, where a transcriber writes the name."""
_TIMES = frozenset(
    "at around before after until since by vers avant apres depuis desde antes depois hasta ate las as قبل بعد مع m3a".split()
)
_TOO_LATE = frozenset(
    "but thanks thank please can could mais merci je vous pouvez voila mas obrigado obrigada pode pero gracias puede "
    "شكرا ولكن walakin chokran".split()
)
GROUP_DIGITS_MIN, CHECK_WORDS_MAX = 4, 6
PASSWORD_WORDS_MAX = 6
_EXPIRES = re.compile(r"(?:0[1-9]|1[0-2])(?:20)?(?:2[4-9]|3\d|4\d)")
_EXPIRY_YEAR = re.compile(r"(?:20)?(?:2[4-9]|3\d)")
_DATE = re.compile(r"(?:0?[1-9]|[12]\d|3[01])(?:0?[1-9]|1[0-2])(?:19|20)\d\d|(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d")
_YEAR = re.compile(r"(?:19|20)\d\d")


def find_secrets(
    text: str,
    words: Sequence[Token],
    language: str | None,
    settings: RedactionSettings,
    expected: str | None = None,
    digits_before: int = 0,
    heard: str | None = None,
    breaks: Sequence[int] = (),
) -> tuple[list[Secret], str | None]:
    """The secrets among `words`, in order, never overlapping, and the kind announced for the utterance that follows.

    `expected` is a kind announced before this text; `digits_before` are digits published just before its first word;
    `heard` is the language that the words themselves are in, where it is another; with the words `breaks` further
    utterances of the same party begin.
    """
    if settings.mode is Mode.OFF:
        return [], None
    known = announcements(codes_for(language, heard, settings.strict))
    heat = known.heat(words)
    if not heat and expected != "password" and "@" not in text:
        return [], expected if not words else None
    return _Search(text, words, heard or language, settings, known, heat, breaks).run(expected, digits_before)


class _Search:
    def __init__(
        self,
        text: str,
        words: Sequence[Token],
        language: str | None,
        settings: RedactionSettings,
        known: Announcements,
        heat: int,
        breaks: Sequence[int],
    ) -> None:
        self.text, self.words, self.language, self.settings, self.known = text, words, language, settings, known
        self.heat = heat
        self.expected: str | None = None
        self.numbers: NumberWords = number_words(language)
        self.runs = number_runs(words, language, breaks, settings.strict) if heat & NUMBER else []
        self.line = known.plain(words) if heat & NOUN else Line(words)
        self.announced: list[Announced] = known.heard(self.line) if heat & NOUN else []

    def run(self, expected: str | None, digits_before: int) -> tuple[list[Secret], str | None]:
        self.expected = expected
        taken: list[Secret] = []
        if self.heat & AT or "@" in self.text:
            found = emails(self.text, self.words, self.known, self.language)
            _take(taken, [Secret("email", first, last) for first, last in found])
        _take(taken, self._ibans())
        _take(taken, self._numbers(expected, digits_before))
        passwords, next_password = self._passwords(expected)
        _take(taken, passwords)
        taken.sort(key=lambda secret: secret.first)
        return taken, self._following(taken, expected, next_password)

    def _following(self, taken: list[Secret], expected: str | None, next_password: bool) -> str | None:
        if not self.words:
            return expected
        if next_password:
            return "password"
        told = self.announced
        whole_card = [s for s in taken if s.kind in ("card", "number") and self._digits_in(s) >= 13]
        last = told[-1] if told else None
        if whole_card and (last is None or last.end <= whole_card[-1].last):
            return "cvv"
        if last is not None and not self._answered(last, taken):
            return last.kind
        if self.heat & NOUN and next(self.known.spans(self.known.email, self.line), None) and not taken:
            return "email"
        return expected if taken or not self._is_sentence() else None

    def _is_sentence(self) -> bool:
        return len(self.words) > 3

    def _answered(self, announced: Announced, taken: list[Secret]) -> bool:
        """Whether the announced secret came, whole, in these words. Half a card is none."""
        if announced.kind == "open":
            return any(run.first >= announced.end for run in self.runs)
        enough = {"card": 13, "phone": 7, "iban": 14, "national_id": 7}.get(announced.kind, 3)
        return any(secret.last >= announced.end and self._digits_in(secret) >= enough for secret in taken)

    def _digits_in(self, secret: Secret) -> int:
        runs = [run for run in self.runs if secret.first <= run.first and run.last <= secret.last]
        return sum(run.digits_max for run in runs)

    # Numbers

    def _numbers(self, expected: str | None, digits_before: int) -> list[Secret]:
        found: list[Secret] = []
        for position, run in enumerate(self.runs):
            before = digits_before if position == 0 and run.first <= 1 else 0
            near = self._nearest(run)
            found += self._of_run(run, before, near, expected, found)
        return [self._with_letters(secret) for secret in found]

    def _of_run(
        self, run: NumberRun, before: int, near: Announced | None, expected: str | None, found: list[Secret]
    ) -> list[Secret]:
        strict = self.settings.strict
        digits = self._digits(run)
        expiry = self._expiry(run, near, expected, found)
        if expiry:
            return [expiry]
        if digits == 0:
            return []
        kind = self._kind(run)
        harmless = self._harmless(run, near, kind)
        if kind == "card" or not harmless or strict:
            if self._is_long(run, digits + before) and not (harmless and self._is_amount(run)):
                named = near.kind if near and near.kind in ("account", "national_id", "iban") else kind
                return self._parted(run, kind if kind == "card" else named)
        run = self._with_soft(run) if near is not None or expected else run
        announced = self._announced_kind(run, digits, near, expected, found)
        if announced and not self._is_moment(run):
            long_enough = kind in ("card", "phone") and announced in ("code", "cvv", "phone", "expiry")
            return [Secret(kind if long_enough else announced, run.first, run.last)]
        return []

    def _with_soft(self, run: NumberRun) -> NumberRun:
        """The run with a word at each end that only sounds like a number: after an announcement it is one."""
        parts = list(run.parts)
        before, after = self._soft(run.first - 1), self._soft(run.last + 1)
        parts = [*before, *parts, *after]
        return NumberRun(tuple(parts), tuple(at + len(before) for at in run.bridges))

    def _soft(self, at: int) -> list[Group]:
        if self._word(at) not in self.numbers.sounds_like:
            return []
        found = number_groups(self.words[at : at + 1], self.numbers)
        return [group._replace(first=at, last=at) for group in found]

    def _is_long(self, run: NumberRun, digits: int) -> bool:
        if not run.bridges or self.settings.strict:
            return digits > self.settings.digits_max
        return digits > self.settings.bridged_digits_max or run.solid_digits_max > self.settings.digits_max

    def _announced_kind(
        self, run: NumberRun, digits: int, near: Announced | None, expected: str | None, found: list[Secret]
    ) -> str | None:
        slack = 1 if self.settings.strict else 0  # a digit may have been lost
        digits = max(digits, len(run.digits))
        if near is not None and near.kind != "open":
            return near.kind if digits >= max(2, near.least - slack) else None
        if near is not None and not self.settings.strict:
            return None
        if digits >= 3 and (named := self._named_behind(run)):
            return named
        if self._is_dictated(run):
            return "number"
        if self._is_cin(run):
            return "national_id"
        carded = self._has_card(found) or expected in AFTER_CARD
        one_word = run.first == run.last and run.parts[0].spoken  # "cento"
        if carded and 3 - slack <= digits <= 4 and not one_word:
            return "cvv"
        if expected and expected not in ("password", "email", "open") and digits >= 3 - slack:
            return expected
        return None

    def _has_card(self, found: list[Secret]) -> bool:
        """Whether a card came before, be it with a digit heard wrongly."""
        return any(secret.kind == "card" or self._digits_in(secret) >= 13 for secret in found)

    def _nearest(self, run: NumberRun) -> Announced | None:
        """What was announced last before the run, within reach; what ends nearest counts."""
        reach = self.settings.announced_words_max * (2 if self.settings.strict else 1)
        near = [a for a in self.announced if 0 <= run.first - a.end <= reach or run.first < a.end <= run.last]
        if not near:
            return Announced(run.first, run.first, "open", 0) if self.expected == "open" else None
        last = max(near, key=lambda a: a.end)
        of = [a for a in near if a.kind == "open" and 0 <= last.first - a.end <= 2]
        if last.kind == "card" and of:  # "the contract ending in"
            return of[-1]
        same = [a for a in near if a.end == last.end]
        order = ("open", *KINDS)
        return min(same, key=lambda a: (a.kind == "code", order.index(a.kind)))

    def _is_cin(self, run: NumberRun) -> bool:
        """Whether this has the form of a Moroccan identity card ("be 452178") and is told as somebody's."""
        if "MA" not in self.settings.regions or not 5 <= run.digits_max <= 6 or language_code(self.language) != "ar":
            return False
        before = self._word(run.first - 2), self._word(run.first - 1)
        return before[0] in ("hiya", "hya", "hia", "هي", "هيا", "est") and before[1].isalpha() and len(before[1]) <= 2

    def _named_behind(self, run: NumberRun) -> str | None:
        """What names the number after it: "4521 is my pin", "j'ai mis 8461 en code de sécurité"."""
        for a in self.announced:
            if a.kind not in ("code", "cvv", "account", "iban", "national_id", "card") or a.first <= run.last:
                continue
            between = [self._word(at) for at in range(run.last + 1, a.first)]
            strange = [word for word in between if word not in self.known.behind and word not in self.numbers.hesitations]
            if 0 < len(between) <= 5 and len(strange) <= 1 and all(len(word) <= 3 for word in strange):
                following = any(a.end <= other.first <= a.end + self.settings.announced_words_max for other in self.runs)
                return None if following else a.kind
        if self.heat & NOUN and any(0 <= first - run.last <= 3 for first, _ in self.known.spans(self.known.reverse, self.line)):
            return "code"
        return None

    def _is_dictated(self, run: NumberRun) -> bool:
        """Whether the utterance begins with a group of a number, said digit by digit or followed by "got that"."""
        spoken = all(len(part.digits) == 1 and part.spoken for part in run.parts)
        if len(run.digits) < GROUP_DIGITS_MIN or not (spoken or all(not part.spoken for part in run.parts)):
            return False
        lead = all(word.word in self.numbers.continues for word in self.words[: run.first])
        behind = range(run.last + 1, run.last + 4)
        if not lead or any(a.kind == "open" for a in self.announced):
            return False
        if spoken and len(run.parts) >= GROUP_DIGITS_MIN:
            return True  # said digit by digit, and nothing before it that would make it harmless
        if not 0 < len(self.words) - run.last - 1 <= CHECK_WORDS_MAX:
            return False
        return any(first in behind for first, _ in self.known.spans(self.known.checks, Line(self.words)))

    def _digits(self, run: NumberRun) -> int:
        """How many digits of a run may be secret; none of an amount: what is followed by a unit or a month."""
        if not self._measured(run):
            return run.digits_max
        short = run.digits_max <= self.settings.digits_max
        if short or self._is_amount(run) or len(run.parts) <= 3 and not is_card(run.digits) and self._few(run):
            return 0
        return run.digits_max

    def _few(self, run: NumberRun) -> bool:
        """Whether what stands before the amount at the end is short: "12 3 2024 15 euros"."""
        return sum(len(part.digits) for part in run.parts[:-1]) <= self.settings.digits_max

    def _word(self, at: int) -> str:
        return self.words[at].word if 0 <= at < len(self.words) else ""

    def _measured(self, run: NumberRun) -> bool:
        """Whether a unit or a month follows: "euros", "minutes", "mars"."""
        after = self._word(run.last + 1)
        if after in self.numbers.fillers:
            after = self._word(run.last + 2)
        return after in self.numbers.units or after in self.numbers.months

    def _is_amount(self, run: NumberRun) -> bool:
        """One number said as one, or with a unit and in thousands ("1 250 000 euros")."""
        if run.digits_max > 9:
            return False
        if len(run.parts) == 1:
            return run.parts[0].spoken or self._measured(run)
        thousands = len(run.parts[0].digits) <= 3 and all(len(part.digits) == 3 for part in run.parts[1:])
        return thousands and self._measured(run)

    def _is_moment(self, run: NumberRun) -> bool:
        """An hour or a day that stands near an announcement: "the code at nine thirty", "carte le 12 mars"."""
        if self.settings.strict and not self._measured(run):
            return False
        at_time = self._word(run.first - 1) in _TIMES and run.digits_max <= 4
        return self._measured(run) or at_time or self._word(run.first - 1) in self.numbers.months

    def _harmless(self, run: NumberRun, near: Announced | None, kind: str) -> bool:
        """Whether the words say that this number is no secret."""
        if self._is_amount(run) or self._is_date(run):
            return True
        if near is None or near.kind != "open" or run.first - near.end > 3:
            return False
        return kind == "number" and run.digits_max <= 12

    def _is_date(self, run: NumberRun) -> bool:
        groups = run.groups
        if len(groups) <= 3 and all(_YEAR.fullmatch(group) for group in groups):
            return True
        with_year = bool(_YEAR.fullmatch(groups[-1]) or _YEAR.fullmatch(groups[0]))
        return with_year and len(groups) <= 5 and bool(_DATE.fullmatch(run.digits))

    def _kind(self, run: NumberRun) -> str:
        plus = self._plus(run)
        if plus and is_phone(run.digits, True, self.settings.regions):
            return "phone"
        if len(run.digits) == 15 and run.digits[0] in "12" and is_national_id(run.digits, self.settings.regions):
            return "national_id"
        if any(is_card(digits) for digits in self._readings(run)):
            return "card"
        if self._card_parts(run) or (self._word(run.first) in self.numbers.articles and is_card(run.digits[1:])):
            return "card"  # also after "it's a long one"
        regions = self.settings.regions
        if is_national_id(self._lettered(run)[0], regions, sure=True):
            return "national_id"
        if run.first == run.last and is_national_id(self._word(run.first).upper(), regions, sure=True):
            return "national_id"
        if is_national_id(run.digits, regions, sure=True) or is_national_id(run.spread, regions, sure=True):
            return "national_id"
        if any(is_phone(digits, plus, regions) for digits in self._readings(run)):
            return "phone"
        return "national_id" if is_national_id(run.digits, regions) else "number"

    def _readings(self, run: NumberRun) -> list[str]:
        """The digits of a run: joined, one by one, and without what only sounds like a number at its ends."""
        parts = list(run.parts)
        while parts[0].soft:
            del parts[0]
        while parts[-1].soft:
            del parts[-1]
        trimmed = NumberRun(tuple(parts)).digits
        return list(dict.fromkeys((run.digits, run.spread, trimmed)))

    def _plus(self, run: NumberRun) -> bool:
        start = self.words[run.first].start
        signed = self.text[max(0, start - 2) : start].strip().endswith("+")
        return signed or self._word(run.first - 1) in ("plus", "mais", "mas", "زائد")

    def _card_parts(self, run: NumberRun) -> int:
        """How many groups, from the first, make a card with more digits after it; 0: none do."""
        digits = ""
        for count, part in enumerate(run.parts[:-1], 1):
            digits += part.digits
            if len(digits) > 19:
                return 0
            if len(digits) >= 15 and is_card(digits):
                return count
        return 0

    def _parted(self, run: NumberRun, kind: str) -> list[Secret]:
        """One secret, or a card and what follows it in the same breath."""
        count = self._card_parts(run) if kind == "card" and not is_card(run.digits) and not is_card(run.spread) else 0
        if not count:
            return [Secret(kind, run.first, run.last)]
        rest = NumberRun(run.parts[count:])
        if rest.digits_max < 3:
            return [Secret("card", run.first, run.last)]
        after = "expiry" if _EXPIRES.match(rest.digits) else "cvv" if len(rest.digits) <= 4 else "number"
        return [Secret("card", run.first, run.parts[count - 1].last), Secret(after, rest.first, rest.last)]

    def _expiry(
        self, run: NumberRun, near: Announced | None, expected: str | None, found: list[Secret]
    ) -> Secret | None:
        carded = (
            expected in (*AFTER_CARD, "card")
            or self._has_card(found)
            or any(a.kind in ("card", "cvv") for a in self.announced)
        )
        told = (near is not None and near.kind == "expiry") or expected in AFTER_CARD
        if run.digits_max > 6 or not carded:
            return None
        at = run.first - 1
        while self._word(at) in ("of", "de", "del", "do", "d", "en", "ديال") or self._word(at) in self.numbers.hesitations:
            at -= 1
        month = self._word(at) in self.numbers.months and (told or _EXPIRY_YEAR.fullmatch(run.digits))
        if not (told or month or _EXPIRES.fullmatch(run.digits)):
            return None
        if month or (2 <= run.digits_max and _EXPIRES.fullmatch(run.digits)):
            return Secret("expiry", at if month else run.first, run.last)
        return Secret("expiry", run.first, run.last) if near and near.kind == "expiry" and run.digits_max >= 3 else None

    # Letters around and between numbers

    def _is_letters(self, at: int) -> bool:
        word = self._word(at)
        if not word or word in self.numbers.hesitations or self.numbers.begins(word):
            return False
        return (len(word) == 1 and word.isalpha()) or word in LETTER_NAMES

    def _beside(self, at: int, step: int) -> int:
        """The next word in that direction that is no hesitation."""
        while self._word(at) in self.numbers.hesitations:
            at += step
        return at

    def _lettered(self, run: NumberRun) -> tuple[str, int, int]:
        """The digits of a run with one letter before and after them, where there are such, and which words that is."""
        first, last, text = run.first, run.last, run.digits
        before, after = self._beside(first - 1, -1), self._beside(last + 1, 1)
        if self._is_letters(after):
            text, last = text + _letter(self._word(after)), after
        if self._word(before) in ("x", "y", "z", "equis", "zeta") and len(run.digits) == 7:
            text, first = _letter(self._word(before)) + text, before
        return text, first, last

    def _with_letters(self, secret: Secret) -> Secret:
        """The secret with the letters and numbers that belong to it: "be 452178", "n w b k 12 34"."""
        kind, first, last = secret
        if kind in ("phone", "card", "cvv", "expiry"):
            return secret
        floor = max((a.end for a in self.announced if a.end <= first), default=0)
        at, letters = self._beside(first - 1, -1), 0
        while at >= floor and letters < 2 and self._is_prefix(at):
            first, letters = at, letters + 1
            at = self._beside(at - 1, -1)
        at, more = self._beside(last + 1, 1), 0
        while kind == "national_id" and more < 3 and self._is_suffix(at):
            last, more = at, more + 1
            at = self._beside(at + 1, 1)
        return Secret(kind, first, last)

    def _is_suffix(self, at: int) -> bool:
        word = self._word(at)
        mixed = len(word) <= 4 and any(sign.isdigit() for sign in word)
        return mixed or self._is_letters(at) or (len(word) == 2 and self._is_prefix(at))

    def _is_prefix(self, at: int) -> bool:
        word = self._word(at)
        common = word in self.known.stops or word in self.numbers.fillers
        return self._is_letters(at) or (len(word) == 2 and word.isalpha() and not common)

    def _ibans(self) -> list[Secret]:
        return Ibans(self).find()

    # Passwords

    def _passwords(self, expected: str | None) -> tuple[list[Secret], bool]:
        """Words announced as a password, and whether the announcement ends the text."""
        found, follows = [], False
        count = len(self.words)
        noun = bool(self.heat & NOUN)
        for _, end in self.known.spans(self.known.password, self.line) if noun else ():
            first = self._said(end)
            if first >= count:
                follows = True
            elif self._word(first) not in self.known.harmless:
                found.append(Secret("password", first, self._password_end(first)))
        if noun and not found and not follows and (first := self._unclear_password()) is not None:
            found.append(Secret("password", first, self._password_end(first)))
        if expected == "password" and 0 < count <= PASSWORD_WORDS_MAX:
            first = self._said(0)
            if first < count and not any(token.word in self.known.harmless for token in self.words[first : first + 2]):
                found.append(Secret("password", first, count - 1))
        return found, follows

    def _unclear_password(self) -> int | None:
        """The first word of a password whose "is" was misheard ("my password i bluebird"); talk about one has none."""
        if any(token.word in self.known.talk for token in self.words):
            return None
        for start, end in self.known.spans(self.known.password_noun, self.line):
            said = self._said(end)
            bare = len(self.words) <= PASSWORD_WORDS_MAX + 2 and self._said(0) >= start - 1
            if bare and said < len(self.words) and self._word(said) not in self.known.harmless:
                return said
            joined = self._word(end - 1) != self.line.tokens[end - 1].word  # "passwordis"
            at = end
            while at < min(end + 3, len(self.words)) and len(self._word(at)) <= 3 and not self._word(at).isdigit():
                if self._word(at) in self.known.harmless:
                    return None
                at += 1
            rest = len(self.words) - at
            plain = at < len(self.words) and self._word(at) not in self.known.harmless
            if plain and rest <= 4 and (joined or at > end or self.settings.strict):
                return at
        return None

    def _said(self, at: int) -> int:
        """The first word from `at` on that is more than hesitation and copula."""
        idle = ("c", "est", "is", "e", "es", "هو", "هي", "huwa", "hiya", "howa", "it", "s")
        while at < len(self.words) and (
            self._word(at) in idle or (self._word(at) in self.numbers.fillers and not self.numbers.begins(self._word(at)))
        ):
            at += 1
        return at

    def _password_end(self, first: int) -> int:
        last = min(first + PASSWORD_WORDS_MAX - 1, len(self.words) - 1)
        if not self.settings.strict:
            for at in range(first + 1, last + 1):
                if self._word(at) in _TOO_LATE:
                    return at - 1
        return last


class Ibans:
    """Two letters, two digits and what follows, joined word by word until the check digits agree.

    Where they do not (a digit was lost, or heard otherwise), two letters before a number of 14 to 34 letters and digits
    are believed as well.
    """

    def __init__(self, search: _Search) -> None:
        self.words, self.search = search.words, search
        self.atoms: list[str] = []
        self.ends: list[int] = []
        groups = {group.first: group for group in number_groups(search.words, search.numbers)} if search.runs else {}
        at = 0
        while at < len(self.words):
            part = groups.get(at)
            if part is not None and part.spoken:
                self.atoms.append(part.digits)
                at = part.last + 1
            else:
                word = self.words[at].word
                filler = word in search.numbers.fillers and len(word) > 1
                self.atoms.append("" if filler else word.upper())
                at += 1
            self.ends.append(at - 1)

    def find(self) -> list[Secret]:
        if not self.search.runs:
            return []
        found = []
        for index, atom in enumerate(self.atoms):
            if atom[:2].isalpha() and atom.isascii() and len(atom) <= 34:
                last = self._valid_end(index)
                if last is None and self._is_country(index):
                    last = self._likely_end(index)
                if last is not None:
                    found.append(Secret("iban", self.ends[index - 1] + 1 if index else 0, self.ends[last]))
        return found

    def _is_country(self, index: int) -> bool:
        """Whether "FR76", "f r" or an announced "fr" stands here, and not a word of two letters."""
        atom, following = self.atoms[index], next((atom for atom in self.atoms[index + 1 : index + 4] if atom), "")
        if len(atom) == 1:
            return len(following) == 1 and atom + following in IBAN_COUNTRIES
        if len(atom) > 2:
            return atom[:2] in IBAN_COUNTRIES and atom[2:3].isdigit()
        return atom in IBAN_COUNTRIES and any(a.kind in ("iban", "account") for a in self.search.announced)

    def _valid_end(self, index: int) -> int | None:
        joined = ""
        for last in range(index, min(index + 40, len(self.atoms))):
            joined += self.atoms[last]
            if not _IBAN_START.match(joined[:4]) or len(joined) > 34:
                return None
            if is_iban(joined):
                return last
        return None

    def _likely_end(self, index: int) -> int | None:
        joined, end = "", None
        for last in range(index, min(index + 40, len(self.atoms))):
            atom = self.atoms[last]
            if not _IBAN_START.match((joined + atom)[:4]) or (atom.isalpha() and len(atom) > _SPELLED_MAX):
                break
            joined += atom
            if any(sign.isdigit() for sign in atom):
                end = last
        told = any(a.kind in ("iban", "account") for a in self.search.announced)
        digits = sum(sign.isdigit() for sign in joined)
        return end if end is not None and 14 <= len(joined) <= 40 and digits >= (10 if told else 12) else None


_IBAN_START = re.compile(r"[A-Z]$|[A-Z]{2}$|[A-Z]{2}\d$|[A-Z]{2}\d\d$|$")


def _letter(word: str) -> str:
    return LETTER_NAMES.get(word, word).upper()


def _take(taken: list[Secret], more: list[Secret]) -> None:
    """Add secrets; where they overlap earlier ones the union is hidden under the earlier kind."""
    for secret in more:
        kind, first, last = secret
        for other in [old for old in taken if old.first <= last and first <= old.last]:
            kind, first, last = other.kind, min(first, other.first), max(last, other.last)
            taken.remove(other)
        taken.append(Secret(kind, first, last))
