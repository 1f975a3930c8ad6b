"""Words of utterances read: phrases, sentiment by the chosen engine, backchannels. What the stages call.

An engine is handed whole batches, so that one that runs a network can use them; the built-in one takes them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from audio.errors import VigieError
from streams.language.backchannels import is_backchannel
from streams.language.catalogue import Catalogue, default_catalogue, load_catalogue
from streams.language.fitted import Meant
from streams.language.learnt import LearntPhrases
from streams.language.lexicon import signs_in
from streams.language.network import Understood
from streams.language.patterns import Line
from streams.language.phrases import Phrase, match_phrases
from streams.language.sentiment import Sentiment, sentiment
from streams.language.text import Token, words_of


class Heard(NamedTuple):
    """One utterance as an engine sees it: redacted text, its tokens and phrases, and who says it."""

    text: str
    words: Sequence[Token]
    line: Line
    language: str | None
    party: str | None
    phrases: Sequence[Phrase]
    backchannel: bool = False
    """Whether it only acknowledges."""
    denied: frozenset[str] = frozenset()
    """Categories that an `unless` of the catalogue says are not meant."""
    understood: Understood | None = None
    """What the network makes of it."""
    meaning: Meant | None = None
    """What its vector says for negative, neutral and positive, where there is one."""


class Refiner(Protocol):
    """Adds to what the patterns found, and takes from it: `learnt.LearntPhrases`, `semantic.Semantics`."""

    def refine(self, heard: Sequence[Heard]) -> list[Heard]: ...


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
                understood=one.understood,
                meaning=one.meaning,
            )
            for one in utterances
        ]


@dataclass(frozen=True)
class WordReader:
    """An engine, a catalogue, and what refines the phrases that its patterns find."""

    engine: SentimentEngine = field(default_factory=BuiltIn)
    catalogue: Catalogue = field(default_factory=default_catalogue)
    refiner: Refiner | None = None
    """Default: `learnt.LearntPhrases` of the catalogue."""

    def __post_init__(self) -> None:
        if self.refiner is None:
            object.__setattr__(self, "refiner", LearntPhrases(self.catalogue))

    def hear(self, text: str, language: str | None, party: str | None) -> Heard:
        return self._refined([self._matched(text, language, party)])[0]

    def _matched(self, text: str, language: str | None, party: str | None) -> Heard:
        words = words_of(text, language)
        line = Line(words)
        phrases, denied = match_phrases(text, words, language, party, self.catalogue, line=line)
        return Heard(text, words, line, language, party, phrases, is_backchannel(text, language, words), denied)

    def _refined(self, heard: list[Heard]) -> list[Heard]:
        assert self.refiner is not None
        return self.refiner.refine(heard)

    def annotate(self, utterances: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Redacted utterance records with `sentiment`, `phrases` and `backchannel`; unsure text has unsure sentiment."""
        heard = self._refined(
            [self._matched(str(u.get("text") or ""), _language_of(u), u.get("party")) for u in utterances]
        )
        felt = self.engine.judge(heard)
        return [
            {
                **utterance,
                "sentiment": _as_sure_as(feeling, utterance.get("confidence")),
                "phrases": list(one.phrases),
                "redactions": utterance.get("redactions") or [],
                "backchannel": one.backchannel,
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


SEMANTIC = ("no", "yes")


def load_reader(
    engine: str = BuiltIn.name, phrases: str | Path | None = None, *, quantise: bool = False, semantic: str = "no"
) -> WordReader:
    """The reader of the settings `sentiment`, `phrases`, `sentiment_quantise` and `semantic`.

    Raises:
        VigieError: the model, the catalogue or the package for meaning cannot be loaded.
    """
    catalogue = load_catalogue(phrases)
    return WordReader(engine_of(engine, quantise=quantise), catalogue, _semantics_of(semantic, catalogue))


def check_reading(phrases: str | Path | None, semantic: str) -> None:
    """Tell a mistake in these settings before any process starts. Raises VigieError."""
    _semantics_of(semantic, load_catalogue(phrases))


def _semantics_of(setting: str, catalogue: Catalogue) -> Refiner | None:
    if setting not in SEMANTIC:
        raise VigieError(f"{setting[:40]!r} is no value of it", remedy="Use yes or no", field="semantic")
    if setting == "no":
        if alike := next((entry.category for entry in catalogue.entries if entry.like), None):
            remedy = "Set semantic: yes (pip install 'vigie[semantic]'), or write patterns under `say`"
            problem = f"the examples under `like` of {alike} are matched by meaning, which is off"
            raise VigieError(problem, remedy=remedy, where=catalogue.file, field="like")
        return None
    from streams.language.embedding import load_embedder
    from streams.language.semantic import Semantics

    return Semantics(load_embedder(), catalogue)


def engine_of(name: str, *, quantise: bool = False) -> SentimentEngine:
    """The engine of a setting: `builtin`, or the name or folder of a model for ONNX Runtime.

    Raises:
        VigieError: the model cannot be loaded.
    """
    if name == BuiltIn.name:
        return BuiltIn()
    from streams.language.onnx_sentiment import OnnxSentiment

    return OnnxSentiment(name, quantise=quantise)
