"""Carries out EVIDENCE's orders: reads the audio back from calls.audio, mutes, mixes, and keeps it in a folder.

    DIR/<hash of the call id>/<alert_id>.<revision>.json    what it is, `state` cut, gone, silent or failed, `expires_at`
                                                    .ogg    the sound (.wav where the libraries have no Opus)
                                                    .agent.ogg, .customer.ogg    each party alone
                                                    .png    its picture
    DIR/<hash of the call id>.erased    the call was erased: no clip of it is kept any more

Files come into being whole, and the .json last: where it is there, the clip is done, and is not cut again. A sweep
deletes what has expired.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from audio.chunk import NARROW_RATE_HZ, AudioChunk, Float32Array, Int16Array, Party
from audio.codec import bytes_per_sample, decode
from audio.errors import VigieError
from audio.resample import FirResampler
from streams.events import Record
from streams.kafka import serde
from streams.kafka.connection import Connection
from streams.kafka.evidence import ClipOrder, Span
from streams.kafka.records import CallAudio
from streams.replay.clips import RESAMPLER_DELAY_MS, encoded, mixed
from streams.replay.spectrogram import png_of

DAY_S = 86_400
READ_S_MAX = 60.0
ERASED_DAYS = 400
"""How long it is known that a call was erased: longer than any topic holds its audio."""
SWEEP_FILES = 200
SWEEP_S = 2.0
FETCH_BYTES = 4_000_000
SOUNDS = (".ogg", ".wav")
PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

log = logging.getLogger("vigie.clips")


def legs_of(chunks: Iterable[AudioChunk], from_ms: int, to_ms: int, muted: Iterable[Span]) -> dict[Party, Float32Array]:
    """Each party's sound from `from_ms` to `to_ms`, float32 `(n,)` at 8 kHz; what never came, or is muted, is zeros."""
    native: dict[tuple[Party, int], Int16Array] = {}
    for chunk in chunks:
        rate_hz, width = chunk.sample_rate_hz, bytes_per_sample(chunk.encoding)
        first, stop = from_ms * rate_hz // 1000, to_ms * rate_hz // 1000
        for party, data in chunk.legs.items():
            start = max(first, chunk.offset_samples)
            end = min(stop, chunk.offset_samples + len(data) // width)
            if start < end:
                place = native.setdefault((party, rate_hz), np.zeros(stop - first, dtype=np.int16))
                skip = start - chunk.offset_samples
                samples = decode(data[skip * width : (end - chunk.offset_samples) * width], chunk.encoding)
                place[start - first : end - first] = samples
    length = (to_ms - from_ms) * NARROW_RATE_HZ // 1000
    legs: dict[Party, Float32Array] = {}
    for (party, rate_hz), samples in native.items():
        narrow = FirResampler(rate_hz, NARROW_RATE_HZ).push(samples)[:length]
        leg = legs.setdefault(party, np.zeros(length, dtype=np.float32))
        leg[: len(narrow)] += narrow
    for name, since_ms, until_ms in muted:
        if name in legs:
            begin, end = since_ms - from_ms, until_ms - from_ms + RESAMPLER_DELAY_MS
            legs[Party(name)][max(0, begin) * 8 : max(0, end) * 8] = 0
    return legs


class ClipFolder:
    """The clips on disk, for `days` days each."""

    def __init__(self, folder: Path, days: int) -> None:
        """Raises VigieError where the folder cannot be used."""
        self.folder, self.days = folder, days
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f".{os.getpid()}.tmp").write_bytes(b"")
            (folder / f".{os.getpid()}.tmp").unlink()
        except OSError as error:
            remedy = "Name a folder that this user can write to"
            raise VigieError(f"{folder} cannot be used ({error.strerror})", remedy=remedy, field="evidence") from None
        self._files: Iterator[Path] = iter(())

    @classmethod
    def looking(cls, folder: Path) -> ClipFolder:
        """The folder for one who only reads it."""
        self = cls.__new__(cls)
        self.folder, self.days, self._files = folder, 0, iter(())
        return self

    def path(self, call_id: str, alert_id: str, revision: int, ending: str) -> Path:
        call = hashlib.sha256(call_id.encode()).hexdigest()[:32]
        # Ids of ours are plain; a stranger's must not name a file elsewhere.
        plain = alert_id if PLAIN_ID.fullmatch(alert_id) else hashlib.sha256(alert_id.encode()).hexdigest()
        return self.folder / call / f"{plain}.{revision}.{ending}"

    def _mark(self, call_id: str) -> Path:
        folder = self.path(call_id, "x", 1, "json").parent
        return folder.with_name(f"{folder.name}.erased")

    def is_erased(self, call_id: str) -> bool:
        return self._mark(call_id).exists()

    def erase(self, call_id: str) -> int:
        """Delete a call's clips, and keep none of it from now on; returns how many sounds there were.

        Raises:
            VigieError: they cannot be deleted.
        """
        folder = self.path(call_id, "x", 1, "json").parent
        try:
            self._mark(call_id).touch()
            if not folder.is_dir():
                return 0
            number = sum(1 for path in folder.iterdir() if path.suffix in SOUNDS and path.name.count(".") == 2)
            shutil.rmtree(folder)
        except OSError as error:
            remedy = "Run it again as the user who cuts the clips"
            raise VigieError(
                f"clips of that call cannot be deleted ({error.strerror})",
                remedy=remedy,
                where=str(folder),
                field="evidence",
            ) from None
        return number

    def has(self, order: ClipOrder) -> bool:
        return self.path(order.call_id, order.alert_id, order.revision, "json").exists()

    def put(self, order: ClipOrder, state: str, now_s: float, files: Mapping[str, bytes] | None = None) -> bool:
        """Keep a clip: its files by ending, and what it is. False: its call was erased, and nothing is kept."""
        if self.is_erased(order.call_id):
            return False
        files = files or {}
        told: Record = {
            "call_id": order.call_id,
            "alert_id": order.alert_id,
            "revision": order.revision,
            "from_ms": order.from_ms,
            "to_ms": order.to_ms,
            "state": state,
            "muted": [{"party": p, "from_ms": start, "to_ms": end} for p, start, end in order.muted],
            "files": sorted(files),
            "cut_at": _moment(now_s),
            "expires_at": _moment(now_s + self.days * DAY_S),
        }
        for ending, data in {**files, "json": json.dumps(told, indent=1).encode()}.items():
            path = self.path(order.call_id, order.alert_id, order.revision, ending)
            path.parent.mkdir(exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        if self.is_erased(order.call_id):
            self.erase(order.call_id)  # it was while this was written
            return False
        return True

    def sweep(self, now_s: float, files_max: int = SWEEP_FILES) -> int:
        """Look at the next files of the folder, and delete those that have expired; returns how many it deleted."""
        deleted = 0
        for _ in range(files_max):
            path = next(self._files, None)
            if path is None:
                self._files = (file for place in self.folder.iterdir() for file in _files(place))
                break
            if now_s >= self._expiry_s(path):
                path.unlink(missing_ok=True)
                deleted += 1
        return deleted

    def _expiry_s(self, path: Path) -> float:
        stem = ".".join(path.name.split(".")[:2])
        try:
            if path.suffix == ".erased":
                return path.stat().st_mtime + ERASED_DAYS * DAY_S
            told = json.loads(path.with_name(f"{stem}.json").read_text(encoding="utf-8"))
            return datetime.fromisoformat(told["expires_at"]).timestamp()
        except (OSError, ValueError, KeyError, TypeError):
            try:
                return path.stat().st_mtime + self.days * DAY_S
            except OSError:
                return float("inf")  # another sweep was faster


def _files(call: Path) -> list[Path]:
    """A call's files, the .json of a clip last; a folder that is empty goes. Of an erased call, its mark."""
    if call.suffix == ".erased":
        return [call]
    try:
        found = sorted(call.iterdir(), key=lambda path: (path.suffix == ".json", path.name))
        if not found:
            call.rmdir()
    except OSError:
        return []  # gone, or a clip has just come
    return found


def _moment(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds")


class Sweeper(threading.Thread):
    """Deletes what has expired, a little at a time."""

    def __init__(self, folder: ClipFolder) -> None:
        super().__init__(name="vigie-sweep", daemon=True)
        self._folder = folder

    def run(self) -> None:
        while True:
            try:
                deleted = self._folder.sweep(time.time())
                if deleted:
                    log.info("%s files of clips have expired", deleted)
            except OSError as error:
                log.warning("the clips cannot be swept: %s", type(error).__name__)
            time.sleep(SWEEP_S)


class AudioReader:
    """Reads stretches of calls.audio; belongs to no group."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self._connection, self._topic = connection, topic
        self._consumer: Any = None

    def read(self, partition: int, order: ClipOrder) -> list[AudioChunk] | None:
        """The call's chunks of these offsets; None: the topic does not hold them any more.

        Raises:
            TimeoutError: the broker does not give them.
            VigieError: it cannot be reached.
        """
        from kafka import KafkaConsumer, TopicPartition

        from streams.kafka.connection import kafka_errors

        if order.first_offset is None:
            return None
        with kafka_errors(self._connection):
            if self._consumer is None:
                self._consumer = KafkaConsumer(
                    **self._connection.for_kafka_python(),
                    group_id=None,
                    enable_auto_commit=False,
                    max_partition_fetch_bytes=FETCH_BYTES,
                )
            place = TopicPartition(self._topic, partition)
            self._consumer.assign([place])
            begin = self._consumer.beginning_offsets([place])[place]
            stop = min(order.last_offset + 1, self._consumer.end_offsets([place])[place])
            if begin > order.needed_offset:
                return None
            self._consumer.seek(place, max(begin, order.first_offset))
            return self._chunks(place, order.call_id.encode(), stop)

    def _chunks(self, place: Any, key: bytes, stop: int) -> list[AudioChunk]:
        chunks: list[AudioChunk] = []
        deadline_s = time.monotonic() + READ_S_MAX
        while self._consumer.position(place) < stop:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{self._topic} was not read within {READ_S_MAX:.0f} s")
            for records in self._consumer.poll(timeout_ms=500).values():
                # The partition holds other calls as well: theirs is not even decoded.
                values = [r.value for r in records if r.offset < stop and r.key == key]
                chunks += [record.chunk for record in _decoded(values) if isinstance(record, CallAudio)]
        return chunks


def _decoded(values: Iterable[bytes]) -> Iterator[Any]:
    for value in values:
        try:
            yield serde.decode_audio(value)
        except VigieError:
            continue  # LISTEN has made it a dead letter


class Cutter:
    """Carries out an order: `cut`, `gone` (the audio is not kept so long), `silent` (none came), `failed`, `there`,
    `erased` (the call was, see `vigie forget`)."""

    def __init__(self, reader: AudioReader, folder: ClipFolder) -> None:
        self._reader, self._folder = reader, folder

    def __call__(self, partition: int, order: ClipOrder) -> str:
        if self._folder.has(order):
            return "there"
        if self._folder.is_erased(order.call_id):
            self._folder.erase(order.call_id)  # what could not be deleted then
            return "erased"
        chunks = self._reader.read(partition, order) if order.to_ms > order.from_ms else []
        state, files = ("gone", None) if chunks is None else self._cut(chunks, order)
        return state if self._folder.put(order, state, time.time(), files) else "erased"

    def _cut(self, chunks: list[AudioChunk], order: ClipOrder) -> tuple[str, dict[str, bytes] | None]:
        try:
            legs = legs_of(chunks, order.from_ms, order.to_ms, order.muted)
            if not legs:
                return "silent", None
            files = {"png": png_of(legs)}
            for name, heard in (("", legs), *((f"{party}.", {party: leg}) for party, leg in legs.items())):
                sound, kind = encoded(mixed(heard))
                files[name + kind] = sound
            return "cut", files
        except Exception:
            # One clip is worth no worker: that it is missing is written down.
            log.exception("a clip could not be cut", extra={"call_id": order.call_id})
            return "failed", None
