"""Thousands of patterns over the words of an utterance at the cost of the few that could match.

Each pattern has words that it cannot match without; it is filed under the rarest of them (its anchor). An utterance's
own words call up the patterns filed under them, and only those are run, as regular expressions over the joined words.
Rarity is guessed from a list of frequent words and from length. A pattern without any such word is run each time.

Arabic words are matched with what is written onto their front (و ف ب ل ال), and Latin letters that stand for Arabic
(arabizi) by a spelling that makes one of the many in use: "mezyan", "mzyan" and "mziane" are one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from streams.language.text import Token, tokens

GAP_WORDS = 3
"""Words that a bare ".." of a pattern may skip."""
GAP_WORDS_MAX = 12
ALTERNATIVES_MAX = 400
_PART = re.compile(r"\.\.\d*|[()\[\]|^$]|[^\s()\[\]|^$]+")
_ARABIC = re.compile(r"[\u0600-\u06ff]")
_CLITICS = "(?:[وف]?(?:[بلك]?ال|لل|[بلك])?)"
_DOUBLED = re.compile(r"([a-z])\1+")
_FRONTS = re.compile(r"[وف]?(?:[بك]?ال|لل|[بلك])?")
_WORD_CHARS_MIN = 2

Payload = TypeVar("Payload")


def is_arabic(word: str) -> bool:
    return _ARABIC.match(word) is not None


@lru_cache(maxsize=20_000)
def arabizi(word: str) -> str:
    """One spelling for the many of a Darija word in Latin letters; Arabic script comes back as it is."""
    if not word.isascii():
        return word
    for sign, plain in (("kh", "5"), ("gh", "8"), ("sh", "x"), ("ch", "x"), ("ou", "u"), ("oo", "u")):
        word = word.replace(sign, plain)
    word = word.translate(_SIGNS if len(word) > _SIGNS_LETTERS_MIN else _SHORT_SIGNS)
    return _DOUBLED.sub(r"\1", word) or word


_SIGNS = str.maketrans({"7": "h", "9": "q", "3": "a", "y": "i", "o": "u", "e": None, "2": None})
_SHORT_SIGNS = str.maketrans({"7": "h", "9": "q", "3": "a", "y": "i", "o": "u"})
_SIGNS_LETTERS_MIN = 3
"""In a word of so many letters or fewer, "e" and "2" are all there is to tell it by."""


@lru_cache(maxsize=50_000)
def forms(word: str) -> tuple[str, ...]:
    """The word, and for Arabic script the words it may be without what is written onto its front."""
    if not is_arabic(word):
        return (word,)
    found = [word]
    for front in ("و", "ف", "ال", "ب", "ل", "ك", "وال", "فال", "بال", "كال", "لل", "وب", "ول", "وبال", "ولل"):
        if word.startswith(front) and len(word) - len(front) >= _WORD_CHARS_MIN:
            found.append(word[len(front) :])
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pattern as a regular expression, with the words (`stem~` for stems) of which a match needs one."""

    source: str
    expression: re.Pattern[str]
    anchors: frozenset[str]
    literals: frozenset[str]
    """Every word that it names in full."""


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    anchors: frozenset[str] | None
    """None: nothing here is needed for a match."""


def compile_pattern(pattern: str, *, latin_arabic: bool = False) -> Compiled:
    """One pattern; the language is that of `streams.language.text.compile_patterns`.

    Words with `(a|b c)` alternatives, `[x]` optional parts, `_` any word, `..` up to three words (`..5` up to five),
    `stem~` any word that begins so, `^` and `$` the ends of the utterance.

    Raises:
        ValueError: the pattern is empty, too long, or its brackets do not match.
    """
    parts = _PART.findall(pattern)
    if len(parts) > ALTERNATIVES_MAX:
        raise ValueError(f"pattern {pattern[:40]!r} has {len(parts)} parts, {ALTERNATIVES_MAX} are allowed")
    reader = _PatternReader(pattern, parts, latin_arabic)
    body = reader.alternatives(None)
    if not body.text or not (body.anchors or reader.words):
        raise ValueError(f"pattern {pattern[:40]!r} holds no word")
    expression = re.compile(f"(?:^|(?<= ))(?:{body.text})")
    return Compiled(pattern, expression, body.anchors or frozenset(), frozenset(reader.literals))


class _PatternReader:
    def __init__(self, pattern: str, parts: Sequence[str], latin_arabic: bool) -> None:
        self.pattern, self.parts, self.latin_arabic = pattern, parts, latin_arabic
        self.at = 0
        self.words = 0
        self.literals: set[str] = set()

    def alternatives(self, closing: str | None) -> _Part:
        """What stands between brackets (or the whole pattern, `closing` None), up to and with the closing one."""
        branches = [self._sequence(closing)]
        while self.at < len(self.parts) and self.parts[self.at] == "|":
            self.at += 1
            branches.append(self._sequence(closing))
        if closing is not None:
            if self.at >= len(self.parts):
                raise ValueError(f"brackets do not match in pattern {self.pattern[:40]!r}")
            self.at += 1
        elif self.at < len(self.parts):
            raise ValueError(f"brackets do not match in pattern {self.pattern[:40]!r}")
        if any(not branch.text for branch in branches):
            raise ValueError(f"pattern {self.pattern[:40]!r} has an empty alternative")
        text = "|".join(branch.text for branch in branches)
        anchors: frozenset[str] | None = frozenset()
        for branch in branches:
            anchors = None if anchors is None or branch.anchors is None else anchors | branch.anchors
        return _Part(text, anchors)

    def _sequence(self, closing: str | None) -> _Part:
        text: list[str] = []
        best: frozenset[str] | None = None
        while self.at < len(self.parts) and self.parts[self.at] not in ("|", ")", "]"):
            part = self._item()
            text.append(part.text)
            if part.anchors is not None and (best is None or _cost(part.anchors) < _cost(best)):
                best = part.anchors
        ends = self.parts[self.at] if self.at < len(self.parts) else None
        if ends in (")", "]") and ends != closing:
            raise ValueError(f"brackets do not match in pattern {self.pattern[:40]!r}")
        return _Part("".join(text), best)

    def _item(self) -> _Part:
        part = self.parts[self.at]
        self.at += 1
        if part == "(":
            inner = self.alternatives(")")
            return _Part(f"(?:{inner.text})", inner.anchors)
        if part == "[":
            return _Part(f"(?:{self.alternatives(']').text})?", None)
        if part in ("^", "$"):
            return _Part(part, None)
        if part.startswith(".."):
            most = int(part[2:] or GAP_WORDS)
            if most > GAP_WORDS_MAX:
                raise ValueError(f"pattern {self.pattern[:40]!r} skips {most} words, {GAP_WORDS_MAX} are allowed")
            return _Part(f"(?:[^ ]+ ){{0,{most}}}?", None)
        if part == "_":
            return _Part("[^ ]+ ", None)
        return self._word(part)

    def _word(self, part: str) -> _Part:
        found = [token.word for token in tokens(part)]
        if not found:
            raise ValueError(f"pattern {self.pattern[:40]!r} holds {part[:20]!r}, which is no word")
        self.words += 1
        if self.latin_arabic:
            found = [arabizi(word) for word in found]
        fronted = [(_CLITICS if is_arabic(word) else "") + re.escape(word) for word in found]
        stem = part.endswith("~")
        keys = [*found[:-1], found[-1] + ("~" if stem else "")]
        self.literals.update(key for key in keys if not key.endswith("~"))
        rarest = min(keys, key=lambda key: _cost((key,)))
        return _Part(" ".join(fronted) + ("[^ ]*" if stem else "") + " ", frozenset((rarest,)))


def _cost(words: Iterable[str]) -> float:
    """How many utterances of a thousand have one of these words, by a guess."""
    return sum(_FREQUENT_COST if word in _FREQUENT else max(0.1, 8.0 / 2 ** (len(word) - 2)) for word in words)


_FREQUENT_COST = 60.0
_FREQUENT_WORDS = """
the i you a it to s my and for t is was m me that on in ve of your this what with we not can no so been up ll
there one have like re all at back out d do off good got never be how time don two about has nothing came had an
again they from are but three get put need just right every over last down if since than well as without now est
je le vous la de c un pas j l ca que ai pour en et une n il ne votre mon du tout ce suis les au rien avez bien
sur ete des fait ma plus etait avec deux y moi sans merci depuis fois dans qu service qui meme mais chez trois
jamais passe comme voudrais faut etes mois par dit faire tres encore cette vais mes nous ou se si o e nao um
para uma esta em com da ja por nada os na ha eu isto meu vou foi sem estou tudo ao muito bem nem tenho minha dia
tem queria vez como nos desde outra sao dias isso ninguem dois veio ate melhor bom vai era preciso lhe el es lo
una con mi los sin hay al las del ya todo su he ni gracias estoy mas otra dos tengo yo va han muy esto antes voy
hasta ahora usted puedo ما من w في لا f علي ليا لم كل هذا liya 3la ghadi غادي الي هل ان men الله دون
"""
_FREQUENT = frozenset(_FREQUENT_WORDS.split())
"""Words that more than one utterance in eighty has, in one of the languages (counted in the recipe's corpora)."""


class PatternSet(Generic[Payload]):
    """Patterns, each with what it stands for; `search` costs what an utterance's own words call up."""

    def __init__(self, patterns: Iterable[tuple[str, Payload]], *, latin_arabic: bool = False) -> None:
        self.latin_arabic = latin_arabic
        self._all: list[tuple[re.Pattern[str], Payload]] = []
        self._by_word: dict[str, list[int]] = {}
        self._by_stem: dict[str, list[int]] = {}
        self._always: list[int] = []
        self.literals: set[str] = set()
        for number, (source, payload) in enumerate(patterns):
            compiled = compile_pattern(source, latin_arabic=latin_arabic)
            self._all.append((compiled.expression, payload))
            self.literals |= compiled.literals
            if not compiled.anchors:
                self._always.append(number)
            for anchor in compiled.anchors:
                index = self._by_stem if anchor.endswith("~") else self._by_word
                index.setdefault(anchor.removesuffix("~"), []).append(number)
        self._stem_lengths = sorted({len(stem) for stem in self._by_stem})
        self._called = lru_cache(maxsize=20_000)(self._call_up)

    def __len__(self) -> int:
        return len(self._all)

    def _call_up(self, word: str) -> tuple[int, ...]:
        """The patterns filed under one word."""
        called: list[int] = []
        for form in forms(word):
            called += self._by_word.get(form, ())
            for length in self._stem_lengths:
                if length > len(form):
                    break
                called += self._by_stem.get(form[:length], ())
        return tuple(called)

    def search(self, line: Line, calling: Iterable[str] | None = None) -> Iterator[tuple[int, int, Payload]]:
        """Every match as its first word, the one after its last, and the payload; patterns in the order given.

        `calling`: run only the patterns that these of its words call up.
        """
        called: set[int] = set(self._always) if calling is None else set()
        for word in line.words(self.latin_arabic) if calling is None else calling:
            called.update(self._called(word))
        if not called:
            return
        joined = line.joined(self.latin_arabic)
        for number in sorted(called):
            expression, payload = self._all[number]
            for match in expression.finditer(joined):
                first, end = line.span(match, self.latin_arabic)
                if end > first:
                    yield first, end, payload


class Line:
    """An utterance's words, once as they are and once in the one spelling of arabizi; made when asked for."""

    __slots__ = ("_arabic", "_plain", "tokens")

    def __init__(self, words: Sequence[Token]) -> None:
        self.tokens = words
        self._plain = _Joined([token.word for token in words])
        self._arabic: _Joined | None = None

    def _of(self, latin_arabic: bool) -> _Joined:
        if not latin_arabic:
            return self._plain
        if self._arabic is None:
            self._arabic = _Joined([arabizi(word) for word in self._plain.words])
        return self._arabic

    def words(self, latin_arabic: bool = False) -> list[str]:
        return self._of(latin_arabic).words

    def joined(self, latin_arabic: bool = False) -> str:
        return self._of(latin_arabic).joined

    def span(self, match: re.Match[str], latin_arabic: bool = False) -> tuple[int, int]:
        """First word of a match and the one after its last."""
        return self._of(latin_arabic).span(match)


class _Joined:
    __slots__ = ("_starts", "joined", "words")

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.joined = " ".join(words) + " " if words else ""
        self._starts: dict[int, int] | None = None

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        if self._starts is None:
            self._starts, position = {}, 0
            for index, word in enumerate(self.words):
                self._starts[position] = index
                position += len(word) + 1
            self._starts[position] = len(self.words)
        return self._starts[match.start()], self._starts[match.end()]
