"""The model at work: a few threads that take batches from the queue, for utterances of any number of calls.

One engine owns the model; on a GPU it has one thread, on a CPU as many as the model has workers. Whoever submits an
utterance is called back once, from a thread of the engine: with the transcript, with what the model raised, or with
`GivenUpError`. A batch on which the model raises is heard again one by one, so that it costs nobody else's words.

Time is a function that is given: the same engine runs on the wall clock of a worker and on that of a test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from audio.chunk import WIDE_RATE_HZ
from audio.whisper.batcher import Batcher, Item
from audio.whisper.decoder import BatchKey
from audio.whisper.ladder import Ladder, LadderSettings, Rung
from audio.whisper.request import Request, TranscriberSettings, Transcript
from audio.whisper.transcriber import run_safely

LOOK_S = 0.1
"""How often an idle thread looks at the ladder."""


class GivenUpError(Exception):
    """An utterance was not heard: its deadline passed under overload, or the engine was closed."""


Answer = Transcript | Exception
Done = Callable[[Answer], None]


class Model(Protocol):
    """What the engine needs of `WhisperTranscriber`."""

    settings: TranscriberSettings

    def unheard(self, request: Request) -> Transcript | None: ...
    def run(self, requests: Any) -> list[Transcript]: ...
    @property
    def decoder(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one batch was: for figures."""

    size: int
    window_ms: int
    fill: float
    """Share of the windows that is utterance, not padding."""
    wait_s: float
    """Of the one that waited longest."""
    run_s: float
    interims: int


@dataclass(slots=True)
class _Wanted:
    request: Request
    done: Done
    live: bool


class Engine:
    """See the module. `told` hears of every batch, in a thread of the engine.

    Args:
        model: a loaded `WhisperTranscriber`.
        clock: seconds; never goes back.
        workers: threads; by default as many as the model has workers.
    """

    def __init__(
        self,
        model: Model,
        clock: Callable[[], float],
        *,
        workers: int | None = None,
        ladder: LadderSettings | None = None,
        told: Callable[[BatchReport], None] = lambda _: None,
    ) -> None:
        self.model, self._clock, self._told = model, clock, told
        self.batcher = Batcher(model.settings.batch)
        self.ladder = Ladder(ladder or LadderSettings())
        self._condition = threading.Condition()
        self._closed = False
        count = model.settings.workers if workers is None else workers
        self._threads = [threading.Thread(target=self._work, name=f"vigie-asr-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    # For those who have something to hear ---------------------------------------------------------------------------

    def submit(self, request: Request, due_s: float, done: Done, *, live: bool = True) -> Item | None:
        """Queue an utterance; None where the queue is full, or (an interim) where there is load.

        `due_s` is when its words are of no use any more, on the engine's clock. What has no voice is answered at once.
        """
        with self._condition:
            rung = self.rung
            if request.interim and rung >= Rung.NO_INTERIM:
                return None
        unheard = self.model.unheard(request)
        key: BatchKey | None = None if unheard is not None else self.model.decoder.key(request)
        item = Item(
            key=key,
            seconds=request.samples.size / WIDE_RATE_HZ,
            window_s=key.frames / 100 if key is not None else 0.0,
            size_bytes=request.samples.nbytes,
            due_s=due_s,
            payload=_Wanted(request, done, live),
            interim=request.interim,
        )
        if unheard is not None:
            done(unheard)
            return item
        with self._condition:
            if self._closed or not self.batcher.offer(item, self._clock()):
                return None
            self._condition.notify()
        return item

    def cancel(self, item: Item) -> bool:
        """Forget an utterance that nobody waits for any more; False where it is heard, or being heard, already."""
        with self._condition:
            return self.batcher.remove(item)

    @property
    def rung(self) -> Rung:
        return self.ladder.rung

    @property
    def waiting(self) -> int:
        """Utterances in the queue."""
        with self._condition:
            return len(self.batcher)

    def look(self) -> Rung:
        """Bring the ladder up to date, and give up what it says; whoever submits calls this now and then."""
        with self._condition:
            given_up = self._look()
        for item in given_up:
            item.payload.done(GivenUpError("deadline"))
        return self.rung

    def close(self) -> None:
        """Stop after the batches at hand; what still waits is given up."""
        with self._condition:
            self._closed = True
            left = self.batcher.remove_all(lambda _: True)
            self._condition.notify_all()
        for item in left:
            item.payload.done(GivenUpError("closed"))
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    # In the engine's threads ----------------------------------------------------------------------------------------

    def _look(self) -> list[Item]:
        now_s = self._clock()
        came_s = [item.came_s for item in self.batcher if item.payload.live and not item.interim]
        rung = self.ladder.look(now_s, now_s - min(came_s) if came_s else 0.0)
        return self.batcher.remove_all(
            lambda item: (
                (item.interim and rung >= Rung.NO_INTERIM)
                or (item.payload.live and rung >= Rung.GIVING_UP and item.due_s < now_s)
            )
        )

    def _work(self) -> None:
        while True:
            with self._condition:
                given_up = self._look()
                batch = self.batcher.take(self._clock())
                if not batch and not given_up:
                    if self._closed:
                        return
                    wake_s = self.batcher.wake_s()
                    patience_s = LOOK_S if wake_s is None else max(0.001, min(LOOK_S, wake_s - self._clock()))
                    self._condition.wait(patience_s if wake_s is not None or self.rung else None)
            for item in given_up:
                item.payload.done(GivenUpError("deadline"))
            if batch:
                self._run(batch)

    def _run(self, batch: list[Item]) -> None:
        began_s = self._clock()
        answers = run_safely(self.model.run, [item.payload.request for item in batch])
        ended_s = self._clock()
        window_s = sum(item.window_s for item in batch)
        report = BatchReport(
            size=len(batch),
            window_ms=round(batch[0].window_s * 1000),
            fill=min(1.0, sum(item.seconds for item in batch) / window_s) if window_s else 0.0,
            wait_s=began_s - min(item.came_s for item in batch),
            run_s=ended_s - began_s,
            interims=sum(item.interim for item in batch),
        )
        self._told(report)
        for item, answer in zip(batch, answers, strict=True):
            item.payload.done(answer)
