"""The fitted part of the sentiment: a multinomial model a language over evidence, phrases, party and parts of words.

The label is the likeliest of three, and the score says the same: from 0.25 on positive, up to -0.25 negative, and further out
the further its chance is ahead of the others'. What decided is told in words: every weight is given back to the words,
the lexicon's evidence or the phrase that it came from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from streams.language.features import features
from streams.language.network import Understood, understand
from streams.language.weights import part, weights

if TYPE_CHECKING:
    from streams.language.phrases import Phrase
    from streams.language.sentiment import Evidence
    from streams.language.text import Token

LABEL_SCORE_MIN = 0.25
"""From here on an utterance is called positive (or negative)."""
_NEUTRAL_MOST = LABEL_SCORE_MIN - 0.001
_TOLD_MIN = 0.15
"""A word is told as deciding from this part of the strongest one's share on."""
BAD_MAX = -1.4
"""Words that are all bad, by this much together, are never taken for praise: a complaint shown as satisfaction is the worst mistake."""
_TELLING_LETTERS_MIN = 4
"""Words of fewer letters weigh something too, but tell a reader nothing by themselves."""
_EVIDENCE = ("pos_", "neg_", "clash")
LABELS = range(3)
NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
Chances = tuple[float, float, float]


class Meant(NamedTuple):
    """What an utterance's vector says (semantic.py): log-odds of the labels, and what they count beside the words', of 1."""

    odds: Chances
    share: float


class Blend(NamedTuple):
    """What this model counts, of 1; the network counts the rest. And log-odds that are given to neutral: fewer turns of a calm call are
    then taken for a feeling, and more feeling is missed. `recipe/try_sentiment.py` tries others."""

    own: float = 0.45
    neutral_lean: float = 0.0


IN_FORCE = Blend()


class Judged(NamedTuple):
    """`because` are what decided and its share, strongest first."""

    score: float
    confidence: float
    because: list[tuple[float, str]]


def judge(
    words: Sequence[Token],
    language: str,
    evidence: Sequence[Evidence],
    party: str,
    phrases: Sequence[Phrase],
    understood: Understood | None = None,
    meaning: Meant | None = None,
    blend: Blend = IN_FORCE,
) -> Judged:
    """Score, confidence and deciding words of an utterance with at least one word; `understood` is what the network makes
    of it, where that is known, `meaning` is what its vector says."""
    known = weights(language)
    said = {phrase["category"]: phrase["text"].lower() for phrase in phrases}
    present = features([item.weight for item in evidence], said, party)
    parted = part(words, language)
    own, pairs, size = parted.words, parted.pairs, parted.size
    every = [*own, *pairs]
    sums = [sum([one[1 + label] for one in every]) / size for label in LABELS]
    for name, value in present.items():
        for label, weight in enumerate(known.dense[name]):
            sums[label] += weight * value
    felt = (understood or understand(words, language, party)).labels
    sums = [blend.own * one + (1 - blend.own) * other for one, other in zip(sums, felt, strict=True)]
    if meaning is not None:
        sums = [
            (1 - meaning.share) * one + meaning.share * other for one, other in zip(sums, meaning.odds, strict=True)
        ]
    sums[NEUTRAL] += blend.neutral_lean
    if _is_bad(evidence):
        sums[NEGATIVE], sums[POSITIVE] = max(sums[NEGATIVE], sums[POSITIVE]), min(sums)
    chances = _chances(sums)
    score = score_of(chances)
    if abs(score) < LABEL_SCORE_MIN:
        told = [(abs(item.weight), item.said) for item in evidence if (item.weight > 0) == (score > 0)]
        return Judged(score, round(chances[NEUTRAL], 3), sorted(told, key=lambda one: -one[0]))
    label = POSITIVE if score > 0 else NEGATIVE
    shares = [
        (_towards(one[1:], label) + (_towards(pairs[at][1:], label) + _towards(pairs[at + 1][1:], label)) / 2) / size
        for at, one in enumerate(own)
    ]
    given = {name: _towards(known.dense[name], label) * value for name, value in present.items()}
    return Judged(score, round(chances[label], 3), _because(words, evidence, said, shares, given, label))


def _is_bad(evidence: Sequence[Evidence]) -> bool:
    return sum(item.weight for item in evidence) <= BAD_MAX and all(item.weight < 0 for item in evidence)


def score_of(chances: Chances) -> float:
    """-1 to 1; the likeliest label is the one that the score is called by."""
    negative, neutral, positive = chances
    ahead = max(positive, negative) - neutral
    if ahead <= 0:
        lean = LABEL_SCORE_MIN * (positive - negative) / neutral
        return round(max(-_NEUTRAL_MOST, min(_NEUTRAL_MOST, lean)), 3)
    lead = abs(positive - negative)
    size = LABEL_SCORE_MIN + (1 - LABEL_SCORE_MIN) * min(ahead, lead)
    return round(size if positive > negative else -size, 3)


def _chances(sums: Sequence[float]) -> Chances:
    most = max(sums)
    negative, neutral, positive = (math.exp(one - most) for one in sums)
    total = negative + neutral + positive
    return negative / total, neutral / total, positive / total


def _towards(sums: Sequence[float], label: int) -> float:
    """How far weights speak for a label rather than for the other two."""
    return sums[label] - (sum(sums) - sums[label]) / 2


def _because(
    words: Sequence[Token],
    evidence: Sequence[Evidence],
    said: Mapping[str, str],
    shares: list[float],
    given: Mapping[str, float],
    label: int,
) -> list[tuple[float, str]]:
    """What spoke for the label: evidence with the words it stands on, phrases, and runs of other words."""
    told = [(share, text) for category, text in said.items() for share in _of_phrase(category, given) if share > 0]
    right = [item for item in evidence if (item.weight > 0) == (label == POSITIVE)]
    from_lexicon = sum(share for name, share in given.items() if name.partition(":")[2].startswith(_EVIDENCE))
    heavy = sum(abs(item.weight) for item in right)
    for item in right:
        share = max(0.0, from_lexicon) * abs(item.weight) / heavy + sum(shares[item.first : item.end])
        told.append((share, item.said))
        shares[item.first : item.end] = [0.0] * (item.end - item.first)
    strongest = max([*shares, *(share for share, _ in told)])
    if strongest <= 0:  # it was the sentence as a whole
        return [(0.0, " ".join(token.word for token in words))]
    told = [one for one in told if one[0] >= _TOLD_MIN * strongest]
    told += _runs(words, shares, max(_TOLD_MIN * strongest, 1e-9))
    telling = [one for one in told if max(map(len, one[1].split())) >= _TELLING_LETTERS_MIN]
    return sorted(telling or told, key=lambda one: -one[0])


def _of_phrase(category: str, given: Mapping[str, float]) -> list[float]:
    return [share for name, share in given.items() if name.partition(":")[2] == category]


def _runs(words: Sequence[Token], shares: Sequence[float], least: float) -> list[tuple[float, str]]:
    """Neighbouring words that each weigh something, quoted together."""
    found: list[tuple[float, str]] = []
    for weighty, run in groupby(range(len(words)), key=lambda at: shares[at] >= least):
        if weighty:
            at = list(run)
            found.append((sum(shares[one] for one in at), " ".join(words[one].word for one in at)))
    return found
