"""Rows of the store as the API's objects, and what follows from a call's measurements for its timeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from streams.spans import overlaps, silences

Row = Mapping[Any, Any]
"""A row of the store, by column name."""
View = dict[str, Any]
STALE_MS = 120_000
"""A call of which nothing is heard for so long is no longer shown as live; its end may still come."""


def is_live(call: Row, now_ms: int) -> bool:
    return call["ended_at"] is None and call["seen_at"] > now_ms - STALE_MS


def health_of(call: Row) -> float | None:
    """None where nobody watched: nothing was lost because nothing was seen."""
    return None if call["coverage"] == "unmonitored" else call["health"]


def call_view(call: Row, now_ms: int) -> View:
    return {
        "call_id": call["call_id"],
        "tenant": call["tenant"],
        "agent": call["agent"],
        "queue": call["queue"],
        "site": call["site"],
        "trunk": call["trunk"],
        "language": call["language"],
        "attributes": call["attributes"] or {},
        "started_at": call["started_at"],
        "first_at": call["first_at"],
        "ended_at": call["ended_at"],
        "live": is_live(call, now_ms),
        "duration_ms": call["duration_ms"],
        "health": health_of(call),
        "coverage": call["coverage"],
        "cause": call["cause"],
        "alerts": {name: call[name] for name in ("critical", "warning", "info")},
        "changed": call["changed"],
    }


def alert_view(alert: Row, call: Row | None, clip: View, now_ms: int) -> View:
    """The newest revision of an alert, what supervisors did about it, and the call around it."""
    dismissed = None
    if alert["dismissed_at"] is not None:
        dismissed = {"by": alert["dismissed_by"], "reason": alert["dismissed_reason"], "at": alert["dismissed_at"]}
    return {
        **alert["record"],
        **{name: alert[name] for name in ("agent", "queue", "site", "trunk", "language")},
        "onset_at": alert["onset_at"],
        "raised_at": alert["raised_at"],
        "changed": alert["changed"],
        "live": call is not None and is_live(call, now_ms),
        "health": None if call is None else health_of(call),
        "feedback": {
            "acknowledged_by": alert["acknowledged_by"],
            "acknowledged_at": alert["acknowledged_at"],
            "assigned_to": alert["assigned_to"],
            "assigned_by": alert["assigned_by"],
            "assigned_at": alert["assigned_at"],
            "snoozed_until_at": alert["snoozed_until_at"],
            "dismissed": dismissed,
            "notes": alert["notes"],
        },
        "clip": clip,
    }


def without_words(record: Mapping[str, Any]) -> dict[str, Any]:
    """An alert without what was said: its messages quote the words, its evidence holds them."""
    evidence = dict(record["evidence"])
    if not evidence.get("words"):
        return dict(record)
    title = record.get("title") or record["rule_id"]
    evidence |= {"words": [], "detail": {}}
    return {**record, "evidence": evidence, "message": dict.fromkeys(record["message"], title)}


def timeline_of(measurements: Iterable[Mapping[str, Any]]) -> View:
    """Speech, levels, overlap, silence and hold of a call from its measurements, in the order of `seq`."""
    speech: dict[str, list[list[int]]] = {"agent": [], "customer": []}
    levels: dict[str, list[float | None]] = {"agent": [], "customer": []}
    hold: list[list[int]] = []
    end_ms = 0
    for measurement in measurements:
        for party in ("agent", "customer"):
            speech[party] += [list(span) for span in measurement.get("speech", {}).get(party, ())]
            levels[party].append(measurement["parties"][party]["level_dbov"])
        if measurement["hold"]:
            _joined(hold, measurement["start_ms"], measurement["end_ms"])
        end_ms = max(end_ms, measurement["end_ms"])
    for spans in speech.values():
        spans.sort()
    parties = {party: {"speech": speech[party], "level_dbov": levels[party]} for party in speech}
    return {
        "step_ms": 1000,
        **parties,
        "overlap": overlaps(speech["agent"], speech["customer"]),
        "silence": silences([*speech["agent"], *speech["customer"], *hold], end_ms),
        "hold": hold,
    }


def sentiment_of(utterances: Iterable[Mapping[str, Any]]) -> View:
    course: dict[str, list[View]] = {"agent": [], "customer": []}
    for utterance in utterances:
        score = (utterance.get("sentiment") or {}).get("score")
        if score is not None and utterance["party"] in course:
            course[utterance["party"]].append({"at_ms": utterance["end_ms"], "score": score})
    return course


def _joined(spans: list[list[int]], from_ms: int, to_ms: int) -> None:
    if spans and from_ms <= spans[-1][1]:
        spans[-1][1] = to_ms
    else:
        spans.append([from_ms, to_ms])
