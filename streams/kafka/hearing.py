"""Between the stages of TRANSCRIBE and the engine: what can be heard goes in, most urgent first; answers come back in line.

Runs in the compute thread, which never waits for the model: it goes on taking input, saving calls and giving up what is
too late while batches run in the engine's threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from audio.whisper.batcher import Item
from audio.whisper.engine import Engine, GivenUpError
from audio.whisper.ladder import Rung
from audio.whisper.request import Transcript
from streams.kafka.records import INTERIM_SEQ
from streams.kafka.stages import Stage
from streams.kafka.transcribing import TranscribeCall

STUCK_S = 120.0
"""A model that has answered nothing for so long, with utterances waiting, hangs."""
BATCH_DUE_S = 1e9
"""Whoever is live goes before whoever can wait."""


class Place(NamedTuple):
    """Which piece of speech, and under which assignment of its partition; or which open utterance (`glance`)."""

    partition: int
    generation: int
    call_id: str
    seq: int
    glance: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer on its way back."""

    place: Place
    answer: Transcript | Exception


class Hearing:
    """See the module. `put` takes an answer into the compute thread's line, from any thread."""

    def __init__(
        self, engine: Engine, put: Callable[[Heard], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.engine, self._put, self._clock = engine, put, clock
        self._asked: dict[Place, Item] = {}
        self._told_s = clock()
        self.held_back = 0
        """Pieces that found no room in the queue the last time."""

    def feed(self, stages: Mapping[int, tuple[int, Stage]], now_ms: float) -> Iterator[Heard]:
        """Submit what can be heard now, of (generation, stage) by partition; yields what is given up instead."""
        rung, now_s = self.engine.look(), self._clock()
        found: list[tuple[float, Place, TranscribeCall]] = []
        for partition, (generation, stage) in stages.items():
            for call_id, call, seq, captured_ms in stage.startable():
                late_s = stage.limits.transcribe_s_max
                due_s = now_s + late_s - (0.0 if captured_ms is None else (now_ms - captured_ms) / 1000)
                place = Place(partition, generation, call_id, seq)
                found.append((due_s if call.live else due_s + BATCH_DUE_S, place, call))
        self.held_back = 0
        for number, (due_s, place, call) in enumerate(sorted(found, key=lambda entry: entry[:2])):
            request = call.start(place.seq, rung)
            if call.live and rung >= Rung.GIVING_UP and due_s < now_s:
                yield Heard(place, GivenUpError("deadline"))
                continue
            item = self.engine.submit(request, due_s, self._back(place), live=call.live)
            if item is None:
                call.stopped(place.seq)
                self.held_back = len(found) - number
                return
            self._asked[place] = item
        if rung < Rung.NO_INTERIM:
            self._glance(stages, now_s)

    def _glance(self, stages: Mapping[int, tuple[int, Stage]], now_s: float) -> None:
        """Look at what is being said. An interim that finds no room is not asked again: the next one comes soon."""
        for partition, (generation, stage) in stages.items():
            for call_id, utterance_id, request in stage.glances():
                place = Place(partition, generation, call_id, INTERIM_SEQ, utterance_id)
                item = self.engine.submit(request, now_s, self._back(place))
                if item is None:
                    self._put(Heard(place, GivenUpError("no room")))
                else:
                    self._asked[place] = item

    def _back(self, place: Place) -> Callable[[Any], None]:
        def done(answer: Transcript | Exception) -> None:
            self._put(Heard(place, answer))

        return done

    def took(self, heard: Heard) -> None:
        """An answer has come out of the line."""
        self._asked.pop(heard.place, None)
        self._told_s = self._clock()

    def forget(self) -> None:
        """The partitions go to somebody else: what still waits is not heard here."""
        for item in self._asked.values():
            self.engine.cancel(item)
        self._asked.clear()

    @property
    def stuck(self) -> bool:
        """Whether the model hangs."""
        if not self._asked:
            self._told_s = self._clock()
        return self._clock() - self._told_s > STUCK_S

    @property
    def waiting(self) -> int:
        """Pieces that wait to be heard."""
        return self.engine.waiting + self.held_back
