"""The coverage ledger: sorted, merged, and never silent."""

from __future__ import annotations

import random

import pytest

from audio.chunk import Party
from audio.errors import VigieError
from audio.state import pack, unpack
from streams.alerts.coverage import Coverage, CoverageSettings, Reason

A, C = Party.AGENT, Party.CUSTOMER


def test_a_call_without_loss_is_monitored_and_one_without_time_is_not() -> None:
    assert Coverage().result(1000) == {"state": "monitored", "intervals": []}
    assert Coverage().result(0)["state"] == "unmonitored"


@pytest.mark.parametrize(("lost_ms", "state"), [(97_999, "partial"), (98_000, "unmonitored"), (200_000, "unmonitored")])
def test_a_call_of_which_next_to_nothing_was_watched_is_unmonitored(lost_ms: int, state: str) -> None:
    coverage = Coverage()
    coverage.lost(None, 0, lost_ms, Reason.AUDIO_LOST)
    assert coverage.result(100_000)["state"] == state


def test_one_leg_or_lost_words_leave_a_call_partial() -> None:
    for party, reason in ((A, Reason.AUDIO_LOST), (None, Reason.WORDS_GIVEN_UP)):
        coverage = Coverage()
        coverage.lost(party, 0, 1000, reason)
        assert coverage.result(1000)["state"] == "partial"


def test_intervals_are_joined_clamped_and_sorted_in_any_order() -> None:
    told = [(C, 500, 600), (A, 100, 200), (A, 200, 300), (A, 150, 250), (C, 100, 300), (A, 900, 5000), (A, 7, 7)]
    results = set()
    for seed in range(5):
        coverage = Coverage()
        random.Random(seed).shuffle(told)
        for party, start, end in told:
            coverage.lost(party, start, end, Reason.AUDIO_LATE)
        results.add(str(coverage.result(1000)["intervals"]))
        assert coverage.lost_ms(0, 1000) == 200
        assert coverage.lost_ms(0, 1000, A) == 300
    assert len(results) == 1
    found = [(item["from_ms"], item["to_ms"], item["party"]) for item in coverage.result(1000)["intervals"]]
    assert found == [(100, 300, "both"), (500, 600, "customer"), (900, 1000, "agent")]


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(VigieError):
        Coverage().lost(A, 0, 1, "sunspots")


def test_the_ledger_is_bounded_and_never_calls_less_lost() -> None:
    coverage = Coverage(CoverageSettings(intervals_max=3))
    for start in (0, 100, 250, 600, 1000):
        coverage.lost(A, start, start + 10, Reason.OVERLOADED)
    intervals = coverage.result(2000)["intervals"]
    assert len(intervals) == 3
    assert coverage.lost_ms(0, 2000, A) >= 50


def test_a_restart_changes_nothing() -> None:
    coverage, other = Coverage(), Coverage()
    coverage.lost(None, 5, 50, Reason.RESTARTED)
    other.load_state(unpack(pack(coverage.state())))
    other.lost(A, 40, 60, Reason.RESTARTED)
    coverage.lost(A, 40, 60, Reason.RESTARTED)
    assert other.result(100) == coverage.result(100)
