"""Worker processes that may die: each runs one job at a time, and a death costs that job alone.

`concurrent.futures` gives up every pending job when one worker is killed; a night of recordings must not end with the
first file that takes a decoder down. Workers are spawned (no inherited threads or locks), ignore Ctrl-C, which is the
parent's to handle, and stop when their pipe closes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from audio.errors import VigieError

Notify = Callable[[Any], None]
Task = Callable[[Any, Notify], Any]
"""A job and a way to report on it before it is done, to its result; all of them picklable."""
Setup = Callable[[Any], Task]
"""Runs once a worker; must be importable by name."""

STOP_S = 5.0


class Word(StrEnum):
    """What a worker says of a job, or of itself."""

    NOTE = "note"
    DONE = "done"
    FAILED = "failed"
    """A mistake in the input: `value` is a VigieError."""
    BROKE = "broke"
    """A fault of ours: `value` is the traceback."""
    DIED = "died"
    """The process is gone: `value` says how."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Message:
    index: int
    word: Word
    value: Any


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    index: int | None = None


def run_jobs(jobs: Sequence[Any], setup: Setup, argument: Any, workers: int) -> Iterator[Message]:
    """Run the jobs, in their order, over `workers` processes; messages come as they happen.

    Raises:
        VigieError: `setup` refuses its argument (a rule file, a model), in the words of the worker.
    """
    pending = list(range(len(jobs)))[::-1]
    crew: list[_Worker] = []
    try:
        while pending or any(worker.index is not None for worker in crew):
            while pending and len(crew) < max(1, workers):
                crew.append(_started(setup, argument, workers))
            for worker in crew:
                if worker.index is None and pending:
                    worker.index = pending.pop()
                    with suppress(OSError):  # a worker that has just died is told of below
                        worker.pipe.send((worker.index, jobs[worker.index]))
            for ready in wait([worker.pipe for worker in crew]):
                worker = next(worker for worker in crew if worker.pipe is ready)
                message = _received(worker)
                if message.word is Word.REFUSED:
                    raise _error_of(message.value)
                if message.word is Word.DIED:
                    crew.remove(worker)
                    worker.pipe.close()
                elif message.word is not Word.NOTE:
                    worker.index = None
                if message.index >= 0:
                    yield message
    finally:
        _stop(crew)


def _started(setup: Setup, argument: Any, workers: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, setup, argument, workers), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _received(worker: _Worker) -> Message:
    try:
        index, word, value = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(STOP_S)
        code = worker.process.exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"it left with code {code}"
        return Message(-1 if worker.index is None else worker.index, Word.DIED, how)
    if word == Word.FAILED:
        value = _error_of(value)
    return Message(index, Word(word), value)


def _stop(crew: list[_Worker]) -> None:
    for worker in crew:
        if worker.index is not None:
            worker.process.terminate()
        worker.pipe.close()
    for worker in crew:
        worker.process.join(STOP_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _work(pipe: Connection, setup: Setup, argument: Any, workers: int) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if workers > 1:
        # Read by the numeric libraries when they load, which is below: one thread each, as the processes share cores.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            task = setup(argument)
        except VigieError as error:
            pipe.send((-1, Word.REFUSED, _fields_of(error)))
            return
        while True:
            index, job = pipe.recv()
            answer: tuple[int, Word, Any]
            try:
                answer = (index, Word.DONE, task(job, partial(_note, pipe, index)))
            except VigieError as error:
                answer = (index, Word.FAILED, _fields_of(error))
            except (BrokenPipeError, ConnectionResetError):
                return
            except Exception:
                answer = (index, Word.BROKE, traceback.format_exc())
            pipe.send(answer)


def _note(pipe: Connection, index: int, note: Any) -> None:
    pipe.send((index, Word.NOTE, note))


def _fields_of(error: VigieError) -> dict[str, str | None]:
    """An error as it crosses processes: its class takes keywords, which pickle does not give it."""
    return {"problem": error.problem, "remedy": error.remedy, "where": error.where, "field": error.field}


def _error_of(fields: dict[str, str]) -> VigieError:
    return VigieError(fields["problem"], remedy=fields["remedy"], where=fields["where"], field=fields["field"])
