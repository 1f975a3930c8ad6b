"""What is being said, before it is all said: interim texts of an open utterance, for a page and for nothing else.

Rules never see them. They are redacted more strictly than final words: a number is masked as soon as it begins, for nobody
can know yet what it will be, and while a secret may be on its way (asked for, or begun) nothing is shown of that party.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from audio.chunk import Float32Array, Party
from audio.whisper.agreement import Agreement
from audio.whisper.request import Transcript
from streams.events import InterimPiece, Record
from streams.language import RedactionSettings, redact_text
from streams.language.numbers import number_runs
from streams.language.text import tokens

MASK = "[number]"


@dataclass(slots=True)
class OpenUtterance:
    """One party's open utterance, as far as its audio has come."""

    utterance_id: str
    party: Party
    start_ms: int
    end_ms: int
    language: str | None
    pieces: list[Float32Array] = field(default_factory=list)
    agreement: Agreement = field(default_factory=Agreement)
    asked_ms: int = 0
    """How far the audio had come when it was heard last."""
    busy: bool = False

    @property
    def samples(self) -> Float32Array:
        return np.concatenate(self.pieces)

    @property
    def fresh(self) -> bool:
        """Whether there is more to hear than the last time, and nobody is hearing it."""
        return not self.busy and self.end_ms > self.asked_ms

    def shown(self, transcript: Transcript, settings: RedactionSettings | None = None) -> tuple[str, int]:
        """The text to show, and how many of its words are stable."""
        text, stable = self.agreement.push(transcript.text)
        masked = mask(text, transcript.language, settings)
        firm = mask(" ".join(text.split()[:stable]), transcript.language, settings).split()
        pairs = zip(firm, masked.split(), strict=False)
        agreed = next(
            (at for at, (one, other) in enumerate(pairs) if one != other), min(len(firm), len(masked.split()))
        )
        return masked, agreed


class OpenUtterances:
    """Both parties' open utterances. After a restart, what is open then is not shown: its beginning is not known."""

    def __init__(self) -> None:
        self._by_party: dict[Party, OpenUtterance] = {}

    def add(self, piece: InterimPiece) -> None:
        """More of an utterance has come."""
        known = self._by_party.get(piece.party)
        if piece.part == 0:
            known = OpenUtterance(piece.utterance_id, piece.party, piece.start_ms, piece.end_ms, piece.language)
            self._by_party[piece.party] = known
        elif known is None or known.utterance_id != piece.utterance_id or len(known.pieces) != piece.part:
            self._by_party.pop(piece.party, None)
            return
        known.pieces.append(piece.samples)
        known.end_ms = piece.end_ms

    def closed(self, party: Party) -> None:
        """The utterance has ended: its final text is on its way."""
        self._by_party.pop(party, None)

    def get(self, utterance_id: str) -> OpenUtterance | None:
        return next((one for one in self._by_party.values() if one.utterance_id == utterance_id), None)

    def fresh(self) -> list[OpenUtterance]:
        return [one for one in self._by_party.values() if one.fresh]

    @property
    def held_bytes(self) -> int:
        return sum(piece.nbytes for one in self._by_party.values() for piece in one.pieces)


def mask(text: str, language: str | None, settings: RedactionSettings | None = None) -> str:
    """`text` with every number and every secret hidden."""
    words = tokens(text)
    for run in reversed(number_runs(words, language)):
        text = text[: words[run.first].start] + MASK + text[words[run.last].end :]
    return redact_text(text, language, settings)[0]


def interim_record(
    call_id: str,
    mono: bool,
    one: OpenUtterance,
    transcript: Transcript,
    settings: RedactionSettings | None = None,
) -> Record | None:
    """The record to publish of an open utterance; None: there is nothing to show."""
    text, stable = one.shown(transcript, settings)
    if not text:
        return None
    return {
        "call_id": call_id,
        "utterance_id": one.utterance_id,
        "party": None if mono else one.party.value,
        "start_ms": one.start_ms,
        "end_ms": one.end_ms,
        "text": text,
        "language": transcript.language,
        "confidence": round(transcript.confidence, 3),
        "final": False,
        "state": "interim",
        "reason": None,
        "stable_words": stable,
        "words": [],
        "sentiment": None,
        "phrases": [],
        "redactions": [],
    }
