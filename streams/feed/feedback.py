"""What supervisors do about alerts: records of calls.feedback, and what they make of an alert together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from audio.errors import VigieError
from streams.events import Record

VERBS = {
    "acknowledge": "acknowledged",
    "unacknowledge": "reopened",
    "assign": "assigned",
    "unassign": "assigned",
    "snooze": "snoozed",
    "dismiss": "dismissed",
    "note": "noted",
    "reopen": "reopened",
}
SNOOZE_MINUTES_MAX = 24 * 60
TEXT_MAX = 2_000
CLEAN: dict[str, Any] = {
    "acknowledged_by": None,
    "acknowledged_at": None,
    "assigned_to": None,
    "assigned_by": None,
    "assigned_at": None,
    "snoozed_until_at": None,
    "dismissed_by": None,
    "dismissed_reason": None,
    "dismissed_at": None,
}
KEPT = ("assigned_to", "assigned_by", "assigned_at")
"""What stays when an alert is reopened."""


def feedback_record(
    verb: str, alert: Mapping[str, Any], by: str, now: datetime, feedback_id: str, asked: Mapping[str, Any]
) -> Record:
    """The record of one action on an alert (a row of the store); `now` in UTC.

    Args:
        asked: what came with the action: `to`, `minutes`, `reason`, `text`, `right`.

    Raises:
        VigieError: the action lacks what it needs.
    """
    action = VERBS[verb]
    record: Record = {
        "feedback_id": feedback_id,
        "alert_id": alert["alert_id"],
        "call_id": alert["call_id"],
        "action": action,
        "by": by,
        "at": now.astimezone(UTC).isoformat(timespec="milliseconds"),
        "revision": alert["revision"],
        "rule_id": alert["rule_id"],
        "queue": alert["queue"],
        "site": alert["site"],
        "tenant": alert["record"].get("tenant", "default"),
    }
    if asked.get("right") is not None:
        record["right"] = bool(asked["right"])
    if verb == "unassign":
        if not alert["assigned_to"]:
            raise VigieError("it is assigned to nobody", remedy="Nothing needs to be done", field="assigned_to")
        # A reader of the schema's first version knows no such thing, and finds a name where it looks for one.
        record |= {"assigned_to": alert["assigned_to"], "unassigned": True}
    elif action == "assigned":
        record["assigned_to"] = _text(asked, "to", "Say to whom")
    elif action == "snoozed":
        minutes = asked.get("minutes") or 0
        if not 0 < minutes <= SNOOZE_MINUTES_MAX:
            raise VigieError("it needs a time", remedy=f"Give 1 to {SNOOZE_MINUTES_MAX} minutes", field="minutes")
        until = now.astimezone(UTC) + timedelta(minutes=minutes)
        record["snoozed_until"] = until.isoformat(timespec="milliseconds")
    elif action == "dismissed":
        record["reason"] = _text(asked, "reason", "Say why: false alarm, known, handled …")
    elif action == "noted":
        record["note"] = _text(asked, "text", "Write the note")
    return record


def taken_by(verb: str, alert: Mapping[str, Any]) -> str | None:
    """Who was there first, where an action comes too late to be what its sender meant; None: it does not."""
    if verb == "acknowledge":
        found = alert["acknowledged_by"]
    elif verb in ("dismiss", "unacknowledge"):
        # To give an alert back is to open it again: not what a colleague has dismissed meanwhile.
        found = alert["dismissed_by"]
    else:
        found = None
    return None if found is None else str(found)


def applied(records: Iterable[Record]) -> dict[str, Any]:
    """The columns of an alert that follow from all its feedback, in the order of the topic."""
    out: dict[str, Any] = {**CLEAN, "notes": []}
    for record in records:
        at = _ms(record["at"])
        match record["action"]:
            case "acknowledged" if out["acknowledged_at"] is None:
                # Of two at once, the first on the topic has it.
                out |= {"acknowledged_by": record["by"], "acknowledged_at": at}
            case "assigned":
                to = None if record.get("unassigned") else record["assigned_to"]
                out |= {"assigned_to": to, "assigned_by": record["by"], "assigned_at": at}
            case "snoozed":
                out["snoozed_until_at"] = _ms(record["snoozed_until"])
            case "dismissed" if out["dismissed_at"] is None:
                out |= {"dismissed_by": record["by"], "dismissed_reason": record["reason"], "dismissed_at": at}
            case "noted":
                out["notes"] = [*out["notes"], {"by": record["by"], "at": at, "text": record["note"]}]
            case "reopened":
                # What was noted stays too.
                out |= {name: None for name in CLEAN if name not in KEPT}
    return out


def _text(asked: Mapping[str, Any], name: str, remedy: str) -> str:
    text = (asked.get(name) or "").strip()
    if not text:
        raise VigieError("it is missing", remedy=remedy, field=name)
    if len(text) > TEXT_MAX:
        raise VigieError("it is too long", remedy=f"Use at most {TEXT_MAX} characters", field=name)
    return str(text)


def _ms(text: str) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
