"""What a role's calls may take, in time and number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """When calls are saved, given up and refused.

    Attributes:
        row_s: a call's state is saved about so often, at a quiet moment; half as long again whatever the moment.
        silence_s_max: a call whose audio stops for so long, at the end of its partition, is over.
        utterance_s_max: what a live call's words may take; then they are given up (`transcriber_silent`).
        transcribe_s_max: how late a live call's utterance may be heard; after that it is given up (`deadline`).
        calls_max: calls of one partition; others are refused by LISTEN until some are over, and end unmonitored. The
            later stages, which see those as well, and may be behind, hold twice as many.
    """

    row_s: float = 20.0
    silence_s_max: float = 60.0
    utterance_s_max: float = 60.0
    transcribe_s_max: float = 30.0
    calls_max: int = 2_000
