"""Which utterances are heard together, and when: the queue before the model, as pure state.

Utterances of many calls wait here for a few tens of milliseconds, in groups of those that one pass of the model can take
together. The group whose first member has the earliest deadline goes first; interims go after everything else. The queue
is bounded in bytes and in seconds of audio: what does not fit is refused, and stays with whoever offered it.

There is no clock and no thread in here: `now_s` is given.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Attributes:
    window_ms: how long the first of a batch waits for company.
    size_max: utterances of a batch; eight is what a CPU core's caches bear, a GPU takes 32 and more.
    window_s_max: seconds of encoder windows of a batch: what it costs in memory, and how long others wait for it.
    queue_bytes_max, queue_s_max: what may wait, in bytes and in seconds of audio.
    """

    window_ms: int = 40
    size_max: int = 8
    window_s_max: float = 90.0
    queue_bytes_max: int = 64_000_000
    queue_s_max: float = 900.0


@dataclass(slots=True, eq=False)
class Item:
    """One utterance that waits. `payload` is whatever its owner wants back."""

    key: Hashable
    """Only items of the same key share a batch."""
    seconds: float
    window_s: float
    size_bytes: int
    due_s: float
    payload: Any
    interim: bool = False
    came_s: float = field(default=0.0)

    @property
    def order(self) -> tuple[bool, float, float]:
        return self.interim, self.due_s, self.came_s


class Batcher:
    """See the module. One owner calls it, under its own lock."""

    def __init__(self, settings: BatchSettings = BatchSettings()) -> None:
        self.settings = settings
        self._groups: dict[Hashable, list[Item]] = {}
        self.held_bytes = 0
        self.held_s = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def __iter__(self) -> Iterator[Item]:
        for group in self._groups.values():
            yield from group

    def offer(self, item: Item, now_s: float) -> bool:
        """Queue an item; False where it does not fit. One alone always fits, or it would never be heard."""
        s = self.settings
        fits = self.held_bytes + item.size_bytes <= s.queue_bytes_max and self.held_s + item.seconds <= s.queue_s_max
        if self._groups and not fits:
            return False
        item.came_s = now_s
        self._groups.setdefault(item.key, []).append(item)
        self.held_bytes += item.size_bytes
        self.held_s += item.seconds
        return True

    def take(self, now_s: float, *, gather: bool = True) -> list[Item]:
        """The next batch, most urgent first; empty while every group still waits for company (`gather`)."""
        ready = [group for group in self._groups.values() if not gather or self._ripe_s(group) <= now_s]
        if not ready:
            return []
        group = min(ready, key=lambda items: min(item.order for item in items))
        batch: list[Item] = []
        window_s = 0.0
        for item in sorted(group, key=lambda item: item.order):
            if len(batch) >= self.settings.size_max or (
                batch and window_s + item.window_s > self.settings.window_s_max
            ):
                break
            batch.append(item)
            window_s += item.window_s
        for item in batch:
            self.remove(item)
        return batch

    def wake_s(self) -> float | None:
        """When `take` will have something at the latest; None: nothing waits."""
        return min((self._ripe_s(group) for group in self._groups.values()), default=None)

    def remove(self, item: Item) -> bool:
        """Take one item out; False where it is not there (any more)."""
        group = self._groups.get(item.key, [])
        if item not in group:
            return False
        group.remove(item)
        if not group:
            del self._groups[item.key]
        self.held_bytes -= item.size_bytes
        self.held_s = self.held_s - item.seconds if self._groups else 0.0
        return True

    def remove_all(self, which: Callable[[Item], bool]) -> list[Item]:
        """Take out every item that `which` says, oldest deadline first."""
        gone = sorted((item for item in self if which(item)), key=lambda item: item.order)
        for item in gone:
            self.remove(item)
        return gone

    def oldest_s(self) -> float | None:
        """When the final that has waited longest came."""
        return min((item.came_s for item in self if not item.interim), default=None)

    def _ripe_s(self, group: list[Item]) -> float:
        window_s = sum(item.window_s for item in group)
        if len(group) >= self.settings.size_max or window_s >= self.settings.window_s_max:
            return float("-inf")
        return min(item.came_s for item in group) + self.settings.window_ms / 1000
