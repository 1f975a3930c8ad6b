"""What was said: sentiment, phrases, backchannels and redaction of transcribed utterances, in the callers' languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams.language.backchannels import is_backchannel
from streams.language.identify import identify
from streams.language.modes import Mode, RedactionSettings
from streams.language.phrases import CATEGORIES, Phrase, find_phrases
from streams.language.redaction import Redactor, apply_earlier, redact_text
from streams.language.sentiment import Sentiment, sentiment
from streams.language.text import tokens

__all__ = [
    "CATEGORIES",
    "Analysis",
    "Mode",
    "RedactionSettings",
    "Redactor",
    "analyse",
    "annotate",
    "apply_earlier",
    "identify",
    "is_backchannel",
    "redact_text",
]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one utterance says. `text` is redacted; `phrases` and `redactions` count its characters."""

    sentiment: Sentiment
    phrases: list[Phrase]
    text: str
    redactions: list[dict[str, Any]]
    backchannel: bool


def analyse(text: str, language: str | None, party: str | None, settings: RedactionSettings | None = None) -> Analysis:
    """Everything the words of one utterance tell; `party` None where both speak on one channel.

    Text that a `Redactor` has released comes back as it is: marks are words that nothing matches.
    """
    redacted, redactions = redact_text(text, language, settings)
    words = tokens(redacted)
    return Analysis(
        sentiment=sentiment(words, language),
        phrases=find_phrases(redacted, words, language, party),
        text=redacted,
        redactions=redactions,
        backchannel=is_backchannel(redacted, language),
    )


def annotate(utterance: dict[str, Any]) -> dict[str, Any]:
    """A redacted utterance record with `sentiment`, `phrases` and `backchannel`; unsure text has unsure sentiment."""
    text = str(utterance.get("text") or "")
    language = (utterance.get("text_language") or utterance).get("language")
    words = tokens(text)
    felt = sentiment(words, language)
    heard = utterance.get("confidence")
    if heard is not None:
        felt = Sentiment(score=felt["score"], confidence=min(felt["confidence"], float(heard)), because=felt["because"])
    return {
        **utterance,
        "sentiment": felt,
        "phrases": find_phrases(text, words, language, utterance.get("party")),
        "redactions": utterance.get("redactions") or [],
        "backchannel": is_backchannel(text, language),
    }
