"""The catalogue of phrases: what callers and agents say, by category and language, compiled once.

One bundled file a language in `phrases/`; a user's own file adds to it or stands alone:

    version: 1
    extends: default
    phrases:
      - category: loyalty            # a category of your own: name it in the rule file's `categories` too
        language: fr                 # or a list of languages
        party: customer              # customer, agent or both
        say: ["(client|cliente) depuis .. (ans|annees)"]
        unless: ["pas client"]       # not said, where this stands within five words of it
        like: [...]                  # with or without `say`: five utterances or more that mean it, matched by meaning

An entry for a category and language that the bundled files have adds to theirs; `replace: true` takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml

from audio.errors import VigieError
from streams.alerts.metrics import PHRASE_CATEGORIES
from streams.alerts.reading import FILE_BYTES_MAX, Reader, RuleFileError, compose
from streams.language.fuzzy import Mender
from streams.language.identify import is_darija
from streams.language.lexicon import MIXED_WITH, lexicon
from streams.language.patterns import PatternSet, compile_pattern
from streams.language.text import LANGUAGES, language_code, read_yaml, tokens

CATEGORIES = PHRASE_CATEGORIES
PARTIES = ("customer", "agent", "both")
ENTRIES_MAX = 2000
PATTERNS_MAX = 5000
"""In an entry. Thousands cost nothing at run time (see patterns.py); reading them does."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
LIKE_MIN, LIKE_MAX = 5, 200
"""Examples. The middle of fewer says little."""
_ENTRY_KEYS = ("category", "language", "party", "say", "unless", "like", "replace", "fuzzy")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one party says of one category in one language."""

    category: str
    language: str
    party: str
    say: tuple[str, ...]
    unless: tuple[str, ...] = ()
    replace: bool = False
    fuzzy: bool = True
    like: tuple[str, ...] = ()
    """Utterances that mean it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a pattern stands for: an entry by its number, and whether the pattern takes the entry back."""

    entry: int
    taken_back: bool


@dataclass(frozen=True, slots=True)
class LanguagePhrases:
    """The entries that are looked for in one language, compiled."""

    entries: tuple[Entry, ...]
    sets: tuple[PatternSet[Said], ...]
    menders: tuple[Mender, ...]
    guests: tuple[Callable[[str], bool] | None, ...]
    """For the phrases of a language that is mixed in: tells the words that show that it is."""


@dataclass(frozen=True)
class Catalogue:
    entries: tuple[Entry, ...]
    file: str = ""
    _compiled: dict[str, LanguagePhrases] = field(default_factory=dict, compare=False, repr=False)

    @property
    def categories(self) -> tuple[str, ...]:
        """Those of every Vigie first, then the user's in the order of the file."""
        return tuple(dict.fromkeys([*CATEGORIES, *(entry.category for entry in self.entries)]))

    def of(self, language: str | None) -> LanguagePhrases:
        """What is looked for in a text of this language: its own phrases and those of the one it is mixed with."""
        code = language_code(language)
        if code not in self._compiled:
            codes = [own for own in (code, MIXED_WITH.get(code)) if own]
            self._compiled[code] = _compile(self.entries, codes)
        return self._compiled[code]


def _compile(entries: Sequence[Entry], codes: Sequence[str]) -> LanguagePhrases:
    found: list[Entry] = []
    sets: list[PatternSet[Said]] = []
    menders: list[Mender] = []
    guests: list[Callable[[str], bool] | None] = []
    for code in codes:
        patterns: list[tuple[str, Said]] = []
        for entry in entries:
            if entry.language == code:
                number = len(found)
                found.append(entry)
                patterns += [(pattern, Said(number, False)) for pattern in entry.say]
                patterns += [(pattern, Said(number, True)) for pattern in entry.unless]
        sets.append(PatternSet(patterns, latin_arabic=code == "ar"))
        menders.append(_mender(sets[-1], code))
        guests.append(is_darija if code == "ar" and codes[0] != "ar" else None)
    return LanguagePhrases(tuple(found), tuple(sets), tuple(menders), tuple(guests))


def _mender(patterns: PatternSet[Said], code: str) -> Mender:
    words, literals = lexicon(code), patterns.literals
    common = {token.word for token in tokens(read_yaml(f"lexicon/{code}.yaml").get("common", ""))}

    def is_known(word: str) -> bool:
        return word in literals or word in common or word in words.words or words.weight(word) != 0

    if patterns.latin_arabic:
        # Of Latin letters the spelling that is compared has lost its vowels: one edit is too many, and was forgiven.
        return Mender(literals, lambda word: word.isascii() or patterns.names(word) or is_known(word))
    return Mender(literals, is_known)


_NAMED = re.compile(r"\{([a-z_0-9]+)\}")


def _written_out(pattern: str, names: Mapping[str, str]) -> str:
    """A bundled pattern with the alternatives that its file's `names` give for each {name}."""
    while _NAMED.search(pattern):
        pattern = _NAMED.sub(lambda name: f"({names[name[1]]})", pattern)
    return pattern


@lru_cache(maxsize=1)
def default_catalogue() -> Catalogue:
    entries = []
    for language in LANGUAGES:
        content = read_yaml(f"phrases/{language}.yaml")
        names = content.get("names") or {}
        for category in CATEGORIES:
            listed = content[category]
            for given in listed if isinstance(listed, list) else [listed]:
                say = tuple(_written_out(pattern, names) for pattern in given["patterns"])
                unless = tuple(_written_out(pattern, names) for pattern in given.get("unless") or ())
                entries.append(Entry(category, language, given["party"], say, unless))
    return Catalogue(tuple(entries), "default")


def load_catalogue(path: str | Path | None = None) -> Catalogue:
    """The catalogue of a user's file, or the bundled one (`None`).

    Raises:
        VigieError: the file cannot be read, or has mistakes (`RuleFileError`, which holds all of them with their lines).
    """
    if path is None:
        return default_catalogue()
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a readable path"
        remedy = "Give the path of a readable YAML file."
        raise VigieError(f"the phrase catalogue cannot be read: {reason}", remedy=remedy, where=str(file)) from None
    return parse_catalogue(data, str(file))


def parse_catalogue(data: bytes, file: str) -> Catalogue:
    """The catalogue in YAML text (UTF-8 bytes); `file` names it in mistakes.

    Raises:
        RuleFileError: with every mistake found.
    """
    reading = _CatalogueReader(file)
    own, extends = reading.file_of(compose(data, file))
    if reading.mistakes:
        raise RuleFileError(reading.mistakes)
    if not extends:
        return Catalogue(own, file)
    replaced = {(entry.category, entry.language) for entry in own if entry.replace}
    base = [entry for entry in default_catalogue().entries if (entry.category, entry.language) not in replaced]
    return Catalogue((*base, *own), file)


class _CatalogueReader(Reader):
    def file_of(self, root: yaml.Node) -> tuple[tuple[Entry, ...], bool]:
        top = self.mapping(root, "", ("version", "description", "extends", "phrases"))
        if not top and self.mistakes:
            return (), False
        if "version" not in top:
            self.wrong(root, "version", "missing", "Name the version of this file, such as `version: 1`.")
        extends = "extends" in top and self.choice(top["extends"], "extends", ("default",)) is not None
        if "phrases" not in top:
            self.wrong(root, "phrases", "missing", "List the phrases under `phrases:`.")
            return (), extends
        items = self.sequence(top["phrases"], "phrases")
        if len(items) > ENTRIES_MAX:
            self.wrong(top["phrases"], "phrases", f"{len(items)} entries", f"Keep it under {ENTRIES_MAX} entries.")
            return (), extends
        found = [entry for number, item in enumerate(items) for entry in self._entries(item, f"phrases[{number}]")]
        return tuple(found), extends

    def _entries(self, node: yaml.Node, field: str) -> list[Entry]:
        keys = self.mapping(node, field, _ENTRY_KEYS)
        if not keys:
            return []
        for key in ("category", "language", *(() if "like" in keys else ("say",))):
            if key not in keys:
                self.wrong(node, f"{field}.{key}", "missing", f"Write `{key}:`.")
        category = self.text(keys["category"], f"{field}.category", chars_max=40) if "category" in keys else None
        if category and not _NAME.match(category):
            self.wrong(keys["category"], f"{field}.category", f"{category!r} is no category name", _LOWER_CASE)
        party = self.choice(keys["party"], f"{field}.party", PARTIES) if "party" in keys else "both"
        say = self._patterns(keys.get("say"), f"{field}.say")
        unless = self._patterns(keys.get("unless"), f"{field}.unless")
        like = self._examples(keys.get("like"), f"{field}.like")
        replace, fuzzy = self._flag(keys, field, "replace", False), self._flag(keys, field, "fuzzy", True)
        languages = self._languages(keys.get("language"), f"{field}.language")
        if like and "ar" in languages:
            self.wrong(keys["like"], f"{field}.like", "examples in Arabic", _NO_DARIJA)
        if not category or not party or not (say or like):
            return []
        return [Entry(category, language, party, say, unless, replace, fuzzy, like) for language in languages]

    def _flag(self, keys: Mapping[str, yaml.Node], field: str, key: str, default: bool) -> bool:
        if key not in keys:
            return default
        return self.choice(keys[key], f"{field}.{key}", ("true", "false")) == "true"

    def _languages(self, node: yaml.Node | None, field: str) -> list[str]:
        if node is None:
            return []
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return [code for item in items if (code := self.choice(item, field, LANGUAGES)) is not None]

    def _examples(self, node: yaml.Node | None, field: str) -> tuple[str, ...]:
        if node is None:
            return ()
        items = self.sequence(node, field)
        if not LIKE_MIN <= len(items) <= LIKE_MAX:
            remedy = f"Write {LIKE_MIN} to {LIKE_MAX} utterances, or delete the key."
            self.wrong(node, field, f"{len(items)} examples", remedy)
            return ()
        texts = [self.text(item, f"{field}[{number}]", chars_max=400) for number, item in enumerate(items)]
        return tuple(text for text in texts if text and text.strip())

    def _patterns(self, node: yaml.Node | None, field: str) -> tuple[str, ...]:
        if node is None:
            return ()
        items = self.sequence(node, field)
        if not items:
            self.wrong(node, field, "the list is empty", "Write one pattern a line, or delete the key.")
        if len(items) > PATTERNS_MAX:
            self.wrong(node, field, f"{len(items)} patterns", f"Keep it under {PATTERNS_MAX}.")
            return ()
        found = []
        for number, item in enumerate(items):
            text = self.text(item, f"{field}[{number}]", chars_max=4000)
            try:
                found += [compile_pattern(text).source] if text else []
            except (ValueError, re.error, RecursionError, OverflowError) as error:
                problem = str(error) if type(error) is ValueError else "the pattern cannot be compiled"
                self.wrong(item, f"{field}[{number}]", problem[:200], _PATTERN_FORM)
        return tuple(found)


_NO_DARIJA = "Write patterns under `say`: the model of meaning hardly knows Darija."
_LOWER_CASE = "Use lower case, digits and _."
_PATTERN_FORM = "Write words with (a|b), [optional], .. for a gap, stem~ and ^ $ for the ends."
