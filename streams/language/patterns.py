"""Thousands of patterns over the words of an utterance at the cost of the few that could match.

Each pattern has words that it cannot match without; it is filed under the rarest of them (its anchor). An utterance's
own words call up the patterns filed under them, and of those only the ones are run, as regular expressions over the
joined words, whose next rarest words are there too. Rarity is guessed from a list of frequent words and from length. A
pattern without any such word is run each time.

Each word of an expression has its space before it: an expression that begins with a space is tried where one stands, which
`re` finds faster than it tries every letter.

Arabic words are matched with what is written onto their front (و ف ب ل ال), Darija in Latin letters too, and there by a
spelling that makes one of the many in use (see `spelling.py`). `+stem` is a verb with what Arabic puts before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from streams.language.spelling import (
    SKELETON_LETTERS_MIN,
    forms,
    front_of,
    spelled,
    verb_forms,
    verb_front_of,
)
from streams.language.text import Token, tokens

GAP_WORDS = 3
"""Words that a bare ".." of a pattern may skip."""
GAP_WORDS_MAX = 12
ALTERNATIVES_MAX = 800
NEEDED_MAX = 3
"""Needed words of a pattern that are looked for before it is run; each more would cost more than it saves."""
_PART = re.compile(r"\.\.\d*|[()\[\]|^$]|[^\s()\[\]|^$]+")
Payload = TypeVar("Payload")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pattern as a regular expression, with the words (`stem~` for stems, `+verb`) of which a match needs one."""

    source: str
    expression: re.Pattern[str]
    anchors: frozenset[str]
    needed: tuple[frozenset[str], ...]
    """Further words of each of which a match needs one."""
    literals: frozenset[str]
    """Every word that it names in full."""


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    anchors: frozenset[str] | None
    """None: nothing here is needed for a match."""
    front: str = ""
    """The expression that `text` begins with, for what may be written onto the front of a word."""
    needed: tuple[frozenset[str], ...] = ()
    """All that is needed, the rarest first: `anchors` and what else."""


def compile_pattern(pattern: str, *, latin_arabic: bool = False) -> Compiled:
    """One pattern; the language is that of `streams.language.text.compile_patterns`.

    Words with `(a|b c)` alternatives, `[x]` optional parts, `_` any word, `..` up to three words (`..5` up to five),
    `stem~` any word that begins so, `+stem` and `+stem~` an Arabic verb in any person, `=word` an Arabic word
    with nothing on its front, `^` and `$` the ends of the utterance.

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
    expression = re.compile(f"(?:{body.text})(?![^ ])")
    needed = tuple(one for one in body.needed[1:NEEDED_MAX] if not latin_arabic or all(map(_is_found_by_form, one)))
    return Compiled(pattern, expression, body.anchors or frozenset(), needed, frozenset(reader.literals))


def _is_found_by_form(anchor: str) -> bool:
    """Whether `forms` and `verb_forms` surely lead to it: of a shorter word they do not take what is on its front."""
    return len(anchor.strip("+~")) >= SKELETON_LETTERS_MIN


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
        text = "|".join(_by_front(branches))
        anchors: frozenset[str] | None = frozenset()
        for branch in branches:
            anchors = None if anchors is None or branch.anchors is None else anchors | branch.anchors
        return _Part(text, anchors, needed=branches[0].needed if len(branches) == 1 else (anchors,) if anchors else ())

    def _sequence(self, closing: str | None) -> _Part:
        text: list[str] = []
        needed: list[frozenset[str]] = []
        front: str | None = None
        while self.at < len(self.parts) and self.parts[self.at] not in ("|", ")", "]"):
            part = self._item()
            text.append(part.text)
            front = part.front if front is None else front
            if part.anchors is not None:
                needed.append(part.anchors)
        ends = self.parts[self.at] if self.at < len(self.parts) else None
        if ends in (")", "]") and ends != closing:
            raise ValueError(f"brackets do not match in pattern {self.pattern[:40]!r}")
        needed.sort(key=_cost)
        return _Part("".join(text), needed[0] if needed else None, front or "", tuple(needed))

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
            return _Part(f"(?: [^ ]++){{0,{most}}}?", None)
        if part == "_":
            return _Part(" [^ ]++", None)
        return self._word(part)

    def _word(self, part: str) -> _Part:
        found = [token.word for token in tokens(part)]
        if not found:
            raise ValueError(f"pattern {self.pattern[:40]!r} holds {part[:20]!r}, which is no word")
        self.words += 1
        stem, verb, bare = part.endswith("~"), part.startswith("+"), part.startswith("=")
        if self.latin_arabic:
            found = [spelled(word, stem=stem and word is found[-1], verb=verb and word is found[0]) for word in found]
        if verb:
            front, latters = verb_front_of(found[0]), found[1:]
            fronted = [front + re.escape(found[0]), *map(re.escape, latters)]
        else:
            fronts = ["" if bare else front_of(word, self.latin_arabic) for word in found]
            front = fronts[0]
            fronted = [before + self._apart(word) for before, word in zip(fronts, found, strict=True)]
        keys = [*found[:-1], found[-1] + ("~" if stem else "")]
        if verb:
            keys[0] = f"+{keys[0]}"
        self.literals.update(key for key in keys if not key.startswith("+") and not key.endswith("~"))
        rarest = min(keys, key=lambda key: _cost((key,)))
        anchors = {rarest, rarest[1:]} if self._has_article(rarest.removesuffix("~")) else {rarest}
        text = "".join(f" {word}" for word in fronted) + ("[^ ]*+" if stem else "")
        return _Part(text, frozenset(anchors), f" {front}" if front else "")

    def _has_article(self, word: str) -> bool:
        return self.latin_arabic and word[0] == "l" and word.isascii() and len(word) > SKELETON_LETTERS_MIN

    def _apart(self, word: str) -> str:
        """The expression of a word, whose article may stand apart: "lcontrat", "l'contrat"."""
        return f"l ?{re.escape(word[1:])}" if self._has_article(word) else re.escape(word)


def _by_front(branches: Sequence[_Part]) -> Iterator[str]:
    """The branches' expressions, those that begin alike as one: what they begin with is then tried once, not for each."""
    alike: dict[str, list[str]] = {}
    for branch in branches:
        alike.setdefault(branch.front, []).append(branch.text[len(branch.front) :])
    for front, texts in alike.items():
        yield front + (f"(?:{'|'.join(texts)})" if front and len(texts) > 1 else "|".join(texts))


def _cost(words: Iterable[str]) -> float:
    """How many utterances of a thousand have one of these words, by a guess."""
    plain = [word.strip("+~") for word in words]
    return sum(_FREQUENT_COST if word in _FREQUENT else max(0.1, 8.0 / 2 ** (len(word) - 2)) for word in plain)


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
        self._always_bits = 0
        self._need: list[dict[str, int]] = [{} for _ in range(NEEDED_MAX - 1)]
        self._free = [0] * (NEEDED_MAX - 1)
        self.literals: set[str] = set()
        for number, (source, payload) in enumerate(patterns):
            compiled = compile_pattern(source, latin_arabic=latin_arabic)
            self._all.append((compiled.expression, payload))
            self.literals |= compiled.literals
            if not compiled.anchors:
                self._always_bits |= 1 << number
            for anchor in compiled.anchors:
                index = self._by_stem if anchor.endswith("~") else self._by_word
                index.setdefault(anchor.removesuffix("~"), []).append(number)
            self._note_needed(number, compiled.needed)
        self._free_bits = sum(free << at * len(self) for at, free in enumerate(self._free, 1))
        self._stem_lengths = sorted({len(stem) for stem in self._by_stem})
        self._needed_stem_lengths = sorted({len(key) - 1 for index in self._need for key in index if key.endswith("~")})
        self._called = lru_cache(maxsize=20_000)(self._call_up)
        self._bits = lru_cache(maxsize=20_000)(self._bits_of)

    def _note_needed(self, number: int, needed: Sequence[frozenset[str]]) -> None:
        for at, index in enumerate(self._need):
            if at >= len(needed):
                self._free[at] |= 1 << number
                continue
            for word in needed[at]:
                index[word] = index.get(word, 0) | 1 << number

    def names(self, word: str) -> bool:
        """Whether a pattern may need this word."""
        return bool(self._called(word))

    def __len__(self) -> int:
        return len(self._all)

    def _call_up(self, word: str) -> tuple[int, ...]:
        """The patterns filed under one word."""
        called: list[int] = []
        for form in (*forms(word, self.latin_arabic), *verb_forms(word)):
            called += self._by_word.get(form, ())
            for length in self._stem_lengths:
                if length > len(form):
                    break
                called += self._by_stem.get(form[:length], ())
        return tuple(called)

    def _bits_of(self, word: str) -> int:
        """As bits, the patterns that a word calls up, then those that it is the second needed word of, then the third: side by side
        in one integer, so that a word costs one step."""
        found = sum(1 << number for number in set(self._called(word)))
        for form in (*forms(word, self.latin_arabic), *verb_forms(word)):
            keys = [form, *(f"{form[:length]}~" for length in self._needed_stem_lengths if length <= len(form))]
            for at, index in enumerate(self._need, 1):
                for key in keys:
                    found |= index.get(key, 0) << at * len(self)
        return found

    def _to_run(self, words: Iterable[str], calling: Iterable[str] | None) -> int:
        """As bits, the patterns that have all that they need."""
        bits = self._free_bits
        for word in words:
            bits |= self._bits(word)
        called = bits | self._always_bits
        if calling is not None:
            called = 0
            for word in calling:
                called |= self._bits(word)
        size = len(self)
        return called & bits >> size & bits >> 2 * size & (1 << size) - 1

    def search(self, line: Line, calling: Iterable[str] | None = None) -> Iterator[tuple[int, int, Payload]]:
        """Every match as its first word, the one after its last, and the payload; patterns in the order given.

        `calling`: run only the patterns that these of its words call up.
        """
        left = self._to_run(line.words(self.latin_arabic), calling)
        if not left:
            return
        joined = line.joined(self.latin_arabic)
        while left:
            lowest = left & -left
            left ^= lowest
            expression, payload = self._all[lowest.bit_length() - 1]
            for match in expression.finditer(joined):
                first, end = line.span(match, self.latin_arabic)
                if end > first:
                    yield first, end, payload


class Line:
    """An utterance's words, once as they are and once in the one spelling of Arabic; made when asked for."""

    __slots__ = ("_arabic", "_plain", "tokens")

    def __init__(self, words: Sequence[Token]) -> None:
        self.tokens = words
        self._plain = _Joined([token.word for token in words])
        self._arabic: _Joined | None = None

    def _of(self, latin_arabic: bool) -> _Joined:
        if not latin_arabic:
            return self._plain
        if self._arabic is None:
            self._arabic = _Joined([spelled(word) for word in self._plain.words])
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
        self.joined = "".join([f" {word}" for word in words])
        self._starts: dict[int, int] | None = None

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        if self._starts is None:
            self._starts, position = {}, 0
            for index, word in enumerate(self.words):
                self._starts[position] = index
                position += len(word) + 1
            self._starts[position] = len(self.words)
        return self._starts[match.start()], self._starts[match.end()]
