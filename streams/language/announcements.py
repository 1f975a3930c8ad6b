"""What announces a secret, in one or more languages: "my code is", "le numéro de ma carte", "الرمز السري ديالي هو".

Recognisers make mistakes in these words too, so a word one edit away from an announcing noun counts as that noun. Most
utterances hold neither such a noun nor a number: `heat` says so from a table, and nothing else is tried on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from streams.language.credential_words import credential_words
from streams.language.number_words import number_words
from streams.language.numbers import written_digits
from streams.language.text import LANGUAGES, Line, Token, compile_patterns, fold, language_code, read_yaml

NUMBER, NOUN, AT, ENTRY = 1, 2, 4, 64
"""What a word may be part of: a number, an announcement, a spoken address, words about a way in."""
_MAYBE_AT, _DOT, _ARTICLE = 8, 16, 32
"""Words such as "at" and "chez" are part of an address where there is a dot as well."""
_VERB, _HINT, _PAUSE = 128, 256, 512
"""Words that tell of a way in where both are there ("type" and "colleague"); a hesitation."""
ARTICLES_RUN = 3
"""So many articles in a row ("one one one") are no articles but digits."""
CERTAIN_AT = frozenset(
    ["arobase", "arrobase", "arobaze", "arobas", "arroba", "arrova", "aroubaz", "arobaz", "اروباز", "اروباس"]
)
"""Words that mean nothing but "@"."""
FUZZY_CHARS_MIN = 5
"""Shorter words have too many neighbours ("code", "mode", "core")."""
ASKED_WORDS_MAX = 5
"""So many words may follow in the question ("the password on the account")."""
SEEN_WORDS_MAX = 50_000
_VOWELS = "aeiouاويةه"
_BE = frozenset(["etes", "es", "est", "suis"])
"""Behind one of these "ne" is "né"."""
_PROCLITICS = "وفبلك"
"""Arabic particles that are written with the word they stand before."""


class Announced(NamedTuple):
    """Words `first..end` (exclusive) announce a number of at least `least` digits of this kind; "open": no secret."""

    first: int
    end: int
    kind: str
    least: int


class _Kind(NamedTuple):
    name: str
    least: int
    pattern: re.Pattern[str]
    nouns: frozenset[str]
    """Without one of them the pattern cannot match, or is not worth trying."""
    literals: frozenset[str]


class Announcements:
    """The announcing words of some languages, compiled."""

    def __init__(self, codes: tuple[str, ...]) -> None:
        content = read_yaml("redaction.yaml")
        own = [content[code] for code in codes]

        def words(name: str) -> frozenset[str]:
            return frozenset(fold(str(word)) for part in own for word in part[name])

        self.nouns = words("nouns")
        self.at, self.dot, self.link = words("at"), words("dot"), words("link")
        # Of the languages that are only tried to be sure, words that mean something in this one would end an address.
        spoken = own[: 2 if codes[0] in ("ar", "fr") and len(codes) > 1 and codes[1] in ("ar", "fr") else 1]
        self.stops = frozenset(fold(str(word)) for part in spoken for word in part["stops"])
        self.harmless = words("harmless")
        self.providers = frozenset(content["providers"])
        self.endings = frozenset(fold(str(word)) for word in content["endings"])
        self.kinds = [self._kind(own, kind, least) for kind, least in content["kinds"].items()]
        self.open = self._kind(own, "open", 0)
        self.unless = self._kind(own, "unless", 0)
        self.reverse = self._kind(own, "reverse", 0)
        self.fours = self._kind(own, "fours", 0)
        self.password = self._kind(own, "password", 0)
        self.password_noun = self._kind(own, "password_noun", 0)
        self.asks = self._kind(own, "asks", 0)
        self.still = words("still")
        self.dictate = self._kind(own, "dictate", 0)
        # Darija is full of French; to a French caller "la" is no "no".
        self.unasked = frozenset(
            fold(str(word)) for part in own[: 2 if codes[0] == "ar" else 1] for word in part["unasked"]
        )
        self.evasive = words("evasive")
        self.belonging = self._kind(own, "belonging", 0)
        self.email = self._kind(own, "email", 0)
        self.checks = self._kind(own, "checks", 0)
        self.cards, self.backs = words("cards"), words("backs")
        self._places = words("places")
        self.talk, self.behind = words("talk"), words("behind")
        self.chosen, self.as_words = words("chosen"), words("as")
        self.denials = frozenset(fold(str(word)) for word in own[0]["talk"]) - self.as_words
        # Words that the patterns know mean themselves, not a noun they are near ("contrato", "contato").
        self._plain = frozenset(fold(word) for word in content["common"]) | frozenset(
            word
            for kind in (*self.kinds, self.open, self.unless, self.reverse, self.fours, self.password)
            for word in kind.literals
        )
        self.credentials = credential_words(codes)
        self._plain |= self.credentials.nouns | self.credentials.verbs | self.credentials.hints
        self._numbers = number_words(codes[0])
        self._codes = codes
        self.french = codes[0] == "fr"
        # "Com" is "with" in Portuguese.
        self._tails = frozenset(("net", "org") if codes[0] == "pt" else ("com", "net", "org"))
        self._near = {short: noun for noun in sorted(self.nouns) for short in _shortened(noun)}
        self._short = {
            other: noun for noun in sorted(self.nouns) if 2 < len(noun) < FUZZY_CHARS_MIN for other in _misheard(noun)
        }
        self._near_open = {
            short: noun
            for noun in sorted(self.open.literals)
            if len(noun) > FUZZY_CHARS_MIN
            for short in _shortened(noun)
        }
        self._seen: dict[str, tuple[int, str]] = {}

    def _kind(self, own: Sequence[dict[str, list[str]]], name: str, least: int) -> _Kind:
        pattern = compile_patterns([str(line) for part in own for line in part[name]])
        literals = frozenset(
            fold(word) for part in own for line in part[name] for word in re.findall(r"[^\W_]+", str(line))
        )
        nouns = literals if name in ("open", "unless") else literals & self.nouns
        return _Kind(name, least, pattern, nouns, literals)

    def heat(self, words: Sequence[Token]) -> int:
        """NUMBER, NOUN, AT and ENTRY, joined, as far as any of the words may be part of one; 0: there is no secret here."""
        found = run = longest = 0
        seen = self._seen
        for token in words:
            known = seen.get(token.word)
            heat = known[0] if known is not None else self._look(token.word)[0]
            if not heat:
                run = 0
                continue
            found |= heat
            run = run + 1 if heat & _ARTICLE else run if heat & _PAUSE else 0
            if run > longest:
                longest = run
        if longest >= ARTICLES_RUN or (longest > 1 and found & NOUN):
            found |= NUMBER
        if found & _MAYBE_AT and found & _DOT:
            found |= AT
        if found & _VERB and found & _HINT:
            found |= ENTRY
        return found & (NUMBER | NOUN | AT | ENTRY)

    def plain(self, words: Sequence[Token]) -> Line:
        """The words with those that are near an announcing noun written as that noun."""
        return Line([Token(self._look(token.word)[1], token.start, token.end) for token in words])

    def _look(self, word: str) -> tuple[int, str]:
        known = self._seen.get(word)
        if known is None:
            if len(self._seen) >= SEEN_WORDS_MAX:
                self._seen.clear()
            known = self._seen[word] = self._of(word)
        return known

    def _of(self, word: str) -> tuple[int, str]:
        heat = 0
        numbers = self._numbers
        spoken = numbers.begins(word) or word in numbers.times or (word[0] == "و" and word[1:] in numbers.values)
        if (spoken and word not in numbers.articles) or (not spoken and written_digits(word)):
            heat |= NUMBER
        if spoken and word in numbers.articles:
            heat |= _ARTICLE
        if word in CERTAIN_AT or word in self.providers:
            heat |= AT
        known = self.credentials
        heat |= (ENTRY if word in known.nouns else 0) | (_VERB if word in known.verbs else 0)
        heat |= (_HINT if word in known.hints else 0) | (_PAUSE if word in numbers.hesitations else 0)
        heat |= ENTRY if self._codes[0] != "ar" and not word.isalpha() and known.is_mixed(word) else 0
        heat |= (_MAYBE_AT if word in self.at else 0) | (_DOT if word in self.dot or word in self._tails else 0)
        noun = self._noun(word) if not spoken else None
        if noun is not None:
            return heat | NOUN, noun
        return heat, word if spoken else self._open_noun(word)

    def _open_noun(self, word: str) -> str:
        """What excuses a number is understood when misheard, too: "comptear"."""
        if len(word) <= FUZZY_CHARS_MIN or self._is_common(word):
            return word
        for cut in range(FUZZY_CHARS_MIN + 1, len(word) - 1):  # "compteurje": two words written as one
            if word[:cut] in self.open.literals and self._is_common(word[cut:]):
                return word[:cut]
        return next((self._near_open[short] for short in _shortened(word) if short in self._near_open), word)

    def _noun(self, word: str) -> str | None:
        if word in self.nouns:
            return word
        if word[0] in _PROCLITICS and len(word) > 3:
            for bare in (word[1:], "ا" + word[1:]):  # "والرمز", "للبطاقة"
                if bare in self.nouns:
                    return bare
        if word[0] in "ld" and len(word) > 3 and "ar" in self._codes and word[1:] in self.nouns:
            return word[1:]  # "lcin"
        if self._is_common(word):
            return None
        if len(word) < FUZZY_CHARS_MIN or word in self._short:
            return self._short.get(word)
        for cut in range(2, len(word) - 1):  # "moncode": two words written as one
            left, right = word[:cut], word[cut:]
            for noun, other in ((left, right), (right, left)):
                if len(noun) > 3 and noun in self.nouns and (self._is_common(other) or other in self.nouns):
                    return noun
        return next((self._near[short] for short in _shortened(word) if short in self._near), None)

    def _is_common(self, word: str) -> bool:
        """Whether a word is so common that it is no misheard noun."""
        known = word in self._plain or word in self.stops or word in self.harmless
        return known or word in self._numbers.fillers or self._numbers.begins(word)

    def heard(self, line: Line) -> list[Announced]:
        """All announcements of numbers, by their end."""
        words = {token.word for token in line.tokens}
        out = [Announced(*span, kind.name, kind.least) for kind in self.kinds for span in self.spans(kind, line, words)]
        void = list(self.spans(self.unless, line, words))
        out = [a for a in out if a.kind != "code" or not any(first <= a.first and a.end <= end for first, end in void)]
        out += [
            Announced(*span, "open", 0)
            for span in (*self.spans(self.open, line, words), *void)
            if not any(token.word in self._places for token in line.tokens[max(0, span[0] - 2) : span[0]])
        ]
        return sorted(out, key=lambda a: (a.end, a.kind == "open", -a.first))

    def asks_password(self, words: Sequence[Token]) -> bool:
        """Whether these words of the other party ask for a password."""
        said = [token.word for token in words]
        born = {at for at, word in enumerate(said) if word == "ne" and not _BE.isdisjoint(said[max(0, at - 2) : at])}
        if any(word in self.unasked and at not in born for at, word in enumerate(said)):
            return False
        line = self.plain(words)
        if any(end >= len(words) - ASKED_WORDS_MAX for _, end in self.spans(self.password_noun, line)):
            return True
        if any(True for _ in self.spans(self.asks, line)):
            return True
        return self.credentials.asks(line)

    def asks_dictation(self, words: Sequence[Token]) -> bool:
        """Whether these words of the other party ask for a number, and do not say which: "read it out to me"."""
        return any(True for _ in self.spans(self.dictate, self.plain(words)))

    def spans(self, kind: _Kind, line: Line, words: set[str] | None = None) -> Iterator[tuple[int, int]]:
        """First word and the one after the last, of each match of a kind's patterns."""
        if words is None:
            words = {token.word for token in line.tokens}
        if kind is self.checks or kind is self.belonging or not kind.nouns.isdisjoint(words):
            yield from (line.span(match) for match in kind.pattern.finditer(line.joined))


def _misheard(noun: str) -> Iterator[str]:
    """The noun with one vowel heard as another, or one more."""
    for at, sign in enumerate(noun):
        if sign in _VOWELS:
            yield from (noun[:at] + other + noun[at + 1 :] for other in _VOWELS if other != sign)
    yield from (noun + vowel for vowel in _VOWELS)


def _shortened(word: str) -> Iterator[str]:
    """The word, and the word without each of its letters: two words one edit apart share one of them."""
    if len(word) >= FUZZY_CHARS_MIN:
        yield word
        for at in range(len(word)):
            yield word[:at] + word[at + 1 :]


@lru_cache(maxsize=32)
def announcements(codes: tuple[str, ...]) -> Announcements:
    return Announcements(codes)


def codes_for(language: str | None, also: str | None = None, every: bool = False) -> tuple[str, ...]:
    """The languages whose announcements count: the utterance's, and another it may be; all when in doubt.

    Darija is full of French, and French spoken in the Maghreb of Darija.
    """
    if every or language is None:
        first = language_code(language)
        if first == "fr":
            return ("fr", "ar", "en", "pt", "es")
        return (first, *(code for code in LANGUAGES if code != first))
    codes = [language_code(language)]
    if also is not None and language_code(also) not in codes:
        codes.append(language_code(also))
    for one, other in (("ar", "fr"), ("fr", "ar")):
        if one in codes and other not in codes:
            codes.append(other)
    return tuple(codes)
