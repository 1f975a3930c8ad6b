"""Sentiment of what was said, from the words alone, with the words that decided.

Idioms before words, negation that turns what follows it (or, in French and Darija, what it follows), intensity, and more
weight to what comes after "but". The sum is squashed to -1..1 as in VADER (Hutto & Gilbert 2014): s / sqrt(s² + a).
Where it is known who speaks, models fitted on the project's own utterances (`fitted.py`, `sentiment.npz`, `network.npz`; recipes in
`recipe/`) weigh this evidence, the phrases and all other words instead of the plain sum: an agent's "I understand how frustrating that
is" is courtesy, a customer's lawyer is no courtesy, and "still nothing" is no praise.
Nothing is taken from the voice. Confidence is how sure the label is; no word of feeling is a neutral utterance, held
with half confidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from streams.language.fitted import LABEL_SCORE_MIN, Meant, judge
from streams.language.lexicon import Lexicon, lexicon
from streams.language.network import Understood
from streams.language.patterns import Line
from streams.language.phrases import Phrase
from streams.language.text import Token, language_code

NEGATION_REACH = 3
"""Words after a negation that it turns; VADER's window."""
NEGATION_REACH_AFTER = 2
"""Words that a negation may stand after what it turns: "ça marche toujours pas"."""
NEGATED_GOOD, NEGATED_BAD = -0.7, -0.4
"""What a negation leaves of a weight: "not good" is bad, "not bad" only mildly good."""
STRONGER, WEAKER = 1.4, 0.6
BEFORE_BUT, AFTER_BUT = 0.5, 1.3
SPREAD = 6.0
"""The `a` of the squashing: one strong word (3) scores 0.77, one mild word (1) 0.38."""
NEUTRAL_CONFIDENCE = 0.5
BECAUSE_MAX = 4
LABELS = ("negative", "neutral", "positive")


class Sentiment(TypedDict):
    """`score` -1 (bad) to 1 (good), `confidence` 0 to 1, and the words that decided, strongest first."""

    score: float
    confidence: float
    because: list[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words `first..end` (end excluded) of the utterance, what they weigh here, and how to quote them."""

    first: int
    end: int
    weight: float
    said: str


def label_of(score: float) -> str:
    """negative, neutral or positive."""
    if abs(score) < LABEL_SCORE_MIN:
        return "neutral"
    return "positive" if score > 0 else "negative"


def sentiment(
    words: Sequence[Token],
    language: str | None,
    *,
    party: str | None = None,
    phrases: Sequence[Phrase] = (),
    line: Line | None = None,
    signs: Sequence[tuple[str, float]] = (),
    understood: Understood | None = None,
    meaning: Meant | None = None,
) -> Sentiment:
    """Sentiment of an utterance, given as its `tokens`, with its phrases; `line` where its `Line` has been made.

    Where nobody is said to speak the text may be a written one: `signs` are its emoji (`signs_in`). `understood` and
    `meaning` are what the network makes of it and what its vector says, where that is known (learnt.py, semantic.py).
    """
    evidence = evidence_of(words, lexicon(language), line or Line(words))
    if party is not None and words:
        return _weighed_by_party(words, language, evidence, party, phrases, understood, meaning)
    told = [(item.said, item.weight) for item in evidence] + list(signs)
    if not told:
        return Sentiment(score=0.0, confidence=NEUTRAL_CONFIDENCE if words else 0.0, because=[])
    total = sum(weight for _, weight in told)
    size = sum(abs(weight) for _, weight in told)
    agreement = abs(total) / size if size else 0.0
    confidence = (1 - math.exp(-size / 2)) * (0.5 + 0.5 * agreement)
    told.sort(key=lambda item: -abs(item[1]))
    return Sentiment(score=squash(total), confidence=round(confidence, 3), because=_quoted(said for said, _ in told))


def _weighed_by_party(
    words: Sequence[Token],
    language: str | None,
    evidence: Sequence[Evidence],
    party: str,
    phrases: Sequence[Phrase],
    understood: Understood | None,
    meaning: Meant | None,
) -> Sentiment:
    code = language_code(language)
    score, confidence, because = judge(words, code, evidence, party, phrases, understood, meaning)
    return Sentiment(score=score, confidence=confidence, because=_quoted(said for _, said in because))


def _quoted(told: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(told))[:BECAUSE_MAX]


def squash(total: float) -> float:
    return round(total / math.sqrt(total * total + SPREAD), 3)


def evidence_of(words: Sequence[Token], known: Lexicon, line: Line) -> list[Evidence]:
    """Each word or idiom of feeling with its weight here and the words to quote for it."""
    found = _weighed(words, known, line)
    if not found:
        return []
    turn = next((at for at in range(1, len(words)) if _turns(words, known, at)), None)
    return [_in_context(words, known, item, turn) for item in found]


def _turns(words: Sequence[Token], known: Lexicon, at: int) -> bool:
    return words[at].word in known.turns or f"{words[at - 1].word} {words[at].word}" in known.turns


def _weighed(words: Sequence[Token], known: Lexicon, line: Line) -> list[tuple[int, int, float]]:
    """The longest idioms first, then single words outside of them; in the order of the utterance."""
    matches = [match for patterns in known.idioms for match in patterns.search(line)]
    taken = bytearray(len(words))
    found: list[tuple[int, int, float]] = []
    if matches:
        matches.sort(key=lambda match: (match[0] - match[1], match[2] != 0, -abs(match[2]), match[0]))
        for first, end, weight in matches:
            if not any(taken[first:end]):
                taken[first:end] = b"\x01" * (end - first)
                if weight:
                    found.append((first, end, weight))
    for at, token in enumerate(words):
        if not taken[at] and (weight := known.weight(token.word)):
            found.append((at, at + 1, weight))
    found.sort()
    return found


def _in_context(words: Sequence[Token], known: Lexicon, item: tuple[int, int, float], turn: int | None) -> Evidence:
    first, end, weight = item
    said = " ".join(token.word for token in words[first:end])
    before = [token.word for token in words[max(0, first - NEGATION_REACH) : first]]
    if before and before[-1] in known.stronger:
        weight, said = weight * STRONGER, f"{before[-1]} {said}"
    elif end < len(words) and words[end].word in known.stronger_after:
        weight, said = weight * STRONGER, f"{said} {words[end].word}"
    elif before and before[-1] in known.weaker:
        weight *= WEAKER
    alone = end == first + 1
    if alone and (negation := _negation(words, known, first, before)):
        weight *= NEGATED_GOOD if weight > 0 else NEGATED_BAD
        said = f"{negation} {said}"
    if turn is not None:
        weight *= BEFORE_BUT if first < turn else AFTER_BUT
    return Evidence(first, end, weight, said)


def _negation(words: Sequence[Token], known: Lexicon, at: int, before: Sequence[str]) -> str | None:
    """The word that turns the one at `at`: shortly before it, or where the language has it so, shortly after."""
    found = next((word for word in reversed(before) if word in known.negations), None)
    # "No, it is good": a bare no at the start answers, it turns nothing but the word next to it.
    if found in ("no", "non", "nothing", "لا") and before[-1] != found:
        found = None
    if found is None and known.negations_after:
        after = words[at + 1 : at + 1 + NEGATION_REACH_AFTER]
        found = next((token.word for token in after if token.word in known.negations_after), None)
    return "not" if found == "t" else found
