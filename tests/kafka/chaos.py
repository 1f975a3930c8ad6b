"""Workers killed, added, removed and the broker restarted while calls go on; what came out, against an undisturbed run.

One seed decides which worker is hit, how and when, as far as processes let themselves be ruled.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.kafka.connection import Connection
from streams.kafka.topics import Topics, create_topics
from streams.replay.sources import CallSource
from tests.kafka.calls import Gathered, Result, in_process, records_of, write_transcripts
from tests.kafka.live import Listening, Worker, send

SILENCE_S = "900"
"""Nobody is to be taken for silent while the broker is down."""


@dataclass(slots=True)
class Plan:
    seed: int
    calls: list[CallSource]
    kills: int
    workers: int = 2
    workers_max: int = 3
    speed: float | None = 1.0
    pause_s: float = 8.0
    """Mean time between two disturbances."""
    broker_restarts: int = 0
    joins_and_leaves: bool = True
    partitions: int = 6
    save_s: float = 5.0
    patience_s: float = 600.0


@dataclass(slots=True)
class History:
    kills: int = 0
    role_kills: int = 0
    joined: int = 0
    left: int = 0
    left_with: list[int] = field(default_factory=list)
    broker_restarts: int = 0
    sent_s: float = 0.0
    lasted_s: float = 0.0
    events: list[str] = field(default_factory=list)


class Chaos:
    def __init__(
        self, plan: Plan, bootstrap: str, prefix: str, folder: Path, restart_broker: Callable[[], None] | None = None
    ) -> None:
        self.plan, self.bootstrap, self.prefix, self.folder = plan, bootstrap, prefix, folder
        self.restart_broker = restart_broker
        self.rng = random.Random(plan.seed)
        self.history = History()
        self.workers: list[Worker] = []
        self._started = 0
        self.sent = False
        self._began_s = time.monotonic()
        self.model = f"recorded:{write_transcripts(folder / 'said.ndjson', plan.calls)}"

    def expected(self) -> Result:
        return in_process(self.plan.calls, self.model)

    def run(self, tell: Callable[[str], None] = lambda _: None) -> Gathered:
        """Play the calls and disturb; returns what came out, every duplicate having been compared on the way."""
        create_topics(Connection(self.bootstrap), Topics(self.prefix), partitions=self.plan.partitions)
        calls = {source.call.call_id: list(records_of(source)) for source in self.plan.calls}
        for _ in range(self.plan.workers):
            self._start()
        stop = threading.Event()
        sender = threading.Thread(target=self._send, args=(calls, stop), daemon=True)
        listening = Listening(self.bootstrap, self.prefix)
        found: list[Any] = []
        listener = threading.Thread(target=self._listen, args=(listening, found), daemon=True)
        try:
            self._wait_for_workers(60.0)
            sender.start()
            listener.start()
            self._disturb(tell)
            sender.join()
            listener.join()
        finally:
            stop.set()
            for worker in self.workers:
                worker.kill()
        self.history.lasted_s = time.monotonic() - self._began_s
        assert self.sent, "the source itself failed: nothing can be said"
        if isinstance(found[0], BaseException):
            raise found[0]
        assert not listening.letters, listening.letters[:3]
        gathered: Gathered = found[0]
        return gathered

    def _send(self, calls: dict[str, Any], stop: threading.Event) -> None:
        began_s = time.monotonic()
        send(self.bootstrap, self.prefix, calls, speed=self.plan.speed, stop=stop)
        self.history.sent_s = time.monotonic() - began_s
        self.sent = True

    def _listen(self, listening: Listening, found: list[Any]) -> None:
        try:
            found.append(listening.until(len(self.plan.calls), self.plan.patience_s, settle_s=5.0))
        except BaseException as error:
            found.append(error)

    def _start(self) -> None:
        self._started += 1
        log = self.folder / f"worker-{self._started}.log"
        flags = ("--save-s", str(self.plan.save_s), "--call-silence-s-max", SILENCE_S)
        self.workers.append(Worker(self.bootstrap, self.prefix, self.model, log, *flags, partitions=None))

    def _wait_for_workers(self, patience_s: float) -> None:
        """Until every worker has had its first partitions: what is killed should have had work."""
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            ready = [sum("assigned:" in line["message"] for line in worker.lines()) >= 3 for worker in self.workers]
            if all(ready):
                return
            time.sleep(0.5)

    def _disturb(self, tell: Callable[[str], None]) -> None:
        plan, history, rng = self.plan, self.history, self.rng
        restart_at = sorted(rng.sample(range(1, plan.kills), min(plan.broker_restarts, max(0, plan.kills - 1))))
        while history.kills + history.role_kills < plan.kills:
            time.sleep(rng.uniform(0.3, 1.7) * plan.pause_s)
            done = history.kills + history.role_kills
            if restart_at and done >= restart_at[0] and self.restart_broker is not None:
                restart_at.pop(0)
                self._note(tell, "the broker restarts")
                self.restart_broker()
                history.broker_restarts += 1
                continue
            self._disturb_once(tell)

    def _disturb_once(self, tell: Callable[[str], None]) -> None:
        plan, history, rng = self.plan, self.history, self.rng
        kinds = ["kill", "kill", "role", "role"]
        if plan.joins_and_leaves:
            kinds += ["join"] * (len(self.workers) < plan.workers_max) + ["leave"] * (len(self.workers) > 1)
        match rng.choice(kinds):
            case "kill":
                worker = self.workers.pop(rng.randrange(len(self.workers)))
                self._note(tell, f"kill -9 worker {worker.process.pid} and its roles")
                worker.kill()
                history.kills += 1
                self._start()
            case "role":
                worker = rng.choice(self.workers)
                roles = worker.children
                if roles:
                    pid = rng.choice(roles)
                    self._note(tell, f"kill -9 role {pid} of worker {worker.process.pid}")
                    os.kill(pid, signal.SIGKILL)
                    history.role_kills += 1
            case "join":
                self._note(tell, "a worker joins")
                self._start()
                history.joined += 1
            case "leave":
                worker = self.workers.pop(rng.randrange(len(self.workers)))
                self._note(tell, f"worker {worker.process.pid} is asked to leave")
                history.left_with.append(worker.stop())
                history.left += 1

    def _note(self, tell: Callable[[str], None], text: str) -> None:
        line = f"{time.monotonic() - self._began_s:6.1f} s  {text}"
        self.history.events.append(line)
        tell(line)


def difference(expected: Result, found: Result) -> dict[str, Any]:
    """What is missing, what is too much, and what differs, by kind; empty where the two are equal."""
    out: dict[str, Any] = {}
    for kind in ("alerts", "utterances", "summaries"):
        wanted, got = getattr(expected, kind), getattr(found, kind)
        missing, extra = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
        other = sorted(key for key in wanted if key in got and wanted[key] != got[key])
        if missing or extra or other:
            out[kind] = {"missing": missing, "extra": extra, "different": other}
    return out
