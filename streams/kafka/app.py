"""One role as a Faust application: topology, membership and delivery are Faust's; acknowledgement is ours.

What was seen on a real broker (Apache Kafka in KRaft mode, faust-streaming 0.15.3, aiokafka 0.14), and decided this:

- With `acks=False` Faust tracks and commits nothing, holds up no revocation and no stop, and `consumer._commit` commits
  what it is told (`tests/kafka/test_faust.py`). It also crashes the app on any error of the broker, so we commit in the
  consumer's thread ourselves (`group`): a commit that fails is said again a second later.
- A record costs Faust some 0.15 ms on its way to an agent, most of it four tasks around each. Our consumer delivers
  whole fetches instead (`delivery`): 2.1 ms of Kafka and Faust for a second of call became 0.8 ms in the same bench.
- **Faust drops records that it has fetched.** It throws a batch away when the flow stops meanwhile (and, before `delivery`,
  passed over partitions that were paused), and relies on a seek back to the committed offset; aiokafka's
  `seek_to_committed` does nothing where none is committed yet. In an early chaos run the first 180 records of a partition
  never came after a broker's restart, most likely that way. So the books know which offset comes next: where one is
  passed over we seek back, and `_read_offset`, by which Faust would drop what comes again, is put out of action.
- For the same reason pressure never pauses partitions: the agent stops taking, and Faust's bounded buffers fill.
- An agent whose body raises is started again after the event in hand, which would then be under way for ever: any error
  of ours ends the process instead, and a new one starts from the last rows.
- `on_rebalance_complete` is awaited before Faust seeks and resumes: calls are loaded there, before any record flows. The
  revocation callback runs while the group still takes commits: what is saved there is committed.
- Records that retention has deleted before they were read are known by a first offset above the commit, or by a hole
  that stays after several seeks back: LISTEN is told (`Stage.lose`), and its calls' coverage says `audio_lost`.
- On SIGTERM the app's own stop leaves the group at once; the members that stay have its partitions a second later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from streams.capacity import Admission, Capacity
from streams.kafka import serde
from streams.kafka.accounts import Accounts
from streams.kafka.book import Book, ended, within
from streams.kafka.compute import Compute, Result
from streams.kafka.connection import Connection
from streams.kafka.delivery import Delivery
from streams.kafka.group import Group
from streams.kafka.limits import Limits
from streams.kafka.metrics import Metrics
from streams.kafka.processors import Setup
from streams.kafka.sending import Sender
from streams.kafka.stages import INPUTS, Stage
from streams.kafka.state import load_rows
from streams.kafka.steps import Input
from streams.kafka.topics import Topics

COMMIT_S = 1.0
REVOKE_S_MAX = 5.0
STOP_S_MAX = 20.0
TICK_S = 0.5
IN_FLIGHT_BYTES_MAX = 32_000_000

log = logging.getLogger("vigie.worker")


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """What one role's process is given; `folder` is for what Faust keeps on disk."""

    role: str
    connection: Connection
    topics: Topics
    partitions: int
    group: str
    folder: Path
    limits: Limits = field(default_factory=Limits)
    in_flight_bytes_max: int = IN_FLIGHT_BYTES_MAX
    capacity: Capacity | None = None
    """TRANSCRIBE: what this machine was measured to carry."""
    session_timeout_s: float = 10.0


class RoleApp:
    """A role of this process: its group, the books of its partitions, and the way to the compute thread."""

    def __init__(self, settings: RoleSettings, setup: Setup, metrics: Metrics) -> None:
        self.settings, self.setup, self.metrics = settings, setup, metrics
        s, inputs = settings, INPUTS[settings.role]
        names = {name: s.topics.name(name.removeprefix("calls.")) for name in inputs}
        self._group = Group(
            s.group,
            s.connection,
            names,
            s.folder,
            session_timeout_s=s.session_timeout_s,
            gathers=s.role == "listen",
        )
        self._group.connect(self._take, self._on_revoked, self._on_assigned)
        self._sender = Sender(s.role, s.topics, self._group.send, self._in_force, self._fail, metrics)
        self.failure: BaseException | None = None
        self.failed = asyncio.Event()
        self._books: dict[int, Book] = {}
        self._taking = False
        self._in_flight = 0
        self._room = asyncio.Event()
        self._room.set()
        self._counted: Counter[str] = Counter()
        self._background: set[asyncio.Task[None]] = set()
        self._committing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dropped: Counter[str] = Counter()
        self.admission = Admission(settings.capacity)
        metrics.capacity.labels(settings.role).set(settings.capacity.calls if settings.capacity else 0)
        engine = setup.engine(metrics.batch) if setup.engine is not None else None
        self.compute = Compute(self._from_compute, self._compute_failed, engine)
        self.beat_s = time.monotonic()

    # Life -----------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set or something fails; then drain, commit and leave the group."""
        self._loop = asyncio.get_running_loop()
        self.compute.start()
        await self._group.app.start()
        tasks = [asyncio.create_task(part) for part in (self._sender.run(), self._commit_all(), self._tick_all())]
        waits: list[asyncio.Task[Any]] = [
            asyncio.create_task(part) for part in (stop.wait(), self.failed.wait(), self._crashed())
        ]
        try:
            await asyncio.wait([*waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and task.exception() is not None:
                    self._fail(task.exception() or RuntimeError("a task ended"))
            if self.failure is None:
                await self._let_go()
                await ended(self._group.app.stop(), STOP_S_MAX)
        finally:
            for task in (*waits, *tasks):
                task.cancel()
            self.compute.stop()

    async def _crashed(self) -> None:
        self._fail(await self._group.crashed())

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            log.error("the worker fails: %s: %s", type(error).__name__, error)
            self.failure = error
        self.failed.set()

    def _compute_failed(self, error: BaseException) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._fail, error)

    @property
    def ready(self) -> bool:
        """Whether partitions are assigned and their calls loaded (none assigned, as a spare, is ready as well)."""
        return self._taking

    @property
    def healthy(self) -> bool:
        now_s = time.monotonic()
        return self.failure is None and now_s - self.beat_s < 15 and now_s - self.compute.beat_s < 120

    # Membership -----------------------------------------------------------------------------------------------------

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        """Load the calls of the partitions that are ours now. Faust awaits this before any record flows."""
        try:
            await self._load()
        except Exception as error:
            self._fail(error)

    async def _load(self) -> None:
        role, generation, assigned = self.settings.role, self._group.generation, self._group.assigned()
        partitions = sorted({partition for _, partition in assigned})
        if assigned != {(topic, partition) for topic in INPUTS[role] for partition in partitions}:
            self._fail(RuntimeError(f"partitions are not assigned together: {sorted(assigned)}"))
            return
        began_s = time.monotonic()
        rows = await load_rows(self.settings.connection, self.settings.topics.state(role), partitions)
        starts, lost = await self._group.offsets(assigned)
        self._books.clear()
        fence = (self.settings.group, generation)
        for partition in partitions:
            stage = Stage(role, partition, self.settings.partitions, self.setup, self.settings.limits, fence)
            await asyncio.to_thread(stage.load, rows[partition], time.monotonic())
            begin = {topic: at for (topic, place), at in starts.items() if place == partition}
            self._books[partition] = Book(partition, generation, Accounts(INPUTS[role]), begin, dict(begin))
            self.compute.assign(partition, generation, stage)
            until = lost.get(("calls.audio", partition))
            if until is not None:
                log.warning("partition %s: audio was deleted before it was read (retention)", partition)
                self.compute.lose(partition, until)
        self._in_flight = 0
        self._room.set()
        self._taking = True
        self.metrics.rebalances.labels(role).inc()
        calls = sum(len(found) for found in rows.values())
        log.info(
            "assigned: generation %s, partitions %s, %s rows read in %.1f s",
            generation,
            partitions,
            calls,
            time.monotonic() - began_s,
        )

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """Everything is taken away from us, as in every rebalance: save, commit, forget."""
        await self._let_go()

    async def _let_go(self) -> None:
        if not self._taking:
            return
        self._taking = False
        self._room.set()
        books, deadline_s = list(self._books.values()), time.monotonic() + REVOKE_S_MAX
        self.compute.drain()
        saved = 0
        for book in books:
            if await within(book.drained.wait, deadline_s) and await within(book.idle.wait, deadline_s):
                saved += 1
        if self._committing is not None and not self._committing.done():
            await asyncio.wait([self._committing], timeout=max(0.1, deadline_s - time.monotonic()))
        await self._commit(max(1.0, deadline_s - time.monotonic()))
        self._books.clear()
        log.info("let go of %s partitions, %s with everything saved", len(books), saved)

    def _in_force(self, book: Book) -> bool:
        return self._books.get(book.partition) is book

    # Input ----------------------------------------------------------------------------------------------------------

    async def _take(self, topic: str, delivery: Delivery) -> bool:
        """Take what a fetch brought; False where that fails: Faust would start the agent again after this delivery,
        which would then be under way for ever."""
        try:
            for partition, records in delivery.records.items():
                book = self._books.get(partition)
                # What was fetched before a rebalance comes again after it.
                if book is not None and self._taking and delivery.generation == book.generation:
                    self._take_records(book, topic, records)
            if self._in_flight + self.compute.held_bytes > self.settings.in_flight_bytes_max:
                # Faust's own pause would drop what it has fetched already: we only stop taking, and its buffers fill.
                self._room.clear()
                self.metrics.paused.labels(self.settings.role).set(1)
                await self._room.wait()
        except Exception as error:
            self._fail(error)
            return False
        return True

    def _take_records(self, book: Book, topic: str, records: list[Any]) -> None:
        items: list[Input] = []
        taken = 0
        for record in records:
            leave, seek = book.passed_over(topic, record.offset)
            if seek:
                log.warning("partition %s of %s: offset %s was passed over", book.partition, topic, book.awaited[topic])
                self.metrics.passed_over.labels(self.settings.role).inc()
                self._seek(book, topic)
            if leave:
                continue
            if record.offset > book.awaited[topic] and topic == "calls.audio":
                # We went back for it several times: it is gone.
                self.compute.take(items, book.generation)
                items = []
                self.compute.lose(book.partition, max(record.offset, self._group.end(topic, book.partition) or 0))
            if not book.came(topic, record.offset):
                continue
            captured_ms = serde.captured_ms_of(record.headers)
            items.append(Input(topic, book.partition, record.offset, record.key, record.value, captured_ms))
            taken += 1
            self._in_flight += len(record.value or b"")
        self.metrics.inputs.labels(self.settings.role, topic).inc(taken)
        self.compute.take(items, book.generation)

    def _seek(self, book: Book, topic: str) -> None:
        async def back() -> None:
            try:
                await self._group.seek(topic, book.partition, book.awaited[topic])
            except Exception as error:  # between two assignments: the next one starts from the commit
                log.warning("a seek failed: %s", type(error).__name__)

        task = asyncio.create_task(back())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Output ---------------------------------------------------------------------------------------------------------

    def _from_compute(self, results: list[Result]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._enter, results)

    def _enter(self, results: list[Result]) -> None:
        for result in results:
            book = self._books.get(result.partition)
            if book is None or book.generation != result.generation:
                continue
            self._in_flight -= result.input_bytes
            self._sender.enter(book, result.steps)
            if result.drained:
                book.drained.set()
                book.settle()
        self._make_room()

    # Commits, and what time asks for -----------------------------------------------------------------------------------

    async def _commit_all(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            if self._taking and self.failure is None:
                self._committing = asyncio.create_task(self._commit(30.0))
                await asyncio.wait([self._committing])

    async def _commit(self, patience_s: float) -> None:
        moved = {
            (name, book.partition): offset
            for book in self._books.values()
            for name, offset in book.accounts.committable().items()
            if offset > book.committed.get(name, 0)
        }
        if not moved:
            return
        books = dict(self._books)
        try:
            async with asyncio.timeout(patience_s):
                await self._group.commit(moved)
        except (KafkaError, TimeoutError) as error:
            # Nothing is lost: the next commit says the same and more, or another member starts from the last.
            log.warning("a commit failed: %s", type(error).__name__)
            self.metrics.commits.labels(self.settings.role, "failed").inc()
            return
        for (name, partition), offset in moved.items():
            books[partition].committed[name] = offset
        self.metrics.commits.labels(self.settings.role, "done").inc()

    def _make_room(self) -> None:
        """Take input again once half of the room is free: of what is in line, and of speech that waits to be heard."""
        held = self._in_flight + self.compute.held_bytes
        if not self._room.is_set() and held < self.settings.in_flight_bytes_max // 2:
            self._room.set()
            self.metrics.paused.labels(self.settings.role).set(0)

    async def _tick_all(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.beat_s = time.monotonic()
            self._make_room()
            if self._taking:
                for book in list(self._books.values()):
                    self._follow_end(book)
                    for topic in book.to_seek():
                        self._seek(book, topic)
            counts = self.compute.counts()
            self.metrics.follow(self.settings.role, self.compute, counts - self._counted, self._in_flight)
            self._counted = counts
            self._follow_transcriber()

    def _follow_transcriber(self) -> None:
        hearing, transcriber = self.compute.hearing, self.setup.transcriber
        if hearing is None or transcriber is None:
            return
        dropped = Counter(transcriber.dropped)
        self.metrics.follow_engine(self.settings.role, hearing.engine, dropped - self._dropped)
        self._dropped = dropped
        if (warning := self.admission.look(self.compute.calls)) is not None:
            log.warning(warning)

    def _follow_end(self, book: Book) -> None:
        behind = 0
        for topic in INPUTS[self.settings.role]:
            end = self._group.end(topic, book.partition)
            taken = max(book.accounts.inputs[topic].seen + 1, book.committed.get(topic, 0))
            lag = None if end is None else max(0, end - taken)
            behind += 1 if lag is None else lag
            if lag is not None:
                self.metrics.lag.labels(self.settings.role, topic, str(book.partition)).set(lag)
        if behind:
            book.at_end_since_s = None
        elif book.at_end_since_s is None:
            book.at_end_since_s = time.monotonic()
        self.compute.tell_end(book.partition, book.at_end_since_s)
