"""The three roles, one call at a time: what a record does to a call, and what leaves it. No Kafka, no clock.

Each processor takes the records of its topics in the order of their offsets and returns what follows. Its state can be
saved at any moment and goes on from there with the same result (law 2). What may come twice is recognised here, by
what it is and not by its Kafka offset: pieces of speech by their number in the call, measurements by `seq`, terminal
utterances by id. Audio that comes twice is the framer's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from audio.chunk import AudioChunk, Party
from audio.errors import VigieError
from audio.state import Stateful
from audio.vad import SileroModel
from audio.whisper.engine import BatchReport, Engine
from audio.whisper.transcriber import Transcriber
from streams.alerts.model import RuleSet
from streams.events import CallEvent, CallInfo, EventKind, Outputs, Record
from streams.hints import HintBook
from streams.kafka.evidence import ClipOrder
from streams.kafka.records import (
    CallAudio,
    CallEnded,
    CallHappened,
    CallStarted,
    SpeechEnded,
    SpeechStarted,
    call_of,
    call_record,
    interim_of,
    parts_of,
)
from streams.language import WordReader, annotate
from streams.listen import Listener, ListenSettings
from streams.redaction_policy import RedactionPolicy
from streams.supervise import TERMINAL_STATES, SuperviseSettings, Supervisor
from streams.transcribe import unheard_record

HELD_RECORDS_MAX = 4_000
"""Of a call whose first measurement has not come: over an hour of them."""


@dataclass(frozen=True, slots=True)
class Emit:
    """A record that follows from an input: `topic` without its prefix; `value` as `serde` takes it."""

    topic: str
    value: Any


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker loads once and shares between its calls.

    `rules` finds a rule set by its fingerprint (a call keeps the rules that it started with); `rules_now` is the
    fingerprint of those that new calls get.
    """

    rules: Callable[[str], RuleSet]
    rules_now: str
    silero: SileroModel | None = None
    transcriber: Transcriber | None = None
    hints: HintBook = field(default_factory=HintBook)
    reader: WordReader = field(default_factory=WordReader)
    redaction: RedactionPolicy = field(default_factory=RedactionPolicy)
    engine: Callable[[Callable[[BatchReport], None]], Engine] | None = None
    """TRANSCRIBE: builds what hears many calls at once; `told` hears of every batch. None: one utterance at a time."""
    listen: ListenSettings = field(default_factory=ListenSettings)
    models: Mapping[str, str] = field(default_factory=dict)
    cut: Callable[[int, ClipOrder], str] | None = None
    """EVIDENCE: carries out an order, given its partition; says what became of it."""


class Processor(Protocol):
    """What `stages.Stage` asks of the processor of a role."""

    call: CallInfo
    rules_id: str

    def push(self, record: Any, offset: int) -> list[Emit]: ...

    def oldest_unabsorbed(self) -> int | None:
        """The offset of the oldest record that the state does not hold yet; None: it holds all that came."""
        ...

    def quiet(self) -> bool:
        """Whether this is a good moment to save the state: it is small now."""
        ...

    @property
    def closed(self) -> bool: ...

    def state(self) -> dict[str, Any]: ...

    def load_state(self, state: dict[str, Any]) -> None: ...


class ListenCall(Stateful):
    """LISTEN: from calls.audio to sound alerts, measurements and pieces of speech."""

    STATE = (
        "listener",
        "_legs",
        "_ended_legs",
        "_end_ms",
        "_pieces",
        "_from_offset",
        "_reached_ms",
        "_leg_ms",
        "_lost_from",
    )

    def __init__(self, call: CallInfo, rules_id: str, setup: Setup) -> None:
        assert setup.silero is not None
        self.call, self.rules_id = call, rules_id
        rules = setup.rules(rules_id).for_call(call)
        self.listener = Listener(call, rules, setup.silero, setup.listen)
        self._legs: set[str] = set()
        self._ended_legs: set[str] = set()
        self._end_ms: int | None = None
        self._pieces = 0
        self._from_offset: int | None = None
        self._reached_ms = 0
        self._leg_ms: dict[str, int] = {}
        self._lost_from: dict[str, tuple[int, str]] = {}

    @property
    def closed(self) -> bool:
        return self.listener.ended

    def silent_end_ms(self, silent_ms: int) -> int:
        """Media time at which the call is over when its audio has stopped for so long, as far as an end may reach."""
        return min(self._reached_ms + silent_ms, self.listener.framer.reach_ms_max)

    def push(self, record: Any, offset: int) -> list[Emit]:
        """Take one record of the call. Raises VigieError for one that cannot be used; the call goes on without it."""
        if self._from_offset is None:
            self._from_offset = offset
        match record:
            case CallStarted(leg=leg):
                self._legs.update(Party if leg is None else (leg,))
                return []
            case CallAudio(chunk=chunk):
                return self._audio(chunk, offset)
            case CallHappened(event=event):
                self.listener.event(event)
                return []
            case CallEnded():
                return self._end(record, offset)
        raise TypeError(f"{type(record).__name__} is no record of calls.audio")

    def lose(self, reason: str) -> None:
        """What followed the newest audio of each party is gone: told to the listener once it is known how much."""
        for party in Party:
            self._lost_from.setdefault(party, (self._leg_ms.get(party, 0), str(reason)))

    def _found(self, party: str, at_ms: int) -> None:
        """Audio of this party has come again."""
        from_ms, reason = self._lost_from.pop(party, (at_ms, ""))
        if at_ms > from_ms:
            self.listener.event(CallEvent(EventKind.LOST.value, from_ms, Party(party), at_ms, reason))

    def _audio(self, chunk: AudioChunk, offset: int) -> list[Emit]:
        for party in chunk.legs:
            self._found(party, chunk.offset_samples * 1000 // max(1, chunk.sample_rate_hz))
        out = self.listener.add(chunk)
        width = 2 if chunk.encoding == "pcm16" else 1
        for party, data in chunk.legs.items():
            self._legs.add(party)
            end_ms = (chunk.offset_samples + len(data) // width) * 1000 // chunk.sample_rate_hz
            self._reached_ms = max(self._reached_ms, end_ms)
            self._leg_ms[party] = max(self._leg_ms.get(party, 0), end_ms)
        return list(self._emitted(out, offset))

    def _end(self, record: CallEnded, offset: int) -> list[Emit]:
        """A leg, or the call, is over. Each leg ends itself; an end that names no leg is of the whole call."""
        if record.at_ms is not None:
            # First: a time that is refused and kept would have every later end refused as well.
            self.listener.framer.refuse_long_pause(record.at_ms, "at_ms")
            self._end_ms = max(self._end_ms or 0, record.at_ms)
        if record.leg is not None:
            self._ended_legs.add(record.leg)
            if not set(Party) <= self._ended_legs:
                return []
        for party in list(self._lost_from):
            # A party that was never heard has no audio to lose, unless nobody was.
            if party in self._leg_ms or not self._leg_ms:
                self._found(party, self._end_ms or 0)
        out = self.listener.end(self._end_ms, record.reason)
        emitted = list(self._emitted(out, offset))
        if self._pieces:
            emitted.append(Emit("calls.speech", SpeechEnded(self.call.call_id, self._duration_ms(out), self._pieces)))
        return emitted

    @staticmethod
    def _duration_ms(out: Outputs) -> int:
        return int(out.measurements[-1]["end_ms"]) if out.measurements else 0

    def _emitted(self, out: Outputs, offset: int) -> Iterator[Emit]:
        for alert in out.alerts:
            yield Emit("calls.alerts", alert)
        for piece in out.speech:
            if self._pieces == 0:
                yield Emit("calls.speech", SpeechStarted(self.call))
            yield from (Emit("calls.speech", part) for part in parts_of(piece, self._pieces))
            self._pieces += 1
        for interim in out.interims:
            if self._pieces == 0:
                yield Emit("calls.speech", SpeechStarted(self.call))
            yield Emit("calls.speech", interim_of(interim))
        for measurement in out.measurements:
            # Where its audio lies, for whoever wants to hear it (role `evidence`).
            measurement["offsets"] = {"from": self._from_offset, "to": offset}
            self._from_offset = offset
            if measurement is out.measurements[-1]:
                measurement["listed_to_ms"] = self.listener.listed_to_ms(measurement["end_ms"])
            if measurement["seq"] == 0:
                measurement["call"] = call_record(self.call)
                measurement["rules"] = self.rules_id
                measurement["words"] = self.listener.settings.words
            yield Emit("calls.measurements", measurement)

    def oldest_unabsorbed(self) -> int | None:
        return None

    def quiet(self) -> bool:
        return not self.listener.segmenter.open


class SuperviseCall(Stateful):
    """SUPERVISE: from measurements and utterances to alerts on words, and the summary."""

    STATE: ClassVar[tuple[str, ...]] = ("_started", "_held")

    def __init__(self, call: CallInfo, rules_id: str, setup: Setup) -> None:
        self.call, self.rules_id = call, rules_id
        self._setup = setup
        self._started: list[Any] = []
        self._held: list[Record] = []
        self.supervisor: Supervisor | None = None

    @property
    def closed(self) -> bool:
        return self.supervisor is not None and self.supervisor.closed

    def push(self, record: Any, offset: int) -> list[Emit]:  # noqa: ARG002  (nothing here depends on offsets)
        if self.supervisor is None:
            if record.get("seq") != 0:
                # Topics are read apart: words may come before the measurement that says whose call this is.
                if len(self._held) >= HELD_RECORDS_MAX:
                    raise VigieError("its call never began", remedy="Send the measurement with seq 0 first")
                if "seq" in record or record.get("state") in TERMINAL_STATES:
                    self._held.append(record)
                return []
            self._start(record)
            emitted = self._take(record)
            for held in self._held:
                emitted += self._take(held)
            self._held = []
            return emitted
        return self._take(record)

    def _start(self, first: Record) -> None:
        call = call_of(first.get("call"), self.call.call_id)
        rules_id = str(first.get("rules") or self.rules_id)
        self._build(call, rules_id, bool(first.get("words", True)))

    def _build(self, call: CallInfo, rules_id: str, words: bool) -> None:
        self.call, self.rules_id = call, rules_id
        self._started = [call_record(call), rules_id, words]
        settings = SuperviseSettings(words=words, models=dict(self._setup.models))
        self.supervisor = Supervisor(call, self._setup.rules(rules_id).for_call(call), settings)

    def _take(self, record: Record) -> list[Emit]:
        assert self.supervisor is not None
        if "seq" in record:
            out = self.supervisor.measurement(record)
        elif record.get("state") in TERMINAL_STATES:
            out = self.supervisor.utterance(record)
        else:
            return []  # an interim
        emitted = [Emit("calls.alerts", alert) for alert in out.alerts]
        return emitted + ([Emit("calls.summaries", out.summary)] if out.summary else [])

    def awaited(self) -> dict[str, Record]:
        """The utterances that word time waits for, by id."""
        return self.supervisor.awaited() if self.supervisor is not None else {}

    def unheard(self, utterance: Record, reason: str) -> Record:
        """The record that gives an awaited utterance up; it acts when it is read back."""
        party = Party(utterance["party"])
        times = utterance["start_ms"], utterance["end_ms"]
        record = unheard_record(self.call.call_id, utterance["id"], party, *times, reason)
        return annotate({**record, "party": None} if self.call.mono else record)

    def oldest_unabsorbed(self) -> int | None:
        return None

    def quiet(self) -> bool:
        return True

    def state(self) -> dict[str, Any]:
        supervisor = self.supervisor.state() if self.supervisor is not None else None
        return {**super().state(), "supervisor": supervisor}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state({name: state[name] for name in self.STATE})
        if self._started:
            call, rules_id, words = self._started
            self._build(call_of(call, self.call.call_id), rules_id, words)
            assert self.supervisor is not None
            self.supervisor.load_state(state["supervisor"])
