"""The coverage ledger: what of a call was not watched, and why. No call ends without a word on it.

*monitored*: nothing was missed. *partial*: some of it, with intervals and reasons. *unmonitored*: next to no sound of
the call was watched, whatever its words. Words that were not read leave a call partial, never unmonitored: its sound
was watched.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from audio.chunk import PARTIES, Party
from audio.errors import VigieError
from audio.state import Stateful
from streams.events import Record


class Reason(StrEnum):
    AUDIO_LOST = "audio_lost"
    """We or Kafka lost it: never the line's fault, so never a dropout."""
    AUDIO_LATE = "audio_late"
    """It came after its time had been closed."""
    UNREADABLE = "unreadable"
    """It came, and could not be decoded."""
    AUDIO_GAP = "audio_gap"
    """The source stopped sending for a second or more; shorter holes are faults of the line."""
    NO_AUDIO = "no_audio"
    """Nothing ever came for this leg."""
    OVERLOADED = "overloaded"
    """We shed it, visibly, to keep up with other calls."""
    RESTARTED = "restarted"
    """A worker died and what it held could not be read again."""
    ONE_CHANNEL = "one_channel"
    """Both parties on one channel: levels and words are watched, who speaks is not."""
    VAD_FALLBACK = "vad_fallback"
    """The voice activity model that is deaf on telephone audio had to do (notes/signal.md)."""
    WORDS_GIVEN_UP = "words_given_up"
    """The transcript would have come too late."""
    WORDS_FAILED = "words_failed"
    """The transcriber failed on this utterance."""
    NO_TRANSCRIBER = "no_transcriber"
    """No transcriber ran, although one was asked for."""


BLIND = frozenset(
    {
        Reason.AUDIO_LOST,
        Reason.AUDIO_GAP,
        Reason.AUDIO_LATE,
        Reason.UNREADABLE,
        Reason.NO_AUDIO,
        Reason.OVERLOADED,
        Reason.RESTARTED,
    }
)
"""Reasons for which no sound was watched; the others leave part of the watching in place."""


@dataclass(frozen=True, slots=True)
class CoverageSettings:
    unmonitored_share: float = 0.98
    """Of the time of both legs. Not 1: a call of which one block was seen was not watched."""
    intervals_max: int = 500
    """For each party and reason; beyond it the nearest two become one, which calls more lost than was, never less."""


class Coverage(Stateful):
    """What was missed of one call. The result does not depend on the order in which it was told."""

    STATE = ("missed",)

    def __init__(self, settings: CoverageSettings = CoverageSettings()) -> None:
        self.settings = settings
        self.missed: dict[str, list[tuple[int, int]]] = {}

    def lost(self, party: Party | None, from_ms: int, to_ms: int, reason: str) -> None:
        """Nothing was watched of `party` (None: both) from `from_ms` to `to_ms`; an empty interval is ignored.

        Raises:
            VigieError: the reason is none of `Reason` (it may come from a producer's event).
        """
        if reason not in Reason.__members__.values():
            known = ", ".join(Reason)
            raise VigieError(f"{reason!r} is no reason of coverage", remedy=f"Use one of: {known}.", field="reason")
        if to_ms <= from_ms:
            return
        for one in PARTIES if party is None else (party,):
            key = f"{one}:{reason}"
            spans = _merged([*self.missed.get(key, ()), (from_ms, to_ms)])
            if len(spans) > self.settings.intervals_max:
                nearest = min(range(len(spans) - 1), key=lambda at: spans[at + 1][0] - spans[at][1])
                spans[nearest : nearest + 2] = [(spans[nearest][0], spans[nearest + 1][1])]
            self.missed[key] = spans

    def lost_ms(self, from_ms: int, to_ms: int, party: Party | None = None) -> int:
        """Time between the two in which no sound was watched: of that party, or (None) of both at once."""
        blind = {one: self._blind(one, from_ms, to_ms) for one in PARTIES}
        if party is not None:
            return _length(blind[party])
        agent, customer = (blind[one] for one in PARTIES)
        return _length(agent) + _length(customer) - _length(_merged([*agent, *customer]))

    def result(self, duration_ms: int) -> Record:
        """`{state, intervals: [{from_ms, to_ms, party, reason}]}`, sorted by time, within 0..`duration_ms`.

        `party` is agent, customer, or both where both miss the very same interval.
        """
        found: dict[tuple[int, int, str], set[str]] = {}
        for key, spans in self.missed.items():
            party, _, reason = key.partition(":")
            for from_ms, to_ms in _clamped(spans, 0, duration_ms):
                found.setdefault((from_ms, to_ms, reason), set()).add(party)
        intervals: list[dict[str, Any]] = [
            {"from_ms": span[0], "to_ms": span[1], "party": party, "reason": span[2]}
            for span, parties in found.items()
            for party in (["both"] if len(parties) == 2 else sorted(parties))
        ]
        intervals.sort(key=lambda item: (item["from_ms"], item["to_ms"], item["party"], item["reason"]))
        return {"state": self._state(duration_ms, bool(intervals)), "intervals": intervals}

    def _state(self, duration_ms: int, missed: bool) -> str:
        if duration_ms <= 0:
            return "unmonitored"
        blind_ms = sum(_length(self._blind(party, 0, duration_ms)) for party in PARTIES)
        if blind_ms >= self.settings.unmonitored_share * duration_ms * len(PARTIES):
            return "unmonitored"
        return "partial" if missed else "monitored"

    def _blind(self, party: Party, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        spans = [span for reason in sorted(BLIND) for span in self.missed.get(f"{party}:{reason}", ())]
        return _clamped(_merged(spans), from_ms, to_ms)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted, with what overlaps or touches joined."""
    found: list[tuple[int, int]] = []
    for from_ms, to_ms in sorted(spans):
        if found and from_ms <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], to_ms))
        else:
            found.append((from_ms, to_ms))
    return found


def _clamped(spans: list[tuple[int, int]], from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    inside = ((max(start, from_ms), min(end, to_ms)) for start, end in spans)
    return [(start, end) for start, end in inside if end > start]


def _length(spans: list[tuple[int, int]]) -> int:
    return sum(end - start for start, end in spans)
