"""The rules of one call at work: measures in, alert records out, nothing but media time between them.

Every (rule, party) has a tracker, which walks the table of `lifecycle`. Only trackers that a measure touched or that
are under way are looked at, so a quiet call costs next to nothing. The end of a call clears no alert: an alert still
open at the end stays open in its last record, because nobody has seen the fault go away; the summary says that the
call is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from audio.chunk import PARTIES, Measure, Party
from audio.errors import VigieError
from audio.state import Stateful
from streams.alerts import messages
from streams.alerts.cause import SIGN_METRICS, CauseBook
from streams.alerts.conditions import LeafWatch, Occurrence, Watch, build
from streams.alerts.lifecycle import OPEN, PUBLISHED, Phase, Step, after
from streams.alerts.metrics import Domain
from streams.alerts.model import Cause, Escalation, Leaf, Rule, RuleSet, Severity, Who, leaves
from streams.events import CallInfo, Record

CLIP_MARGIN_MS = 2_000
"""Heard before and after the fault, so that a person can place it."""
CLIP_MS_MAX = 30_000
"""What a supervisor listens to at once; of a longer fault, the last part, which led to the alert."""
WORDS_MAX = 10


class Tracker(Stateful):
    """One rule on one party (`bound`; None: the call, or parties that the rule names itself)."""

    STATE = (
        "phase",
        "alert_id",
        "revision",
        "level",
        "onset_ms",
        "raised_ms",
        "clearing_ms",
        "cleared_ms",
        "peak",
        "primary",
        "until_ms",
        "record",
        "leaves",
    )

    def __init__(self, rule: Rule, bound: Party | None, *, mono: bool = False) -> None:
        self.rule, self.bound = rule, bound

        def party_of(leaf: Leaf) -> Party | None:
            if leaf.who is Who.CALL or mono:
                return None
            return bound if leaf.who is Who.EITHER else Party(leaf.who.value)

        watch, found = build(rule.condition, party_of)
        self.watch: Watch = watch
        self.leaves: list[LeafWatch] = found
        self.phase = Phase.IDLE
        self.alert_id = ""
        self.revision = self.level = 0
        self.onset_ms = self.raised_ms = self.clearing_ms = 0
        self.cleared_ms = -1
        self.peak = 0.0
        self.primary = 0
        self.until_ms = 0
        self.record: Record | None = None

    def next_step(self, now_ms: int) -> Step | None:
        """What happens to the alert now, if anything; asked again until nothing does."""
        rule, watch = self.rule, self.watch
        match self.phase:
            case Phase.IDLE:
                return Step.STARTED if watch.started(now_ms) else None
            case Phase.PENDING:
                if watch.holds(now_ms):
                    return Step.COMPLETED
                return None if watch.started(now_ms) else Step.STOPPED
            case Phase.RAISED | Phase.ESCALATED:
                if watch.recovered(now_ms):
                    return Step.RECOVERING
                return Step.WORSENED if self.reached(now_ms) > self.level else None
            case Phase.CLEARING:
                if not watch.recovered(now_ms):
                    return Step.RELAPSED_ESCALATED if self.level else Step.RELAPSED
                return Step.CLEARED if now_ms - self.clearing_ms >= rule.clear_after_ms else None
            case Phase.COOLDOWN:
                rested = now_ms > self.cleared_ms and now_ms - self.cleared_ms >= rule.cooldown_ms
                return Step.RESTED if rested else None

    def reached(self, now_ms: int) -> int:
        """How many escalation steps the alert has come to, by its value or by its age; never fewer than before."""
        level = self.level
        leaf = self.leaves[self.primary]
        for number, step in enumerate(self.rule.escalate, start=1):
            if step.after_ms is not None:
                due = now_ms - self.raised_ms >= step.after_ms
            else:
                due = leaf.value is not None and leaf.leaf.direction.holds(leaf.value, step.threshold or 0.0)
            if due:
                level = max(level, number)
        return level

    @property
    def step(self) -> Escalation | None:
        return self.rule.escalate[self.level - 1] if self.level else None

    @property
    def severity(self) -> Severity:
        return self.step.severity if self.step else self.rule.severity

    def party(self) -> str | None:
        """Whom the alert is about: agent, customer, both or nobody in particular."""
        named = {leaf.party.value for leaf in self.leaves if leaf.party is not None}
        if len(named) == 2:
            return "both"
        return next(iter(named)) if named else self.leaves[self.primary].leaf.metric.named_party

    def worst(self, value: float) -> float:
        rising = self.leaves[self.primary].leaf.direction.rising
        return max(self.peak, value) if rising else min(self.peak, value)

    def follow(self) -> None:
        """Keep the worst value and the last moment of the fault while the alert is open."""
        leaf = self.leaves[self.primary]
        if leaf.met and leaf.value is not None:
            self.peak = self.worst(leaf.value)
            self.until_ms = max(self.until_ms, leaf.until_ms)


class AlertEngine(Stateful):
    """The rules of one domain on one call.

    Args:
        rules: any rule set; the rules whose scope and domain fit are used.
        call: the call; its `call_id` and `tenant` enter each alert id.
        domain: "sound" (rules on sound alone) or "words" (all others).
    """

    STATE = ("now_ms", "closed", "book")

    def __init__(self, rules: RuleSet, call: CallInfo, domain: str) -> None:
        self.rules = rules.for_call(call).of_domain(Domain(domain))
        self.call = call
        self.fingerprint = self.rules.fingerprint
        self.now_ms = 0
        self.closed = False
        self.book = CauseBook()
        self.trackers = [
            Tracker(rule, bound, mono=call.mono)
            # Faults of the line first, so that what they explain in the same moment finds them in the book.
            for rule in sorted(self.rules.rules, key=lambda rule: rule.cause is not Cause.TECHNOLOGY)
            for bound in _bindings(rule, call)
        ]
        self._index: dict[tuple[str, Party | None], list[tuple[int, LeafWatch]]] = {}
        for number, tracker in enumerate(self.trackers):
            for leaf in tracker.leaves:
                for party in (None, *PARTIES) if call.mono else (leaf.party,):
                    self._index.setdefault((leaf.leaf.metric.name, party), []).append((number, leaf))
        self._under_way: set[int] = set()
        self._dirty: set[int] = set()

    def observe(self, now_ms: int, measures: Sequence[Measure]) -> list[Record]:
        """Take in what was measured up to `now_ms`, and return the changes of state that follow.

        Call it once a block (sound) or once a step of word time (words), with no measures too: durations, clearing and
        cooldown run on `now_ms`. A time before the last one counts as the last one.
        """
        if self.closed:
            return []
        now_ms = self.now_ms = max(now_ms, self.now_ms)
        touched = set(self._under_way)
        for measure in measures:
            if measure.metric in SIGN_METRICS:
                self.book.see(measure, now_ms)
            for number, leaf in self._index.get((measure.metric, measure.party), ()):
                if leaf.put(now_ms, measure):
                    touched.add(number)
                self._dirty.add(number)
        records: list[Record] = []
        for number in sorted(touched):
            self._run(number, now_ms, records)
        return records

    def close(self, end_ms: int) -> list[Record]:
        """The end of the call: durations run out to `end_ms`, then nothing changes any more; open alerts stay open."""
        records = self.observe(end_ms, ())
        self.closed = True
        return records

    def note_alerts(self, alerts: Sequence[Record]) -> None:
        """Tell this engine of alerts of the call's other stage, as evidence for causes."""
        for alert in alerts:
            self.book.note_alert(alert)

    @property
    def open_alerts(self) -> list[Record]:
        """The last record of each alert that has not cleared."""
        return [item.record for item in self.trackers if item.phase in OPEN and item.record is not None]

    def _run(self, number: int, now_ms: int, records: list[Record]) -> None:
        tracker = self.trackers[number]
        self._dirty.add(number)
        while (step := tracker.next_step(now_ms)) is not None:
            tracker.phase = after(tracker.phase, step)
            if step is Step.COMPLETED:
                self._raise(tracker, now_ms)
            elif step is Step.WORSENED:
                tracker.level = tracker.reached(now_ms)
            elif step is Step.RECOVERING:
                tracker.clearing_ms = now_ms
            elif step is Step.CLEARED:
                tracker.cleared_ms = now_ms
            if tracker.phase in (Phase.RAISED, Phase.ESCALATED):
                tracker.follow()
            if step in PUBLISHED:
                tracker.revision += 1
                tracker.record = self._record(tracker, PUBLISHED[step], now_ms)
                self.book.note_alert(tracker.record)
                records.append(tracker.record)
        if tracker.phase in (Phase.RAISED, Phase.ESCALATED):
            tracker.follow()
        for leaf in tracker.leaves:
            leaf.end_moment(now_ms)
        if tracker.phase is Phase.IDLE:
            self._under_way.discard(number)
        else:
            self._under_way.add(number)

    def _raise(self, tracker: Tracker, now_ms: int) -> None:
        leaf = tracker.watch.leading(now_ms)
        _, since_ms, until_ms, value, _ = leaf.evidence(now_ms)
        tracker.primary = tracker.leaves.index(leaf)
        # After the last alert of this tracker, so that two alerts of one long fault never share an onset, and so an id.
        tracker.onset_ms = max(min(since_ms, now_ms), tracker.cleared_ms + 1)
        tracker.raised_ms = now_ms
        tracker.revision = tracker.level = 0
        tracker.peak, tracker.until_ms = value, until_ms
        parts = (self.call.tenant, self.call.call_id, tracker.rule.id, tracker.rule.version)
        about = (tracker.party() or "", str(tracker.onset_ms))
        tracker.alert_id = hashlib.sha256("\x1f".join((*parts, *about)).encode()).hexdigest()[:20]

    def _record(self, tracker: Tracker, state: str, now_ms: int) -> Record:
        rule, call = tracker.rule, self.call
        evidence = self._evidence(tracker, state, now_ms)
        leaf = tracker.leaves[tracker.primary].leaf
        span_ms = (tracker.cleared_ms if state == "cleared" else now_ms) - tracker.onset_ms
        seconds = (evidence["value"] if leaf.metric.unit == "ms" else span_ms) / 1000
        known = {"call_id": call.call_id, "tenant": call.tenant, "rule_id": rule.id, "rule_version": rule.version}
        return {
            "alert_id": tracker.alert_id,
            "revision": tracker.revision,
            **known,
            "title": rule.title,
            "state": state,
            "severity": tracker.severity.value,
            "party": tracker.party(),
            "onset_ms": tracker.onset_ms,
            "raised_ms": tracker.raised_ms,
            "changed_ms": now_ms,
            "cleared_ms": tracker.cleared_ms if state == "cleared" else None,
            "cause": self.book.judge(
                rule.cause, leaf.metric.name, tracker.onset_ms, evidence["value"], evidence["detail"], tracker.alert_id
            ),
            "evidence": evidence,
            "message": messages.render(
                rule.message,
                value=evidence["value"],
                threshold=evidence["threshold"],
                party=tracker.party(),
                seconds=seconds,
                words=" / ".join(item["text"] for item in evidence["words"]),
            ),
            **{name: getattr(call, name) for name in ("agent", "queue", "site", "trunk", "language")},
        }

    def _evidence(self, tracker: Tracker, state: str, now_ms: int) -> Record:
        watch = tracker.leaves[tracker.primary]
        leaf = watch.leaf
        if state == "cleared" and tracker.record is not None:
            # What was wrong, at its worst: the present value is the one at which nothing is wrong.
            old = tracker.record["evidence"]
            audio = _clip(tracker.onset_ms, max(tracker.until_ms, tracker.onset_ms))
            return {**old, "value": tracker.peak, "audio": audio}
        _, since_ms, until_ms, value, detail = watch.evidence(now_ms)
        step = tracker.step
        threshold = step.threshold if step is not None and step.threshold is not None else leaf.threshold
        evidence: Record = {
            "metric": leaf.metric.name,
            "unit": leaf.metric.unit,
            "value": value,
            "threshold": threshold,
            "window_ms": leaf.m_ms or leaf.metric.window_ms or max(0, until_ms - since_ms),
            "words": _words(tracker, now_ms),
            "audio": _clip(since_ms, until_ms),
            "detail": {key: item for key, item in (detail or {}).items() if key not in _WORD_KEYS},
        }
        if len(tracker.leaves) > 1:
            evidence["conditions"] = [_reading(item, now_ms) for item in tracker.leaves]
        return evidence

    def state(self) -> dict[str, Any]:
        """Only trackers that have seen something are kept: most rules of most calls have not."""
        touched = {str(number): self.trackers[number].state() for number in sorted(self._dirty)}
        return {**super().state(), "fingerprint": self.fingerprint, "trackers": touched}

    def load_state(self, state: dict[str, Any]) -> None:
        """Put a state back on a fresh engine with the same rules and call.

        Raises:
            VigieError: the state was made with other rules.
        """
        if state["fingerprint"] != self.fingerprint:
            raise VigieError(
                "this call was started with other rules",
                remedy="Restore it with the rule file it was started with: a call keeps its rules.",
                where=self.rules.source,
                field=f"call {self.call.call_id}",
            )
        super().load_state({name: state[name] for name in self.STATE})
        for number, kept in state["trackers"].items():
            self.trackers[int(number)].load_state(kept)
        self._dirty = {int(number) for number in state["trackers"]}
        self._under_way = {number for number in self._dirty if self.trackers[number].phase is not Phase.IDLE}


_WORD_KEYS = frozenset({"words", "utterance_id", "confidence"})


def _bindings(rule: Rule, call: CallInfo) -> tuple[Party | None, ...]:
    """The parties that a rule is watched for apart; one channel that holds both parties is watched once."""
    either = any(leaf.who is Who.EITHER for leaf in leaves(rule.condition))
    return PARTIES if either and not call.mono else (None,)


def _clip(since_ms: int, until_ms: int) -> Record:
    """The audio to play: the fault with 2 s around it, from the start of the call on, 30 s at most."""
    start_ms, end_ms = max(0, since_ms - CLIP_MARGIN_MS), max(since_ms, until_ms) + CLIP_MARGIN_MS
    return {"from_ms": max(start_ms, end_ms - CLIP_MS_MAX), "to_ms": end_ms}


def _words(tracker: Tracker, now_ms: int) -> list[Record]:
    """The words behind the alert, oldest first, each utterance once."""
    found: dict[tuple[int, str], Record] = {}
    for leaf in tracker.leaves:
        current: list[Occurrence] = [leaf.evidence(now_ms)] if leaf.met else []
        for _, since_ms, until_ms, _, detail in [*leaf.words(now_ms), *current]:
            if not detail or "words" not in detail:
                continue
            utterance_id = detail.get("utterance_id")
            found[since_ms, f"{utterance_id}{detail['words']}"] = {
                "text": str(detail["words"]),
                "party": leaf.party.value if leaf.party else None,
                "utterance_id": utterance_id,
                "confidence": detail.get("confidence"),
                "start_ms": since_ms,
                "end_ms": until_ms,
            }
    return [found[key] for key in sorted(found)][-WORDS_MAX:]


def _reading(watch: LeafWatch, now_ms: int) -> Record:
    return {
        "metric": watch.leaf.metric.name,
        "party": watch.party.value if watch.party else None,
        "value": watch.value,
        "threshold": watch.leaf.threshold,
        "met": watch.holds(now_ms),
    }
