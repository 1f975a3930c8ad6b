"""The files of a replay, assembled from the finished calls in call order, whatever order they were finished in.

`alerts.ndjson` (a line for each change of state), `utterances.ndjson`, `calls.parquet`, `failures.ndjson`. Calls are
read one by one, so that a run of many thousands needs no more memory than a row for each.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from streams.events import Record
from streams.replay.results import Store
from streams.replay.sources import CallSource, Failure

ALERTS, UTTERANCES, CALLS, FAILURES, REPORT = ("alerts.ndjson", "utterances.ndjson", "calls.parquet") + (
    "failures.ndjson",
    "report.html",
)
PARQUET_BATCH = 1_000
SEVERITIES = ("critical", "warning", "info")
COVERAGES = ("monitored", "partial", "unmonitored")
CAUSES = ("technology", "process", "human", "unknown")
UNKNOWN_TO_ONE_CHANNEL = ("agent_talk_ms", "customer_talk_ms", "overlap_ms", "silence_ms", "hold_ms", "talk_ratio") + (
    "interruptions_agent",
    "interruptions_customer",
)

SCHEMA = pa.schema(
    [
        ("call_id", pa.string()),
        ("file", pa.string()),
        ("duration_ms", pa.int64()),
        ("agent_talk_ms", pa.int64()),
        ("customer_talk_ms", pa.int64()),
        ("overlap_ms", pa.int64()),
        ("silence_ms", pa.int64()),
        ("hold_ms", pa.int64()),
        ("talk_ratio", pa.float64()),
        ("interruptions_agent", pa.int64()),
        ("interruptions_customer", pa.int64()),
        ("health", pa.float64()),
        ("coverage", pa.string()),
        ("cause", pa.string()),
        ("alerts", pa.int64()),
        ("agent", pa.string()),
        ("queue", pa.string()),
        ("site", pa.string()),
        ("language", pa.string()),
        ("started_at", pa.string()),
        ("dnsmos_agent", pa.float64()),
        ("dnsmos_customer", pa.float64()),
    ]
)
"""The order and the names are relied on by others; `cause` is the verdict, null for a call without alerts.

`dnsmos_…` is the overall DNSMOS estimate of that party's voice, null where it was not asked for or is unknown."""


@dataclass(slots=True)
class Totals:
    """What the top of the report and `--json` say of a run."""

    calls: int = 0
    failed: int = 0
    duration_ms: int = 0
    alerts: Counter[str] = field(default_factory=Counter)
    """By the highest severity that each alert reached."""
    coverage: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "failed": self.failed,
            "hours": round(self.duration_ms / 3_600_000, 4),
            "alerts": {name: self.alerts[name] for name in SEVERITIES},
            "coverage": {name: self.coverage[name] for name in COVERAGES},
            "causes": {name: self.causes[name] for name in CAUSES},
            "rules": dict(sorted(self.rules.items(), key=lambda item: (-item[1], item[0]))),
            "health_mean": round(sum(self.health) / len(self.health), 1) if self.health else None,
        }


@dataclass(frozen=True, slots=True)
class CallRow:
    """What the report keeps of every call, also of those it shows no details of."""

    position: int
    call_id: str
    health: float
    duration_ms: int
    groups: Mapping[str, str | None]
    lost_by_cause: Mapping[str, float]


@dataclass(slots=True)
class Assembled:
    totals: Totals
    rows: list[CallRow]


def latest_alerts(record: Mapping[str, Any]) -> list[Record]:
    """The last state of each alert of a call, in the order they were raised."""
    latest: dict[str, Record] = {}
    for alert in record["alerts"]:
        latest[alert["alert_id"]] = alert
    return sorted(latest.values(), key=lambda a: (a["raised_ms"], a["rule_id"], a["alert_id"]))


def parquet_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """One call as a row of `calls.parquet`; what one channel cannot tell is null."""
    summary = record["summary"]
    row = {name: summary.get(name) for name in SCHEMA.names}
    row |= {
        "file": record["file"],
        "coverage": summary["coverage"]["state"],
        "alerts": len(summary["alerts"]),
        "cause": summary["cause"]["verdict"] if summary["alerts"] else None,
    }
    for party, scores in summary.get("dnsmos", {}).items():
        row[f"dnsmos_{party}"] = scores and scores["ovrl_mos"]
    if summary["mono"]:
        row |= dict.fromkeys(UNKNOWN_TO_ONE_CHANNEL)
    return row


def assemble(store: Store, out: Path, calls: Sequence[CallSource], failures: Sequence[Failure]) -> Assembled:
    """Write all but the report; each file appears whole, in place of an older one."""
    done = Assembled(Totals(failed=len(failures)), [])
    with ExitStack() as stack:
        alerts = stack.enter_context(_whole(out / ALERTS))
        utterances = stack.enter_context(_whole(out / UTTERANCES))
        part = out / f"{CALLS}.{os.getpid()}.part"
        writer = stack.enter_context(pq.ParquetWriter(part, SCHEMA))
        rows: list[dict[str, Any]] = []
        for position, source in enumerate(calls):
            record = store.load(source)
            alerts.writelines(_line(alert) for alert in record["alerts"])
            utterances.writelines(_line(utterance) for utterance in record["utterances"])
            rows.append(parquet_row(record))
            if len(rows) == PARQUET_BATCH:
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                rows.clear()
            _count(done, position, record)
        writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    os.replace(part, out / CALLS)
    with _whole(out / FAILURES) as file:
        file.writelines(_line(asdict(failure)) for failure in failures)
    return done


def _count(done: Assembled, position: int, record: Mapping[str, Any]) -> None:
    summary, totals, latest = record["summary"], done.totals, latest_alerts(record)
    totals.calls += 1
    totals.duration_ms += summary["duration_ms"]
    totals.coverage[summary["coverage"]["state"]] += 1
    totals.health.append(summary["health"])
    totals.alerts.update(alert["severity"] for alert in latest)
    totals.rules.update(alert["rule_id"] for alert in latest)
    if latest:
        totals.causes[summary["cause"]["verdict"]] += 1
    done.rows.append(
        CallRow(
            position,
            record["call_id"],
            summary["health"],
            summary["duration_ms"],
            {name: summary.get(name) for name in ("site", "queue", "agent", "trunk")},
            lost_by_cause(summary, latest),
        )
    )


def lost_by_cause(summary: Mapping[str, Any], alerts: Sequence[Record]) -> dict[str, float]:
    """Health points that a call lost, by the cause of the alert that took them; those of a measure are "unknown"."""
    verdicts = {alert["alert_id"]: alert["cause"]["verdict"] for alert in alerts}
    lost = dict.fromkeys(CAUSES, 0.0)
    for item in summary["health_lost"]:
        lost[verdicts.get(item.get("alert_id"), "unknown")] += abs(item["points"])
    return lost


def _line(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        yield file
    os.replace(part, path)
