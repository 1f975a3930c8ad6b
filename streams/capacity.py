"""Whether a machine carries the calls that it is given: what `vigie bench asr --out` measured, against what is asked of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from audio.errors import VigieError


@dataclass(frozen=True, slots=True)
class Capacity:
    """Live calls that one machine's transcriber carries with a model, at a p95 of the final text's latency."""

    model: str
    device: str
    calls: int
    p95_s: float


def load_capacity(path: Path | None) -> Capacity | None:
    """What `vigie bench asr --out` wrote; None: it was not measured.

    Raises:
        VigieError: the file cannot be read, or is none of those.
    """
    if path is None:
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Capacity(str(record["model"]), str(record["device"]), int(record["calls"]), float(record["p95_s"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VigieError(
            f"this is no measured capacity ({type(error).__name__})",
            remedy="Write it with `vigie bench asr --model NAME --out FILE`",
            where=str(path),
            field="capacity",
        ) from None


def doubt(capacity: Capacity | None, model: str, calls_planned: int) -> str | None:
    """What to warn of before a worker starts; None: nothing is known to be wrong."""
    if capacity is None:
        return None
    if capacity.model != model and Path(model).name != capacity.model:
        return (
            f"the capacity was measured with {capacity.model}, not with {model}: measure again with `vigie bench asr`"
        )
    if calls_planned > capacity.calls:
        return (
            f"{calls_planned} calls are planned, and this machine was measured to carry {capacity.calls} with {model} "
            f"at a p95 of {capacity.p95_s:g} s: utterances will be given up. Add machines, or take a smaller model"
        )
    return None


class Admission:
    """Watches the calls under way; warns once each time they go beyond what was measured."""

    AGAIN_SHARE = 0.9
    """Warns anew only after the calls have been under this share of the capacity."""

    def __init__(self, capacity: Capacity | None) -> None:
        self.capacity = capacity
        self._over = False

    def look(self, calls: int) -> str | None:
        """What to say of so many calls; None: nothing, or it was said."""
        if self.capacity is None:
            return None
        if calls <= self.capacity.calls:
            self._over = self._over and calls > self.capacity.calls * self.AGAIN_SHARE
            return None
        if self._over:
            return None
        self._over = True
        return f"{calls} calls are under way, and this machine was measured to carry {self.capacity.calls}"
