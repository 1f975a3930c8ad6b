"""One model on one device, measured: throughput of every contender, times of batches, latency under load, capacity."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from audio.whisper.batcher import BatchSettings
from audio.whisper.gates import folded_words
from audio.whisper.request import Request
from audio.whisper.transcriber import DEMO_FOLDER
from audio.whisper.windows import DEMO_WINDOWS, WindowSettings, window_frames
from streams.bench.bare import stand_in
from streams.bench.contenders import Ours, Outcome, Plan, cores, load, measure, plan_for, tokens_for
from streams.bench.live import LiveRun, run_live
from streams.bench.queueing import LOADS, Latency, Server, calls_carried, latency
from streams.bench.sizes import SIZES, write_model
from streams.bench.speech import Speech, Utterance

CONTENDER_NAMES = ("a", "b", "b-side", "c", "d", "e")
NOT_LIVE = ("b-side", "e")
"""One begins when a call is over, the other never tells a word."""
UTTERANCES = {"tiny": 112, "base": 48, "small": 16, "medium": 8, "large-v3-turbo": 6}
"""On a CPU, so that a run ends before the coffee is cold."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    device: str
    compute_type: str
    batch_size: int
    only: tuple[str, ...]
    utterances: int
    rounds: int
    seconds_max: float
    p95_s: float
    live_s: float


@dataclass(slots=True)
class Result:
    """What was measured of one model. Latencies are by contender and load; capacities are calls at once."""

    model: str
    random: bool
    device: str
    cores: int
    compute_type: str
    seconds: float
    utterances: int
    share: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    latencies: dict[str, dict[float, Latency]] = field(default_factory=dict)
    capacity: dict[str, int] = field(default_factory=dict)
    differences: list[tuple[int, str, str]] = field(default_factory=list)
    word_errors: dict[str, float] = field(default_factory=dict)
    live: list[LiveRun] = field(default_factory=list)

    @property
    def workers(self) -> int:
        return 1 if self.device == "cuda" else self.cores


def measure_model(
    speech: Speech, asked: Asked, model: str | None, size: str | None, told: Callable[[str], None] = lambda _: None
) -> Result:
    """All of it for one model; `told` hears how far things are.

    Raises:
        VigieError: there is no such size.
    """
    if size is not None and size not in SIZES:
        raise VigieError(f"no size is named {size!r}", remedy=f"Use some of {', '.join(SIZES)}", field="sizes")
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as folder:
        path = model
        if size is not None:
            told(f"{size}: making a model of its true size")
            path = str(write_model(Path(folder) / "model", size))
        utterances = _chosen(speech, asked, size)
        demo = path == "demo"
        plan = Plan(
            model=str(DEMO_FOLDER) if demo else str(path),
            device=asked.device,
            compute_type=asked.compute_type,
            cores=cores(),
            windows=DEMO_WINDOWS if demo else WindowSettings(),
            tokens=tokens_for(utterances) if size is not None else None,
            suppress_default=not demo,
            batch_size=asked.batch_size,
        )
        name = size or str(model)
        result = Result(
            name,
            size is not None,
            asked.device,
            plan.cores,
            plan.compute_type,
            sum(u.seconds for u in utterances),
            len(utterances),
            speech.share,
        )
        _throughput(result, plan, utterances, asked, told)
        _compare(result, speech, utterances)
        for contender in asked.only:
            if contender in NOT_LIVE:
                continue
            told(f"{name}: {contender}, latency under load")
            server = _server(result, plan, contender, utterances, asked)
            full = server.calls_full(speech)
            result.latencies[contender] = {part: latency(server, speech, max(1, int(full * part))) for part in LOADS}
            result.capacity[contender] = calls_carried(server, speech, asked.p95_s)
        if asked.live_s > 0 and "d" in asked.only:
            for calls in sorted({result.latencies["d"][0.7].calls, max(1, result.capacity["d"])}):
                told(f"{name}: {calls} calls in real time, {asked.live_s:.0f} s")
                result.live.append(_apart(plan, "d", _live_child, plan, speech, calls, asked.live_s))
        return result


def _chosen(speech: Speech, asked: Asked, size: str | None) -> Sequence[Utterance]:
    """Of all calls and both languages, evenly."""
    everything = list(speech.utterances)
    most = asked.utterances or (len(everything) if asked.device == "cuda" else UTTERANCES.get(size or "", 112))
    step = max(1, len(everything) // most)
    return everything[::step][:most]


def _throughput(
    result: Result, plan: Plan, utterances: Sequence[Utterance], asked: Asked, told: Callable[[str], None]
) -> None:
    """Rounds over all contenders, so that what else the machine does hits all of them; the best run of each counts."""
    began_s = time.monotonic()
    for number in range(asked.rounds):
        if number and time.monotonic() - began_s > asked.seconds_max / 3:
            return
        for contender in asked.only:
            told(f"{result.model}: {contender}, round {number + 1}")
            outcome: Outcome = _apart(plan, contender, _measure_child, contender, plan, utterances)
            best = result.outcomes.get(contender)
            if best is None or outcome.wall_s < best.wall_s:
                result.outcomes[contender] = outcome


def _server(result: Result, plan: Plan, contender: str, utterances: Sequence[Utterance], asked: Asked) -> Server:
    if contender in ("a", "b"):
        each_s = result.outcomes[contender].wall_s / len(utterances)
        return Server(1, BatchSettings(window_ms=0, size_max=1), lambda _: 3_000, {(3_000, 1): each_s})
    mine = plan_for(plan, contender)
    n_mels = SIZES[result.model].n_mels if result.random else 80
    frames = {id(u): window_frames(-(-u.samples.size // 160), n_mels, mine.windows) for u in utterances}
    table: dict[tuple[int, int], float] = _apart(plan, contender, _table_child, mine, utterances, asked.seconds_max / 6)

    def frames_of(utterance: Utterance) -> int:
        known = frames.get(id(utterance))
        wanted = known or window_frames(-(-utterance.samples.size // 160), n_mels, mine.windows)
        return min((at for at, _ in table if at >= wanted), default=max(at for at, _ in table))

    batch = BatchSettings(size_max=plan.batch_size, window_s_max=plan.batch_size * 30.0)
    return Server(result.workers, batch, frames_of, table)


def measure_table(plan: Plan, utterances: Sequence[Utterance], seconds_max: float) -> dict[tuple[int, int], float]:
    """Seconds of a batch by frames of its window and size, with every worker at the same batch at the same time."""
    ours = Ours(load(plan, shared=True), plan)
    by_frames: dict[int, list[Request]] = {}
    for utterance in utterances:
        request = Request(utterance.samples, utterance.language)
        by_frames.setdefault(ours.decoder.key(request).frames, []).append(request)
    table: dict[tuple[int, int], float] = {}
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= plan.batch_size]
    began_s = time.monotonic()
    for frames, requests in sorted(by_frames.items(), key=lambda item: -len(item[1])):
        for size in sizes:
            if table and time.monotonic() - began_s > seconds_max and (frames, 1) in table:
                break
            batch = [requests[at % len(requests)] for at in range(size)]
            table[frames, size] = _together(ours, batch, 1 if plan.device == "cuda" else plan.cores)
    return table


def _together(ours: Ours, batch: list[Request], servers: int, each: int = 2) -> float:
    """Seconds for which a batch occupies one of the servers, with all threads at work on such batches."""

    def work() -> None:
        for _ in range(each):
            ours.run(batch)

    threads = [threading.Thread(target=work) for _ in range(ours.settings.workers)]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - began_s) * servers / (each * len(threads))


def _compare(result: Result, speech: Speech, utterances: Sequence[Utterance]) -> None:
    """Texts of (a) against (c), and what each got wrong of what was said, where the model is one that hears."""
    texts = {name: outcome.texts for name, outcome in result.outcomes.items() if name not in NOT_LIVE}
    if "a" in texts and "c" in texts:
        pairs = enumerate(zip(texts["a"], texts["c"], strict=True))
        result.differences = [(at, one, other) for at, (one, other) in pairs if one != other]
    if result.random or len(utterances) < len(speech.utterances):
        return
    for name, lines in texts.items():
        heard: dict[tuple[str, str], list[str]] = {}
        for utterance, line in zip(utterances, lines, strict=True):
            heard.setdefault((utterance.call, utterance.party), []).append(line)
        wrong = total = 0
        for key, said in speech.said.items():
            words = folded_words(said)
            if key in heard:
                wrong += word_errors(words, folded_words(" ".join(heard[key])))
                total += len(words)
        result.word_errors[name] = wrong / max(1, total)


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Words to insert, leave out or replace."""
    row = list(range(len(hypothesis) + 1))
    for at, word in enumerate(reference, 1):
        previous, row = row, [at]
        for to, other in enumerate(hypothesis, 1):
            row.append(min(previous[to] + 1, row[to - 1] + 1, previous[to - 1] + (word != other)))
    return row[-1]


def write_capacity(path: Path, result: Result, asked: Asked) -> None:
    """What `vigie worker --capacity` reads."""
    if "d" not in result.capacity:
        raise VigieError("the capacity was not measured", remedy="Measure d as well (--only d)", field="only")
    record = {
        "model": result.model,
        "device": result.device,
        "workers": result.workers,
        "p95_s": asked.p95_s,
        "calls": result.capacity["d"],
        "machine": platform.node(),
        "random_weights": result.random,
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


# Each contender in a process of its own, so that its memory is its own ------------------------------------------------


def _apart(plan: Plan, contender: str, function: Callable[..., Any], *arguments: Any) -> Any:
    if plan.device == "cuda":
        return function(*arguments)  # a context on the device takes seconds: one process does
    threads = 1 if contender in ("c", "d", "e") else plan.cores
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with _environment({name: str(threads) for name in THREAD_VARIABLES}):
        process = context.Process(target=_child, args=(theirs, function, arguments))
        process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        process.join()
        raise VigieError(
            f"a measurement died (code {process.exitcode})", remedy="Give the machine more memory"
        ) from None
    process.join()
    if isinstance(answer, str):
        raise VigieError(answer, remedy="Check the model and the device", field="model")
    return answer[0]


def _child(pipe: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    stand_in()
    try:
        pipe.send((function(*arguments),))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error)[:300]}")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _measure_child(contender: str, plan: Plan, utterances: Sequence[Utterance]) -> Outcome:
    outcome = measure(contender, plan, utterances)
    if plan.device == "cuda":
        outcome.rss_mb = _gpu_memory_mb()
    return outcome


def _table_child(plan: Plan, utterances: Sequence[Utterance], seconds_max: float) -> dict[tuple[int, int], float]:
    return measure_table(plan, utterances, seconds_max)


def _live_child(plan: Plan, speech: Speech, calls: int, seconds: float) -> LiveRun:
    return run_live(Ours(load(plan, shared=True), plan), speech, calls, seconds)


def _gpu_memory_mb() -> float:
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        return float(told.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return float("nan")


def plain(result: Result) -> dict[str, Any]:
    """A result for a program to read."""
    record = dataclasses.asdict(result)
    record["latencies"] = {
        name: {str(load): dataclasses.asdict(value) for load, value in by_load.items()}
        for name, by_load in result.latencies.items()
    }
    return record
