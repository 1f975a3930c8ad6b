"""One number said in words, of any of the five languages: "quatre mille cinq cent soixante-douze", "خمسة وعشرين"."""

from __future__ import annotations

from collections.abc import Sequence

from streams.language.number_words import NumberWords
from streams.language.text import Token, fold

_CARDINAL_MAX = 10**12


class _Cardinal:
    """Reads as many words as make one number, greedily: "quatre mille cinq cent soixante-douze" is 4572."""

    def __init__(self, words: Sequence[Token], at: int, known: NumberWords) -> None:
        self.words, self.start, self.at, self.known = words, at, at, known
        self.total = self.current = 0
        self.spread: list[str] = []
        self.scale = _CARDINAL_MAX
        self.before = ""

    def read(self) -> tuple[int, str, str]:
        while self.at < len(self.words):
            word, joined, step = self._next()
            if not word or not self._take(word, joined):
                break
            self.before = word
            self.at += step
        digits = str(self.total + self.current)
        return self.at - 1, digits, "".join(self.spread) or digits

    def _next(self) -> tuple[str, bool, int]:
        """The next word, whether "and" joins it ("trinta e dois", "خمسة وعشرين"), and how many tokens that takes."""
        if self.at == self.start:
            return self._word(self.at), False, 1
        at = self._said(self.at)
        word = self._word(at)
        if at > self.at and self.known.values.get(word) == 1 and self._word(at + 1) in self.known.units:
            return "", False, 0  # "soixante dix euh une seconde"
        if word in self.known.joiners:
            after = self._said(at + 1)
            follows = self._word(after)
            return (follows, True, after + 1 - self.at) if self._joins(follows) else ("", False, 0)
        if word[:1] == "و" and word not in self.known.values and self._joins(word[1:]):
            return word[1:], True, at + 1 - self.at
        return word, False, at + 1 - self.at

    def _word(self, at: int) -> str:
        return self.words[at].word if at < len(self.words) else ""

    def _said(self, at: int) -> int:
        """The word from `at` on that is no hesitation."""
        while self._word(at) in self.known.hesitations:
            at += 1
        return at

    def _after(self) -> str:
        return self._word(self._said(self._said(self.at) + 1))

    def _joins(self, word: str) -> bool:
        """Whether "and" before `word` belongs to one number: "hundred and five", "vingt et un", "trinta e dois"."""
        value, current = self.known.values.get(word), self.current
        if word in self.known.hundred or word in self.known.thousand:
            return current == 0 and bool(self.total)
        if not value:
            return False
        if current == 0:
            return bool(self.total)
        if current % 10 and current % 100 < 10:  # "خمسة وعشرين": the unit comes first
            return value in range(20, 100, 10)
        return current % 100 == 0 or (current % 10 == 0 and current % 100 >= 20 and (value < 10 or value in (11, 12)))

    def _take(self, word: str, joined: bool) -> bool:
        """Whether `word` continues the number; if so it is added."""
        known, current = self.known, self.current
        value = known.values.get(word)
        if word in known.hundred and 0 < current % 1000 < 10:
            self.current = current - current % 1000 + current % 1000 * 100
        elif word in known.hundred and current == 0:
            self.current = 100
        elif (
            (size := known.thousand.get(word)) and size < self.scale and current < 1000 and (current or not self.total)
        ):
            self.total, self.current, self.scale = self.total + max(current, 1) * size, 0, size
        elif value and (self.at == self.start or (current == 0 and self.total) or self._fits(value, word, joined)):
            ninety = word in ("vingt", "vingts") and current % 100 == 4
            self.current = current + (76 if ninety else value)
            self.spread.append(str(value))
        else:
            return False
        return True

    def _fits(self, value: int, word: str, joined: bool) -> bool:
        """Whether `value` continues a number that stands at `current`."""
        current, before = self.current, self.before
        if current == 0:
            return False
        if word in ("vingt", "vingts") and before == "quatre":
            return current % 100 == 4
        if joined and value in range(20, 100, 10) and 0 < current % 100 < 10:
            return True
        if value == 10 and not joined and 0 < current % 100 < 10 and before in _ARABIC_UNITS:
            return True  # "خمسة عشر" is 15
        if before in ("soixante", "vingt", "vingts", "et") and current % 100 in (60, 80) and 10 <= value < 17:
            return True
        if joined and current % 100 == 60 and value == 11:
            return True  # "soixante et onze"
        if before == "dix" and 7 <= value <= 9 and current % 100 in (10, 70, 90):
            return True
        if value < 10:
            eighty = word == "quatre" and self._after() in ("vingt", "vingts") and current % 100
            return current % 10 == 0 and current % 100 != 10 and not eighty
        return current % (100 if value < 100 else 1000) == 0


_ARABIC_UNITS = frozenset(
    fold(word)
    for word in (
        "احد",
        "إحدى",
        "اثنا",
        "اثني",
        "ثلاثة",
        "ثلاث",
        "اربعة",
        "اربع",
        "خمسة",
        "خمس",
        "ستة",
        "ست",
        "سبعة",
        "سبع",
        "ثمانية",
        "ثمان",
        "ثماني",
        "تسعة",
        "تسع",
    )
)


def read_cardinal(words: Sequence[Token], at: int, known: NumberWords) -> tuple[int, str, str]:
    """The last word of the number that begins at word `at`, its digits, and those of its words one by one."""
    return _Cardinal(words, at, known).read()
