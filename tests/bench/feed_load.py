"""The supervisors' page under load: how late an alert is, what the server and the browser pay, whether memory is flat.

    python tests/bench/feed_load.py                       # 200 live calls, 20 alerts a minute, 50 event streams, 3 minutes
    python tests/bench/feed_load.py --minutes 30 --chromium

On a broker and a `vigie feed` of its own, over loopback alone, for a set time. Every call sends a measurement a second
and an utterance every four seconds; calls last two minutes, end with a summary and are followed by others. Late is from
the moment before a producer is handed the alert to its arrival at each event stream (and, with --chromium, to its line
in the page's document).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaProducer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from streams.kafka import serde  # noqa: E402
from streams.kafka.connection import Connection  # noqa: E402
from streams.kafka.scratch import scratch  # noqa: E402
from streams.kafka.topics import Topics, create_topics  # noqa: E402
from tests.bench.load import TICKS_PER_S, rss_bytes  # noqa: E402
from tests.feed.records import alert, measurement, summary, utterance  # noqa: E402
from tests.kafka.brokers import start  # noqa: E402
from tests.kafka.test_feed import FeedProcess  # noqa: E402

CALL_S = 120
PREFIX = "bench."
SITES = 5
SCHEMAS = {"measurements": "measurement", "alerts": "alert", "utterances": "utterance", "summaries": "summary"}
LOOK_S = 5.0
WATCHER = """
window.vigieSeen = {};
new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) {
    if (!node.querySelectorAll) continue;
    const links = node.matches("[data-alert]") ? [node] : node.querySelectorAll("[data-alert]");
    for (const link of links) window.vigieSeen[link.dataset.alert] ??= Date.now();
  }
}).observe(document, { childList: true, subtree: true });
"""


@dataclass(slots=True)
class Load(threading.Thread):
    """The records of so many calls, on the clock."""

    address: str
    calls: int
    alerts_per_minute: float
    seconds: float
    sent_at: dict[str, float] = field(default_factory=dict)
    severities: dict[str, str] = field(default_factory=dict)
    records: int = 0
    late_s_max: float = 0.0

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self.address, acks="all", linger_ms=2)
        chance, began_s = random.Random(7), time.monotonic()
        for second in range(round(self.seconds)):
            raising = {chance.randrange(self.calls) for _ in range(_number(chance, self.alerts_per_minute / 60))}
            for line in range(self.calls):
                due_s = began_s + second + line / self.calls
                time.sleep(max(0.0, due_s - time.monotonic()))
                self.late_s_max = max(self.late_s_max, time.monotonic() - due_s)
                for topic, record in self._step(line, second, line in raising):
                    if topic == "alerts":
                        self.severities[record["alert_id"]] = record["severity"]
                        self.sent_at[record["alert_id"]] = time.time()
                    value = serde.encode_json(SCHEMAS[topic], record)
                    headers = serde.headers_of(time.time_ns() // 1_000_000)
                    producer.send(
                        f"{PREFIX}calls.{topic}", key=record["call_id"].encode(), value=value, headers=headers
                    )
                    self.records += 1
        producer.flush()
        producer.close()

    def _step(self, line: int, second: int, raising: bool) -> Iterator[tuple[str, Any]]:
        # Lines do not begin their calls together: the first call of each is a shorter one.
        offset = line * 37 % CALL_S
        turn, phase = divmod(second + offset, CALL_S)
        seq, last = (phase - offset if turn == 0 else phase), phase == CALL_S - 1
        call_id = f"line-{line}-{turn}"
        place = {"site": f"site-{line % SITES}", "agent": f"agent-{line}", "queue": f"queue-{line % 7}"}
        yield "measurements", measurement(call_id, seq, last=last, **(place if seq == 0 else {}))
        if seq % 4 == 3:
            yield "utterances", utterance(call_id, seq, "je vous appelle encore pour la même panne de ligne")
        if raising:
            severity = ("critical", "warning", "info")[second % 3]
            yield "alerts", alert(call_id, f"{call_id}-{second}", severity=severity, **place)
        if last:
            yield "summaries", {**summary(call_id, seq + 1, health=100.0), **place}


def _number(chance: random.Random, mean: float) -> int:
    """A whole number of that mean."""
    return int(mean) + (chance.random() < mean % 1)


class Clients:
    """Event streams; each notes when it heard of an alert."""

    def __init__(self, url: str, count: int) -> None:
        self.heard: list[dict[str, float]] = [{} for _ in range(count)]
        self.doubled = 0
        self._url = url

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self._url, timeout=None, limits=limits) as client:
            await asyncio.gather(*(self._follow(client, heard) for heard in self.heard))

    async def _follow(self, client: httpx.AsyncClient, heard: dict[str, float]) -> None:
        kind = ""
        async with client.stream("GET", "/api/events") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif kind == "alert" and line.startswith("data: "):
                    alert_id = json.loads(line[6:])["alert_id"]
                    self.doubled += alert_id in heard
                    heard.setdefault(alert_id, time.time())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--alerts", type=float, default=20.0, help="a minute")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--chromium", action="store_true", help="one browser on the page, too")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with scratch("bench") as folder:
        broker = start(folder / "broker")
        try:
            told = measured(args, broker, folder)
        finally:
            broker.stop()
    print(json.dumps(told, indent=1) if args.json else "\n".join(f"{name}: {value}" for name, value in told.items()))
    return 0


def measured(args: argparse.Namespace, broker: Any, folder: Path) -> dict[str, Any]:
    create_topics(Connection(broker.address), Topics(PREFIX), partitions=4)
    feed = FeedProcess(broker, PREFIX, str(folder / "feed.db"), folder / "log")
    url = f"http://127.0.0.1:{feed.port}"
    try:
        with _browser(url) if args.chromium else nullcontext() as page:
            clients = Clients(url, args.clients)
            loop = asyncio.new_event_loop()
            following = threading.Thread(target=lambda: loop.run_until_complete(_until_cancelled(clients)), daemon=True)
            following.start()
            time.sleep(2)
            load = Load(broker.address, args.calls, args.alerts, args.minutes * 60)
            looks = _watch(load, feed.process.pid, page)
            time.sleep(2)
            seen = page.seen() if page is not None else {}
            return _told(args, load, clients, looks, seen)
    finally:
        feed.kill()


async def _until_cancelled(clients: Clients) -> None:
    with contextlib.suppress(httpx.TransportError):  # the feed is stopped before its clients
        await clients.run()


def _watch(load: Load, pid: int, page: Any) -> list[dict[str, float]]:
    looks, began_s = [], time.monotonic()
    load.start()
    while load.is_alive():
        load.join(LOOK_S)
        look = {"at_s": time.monotonic() - began_s, "rss_mb": rss_bytes(pid) / 1e6, "cpu_s": cpu_s(pid)}
        if page is not None:
            look["page_cpu_s"], look["page_heap_mb"] = page.cost()
        looks.append(look)
    return looks


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _told(
    args: argparse.Namespace, load: Load, clients: Clients, looks: list[dict[str, float]], seen: dict[str, float]
) -> dict[str, Any]:
    late = [heard[a] - at for heard in clients.heard for a, at in load.sent_at.items() if a in heard]
    half = looks[len(looks) // 2 :]
    span_s = looks[-1]["at_s"] - looks[0]["at_s"]
    told: dict[str, Any] = {
        "calls, alerts, clients": [args.calls, len(load.sent_at), args.clients],
        "records a second": round(load.records / load.seconds),
        "the load itself was late, s at most": round(load.late_s_max, 3),
        "alert to event stream, ms p50 p95 p99": _percentiles(late),
        "not heard": args.clients * len(load.sent_at) - len(late),
        "heard twice": clients.doubled,
        "server CPU, share of a core": round((looks[-1]["cpu_s"] - looks[0]["cpu_s"]) / span_s, 2),
        "server memory, MB, by tenths of the time": [
            round(looks[round(tenth * (len(looks) - 1) / 10)]["rss_mb"], 1) for tenth in range(11)
        ],
    }
    if seen:
        # The page's clock is this machine's.
        shown = [seen[a] / 1000 - at for a, at in load.sent_at.items() if a in seen]
        told["alert to its line on the page, ms p50 p95 p99"] = _percentiles(shown)
        # None is acknowledged and none clears: beyond the worst of them, the list offers "more".
        unseen = Counter(load.severities[a] for a in load.sent_at if a not in seen)
        told["alerts under the end of the page's list, by severity"] = dict(unseen)
        busy_s = half[-1]["page_cpu_s"] - half[0]["page_cpu_s"]
        told["page CPU, share of a core"] = round(busy_s / max(1.0, half[-1]["at_s"] - half[0]["at_s"]), 2)
        told["page heap, MB at the middle and the end"] = [round(x["page_heap_mb"], 1) for x in (half[0], half[-1])]
    return told


def _percentiles(late_s: list[float]) -> list[int] | None:
    if len(late_s) < 2:
        return None
    cuts = statistics.quantiles(late_s, n=100)
    return [round(cuts[at] * 1000) for at in (49, 94, 98)]


@contextmanager
def _browser(url: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS

    class Page:
        def __init__(self, page: Any) -> None:
            self._page = page
            self._session = page.context.new_cdp_session(page)
            self._session.send("Performance.enable")

        def seen(self) -> dict[str, float]:
            found: dict[str, float] = self._page.evaluate("window.vigieSeen")
            return found

        def cost(self) -> tuple[float, float]:
            metrics = {m["name"]: m["value"] for m in self._session.send("Performance.getMetrics")["metrics"]}
            return metrics["TaskDuration"], metrics["JSHeapUsedSize"] / 1e6

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page()
        page.add_init_script(WATCHER)
        page.goto(url)
        yield Page(page)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
