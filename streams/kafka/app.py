"""One role as a Faust application: topology, membership and delivery are Faust's; acknowledgement is ours.

What was seen on a real broker (Apache Kafka in KRaft mode, faust-streaming 0.15.3, aiokafka 0.14), and decided this:

- With `acks=False` Faust tracks and commits nothing, holds up no revocation and no stop, and `consumer._commit` commits
  what it is told (`tests/kafka/test_faust.py`). It also crashes the app on any error of the broker, so we commit in the
  consumer's thread ourselves: a commit that fails is said again a second later.
- **Faust drops records that it has fetched.** `getmany` throws a batch away when the flow stops meanwhile, passes over
  partitions that were paused, and relies on a seek back to the committed offset; aiokafka's `seek_to_committed` does
  nothing where none is committed yet. In an early chaos run the first 180 records of a partition never came after a
  broker's restart, most likely that way. So the books know which offset comes next: where one is passed over we seek
  back, and `_read_offset`, by which Faust would drop what comes again, is put out of action.
- For the same reason pressure never pauses partitions: the agent stops taking, and Faust's bounded buffers fill.
- An agent whose body raises is started again after the event in hand, which would then be under way for ever: any error
  of ours ends the process instead, and a new one starts from the last rows.
- `on_rebalance_complete` is awaited before Faust seeks and resumes: calls are loaded there, before any record flows. The
  revocation callback runs while the group still takes commits: what is saved there is committed.
- On SIGTERM the app's own stop leaves the group at once; the members that stay have its partitions a second later.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from streams.kafka import serde
from streams.kafka.accounts import Accounts
from streams.kafka.book import Book, Forgetful, within
from streams.kafka.compute import Compute, Result
from streams.kafka.connection import Connection
from streams.kafka.metrics import Metrics
from streams.kafka.processors import Setup
from streams.kafka.stages import INPUTS, Limits, Stage
from streams.kafka.state import load_rows
from streams.kafka.steps import Input, Out, Row
from streams.kafka.topics import MESSAGE_BYTES_MAX, STATE_BYTES_MAX, Topics

COMMIT_S = 1.0
REVOKE_S_MAX = 5.0
TICK_S = 0.5
FETCH_BYTES_MIN, FETCH_WAIT_MS_MAX = 65_536, 100
IN_FLIGHT_BYTES_MAX = 32_000_000
BUFFERED_EVENTS = 256
"""Events that Faust holds for an agent: with chunks of 100 ms some 400 kB."""

log = logging.getLogger("vigie.worker")


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """What one role's process is given."""

    role: str
    connection: Connection
    topics: Topics
    partitions: int
    group: str
    limits: Limits = field(default_factory=Limits)
    in_flight_bytes_max: int = IN_FLIGHT_BYTES_MAX
    session_timeout_s: float = 10.0


class RoleApp:
    """A role of this process: the Faust app, the books of its partitions, and the way to the compute thread."""

    def __init__(self, settings: RoleSettings, setup: Setup, metrics: Metrics) -> None:
        self.settings, self.setup, self.metrics = settings, setup, metrics
        self.app = self._faust_app()
        self.failure: BaseException | None = None
        self.failed = asyncio.Event()
        self._topics = {settings.topics.name(name.removeprefix("calls.")): name for name in INPUTS[settings.role]}
        self._state_topic = settings.topics.state(settings.role)
        self._books: dict[int, Book] = {}
        self._taking = False
        self._in_flight = 0
        self._room = asyncio.Event()
        self._room.set()
        self._sending: deque[tuple[Book, int, Out] | tuple[Book, None, Row]] = deque()
        self._to_send = asyncio.Event()
        self._counted: Counter[str] = Counter()
        self._background: set[asyncio.Task[None]] = set()
        self._committing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.compute = Compute(self._from_compute, self._compute_failed)
        self.beat_s = time.monotonic()
        self._wire()

    def _faust_app(self) -> faust.App:
        s = self.settings
        return faust.App(
            s.group,
            broker=s.connection.faust_broker(),
            broker_credentials=s.connection.faust_credentials(),
            autodiscover=False,
            datadir=tempfile.mkdtemp(prefix="vigie-faust-"),
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=1,
            stream_wait_empty=False,
            stream_buffer_maxsize=BUFFERED_EVENTS,
            broker_max_poll_records=500,
            broker_session_timeout=s.session_timeout_s,
            broker_heartbeat_interval=s.session_timeout_s / 4,
            broker_request_timeout=60.0,
            broker_rebalance_timeout=30.0,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=MESSAGE_BYTES_MAX,
            producer_acks=-1,
            producer_linger=0.005,
            producer_max_request_size=STATE_BYTES_MAX,
            producer_request_timeout=120.0,
        )

    def _wire(self) -> None:
        for name in self._topics:
            topic = self.app.topic(
                name, value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw", acks=False
            )
            self.app.agent(topic, name=f"vigie.{name}")(self._consume)
        consumer: Any = self.app.consumer
        consumer._read_offset = Forgetful()
        self.app.on_partitions_revoked.connect(self._on_revoked)
        self.app.on_rebalance_complete.connect(self._on_assigned)

    # Life -----------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set or something fails; then drain, commit and leave the group."""
        self._loop = asyncio.get_running_loop()
        self.compute.start()
        await self.app.start()
        tasks = [asyncio.create_task(part) for part in (self._send_all(), self._commit_all(), self._tick_all())]
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
                await asyncio.wait_for(self.app.stop(), 20.0)
        finally:
            for task in (*waits, *tasks):
                task.cancel()
            self.compute.stop()

    async def _crashed(self) -> None:
        while not self.app.crashed:
            await asyncio.sleep(0.2)
        self._fail(self.app.crash_reason or RuntimeError("Faust crashed"))

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
        generation = int(self.app.consumer_generation_id)
        assigned = {tp for tp in self.app.consumer.assignment() if tp.topic in self._topics}
        partitions = sorted({tp.partition for tp in assigned})
        whole = {TP(topic, partition) for topic in self._topics for partition in partitions}
        if whole != assigned:
            self._fail(RuntimeError(f"partitions are not assigned together: {sorted(assigned)}"))
            return
        began_s = time.monotonic()
        rows = await load_rows(self.settings.connection, self._state_topic, partitions)
        starts, committed = await self._in_consumer(self._starts, assigned)
        self._books.clear()
        fence = (self.settings.group, generation)
        for partition in partitions:
            stage = Stage(
                self.settings.role, partition, self.settings.partitions, self.setup, self.settings.limits, fence
            )
            await asyncio.to_thread(stage.load, rows[partition], time.monotonic())
            known, awaited = (
                {self._topics[tp.topic]: at for tp, at in offsets.items() if tp.partition == partition}
                for offsets in (committed, starts)
            )
            self._books[partition] = Book(partition, generation, Accounts(INPUTS[self.settings.role]), known, awaited)
            self.compute.assign(partition, generation, stage)
        self._in_flight = 0
        self._room.set()
        self._taking = True
        self.metrics.rebalances.labels(self.settings.role).inc()
        calls = sum(len(found) for found in rows.values())
        log.info(
            "assigned: generation %s, partitions %s, %s rows read in %.1f s",
            generation,
            partitions,
            calls,
            time.monotonic() - began_s,
        )

    async def _starts(self, tps: set[TP]) -> tuple[dict[TP, int], dict[TP, int]]:
        """In the consumer's thread: where to go on, and what the group has committed."""
        consumer = self._thread._consumer
        if self.settings.role == "listen":
            # A fetch for each chunk would cost more than the chunk: the broker gathers for a moment. Faust has no setting.
            consumer._fetcher._fetch_min_bytes, consumer._fetcher._fetch_max_wait_ms = (
                FETCH_BYTES_MIN,
                FETCH_WAIT_MS_MAX,
            )
        places = [TopicPartition(tp.topic, tp.partition) for tp in tps]
        first = await consumer.beginning_offsets(places)
        committed = {tp: await consumer.committed(TopicPartition(tp.topic, tp.partition)) or 0 for tp in tps}
        starts = {tp: max(committed[tp], first[TopicPartition(tp.topic, tp.partition)]) for tp in tps}
        return starts, committed

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

    # Input ----------------------------------------------------------------------------------------------------------

    async def _consume(self, stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                await self._take(event.message)
            except Exception as error:
                # Faust would start the agent again after this event, which would then be under way for ever.
                self._fail(error)
                return

    async def _take(self, message: Any) -> None:
        book = self._books.get(message.partition)
        # What was fetched before a rebalance comes again after it.
        if book is None or not self._taking or message.generation_id != book.generation:
            return
        topic = self._topics[message.topic]
        leave, seek = book.passed_over(topic, message.offset)
        if seek:
            log.warning("partition %s of %s: offset %s was passed over", book.partition, topic, book.awaited[topic])
            self.metrics.passed_over.labels(self.settings.role).inc()
            self._seek(book, topic)
        if leave or not book.came(topic, message.offset):
            return
        headers = message.headers
        captured_ms = serde.captured_ms_of(list(headers.items()) if isinstance(headers, dict) else headers)
        self.metrics.inputs.labels(self.settings.role, topic).inc()
        item = Input(topic, message.partition, message.offset, message.key, message.value, captured_ms)
        self._in_flight += len(message.value or b"")
        self.compute.take(item, book.generation)
        if self._in_flight > self.settings.in_flight_bytes_max:
            # Faust's own pause would drop what it has fetched already: we only stop taking, and its buffers fill.
            self._room.clear()
            self.metrics.paused.labels(self.settings.role).set(1)
            await self._room.wait()

    def _seek(self, book: Book, topic: str) -> None:
        full = next(name for name, short in self._topics.items() if short == topic)
        place, offset = TopicPartition(full, book.partition), book.awaited[topic]

        async def there() -> None:
            self._thread._consumer.seek(place, offset)

        async def here() -> None:
            try:
                await self._in_consumer(there)
            except Exception as error:  # between two assignments: the next one starts from the commit
                log.warning("a seek failed: %s", type(error).__name__)

        task = asyncio.create_task(here())
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
            for number, out in book.accounts.enter(result.steps):
                self._sending.append((book, number, out))
            self._pass_rows(book)
            if result.drained:
                book.drained.set()
                book.settle()
        if not self._room.is_set() and self._in_flight < self.settings.in_flight_bytes_max // 2:
            self._room.set()
            self.metrics.paused.labels(self.settings.role).set(0)
        self._to_send.set()

    def _pass_rows(self, book: Book) -> None:
        for row in book.accounts.rows():
            self._sending.append((book, None, row))
            self._to_send.set()

    async def _send_all(self) -> None:
        """Send in the order in which the stages left it; the broker confirms when it has all replicas."""
        names = self.settings.topics
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while self._sending:
                book, number, item = self._sending.popleft()
                if self._books.get(book.partition) is not book:
                    continue
                if isinstance(item, Row):
                    sent = await self._send(self._state_topic, item.key, item.value, book.partition, None)
                    sent.add_done_callback(self._saved(book, item))
                else:
                    assert number is not None
                    partition = None if item.topic == "calls.dead-letters" else book.partition
                    topic = names.name(item.topic.removeprefix("calls."))
                    sent = await self._send(topic, item.key, item.value, partition, item.captured_ms)
                    sent.add_done_callback(self._confirmed(book, number, item))

    async def _send(
        self, topic: str, key: bytes, value: bytes | None, partition: int | None, captured_ms: int | None
    ) -> asyncio.Future[Any]:
        headers = serde.headers_of(captured_ms) or None
        sent: Awaitable[Any] = await self.app.producer.send(topic, key, value, partition, None, headers)
        assert isinstance(sent, asyncio.Future)
        return sent

    def _confirmed(self, book: Book, number: int, out: Out) -> Callable[[asyncio.Future[Any]], None]:
        def done(sent: asyncio.Future[Any]) -> None:
            if self._lost(sent):
                return
            book.accounts.confirmed(number)
            self._pass_rows(book)
            book.settle()
            self._count(out)

        return done

    def _saved(self, book: Book, row: Row) -> Callable[[asyncio.Future[Any]], None]:
        def done(sent: asyncio.Future[Any]) -> None:
            if self._lost(sent):
                return
            book.accounts.saved(row)
            book.settle()
            self.metrics.rows.labels(self.settings.role).inc()
            self.metrics.row_bytes.labels(self.settings.role).inc(len(row.value or b""))

        return done

    def _lost(self, sent: asyncio.Future[Any]) -> bool:
        """A record that the broker did not take leaves a hole: only a new start from the last row closes it."""
        error = sent.exception() if not sent.cancelled() else asyncio.CancelledError()
        if error is not None and self.failure is None:
            self._fail(error)
        return error is not None

    def _count(self, out: Out) -> None:
        role = self.settings.role
        self.metrics.outputs.labels(role, out.topic).inc()
        if out.topic == "calls.alerts" and out.captured_ms is not None:
            kind = "sound" if role == "listen" else "words"
            self.metrics.latency.labels(role, kind).observe(max(0.0, time.time() - out.captured_ms / 1000))
        elif out.topic == "calls.dead-letters":
            self.metrics.dead_letters.labels(role, out.kind).inc()
        elif out.topic == "calls.summaries":
            self.metrics.calls_ended.labels(role, out.kind).inc()
        elif out.topic == "calls.utterances":
            self.metrics.utterances.labels(role, out.kind).inc()

    # Commits, and what time asks for -----------------------------------------------------------------------------------

    async def _commit_all(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            if self._taking and self.failure is None:
                self._committing = asyncio.create_task(self._commit(30.0))
                await asyncio.wait([self._committing])

    async def _commit(self, patience_s: float) -> None:
        offsets: dict[TopicPartition, OffsetAndMetadata] = {}
        moved: list[tuple[Book, str, int]] = []
        full = {name: topic for topic, name in self._topics.items()}
        for book in self._books.values():
            for name, offset in book.accounts.committable().items():
                if offset > book.committed.get(name, 0):
                    offsets[TopicPartition(full[name], book.partition)] = OffsetAndMetadata(offset, "")
                    moved.append((book, name, offset))
        if not offsets:
            return
        try:
            await asyncio.wait_for(self._in_consumer(self._commit_there, offsets), patience_s)
        except (KafkaError, TimeoutError) as error:
            # Nothing is lost: the next commit says the same and more, or another member starts from the last.
            log.warning("a commit failed: %s", type(error).__name__)
            self.metrics.commits.labels(self.settings.role, "failed").inc()
            return
        for book, name, offset in moved:
            book.committed[name] = offset
        self.metrics.commits.labels(self.settings.role, "done").inc()

    async def _commit_there(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        """In the consumer's thread. Faust's own `_commit` crashes the app on any error of the broker."""
        await self._thread._consumer.commit(offsets)

    @property
    def _thread(self) -> Any:
        """Faust's consumer thread, which owns the aiokafka consumer."""
        consumer: Any = self.app.consumer
        return consumer._thread

    async def _in_consumer(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await self._thread.call_thread(function, *args)

    async def _tick_all(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.beat_s = time.monotonic()
            if self._taking:
                for book in list(self._books.values()):
                    self._follow_end(book)
                    for topic in book.to_seek():
                        self._seek(book, topic)
            counts = self.compute.counts()
            self.metrics.follow(self.settings.role, self.compute, counts - self._counted, self._in_flight)
            self._counted = counts

    def _follow_end(self, book: Book) -> None:
        consumer = self._thread._consumer
        behind = 0
        for topic, name in self._topics.items():
            try:
                end = consumer.highwater(TopicPartition(topic, book.partition))
            except Exception:
                end = None  # between two assignments
            taken = max(book.accounts.inputs[name].seen + 1, book.committed.get(name, 0))
            lag = None if end is None else max(0, end - taken)
            behind += 1 if lag is None else lag
            self.metrics.lag.labels(self.settings.role, name, str(book.partition)).set(lag or 0)
        if behind:
            book.at_end_since_s = None
        elif book.at_end_since_s is None:
            book.at_end_since_s = time.monotonic()
        self.compute.tell_end(book.partition, book.at_end_since_s)
