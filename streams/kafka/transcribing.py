"""TRANSCRIBE, one call at a time: its pieces of speech wait here, are heard as room is found, and leave in their order.

Several pieces of a call may be under way at once, and answers come in any order; they take effect in the call's order only,
so that redaction, languages and acknowledgement see what they would see one by one. What is under way is in no state: after
a restart it is heard again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audio.chunk import Party
from audio.state import Stateful
from audio.whisper.engine import GivenUpError
from audio.whisper.ladder import Rung
from audio.whisper.request import Request, Transcript
from streams.events import CallInfo, Pace, Record, SpeechPiece
from streams.interim import OpenUtterances
from streams.kafka.processors import Emit, Setup
from streams.kafka.records import INTERIM_SEQ, SpeechEnded, SpeechPart, SpeechStarted, interim_piece_of, piece_of
from streams.transcribe import CallTranscription

AHEAD_MAX = 4
"""Pieces of one call that are under way at once: more would let one call's backlog crowd out the others."""
Answer = Transcript | Exception


class TranscribeCall(Stateful):
    """From pieces of speech to redacted words."""

    STATE = ("transcription", "_next", "_pieces")

    def __init__(self, call: CallInfo, rules_id: str, setup: Setup) -> None:
        assert setup.transcriber is not None
        self.call, self.rules_id = call, rules_id
        self.transcription = CallTranscription(
            call, setup.transcriber, setup.hints.for_call(call), setup.redaction.for_call(call), setup.reader
        )
        self._next = 0
        self._pieces: int | None = None
        self._parts: dict[int, dict[int, tuple[SpeechPart, int]]] = {}
        self._under_way: set[int] = set()
        self._answers: dict[int, Answer] = {}
        self._open = OpenUtterances()

    @property
    def closed(self) -> bool:
        return self._pieces is not None and self._next >= self._pieces

    @property
    def live(self) -> bool:
        return self.call.pace == Pace.LIVE

    def push(self, record: Any, offset: int) -> list[Emit]:
        match record:
            case SpeechStarted():
                return []
            case SpeechPart(seq=seq) if seq == INTERIM_SEQ:
                self._open.add(interim_piece_of(record))
                return []
            case SpeechPart(seq=seq, part=part):
                self._open.closed(record.party)
                if seq >= self._next:
                    self._parts.setdefault(seq, {}).setdefault(part, (record, offset))
                return []
            case SpeechEnded(pieces=pieces):
                self._pieces = pieces
                return self._flushed()
        raise TypeError(f"{type(record).__name__} is no record of calls.speech")

    def _complete(self, seq: int) -> bool:
        """Whether all of this piece has come."""
        parts = self._parts.get(seq, {})
        return bool(parts) and len(parts) >= next(iter(parts.values()))[0].parts

    def _piece(self, seq: int) -> SpeechPiece:
        parts = self._parts[seq]
        return piece_of([parts[i][0] for i in sorted(parts)])

    # One by one -------------------------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether all of the next piece has come, and nobody is hearing it."""
        return self._complete(self._next) and self._next not in self._under_way

    @property
    def ready_offset(self) -> int:
        """The offset of the last part of the next piece; -1 where there is none."""
        return self.offset_of(self._next)

    def ready(self) -> SpeechPiece:
        """The next piece to hear; ask `is_ready` before."""
        return self._piece(self._next)

    def hear(self, piece: SpeechPiece) -> list[Emit]:
        """Transcribe the piece that was ready. This takes a while."""
        return self._done(self.transcription.push(piece))

    def give_up(self, piece: SpeechPiece, reason: str) -> list[Emit]:
        """Leave the piece that was ready unheard."""
        return self._done(self.transcription.give_up(piece, reason))

    # Several at once --------------------------------------------------------------------------------------------------

    def startable(self) -> Iterator[int]:
        """The pieces that can be heard now: of a party, no further ahead than its language is sure."""
        before = dict.fromkeys(Party, 0)
        for seq in range(self._next, self._next + AHEAD_MAX):
            if not self._complete(seq):
                return
            first = next(iter(self._parts[seq].values()))[0]
            sure = before[first.party] < self.transcription.ahead(first.party, first.language)
            if sure and seq not in self._under_way and seq not in self._answers:
                yield seq
            before[first.party] += 1

    def offset_of(self, seq: int) -> int:
        """The offset of a piece's last part."""
        return max((offset for _, offset in self._parts.get(seq, {}).values()), default=-1)

    def start(self, seq: int, rung: Rung) -> Request:
        """What to ask for this piece; it is under way from now on. Batch calls are never heard with less care."""
        self._under_way.add(seq)
        live = self.live
        return self.transcription.request(
            self._piece(seq), greedy=live and rung >= Rung.GREEDY, loaded=live and rung >= Rung.SHORT_MARGIN
        )

    def stopped(self, seq: int) -> None:
        """There was no room for this piece: it waits on."""
        self._under_way.discard(seq)

    def answer(self, seq: int, answer: Answer) -> list[Emit]:
        """Take the answer for a piece; what follows from it, and from those that waited for it."""
        if seq not in self._under_way:
            return []
        self._under_way.discard(seq)
        self._answers[seq] = answer
        emitted: list[Emit] = []
        while self._next in self._answers:
            answer, piece = self._answers.pop(self._next), self._piece(self._next)
            if isinstance(answer, GivenUpError):
                emitted += self.give_up(piece, str(answer))
            else:
                emitted += self._done(self.transcription.take(piece, answer))
        return emitted

    # Interim texts ----------------------------------------------------------------------------------------------------

    def glances(self) -> Iterator[tuple[str, Request]]:
        """The open utterances of which more can be shown: id and what to ask. Each is under way from now on."""
        for one in self._open.fresh():
            one.asked_ms = one.end_ms
            request = self.transcription.interim_request(one)
            if request is not None:
                one.busy = True
                yield one.utterance_id, request

    def glanced(self, utterance_id: str, answer: Answer) -> list[Emit]:
        """Take what a glance has shown; nothing where the utterance has ended meanwhile."""
        one = self._open.get(utterance_id)
        if one is None:
            return []
        one.busy = False
        record = self.transcription.interim(one, answer)
        return [Emit("calls.utterances", record)] if record is not None else []

    def _done(self, heard: list[Record]) -> list[Emit]:
        self._parts.pop(self._next, None)
        self._next += 1
        return [Emit("calls.utterances", item) for item in heard] + self._flushed()

    def _flushed(self) -> list[Emit]:
        """Once the call's last piece has been heard, what still waited for another."""
        return [Emit("calls.utterances", item) for item in self.transcription.flush()] if self.closed else []

    def oldest_unabsorbed(self) -> int | None:
        return min((offset for parts in self._parts.values() for _, offset in parts.values()), default=None)

    def quiet(self) -> bool:
        return not self._parts

    @property
    def held_bytes(self) -> int:
        waiting = sum(part.samples.nbytes for parts in self._parts.values() for part, _ in parts.values())
        return waiting + self._open.held_bytes
