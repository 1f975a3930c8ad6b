"""One partition of one role: its calls side by side, what they emit, and what a restart needs.

A `Stage` takes the records of its partition as bytes and leaves `Step`s: what to publish, which rows of state to write
when that is confirmed, which offsets are done with. A row holds a call's whole state and, for each topic, the offset
up to which it has absorbed its input: what comes again at or under it changes nothing. A call that is over leaves a
closing row and is remembered for an hour; what still comes for it is a straggler.

Bad input becomes a dead letter, which says where it was and what was wrong, and holds nothing of it. Nothing here
knows Kafka or the time: `now_s` is given, and decides only when to save, what to forget, and what to propose.
"""

from __future__ import annotations

import dataclasses
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from audio.errors import VigieError
from audio.whisper.request import Request
from streams.alerts.coverage import Reason
from streams.events import CallInfo, Pace
from streams.kafka.evidence import EvidenceCall
from streams.kafka.letters import dead_letter
from streams.kafka.limits import Limits
from streams.kafka.processors import (
    Emit,
    ListenCall,
    Processor,
    Setup,
    SuperviseCall,
)
from streams.kafka.records import CallEnded, CallStarted, SpeechEnded
from streams.kafka.rows import Saved, newest, packed
from streams.kafka.steps import Done, Input, Out, Row, Step
from streams.kafka.topics import STATE_BYTES_MAX, partition_of
from streams.kafka.transcribing import Answer, TranscribeCall
from streams.kafka.values import decoded, encoded, id_of, info_of, kind_of

REMEMBERED_S = 3_600
CLIP_HELD_S_MAX = 1_200
"""A clip waits no longer than this for what nobody has told: its audio is kept for an hour."""
CALL_ID_BYTES_MAX = 256
ROW_BYTES_MAX = STATE_BYTES_MAX - 64_000
"""What is left for a row beside its key and what Kafka puts around it."""
log = logging.getLogger("vigie.stage")
INPUTS = {
    "listen": ("calls.audio",),
    "transcribe": ("calls.speech",),
    "supervise": ("calls.measurements", "calls.utterances"),
    "evidence": ("calls.measurements", "calls.utterances", "calls.alerts"),
}
WRONG_PARTITION = VigieError(
    "its key belongs to another partition",
    remedy="Partition by murmur2 of the key (librdkafka: partitioner=murmur2_random)",
    field="key",
)


@dataclass(slots=True)
class _Call:
    processor: Processor
    absorbed: dict[str, int] = field(default_factory=dict)
    """For each topic, the offset up to which a row held everything when it was loaded."""
    since_row: list[tuple[str, int]] = field(default_factory=list)
    unsaved_since_s: float | None = None
    heard_s: float = 0.0
    captured_ms: int | None = None
    captured: dict[int, int] = field(default_factory=dict)
    """When the pieces of speech that wait here were captured, by offset."""
    proposed: dict[str, float] = field(default_factory=dict)
    """What was proposed about this call, and when: an end, or to give up an utterance."""


class Stage:
    """See the module. `fence` is (group, generation): a row of an older generation never replaces a newer one."""

    def __init__(
        self,
        role: str,
        partition: int,
        partitions: int,
        setup: Setup,
        limits: Limits | None = None,
        fence: tuple[str, int] = ("", 0),
    ) -> None:
        self.role, self.partition, self.partitions = role, partition, partitions
        self.setup, self.limits, self.fence = setup, limits or Limits(), fence
        self.calls: dict[str, _Call] = {}
        self.closed: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self._lost_until = 0

    # Rows -----------------------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[bytes, bytes | None]], now_s: float) -> None:
        """Take over the calls of this partition from the rows of its state topic, in their order."""
        for call_id, saved in newest(rows):
            if saved.closed:
                self.closed[call_id] = now_s
            else:
                self._load(call_id, saved, now_s)

    def _load(self, call_id: str, saved: Saved, now_s: float) -> None:
        rules_id = saved.rules_id or self.setup.rules_now
        processor = self._new(saved.call, rules_id)
        call = _Call(processor, saved.absorbed, heard_s=now_s, captured_ms=saved.captured_ms)
        try:
            if saved.state is None:
                raise ValueError("no state of this release")
            processor.load_state(saved.state)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.counts["rows_refused"] += 1
            told = "a call's state cannot be read (%s): it starts anew"
            log.warning(told, type(error).__name__, extra={"call_id": call_id})
            call.processor, call.unsaved_since_s = self._new(saved.call, rules_id), now_s
            if isinstance(call.processor, ListenCall):
                call.processor.lose(Reason.RESTARTED)
        self.calls[call_id] = call

    def lose(self, until_offset: int, now_s: float) -> list[Step]:
        """Records of calls.audio before this offset are gone and will not come: what is known of it is saved at once.

        Calls that are first heard of in what was already there lie in the same hole; those that begin after it do not.
        """
        steps: list[Step] = []
        if self.role != "listen":
            return steps
        self._lost_until = max(self._lost_until, until_offset)
        for call_id, call in self.calls.items():
            assert isinstance(call.processor, ListenCall)
            call.processor.lose(Reason.AUDIO_LOST)
            self.counts["audio_lost"] += 1
            steps.append(self._row(call_id, call, now_s))
        return steps

    def _row(self, call_id: str, call: _Call, now_s: float) -> Row:
        oldest = call.processor.oldest_unabsorbed()
        mine = [item for item in call.since_row if oldest is None or item[1] < oldest]
        call.since_row = [item for item in call.since_row if oldest is not None and item[1] >= oldest]
        for name, offset in mine:
            call.absorbed[name] = max(call.absorbed.get(name, -1), offset)
        call.unsaved_since_s = now_s if call.since_row else None
        closed = call.processor.closed
        state = None if closed else call.processor.state()
        of = call.processor
        saved = Saved(of.call, of.rules_id, closed, call.absorbed, call.captured_ms, state)
        value = packed(saved, self.fence)
        if len(value) > ROW_BYTES_MAX:
            # The broker would refuse it, and every worker that tried again would fail: better that this one call says
            # `restarted` after a restart.
            self.counts["rows_too_large"] += 1
            told = "a call's state of %s bytes is too large to be saved"
            log.warning(told, len(value), extra={"call_id": call_id})
            value = packed(dataclasses.replace(saved, state=None), self.fence)
        return Row(call_id.encode(), value, tuple(mine))

    # Input ----------------------------------------------------------------------------------------------------------

    def push(self, item: Input, now_s: float) -> list[Step]:
        """Take one record; what follows, in the order in which it must become durable."""
        origin = ((item.topic, item.offset),)
        try:
            call_id = self._call_id(item)
            record = decoded(item)
            if id_of(record) != call_id:
                raise VigieError("its key is not its call id", remedy="Key every record by its call id", field="key")
            if partition_of(call_id.encode(), self.partitions) != item.partition:
                return [self._dead(item, "wrong_partition", WRONG_PARTITION), Done(origin)]
        except VigieError as error:
            return [self._dead(item, "undecodable", error), Done(origin)]
        if call_id in self.closed:
            self.counts["stragglers"] += 1
            return [Done(origin)]
        call, late = self.calls.get(call_id), False
        if call is None:
            if isinstance(record, CallEnded | SpeechEnded):
                self.counts["stragglers"] += 1
                return [Done(origin)]
            call = _Call(self._new(info_of(record, call_id), self.setup.rules_now))
            if len(self.calls) >= self.limits.calls_max * (1 if self.role == "listen" else 2):
                return self._refused(call_id, call, item, now_s)
            late = item.offset < self._lost_until and not isinstance(record, CallStarted)
            if late and isinstance(call.processor, ListenCall):
                call.processor.lose(Reason.AUDIO_LOST)
            self.calls[call_id] = call
        if item.offset <= call.absorbed.get(item.topic, -1):
            self.counts["replayed"] += 1
            return [Done(origin)]
        steps = self._process(call_id, call, item, record, now_s)
        if late and call_id in self.calls:
            # Once a commit has passed the hole nothing tells of it but this row.
            steps.append(self._row(call_id, call, now_s))
        return steps

    def _refused(self, call_id: str, call: _Call, item: Input, now_s: float) -> list[Step]:
        """There is no room for this call. LISTEN ends it at once, so that its summary says `unmonitored`; what still
        comes for it is a straggler. Other roles only see calls that LISTEN took: there, it is a dead letter."""
        self.counts["refused"] += 1
        processor = call.processor
        if not isinstance(processor, ListenCall):
            refusal = VigieError("too many calls at once", remedy="Add workers or partitions")
            return [self._dead(item, "overloaded", refusal), Done(((item.topic, item.offset),))]
        call.since_row.append((item.topic, item.offset))
        self.calls[call_id] = call
        emitted = processor.push(CallEnded(call_id, None, Reason.OVERLOADED), item.offset)
        return [*self._outs(call_id, emitted, item.captured_ms), self._close(call_id, call, now_s)]

    def _process(self, call_id: str, call: _Call, item: Input, record: Any, now_s: float) -> list[Step]:
        call.heard_s = now_s
        call.since_row.append((item.topic, item.offset))
        if call.unsaved_since_s is None:
            call.unsaved_since_s = now_s
        if item.captured_ms is not None:
            call.captured_ms = item.captured_ms
            if self.role == "transcribe":
                call.captured[item.offset] = item.captured_ms
        steps: list[Step] = []
        try:
            emitted = call.processor.push(record, item.offset)
        except Exception as error:
            # The record is at fault, or we are: either way its call and all others go on.
            emitted = []
            steps.append(self._dead(item, "unusable", error))
        steps += self._outs(call_id, emitted, item.captured_ms)
        if call.processor.closed:
            steps.append(self._close(call_id, call, now_s))
        return steps

    def _close(self, call_id: str, call: _Call, now_s: float) -> Row:
        row = self._row(call_id, call, now_s)
        del self.calls[call_id]
        self.closed[call_id] = now_s
        return row

    def _call_id(self, item: Input) -> str:
        key = item.key
        if key is None or not 0 < len(key) <= CALL_ID_BYTES_MAX:
            size = "none" if key is None else f"{len(key)} bytes"
            remedy = f"Key every record by its call id, of 1 to {CALL_ID_BYTES_MAX} bytes"
            raise VigieError(f"its key is {size}", remedy=remedy, field="key")
        try:
            call_id = key.decode()
        except UnicodeDecodeError:
            raise VigieError("its key is no UTF-8", remedy="Key every record by its call id", field="key") from None
        return call_id

    def _new(self, call: CallInfo, rules_id: str) -> Processor:
        return PROCESSORS[self.role](call, rules_id, self.setup)

    def _outs(self, call_id: str, emitted: Iterable[Emit], captured_ms: int | None) -> Iterator[Out]:
        key = call_id.encode()
        for emit in emitted:
            self.counts[emit.topic] += 1
            yield Out(emit.topic, key, encoded(emit), captured_ms, kind_of(emit))

    def _dead(self, item: Input, reason: str, error: Exception) -> Out:
        self.counts["dead_letters"] += 1
        return dead_letter(self.role, item, reason, error)

    # Work that takes a while, and what time asks for -----------------------------------------------------------------

    def waiting(self) -> Iterator[tuple[str, int | None, bool]]:
        """The calls of which something is ready to be worked on: id, when it was captured, whether it is live.

        Of TRANSCRIBE it is a piece of speech, of EVIDENCE a clip.
        """
        for call_id, call in self.calls.items():
            processor = call.processor
            if isinstance(processor, EvidenceCall) and processor.is_ready:
                yield call_id, None, True
            if isinstance(processor, TranscribeCall) and processor.is_ready:
                yield call_id, call.captured.get(processor.ready_offset), processor.call.pace == Pace.LIVE

    def work(self, call_id: str, now_s: float, *, late: bool = False) -> list[Step]:
        """Hear the next piece of speech of a call that is waiting; one that is `late` is given up instead.

        Of EVIDENCE, cut its next clip.
        """
        call = self.calls[call_id]
        processor = call.processor
        if isinstance(processor, EvidenceCall):
            self._cut(processor)
            call.unsaved_since_s = now_s if call.unsaved_since_s is None else call.unsaved_since_s
            return []
        assert isinstance(processor, TranscribeCall)
        captured_ms = call.captured.get(processor.ready_offset)
        piece = processor.ready()
        emitted = processor.give_up(piece, "deadline") if late else processor.hear(piece)
        return self._spoken(call_id, call, processor, emitted, captured_ms, now_s)

    def startable(self) -> Iterator[tuple[str, TranscribeCall, int, int | None]]:
        """The pieces of speech that can be heard now: call, its processor, number of the piece, when it was captured."""
        for call_id, call in self.calls.items():
            if isinstance(call.processor, TranscribeCall):
                for seq in call.processor.startable():
                    yield call_id, call.processor, seq, call.captured.get(call.processor.offset_of(seq))

    def glances(self) -> Iterator[tuple[str, str, Request]]:
        """The open utterances of live calls of which more can be shown: call, utterance, what to ask."""
        for call_id, call in self.calls.items():
            if isinstance(call.processor, TranscribeCall) and call.processor.live:
                for utterance_id, request in call.processor.glances():
                    yield call_id, utterance_id, request

    def glanced(self, call_id: str, utterance_id: str, answer: Answer) -> list[Step]:
        """Take what a glance at an open utterance has shown."""
        call = self.calls.get(call_id)
        if call is None or not isinstance(call.processor, TranscribeCall):
            return []
        return [*self._outs(call_id, call.processor.glanced(utterance_id, answer), call.captured_ms)]

    def answered(self, call_id: str, seq: int, answer: Answer, now_s: float) -> list[Step]:
        """Take what was heard of a piece that `startable` told of."""
        call = self.calls.get(call_id)
        if call is None or not isinstance(call.processor, TranscribeCall):
            return []
        captured_ms = call.captured.get(call.processor.offset_of(seq))
        emitted = call.processor.answer(seq, answer)
        return self._spoken(call_id, call, call.processor, emitted, captured_ms, now_s)

    def _spoken(
        self,
        call_id: str,
        call: _Call,
        processor: TranscribeCall,
        emitted: list[Emit],
        captured_ms: int | None,
        now_s: float,
    ) -> list[Step]:
        oldest = processor.oldest_unabsorbed()
        call.captured = {at: ms for at, ms in call.captured.items() if oldest is not None and at >= oldest}
        steps: list[Step] = [*self._outs(call_id, emitted, captured_ms)]
        if processor.closed:
            steps.append(self._close(call_id, call, now_s))
        return steps

    def _cut(self, processor: EvidenceCall) -> None:
        assert self.setup.cut is not None
        order = processor.next_order()
        # A crash in between cuts nothing twice: the clip that is there is found.
        self.counts[f"clips_{self.setup.cut(self.partition, order)}"] += 1
        processor.done(order)

    @property
    def clips_held(self) -> int:
        """Clips that are still to be cut."""
        return sum(c.processor.held for c in list(self.calls.values()) if isinstance(c.processor, EvidenceCall))

    def due(self, now_s: float) -> list[Step]:
        """Rows of the calls that were not saved for a while, and the forgetting of those that are long over."""
        steps: list[Step] = []
        for call_id, call in self.calls.items():
            if call.unsaved_since_s is None:
                continue
            # Calls that began together are not saved together.
            share = 0.75 + 0.5 * (zlib.crc32(call_id.encode()) % 1000) / 1000
            age_s = now_s - call.unsaved_since_s
            ripe = age_s >= self.limits.row_s * share and call.processor.quiet()
            if ripe or age_s >= self.limits.row_s * 1.5:
                steps.append(self._row(call_id, call, now_s))
        return steps + self._forgotten(now_s)

    def _forgotten(self, now_s: float) -> list[Step]:
        gone = [call_id for call_id, since_s in self.closed.items() if now_s - since_s >= REMEMBERED_S]
        for call_id in gone:
            del self.closed[call_id]
        steps: list[Step] = [Row(call_id.encode(), None, ()) for call_id in gone]
        for call_id, call in list(self.calls.items()):
            processor = call.processor
            if isinstance(processor, EvidenceCall):
                if now_s - call.heard_s >= CLIP_HELD_S_MAX:
                    processor.give_up_waiting()
                if now_s - call.heard_s >= REMEMBERED_S:
                    steps.append(Row(call_id.encode(), None, tuple(call.since_row)))
                    del self.calls[call_id]
                continue
            never_began = isinstance(processor, SuperviseCall) and processor.supervisor is None
            if never_began and now_s - call.heard_s >= REMEMBERED_S:
                self.counts["never_began"] += 1
                steps.append(Row(call_id.encode(), None, tuple(call.since_row)))
                del self.calls[call_id]
        return steps

    def drain(self, now_s: float) -> list[Step]:
        """The rows of everything that is not saved: the partition goes to somebody else."""
        return [self._row(call_id, call, now_s) for call_id, call in self.calls.items() if call.since_row]

    def proposals(self, now_s: float, at_end_since_s: float | None) -> list[Step]:
        """Records that time asks for: they act when they are read back (law 1).

        `at_end_since_s` is since when the partition has been read to its end: a backlog is not a silent caller.
        """
        if at_end_since_s is None:
            return []
        steps: list[Step] = []
        for call_id, call in self.calls.items():
            if isinstance(call.processor, ListenCall):
                steps += self._silent(call_id, call, call.processor, now_s, at_end_since_s)
            elif isinstance(call.processor, SuperviseCall):
                steps += self._unheard(call_id, call, call.processor, now_s, at_end_since_s)
        return steps

    def _silent(
        self, call_id: str, call: _Call, processor: ListenCall, now_s: float, at_end_since_s: float
    ) -> Iterator[Step]:
        silent_s = now_s - max(call.heard_s, at_end_since_s)
        if silent_s < self.limits.silence_s_max or not self._propose(call, "end", now_s):
            return
        self.counts["timed_out"] += 1
        end = CallEnded(call_id, processor.silent_end_ms(round(silent_s * 1000)), "timed_out")
        yield from self._outs(call_id, [Emit("calls.audio", end)], None)

    def _unheard(
        self, call_id: str, call: _Call, processor: SuperviseCall, now_s: float, at_end_since_s: float
    ) -> Iterator[Step]:
        awaited = processor.awaited()
        for key in [key for key in call.proposed if key not in awaited]:
            del call.proposed[key]
        if processor.call.pace != Pace.LIVE:
            return
        for key, utterance in awaited.items():
            first_s = call.proposed.setdefault(key, now_s)
            if now_s - max(first_s, at_end_since_s) >= self.limits.utterance_s_max:
                call.proposed[key] = now_s  # asked once more when this one is lost
                self.counts["given_up"] += 1
                record = processor.unheard(utterance, "transcriber_silent")
                yield from self._outs(call_id, [Emit("calls.utterances", record)], None)

    def _propose(self, call: _Call, what: str, now_s: float) -> bool:
        """Whether to say it now: not while the last time may still be on its way."""
        if now_s - call.proposed.get(what, -1e9) < self.limits.silence_s_max:
            return False
        call.proposed[what] = now_s
        return True

    @property
    def held_bytes(self) -> int:
        """Audio that waits for the transcriber."""
        calls = list(self.calls.values())
        return sum(c.processor.held_bytes for c in calls if isinstance(c.processor, TranscribeCall))


PROCESSORS: dict[str, Callable[[CallInfo, str, Setup], Processor]] = {
    "listen": ListenCall,
    "transcribe": TranscribeCall,
    "supervise": SuperviseCall,
    "evidence": EvidenceCall,
}
