"""Calls on a real broker while workers are killed, added and removed and the broker is restarted: nothing may change.

    python tests/bench/chaos.py --seed 7

Starts a broker of its own, plays the bundled calls as many concurrent ones, and compares the alerts, utterances and
summaries with those of the in-process run, record by record. A duplicate must be the same record. Prints the seed, what
was done and what was seen; exit code 0 only where nothing is missing and nothing differs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from streams.kafka.scratch import scratch  # noqa: E402
from tests.kafka.brokers import Broker, start  # noqa: E402
from tests.kafka.calls import copies  # noqa: E402
from tests.kafka.chaos import Chaos, Plan, difference  # noqa: E402

KEPT_S = 86_400.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="(default: a random one, printed)")
    parser.add_argument("--calls", type=int, default=60, help="concurrent calls (default 60)")
    parser.add_argument("--kills", type=int, default=20, help="kill -9, of workers and of single roles (default 20)")
    parser.add_argument("--workers", type=int, default=2, help="at the start (default 2)")
    parser.add_argument("--workers-max", type=int, default=3, help="at any time (default 3)")
    parser.add_argument("--broker-restarts", type=int, default=1)
    parser.add_argument("--speed", type=float, default=0.5, help="of the calls' media time (default 0.5)")
    parser.add_argument("--pause-s", type=float, default=8.0, help="mean time between disturbances (default 8)")
    parser.add_argument("--patience-s", type=float, default=1500.0)
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    plan = Plan(
        seed=wanted.seed,
        calls=copies(wanted.calls),
        kills=wanted.kills,
        workers=wanted.workers,
        workers_max=wanted.workers_max,
        speed=wanted.speed,
        pause_s=wanted.pause_s,
        broker_restarts=wanted.broker_restarts,
        patience_s=wanted.patience_s,
    )
    with scratch("chaos", KEPT_S) as folder:
        print(f"logs in {folder}, kept for a day where something differs", flush=True)
        if not run(plan, folder):
            raise SystemExit(1)
    return 0


def run(plan: Plan, folder: Path) -> bool:
    """Play, disturb, compare and tell; whether all was equal."""
    brokers = [start(folder / "broker")]
    address = brokers[0].address

    def restart() -> None:
        brokers.pop().stop()
        brokers.append(start(folder / "broker", port=int(address.rpartition(":")[2])))

    try:
        chaos = Chaos(plan, address, "chaos.", folder, restart)
        began_s = time.monotonic()
        expected = chaos.expected()
        print(f"undisturbed, in process: {_counts(expected)} in {time.monotonic() - began_s:.0f} s", flush=True)
        found = chaos.run(lambda line: print(line, flush=True))
    finally:
        _stop(brokers)
    differs = difference(expected, found.result)
    report = {
        "seed": plan.seed,
        "calls": len(plan.calls),
        "kills": chaos.history.kills + chaos.history.role_kills,
        "worker_kills": chaos.history.kills,
        "role_kills": chaos.history.role_kills,
        "joined": chaos.history.joined,
        "left": chaos.history.left,
        "left_with": chaos.history.left_with,
        "broker_restarts": chaos.history.broker_restarts,
        "sending_s": round(chaos.history.sent_s),
        "lasted_s": round(chaos.history.lasted_s),
        "found": _counts(found.result),
        "identical_duplicates": found.doubled,
        "equal": not differs,
        "difference": differs,
    }
    print(json.dumps(report, indent=2))
    return not differs


def _counts(result: object) -> dict[str, int]:
    return {kind: len(getattr(result, kind)) for kind in ("alerts", "utterances", "summaries")}


def _stop(brokers: list[Broker]) -> None:
    for broker in brokers:
        broker.stop()


if __name__ == "__main__":
    sys.exit(main())
