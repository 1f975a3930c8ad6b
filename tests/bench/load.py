"""Load for the live benchmarks: many two-party calls in µ-law, sent on the media clock, and what the machine pays."""

from __future__ import annotations

import multiprocessing
import os
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audio.chunk import AudioChunk, Encoding, Int16Array, Party
from audio.codec import encode
from audio.recordings import open_recording
from streams.events import CallInfo, Pace
from streams.kafka import serde
from streams.kafka.children import dies_with_parent
from streams.kafka.records import CallAudio, CallEnded, CallStarted

RATE_HZ = 8_000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CALLS = Path(__file__).resolve().parents[2] / "audio" / "synth" / "calls"


def voices() -> list[Int16Array]:
    """int16 `(2, n)` at 8 kHz of each bundled call."""
    return [np.concatenate(list(open_recording(path).blocks()), axis=1) for path in sorted(CALLS.glob("*.flac"))]


@dataclass(frozen=True, slots=True)
class Load:
    """So many calls at once for so long; each call of `call_s` is followed by another. Chunks of both parties."""

    calls: int
    seconds: float
    chunk_ms: int = 100
    call_s: float = 120.0


def start_sender(bootstrap: str, topic: str, load: Load) -> Any:
    """A process that sends; returns it and the queue on which it says what it sent at the end."""
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    process = context.Process(target=_send, args=(bootstrap, topic, load, told), daemon=True)
    process.start()
    return process, told


def _send(bootstrap: str, topic: str, load: Load, told: Any) -> None:
    from kafka import KafkaProducer

    dies_with_parent()  # a source without its benchmark would fill its memory with what no broker takes
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, batch_size=65_536)
    lines = [_Line(number, load, voice) for number, voice in zip(range(load.calls), _cycle(voices()), strict=False)]
    began_s, late_s, records = time.monotonic(), 0.0, 0
    step_s = load.chunk_ms / 1000
    steps = round(load.seconds / step_s)
    for step in range(steps):
        for at, line in enumerate(lines):
            # The calls' chunks are spread over the step, as sources that know nothing of each other send them.
            due_s = began_s + (step + at / len(lines)) * step_s
            now_s = time.monotonic()
            if due_s > now_s:
                time.sleep(due_s - now_s)
            late_s = max(late_s, now_s - due_s)
            captured_ms = time.time_ns() // 1_000_000
            for value in line.step(step, last=step == steps - 1):
                producer.send(topic, key=line.key, value=value, headers=serde.headers_of(captured_ms))
                records += 1
    producer.flush()
    told.put(
        {
            "records": records,
            "late_s_max": round(late_s, 3),
            "cpu_s": time.process_time(),
            "wall_s": time.monotonic() - began_s,
        }
    )


def _cycle(items: list[Int16Array]) -> Iterator[Int16Array]:
    while True:
        yield from items


class _Line:
    """One telephone line: call after call."""

    def __init__(self, number: int, load: Load, voice: Int16Array) -> None:
        self._number, self._load = number, load
        size = RATE_HZ * load.chunk_ms // 1000
        coded = [encode(leg, Encoding.MULAW) for leg in voice]
        self._pieces = [[leg[at : at + size] for at in range(0, len(leg) - size, size)] for leg in coded]
        self._size, self._turn = size, -1
        # Lines do not begin their calls together.
        self._steps_per_call = max(10, round(load.call_s * 1000 / load.chunk_ms) + number * 7 % 200)
        self._call_id = ""
        self.key = b""

    def step(self, step: int, last: bool) -> Iterator[bytes]:
        turn, inside = divmod(step, self._steps_per_call)
        if turn != self._turn:
            self._turn = turn
            self._call_id = f"line-{self._number}-{turn}"
            self.key = self._call_id.encode()
            yield serde.encode_audio(CallStarted(CallInfo(self._call_id, language="en", pace=Pace.LIVE.value)))
        at = inside % len(self._pieces[0])
        legs = {party: self._pieces[i][at] for i, party in enumerate(Party)}
        yield serde.encode_audio(
            CallAudio(self._call_id, AudioChunk(inside * self._size, RATE_HZ, Encoding.MULAW, legs))
        )
        if last or inside == self._steps_per_call - 1:
            yield serde.encode_audio(CallEnded(self._call_id, None))


def cpu_s(pid: int) -> float:
    """CPU time of a process and its children that still run."""
    total = 0.0
    for one in [pid, *descendants(pid)]:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return total


def rss_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


@dataclass(slots=True)
class Page:
    """The figures of a worker's /metrics."""

    values: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, port: int) -> Page:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        values = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return cls(values)

    def total(self, name: str, *needed: str) -> float:
        """The sum over all labels that hold these texts."""
        return sum(
            value
            for key, value in self.values.items()
            if key.partition("{")[0] == name and all(part in key for part in needed)
        )


def percentiles(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None, "p99": None}
    found = np.percentile(np.array(values), [50, 95, 99])
    return {name: round(float(value), 3) for name, value in zip(("p50", "p95", "p99"), found, strict=True)}
