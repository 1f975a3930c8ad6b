"""Records of calls for tests of the feed: small, and valid by their schemas (a test holds that)."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
T0 = 1_790_000_000_000
"""A wall clock for tests, in Unix milliseconds."""


def info(call_id: str, **place: Any) -> Record:
    return {
        "call_id": call_id,
        "tenant": "default",
        "agent": "fatima",
        "queue": "billing",
        "site": "rabat",
        "trunk": "sip-4",
        "language": "fr",
        "started_at": "2026-09-21T10:00:00+00:00",
        "pace": "live",
        "mono": False,
        "attributes": {},
        **place,
    }


def measurement(call_id: str, seq: int, *, last: bool = False, hold: bool = False, **place: Any) -> Record:
    start, end = seq * 1000, (seq + 1) * 1000
    leg = {"level_dbov": -26.0, "speech_ms": 500}
    record: Record = {
        "call_id": call_id,
        "seq": seq,
        "start_ms": start,
        "end_ms": end,
        "parties": {"agent": dict(leg), "customer": {"level_dbov": None, "speech_ms": 0}},
        "overlap_ms": 0,
        "silence_ms": 500,
        "hold": hold,
        "utterances": [],
        "speech": {"agent": [[start, start + 500]], "customer": []},
        "gaps": [],
        "alerts": [],
        "last": last,
    }
    if last:
        record["end"] = {"reason": "ended", "totals": {"duration_ms": end, "vad": "silero"}}
    if seq == 0:
        record["call"] = info(call_id, **place)
    return record


def alert(call_id: str, alert_id: str = "a1", revision: int = 1, **changes: Any) -> Record:
    state = changes.get("state", "raised")
    return {
        "alert_id": alert_id,
        "revision": revision,
        "call_id": call_id,
        "tenant": "default",
        "rule_id": "dead-air",
        "rule_version": "1",
        "title": "Dead air",
        "state": state,
        "severity": "warning",
        "party": "both",
        "onset_ms": 2_000,
        "raised_ms": 12_000,
        "changed_ms": 12_000 + 1_000 * (revision - 1),
        "cleared_ms": 12_000 + 1_000 * (revision - 1) if state == "cleared" else None,
        "cause": {"verdict": "human", "for": [], "against": []},
        "evidence": {
            "metric": "mutual_silence_ms",
            "unit": "ms",
            "value": 10_000,
            "threshold": 10_000,
            "window_ms": 10_000,
            "words": [],
            "audio": {"from_ms": 2_000, "to_ms": 13_000},
            "detail": {},
        },
        "message": {"en": "Nobody has spoken for 10 s.", "fr": "Personne ne parle depuis 10 s."},
        "agent": "fatima",
        "queue": "billing",
        "site": "rabat",
        "trunk": "sip-4",
        "language": "fr",
        **changes,
    }


def utterance(call_id: str, number: int, text: str, party: str = "customer", **changes: Any) -> Record:
    start = 1_000 * number
    return {
        "call_id": call_id,
        "utterance_id": f"{call_id}:{party[0]}{number}",
        "party": party,
        "start_ms": start,
        "end_ms": start + 900,
        "text": text,
        "language": "fr",
        "confidence": 0.9,
        "final": True,
        "state": "final",
        "reason": None,
        "words": [],
        "redactions": [],
        "sentiment": {"score": -0.5, "confidence": 0.8, "because": []},
        "phrases": [],
        **changes,
    }


def summary(call_id: str, seconds: int, *, health: float = 92.0, coverage: str = "monitored") -> Record:
    hole = {"from_ms": 1_000, "to_ms": 3_000, "party": "both", "reason": "audio_gap"}
    return {
        "call_id": call_id,
        "duration_ms": seconds * 1000,
        "agent_talk_ms": 500 * seconds,
        "customer_talk_ms": 0,
        "overlap_ms": 0,
        "silence_ms": 500 * seconds,
        "hold_ms": 0,
        "talk_ratio": 1.0,
        "interruptions_agent": 0,
        "interruptions_customer": 0,
        "health": health,
        "health_lost": [{"points": round(100 - health, 1), "alert_id": "a1", "rule_id": "dead-air", "party": "both",
                         "why": {"en": "Nobody has spoken"}}] if health < 100 else [],
        "coverage": {"state": coverage, "intervals": [] if coverage == "monitored" else [hole]},
        "cause": {"verdict": "human", "for": [], "against": []},
        "alerts": ["a1"] if health < 100 else [],
        "sentiment": {"agent": [], "customer": [[3_900, -0.5]]},
        "mono": False,
        "models": {"transcriber": "none"},
        "agent": "fatima",
        "queue": "billing",
        "site": "rabat",
        "trunk": "sip-4",
        "language": "fr",
        "started_at": "2026-09-21T10:00:00+00:00",
    }  # fmt: skip


def feedback(alert_id: str, call_id: str, action: str, number: int = 1, **changes: Any) -> Record:
    needed = {
        "assigned": {"assigned_to": "amina"},
        "dismissed": {"reason": "known"},
        "noted": {"note": "called back"},
        "snoozed": {"snoozed_until": "2026-09-22T14:13:20+00:00"},
    }
    return {
        "feedback_id": f"f-{alert_id}-{number}",
        "alert_id": alert_id,
        "call_id": call_id,
        "action": action,
        "by": "amina",
        "at": f"2026-09-21T15:{number % 60:02}:00.000+00:00",
        **needed.get(action, {}),
        **changes,
    }


def whole_call(call_id: str, seconds: int = 15, **place: Any) -> list[tuple[str, Record]]:
    """Everything that a call with one alert leaves, in an order that live would give."""
    own = {name: value for name, value in place.items() if name in ("agent", "queue", "site", "trunk", "language")}
    raised = alert(call_id, f"{call_id}-a1", **own)
    cleared = alert(call_id, f"{call_id}-a1", 2, state="cleared", **own)
    out: list[tuple[str, Record]] = [("measurements", measurement(call_id, 0, **place))]
    out += [("measurements", measurement(call_id, seq)) for seq in range(1, 12)]
    out += [("utterances", utterance(call_id, 3, "je veux parler à un responsable"))]
    out += [("alerts", raised)]
    out += [("measurements", measurement(call_id, seq, last=seq == seconds - 1)) for seq in range(12, seconds)]
    out += [("alerts", cleared), ("summaries", {**summary(call_id, seconds), **own, "alerts": [f"{call_id}-a1"]})]
    return out
