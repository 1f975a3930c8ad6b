"""What of a partition is done, and how far that may be committed.

Faust's own acknowledgement commits past work that is still under way, and in other cases stops for good (the head guard
of `Consumer._new_offset` is off by one, and knows nothing before the first commit). So inputs are declared `acks=False`
and this ledger says what may be committed: the oldest offset that is not finished, or what follows the last one seen.

Offsets come in rising order, with holes (a transaction's markers take offsets of their own), and may come again: Faust
seeks back to the last commit when it pauses. The same ledger counts the records that we send, by a number of our own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Ledger:
    """The offsets of one partition since it was assigned. Forget it on revocation and start a new one."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._last = -1

    @property
    def seen(self) -> int:
        """The last offset that came; -1 before the first."""
        return self._last

    @property
    def unfinished(self) -> int:
        return len(self._open) - len(self._done)

    def see(self, offset: int) -> bool:
        """Note that the record of `offset` has come; False where it came before, and is not to be worked on again."""
        if offset <= self._last:
            return False
        self._last = offset
        self._open.append(offset)
        return True

    def finish(self, offsets: Iterable[int]) -> None:
        """Note that all that followed from these is durable. Offsets that never came, or are finished, change nothing."""
        first = self._open[0] if self._open else self._last + 1
        self._done.update(offset for offset in offsets if first <= offset <= self._last)
        while self._open and self._open[0] in self._done:
            self._done.discard(self._open.popleft())

    @property
    def committable(self) -> int | None:
        """The offset to commit: where to go on after a crash. None before anything has come."""
        if self._open:
            return self._open[0]
        return self._last + 1 if self._last >= 0 else None
