"""SUPERVISE: one call's words, health, coverage and summary, on word time.

The third stage is fed the measurements of LISTEN and the terminal records of its utterances, in any order across both.
Word time ends the longest run of measurements whose listed utterances all have their terminal record: rules over words
look only that far, in the order (end_ms, party, id). So the same inputs give the same alerts whatever came first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from audio.chunk import Measure, Party
from audio.state import Stateful
from streams.alerts.cause import call_cause
from streams.alerts.coverage import Coverage, Reason
from streams.alerts.engine import AlertEngine
from streams.alerts.health import Health
from streams.alerts.model import RuleSet
from streams.events import CallInfo, Outputs, Record
from streams.language.course import SentimentCourse

NOT_UNDERSTOOD = ("low_confidence", "repetition", "impossible_rate", "invented_phrase")
"""Reasons of an empty transcript of real speech: something was said, so what was not said is unknown."""
TERMINAL_STATES = ("final", "empty", "given_up", "failed")


@dataclass(frozen=True, slots=True)
class SuperviseSettings:
    words: bool = True
    """Whether anybody transcribes this call; without, rules on words and on what was not said stay silent."""
    rate_words_min: int = 40
    rate_speech_ms_min: int = 20_000
    """A speaking rate needs 40 words and 20 s of that party's speech."""
    not_said_categories: tuple[str, ...] = ("greeting",)
    models: dict[str, str] = field(default_factory=dict)


class Supervisor(Stateful):
    """Feed it measurements and utterance records of one call; take alerts, and the summary at the end."""

    STATE = (
        "engine",
        "health",
        "coverage",
        "course",
        "_measurements",
        "_terminal",
        "_done",
        "_next_seq",
        "_alerts",
        "_said",
        "_counts",
        "_spoken",
        "_unheard",
        "_closed",
    )

    def __init__(self, call: CallInfo, rules: RuleSet, settings: SuperviseSettings | None = None) -> None:
        self.call, self.settings = call, settings or SuperviseSettings()
        self.engine = AlertEngine(rules, call, "words")
        self.health = Health()
        self.coverage = Coverage()
        self.course = SentimentCourse()
        self._measurements: dict[int, Record] = {}
        self._terminal: dict[str, Record] = {}
        self._done: set[str] = set()
        self._next_seq = 0
        self._alerts: dict[str, Record] = {}
        self._said: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._spoken: dict[str, list[int]] = {party.value: [0, 0] for party in Party}
        self._unheard: dict[str, bool] = {party.value: False for party in Party}
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def awaited(self) -> dict[str, Record]:
        """The utterances, by id, that measurements have listed and that have no terminal record yet."""
        if not self.settings.words:
            return {}
        listed = (item for record in self._measurements.values() for item in record["utterances"])
        return {item["id"]: item for item in listed if item["id"] not in self._terminal}

    def measurement(self, record: Record) -> Outputs:
        """Take one measurement; a `seq` that was already taken changes nothing."""
        if record["seq"] >= self._next_seq:
            self._measurements.setdefault(record["seq"], record)
        return self._advance()

    def utterance(self, record: Record) -> Outputs:
        """Take one utterance record; interims and any but the first terminal record of an utterance change nothing."""
        key = record["utterance_id"]
        if record["state"] in TERMINAL_STATES and key not in self._done:
            self._terminal.setdefault(key, record)
        return self._advance()

    def _advance(self) -> Outputs:
        out = Outputs()
        while (record := self._measurements.get(self._next_seq)) is not None:
            listed = record["utterances"] if self.settings.words else []
            if any(item["id"] not in self._terminal for item in listed):
                break
            del self._measurements[self._next_seq]
            self._next_seq += 1
            for item in sorted(listed, key=lambda u: (u["end_ms"], u["party"], u["id"])):
                self._done.add(item["id"])
                self._hear(self._terminal.pop(item["id"]), out)
            self._step(record, out)
        return out

    def _hear(self, utterance: Record, out: Outputs) -> None:
        """One utterance at its place in word time."""
        # On one channel the words are nobody's in particular: the engine asks no party of a mono call.
        party, end_ms = Party(utterance["party"] or Party.CUSTOMER), utterance["end_ms"]
        if utterance["state"] in ("given_up", "failed"):
            reason = Reason.WORDS_FAILED if utterance["state"] == "failed" else Reason.WORDS_GIVEN_UP
            self.coverage.lost(party, utterance["start_ms"], end_ms, reason)
            self._unheard[party.value] = True
            return
        if utterance["state"] != "final":
            self._unheard[party.value] |= utterance.get("reason") in NOT_UNDERSTOOD
            return
        where = {"utterance_id": utterance["utterance_id"], "confidence": utterance["confidence"] or 0.0}
        measures = [
            self._phrase_measure(party, utterance, category, where)
            for category in dict.fromkeys(phrase["category"] for phrase in utterance["phrases"])
        ]
        sentiment = utterance["sentiment"]
        if not utterance.get("backchannel"):
            measures += self.course.push(
                party,
                end_ms,
                sentiment["score"],
                sentiment["confidence"],
                start_ms=utterance["start_ms"],
                words=sentiment["because"],
                utterance_id=utterance["utterance_id"],
            )
        measures += self._rate(party, utterance)
        self._note(self.engine.observe(end_ms, measures), out)

    def _phrase_measure(self, party: Party, utterance: Record, category: str, where: dict[str, Any]) -> Measure:
        phrases = [p for p in utterance["phrases"] if p["category"] == category]
        key = f"{party.value}:{category}"
        self._counts[key] = self._counts.get(key, 0) + 1
        self._said.setdefault(key, utterance["start_ms"])
        words = " … ".join(phrase["text"] for phrase in phrases)
        detail = {**where, "words": words}
        start_ms, end_ms = utterance["start_ms"], utterance["end_ms"]
        return Measure(f"phrase.{category}", party, self._counts[key], start_ms, end_ms, detail)

    def _rate(self, party: Party, utterance: Record) -> list[Measure]:
        spoken = self._spoken[party.value]
        spoken[0] += len(utterance["text"].split())
        spoken[1] += utterance["end_ms"] - utterance["start_ms"]
        if spoken[0] < self.settings.rate_words_min or spoken[1] < self.settings.rate_speech_ms_min:
            return []
        detail = {"words_counted": spoken[0], "speech_ms": spoken[1]}
        rate_wpm = spoken[0] * 60_000 / spoken[1]
        return [Measure("speaking_rate_wpm", party, rate_wpm, 0, utterance["end_ms"], detail)]

    def _step(self, record: Record, out: Outputs) -> None:
        """The end of a measurement: what time itself decides."""
        now_ms = record["end_ms"]
        for gap in record["gaps"]:
            party = Party(gap["party"]) if gap["party"] else None
            self.coverage.lost(party, gap["from_ms"], gap["to_ms"], gap["reason"])
        self.engine.note_alerts(record["alerts"])
        for alert in record["alerts"]:
            self._remember(alert)
        measures = self._not_said(now_ms) if self.settings.words else []
        if self._alerts:
            measures += self.health.observations(now_ms)
        self._note(self.engine.observe(now_ms, measures), out)
        if record["last"]:
            self._note(self.engine.close(now_ms), out)
            self._closed = True
            out.summary = self._summary(record["end"])

    def _not_said(self, now_ms: int) -> list[Measure]:
        """What the agent has not said so far; unknown where words of theirs were lost, and before their first word."""
        party = Party.AGENT
        if self._unheard[party.value] or not self._spoken[party.value][0]:
            return []
        out = []
        for category in self.settings.not_said_categories:
            said = f"{party.value}:{category}" in self._said
            out.append(Measure(f"not_said.{category}", party, 0 if said else 1, 0, now_ms))
        return out

    def _note(self, alerts: list[Record], out: Outputs) -> None:
        out.alerts += alerts
        for alert in alerts:
            self._remember(alert)

    def _remember(self, alert: Record) -> None:
        known = self._alerts.get(alert["alert_id"])
        if known is None or known["revision"] < alert["revision"]:
            self._alerts[alert["alert_id"]] = alert
            self.health.observe_alert(alert)

    def _summary(self, end: Record) -> Record:
        call, totals = self.call, end["totals"]
        alerts = sorted(self._alerts.values(), key=lambda a: (a["raised_ms"], a["rule_id"], a["alert_id"]))
        if call.mono:
            self.coverage.lost(None, 0, totals["duration_ms"], Reason.ONE_CHANNEL)
        if "fallback" in totals["vad"]:
            self.coverage.lost(None, 0, totals["duration_ms"], Reason.VAD_FALLBACK)
        return {
            "call_id": call.call_id,
            "tenant": call.tenant,
            **totals,
            "end_reason": end["reason"],
            "health": self.health.score,
            "health_lost": self.health.lost,
            "coverage": self.coverage.result(totals["duration_ms"]),
            "cause": call_cause(alerts),
            "alerts": [alert["alert_id"] for alert in alerts],
            "sentiment": self.course.points,
            "sentiment_turn": self.course.turns(),
            "agent": call.agent,
            "queue": call.queue,
            "site": call.site,
            "trunk": call.trunk,
            "language": call.language,
            "started_at": call.started_at,
            "mono": call.mono,
            "attributes": dict(call.attributes),
            "models": {"vad": totals["vad"], **self.settings.models},
        }
