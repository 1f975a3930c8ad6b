"""The sound of an alert, from the folder of clips that the evidence role (or a demonstration) cuts into."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from audio.errors import VigieError
from streams.feed.views import Row, View
from streams.kafka.clips import ClipFolder

NONE: View = {"state": "none", "parties": [], "from_ms": None, "to_ms": None, "muted": []}
TYPES = {"ogg": "audio/ogg", "wav": "audio/wav"}
PENDING_S_MAX = 120.0
"""A clip that has not come by then will not."""


@dataclass(frozen=True, slots=True)
class Sound:
    data: bytes
    media_type: str


class Clips(Protocol):
    """Where clips come from. An alert is a row of the store."""

    def describe(self, alert: Row) -> View:
        """`{state: none|pending|ready|expired, parties, from_ms, to_ms, muted}`."""
        ...

    def sound(self, alert: Row, party: str) -> Sound | None:
        """The sound of `agent`, `customer` or `both`; None: there is none (any more)."""
        ...


class NoClips:
    def describe(self, alert: Row) -> View:  # noqa: ARG002
        return NONE

    def sound(self, alert: Row, party: str) -> Sound | None:  # noqa: ARG002
        return None


class FolderClips:
    """Clips that the evidence role has cut into a folder that this machine sees too."""

    def __init__(self, folder: Path) -> None:
        """Raises VigieError where the folder cannot be read."""
        if not folder.is_dir():
            raise VigieError(f"no folder at {folder}", remedy="Name the workers' --evidence folder", field="evidence")
        self._folder = ClipFolder.looking(folder)

    def describe(self, alert: Row) -> View:
        told = self._told(alert)
        if told is None:
            audio = alert["record"]["evidence"].get("audio")
            waiting = audio is not None and alert["raised_at"] / 1000 > time.time() - PENDING_S_MAX
            return {**NONE, "state": "pending"} if waiting else NONE
        if told["state"] != "cut":
            return {**NONE, "state": "none"}
        if datetime.fromisoformat(told["expires_at"]).timestamp() < time.time():
            return {**NONE, "state": "expired"}
        parties = sorted({file.partition(".")[0] for file in told["files"]} & {"agent", "customer"})
        muted = [[span["from_ms"], span["to_ms"], span["party"]] for span in told["muted"]]
        return {
            "state": "ready",
            "parties": parties,
            "from_ms": told["from_ms"],
            "to_ms": told["to_ms"],
            "muted": muted,
        }

    def sound(self, alert: Row, party: str) -> Sound | None:
        told = self._told(alert)
        if told is None or self.describe(alert)["state"] != "ready":
            return None
        for kind, media_type in TYPES.items():
            ending = kind if party == "both" else f"{party}.{kind}"
            if ending in told["files"]:
                path = self._folder.path(alert["call_id"], alert["alert_id"], told["revision"], ending)
                try:
                    return Sound(path.read_bytes(), media_type)
                except OSError:
                    return None  # it has just expired
        return None

    def _told(self, alert: Row) -> Any:
        """What is written of the newest revision that has been cut."""
        for revision in range(alert["revision"], 0, -1):
            path = self._folder.path(alert["call_id"], alert["alert_id"], revision, "json")
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
        return None
