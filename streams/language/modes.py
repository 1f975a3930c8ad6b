"""How much is redacted, and what a secret is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from streams.language.text import LANGUAGES


class Mode(StrEnum):
    """How much is hidden. `OFF` publishes everything as it was said."""

    STRICT = "strict"
    STANDARD = "standard"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """Regions are where the sites are (house plan) and where their callers call from; order settles doubtful cases."""

    mode: Mode = Mode.STANDARD
    regions: tuple[str, ...] = ("FR", "MA", "PT", "TN", "SN", "CI", "CM", "ES", "GB", "US", "BR", "BE")
    digits_max: int = 6
    """The longest dictated number that may be published: prices and years are shorter, phones and cards longer."""
    bridged_digits_max: int = 8
    """The same for a number with strange words inside: those are as often two numbers."""
    announced_words_max: int = 8
    """Words between "my code" and the code; twice as many in strict mode."""
    confidence_min: float = 0.5
    """An utterance the transcriber was less sure of is redacted strictly."""
    hold_ms: int = 5_000
    """A trailing number waits this long, in media time, for its continuation (notes on signal)."""
    talked_over_ms: int = 10_000
    """And this much longer while only the other party is heard: ours may be speaking, and is known when it is done."""
    held_utterances_max: int = 12
    """A caller who dictates longer than this is published redacted, not held for ever."""
    expected_ms: int = 20_000
    """How long an announcement, by either party, makes the next number a secret."""
    continued_ms: int = 15_000
    """Digits published just before count towards the length of a number that goes on after the hold."""
    mute_margin_ms: int = 150
    """Word times of a transcriber are this far off; muted audio reaches further."""

    def for_utterance(self, language: str | None, confidence: float | None = None) -> RedactionSettings:
        """Strict where one of our languages is not known to be spoken, or the words are doubtful."""
        known = language is not None and language.lower().replace("_", "-").split("-")[0] in LANGUAGES
        doubt = not known or (confidence is not None and confidence < self.confidence_min)
        return replace(self, mode=Mode.STRICT) if doubt and self.mode is Mode.STANDARD else self

    @property
    def strict(self) -> bool:
        return self.mode is Mode.STRICT


class Secret(NamedTuple):
    """Words `first..last` (inclusive) that must not be published."""

    kind: str
    first: int
    last: int


KINDS = ("card", "iban", "phone", "email", "national_id", "code", "password", "cvv", "expiry", "account", "number")
