"""Phrases by category, from one catalogue a language, compiled once: what an alert on words quotes.

A category says who may say it: a customer's "I'll cancel" is a threat, an agent's is a service. With two channels mixed
into one (`party` None) everybody may say everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

from streams.language.text import Line, Token, compile_patterns, language_code, read_yaml

CATEGORIES = (
    "escalation",
    "cancellation",
    "legal_threat",
    "abuse",
    "repeated_contact",
    "hearing_trouble",
    "greeting",
    "disclosure",
    "transfer",
    "waiting",
    "thanks",
    "closing",
    "apology",
    "empathy",
)


class Phrase(TypedDict):
    """Characters `start..end` of the utterance's text say something of this category."""

    category: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Category:
    name: str
    party: str
    patterns: re.Pattern[str]
    unless: re.Pattern[str] | None


@lru_cache(maxsize=8)
def _catalogue(language: str) -> tuple[_Category, ...]:
    content = read_yaml(f"phrases.{language}.yaml")
    found = []
    for name in CATEGORIES:
        entry = content[name]
        unless = compile_patterns(entry["unless"]) if entry.get("unless") else None
        found.append(_Category(name, entry["party"], compile_patterns(entry["patterns"]), unless))
    return tuple(found)


def find_phrases(text: str, words: Sequence[Token], language: str | None, party: str | None) -> list[Phrase]:
    """The phrases of `text` (whose `tokens` are `words`), by where they start; the first of each category at a place."""
    if not words:
        return []
    line = Line(words)
    found: list[Phrase] = []
    for category in _catalogue(language_code(language)):
        if party is not None and category.party not in ("both", party):
            continue
        if category.unless and category.patterns.search(line.joined) and category.unless.search(line.joined):
            continue
        for match in category.patterns.finditer(line.joined):
            first, end = line.span(match)
            if end > first:
                start_at, end_at = words[first].start, words[end - 1].end
                found.append(Phrase(category=category.name, text=text[start_at:end_at], start=start_at, end=end_at))
    return sorted(found, key=lambda phrase: (phrase["start"], CATEGORIES.index(phrase["category"])))
