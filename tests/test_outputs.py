"""The tables that others read: names, order, types, and what is null rather than wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from streams.events import CallInfo
from streams.replay.outputs import assemble, lost_by_cause, parquet_row
from streams.replay.results import Store
from streams.replay.sources import CallSource, Failure
from tests.replay_fakes import call_record

COLUMNS = [
    *("call_id", "file", "duration_ms", "agent_talk_ms", "customer_talk_ms", "overlap_ms", "silence_ms", "hold_ms"),
    *("talk_ratio", "interruptions_agent", "interruptions_customer", "health", "coverage", "cause", "alerts"),
    *("agent", "queue", "site", "language", "started_at"),
]
EXTRAS = ["dnsmos_agent", "dnsmos_customer"]


def stored(out: Path, *records: dict[str, object]) -> list[CallSource]:
    store = Store(out)
    store.prepare()
    sources = [CallSource(CallInfo(str(r["call_id"])), str(r["file"]), (Path("x"),)) for r in records]
    for source, record in zip(sources, records, strict=True):
        store.save(source, "mark", record)
    return sources


def test_the_columns_are_those_that_others_rely_on_in_their_order(tmp_path: Path) -> None:
    assemble(Store(tmp_path), tmp_path, stored(tmp_path, call_record("a"), call_record("b", alerts=0)), [])
    table = pq.read_table(tmp_path / "calls.parquet")
    assert table.column_names == [*COLUMNS, *EXTRAS]
    assert table["alerts"].to_pylist() == [1, 0]
    assert table["coverage"].to_pylist() == ["monitored", "monitored"]
    assert table["cause"].to_pylist() == ["technology", None]


def test_a_run_without_calls_leaves_whole_empty_files(tmp_path: Path) -> None:
    Store(tmp_path).prepare()
    assemble(Store(tmp_path), tmp_path, [], [Failure("a.wav", "is empty", "leave it out")])
    assert pq.read_table(tmp_path / "calls.parquet").column_names == [*COLUMNS, *EXTRAS]
    assert (tmp_path / "alerts.ndjson").read_text() == ""
    assert "is empty" in (tmp_path / "failures.ndjson").read_text()
    assert not list(tmp_path.glob("*.part"))


def test_what_one_channel_cannot_tell_is_null() -> None:
    record = call_record()
    record["summary"]["mono"] = True
    row = parquet_row(record)
    assert [
        name for name, value in row.items() if value is None and name not in ("language", "started_at", *EXTRAS)
    ] == [
        "agent_talk_ms",
        "customer_talk_ms",
        "overlap_ms",
        "silence_ms",
        "hold_ms",
        "talk_ratio",
        "interruptions_agent",
        "interruptions_customer",
    ]


def test_lost_points_follow_the_cause_of_their_alert() -> None:
    record = call_record(alerts=2)
    record["alerts"][1]["cause"]["verdict"] = "human"
    record["summary"]["health_lost"].append({"points": 3, "measure": "noise", "why": "noise"})
    lost = lost_by_cause(record["summary"], record["alerts"])
    assert lost == {"technology": 8, "process": 0, "human": 8, "unknown": 3}
