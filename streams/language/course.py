"""The course of sentiment through a call: where each party stands now, and how far it has fallen from its best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audio.chunk import PARTIES, Measure, Party
from audio.state import Stateful


@dataclass(frozen=True, slots=True)
class CourseSettings:
    """Starting values: about three telling utterances move the course, one does not."""

    share_telling: float = 0.4
    """Share of an utterance with feeling in the smoothed value."""
    share_neutral: float = 0.15
    """Share of a neutral one: small talk calms a course slowly."""
    telling_score_min: float = 0.1
    confidence_min: float = 0.4
    """Text or sentiment held with less is neutral (notes on signal)."""
    drop_after_utterances: int = 2
    """A best is taken only from here on: a caller who starts angry has not turned."""


class SentimentCourse(Stateful):
    """Fed each utterance of a call in word time; leaves the measures `sentiment` and `sentiment_drop`."""

    STATE = ("_smoothed", "_count", "_best", "_best_ms", "points")

    def __init__(self, settings: CourseSettings | None = None) -> None:
        self.settings = settings or CourseSettings()
        self._smoothed = [0.0, 0.0]
        self._count = [0, 0]
        self._best = [0.0, 0.0]
        self._best_ms = [0, 0]
        self.points: dict[str, list[list[float]]] = {party.value: [] for party in PARTIES}
        """Per party the course so far, `[end_ms, smoothed]` an utterance: what a summary shows."""

    def push(
        self,
        party: Party,
        end_ms: int,
        score: float,
        confidence: float,
        *,
        start_ms: int | None = None,
        words: Sequence[str] = (),
        utterance_id: str = "",
    ) -> list[Measure]:
        """The party's measures after one utterance; -1..1 for `sentiment`, 0..2 for `sentiment_drop`.

        `confidence` is the lower of the transcript's and the sentiment's; `words` are those that decided. Leave
        backchannels out: "yes" says nothing of how a caller feels.
        """
        which = PARTIES.index(party)
        own = self.settings
        if not confidence >= own.confidence_min:
            score = 0.0
        share = own.share_telling if abs(score) >= own.telling_score_min else own.share_neutral
        now = round(self._smoothed[which] + share * (score - self._smoothed[which]), 4)
        self._smoothed[which] = now
        self._count[which] += 1
        if self._count[which] <= own.drop_after_utterances or now > self._best[which]:
            self._best[which], self._best_ms[which] = now, end_ms
        self.points[party.value].append([end_ms, now])
        drop = round(self._best[which] - now, 4)
        detail = {"words": ", ".join(words), "utterance_id": utterance_id}
        since_ms = end_ms if start_ms is None else start_ms
        return [
            Measure("sentiment", party, now, since_ms, end_ms, detail),
            Measure("sentiment_drop", party, drop, min(self._best_ms[which], since_ms), end_ms, detail),
        ]
