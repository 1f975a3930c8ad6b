"""Which numbers among words are secrets, and of what kind."""

from __future__ import annotations

import re
from itertools import pairwise

from streams.language.announcements import NOUN, Announced
from streams.language.around import Around
from streams.language.cards import fours, grouped_cards, names_card
from streams.language.identity import is_card, is_national_id, is_phone
from streams.language.modes import KINDS, Secret
from streams.language.numbers import OF, Group, NumberRun, number_groups
from streams.language.quantities import YEAR, Quantities
from streams.language.text import Line, language_code

AFTER_CARD = ("cvv", "expiry")
_WHOLE = {"card": 13, "iban": 14, "national_id": 7, "phone": 7, "number": 0}
"""With fewer digits a number of a kind is not all there."""
REST_WORDS_MAX = 8
GROUP_DIGITS_MIN, CHECK_WORDS_MAX = 4, 6
PHONE_DIGITS_MIN = 6
FOURS_WORDS_MAX = 4
"""Words from a card's last four to what calls them so: "4471 ce sont les quatre derniers"."""
_EXPIRES = re.compile(r"(?:0[1-9]|1[0-2])(?:20)?(?:2[4-9]|3\d|4\d)")
_LAST_FOUR = ([4], [2, 2], [1, 1, 1, 1], [1, 1, 2], [2, 1, 1])
_TERMS = frozenset(str(year) for year in range(2010, 2046))
_IN = ("en", "em", "in", "fin", "f", "ف")
_EXPIRY_YEAR = re.compile(r"(?:20)?(?:2[4-9]|3\d)")


class Dictated:
    """The numbers of some words, judged one after the other: what was found before counts for what follows."""

    def __init__(self, around: Around, expected: str | None) -> None:
        self.around, self.expected = around, expected
        self.quantities, self.fours = Quantities(around, expected), fours(around)

    def find(self, digits_before: int) -> list[Secret]:
        found: list[Secret] = []
        cards = grouped_cards(self.around, self.quantities, self.expected)
        for position, run in enumerate(self.around.runs):
            if position in cards:
                found.append(Secret("card", run.first, run.last))
                continue
            if any(first <= run.first and run.last < end for first, end in self.fours):
                continue  # the "four" of "the last four"
            before = digits_before if position == 0 and run.first <= 1 else 0
            near = self._nearest(run)
            rest = [] if position - 1 in cards else self._rest(run, near, found)  # that card was whole
            found += self._of_run(run, before, near, found) or rest
        return [self.around.with_letters(secret) for secret in found]

    def _rest(self, run: NumberRun, near: Announced | None, found: list[Secret]) -> list[Secret]:
        """A number that goes on with one that is not whole yet: "hang on my glasses … 4471", "et la clé 61"."""
        last = found[-1] if found else None
        if last is None or last.kind not in _WHOLE or self.quantities.measured(run) or self.quantities.is_moment(run):
            return []
        if run.first == run.last and self.around.word(run.first) in self.around.numbers.articles:
            behind = self.around.word(run.last + 1)
            if behind and behind not in self.around.numbers.continues:
                return []  # "finit par 4471 c'est une visa"
        gap = range(last.last + 1, run.first)
        short = all(part.digits and len(part.digits) <= 4 for part in run.parts)
        if not short or len(gap) > REST_WORDS_MAX or (near is not None and near.first > last.last):
            return []
        digits = self.around.digits_in(last)
        key = digits == 13 and any(self.around.word(at) in ("cle", "clef") for at in gap)
        return [Secret(last.kind, run.first, run.last)] if key or digits < _WHOLE[last.kind] else []

    def _of_run(self, run: NumberRun, before: int, near: Announced | None, found: list[Secret]) -> list[Secret]:
        strict = self.around.settings.strict
        run = self._without_measure(run)
        digits = self.quantities.digits(run)
        expiry = self._expiry(run, near, found)
        if expiry:
            return [expiry]
        if digits == 0:
            return []
        kind = self._kind(run)
        harmless = self.quantities.is_harmless(run, near, kind)
        excused = harmless and (self.quantities.is_amount(run) or not (kind == "card" or strict))
        if (self._is_long(run, digits + before) or kind in ("card", "national_id")) and not excused:
            told = near.kind if near is not None else self.expected
            named = told if told in ("account", "national_id", "iban") else kind
            return self._parted(run, kind if kind == "card" else named)
        run = self._with_soft(run) if near is not None or self.expected else run
        announced = self._announced_kind(run, digits, near, found)
        if announced is None and near is None and self._goes_on(digits, before):
            announced = self.expected
        verb = near is not None and near.kind == "code" and near.end == run.first  # "marco" is no march here
        if announced and (not self.quantities.is_moment(run) or (verb and not self.quantities.measured(run))):
            long_enough = kind in ("card", "phone") and announced in ("code", "cvv", "phone", "expiry")
            return [Secret(kind if long_enough else announced, run.first, run.last)]
        return []

    def _without_measure(self, run: NumberRun) -> NumberRun:
        """Figures without the words of another number that counts something: "887 415 ten seconds left"."""
        *parts, last = run.parts
        if run.bridges and self.quantities.measured(run) and (near_code := self._told_code(run)):
            return near_code
        if not parts or not last.spoken or any(part.spoken for part in parts) or not self.quantities.measured(run):
            return run
        return NumberRun(tuple(parts), tuple(at for at in run.bridges if at < len(parts)))

    def _told_code(self, run: NumberRun) -> NumberRun | None:
        """A code announced just before, without the time it is good for: "zéro cinq zéro neuf vilable vingt quatre heures"."""
        parts = run.parts[: run.bridges[-1]]
        told = any(a.kind == "code" and 0 <= run.first - a.end <= 1 for a in self.around.announced)
        return NumberRun(parts, run.bridges[:-1]) if told and sum(len(part.digits) for part in parts) >= 3 else None

    def _goes_on(self, digits: int, before: int) -> bool:
        """Whether these few digits are the rest, or the beginning, of a number that was asked for."""
        if self.expected == "iban" and digits > 1:
            return True
        return self.expected in ("code", "card", "cvv") and before > 0 and digits + before > 3

    def _with_soft(self, run: NumberRun) -> NumberRun:
        """The run with a word at each end that only sounds like a number: after an announcement it is one."""
        if not all(part.spoken for part in run.parts):
            return run
        parts = list(run.parts)
        before, after = self._soft(run.first - 1), self._soft(run.last + 1)
        parts = [*before, *parts, *after]
        return NumberRun(tuple(parts), tuple(at + len(before) for at in run.bridges))

    def _soft(self, at: int) -> list[Group]:
        if self.around.word(at) not in self.around.numbers.sounds_like:
            return []
        found = number_groups(self.around.words[at : at + 1], self.around.numbers)
        return [group._replace(first=at, last=at) for group in found]

    def _is_long(self, run: NumberRun, digits: int) -> bool:
        if not run.bridges or self.around.settings.strict:
            return digits > self.around.settings.digits_max
        return (
            digits > self.around.settings.bridged_digits_max or run.solid_digits_max > self.around.settings.digits_max
        )

    def _announced_kind(self, run: NumberRun, digits: int, near: Announced | None, found: list[Secret]) -> str | None:
        expected = self.expected
        slack = 1 if self.around.settings.strict else 0  # a digit may have been lost
        told = near.kind if near is not None else self.expected
        many = told in ("code", "cvv", None) and run.last - run.first > 1 and all(part.spoken for part in run.parts)
        digits = max(digits, len(run.digits), len(run.spread) if many else 0) + (
            self.around.spelled_digits(run) if near is not None else 0
        )
        if near is not None and near.kind in ("code", "password") and self._is_mixed(run):
            return near.kind
        if near is not None and self._is_end_of_term(run, near):
            return None
        if near is not None and near.kind == "expiry" and digits < 3 and not self._is_carded(found):
            return None  # "my contract is valid until the 28th"
        if near is not None and near.kind != "open":
            return near.kind if digits >= max(2, near.least - slack) else None
        if near is not None and not self.around.settings.strict:
            return None
        if digits >= 3 and (named := self._named_behind(run)):
            return named
        if self._is_cin(run):
            return "national_id"
        carded = self._has_card(found) or expected in AFTER_CARD
        one_word = run.first == run.last and run.parts[0].spoken  # "cento"
        if carded and 3 - slack <= digits <= 4 and not one_word:
            return "cvv"
        if expected and expected not in ("password", "email", "open") and digits >= 3 - slack:
            return expected
        if self._is_dictated(run):
            return "number"
        return self._looks_like(run)

    def _looks_like(self, run: NumberRun) -> str | None:
        """What a number that nothing announced is by its form and its neighbours."""
        known, around = self.around.known, self.around
        before = [around.line.tokens[at].word for at in range(max(0, run.first - 5), run.first)]
        near = before[-3:]
        sizes = [len(group) for group in run.groups]
        if (
            not known.cards.isdisjoint(near)
            and not run.bridges
            and sizes in _LAST_FOUR
            and not YEAR.fullmatch(run.digits)
        ):
            return "card"  # "my card 4471"
        if not known.backs.isdisjoint(before) and len(run.digits) == 3:
            return "cvv"  # "on the back it says 503"
        figures = not any(part.spoken for part in run.parts) and around.word(run.first).isdecimal()
        loose = any(a.kind == "open" for a in around.announced) or self.expected == "open"
        once = sizes in ([6], [3, 3]) and not run.digits.endswith("00") and not self.quantities.is_date(run)
        return "code" if figures and once and not loose else None

    def _is_carded(self, found: list[Secret]) -> bool:
        """Whether a card is spoken of, here or just before."""
        known = self.around.known
        words = {token.word for token in self.around.line.tokens}
        said = self.expected in (*AFTER_CARD, "card") or self._has_card(found)
        return said or not words.isdisjoint(known.cards | known.backs)

    def _is_end_of_term(self, run: NumberRun, near: Announced) -> bool:
        """A year in which something ends ("termina en 2026"), not how a card does."""
        tokens = self.around.line.tokens
        card = any(token.word in self.around.known.cards for token in tokens)
        return near.kind == "card" and not card and run.digits in _TERMS and self.around.word(run.first - 1) in _IN

    def _is_mixed(self, run: NumberRun) -> bool:
        """Whether this is a word of letters and figures ("girafe77")."""
        word = self.around.word(run.first)
        return run.first == run.last and len(word) > 4 and not word.isdecimal() and not run.parts[0].spoken

    def _has_card(self, found: list[Secret]) -> bool:
        """Whether a card came before, be it with a digit heard wrongly."""
        return any(secret.kind == "card" or self.around.digits_in(secret) >= 13 for secret in found)

    def _nearest(self, run: NumberRun) -> Announced | None:
        """What was announced last before the run, within reach; what ends nearest counts."""
        reach = self.around.settings.announced_words_max * (2 if self.around.settings.strict else 1)
        near = [a for a in self.around.announced if 0 <= run.first - a.end <= reach or run.first < a.end <= run.last]
        if not near:
            return Announced(run.first, run.first, "open", 0) if self.expected == "open" else None
        last = max(near, key=lambda a: a.end)
        of = [a for a in near if a.kind == "open" and a.first < last.first <= a.end + 2]
        if last.kind == "card" and of:  # "the contract ending in"
            return of[-1]
        opens = [a.first for a in near if a.kind == "open" and a.end == last.end]
        codes = [a for a in near if opens and a.kind == "code" and a.first < min(opens) and a.end == last.end]
        if codes:
            return codes[-1]  # "my client access code"
        if last.kind in ("phone", "card") and (code := self._code_of(near, last, run)):
            return code
        same = [a for a in near if a.end == last.end]
        order = ("open", *KINDS)
        return min(same, key=lambda a: (a.kind == "code", order.index(a.kind)))

    def _code_of(self, near: list[Announced], last: Announced, run: NumberRun) -> Announced | None:
        """The code that a thing is named to say whose it is: "the pin of my phone", "o pin do cartão do telemóvel"."""
        idle = {*OF, *self.around.known.credentials.of_my, *self.around.known.cards}
        for a in near:
            between = {self.around.word(at) for at in range(a.end, last.first)}
            if last.kind == "phone" and a.kind == "code" and a.first < last.first and run.digits_max < PHONE_DIGITS_MIN:
                return a  # "the parental code of the tele"
            if (
                a.kind in ("code", "cvv")
                and a.end < last.first
                and between <= idle
                and not between <= self.around.known.cards
            ):
                return a
        return None

    def _is_cin(self, run: NumberRun) -> bool:
        """Whether this has the form of a Moroccan identity card ("be 452178") and is told as somebody's."""
        regions, arabic = self.around.settings.regions, language_code(self.around.language) == "ar"
        if "MA" not in regions or not arabic or run.digits_max not in (5, 6):
            return False
        before = self.around.word(run.first - 2), self.around.word(run.first - 1)
        return before[0] in ("hiya", "hya", "hia", "هي", "هيا", "est") and before[1].isalpha() and len(before[1]) <= 2

    def _named_behind(self, run: NumberRun) -> str | None:
        """What names the number after it: "4521 is my pin", "j'ai mis 8461 en code de sécurité"."""
        known, numbers, reach = self.around.known, self.around.numbers, self.around.settings.announced_words_max
        for a in self.around.announced:
            if a.kind not in ("code", "cvv", "account", "iban", "national_id", "card") or a.first <= run.last:
                continue
            if a.kind == "card" and self._counts(a) and (self._is_year(run) or not names_card(self.around, a.end)):
                continue  # "1450 les quatre derniers mois"
            between = [self.around.word(at) for at in range(run.last + 1, a.first)]
            strange = [word for word in between if word not in known.behind and word not in numbers.hesitations]
            # "As" or "my" may be written with the noun: "كرقم", "moncode".
            joined = not between and (
                self.around.word(a.first) in known.behind
                or self.around.word(a.first)[:1] in ("ك", "ف", "ب")
                or self.around.word(a.first) != self.around.line.tokens[a.first].word
            )
            if (
                (between or joined)
                and len(between) <= 5
                and len(strange) <= 1
                and all(len(word) <= 3 for word in strange)
            ):
                following = any(a.end <= other.first <= a.end + reach for other in self.around.runs)
                return None if following else a.kind
        four = [len(part.digits) for part in run.parts] in _LAST_FOUR
        if four and not self._is_year(run) and any(0 <= first - run.last <= FOURS_WORDS_MAX for first, _ in self.fours):
            return "card"
        if not self.around.heat & NOUN:
            return None
        reversed_ = any(0 <= first - run.last <= 3 for first, _ in known.spans(known.reverse, self.around.line))
        return "code" if reversed_ else None

    def _counts(self, a: Announced) -> bool:
        """Whether the announcement holds a number itself: the "four" of "the last four"."""
        return any(a.first <= run.first and run.last < a.end for run in self.around.runs)

    def _is_year(self, run: NumberRun) -> bool:
        return bool(YEAR.fullmatch(run.digits)) and not self._is_carded([])

    def _is_dictated(self, run: NumberRun) -> bool:
        """Whether this is a group of a number, said digit by digit, or first in its utterance before "got that"."""
        times = self.around.numbers.times
        spoken = all(
            part.spoken and (len(part.digits) == 1 or self.around.word(part.first) in times) for part in run.parts
        )
        if len(run.digits) < GROUP_DIGITS_MIN or not (spoken or all(not part.spoken for part in run.parts)):
            return False
        if any(a.kind == "open" for a in self.around.announced) or self.expected == "open":
            return False
        if spoken and is_count(run.digits):
            return False
        if spoken:
            return True  # said digit by digit, and nothing makes it harmless
        lead = all(word.word in self.around.numbers.continues for word in self.around.words[: run.first])
        behind = range(run.last + 1, run.last + 4)
        if not lead:
            return False
        if not 0 < len(self.around.words) - run.last - 1 <= CHECK_WORDS_MAX:
            return False
        known = self.around.known
        return any(first in behind for first, _ in known.spans(known.checks, Line(self.around.words)))

    def _kind(self, run: NumberRun) -> str:
        plus = self._plus(run)
        if plus and is_phone(run.digits, True, self.around.settings.regions):
            return "phone"
        if len(run.digits) == 15 and run.digits[0] in "12" and is_national_id(run.digits, self.around.settings.regions):
            return "national_id"
        regions = self.around.settings.regions
        lettered = [self.around.lettered(run)[0], *(text for text, _ in self.around.checked(run))]
        if any(is_national_id(text, regions, sure=True) for text in lettered if not text.isdecimal()):
            return "national_id"
        if any(is_card(digits) for digits in self._readings(run)):
            return "card"
        article = self.around.word(run.first) in self.around.numbers.articles  # "it's a long one"
        if self._card_parts(run) or (article and is_card(run.digits[1:])):
            return "card"
        if run.first == run.last and is_national_id(self.around.word(run.first).upper(), regions, sure=True):
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
        start = self.around.words[run.first].start
        signed = self.around.text[max(0, start - 2) : start].strip().endswith("+")
        return signed or self.around.word(run.first - 1) in ("plus", "mais", "mas", "زائد")

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

    def _expiry(self, run: NumberRun, near: Announced | None, found: list[Secret]) -> Secret | None:
        expected = self.expected
        carded = (
            expected in (*AFTER_CARD, "card")
            or self._has_card(found)
            or any(a.kind in ("card", "cvv") for a in self.around.announced)
            or (near is not None and not self.around.known.backs.isdisjoint(t.word for t in self.around.line.tokens))
            or any(is_card(other.digits) for other in self.around.runs)
        )
        told = (near is not None and near.kind == "expiry") or expected in AFTER_CARD
        named = told and any(token.word in self.around.known.cards for token in self.around.line.tokens)
        if run.digits_max > 6 or not (carded or named):
            return None
        at = run.first - 1
        while self.around.word(at) in OF or self.around.word(at) in self.around.numbers.hesitations:
            at -= 1
        month = self.around.word(at) in self.around.numbers.months and (told or _EXPIRY_YEAR.fullmatch(run.digits))
        if not (told or month or _EXPIRES.fullmatch(run.digits)):
            return None
        if month or (run.digits_max >= 2 and _EXPIRES.fullmatch(run.digits)):
            return Secret("expiry", at if month else run.first, run.last)
        return (
            Secret("expiry", run.first, run.last)
            if carded and near and near.kind == "expiry" and run.digits_max >= 3
            else None
        )


def is_count(digits: str) -> bool:
    """Whether somebody counts: "one two three four", "one two one two"."""
    half = digits[: len(digits) // 2]
    steps = [int(after) - int(before) for before, after in pairwise(digits)]
    rising = digits[0] == "1" and all(0 < step <= 2 for step in steps) and steps.count(2) <= 1  # one misheard
    return rising or ("123456789".startswith(half) and digits == half * 2)
