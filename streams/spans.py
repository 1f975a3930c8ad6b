"""Spans of media time, `(from_ms, to_ms)` each, and what two parties' spans make together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Spans = Sequence[Sequence[int]]
SILENCE_SHOWN_MS_MIN = 3_000
"""From here on mutual silence is dead air in the field's counting (Contact Lens)."""


def overlaps(first: Spans, second: Spans) -> list[list[int]]:
    out: list[list[int]] = []
    i = j = 0
    while i < len(first) and j < len(second):
        from_ms, to_ms = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if to_ms > from_ms:
            out.append([from_ms, to_ms])
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return out


def silences(busy: Iterable[Sequence[int]], end_ms: int) -> list[list[int]]:
    """Where neither speaks nor is on hold, from a length that is worth showing."""
    out: list[list[int]] = []
    silent_from = 0
    for from_ms, to_ms in [*sorted((span[0], span[1]) for span in busy), (end_ms, end_ms)]:
        if from_ms - silent_from >= SILENCE_SHOWN_MS_MIN:
            out.append([silent_from, from_ms])
        silent_from = max(silent_from, to_ms)
    return out
