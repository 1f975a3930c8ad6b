"""One call, watched: the stages LISTEN and SUPERVISE joined by plain function calls.

Live, on Kafka, in replay and in tests the same `CallMonitor` (or its two halves) runs. It has no clock: time is the
call's media time, counted in samples. Words come back through `words`, whenever the transcriber has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from audio.chunk import AudioChunk
from audio.errors import VigieError
from audio.state import layout, pack, unpack
from audio.vad import SileroModel
from streams.alerts.model import RuleSet
from streams.events import CallEvent, CallInfo, Outputs, Record
from streams.listen import Listener, ListenSettings
from streams.supervise import SuperviseSettings, Supervisor

SNAPSHOT_VERSION = 2
"""Raised where a saved value means something else than before; new fields are told by the layout."""
PARTS = (
    "audio",
    "streams.alerts",
    "streams.conversation",
    "streams.events",
    "streams.language.course",
    "streams.listen",
    "streams.supervise",
)
"""Where the parts are defined that a call's monitor is made of."""


def snapshot_version() -> str:
    """What a snapshot must say to be read by this release."""
    return f"{SNAPSHOT_VERSION}:{layout(*PARTS)}"


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    listen: ListenSettings = field(default_factory=ListenSettings)
    supervise: SuperviseSettings = field(default_factory=SuperviseSettings)


class CallMonitor:
    """Feed chunks, events and words of one call; each step returns what follows from it."""

    def __init__(
        self, call: CallInfo, rules: RuleSet, silero: SileroModel, settings: MonitorSettings | None = None
    ) -> None:
        settings = settings or MonitorSettings()
        mine = rules.for_call(call)
        self.call = call
        self.listener = Listener(call, mine, silero, settings.listen)
        self.supervisor = Supervisor(call, mine, settings.supervise)

    def add(self, chunk: AudioChunk) -> Outputs:
        """Take audio. Raises VigieError for a chunk that cannot be used; the call goes on without it."""
        return self._join(self.listener.add(chunk))

    def event(self, event: CallEvent) -> Outputs:
        """Take a hold, resume, transfer, mute … of the call's telephony."""
        self.listener.event(event)
        return Outputs()

    def words(self, utterance: Record) -> Outputs:
        """Take an utterance record as a transcriber left it (redacted, with sentiment and phrases)."""
        return self.supervisor.utterance(utterance)

    def end(self, at_ms: int | None = None, reason: str = "ended") -> Outputs:
        """The call is over; the summary follows with the last word that was still awaited."""
        return self._join(self.listener.end(at_ms, reason))

    def snapshot(self) -> bytes:
        """All that a restart needs; equal states give equal bytes."""
        return pack([snapshot_version(), self.call.call_id, self.listener.state(), self.supervisor.state()])

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot of a monitor of the same call, rules and settings.

        Raises:
            VigieError: the snapshot is of another version or call.
        """
        try:
            version, call_id, listener, supervisor = unpack(snapshot)
        except (ValueError, TypeError, LookupError) as error:
            raise VigieError(
                "the snapshot is damaged, or is none",
                remedy="Start the call anew",
                where=f"snapshot of {self.call.call_id}",
            ) from error
        if version != snapshot_version() or call_id != self.call.call_id:
            raise VigieError(
                f"the snapshot is of call {call_id!r}, version {version}",
                remedy=f"Start the call anew: this release reads version {snapshot_version()}",
                where=f"snapshot of {self.call.call_id}",
            )
        self.listener.load_state(listener)
        self.supervisor.load_state(supervisor)

    def _join(self, out: Outputs) -> Outputs:
        if out.measurements:
            # What LISTEN tells over Kafka too: from here back, no word is still to be listed (see EVIDENCE).
            newest = out.measurements[-1]
            newest["listed_to_ms"] = self.listener.listed_to_ms(newest["end_ms"])
        for measurement in out.measurements:
            out.extend(self.supervisor.measurement(measurement))
        return out
