"""How long live utterances wait, worked out: measured times of batches, and the very queue that the engine uses.

A machine that does other things as well cannot time a queue, and trying out loads in real time takes minutes each. So the
model's times are measured once, batch by batch, with all its workers busy; arrivals are those of simulated calls; and time
is a number. `live.py` runs the same load in real time, to hold this against.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audio.whisper.batcher import Batcher, BatchSettings, Item
from streams.bench.speech import Arrival, Speech, Utterance, live_arrivals

RUN_S = 240.0
WARM_S = 20.0
SEED = 20_261_126
LOADS = (0.5, 0.7, 0.9)
CALLS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Server:
    """What hears: so many workers, the frames of an utterance's window, and what a batch takes.

    Attributes:
        table: seconds of a batch, by frames of the window and size.
    """

    workers: int
    batch: BatchSettings
    frames_of: Callable[[Utterance], int]
    table: dict[tuple[int, int], float]

    def seconds(self, frames: int, size: int) -> float:
        """What a batch takes: between two measured sizes, on the line between them."""
        sizes = sorted(known for at, known in self.table if at == frames)
        if size in sizes:
            return self.table[frames, size]
        over = next((known for known in sizes if known > size), sizes[-1])
        under = max((known for known in sizes if known < size), default=over)
        low_s, high_s = self.table[frames, under], self.table[frames, over]
        return high_s if over == under else low_s + (high_s - low_s) * (size - under) / (over - under)

    def calls_full(self, speech: Speech) -> float:
        """Calls that keep the workers busy all the time, with full batches."""
        size = min(self.batch.size_max, max(known for _, known in self.table))
        each_s = sum(self.seconds(self.frames_of(u), size) / size for u in speech.utterances)
        return self.workers * (sum(speech.duration_ms.values()) / 1000) / each_s


@dataclass(frozen=True, slots=True)
class Latency:
    """From the end of speech to the final text, endpointing included, in seconds."""

    calls: int
    p50_s: float
    p95_s: float
    utterances: int
    batch_mean: float


def simulate(server: Server, arrivals: Sequence[Arrival]) -> tuple[list[float], list[int]]:
    """Latencies of all utterances, in the order of their arrival, and the sizes of the batches."""
    queue = Batcher(server.batch)
    free_s = [0.0] * server.workers
    done_s = [0.0] * len(arrivals)
    sizes: list[int] = []
    now_s, came = 0.0, 0
    while came < len(arrivals) or len(queue):
        while came < len(arrivals) and arrivals[came].at_s <= now_s:
            one = arrivals[came]
            frames = server.frames_of(one.utterance)
            queue.offer(Item(frames, 0.0, frames / 100, 0, one.at_s, came), now_s)
            came += 1
        idle = min(range(server.workers), key=lambda worker: free_s[worker])
        if free_s[idle] <= now_s and (batch := queue.take(now_s)):
            sizes.append(len(batch))
            free_s[idle] = now_s + server.seconds(int(batch[0].window_s * 100), len(batch))
            for item in batch:
                done_s[item.payload] = free_s[idle]
            continue
        moments = [arrivals[came].at_s] if came < len(arrivals) else []
        if len(queue):
            moments.append(max(free_s[idle], queue.wake_s() or 0.0))
        now_s = max(now_s + 1e-9, min(moments))
    return [done - one.end_s for done, one in zip(done_s, arrivals, strict=True)], sizes


def latency(server: Server, speech: Speech, calls: int, run_s: float = RUN_S) -> Latency:
    """What so many calls at once would see; the first seconds, before the queue has settled, are left out."""
    arrivals = live_arrivals(speech, calls, run_s, random.Random(SEED))
    latencies, sizes = simulate(server, arrivals)
    kept = [value for value, one in zip(latencies, arrivals, strict=True) if one.at_s >= min(WARM_S, run_s / 4)]
    return Latency(calls, percentile(kept, 0.5), percentile(kept, 0.95), len(kept), sum(sizes) / max(1, len(sizes)))


def calls_carried(server: Server, speech: Speech, p95_s: float) -> int:
    """The most calls at once whose utterances' p95 stays under `p95_s`; 0 where even one call's do not."""
    low, high = 0, min(CALLS_MAX, max(2, round(server.calls_full(speech) * 1.3)))
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        if latency(server, speech, middle, 120.0).p95_s < p95_s:
            low = middle
        else:
            high = middle
    return low


def percentile(values: Sequence[float], share: float) -> float:
    """The value under which `share` of them lie; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
