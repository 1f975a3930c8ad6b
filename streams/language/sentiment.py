"""Sentiment of what was said, from the words alone, with the words that decided.

A weighted lexicon, idioms before words, negation that turns what follows it, intensity, and more weight to what comes
after "but". The sum is squashed to -1..1 as in VADER (Hutto & Gilbert 2014): s / sqrt(s² + a). Nothing is taken from the
voice. Confidence is how much evidence there was: no word of feeling is a neutral utterance, held with half confidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

from streams.language.text import Line, Token, compile_patterns, fold, language_code, read_yaml, tokens

WEIGHTS = (-3, -2, -1, 1, 2, 3)
NEGATION_REACH = 3
"""Words after a negation that it turns; VADER's window."""
NEGATED_GOOD, NEGATED_BAD = -0.7, -0.4
"""What a negation leaves of a weight: "not good" is bad, "not bad" only mildly good."""
STRONGER, WEAKER = 1.4, 0.6
BEFORE_BUT, AFTER_BUT = 0.5, 1.3
SPREAD = 6.0
"""The `a` of the squashing: one strong word (3) scores 0.77, one mild word (1) 0.38."""
NEUTRAL_CONFIDENCE = 0.5
BACKCHANNEL_WORDS_MAX = 4
_STEM_MIN = 3


class Sentiment(TypedDict):
    """`score` -1 (bad) to 1 (good), `confidence` 0 to 1, and the words that decided, strongest first."""

    score: float
    confidence: float
    because: list[str]


@dataclass(frozen=True, slots=True)
class _Lexicon:
    words: dict[str, int]
    stems: dict[str, int]
    idioms: tuple[tuple[re.Pattern[str], int], ...]
    neutral: re.Pattern[str]
    negations: frozenset[str]
    stronger: frozenset[str]
    weaker: frozenset[str]
    turns: frozenset[str]
    backchannels: re.Pattern[str]


@lru_cache(maxsize=8)
def _lexicon(language: str) -> _Lexicon:
    content = read_yaml("lexicon.yaml")[language]
    words: dict[str, int] = {}
    stems: dict[str, int] = {}
    idioms: list[tuple[re.Pattern[str], int]] = []
    for weight in WEIGHTS:
        several: list[str] = []
        for entry in content[str(weight)]:
            parts = [token.word for token in tokens(entry)]
            if len(parts) > 1:
                several.append(entry)
            elif entry.endswith("~"):
                stems[parts[0]] = weight
            else:
                words[parts[0]] = weight
        if several:
            idioms.append((compile_patterns(several), weight))
    sets = {name: frozenset(fold(word) for word in content[name]) for name in ("not", "very", "little", "but")}
    alone = compile_patterns(content["backchannels"]).pattern
    return _Lexicon(
        words=words,
        stems=stems,
        idioms=tuple(idioms),
        neutral=compile_patterns(content["neutral"]),
        negations=sets["not"],
        stronger=sets["very"],
        weaker=sets["little"],
        turns=sets["but"],
        backchannels=re.compile(f"(?:{alone})+"),
    )


def is_backchannel(text: str, language: str | None) -> bool:
    """Whether the utterance only acknowledges ("oui", "mm hmm", "d'accord"): it does not take the floor."""
    words = tokens(text)
    if not 0 < len(words) <= BACKCHANNEL_WORDS_MAX:
        return False
    return _lexicon(language_code(language)).backchannels.fullmatch(Line(words).joined) is not None


def sentiment(words: Sequence[Token], language: str | None) -> Sentiment:
    """Sentiment of an utterance, given as its `tokens`."""
    known = _lexicon(language_code(language))
    evidence = _evidence(words, known)
    total = sum(weight for weight, _ in evidence)
    size = sum(abs(weight) for weight, _ in evidence)
    if not evidence:
        return Sentiment(score=0.0, confidence=NEUTRAL_CONFIDENCE if words else 0.0, because=[])
    agreement = abs(total) / size if size else 0.0
    confidence = (1 - math.exp(-size / 2)) * (0.5 + 0.5 * agreement)
    deciding = sorted(evidence, key=lambda item: -abs(item[0]))
    return Sentiment(
        score=round(total / math.sqrt(total * total + SPREAD), 3),
        confidence=round(confidence, 3),
        because=list(dict.fromkeys(said for _, said in deciding))[:4],
    )


def _evidence(words: Sequence[Token], known: _Lexicon) -> list[tuple[float, str]]:
    """Each word or idiom of feeling with its weight here and the words to quote for it."""
    line = Line(words)
    taken = [False] * len(words)
    found: list[tuple[int, int, float]] = []
    for match in known.neutral.finditer(line.joined):
        first, end = line.span(match)
        taken[first:end] = [True] * (end - first)
    for pattern, value in known.idioms:
        for match in pattern.finditer(line.joined):
            first, end = line.span(match)
            if not any(taken[first:end]):
                taken[first:end] = [True] * (end - first)
                found.append((first, end, float(value)))
    for at, token in enumerate(words):
        value = 0 if taken[at] else _value(token.word, known)
        if value:
            found.append((at, at + 1, float(value)))
    turn = next((at for at, token in enumerate(words) if token.word in known.turns and at > 0), None)
    evidence: list[tuple[float, str]] = []
    for first, end, weight in sorted(found):
        said = " ".join(token.word for token in words[first:end])
        before = [token.word for token in words[max(0, first - NEGATION_REACH) : first]]
        if before and before[-1] in known.stronger:
            weight, said = weight * STRONGER, f"{before[-1]} {said}"
        elif before and before[-1] in known.weaker:
            weight *= WEAKER
        negated = next((word for word in before if word in known.negations), None)
        if negated and not (negated in ("no", "nothing") and before[-1] != negated):
            weight *= NEGATED_GOOD if weight > 0 else NEGATED_BAD
            said = f"{negated if negated != 't' else 'not'} {said}"
        if turn is not None:
            weight *= BEFORE_BUT if first < turn else AFTER_BUT
        evidence.append((weight, said))
    return evidence


def _value(word: str, known: _Lexicon) -> int:
    own = known.words.get(word)
    if own is not None:
        return own
    for length in range(len(word), _STEM_MIN - 1, -1):
        stem = known.stems.get(word[:length])
        if stem is not None:
            return stem
    return 0
