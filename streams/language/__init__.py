"""What was said: sentiment, phrases, backchannels and redaction of transcribed utterances, in the callers' languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from streams.language.backchannels import is_backchannel
from streams.language.identify import identify
from streams.language.modes import Mode, RedactionSettings
from streams.language.phrases import CATEGORIES, Phrase
from streams.language.reading import WordReader
from streams.language.redaction import Redactor, apply_earlier, redact_text
from streams.language.sentiment import Sentiment

__all__ = [
    "CATEGORIES",
    "Analysis",
    "Mode",
    "RedactionSettings",
    "Redactor",
    "WordReader",
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


@lru_cache(maxsize=1)
def built_in() -> WordReader:
    """The reader that needs no settings: rules, lexicons and the bundled catalogue."""
    return WordReader()


def analyse(
    text: str,
    language: str | None,
    party: str | None,
    settings: RedactionSettings | None = None,
    reader: WordReader | None = None,
) -> Analysis:
    """Everything the words of one utterance tell; `party` None where both speak on one channel.

    Text that a `Redactor` has released comes back as it is: marks are words that nothing matches.
    """
    reader = reader or built_in()
    redacted, redactions = redact_text(text, language, settings)
    heard = reader.hear(redacted, language, party)
    return Analysis(
        sentiment=reader.engine.judge([heard])[0],
        phrases=list(heard.phrases),
        text=redacted,
        redactions=redactions,
        backchannel=heard.backchannel,
    )


def annotate(utterance: dict[str, Any], reader: WordReader | None = None) -> dict[str, Any]:
    """A redacted utterance record with `sentiment`, `phrases` and `backchannel`; unsure text has unsure sentiment."""
    return (reader or built_in()).annotate([utterance])[0]
