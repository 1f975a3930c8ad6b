"""The life of an alert, as a table: what may happen in which state, and what follows. Nothing else moves an alert.

idle ─started─▶ pending ─completed─▶ raised ─worsened─▶ escalated
  ▲               │ stopped            │ recovering        │ recovering
  │◀──────────────┘                    ▼                   ▼
  └──rested── cooldown ◀──cleared── clearing ──relapsed──▶ raised or escalated, whichever it was
"""

from __future__ import annotations

from enum import StrEnum

from audio.state import record


@record
class Phase(StrEnum):
    IDLE = "idle"
    PENDING = "pending"
    """The threshold is met, the minimum duration or number of times not yet."""
    RAISED = "raised"
    ESCALATED = "escalated"
    CLEARING = "clearing"
    """The clear threshold is met, for less than `clear_after_ms`."""
    COOLDOWN = "cooldown"


class Step(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"
    COMPLETED = "completed"
    WORSENED = "worsened"
    RECOVERING = "recovering"
    RELAPSED = "relapsed"
    RELAPSED_ESCALATED = "relapsed_escalated"
    CLEARED = "cleared"
    RESTED = "rested"


TABLE: dict[tuple[Phase, Step], Phase] = {
    (Phase.IDLE, Step.STARTED): Phase.PENDING,
    (Phase.PENDING, Step.STOPPED): Phase.IDLE,
    (Phase.PENDING, Step.COMPLETED): Phase.RAISED,
    (Phase.RAISED, Step.WORSENED): Phase.ESCALATED,
    (Phase.RAISED, Step.RECOVERING): Phase.CLEARING,
    (Phase.ESCALATED, Step.WORSENED): Phase.ESCALATED,
    (Phase.ESCALATED, Step.RECOVERING): Phase.CLEARING,
    (Phase.CLEARING, Step.RELAPSED): Phase.RAISED,
    (Phase.CLEARING, Step.RELAPSED_ESCALATED): Phase.ESCALATED,
    (Phase.CLEARING, Step.CLEARED): Phase.COOLDOWN,
    (Phase.COOLDOWN, Step.RESTED): Phase.IDLE,
}

PUBLISHED: dict[Step, str] = {Step.COMPLETED: "raised", Step.WORSENED: "escalated", Step.CLEARED: "cleared"}
"""The steps that leave a record, and the state that it carries; the others are nobody's business."""

OPEN = frozenset({Phase.RAISED, Phase.ESCALATED, Phase.CLEARING})


def after(phase: Phase, step: Step) -> Phase:
    """The phase that follows.

    Raises:
        ValueError: the step cannot happen in this phase (a fault of ours, never of an input).
    """
    try:
        return TABLE[phase, step]
    except KeyError:
        raise ValueError(f"{step} cannot follow {phase}") from None
