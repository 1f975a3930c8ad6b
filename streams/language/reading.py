"""Words of utterances read: phrases, sentiment by the chosen engine, backchannels. What the stages call.

An engine is handed whole batches, so that one that runs a network can use them; the built-in one takes them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from streams.language.backchannels import is_backchannel
from streams.language.catalogue import Catalogue, default_catalogue, load_catalogue
from streams.language.lexicon import signs_in
from streams.language.patterns import Line
from streams.language.phrases import Phrase, find_phrases
from streams.language.sentiment import Sentiment, sentiment
from streams.language.text import Token, words_of


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance as an engine sees it: redacted text, its tokens and phrases, and who says it."""

    text: str
    words: Sequence[Token]
    line: Line
    language: str | None
    party: str | None
    phrases: Sequence[Phrase]


class SentimentEngine(Protocol):
    """Judges utterances from their words alone."""

    name: str

    def judge(self, utterances: Sequence[Heard]) -> list[Sentiment]:
        """One sentiment for each utterance, in their order."""
        ...


class BuiltIn:
    """Rules and lexicons: `sentiment.py`. No download."""

    name = "builtin"

    def judge(self, utterances: Sequence[Heard]) -> list[Sentiment]:
        return [
            sentiment(
                one.words,
                one.language,
                party=one.party,
                phrases=one.phrases,
                line=one.line,
                signs=signs_in(one.text) if one.party is None else (),
            )
            for one in utterances
        ]


@dataclass(frozen=True)
class WordReader:
    """An engine and a catalogue."""

    engine: SentimentEngine = field(default_factory=BuiltIn)
    catalogue: Catalogue = field(default_factory=default_catalogue)

    def hear(self, text: str, language: str | None, party: str | None) -> Heard:
        words = words_of(text, language)
        line = Line(words)
        phrases = find_phrases(text, words, language, party, self.catalogue, line=line)
        return Heard(text, words, line, language, party, phrases)

    def annotate(self, utterances: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Redacted utterance records with `sentiment`, `phrases` and `backchannel`; unsure text has unsure sentiment."""
        heard = [self.hear(str(u.get("text") or ""), _language_of(u), u.get("party")) for u in utterances]
        felt = self.engine.judge(heard)
        return [
            {
                **utterance,
                "sentiment": _as_sure_as(feeling, utterance.get("confidence")),
                "phrases": list(one.phrases),
                "redactions": utterance.get("redactions") or [],
                "backchannel": is_backchannel(one.text, one.language),
            }
            for utterance, one, feeling in zip(utterances, heard, felt, strict=True)
        ]


def _language_of(utterance: dict[str, Any]) -> str | None:
    """The language told from the text, where it was; else the transcriber's."""
    language: str | None = (utterance.get("text_language") or utterance).get("language")
    return language


def _as_sure_as(feeling: Sentiment, heard: float | None) -> Sentiment:
    """No surer of a feeling than the transcriber was of the words."""
    if heard is None:
        return feeling
    return Sentiment(
        score=feeling["score"], confidence=min(feeling["confidence"], float(heard)), because=feeling["because"]
    )


def load_reader(engine: str = BuiltIn.name, phrases: str | Path | None = None, *, quantise: bool = False) -> WordReader:
    """The reader of the settings `sentiment`, `phrases` and `sentiment_quantise`.

    Raises:
        VigieError: the model or the catalogue cannot be loaded.
    """
    return WordReader(engine_of(engine, quantise=quantise), load_catalogue(phrases))


def engine_of(name: str, *, quantise: bool = False) -> SentimentEngine:
    """The engine of a setting: `builtin`, or the name or folder of a model for ONNX Runtime.

    Raises:
        VigieError: the model cannot be loaded.
    """
    if name == BuiltIn.name:
        return BuiltIn()
    from streams.language.onnx_sentiment import OnnxSentiment

    return OnnxSentiment(name, quantise=quantise)
