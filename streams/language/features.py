"""What the fitted part of the sentiment weighs: the lexicon's evidence, the phrases, and who says them.

The same for fitting (`recipe/fit_sentiment.py`) and use, and the same for all languages; the parts of words (parts.py)
stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
