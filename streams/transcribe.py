"""TRANSCRIBE: one call's utterances, from audio to redacted words with sentiment and phrases.

The second stage. What leaves it is redacted: words, phrases and sentiment are read from the text that is published, so
their spans fit it. An utterance that ends in a number waits for the next one of that party (up to 5 s of media time).
Every utterance that comes in leaves exactly one terminal record: final, empty or failed.
"""

from __future__ import annotations

from typing import Any

from audio.chunk import Party
from audio.errors import VigieError
from audio.state import Stateful
from audio.whisper.transcriber import Transcriber, Transcript
from streams.events import CallInfo, Record, SpeechPiece
from streams.language import Redactor, annotate


class CallTranscription(Stateful):
    """The words of one call. Push its utterances in the order that LISTEN gave them, then flush.

    Its state holds unredacted words (numbers that wait for the next utterance): it belongs where calls.speech belongs.
    """

    STATE = ("_redactors", "dropped")

    def __init__(self, call: CallInfo, transcriber: Transcriber) -> None:
        self.call, self.transcriber = call, transcriber
        self._redactors = {party: Redactor(language=call.language) for party in Party}
        self.dropped: dict[str, int] = {}
        """Utterances whose text was not kept, by reason."""

    def push(self, piece: SpeechPiece) -> list[Record]:
        """Transcribe one utterance; returns the records that may be published now, of either party."""
        record = self._heard(piece)
        self._redactors[piece.party.other].overheard(record)
        released = self._redactors[piece.party.other].flush(piece.end_ms)
        released += self._redactors[piece.party].push(record)
        return [self._read(item) for item in released]

    def flush(self) -> list[Record]:
        """The call is over: everything that still waited."""
        return [self._read(item) for redactor in self._redactors.values() for item in redactor.flush(None)]

    def _heard(self, piece: SpeechPiece) -> Record:
        try:
            transcript = self.transcriber.transcribe(
                piece.samples, language=piece.language, utterance_id=piece.utterance_id
            )
        except Exception as error:
            # A model fails in as many ways as there are devices; the next utterance may go well.
            reason = str(error) if isinstance(error, VigieError) else type(error).__name__
            return utterance_record(piece, None, reason=reason)
        if transcript.dropped:
            self.dropped[transcript.dropped] = self.dropped.get(transcript.dropped, 0) + 1
        return utterance_record(piece, transcript)

    def give_up(self, piece: SpeechPiece, reason: str) -> list[Record]:
        """Leave an utterance unheard: its terminal record says so, after whatever must come before it."""
        record = unheard_record(piece.call_id, piece.utterance_id, piece.party, piece.start_ms, piece.end_ms, reason)
        released = self._redactors[piece.party.other].flush(piece.end_ms) + self._redactors[piece.party].push(record)
        return [self._read(item) for item in released]

    def _read(self, record: Record) -> Record:
        """Sentiment and phrases of a redacted record; on one channel nobody knows whose words they are."""
        return annotate({**record, "party": None} if self.call.mono else record)


def unheard_record(call_id: str, utterance_id: str, party: Party, start_ms: int, end_ms: int, reason: str) -> Record:
    """The terminal record of an utterance whose words nobody will have (`transcriber_silent`, `deadline`)."""
    return {
        "call_id": call_id,
        "utterance_id": utterance_id,
        "party": party.value,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "text": "",
        "language": None,
        "confidence": None,
        "final": True,
        "state": "given_up",
        "reason": reason,
        "words": [],
        "redactions": [],
    }


def utterance_record(piece: SpeechPiece, transcript: Transcript | None, reason: str | None = None) -> Record:
    """The unredacted, unread record of one utterance; no transcript is a failure for `reason`."""
    text = transcript.text if transcript and not transcript.dropped else ""
    state = "failed" if transcript is None else ("final" if text else "empty")
    words: list[dict[str, Any]] = []
    if transcript and text:
        words = [
            {
                "word": word.word,
                "start_ms": piece.audio_from_ms + round(word.start_s * 1000),
                "end_ms": piece.audio_from_ms + round(word.end_s * 1000),
                "confidence": round(word.probability, 3),
            }
            for word in transcript.words
        ]
    return {
        "call_id": piece.call_id,
        "utterance_id": piece.utterance_id,
        "party": piece.party.value,
        "start_ms": piece.start_ms,
        "end_ms": piece.end_ms,
        "text": text,
        "language": transcript.language if transcript else piece.language,
        "confidence": round(transcript.confidence, 3) if transcript and text else None,
        "final": True,
        "state": state,
        "reason": reason or (transcript.dropped if transcript else None),
        "words": words,
        "redactions": [],
    }
