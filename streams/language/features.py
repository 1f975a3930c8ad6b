"""What the fitted part of the sentiment weighs: the lexicon's evidence, the phrases, and who says them.

The same for fitting (`recipe/fit_sentiment.py`) and use. Those by name are shared by all languages; word parts (hashed
runs of letters, words and pairs of words) belong to one, and tell what no lexicon lists.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from streams.language.catalogue import CATEGORIES

STRONG = 2.0
"""Evidence from here on is told apart from milder evidence."""
_EVIDENCE = ("pos_strong", "pos_weak", "neg_strong", "neg_weak", "pos_last", "neg_last", "clash")
FEATURES = (
    "bias",
    "agent",
    *(f"customer:{name}" for name in _EVIDENCE),
    *(f"agent:{name}" for name in _EVIDENCE),
    *(f"customer:{name}" for name in CATEGORIES),
    *(f"agent:{name}" for name in CATEGORIES),
)


def features(weights: Sequence[float], categories: Iterable[str], party: str | None) -> dict[str, float]:
    """Features by name: `weights` of the evidence in the order of the utterance."""
    who = "agent" if party == "agent" else "customer"
    found: dict[str, float] = {"bias": 1.0}
    if who == "agent":
        found["agent"] = 1.0
    for name, value in _summed(weights).items():
        if value:
            found[f"{who}:{name}"] = value
    for category in categories:
        if category in CATEGORIES:
            found[f"{who}:{category}"] = 1.0
    return found


def _summed(weights: Sequence[float]) -> dict[str, float]:
    good = [weight for weight in weights if weight > 0]
    bad = [-weight for weight in weights if weight < 0]
    sums = {
        "pos_strong": sum(weight for weight in good if weight >= STRONG),
        "pos_weak": sum(weight for weight in good if weight < STRONG),
        "neg_strong": sum(weight for weight in bad if weight >= STRONG),
        "neg_weak": sum(weight for weight in bad if weight < STRONG),
        "pos_last": 0.0,
        "neg_last": 0.0,
        "clash": float(bool(good) and bool(bad)),
    }
    if weights:
        sums["pos_last" if weights[-1] > 0 else "neg_last"] = min(3.0, abs(weights[-1]))
    return {name: min(value, 6.0) for name, value in sums.items()}


BUCKETS = 1 << 15
"""Word parts of one language are hashed into so many places."""
GRAM_LETTERS = (3, 4, 5)
PAIR_COUNTS = 0.7


@lru_cache(maxsize=50_000)
def word_parts(word: str) -> tuple[int, ...]:
    """Buckets of a word: itself, and its runs of 3 to 5 letters with its ends marked."""
    marked = f"<{word}>"
    parts = {f"w {word}"}
    for length in GRAM_LETTERS:
        parts.update(marked[at : at + length] for at in range(len(marked) - length + 1))
    return tuple(sorted({_bucket(part) for part in parts}))


@lru_cache(maxsize=100_000)
def pair_part(word: str, following: str) -> int:
    return _bucket(f"p {word} {following}")


def _bucket(part: str) -> int:
    return zlib.crc32(part.encode("utf-8", "surrogatepass")) % BUCKETS


def parts_of(words: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    """Every bucket of an utterance: the word that brings it in, its place, and what it counts."""
    each = 1 / max(1.0, len(words) ** 0.5)
    before = ""
    for at, word in enumerate(words):
        own = word_parts(word)
        value = each / len(own) ** 0.5
        for bucket in own:
            yield at, bucket, value
        yield at, pair_part(before, word), each * PAIR_COUNTS
        before = word
