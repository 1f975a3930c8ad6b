"""A broker and its workers in memory: durable logs, sends that get lost or are late, crashes at any moment.

One seed gives one history. Nothing sleeps; time is a number. What a worker has sent reaches the log in the order of each
topic, at some later moment; a crash loses what has not, and forgets what has but was not confirmed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from streams.kafka.accounts import Accounts
from streams.kafka.limits import Limits
from streams.kafka.processors import Setup
from streams.kafka.stages import INPUTS, Stage
from streams.kafka.steps import Input, Out, Row, Step

ROLES = ("listen", "transcribe", "supervise")
Message = tuple[bytes, bytes | None, int | None]


@dataclass
class Broker:
    """One partition of every topic, what each role has committed, and its rows."""

    logs: dict[str, list[Message]] = field(default_factory=dict)
    rows: dict[str, list[tuple[bytes, bytes | None]]] = field(default_factory=dict)
    committed: dict[tuple[str, str], int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    """For each topic, the oldest offset that retention has left (none: 0)."""

    def log(self, topic: str) -> list[Message]:
        return self.logs.setdefault(topic, [])

    def compacted(self, role: str) -> list[tuple[bytes, bytes | None]]:
        """The rows as compaction may leave them: at least the last of each key, in order."""
        return self.rows.get(role, [])


class Worker:
    """One role's worker of the partition, from its start to its crash."""

    def __init__(self, role: str, broker: Broker, setup: Setup, limits: Limits, generation: int, now_s: float) -> None:
        self.role, self.broker = role, broker
        self.stage = Stage(role, 0, 1, setup, limits, ("group", generation))
        self.stage.load(broker.compacted(role), now_s)
        self.accounts = Accounts(INPUTS[role])
        self.position = {topic: broker.committed.get((role, topic), 0) for topic in INPUTS[role]}
        self.begin = {topic: max(at, broker.first.get(topic, 0)) for topic, at in self.position.items()}
        self.sending: dict[str, list[tuple[int, Out]]] = {}
        self.saving: list[Row] = []
        for topic, position in self.position.items():
            if position < broker.first.get(topic, 0):
                self.position[topic] = broker.first[topic]
                if topic == "calls.audio":
                    self._enter(self.stage.lose(len(broker.log(topic)), now_s))

    def fetch(self, topic: str, count: int, now_s: float) -> bool:
        log, at = self.broker.log(topic), self.position[topic]
        for offset in range(at, min(len(log), at + count)):
            key, value, captured_ms = log[offset]
            self.position[topic] = offset + 1
            if self.accounts.came(topic, offset):
                self._enter(self.stage.push(Input(topic, 0, offset, key, value, captured_ms), now_s))
        return self.position[topic] > at

    def work(self, now_s: float, rng: random.Random) -> bool:
        waiting = [call_id for call_id, _, _ in self.stage.waiting()]
        if waiting:
            self._enter(self.stage.work(rng.choice(waiting), now_s))
        return bool(waiting)

    def save(self, now_s: float) -> None:
        self._enter(self.stage.due(now_s))

    def drain(self, now_s: float) -> None:
        self._enter(self.stage.drain(now_s))

    def propose(self, now_s: float, since_s: float) -> None:
        if all(self.position[topic] >= len(self.broker.log(topic)) for topic in self.position):
            self._enter(self.stage.proposals(now_s, since_s))

    def _enter(self, steps: list[Step]) -> None:
        for number, out in self.accounts.enter(steps):
            self.sending.setdefault(out.topic, []).append((number, out))
        self.saving += self.accounts.rows()

    def deliver(self, rng: random.Random, share: float = 0.5, *, confirm: bool = True) -> bool:
        """Some of what was sent reaches the log, and (`confirm`) we hear of it."""
        moved = False
        for topic, queue in self.sending.items():
            for _ in range(rng.randint(0, len(queue)) if rng.random() < share else 0):
                number, out = queue.pop(0)
                self.broker.log(topic).append((out.key, out.value, out.captured_ms))
                moved = True
                if confirm:
                    self.accounts.confirmed(number)
        for _ in range(rng.randint(0, len(self.saving))):
            row = self.saving.pop(0)
            self.broker.rows.setdefault(self.role, []).append((row.key, row.value))
            moved = True
            if confirm:
                self.accounts.saved(row)
        self.saving += self.accounts.rows()
        return moved

    def commit(self) -> None:
        for topic, offset in self.accounts.committable().items():
            known = self.broker.committed.get((self.role, topic), 0)
            assert offset >= known, "a commit never goes back within one assignment"
            if offset > self.begin[topic]:
                self.broker.committed[self.role, topic] = offset

    @property
    def idle(self) -> bool:
        ends = all(self.position[topic] >= len(self.broker.log(topic)) for topic in self.position)
        return ends and not any(self.sending.values()) and not self.saving and not list(self.stage.waiting())


def run(
    broker: Broker, setup: Setup, rng: random.Random, *, crashes: int, limits: Limits | None = None, steps: int = 50_000
) -> dict[str, int]:
    """Let the three workers run until nothing moves, with so many crashes on the way; what happened, counted."""
    limits = limits or Limits(row_s=5.0)
    now_s, generation, crashed, handed_over = 0.0, 1, 0, 0
    workers = {role: Worker(role, broker, setup, limits, generation, now_s) for role in ROLES}
    for _ in range(steps):
        now_s += rng.random() * 0.2
        worker = workers[rng.choice(ROLES)]
        match rng.choice(("fetch", "fetch", "work", "work", "deliver", "deliver", "save", "commit", "end")):
            case "fetch":
                worker.fetch(rng.choice(INPUTS[worker.role]), rng.randint(1, 40), now_s)
            case "work":
                worker.work(now_s, rng)
            case "deliver":
                worker.deliver(rng)
            case "save":
                worker.save(now_s)
            case "commit":
                worker.commit()
            case "end" if crashed < crashes and rng.random() < 0.2:
                crashed += 1
                if rng.random() < 0.3:  # asked to stop: it saves what it has
                    worker.drain(now_s)
                    handed_over += 1
                worker.deliver(rng, confirm=rng.random() < 0.5)
                if rng.random() < 0.5:
                    worker.commit()
                generation += 1
                workers[worker.role] = Worker(worker.role, broker, setup, limits, generation, now_s)
        if crashed >= crashes and all(worker.idle for worker in workers.values()):
            break
    else:
        raise AssertionError(
            f"it never came to rest: {[(w.role, w.position, w.stage.counts) for w in workers.values()]}"
        )
    for worker in workers.values():
        worker.drain(now_s)
        while worker.saving or any(worker.sending.values()):
            worker.deliver(rng, share=1.0)
        worker.commit()
    return {"crashes": crashed, "handed_over": handed_over}
