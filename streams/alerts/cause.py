"""Who or what is behind an alert: technology, a person, the process, or honestly unknown; what speaks for and against.

Technology outranks a person when audio was lost: nobody is to blame for not answering what they could not hear. Faults
that spoil audio without losing it (noise, echo, level) outrank a person only where hearing itself is the matter. Only
the call's own facts count; what many calls have in common is the feed's business and changes no alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from audio.chunk import Measure
from audio.state import Stateful
from streams.alerts.model import Cause, Severity, known_metric
from streams.events import Record

LOSS_METRICS = frozenset({"one_way_ms", "missing_leg_ms", "dropouts_10s", "dropout_share_30s", "gap_ms_30s"})
"""Part of what was said never reached the other party."""
SPOILING_METRICS = frozenset(
    {"clipped_runs_10s", "level_dbov", "snr_db", "noise_dbov", "echo_ms", "crosstalk_ms", "same_audio_ms"}
)
"""What was said arrived, but badly."""
HEARING_METRICS = frozenset({"phrase.hearing_trouble", "overlap_run_ms", "interruptions_120s", "response_ms"})
"""What people do when they hear badly: there, spoiled audio outranks a person too."""
SIGN_METRICS = frozenset(
    {
        "dropouts_10s",
        "gap_ms_30s",
        "hold_ms",
        "hold_music_ms",
        "phrase.waiting",
        "phrase.transfer",
        "phrase.hearing_trouble",
    }
)
"""Measures that speak for a cause even below the threshold of any rule."""

NO_TROUBLE = "none"
"""The verdict on a call without alerts: nothing went wrong, which is not the same as not knowing why."""


@dataclass(frozen=True, slots=True)
class CauseSettings:
    look_back_ms: int = 15_000
    """A fault this long before the onset still explains it: a dead-air alert needs 10 s of silence that a dropout
    may have begun (notes/field.md), plus the 5 s in which detectors confirm a fault."""
    alerts_kept: int = 64
    signs_kept: int = 32
    severity_weights: tuple[int, int, int] = (1, 3, 6)
    """info, warning, critical: two warnings weigh as much as one critical alert, three infos as one warning."""

    def weight(self, severity: str) -> int:
        return self.severity_weights[Severity(severity).rank]


class CauseBook(Stateful):
    """The recent facts of one call that alerts are explained by."""

    STATE = ("alerts", "signs")

    def __init__(self, settings: CauseSettings = CauseSettings()) -> None:
        self.settings = settings
        self.alerts: dict[str, Record] = {}
        self.signs: dict[str, tuple[str, str | None, float, int, int]] = {}

    def see(self, measure: Measure, now_ms: int) -> None:
        """Remember a measure of `SIGN_METRICS` that is not zero."""
        if measure.value <= 0:
            return
        party = measure.party.value if measure.party else None
        key = f"{measure.metric}:{party or ''}"
        self.signs.pop(key, None)
        self.signs[key] = (measure.metric, party, measure.value, measure.since_ms, now_ms)
        if len(self.signs) > self.settings.signs_kept:
            del self.signs[next(iter(self.signs))]

    def note_alert(self, alert: Record) -> None:
        """Remember an alert of this call, of either stage; a later revision replaces an earlier one."""
        known = self.alerts.get(alert["alert_id"])
        if known is not None and known["revision"] >= alert["revision"]:
            return
        kept = ("alert_id", "revision", "rule_id", "party", "onset_ms", "cleared_ms", "severity")
        self.alerts[alert["alert_id"]] = {
            **{key: alert[key] for key in kept},
            "metric": alert["evidence"]["metric"],
            "value": alert["evidence"]["value"],
            "verdict": alert["cause"]["verdict"],
        }
        if len(self.alerts) > self.settings.alerts_kept:
            closed = [key for key, item in self.alerts.items() if item["cleared_ms"] is not None]
            del self.alerts[(closed or list(self.alerts))[0]]

    def judge(
        self, declared: Cause, metric: str, onset_ms: int, value: float, detail: Mapping[str, Any] | None, own_id: str
    ) -> Record:
        """The cause of an alert as of now: `{verdict, for: [fact], against: [fact]}`."""
        from_ms = onset_ms - self.settings.look_back_ms
        near = [
            item
            for key, item in self.alerts.items()
            if key != own_id and (item["cleared_ms"] is None or item["cleared_ms"] >= from_ms)
        ]
        losses = [_alert_fact(item) for item in near if item["metric"] in LOSS_METRICS]
        spoils = [_alert_fact(item) for item in near if item["metric"] in SPOILING_METRICS]
        signs = {item[0]: item for item in self.signs.values() if item[4] >= from_ms}
        slight = [_sign_fact(signs[name]) for name in ("dropouts_10s", "gap_ms_30s") if name in signs and not losses]
        own = _fact("measure", metric, None, value, onset_ms, *_SIGNS.get(metric, _OWN[declared]))
        if known_metric(metric).derived and declared is not Cause.TECHNOLOGY:
            return _weighed(near, self.settings)
        if declared is Cause.TECHNOLOGY:
            return self._technology(own, metric, losses + spoils + slight, signs)
        if declared is Cause.PROCESS:
            return _cause(Cause.PROCESS, [own, *_waiting(signs)], losses)
        excuse = [own] if declared is Cause.HUMAN else []
        if losses:
            return _cause(Cause.TECHNOLOGY, losses + spoils, excuse)
        if spoils and metric in HEARING_METRICS:
            return _cause(Cause.TECHNOLOGY, spoils + slight, excuse)
        if metric == "mutual_silence_ms":
            return _silence(signs, detail, onset_ms, spoils + slight)
        if declared is Cause.HUMAN:
            clean = [] if slight or spoils else [_fact("absence", "loss", None, 0, onset_ms, *_NO_LOSS)]
            return _cause(Cause.HUMAN, [own, *clean], spoils + slight)
        return _cause(Cause.UNKNOWN, [], spoils + slight)

    def _technology(self, own: Record, metric: str, others: list[Record], signs: Mapping[str, Any]) -> Record:
        against: list[Record] = []
        if metric.startswith("phrase.") and not others:
            against.append(_fact("absence", "loss", None, 0, own["from_ms"], *_NO_LOSS))
        if "hold_ms" in signs:
            against.append(_sign_fact(signs["hold_ms"]))
        return _cause(Cause.TECHNOLOGY, [own, *others], against)


def call_cause(alerts: Iterable[Record], settings: CauseSettings = CauseSettings()) -> Record:
    """The cause of a whole call from its alert records (any order, any revisions).

    Technology wins wherever an alert of `LOSS_METRICS` was at least a warning; else the verdict whose alerts weigh
    most, a known one before unknown at equal weight. Without alerts the verdict is "none".
    """
    latest: dict[str, Record] = {}
    for alert in alerts:
        known = latest.get(alert["alert_id"])
        if known is None or known["revision"] < alert["revision"]:
            latest[alert["alert_id"]] = alert
    items = [
        {
            **{key: alert[key] for key in ("alert_id", "rule_id", "party", "onset_ms", "severity")},
            "metric": alert["evidence"]["metric"],
            "value": alert["evidence"]["value"],
            "verdict": alert["cause"]["verdict"],
        }
        for alert in latest.values()
    ]
    items.sort(key=lambda item: (item["onset_ms"], item["alert_id"]))
    if not items:
        return {"verdict": NO_TROUBLE, "for": [], "against": []}
    return _weighed(items, settings)


def _weighed(items: list[Record], settings: CauseSettings) -> Record:
    items = [item for item in items if not known_metric(item["metric"]).derived]
    order = [str(cause) for cause in Cause]
    weights = dict.fromkeys(order, 0)
    for item in items:
        weights[item["verdict"]] += settings.weight(item["severity"])
    lost = any(item["metric"] in LOSS_METRICS and item["severity"] != Severity.INFO for item in items)
    best = max(order, key=lambda verdict: (weights[verdict], -order.index(verdict)))
    verdict = Cause.TECHNOLOGY if lost else Cause(best if items else "unknown")
    for_ = [_alert_fact(item) for item in items if item["verdict"] == verdict]
    against = [_alert_fact(item) for item in items if item["verdict"] not in (verdict, Cause.UNKNOWN)]
    return _cause(verdict, for_, against)


def _silence(signs: Mapping[str, Any], detail: Mapping[str, Any] | None, onset_ms: int, doubts: list[Record]) -> Record:
    """Nobody speaks and no audio is known lost: whose turn was it, and was a wait announced?"""
    waiting = _waiting(signs)
    last = (detail or {}).get("last_party")
    if waiting:
        return _cause(Cause.PROCESS, waiting, doubts)
    if last == "customer":
        return _cause(Cause.HUMAN, [_fact("turn", "last_party", "customer", None, onset_ms, *_AGENT_OWES)], doubts)
    against = [_fact("turn", "last_party", "agent", None, onset_ms, *_CUSTOMER_OWES)] if last == "agent" else []
    return _cause(Cause.UNKNOWN, [], against + doubts)


def _waiting(signs: Mapping[str, Any]) -> list[Record]:
    names = ("phrase.waiting", "phrase.transfer", "hold_music_ms")
    return [_sign_fact(signs[name]) for name in names if name in signs]


def _cause(verdict: Cause, for_: list[Record], against: list[Record]) -> Record:
    return {"verdict": verdict.value, "for": for_, "against": against}


_OWN = {
    Cause.TECHNOLOGY: ("the measure itself is one of the line", "la mesure elle-même est celle de la ligne"),
    Cause.HUMAN: ("the measure is one of how people talk", "la mesure porte sur la façon de parler"),
    Cause.PROCESS: ("the rule takes this for a matter of process", "la règle y voit une affaire de processus"),
    Cause.UNKNOWN: ("the rule declares no cause", "la règle ne déclare aucune cause"),
}
_NO_LOSS = ("no fault of the line was measured", "aucun défaut de la ligne n'a été mesuré")
_AGENT_OWES = ("the customer spoke last", "le client a parlé en dernier")
_CUSTOMER_OWES = ("the agent spoke last and awaits an answer", "l'agent a parlé en dernier et attend une réponse")
_SIGNS = {
    "dropouts_10s": ("a few holes in the speech", "quelques trous dans la parole"),
    "gap_ms_30s": ("some audio never arrived", "une partie de l'audio n'est jamais arrivée"),
    "hold_ms": ("the call was on hold", "l'appel était en attente"),
    "hold_music_ms": ("music was on the line", "de la musique passait sur la ligne"),
    "phrase.waiting": ("a wait was announced", "une attente a été annoncée"),
    "phrase.transfer": ("a transfer was announced", "un transfert a été annoncé"),
    "phrase.hearing_trouble": ("somebody said they hear badly", "quelqu'un a dit mal entendre"),
}


def _fact(
    kind: str, name: str, party: str | None, value: float | None, from_ms: int, english: str, french: str
) -> Record:
    text = {"en": english, "fr": french}
    return {"kind": kind, "name": name, "party": party, "value": value, "from_ms": max(0, from_ms), "text": text}


def _alert_fact(item: Record) -> Record:
    english, french = f"the alert {item['rule_id']}", f"l'alerte {item['rule_id']}"
    fact = _fact("alert", item["rule_id"], item["party"], item["value"], item["onset_ms"], english, french)
    return {**fact, "alert_id": item["alert_id"]}


def _sign_fact(sign: tuple[str, str | None, float, int, int]) -> Record:
    metric, party, value, since_ms, _ = sign
    return _fact("measure", metric, party, value, since_ms, *_SIGNS[metric])
