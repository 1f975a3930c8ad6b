"""EVIDENCE, one call at a time: which clips to cut, when they may be cut, and what of them must not be heard.

A clip is cut once measurements tell that its time is over, that every utterance in it is listed, and each of those has
its terminal record: only then is it known what was redacted, and what nobody has heard. It is cut for the latest
revision of its alert, and never twice. What waits for a record that will not come is cut in the end with everything
muted that is not known to be harmless. No Kafka, no clock, no sound: orders leave, and somebody carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from audio.chunk import PARTIES
from audio.errors import VigieError
from audio.state import Stateful
from streams.events import CallInfo, Record
from streams.replay.muting import clip_span, muted_spans
from streams.supervise import TERMINAL_STATES

Span = tuple[str, int, int]
"""Party, from, to, in milliseconds of media time."""
SECONDS_MAX = 4 * 3_600
"""Of a longer call the oldest are forgotten; a topic that is kept for an hour has lost their audio long before."""
UTTERANCES_MAX = 20_000
ALERTS_MAX = 1_000
AHEAD_MS = 5_000
"""How much earlier than its time a party's audio may have come: a framer waits 400 ms for the other party."""


@dataclass(frozen=True, slots=True)
class ClipOrder:
    """A clip to cut.

    Attributes:
        first_offset: where in calls.audio to begin reading; None: it is not known any more.
        needed_offset: if the topic begins after this, what the clip needs is gone.
        last_offset: the last record to read.
        muted: what must not be heard, within the clip.
    """

    call_id: str
    alert_id: str
    revision: int
    from_ms: int
    to_ms: int
    first_offset: int | None
    needed_offset: int
    last_offset: int
    muted: tuple[Span, ...]


class EvidenceCall(Stateful):
    """From alerts, measurements and utterances to orders for clips. Records may come in any order, and twice."""

    STATE: ClassVar[tuple[str, ...]] = (
        "_seconds",
        "_next",
        "_listed_ms",
        "_last",
        "_open",
        "_done",
        "_muted",
        "_wanted",
        "_cut",
        "_forced",
    )

    def __init__(self, call: CallInfo, rules_id: str, setup: Any) -> None:  # noqa: ARG002  (as the other roles')
        self.call, self.rules_id = call, rules_id
        self._seconds: list[list[int]] = []  # end_ms, and the first and last offset of its audio
        self._next = 0
        self._listed_ms = 0
        self._last = False
        self._open: dict[str, Span] = {}
        self._done: set[str] = set()
        self._muted: list[Span] = []
        self._wanted: dict[str, tuple[int, int, int]] = {}
        self._cut: dict[str, int] = {}
        self._forced = False

    @property
    def closed(self) -> bool:
        """Never: topics are read apart, and an alert may come long after its call's last measurement."""
        return False

    def oldest_unabsorbed(self) -> int | None:
        return None

    def quiet(self) -> bool:
        return not self._wanted

    @property
    def held(self) -> int:
        """Clips that are still to be cut."""
        return len(self._wanted)

    def push(self, record: Record, offset: int) -> list[Any]:  # noqa: ARG002  (nothing here depends on offsets)
        if "alert_id" in record:
            self._alert(record)
        elif "seq" in record:
            self._measurement(record)
        elif record.get("state") in TERMINAL_STATES:
            self._utterance(record)
        return []

    def _alert(self, alert: Record) -> None:
        key, revision, audio = alert["alert_id"], alert["revision"], alert["evidence"].get("audio")
        known = max(self._cut.get(key, -1), self._wanted[key][0] if key in self._wanted else -1)
        if not audio or revision <= known:
            return
        if len(self._cut) + len(self._wanted) >= ALERTS_MAX and known < 0:
            raise VigieError("too many alerts of one call", remedy="See why its rules raise so many")
        self._wanted[key] = (revision, audio["from_ms"], audio["to_ms"])

    def _measurement(self, measurement: Record) -> None:
        if measurement["seq"] < self._next:
            return
        self._next = measurement["seq"] + 1
        offsets = measurement.get("offsets")
        if offsets:
            self._seconds.append([measurement["end_ms"], offsets["from"], offsets["to"]])
            del self._seconds[:-SECONDS_MAX]
        for utterance in measurement["utterances"]:
            if utterance["id"] not in self._done:
                self._open[utterance["id"]] = (utterance["party"], utterance["start_ms"], utterance["end_ms"])
        self._listed_ms = max(self._listed_ms, measurement.get("listed_to_ms", 0))
        self._last = self._last or measurement["last"]

    def _utterance(self, utterance: Record) -> None:
        key = utterance["utterance_id"]
        if key in self._done:
            return  # the first terminal record counts
        if len(self._done) >= UTTERANCES_MAX:
            raise VigieError("too many utterances of one call", remedy="See why its source never ends it")
        self._done.add(key)
        self._open.pop(key, None)
        for party, from_ms, to_ms in muted_spans([utterance]):
            # On one channel nobody knows who spoke: everything is muted.
            self._muted += [(name, from_ms, to_ms) for name in ([party] if party else PARTIES)]

    def give_up_waiting(self) -> None:
        """What is wanted is cut as it is: what was not told is muted."""
        self._forced = True

    @property
    def is_ready(self) -> bool:
        return any(self._may_be_cut(*self._span(key)) for key in self._wanted)

    def next_order(self) -> ClipOrder:
        """The next clip to cut; ask `is_ready` before, and say `done` after."""
        key = next(key for key in self._wanted if self._may_be_cut(*self._span(key)))
        from_ms, to_ms = self._span(key)
        return ClipOrder(
            self.call.call_id, key, self._wanted[key][0], from_ms, to_ms, *self._place(from_ms, to_ms),
            self._unheard(from_ms, to_ms),
        )  # fmt: skip

    def done(self, order: ClipOrder) -> None:
        self._cut[order.alert_id] = order.revision
        wanted = self._wanted.get(order.alert_id)
        if wanted is not None and wanted[0] <= order.revision:
            del self._wanted[order.alert_id]
        if not self._wanted:
            self._forced = False

    def _span(self, key: str) -> tuple[int, int]:
        _, from_ms, to_ms = self._wanted[key]
        return clip_span(from_ms, to_ms, self._reached_ms if self._last else None)

    @property
    def _reached_ms(self) -> int:
        return self._seconds[-1][0] if self._seconds else 0

    def _may_be_cut(self, from_ms: int, to_ms: int) -> bool:
        if self._forced:
            return True
        if not self._last and min(self._reached_ms, self._listed_ms) < to_ms:
            return False
        return not any(start < to_ms and end > from_ms for _, start, end in self._open.values())

    def _place(self, from_ms: int, to_ms: int) -> tuple[int | None, int, int]:
        """Where to begin reading, what is needed, and where to stop."""
        within = [second for second in self._seconds if second[0] > from_ms]
        whole = self._seconds and (self._seconds[0][0] <= from_ms or self._next == len(self._seconds))
        if not within or not whole:
            return None, 0, 0
        early = next(second for second in self._seconds if second[0] > from_ms - AHEAD_MS)
        last = next((second for second in within if second[0] >= to_ms), within[-1])
        return early[1], within[0][1], last[2]

    def _unheard(self, from_ms: int, to_ms: int) -> tuple[Span, ...]:
        spans = [*self._muted, *self._open.values()]
        if not self._last and self._listed_ms < to_ms:
            spans += [(party.value, self._listed_ms, to_ms) for party in PARTIES]
        cut = {(str(p), max(start, from_ms), min(end, to_ms)) for p, start, end in spans}
        return tuple(sorted(span for span in cut if span[1] < span[2]))
