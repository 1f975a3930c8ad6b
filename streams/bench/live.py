"""The engine in real time: simulated calls on the wall clock, the real queue, the real threads, the real model."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass

from audio.whisper.engine import BatchReport, Engine
from audio.whisper.request import Request
from streams.bench.contenders import Ours
from streams.bench.queueing import SEED, percentile
from streams.bench.speech import Speech, live_arrivals


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What was seen: latency from the end of speech to the final text, and what was not heard."""

    calls: int
    seconds: float
    utterances: int
    p50_s: float
    p95_s: float
    not_heard: int
    batch_mean: float
    rung_max: int


def run_live(model: Ours, speech: Speech, calls: int, seconds: float) -> LiveRun:
    """Let so many calls speak for so long; utterances are submitted when they would come, and heard as they can be."""
    arrivals = live_arrivals(speech, calls, seconds, random.Random(SEED + 1))
    reports: list[BatchReport] = []
    done: dict[int, float] = {}
    failed: list[int] = []
    finished = threading.Semaphore(0)
    engine = Engine(model, time.monotonic, told=reports.append)
    model.run([Request(arrivals[0].utterance.samples, arrivals[0].utterance.language)])
    start_s = time.monotonic()
    rung_max = 0
    for number, arrival in enumerate(arrivals):
        while (left_s := start_s + arrival.at_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.05))
            rung_max = max(rung_max, engine.look())

        def heard(answer: object, number: int = number) -> None:
            if isinstance(answer, Exception):
                failed.append(number)
            else:
                done[number] = time.monotonic()
            finished.release()

        request = Request(arrival.utterance.samples, arrival.utterance.language)
        if engine.submit(request, start_s + arrival.end_s + 30.0, heard) is None:
            failed.append(number)
            finished.release()
    for _ in arrivals:
        finished.acquire(timeout=60.0)
    engine.close()
    latencies = [at_s - start_s - arrivals[number].end_s for number, at_s in done.items()]
    mean = sum(report.size for report in reports) / max(1, len(reports))
    values = percentile(latencies, 0.5), percentile(latencies, 0.95)
    return LiveRun(calls, seconds, len(latencies), *values, len(failed), mean, int(rung_max))
