"""The page over calls that play in this process: a demonstration or a replay, without Kafka.

The same store, the same API; only the records come straight from the engine. Clips are cut from the recordings by the
rules of the evidence role: once it is known what must not be heard.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from streams.events import Record
from streams.feed.absorb import Absorber
from streams.feed.app import create_app
from streams.feed.clips import FolderClips
from streams.feed.clock import wall_ms
from streams.feed.command import serving
from streams.feed.database import Database
from streams.feed.item import Item
from streams.feed.source import LocalSource
from streams.kafka.clips import ClipFolder
from streams.kafka.evidence import ClipOrder, EvidenceCall
from streams.kafka.records import call_record
from streams.replay.clips import ClipOrder as RecordingOrder
from streams.replay.clips import cut_legs, encoded, mixed
from streams.replay.sources import CallSource

HOST = "127.0.0.1"
CLIP_DAYS = 30
ROUND_S = 0.1
BATCH_MAX = 2_000
log = logging.getLogger("vigie.feed")


class LocalFeed:
    """Takes records of calls and serves the page over them, on loopback, without login."""

    def __init__(self, sources: Iterable[CallSource], folder: Path) -> None:
        self._sources = {source.call.call_id: source for source in sources}
        self.database = Database(str(folder / "feed.db"))
        self._folder = ClipFolder(folder / "clips", CLIP_DAYS)
        clips = FolderClips(folder / "clips")
        self._absorber = Absorber(self.database, clips.describe)
        self.app = create_app(self.database, self._absorber, LocalSource(self._absorber), clips, loopback=True)
        self._records: queue.Queue[Item | None] = queue.Queue()
        self._evidence: dict[str, EvidenceCall] = {}
        self._thread = threading.Thread(target=self._run, name="vigie-feed-local", daemon=True)
        self._thread.start()

    def put(self, topic: str, record: Record) -> None:
        """A record as its topic would carry it; never waits."""
        source = self._sources.get(record["call_id"])
        if source is not None and record.get("seq") == 0:
            record = {**record, "call": call_record(source.call)}
        self._records.put(Item(topic, record, wall_ms()))

    def close(self) -> None:
        """Absorb what was put, and close the store."""
        self._records.put(None)
        self._thread.join(30)
        self.database.close()

    def _run(self) -> None:
        going = True
        while going:
            batch = [self._records.get()]
            time.sleep(ROUND_S)
            with contextlib.suppress(queue.Empty):
                while len(batch) < BATCH_MAX:
                    batch.append(self._records.get_nowait())
            going = None not in batch
            items = [item for item in batch if item is not None]
            try:
                self._absorber.absorb(items, wall_ms())
                self._cut(items)
            except Exception:
                # The page is an onlooker: what goes wrong here must not end the run that it shows.
                log.exception("records could not be shown")

    def _cut(self, items: list[Item]) -> None:
        for item in items:
            call_id = item.record["call_id"]
            source = self._sources.get(call_id)
            if source is None or item.topic not in ("alerts", "measurements", "utterances"):
                continue
            call = self._evidence.setdefault(call_id, EvidenceCall(source.call, "", None))
            record = item.record
            if item.topic == "measurements":
                # The evidence role counts seconds by their place in calls.audio; a recording needs no place.
                record = {**record, "offsets": {"from": record["seq"], "to": record["seq"]}}
            call.push(record, 0)
            while call.is_ready:
                order = call.next_order()
                self._cut_one(source, order)
                call.done(order)

    def _cut_one(self, source: CallSource, order: ClipOrder) -> None:
        span = (order.alert_id, order.from_ms, order.to_ms)
        state, files = "silent", dict[str, bytes]()
        try:
            legs = cut_legs(RecordingOrder(source, (span,), order.muted)).get(order.alert_id, {})
        except VigieError:
            legs, state = {}, "gone"
        for name, heard in (("", legs), *((f"{party}.", {party: leg}) for party, leg in legs.items())):
            if heard:
                sound, kind = encoded(mixed(heard))
                files[name + kind], state = sound, "cut"
        self._folder.put(order, state, wall_ms() / 1000, files)


@contextlib.contextmanager
def local_page(sources: Iterable[CallSource], port: int) -> Iterator[tuple[LocalFeed, str]]:
    """The feed and its address, while the block runs. A taken port is replaced by a free one."""
    with tempfile.TemporaryDirectory(prefix="vigie-feed-") as folder:
        feed = LocalFeed(sources, Path(folder))
        port = free_port(port)
        try:
            with serving(feed.app, HOST, port):
                yield feed, f"http://{HOST}:{port}/"
        finally:
            feed.close()


def free_port(wanted: int) -> int:
    import socket

    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError, OverflowError):
                probe.bind((HOST, port))
                found: Any = probe.getsockname()
                return int(found[1])
    raise VigieError("no port is free", remedy="Name another --port", field="--port")
