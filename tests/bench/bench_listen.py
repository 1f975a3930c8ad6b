"""What listening to a call costs: CPU time per second of call, calls per core, memory per call.

    python tests/bench/bench_listen.py --seconds 60

Runs, on the same speech and in the same process: Silero on every frame of both parties alone, framing, frame facts
(which hold Silero with its skipping), levels, utterances, and the whole Listener where it can be imported. The ratio to
Silero alone tells more than the milliseconds, which are the machine's. Takes real speech from VIGIE_SHARED (or beside
the checkout), else synthetic speech-like bursts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from audio.chunk import FRAME_MS, AudioChunk, Block, Encoding, FrameFacts, Int16Array, LineState, Party  # noqa: E402
from audio.codec import encode  # noqa: E402
from audio.facts import FactsMaker  # noqa: E402
from audio.framing import Framer  # noqa: E402
from audio.levels import LevelDetector  # noqa: E402
from audio.recordings import open_recording  # noqa: E402
from audio.vad import SileroModel, VoiceActivity, load_silero  # noqa: E402
from audio.voice import Segmenter  # noqa: E402

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


def silero_alone(model: SileroModel, blocks: list[Block]) -> None:
    voices = (VoiceActivity(model), VoiceActivity(model))
    for block in blocks:
        for leg, voice in enumerate(voices):
            voice.push(block.wide[leg], np.zeros(block.frames))


def make_facts(model: SileroModel, blocks: list[Block]) -> list[FrameFacts]:
    maker = FactsMaker(model)
    return [maker.push(block) for block in blocks]


def frame(fed: list[AudioChunk]) -> list[Block]:
    framer = Framer()
    return [block for chunk in fed for block in framer.add(chunk)] + framer.end()


def measure_levels(facts: list[FrameFacts]) -> None:
    detector, line = LevelDetector(), LineState()
    for item in facts:
        detector.push(item, line)


def segment(facts: list[FrameFacts]) -> None:
    segmenter = Segmenter()
    for item in facts:
        segmenter.push(item)
    segmenter.end()


def listener_maker(model: SileroModel) -> Callable[[], Any] | None:
    try:
        from streams.alerts.rules import load_rules
        from streams.events import CallInfo
        from streams.listen import Listener
    except ImportError as error:
        print(f"the Listener is left out: {error}", file=sys.stderr)
        return None
    call = CallInfo("bench")
    rules = load_rules(None)
    return lambda: Listener(call, rules, model)


def listen(listener: Any, fed: list[AudioChunk]) -> None:
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


def measured(seconds: int, chunk_ms: int, rounds: int) -> dict[str, Any]:
    model = load_silero()
    source, agent, customer = speech(seconds)
    fed = list(chunks(agent, customer, chunk_ms))
    blocks = frame(fed)
    facts = make_facts(model, blocks)
    works: dict[str, Callable[[], object]] = {
        "silero_alone": lambda: silero_alone(model, blocks),
        "framing": lambda: frame(fed),
        "facts": lambda: make_facts(model, blocks),
        "levels": lambda: measure_levels(facts),
        "utterances": lambda: segment(facts),
    }
    make_listener = listener_maker(model)
    peak = None
    if make_listener is not None:
        works["listener"] = lambda: listen(make_listener(), fed)
    costs = {name: cpu_ms(work, rounds) / seconds for name, work in works.items()}
    if make_listener is not None:
        peak = peak_bytes(lambda: listen(make_listener(), fed))
    return {
        "source": source,
        "seconds": seconds,
        "chunk_ms": chunk_ms,
        "silero": model.version,
        "speech_share": round(float(np.mean([item.speech.any(axis=0).mean() for item in facts])), 3),
        "silero_ms_per_frame": round(costs["silero_alone"] * FRAME_MS / 1000 / 2, 4),
        "cpu_ms_per_call_second": {name: round(cost, 3) for name, cost in costs.items()},
        "ratio_to_silero": {name: round(cost / costs["silero_alone"], 3) for name, cost in costs.items()},
        "calls_per_core": {name: round(1000 / cost) for name, cost in costs.items()},
        "peak_bytes_per_call": peak,
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
    print(f"{'step':14} {'CPU ms / s of call':>20} {'of Silero alone':>16} {'calls a core':>13}")
    for name, cost in report["cpu_ms_per_call_second"].items():
        print(f"{name:14} {cost:20.3f} {report['ratio_to_silero'][name]:16.2f} {report['calls_per_core'][name]:13d}")
    if report["peak_bytes_per_call"] is not None:
        print(f"peak memory of one Listener over the call: {report['peak_bytes_per_call'] / 1e6:.2f} MB, model apart")
    return 0


if __name__ == "__main__":
    sys.exit(main())
