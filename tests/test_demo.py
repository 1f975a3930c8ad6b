"""The demonstration: calls move together on the media clock, and the files left are those of a replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams import cli, demo
from streams.events import CallInfo
from streams.replay.results import Store
from streams.replay.runner import PlayJob
from streams.replay.sources import CallSource
from tests.replay_fakes import FakeEngine, write_wav


def jobs_in(folder: Path, **seconds: float) -> list[PlayJob]:
    return [
        PlayJob(CallSource(CallInfo(name), name, (write_wav(folder / f"{name}.wav", length),)), "mark")
        for name, length in seconds.items()
    ]


def test_calls_move_together_and_each_is_kept_when_it_ends(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    store.prepare()
    jobs = jobs_in(tmp_path, short=1.0, long=2.0)
    notes: list[Any] = []
    engine = FakeEngine()
    reached = {}
    for now_ms in demo._rounds(jobs, engine, store, notes.append, shown=False):
        reached[now_ms] = [len(engine.monitors[name].chunks) for name in ("short", "long")]
    assert reached[500] == [5, 5]
    assert reached[1000] == [10, 10]
    assert all(store.is_done(job.source, "mark") for job in jobs)
    assert [kind for kind, _ in notes] == ["alert", "alert"]


def test_a_call_that_cannot_be_played_does_not_stop_the_others(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    store.prepare()
    jobs = jobs_in(tmp_path, good=0.5, bad=0.5)
    (tmp_path / "bad.wav").write_bytes(b"")
    notes: list[Any] = []
    list(demo._rounds(jobs, FakeEngine(), store, notes.append, shown=False))
    assert [value[0] for kind, value in notes if kind == "failed"] == ["bad"]
    assert store.is_done(jobs[0].source, "mark")


@pytest.mark.slow
def test_the_bundled_calls_play_to_their_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--out", str(tmp_path), "--model", "none", "--speed", "1000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["calls"] >= 8
    assert told["failures"] == []
    assert sum(told["alerts"].values()) >= 3
    names = {"alerts.ndjson", "utterances.ndjson", "calls.parquet", "failures.ndjson", "report.html"}
    assert names <= {path.name for path in tmp_path.iterdir()}
