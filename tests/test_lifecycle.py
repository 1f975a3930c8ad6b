"""The table of an alert's life."""

from __future__ import annotations

import pytest

from streams.alerts.lifecycle import PUBLISHED, TABLE, Phase, Step, after


def test_every_phase_can_be_left_and_reached() -> None:
    assert {phase for phase, _ in TABLE} == set(Phase) == set(TABLE.values())


def test_every_step_is_used_and_nothing_else_moves_an_alert() -> None:
    assert {step for _, step in TABLE} == set(Step)
    for phase in Phase:
        for step in Step:
            if (phase, step) in TABLE:
                assert after(phase, step) is TABLE[phase, step]
            else:
                with pytest.raises(ValueError, match="cannot follow"):
                    after(phase, step)


def test_only_a_completed_condition_opens_an_alert_and_only_clearing_closes_it() -> None:
    assert [key for key, phase in TABLE.items() if phase is Phase.RAISED] == [
        (Phase.PENDING, Step.COMPLETED),
        (Phase.CLEARING, Step.RELAPSED),
    ]
    assert [key for key, phase in TABLE.items() if phase is Phase.COOLDOWN] == [(Phase.CLEARING, Step.CLEARED)]
    assert set(PUBLISHED.values()) == {"raised", "escalated", "cleared"}
