"""The course of sentiment through a call, agent and customer apart.

Where each party stands now (smoothed), how far it has fallen from its best or risen from its worst, how many utterances
in a row were negative, and, for the summary, how the end compares with the start: the turn that supervisors ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    ends_utterances: int = 3
    """Start and end of a call are so many utterances each; fewer than twice as many have no turn."""
    turn_score_min: float = 0.25
    """End and start so far apart are a turn: the least that is called a feeling (sentiment.LABEL_SCORE_MIN)."""
    streak_score_min: float = 0.25


class SentimentCourse(Stateful):
    """Fed each utterance of a call in word time; leaves `sentiment`, `sentiment_drop`, `sentiment_rise`, `negative_streak`."""

    STATE = (
        "_smoothed",
        "_count",
        "_best",
        "_best_ms",
        "_worst",
        "_worst_ms",
        "_streak",
        "_streak_ms",
        "_longest",
        "_first",
        "_last",
        "points",
    )

    def __init__(self, settings: CourseSettings | None = None) -> None:
        self.settings = settings or CourseSettings()
        self._smoothed = [0.0, 0.0]
        self._count = [0, 0]
        self._best = [0.0, 0.0]
        self._best_ms = [0, 0]
        self._worst = [0.0, 0.0]
        self._worst_ms = [0, 0]
        self._streak = [0, 0]
        self._streak_ms = [0, 0]
        self._longest = [0, 0]
        self._first: list[list[float]] = [[], []]
        self._last: list[list[float]] = [[], []]
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
        """The party's measures after one utterance; -1..1 for `sentiment`, 0..2 for its drop and rise, a count for streaks.

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
        if self._count[which] <= own.drop_after_utterances or now < self._worst[which]:
            self._worst[which], self._worst_ms[which] = now, end_ms
        self.points[party.value].append([end_ms, now])
        since_ms = end_ms if start_ms is None else start_ms
        self._remember(which, score, since_ms)
        detail = {"words": ", ".join(words), "utterance_id": utterance_id}
        drop, rise = round(self._best[which] - now, 4), round(now - self._worst[which], 4)
        streak = self._streak[which]
        return [
            Measure("sentiment", party, now, since_ms, end_ms, detail),
            Measure("sentiment_drop", party, drop, min(self._best_ms[which], since_ms), end_ms, detail),
            Measure("sentiment_rise", party, rise, min(self._worst_ms[which], since_ms), end_ms, detail),
            Measure("negative_streak", party, streak, self._streak_ms[which] if streak else since_ms, end_ms, detail),
        ]

    def _remember(self, which: int, score: float, since_ms: int) -> None:
        """Starts, ends and streaks. A neutral utterance neither breaks nor lengthens a streak, a positive one breaks it."""
        own = self.settings
        if len(self._first[which]) < own.ends_utterances:
            self._first[which].append(score)
        self._last[which] = [*self._last[which], score][-own.ends_utterances :]
        if score <= -own.streak_score_min:
            if not self._streak[which]:
                self._streak_ms[which] = since_ms
            self._streak[which] += 1
            self._longest[which] = max(self._longest[which], self._streak[which])
        elif score >= own.streak_score_min:
            self._streak[which] = 0

    def turns(self) -> dict[str, dict[str, Any]]:
        """By party, how the call went: its start against its end. `turn` is None where too little was said to tell."""
        return {party.value: self._turn(which) for which, party in enumerate(PARTIES)}

    def _turn(self, which: int) -> dict[str, Any]:
        own = self.settings
        start, end = _mean(self._first[which]), _mean(self._last[which])
        turn: str | None = None
        if self._count[which] >= 2 * own.ends_utterances:
            change = end - start
            turn = "steady" if abs(change) < own.turn_score_min else "better" if change > 0 else "worse"
        return {
            "utterances": self._count[which],
            "start": start,
            "end": end,
            "turn": turn,
            "worst": self._worst[which],
            "worst_ms": self._worst_ms[which],
            "negative_streak_max": self._longest[which],
        }


def _mean(scores: Sequence[float]) -> float:
    return round(sum(scores) / len(scores), 3) if scores else 0.0
