"""The one thread that works: decoding, listening, transcribing. The event loop only carries.

Inference on the event loop would hold up the heartbeats, and the group would throw the worker out. Inputs of all
partitions wait in one line here; what follows goes back in batches, so that the hop between the threads costs little.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from audio.whisper.engine import Engine
from streams.kafka.hearing import Heard, Hearing
from streams.kafka.stages import Stage
from streams.kafka.steps import Input, Step

BATCH = 64
"""Inputs between two deliveries of what followed: some 30 ms of work."""
IDLE_S = 0.5
TICK_S = 0.25

log = logging.getLogger("vigie.compute")


@dataclass(slots=True)
class Result:
    """What a partition's stage left, and how many inputs (and bytes of them) that took."""

    partition: int
    generation: int
    steps: list[Step] = field(default_factory=list)
    inputs: int = 0
    input_bytes: int = 0
    drained: bool = False


@dataclass(slots=True)
class _Work:
    stage: Stage
    generation: int
    at_end_since_s: float | None = None


class Compute(threading.Thread):
    """Give it stages and inputs; `deliver` is called, in this thread, with what followed.

    With an `engine`, TRANSCRIBE hears many calls at once; without, one utterance at a time, in this thread.
    """

    def __init__(
        self,
        deliver: Callable[[list[Result]], None],
        failed: Callable[[BaseException], None],
        engine: Engine | None = None,
    ) -> None:
        super().__init__(name="vigie-compute", daemon=True)
        self._deliver, self._failed = deliver, failed
        self._line: deque[tuple[str, Any]] = deque()
        self._condition = threading.Condition()
        self._works: dict[int, _Work] = {}
        self._results: dict[int, Result] = {}
        self._stopping = False
        self._more = False
        self._ticked_s = 0.0
        self.beat_s = time.monotonic()
        self.busy_s = 0.0
        self.cpu_s = 0.0
        self.pieces_waiting = 0
        self._gone: Counter[str] = Counter()
        self.hearing = Hearing(engine, lambda heard: self._put("heard", heard)) if engine is not None else None
        self._to_feed = False
        self.held_bytes = 0
        """Audio that waits for the transcriber, as of the last tick."""

    @property
    def calls(self) -> int:
        """Calls under way."""
        return sum(len(work.stage.calls) for work in list(self._works.values()))

    @property
    def clips_held(self) -> int:
        """Clips that wait for the words in them, or to be cut."""
        return sum(work.stage.clips_held for work in list(self._works.values()))

    def counts(self) -> Counter[str]:
        """What the stages counted since the start: stragglers, replays, time-outs."""
        found = Counter(self._gone)
        for work in list(self._works.values()):
            found.update(dict(work.stage.counts))
        return found

    # From the event loop --------------------------------------------------------------------------------------------

    def assign(self, partition: int, generation: int, stage: Stage) -> None:
        self._put("assign", (partition, generation, stage))

    def take(self, items: Iterable[Input], generation: int) -> None:
        with self._condition:
            self._line.extend(("input", (item, generation)) for item in items)
            self._condition.notify()

    def lose(self, partition: int, until_offset: int) -> None:
        """Audio of this partition before that offset will not come any more."""
        self._put("lose", (partition, until_offset))

    def tell_end(self, partition: int, since_s: float | None) -> None:
        """Since when the partition has been read to its end (None: it has not)."""
        self._put("end", (partition, since_s))

    def drain(self) -> None:
        """Drop what still waits in line (it will be read again), save every call, and let go of all partitions."""
        with self._condition:
            # What was in line before is not worked on any more.
            self._line = deque(entry for entry in self._line if entry[0] != "input")
            self._line.append(("drain", None))
            self._condition.notify()

    def stop(self) -> None:
        self._put("stop", None)

    def _put(self, what: str, value: Any) -> None:
        with self._condition:
            self._line.append((what, value))
            self._condition.notify()

    # In this thread -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            while not self._stopping:
                self._round()
        except BaseException as error:
            log.exception("the compute thread failed")
            self._failed(error)

    def _round(self) -> None:
        for what, value in self._entries(0.0 if self._more else IDLE_S):
            self._act(what, value)
        began_s = time.monotonic()
        self._feed() if self.hearing is not None else self._hear_next()
        now_s = time.monotonic()
        if now_s - self._ticked_s >= TICK_S:
            self._ticked_s, self._to_feed = now_s, True
            for partition, work in self._works.items():
                self._note(partition, work.stage.due(now_s))
                self._note(partition, work.stage.proposals(now_s, work.at_end_since_s))
            self.held_bytes = sum(work.stage.held_bytes for work in self._works.values())
        ended_s = time.monotonic()
        if self.hearing is None or not self.hearing.stuck:
            self.beat_s = ended_s
        self.busy_s += ended_s - began_s
        self.cpu_s = time.thread_time()
        self._flush()

    def _hear_next(self) -> None:
        waiting = self._next_piece()
        self._more = waiting is not None
        if waiting is not None:
            _, partition, call_id, late = waiting
            work = self._works[partition]
            self._note(partition, work.stage.work(call_id, time.monotonic(), late=late))

    def _feed(self) -> None:
        """Give the engine what it can hear, where anything has changed since the last time."""
        assert self.hearing is not None
        if not self._to_feed:
            return
        self._to_feed = False
        stages = {partition: (work.generation, work.stage) for partition, work in self._works.items()}
        for heard in self.hearing.feed(stages, time.time() * 1000):
            self._heard(heard)
            self._to_feed = True
        self.pieces_waiting = self.hearing.waiting

    def _heard(self, heard: Heard) -> None:
        assert self.hearing is not None
        self.hearing.took(heard)
        self._to_feed = True
        place = heard.place
        work = self._works.get(place.partition)
        if work is not None and work.generation == place.generation:
            if place.glance:
                steps = work.stage.glanced(place.call_id, place.glance, heard.answer)
            else:
                steps = work.stage.answered(place.call_id, place.seq, heard.answer, time.monotonic())
            self._note(place.partition, steps)

    def _entries(self, patience_s: float) -> list[tuple[str, Any]]:
        with self._condition:
            if not self._line and patience_s:
                waits = self.hearing is not None and self.hearing.waiting
                self._condition.wait((TICK_S if waits else patience_s) if self._works else 1.0)
            count = min(BATCH, len(self._line))
            return [self._line.popleft() for _ in range(count)]

    def _act(self, what: str, value: Any) -> None:
        match what:
            case "input":
                item, generation = value
                work = self._works.get(item.partition)
                if work is None or work.generation != generation:
                    return
                began_s = time.monotonic()
                steps = work.stage.push(item, began_s)
                self.busy_s += time.monotonic() - began_s
                result = self._note(item.partition, steps)
                result.inputs += 1
                result.input_bytes += len(item.value or b"")
                self._to_feed = True
            case "heard":
                self._heard(value)
            case "assign":
                partition, generation, stage = value
                self._works[partition] = _Work(stage, generation)
            case "lose":
                partition, until_offset = value
                if partition in self._works:
                    self._note(partition, self._works[partition].stage.lose(until_offset, time.monotonic()))
            case "end":
                partition, since_s = value
                if partition in self._works:
                    self._works[partition].at_end_since_s = since_s
            case "drain":
                now_s = time.monotonic()
                if self.hearing is not None:
                    self.hearing.forget()
                for partition, work in self._works.items():
                    self._note(partition, work.stage.drain(now_s)).drained = True
                self._flush()
                for work in self._works.values():
                    self._gone.update(work.stage.counts)
                self._works.clear()
            case "stop":
                self._stopping = True

    def _next_piece(self) -> tuple[float, int, str, bool] | None:
        """The piece of speech whose time runs out first, over all partitions, and whether it has."""
        best: tuple[float, int, str, bool] | None = None
        now_ms = time.time() * 1000
        self.pieces_waiting = 0
        for partition, work in self._works.items():
            late_ms = work.stage.limits.transcribe_s_max * 1000
            for call_id, captured_ms, live in work.stage.waiting():
                self.pieces_waiting += 1
                due_ms = (captured_ms if captured_ms is not None else now_ms) + late_ms
                # Whoever is live goes before whoever can wait.
                order = due_ms if live else due_ms + 1e15
                if best is None or order < best[0]:
                    best = (order, partition, call_id, live and captured_ms is not None and due_ms < now_ms)
        return best

    def _note(self, partition: int, steps: list[Step]) -> Result:
        result = self._results.get(partition)
        if result is None:
            result = self._results[partition] = Result(partition, self._works[partition].generation)
        result.steps += steps
        return result

    def _flush(self) -> None:
        results = [r for r in self._results.values() if r.steps or r.inputs or r.drained]
        self._results = {}
        if results:
            self._deliver(results)
