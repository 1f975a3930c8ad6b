"""Half a worker's load for half an hour: memory and lag must stay flat.

    python tests/bench/soak.py
    python tests/bench/soak.py --minutes 5 --calls 20 --json

Starts a broker of its own and `vigie worker --roles listen,supervise`, sends calls that follow one another, and looks
every few seconds: memory of each role's process, lag, open calls. Flat means: over the second half of the run memory
grows by less than 5 % of what it was at its start, and the lag at the end is no more than two seconds of the load.
Exit code 0 only then.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from streams.kafka.connection import Connection  # noqa: E402
from streams.kafka.scratch import scratch  # noqa: E402
from streams.kafka.topics import Topics, create_topics  # noqa: E402
from tests.bench.load import Load, Page, rss_bytes, start_sender  # noqa: E402
from tests.kafka.brokers import start  # noqa: E402
from tests.kafka.live import Worker  # noqa: E402

PORTS = {"listen": 19_474, "supervise": 19_475}
GROWTH_SHARE_MAX = 0.05
LAG_S_MAX = 2.0
LOOK_S = 5.0


def look(worker: Worker) -> dict[str, Any]:
    roles = worker.children
    pages = {role: Page.read(port) for role, port in PORTS.items()}
    return {
        "at_s": time.monotonic(),
        "rss_mb": round(sum(rss_bytes(pid) for pid in roles) / 1e6, 1),
        "lag": sum(page.total("vigie_lag_records") for page in pages.values()),
        "open": pages["listen"].total("vigie_calls_open"),
        "processes": sorted(roles),
    }


def judge(looks: list[dict[str, Any]], load: Load) -> dict[str, Any]:
    """Whether memory and lag are flat, over the second half of what was seen."""
    half = looks[len(looks) // 2 :]
    times = np.array([item["at_s"] for item in half]) - half[0]["at_s"]
    memory = np.array([item["rss_mb"] for item in half])
    slope, start_mb = np.polyfit(times, memory, 1) if len(half) > 2 else (0.0, memory[0])
    growth = float(slope * times[-1] / start_mb)
    lag_max = load.calls * 1000 / load.chunk_ms * LAG_S_MAX
    return {
        "rss_mb_first": looks[0]["rss_mb"],
        "rss_mb_half": half[0]["rss_mb"],
        "rss_mb_last": half[-1]["rss_mb"],
        "growth_share_second_half": round(growth, 4),
        "lag_median": float(np.median([item["lag"] for item in half])),
        "lag_max": max(item["lag"] for item in half),
        "lag_last": half[-1]["lag"],
        "restarts": len({tuple(item["processes"]) for item in looks}) - 1,
        "flat": growth < GROWTH_SHARE_MAX and half[-1]["lag"] <= lag_max,
    }


def soak(folder: Path, load: Load, *, tell: bool) -> tuple[int, list[dict[str, Any]]]:
    """Run the load; returns how many records were sent, and what was seen on the way."""
    broker = start(folder / "broker")
    looks: list[dict[str, Any]] = []
    try:
        create_topics(Connection(broker.address), Topics(), partitions=6)
        flags = ("--roles", "listen,supervise", "--metrics-port", str(PORTS["listen"]))
        worker = Worker(broker.address, "", "none", folder / "worker.log", *flags, partitions=None)
        try:
            sender, told = start_sender(broker.address, "calls.audio", load)
            while sender.is_alive() and told.empty():
                time.sleep(LOOK_S)
                try:
                    looks.append(look(worker))
                except OSError:
                    continue  # it is not up yet
                if tell:
                    last = looks[-1]
                    print(f"{last['rss_mb']:8.1f} MB  lag {last['lag']:6.0f}  open {last['open']:4.0f}", flush=True)
            records: int = told.get(timeout=60)["records"]
        finally:
            worker.kill()
    finally:
        broker.stop()
    return records, looks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--calls", type=int, default=50, help="at once: half of what bench_live.py says is carried")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    load = Load(wanted.calls, wanted.minutes * 60, call_s=90.0)
    with scratch("soak") as folder:
        records, looks = soak(folder, load, tell=not wanted.json)
    report = {"minutes": wanted.minutes, "calls": wanted.calls, "records": records, **judge(looks, load)}
    print(json.dumps(report, indent=None if wanted.json else 2))
    return 0 if report["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
