"""Every metric that a rule may name: its unit, whom it is about, which stage measures it, and how its values count.

A metric of kind STATE keeps its value until the next measure. SPOKEN does too, but each of its measures is an
occurrence of its own (the sentiment of one more utterance). An EVENT is true at its moment only (a phrase that was
said).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Domain(StrEnum):
    SOUND = "sound"
    WORDS = "words"


class Kind(StrEnum):
    STATE = "state"
    SPOKEN = "spoken"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the catalogue.

    `per_party`: measured for each party, else for the call. `window_ms`: the fixed window it is computed over (None:
    the measure's own stretch). `named_party`: whom an alert on a call metric is about. `derived`: computed from other
    alerts or from our own watching, so it neither costs health nor is a cause.
    """

    name: str
    unit: str
    per_party: bool
    domain: Domain
    description: str
    kind: Kind = Kind.STATE
    window_ms: int | None = None
    named_party: str | None = None
    derived: bool = False


PHRASE_CATEGORIES = (
    "escalation",
    "cancellation",
    "legal_threat",
    "regulator_press",
    "abuse",
    "repeated_contact",
    "hearing_trouble",
    "greeting",
    "disclosure",
    "transfer",
    "waiting",
    "thanks",
    "closing",
    "help_offer",
    "apology",
    "empathy",
)

_SOUND, _WORDS = Domain.SOUND, Domain.WORDS

_CATALOGUE = (
    Metric("dropouts_10s", "count", True, _SOUND, "holes inside speech in the last 10 s", window_ms=10_000),
    Metric(
        "dropout_share_30s", "%", True, _SOUND, "share of speech time lost in holes and gaps, 30 s", window_ms=30_000
    ),
    Metric("gap_ms_30s", "ms", True, _SOUND, "audio that never arrived in the last 30 s", window_ms=30_000),
    Metric("clipped_runs_10s", "count", True, _SOUND, "runs of clipped samples in the last 10 s", window_ms=10_000),
    Metric("one_way_ms", "ms", True, _SOUND, "since when the leg is dead while the other party speaks"),
    Metric("missing_leg_ms", "ms", True, _SOUND, "since when the leg is awaited while the other is there"),
    Metric("level_dbov", "dBov", True, _SOUND, "active speech level, ITU-T P.56"),
    Metric("snr_db", "dB", True, _SOUND, "active speech level over the noise"),
    Metric("noise_dbov", "dBov", True, _SOUND, "noise between the words"),
    Metric("echo_ms", "ms", True, _SOUND, "length of the echo of the other party on this leg"),
    Metric("crosstalk_ms", "ms", True, _SOUND, "length of the other party's voice leaking into this leg"),
    Metric("same_audio_ms", "ms", False, _SOUND, "length of both legs carrying the same audio", named_party="both"),
    Metric("hold_music_ms", "ms", True, _SOUND, "length of the music on this leg"),
    Metric("ringback_ms", "ms", True, _SOUND, "length of the ringing tone on this leg"),
    Metric("dtmf_digits", "count", True, _SOUND, "keys pressed so far on this leg", kind=Kind.EVENT),
    Metric("mutual_silence_ms", "ms", False, _SOUND, "since when nobody speaks, hold excluded", named_party="both"),
    Metric("hold_ms", "ms", False, _SOUND, "since when the call is on hold"),
    Metric("overlap_run_ms", "ms", False, _SOUND, "length of both parties speaking at once", named_party="both"),
    Metric("talk_ratio", "share", False, _SOUND, "agent's talk / talk of both, 0..1", named_party="agent"),
    Metric("interruptions_120s", "count", True, _SOUND, "times this party cut the other off, 120 s", window_ms=120_000),
    Metric("monologue_ms", "ms", True, _SOUND, "how long this party has held the floor"),
    Metric("response_ms", "ms", True, _SOUND, "pause before this party answered the other", kind=Kind.EVENT),
    Metric("sentiment", "score", True, _WORDS, "sentiment of the last utterance, -1..1", kind=Kind.SPOKEN),
    Metric("sentiment_drop", "score", True, _WORDS, "fall of the sentiment over the last utterances", kind=Kind.SPOKEN),
    Metric("sentiment_rise", "score", True, _WORDS, "rise of the sentiment from its lowest", kind=Kind.SPOKEN),
    Metric(
        "negative_streak", "count", True, _WORDS, "negative utterances in a row, neutral ones aside", kind=Kind.SPOKEN
    ),
    Metric("speaking_rate_wpm", "words/min", True, _WORDS, "words a minute of this party's own speech"),
    Metric("health", "points", False, _WORDS, "health of the call, 0..100", derived=True),
    Metric("health_drop_60s", "points", False, _WORDS, "health lost in 60 s", window_ms=60_000, derived=True),
    Metric("unwatched_ms", "ms", False, _SOUND, "how long the call has not been watched", derived=True),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _CATALOGUE}

_CATEGORY = re.compile(r"(phrase|not_said)\.([a-z][a-z0-9_]{0,40})\Z")


def find(name: str, categories: frozenset[str] = frozenset()) -> Metric | None:
    """The metric of that name, or None; `categories` are phrase categories known besides `PHRASE_CATEGORIES`."""
    if known := METRICS.get(name):
        return known
    match = _CATEGORY.match(name)
    if match is None or not (match[2] in PHRASE_CATEGORIES or match[2] in categories):
        return None
    if match[1] == "phrase":
        return Metric(name, "count", True, _WORDS, f"this party said something of {match[2]}", kind=Kind.EVENT)
    return Metric(name, "0 or 1", True, _WORDS, f"this party has not said anything of {match[2]} so far")


def names(categories: frozenset[str] = frozenset()) -> list[str]:
    """Every name that `find` knows, for suggestions and documentation."""
    spoken = [*PHRASE_CATEGORIES, *sorted(categories - set(PHRASE_CATEGORIES))]
    return [*METRICS, *(f"phrase.{item}" for item in spoken), *(f"not_said.{item}" for item in spoken)]
