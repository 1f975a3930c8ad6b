"""What a partition owes to the broker: sent and not confirmed, and what may be committed then.

The order of durability is strict: outputs confirmed, then the row of state confirmed, then the offset committable. A
row that is durable before the outputs it stands for would make a restart skip them. So rows wait until every output
before them is confirmed, and offsets wait for their row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from streams.kafka.ledger import Ledger
from streams.kafka.steps import Done, Out, Row, Step


class Accounts:
    """The books of one partition of one role, since it was assigned."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.inputs = {topic: Ledger() for topic in topics}
        self._outputs = Ledger()
        self._number = 0
        self._waiting: deque[tuple[int, Row | Done]] = deque()
        self._rows_under_way = 0

    def came(self, topic: str, offset: int) -> bool:
        """Note an input; False where it came before."""
        return self.inputs[topic].see(offset)

    def enter(self, steps: Iterable[Step]) -> Iterator[tuple[int, Out]]:
        """Note what the stage left; yields the outputs to send, each with the number to confirm it by."""
        for step in steps:
            if isinstance(step, Out):
                number = self._number
                self._number += 1
                self._outputs.see(number)
                yield number, step
            else:
                self._waiting.append((self._number, step))

    def confirmed(self, number: int) -> None:
        """The broker has the output of that number."""
        self._outputs.finish((number,))

    def rows(self) -> Iterator[Row]:
        """The rows whose turn has come: send them in this order, and say `saved` of each once it is confirmed."""
        while self._waiting and self._waiting[0][0] <= (self._outputs.committable or 0):
            _, step = self._waiting.popleft()
            if isinstance(step, Row):
                self._rows_under_way += 1
                yield step
            else:
                self._finish(step.absorbed)

    def saved(self, row: Row) -> None:
        """The broker has the row."""
        self._rows_under_way -= 1
        self._finish(row.absorbed)

    def _finish(self, absorbed: tuple[tuple[str, int], ...]) -> None:
        by_topic: dict[str, list[int]] = {}
        for topic, offset in absorbed:
            by_topic.setdefault(topic, []).append(offset)
        for topic, offsets in by_topic.items():
            self.inputs[topic].finish(offsets)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not (self._outputs.unfinished or self._waiting or self._rows_under_way)

    def committable(self) -> dict[str, int]:
        """For each topic, the offset to commit."""
        return {topic: ledger.committable for topic, ledger in self.inputs.items() if ledger.committable is not None}
