"""The few statistics that the tables need."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959964
"""Two-sided 95 % of the normal distribution."""


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): honest near 0 and 1, where there is nothing to average."""
    if tries == 0:
        return 0.0, 1.0
    share, z2 = hits / tries, Z95 * Z95
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = Z95 / (1 + z2 / tries) * math.sqrt(share * (1 - share) / tries + z2 / (4 * tries * tries))
    return max(0.0, middle - half), min(1.0, middle + half)


def poisson_upper(events: int, hours: float) -> float:
    """Upper end of the 95 % interval of a rate per hour (chi-square by Wilson and Hilferty)."""
    if hours <= 0:
        return math.inf
    n = events + 1
    return n * (1 - 1 / (9 * n) + Z95 / (3 * math.sqrt(n))) ** 3 / hours


def quantile(values: Sequence[float], share: float) -> float | None:
    """Linear interpolation between order statistics; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
