"""How long the feed's server takes for every view over a history of calls.

    python tests/bench/bench_feed.py [--calls 10000] [--rounds 40] [--database URL]

Makes calls of 5 minutes with 20 utterances each and alerts on one in three, a fiftieth of them still live, puts them
into a store as the topics would, then asks each view over HTTP, in process. Milliseconds of wall clock, and the median
of the process's CPU time (what other work on the machine does not change).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fastapi.testclient import TestClient

from streams.feed.absorb import Absorber
from streams.feed.app import create_app
from streams.feed.clips import NoClips
from streams.feed.clock import wall_ms
from streams.feed.database import Database
from streams.feed.item import Item
from streams.feed.queries import LIMIT_MAX
from streams.feed.source import LocalSource
from tests.feed.records import alert, measurement, summary, utterance

SECONDS = 300
UTTERANCES = 20
DEEP_CALLS = 4_900
SITES, QUEUES, AGENTS = 6, 8, 200
WORDS = """bonjour je vous appelle pour ma facture elle est fausse depuis trois mois et personne ne répond je voudrais parler
à un responsable s'il vous plaît mon contrat est résilié la ligne coupe tout le temps merci au revoir remboursement
livraison retard technicien rendez vous samedi matin mot de passe compte bloqué virement carte relevé""".split()  # noqa: SIM905
RULES = ("dead-air", "dropouts", "talk-over", "negative-sentiment", "escalation-request", "echo")
VIEWS: dict[str, str] = {
    "alerts, open": "/api/alerts",
    "alerts, all": "/api/alerts?state=all",
    "alerts, filtered": "/api/alerts?state=all&site=site-1&severity=critical&rule=dropouts",
    "floor": "/api/floor",
    "calls, newest": "/api/calls",
    "calls, by health": "/api/calls?sort=health&site=site-2",
    "calls, page 50": "/api/calls?limit=100&cursor={deep}",
    "one call": "/api/calls/{call}",
    "incidents": "/api/incidents",
    "coverage": "/api/coverage",
    "search, rare": "/api/search?q=remboursement+technicien",
    "search, common": "/api/search?q=je",
    "search, filtered": "/api/search?q=facture&site=site-3&party=customer",
    "stats": "/api/stats?by=agent",
    "filters": "/api/rules",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", help="a PostgreSQL URL, emptied first (default: SQLite in a temporary folder)")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as folder:
        database = Database(args.database or str(Path(folder) / "feed.db"))
        if args.database:
            from streams.feed.rebuild import empty

            empty(database)
        absorber = Absorber(database, NoClips().describe)
        began_s, cpu_s = time.monotonic(), time.process_time()
        records = fill(absorber, args.calls, random.Random(args.seed))
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        kind = database.engine.dialect.name
        print(
            f"{args.calls} calls, {records} records into {kind}: {took_s:.0f} s, {cpu_s / records * 1e6:.0f} µs of CPU each"
        )
        app = create_app(database, absorber, LocalSource(absorber), NoClips(), loopback=True)
        with TestClient(app, base_url="http://127.0.0.1") as client:
            measure(client, args.calls, args.rounds, random.Random(args.seed))
        database.close()


def measure(client: TestClient, calls: int, rounds: int, chance: random.Random) -> None:
    deep = cursor_after(client, "/api/calls", min(DEEP_CALLS, calls // 2))
    print(f"{'view':<20}{'median':>8}{'p95':>8}{'max':>8}{'CPU':>8}   ms, {rounds} times")
    for name, url in VIEWS.items():
        took, used = list[float](), list[float]()
        for _ in range(rounds):
            asked = url.format(call=f"call-{chance.randrange(calls)}", deep=deep)
            began, cpu = time.perf_counter(), time.process_time()
            answer = client.get(asked)
            took.append((time.perf_counter() - began) * 1000)
            used.append((time.process_time() - cpu) * 1000)
            assert answer.status_code == 200, (asked, answer.text)
        took.sort()
        p95 = took[min(len(took) - 1, round(0.95 * len(took)))]
        print(f"{name:<20}{statistics.median(took):8.1f}{p95:8.1f}{took[-1]:8.1f}{statistics.median(used):8.1f}")


def cursor_after(client: TestClient, url: str, items: int) -> str:
    """The cursor of the page that follows so many items."""
    cursor = ""
    while items > 0:
        limit = min(items, LIMIT_MAX)
        cursor = client.get(url, params={"limit": limit, "cursor": cursor}).json()["next"]
        items -= limit
    return cursor


def fill(absorber: Absorber, calls: int, chance: random.Random) -> int:
    """Put the calls into the store, some hundred records a transaction; returns how many records there were."""
    now, batch, total = wall_ms(), list[Item](), 0
    for number in range(calls):
        age_ms = (calls - number) * 4_000
        live = number >= calls - max(1, calls // 50)
        for topic, record in call_of(number, live, chance):
            batch.append(Item(topic, record, now - (age_ms if not live else chance.randrange(60_000))))
        if len(batch) > 1_500 or number == calls - 1:
            absorber.absorb(batch, now)
            total += len(batch)
            batch = []
    return total


def call_of(number: int, live: bool, chance: random.Random) -> Iterator[tuple[str, Any]]:
    call_id, agent = f"call-{number}", chance.randrange(AGENTS)
    place = {
        "agent": f"agent-{agent}",
        "site": f"site-{agent % SITES}",
        "queue": f"queue-{agent % QUEUES}",
        "trunk": f"sip-{chance.randrange(10)}",
    }
    # One measurement stands for many here: a folded timeline is made of it, as long as that of a whole call.
    first = measurement(call_id, 0, last=not live, **place)
    spans = [[at, at + 4_000] for at in range(0, SECONDS * 1000, 9_000)]
    yield "measurements", {**first, "end_ms": SECONDS * 1000, "speech": {"agent": spans, "customer": spans[1::2]}}
    for n in range(UTTERANCES):
        text = " ".join(chance.choices(WORDS, k=chance.randrange(4, 16)))
        yield "utterances", utterance(call_id, n * 14, text, chance.choice(("agent", "customer")))
    if chance.random() < 0.33:
        rule = chance.choice(RULES)
        severity = chance.choice(("critical", "warning", "warning", "info"))
        yield "alerts", alert(call_id, f"{call_id}-a", rule_id=rule, severity=severity, **place)
    if not live:
        covered = "partial" if chance.random() < 0.05 else "monitored"
        health = chance.choice((100.0, 92.0, 71.5, 40.0))
        yield "summaries", {**summary(call_id, SECONDS, health=health, coverage=covered), **place}


if __name__ == "__main__":
    main()
