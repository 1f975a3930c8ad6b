"""What a clip of an alert holds, and what of it must not be heard. Plain numbers, no sound."""

from __future__ import annotations

from collections.abc import Iterable

from streams.events import Record

CLIP_MS_MAX = 20_000
LEAD_MS = 1_000
"""Heard before and after the fault, so that an ear can settle."""
UNHEARD_STATES = ("given_up", "failed")
"""Speech whose words are unknown may hold anything: it is muted."""
UNHEARD_REASONS = ("repetition",)
"""Words that were dropped as a loop of the model: "one one one one" of a card number looks like one."""


def clip_span(from_ms: int, to_ms: int, end_ms: int | None = None) -> tuple[int, int]:
    """From where to where an alert's audio is cut; `end_ms` is where the call ends, as far as that is known."""
    stop_ms = to_ms + LEAD_MS if end_ms is None else min(to_ms + LEAD_MS, end_ms)
    # Of a long fault its end is heard: that is what completed the condition.
    return max(0, from_ms - LEAD_MS, stop_ms - CLIP_MS_MAX), stop_ms


def muted_spans(utterances: Iterable[Record], *, mono: bool = False) -> list[tuple[str, int, int]]:
    """`(party, from_ms, to_ms)` of what must not be heard: redacted words, and speech that was never transcribed.

    A redaction that names no time mutes its whole utterance. On one channel a span mutes everything.
    """
    out: list[tuple[str, int, int]] = []
    for utterance in utterances:
        spans: list[tuple[int, int]] = []
        if utterance["state"] in UNHEARD_STATES or utterance.get("reason") in UNHEARD_REASONS:
            spans.append((utterance["start_ms"], utterance["end_ms"]))
        for redaction in utterance.get("redactions") or ():
            known = "from_ms" in redaction and "to_ms" in redaction
            whole = (utterance["start_ms"], utterance["end_ms"])
            spans.append((redaction["from_ms"], redaction["to_ms"]) if known else whole)
        # The beginning of a number whose end came too late: its words are out, its sound need not be.
        spans += [(span["from_ms"], span["to_ms"]) for span in utterance.get("earlier") or ()]
        out += [("customer" if mono else utterance["party"], *span) for span in spans]
    return out
