"""What the page costs the supervisor's machine: 200 live calls told of every second, 20 alerts a minute, one Chromium.

    python -m tests.bench.page_cpu --seconds 60

Prints for each view the share of one core that the page's main thread was busy, its heap before and after, and for the
list how long an alert took from the feed's door to the screen (the feed gathers what comes for a tenth of a second).
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.browser.conftest import FLAGS
from tests.browser.stage import AGENTS, MESSAGES, QUEUES, SITES, Stage, stage

WATCH = """() => { window.seen = {}; new MutationObserver(() => {
    for (const row of document.querySelectorAll('.rows .row')) window.seen[row.dataset.id] ??= Date.now();
}).observe(document.querySelector('.rows'), {childList: true}); }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--alerts-a-minute", type=float, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as floor, sync_playwright() as playwright:
        calls = [f"call-{number:03}" for number in range(args.calls)]
        for call_id in calls:
            place = {"site": chance.choice(list(SITES)), "queue": chance.choice(QUEUES)}
            floor.call(call_id, agent=chance.choice(AGENTS), **place)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for view in ("", "?view=floor"):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(floor.address + view)
            page.wait_for_timeout(3_000)
            print(json.dumps({"view": view or "alerts", **_watch(page, floor, calls, chance, args)}), flush=True)
            page.close()
        browser.close()


def _watch(
    page: Any, floor: Stage, calls: list[str], chance: random.Random, args: argparse.Namespace
) -> dict[str, Any]:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    listed = page.locator(".rows").count() > 0
    if listed:
        page.evaluate(WATCH)
    before, started = _metrics(session), time.monotonic()
    put: dict[str, float] = {}
    every_s, due = 60 / args.alerts_a_minute, 0.0
    for second in range(args.seconds):
        for call_id in calls:
            floor.second(call_id, chance.choice(("a", "c", "a", "c", "ac", "")))
        while due <= second:
            due += every_s
            call_id, rule_id = chance.choice(calls), chance.choice(list(MESSAGES))
            alert_id = f"{call_id}-{rule_id}-{len(put)}-{listed}"
            put[alert_id] = time.time() * 1000
            floor.alert(call_id, rule_id, alert_id=alert_id)
        page.wait_for_timeout(max(1.0, (started + second + 1 - time.monotonic()) * 1000))
    after, passed_s = _metrics(session), time.monotonic() - started
    told = {
        "busy": round((after["TaskDuration"] - before["TaskDuration"]) / passed_s, 4),
        "script": round((after["ScriptDuration"] - before["ScriptDuration"]) / passed_s, 4),
        "heap_mb": [round(m["JSHeapUsedSize"] / 1e6, 1) for m in (before, after)],
        "nodes": [m["Nodes"] for m in (before, after)],
        "alerts": len(put),
    }
    if listed:
        seen = page.evaluate("seen")
        waits = sorted(seen[alert_id] - at for alert_id, at in put.items() if alert_id in seen)
        told |= {"shown": len(waits), "to_screen_ms_p50": round(waits[len(waits) // 2])}
        told |= {"to_screen_ms_p95": round(waits[int(len(waits) * 0.95)])}
    return told


def _metrics(session: Any) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    return {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}


if __name__ == "__main__":
    main()
