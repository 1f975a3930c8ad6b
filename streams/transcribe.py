"""TRANSCRIBE: one call's utterances, from audio to redacted words with sentiment and phrases.

The second stage. What leaves it is redacted: words, phrases and sentiment are read from the text that is published, so
their spans fit it. An utterance that ends in a number waits for the next one of that party (see language/redaction.py).
Every utterance that comes in leaves exactly one terminal record: final, empty or failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audio.chunk import WIDE_RATE_HZ, Party
from audio.errors import VigieError
from audio.state import Stateful
from audio.whisper.language import LanguageTracker
from audio.whisper.transcriber import Request, Transcriber, Transcript, hear
from streams.events import CallInfo, Record, SpeechPiece
from streams.hints import Hints
from streams.interim import OpenUtterance, interim_record
from streams.language import RedactionSettings, Redactor, WordReader, annotate
from streams.language.identify import DOUBT, second_opinion

UTTERANCES_MAX = 1_000
BATCH_UTTERANCES = 16
"""Of one call: up to 200 s of audio, some 12 MB."""
NOT_SPEECH = ("empty", "bad_audio", "too_short", "too_quiet", "not_voiced", "no_speech", "no_words")
"""Reasons of an empty transcript from which nothing follows for the language."""


class CallTranscription(Stateful):
    """The words of one call. Push its utterances in the order that LISTEN gave them, then flush.

    Who hears many calls at once asks for the `request` of an utterance, and gives `take` its answer, in the same order; no
    further `ahead` than an utterance's language is sure.

    Its state holds unredacted words (numbers that wait for the next utterance): it belongs where calls.speech belongs.
    """

    STATE = ("_redactors", "dropped", "_languages")

    def __init__(
        self,
        call: CallInfo,
        transcriber: Transcriber,
        hints: Hints | None = None,
        redaction: RedactionSettings | None = None,
        reader: WordReader | None = None,
    ) -> None:
        self.call, self.transcriber, self.reader = call, transcriber, reader
        self.hints = hints or Hints(call.language)
        self._redactors = {party: Redactor(redaction, self.hints.language) for party in Party}
        self._languages = {party: LanguageTracker() for party in Party}
        self.dropped: dict[str, int] = {}
        """Utterances whose text was not kept, by reason."""

    def push(self, piece: SpeechPiece) -> list[Record]:
        """Transcribe one utterance; returns the records that may be published now, of either party."""
        return self.take(piece, hear(self.transcriber, [self.request(piece)])[0])

    def push_all(self, pieces: Sequence[SpeechPiece]) -> list[Record]:
        """Transcribe several utterances of the call, together where their languages are known."""
        records: list[Record] = []
        left = list(pieces)
        while left:
            count = self._together(left)
            answers = hear(self.transcriber, [self.request(piece) for piece in left[:count]])
            for piece, answer in zip(left[:count], answers, strict=True):
                records += self.take(piece, answer)
            left = left[count:]
        return records

    def _together(self, pieces: Sequence[SpeechPiece]) -> int:
        counts = dict.fromkeys(Party, 0)
        for at, piece in enumerate(pieces):
            if counts[piece.party] >= self.ahead(piece.party, piece.language):
                return at
            counts[piece.party] += 1
        return len(pieces)

    def pinned(self, language: str | None) -> bool:
        """Whether the language of an utterance is known, whatever was said before it; `language`: that of its piece."""
        return bool(language or self.hints.language)

    def ahead(self, party: Party, language: str | None) -> int:
        """Of so many utterances of a party, from the next on, the request can be made before they are taken."""
        return UTTERANCES_MAX if self.pinned(language) else self._languages[party].ahead

    def request(self, piece: SpeechPiece, *, greedy: bool = False, loaded: bool = False) -> Request:
        """What to ask of the transcriber for this utterance."""
        tracker = self._languages[piece.party]
        return Request(
            samples=piece.samples,
            language=piece.language or self.hints.language or tracker.language,
            prior=tracker.prior,
            prompt=self.hints.prompt,
            hotwords=self.hints.hotwords,
            utterance_id=piece.utterance_id,
            greedy=greedy,
            loaded=loaded,
        )

    def interim_request(self, one: OpenUtterance) -> Request | None:
        """What to ask for a glance at an open utterance; None while a secret may be on its way."""
        if self._redactors[one.party].guarded(one.end_ms):
            return None
        return Request(
            samples=one.samples,
            language=one.language or self.hints.language or self._languages[one.party].language,
            prior=self._languages[one.party].prior,
            prompt=self.hints.prompt,
            hotwords=self.hints.hotwords,
            utterance_id=one.utterance_id,
            interim=True,
        )

    def interim(self, one: OpenUtterance, answer: Transcript | Exception) -> Record | None:
        """What may be shown of an open utterance now; it changes nothing."""
        if isinstance(answer, Exception) or answer.dropped or self._redactors[one.party].guarded(one.end_ms):
            return None
        settings = self._redactors[one.party].settings
        return interim_record(self.call.call_id, self.call.mono, one, answer, settings)

    def take(self, piece: SpeechPiece, answer: Transcript | Exception) -> list[Record]:
        """What the transcriber made of this utterance; returns the records that may be published now."""
        record = self._heard(piece, answer)
        self._redactors[piece.party.other].overheard(record)
        released = self._redactors[piece.party.other].flush(piece.end_ms, by_other=True)
        released += self._redactors[piece.party].push(record)
        return [self._read(item) for item in released]

    def flush(self) -> list[Record]:
        """The call is over: everything that still waited."""
        return [self._read(item) for redactor in self._redactors.values() for item in redactor.flush(None)]

    def _heard(self, piece: SpeechPiece, answer: Transcript | Exception) -> Record:
        if isinstance(answer, Exception):
            # A model fails in as many ways as there are devices; the next utterance may go well.
            reason = str(answer) if isinstance(answer, VigieError) else type(answer).__name__
            return utterance_record(piece, None, reason=reason)
        if not self.pinned(piece.language):
            confidence = None if answer.dropped in NOT_SPEECH else answer.confidence
            seconds = len(piece.samples) / WIDE_RATE_HZ
            self._languages[piece.party].heard(answer.shares, seconds, confidence)
        if answer.dropped:
            self.dropped[answer.dropped] = self.dropped.get(answer.dropped, 0) + 1
        return utterance_record(piece, answer)

    def give_up(self, piece: SpeechPiece, reason: str) -> list[Record]:
        """Leave an utterance unheard: its terminal record says so, after whatever must come before it."""
        record = unheard_record(piece.call_id, piece.utterance_id, piece.party, piece.start_ms, piece.end_ms, reason)
        released = self._redactors[piece.party.other].flush(piece.end_ms, by_other=True)
        released += self._redactors[piece.party].push(record)
        return [self._read(item) for item in released]

    def _read(self, record: Record) -> Record:
        """Sentiment and phrases of a redacted record; on one channel nobody knows whose words they are."""
        return annotate({**record, "party": None} if self.call.mono else record, self.reader)


class BatchedTranscription(CallTranscription):
    """The words of one recorded call, heard in fixed batches: so many utterances at a time, in their order.

    The same call gives the same batches, and so the same words (law 2). Words come later than they would one by one, which
    a recording does not mind.
    """

    def __init__(
        self,
        call: CallInfo,
        transcriber: Transcriber,
        hints: Hints | None = None,
        size: int = BATCH_UTTERANCES,
        redaction: RedactionSettings | None = None,
        reader: WordReader | None = None,
    ) -> None:
        super().__init__(call, transcriber, hints, redaction, reader)
        self._size = size
        self._waiting: list[SpeechPiece] = []

    def push(self, piece: SpeechPiece) -> list[Record]:
        self._waiting.append(piece)
        return self._hear() if len(self._waiting) >= self._size else []

    def flush(self) -> list[Record]:
        return self._hear() + super().flush()

    def _hear(self) -> list[Record]:
        pieces, self._waiting = self._waiting, []
        return self.push_all(pieces)


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
    language = transcript.language if transcript else piece.language
    confidence = round(transcript.confidence, 3) if transcript and text else None
    opinion = second_opinion(language, text)
    if opinion and confidence is not None and {language, opinion["language"]} != {"ar", "fr"}:
        confidence = round(confidence * DOUBT, 3)  # but Darija and French are spoken in one breath
    return {
        "call_id": piece.call_id,
        "utterance_id": piece.utterance_id,
        "party": piece.party.value,
        "start_ms": piece.start_ms,
        "end_ms": piece.end_ms,
        "text": text,
        "language": language,
        **({"text_language": opinion} if opinion else {}),
        "confidence": confidence,
        "final": True,
        "state": state,
        "reason": reason or (transcript.dropped if transcript else None),
        "heard": _how(transcript),
        "words": words,
        "redactions": [],
    }


def _how(transcript: Transcript | None) -> Record | None:
    """What the transcriber thought of an utterance, and at which try its text was believed; None of a recording."""
    if transcript is None or transcript.no_speech is None:
        return None
    return {"attempt": transcript.attempt, "no_speech": round(transcript.no_speech, 2)}
