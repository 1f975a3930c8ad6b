"""Numbers that are no secrets by what stands around them: amounts, dates, hours, lists of prices, postcodes."""

from __future__ import annotations

import re
from itertools import pairwise

from streams.language.announcements import Announced
from streams.language.around import Around
from streams.language.identity import is_card
from streams.language.numbers import OF, NumberRun
from streams.language.text import language_code

_TIMES = frozenset(
    [
        "at",
        "around",
        "before",
        "after",
        "until",
        "since",
        "by",
        "vers",
        "avant",
        "apres",
        "depuis",
        "desde",
        "antes",
        "depois",
        "hasta",
        "ate",
        "las",
        "as",
        "قبل",
        "بعد",
        "مع",
        "m3a",
    ]
)
"""What stands before an hour or a day."""
_FROM = ("between", "from", "entre", "de", "das", "desde", "بين", "من", "bin", "mn")
_DATE = re.compile(r"(?:0?[1-9]|[12]\d|3[01])(?:0?[1-9]|1[0-2])(?:19|20)\d\d|(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d")
YEAR = re.compile(r"(?:19|20)\d\d")


class Quantities:
    """What is known of the numbers of some words without looking at their digits."""

    def __init__(self, around: Around, expected: str | None) -> None:
        self.around, self.expected = around, expected

    def digits(self, run: NumberRun) -> int:
        """How many digits of a run may be secret; none of an amount: what is followed by a unit or a month."""
        if not self.measured(run):
            return run.digits_max
        short = run.digits_max <= self.around.settings.digits_max
        return 0 if short or self.is_amount(run) or self._is_date_with_amount(run) else run.digits_max

    def _is_date_with_amount(self, run: NumberRun) -> bool:
        """As "12 2024 1500 euros"; a phone or a card has more groups, or longer ones."""
        longest = max(len(part.digits) for part in run.parts)
        return len(run.parts) in (2, 3) and longest <= self.around.settings.digits_max - 2 and not is_card(run.digits)

    def measured(self, run: NumberRun) -> bool:
        """Whether a unit or a month follows: "euros", "minutes", "mars"."""
        after = self.around.word(run.last + 1)
        if after in self.around.numbers.hesitations or after in OF:
            after = self.around.word(run.last + 2)
        if after == "h" and run.digits_max > 4:
            return False  # a letter of an identity number
        return after in self.around.numbers.units or after in self.around.numbers.months

    def is_amount(self, run: NumberRun) -> bool:
        """One number said as one, or with a unit and in thousands ("1 250 000 euros")."""
        if run.digits_max > 9:
            return False
        if len(run.parts) == 1:
            return run.parts[0].spoken or self.measured(run)
        thousands = len(run.parts[0].digits) <= 3 and all(len(part.digits) == 3 for part in run.parts[1:])
        return thousands and self.measured(run)

    def is_moment(self, run: NumberRun) -> bool:
        """An hour or a day that stands near an announcement: "the code at nine thirty", "carte le 12 mars"."""
        if self.around.settings.strict and not self.measured(run):
            return False
        at_time = self.around.word(run.first - 1) in _TIMES and run.digits_max <= 4 and len(run.parts) <= 2
        return self.measured(run) or at_time or self.around.word(run.first - 1) in self.around.numbers.months

    def is_harmless(self, run: NumberRun, near: Announced | None, kind: str) -> bool:
        """Whether the words say that this number is no secret."""
        if self.is_amount(run) or self.is_date(run) or self._is_hours(run) or self._is_postcode(run, near):
            return True
        if self._is_list(run):
            return True
        if near is None or near.kind != "open" or run.first - near.end > 3 or near.first > run.first:
            return False
        short_phone = kind == "phone" and run.digits_max <= 8
        return (kind == "number" or short_phone) and run.digits_max <= 12

    def is_date(self, run: NumberRun) -> bool:
        groups = run.groups
        if len(groups) <= 3 and all(YEAR.fullmatch(group) for group in groups):
            return True
        with_year = bool(YEAR.fullmatch(groups[-1]) or YEAR.fullmatch(groups[0]))
        return with_year and len(groups) <= 5 and bool(_DATE.fullmatch(run.digits))

    def _is_list(self, run: NumberRun) -> bool:
        """Amounts one after the other, as in "twenty pounds then thirty then forty"."""
        if self._is_each(run):
            return True
        before = [other for other in self.around.runs if other.last < run.first and self.measured(other)]
        apart = all(one.last + 1 < other.first for one, other in pairwise(run.parts))
        return bool(before) and apart and run.first - before[-1].last <= 4 and run.digits_max <= 12

    def _is_each(self, run: NumberRun) -> bool:
        """As "one for 45 and one for 54"."""
        articles = [part.first for part in run.parts if self.around.word(part.first) in self.around.numbers.articles]
        words = [self.around.word(at) for at in range(run.first, run.last + 1)]
        each = sum(word in (*OF, "for", "por") for word in words)
        return len(articles) > 1 and each > 1 and run.digits_max <= 12

    def _is_postcode(self, run: NumberRun, near: Announced | None) -> bool:
        """A Portuguese one, with its place: "1250 096 lisboa"."""
        portuguese = language_code(self.around.language) == "pt" and near is None and self.expected is None
        place = self.around.word(run.last + 1)
        form = [len(group) for group in run.groups] == [4, 3] and not any(part.spoken for part in run.parts)
        return portuguese and form and len(place) > 3 and place not in self.around.numbers.fillers

    def _is_hours(self, run: NumberRun) -> bool:
        """As in "between 9 30 and 11 45"."""
        parts = run.parts
        if len(parts) != 4 or parts[1].last + 1 == parts[2].first or self.around.word(run.first - 1) not in _FROM:
            return False
        hours, minutes = (parts[0], parts[2]), (parts[1], parts[3])
        whole = all(len(part.digits) <= 2 and int(part.digits) <= 24 for part in hours)
        return whole and all(len(part.digits) == 2 and int(part.digits) < 60 for part in minutes)
