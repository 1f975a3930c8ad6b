"""What listening to a call costs: CPU time per second of call, calls per core, memory and snapshot per call.

    python tests/bench/bench_listen.py --seconds 60

Runs, on the same speech and in the same process: Silero alone on every frame of both parties, block by block, once on
onnxruntime (one party after the other) and once as this project works it out (both parties at once); and the whole
Listener without transcription. The ratio to Silero alone tells more than the milliseconds, which are the machine's.
Then one more call with a stopwatch on every part of the Listener; the stopwatch costs some of the time itself. Takes
real speech from VIGIE_SHARED (or beside the checkout), else synthetic speech-like bursts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from audio.chunk import FRAME_MS, AudioChunk, Block, BoolArray, Encoding, Float32Array, Int16Array, Party  # noqa: E402
from audio.codec import encode  # noqa: E402
from audio.framing import Framer  # noqa: E402
from audio.recordings import open_recording  # noqa: E402
from audio.state import pack  # noqa: E402
from audio.vad import SileroModel, load_silero, open_session, run_on_session  # noqa: E402
from streams.alerts.rules import load_rules  # noqa: E402
from streams.events import CallInfo  # noqa: E402
from streams.listen import Listener  # noqa: E402

Ask = Callable[[Float32Array, BoolArray, Float32Array, Float32Array], tuple[Float32Array, Float32Array, Float32Array]]
ONNX, BATCHED = "Silero alone, on onnxruntime", "Silero alone, both parties at once"
RATE_HZ = 8_000


def speech(seconds: int) -> tuple[str, Int16Array, Int16Array]:
    """Both parties at 8 kHz, looped to the length asked for."""
    shared = Path(os.environ.get("VIGIE_SHARED") or ROOT.parent / "shared" / "data")
    folder = shared / "calls" / "lca40"
    legs = [folder / f"Auto_Repairs_40_UTC_{name}.wav" for name in ("agent", "caller")]
    if all(path.is_file() for path in legs):
        agent, customer = (np.concatenate([block[0] for block in open_recording(path).blocks()]) for path in legs)
        return "a real call", np.resize(agent, seconds * RATE_HZ), np.resize(customer, seconds * RATE_HZ)
    return "synthetic bursts (no shared recordings)", synthetic(seconds, 1, 0), synthetic(seconds, 2, 3)


def synthetic(seconds: int, seed: int, shift_s: int) -> Int16Array:
    """A buzz with a moving pitch, 3 s on and 3 s off, on faint noise."""
    time_s = np.arange(seconds * RATE_HZ) / RATE_HZ
    pitch = 2 * np.pi * np.cumsum(110 + 30 * np.sin(2 * np.pi * 0.7 * time_s)) / RATE_HZ
    buzz = np.sum([np.sin(k * pitch) / k for k in range(1, 25)], axis=0)
    on = ((time_s + shift_s) % 6 < 3) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))
    noise = np.random.default_rng(seed).normal(0, 20, len(time_s))
    return (4_000 * buzz * on + noise).clip(-32_768, 32_767).astype(np.int16)


def chunks(agent: Int16Array, customer: Int16Array, chunk_ms: int) -> Iterator[AudioChunk]:
    step = RATE_HZ * chunk_ms // 1000
    for start in range(0, len(agent), step):
        legs = {
            Party.AGENT: encode(agent[start : start + step], Encoding.MULAW),
            Party.CUSTOMER: encode(customer[start : start + step], Encoding.MULAW),
        }
        yield AudioChunk(start, RATE_HZ, Encoding.MULAW, legs)


def silero_alone(ask: Ask, blocks: list[Block]) -> None:
    """Ask about every frame of both parties, block by block."""
    h = c = np.zeros((2, 128), dtype=np.float32)
    context = np.zeros((2, 64), dtype=np.float32)
    for block in blocks:
        frames = np.empty((block.frames, 2, 576), dtype=np.float32)
        frames[:, :, 64:] = block.wide.reshape(2, block.frames, 512).swapaxes(0, 1)
        frames[0, :, :64], context = context, block.wide[:, -64:]
        frames[1:, :, :64] = frames[:-1, :, -64:]
        _, h, c = ask(frames.reshape(-1, 576), np.ones((2, block.frames), dtype=np.bool_), h, c)


def frame(fed: list[AudioChunk]) -> list[Block]:
    framer = Framer()
    return [block for chunk in fed for block in framer.add(chunk)] + framer.end()


def listener_maker(model: SileroModel) -> Callable[[], Listener]:
    call, rules = CallInfo("bench"), load_rules(None)
    return lambda: Listener(call, rules, model)


def listen(listener: Listener, fed: list[AudioChunk]) -> None:
    for chunk in fed:
        listener.add(chunk)
    listener.end()


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """The least CPU time of some rounds, in ms: what the work needs, and not what else the machine was doing."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best * 1000


def peak_bytes(work: Callable[[], object]) -> int:
    """The most Python and numpy memory that the work held at once (not the model's)."""
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


class Stopwatch:
    """CPU time of methods, each without that of the watched methods which it calls."""

    def __init__(self) -> None:
        self.spent_ns: Counter[str] = Counter()
        self._inner: list[int] = []

    def watch(self, part: Any, method: str, name: str) -> None:
        """Time a method of this very object from now on."""
        plain = getattr(part, method)

        def timed(*given: Any, **named: Any) -> Any:
            start = time.thread_time_ns()
            self._inner.append(0)
            try:
                return plain(*given, **named)
            finally:
                took = time.thread_time_ns() - start
                self.spent_ns[name] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        setattr(part, method, timed)


class TimedModel:
    """A model whose asking is timed; what else a Listener reads of it is its version."""

    def __init__(self, model: SileroModel) -> None:
        self.version, self.run = model.version, model.run


def parts_of(make: Callable[[SileroModel], Listener], model: SileroModel, fed: list[AudioChunk]) -> dict[str, int]:
    """CPU time in ns of each part of the Listener over a call."""
    timed, clock = TimedModel(model), Stopwatch()
    clock.watch(timed, "run", "silero")
    listener = make(timed)  # type: ignore[arg-type]
    clock.watch(listener, "add", "listener itself")
    for name in ("framer", "facts", "levels", "conversation", "segmenter", "engine"):
        method = {"framer": "add", "engine": "observe"}.get(name, "push")
        clock.watch(getattr(listener, name), method, name)
    for detector in listener.detectors:
        clock.watch(detector, "push", type(detector).__name__.removesuffix("Detector").lower())
    listen(listener, fed)
    return dict(clock.spent_ns)


def snapshot_bytes(listener: Listener, fed: list[AudioChunk]) -> tuple[int, int]:
    """Mean and greatest size of a snapshot of the Listener, taken every ten chunks."""
    sizes = []
    for number, chunk in enumerate(fed):
        listener.add(chunk)
        if number % 10 == 9:
            sizes.append(len(pack(listener.state())))
    return round(sum(sizes) / len(sizes)), max(sizes)


def measured(seconds: int, chunk_ms: int, rounds: int) -> dict[str, Any]:
    model = load_silero()
    session = open_session(model.path)
    source, agent, customer = speech(seconds)
    fed = list(chunks(agent, customer, chunk_ms))
    blocks = frame(fed)
    for block in blocks:
        _ = block.wide  # worked out beforehand: the model alone is what is measured
    make = listener_maker(model)
    works: dict[str, Callable[[], object]] = {
        ONNX: lambda: silero_alone(lambda *given: run_on_session(session, *given), blocks),
        BATCHED: lambda: silero_alone(model.run, blocks),
        "listener": lambda: listen(make(), fed),
    }
    costs = {name: cpu_ms(work, rounds) / seconds for name, work in works.items()}
    parts = [parts_of(lambda timed: Listener(CallInfo("bench"), load_rules(None), timed), model, fed)
             for _ in range(rounds)]  # fmt: skip
    least = min(parts, key=lambda part: sum(part.values()))
    mean_bytes, max_bytes = snapshot_bytes(make(), fed)
    return {
        "source": source,
        "seconds": seconds,
        "chunk_ms": chunk_ms,
        "silero": model.version,
        "silero_ms_per_frame": {name: round(costs[name] * FRAME_MS / 1000 / 2, 4) for name in (ONNX, BATCHED)},
        "cpu_ms_per_call_second": {name: round(cost, 3) for name, cost in costs.items()},
        "listener_to_silero": {name: round(costs["listener"] / costs[name], 3) for name in (ONNX, BATCHED)},
        "calls_per_core": {name: round(1000 / cost) for name, cost in costs.items()},
        "parts_ms_per_call_second": {name: round(spent / 1e6 / seconds, 3) for name, spent in least.items()},
        "peak_bytes_per_call": peak_bytes(lambda: listen(make(), fed)),
        "snapshot_bytes": {"mean": mean_bytes, "max": max_bytes},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="length of the call (default 60)")
    parser.add_argument("--chunk-ms", type=int, default=100, help="audio a chunk, both parties (default 100)")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of so many counts (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    wanted = parser.parse_args()
    report = measured(wanted.seconds, wanted.chunk_ms, wanted.rounds)
    if wanted.json:
        print(json.dumps(report))
        return 0
    print(f"{report['seconds']} s of {report['source']}, {report['chunk_ms']} ms chunks, {report['silero']}")
    print(f"{'':34} {'CPU ms / s of call':>20} {'calls a core':>13}")
    for name, cost in report["cpu_ms_per_call_second"].items():
        print(f"{name:34} {cost:20.3f} {report['calls_per_core'][name]:13d}")
    for name, ratio in report["listener_to_silero"].items():
        print(f"the Listener costs {ratio:.2f} times {name}")
    print("parts of the Listener, by a stopwatch:")
    for name, cost in sorted(report["parts_ms_per_call_second"].items(), key=lambda item: -item[1]):
        print(f"  {name:32} {cost:20.3f}")
    print(f"peak memory of one Listener over the call: {report['peak_bytes_per_call'] / 1e6:.2f} MB, model apart")
    size = report["snapshot_bytes"]
    print(f"snapshot: {size['mean'] / 1e3:.0f} kB, at most {size['max'] / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
