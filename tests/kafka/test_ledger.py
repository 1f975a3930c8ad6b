"""The offset ledger against a plain model: whatever the order of work, it never commits past what is unfinished."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from streams.kafka.ledger import Ledger


class Model:
    """The same, told the slow way: every offset that came, and whether its work is done."""

    def __init__(self) -> None:
        self.work: dict[int, bool] = {}

    def committable(self) -> int | None:
        unfinished = [offset for offset, done in self.work.items() if not done]
        if unfinished:
            return min(unfinished)
        return max(self.work) + 1 if self.work else None


def run(seed: int, steps: int) -> None:
    """A broker, a worker that finishes things in any order, revocations, crashes and holes in the offsets."""
    rng = random.Random(seed)
    log = sorted(rng.sample(range(steps * 3), steps))  # the offsets that exist: holes anywhere
    committed, lost = 0, 0
    finished_ever: set[int] = set()
    ledger, model = Ledger(), Model()
    position = 0
    for _ in range(steps * 4):
        match rng.choice(("fetch", "fetch", "finish", "finish", "strange", "again", "commit", "revoke")):
            case "fetch" if position < len(log):
                offset = log[position]
                position += 1
                assert ledger.see(offset)
                model.work[offset] = False
            case "finish" if model.work:
                chosen = rng.sample(sorted(model.work), rng.randint(1, min(5, len(model.work))))
                ledger.finish(chosen)
                for offset in chosen:
                    model.work[offset] = True
                    finished_ever.add(offset)
            case "strange":  # never came, came before this assignment, or lies in a hole
                ledger.finish([rng.randrange(-5, steps * 3 + 5) for _ in range(2) if not model.work])
            case "again" if model.work:
                assert not ledger.see(rng.choice(sorted(model.work)))
            case "commit":
                offset_or_none = ledger.committable
                if offset_or_none is not None:
                    assert offset_or_none >= committed, "a commit never goes back"
                    committed = offset_or_none
            case "revoke":  # or a crash: the state is gone, and the broker starts again from the commit
                ledger, model = Ledger(), Model()
                position = sum(1 for offset in log if offset < committed)
                lost += 1
        assert ledger.committable == model.committable()
        assert ledger.unfinished == sum(not done for done in model.work.values())
        assert all(offset in finished_ever for offset in log if offset < committed), "committed past unfinished work"
    for offset in log[position:]:
        ledger.see(offset)
        model.work[offset] = False
    ledger.finish(offset for offset, done in model.work.items() if not done)
    assert ledger.unfinished == 0
    if model.work:
        assert ledger.committable == log[-1] + 1, "with everything done, everything is committable"


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
@settings(max_examples=300, deadline=None, print_blob=True)
def test_it_never_commits_past_unfinished_work_and_never_stops_for_good(seed: int, steps: int) -> None:
    note(f"seed {seed}, steps {steps}")
    run(seed, steps)


def test_before_anything_has_come_there_is_nothing_to_commit() -> None:
    ledger = Ledger()
    ledger.finish([3, 4])
    assert ledger.committable is None


def test_the_head_is_kept_while_later_ones_are_done() -> None:
    ledger = Ledger()
    for offset in (10, 11, 12):
        ledger.see(offset)
    ledger.finish([11, 12])
    assert ledger.committable == 10  # where Faust commits 13
    ledger.finish([10])
    assert ledger.committable == 13


@pytest.mark.parametrize("hole", [1, 1000])
def test_a_hole_stops_nothing(hole: int) -> None:
    ledger = Ledger()
    ledger.see(5)
    ledger.see(5 + hole + 1)
    ledger.finish([5])
    assert ledger.committable == 5 + hole + 1
    ledger.finish([5 + hole + 1])
    assert ledger.committable == 5 + hole + 2
