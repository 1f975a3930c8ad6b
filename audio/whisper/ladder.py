"""What gives way when the transcriber is overloaded, in a stated order, and how it comes back.

1. interim texts are not made; 2. beam search becomes greedy; 3. windows get a shorter margin; 4. live utterances past their
deadline are given up, oldest first, and their call is partial there. Only live calls degrade: batch calls wait. Acoustic
alerts have no part in any of this.

What is looked at is how long the oldest live utterance has waited in the queue. Each rung has its own threshold and must
be asked for during `climb_s`; it is left one at a time, once waiting has stayed under a share of its threshold for
`settle_s`. So the ladder does not swing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Rung(IntEnum):
    """How far things have come; each rung includes those below it."""

    FULL = 0
    NO_INTERIM = 1
    GREEDY = 2
    SHORT_MARGIN = 3
    GIVING_UP = 4


@dataclass(frozen=True, slots=True)
class LadderSettings:
    """Attributes:
    wait_s: how long the oldest live utterance has waited when a rung is asked for, rung by rung from the first.
    climb_s: for how long that must last.
    settle_share, settle_s: a rung is left when waiting has been under this share of its threshold for so long.
    """

    wait_s: tuple[float, float, float, float] = (0.6, 1.2, 2.0, 5.0)
    climb_s: float = 0.3
    settle_share: float = 0.5
    settle_s: float = 5.0

    def __post_init__(self) -> None:
        if list(self.wait_s) != sorted(self.wait_s) or not 0 < self.settle_share < 1:
            raise ValueError("wait_s rises from rung to rung, and settle_share lies between 0 and 1")


class Ladder:
    """Ask `look` now and then, with how long the oldest live utterance has waited; time never goes back."""

    def __init__(self, settings: LadderSettings = LadderSettings()) -> None:
        self.settings = settings
        self.rung = Rung.FULL
        self.climbs = 0
        self._asked_s: float | None = None
        self._calm_s: float | None = None

    def look(self, now_s: float, waited_s: float) -> Rung:
        """The rung from now on."""
        s = self.settings
        if self.rung < Rung.GIVING_UP and waited_s >= s.wait_s[self.rung]:
            self._asked_s = now_s if self._asked_s is None else self._asked_s
            if now_s - self._asked_s >= s.climb_s:
                self.rung = Rung(self.rung + 1)
                self.climbs += 1
                self._asked_s = now_s
        else:
            self._asked_s = None
        if self.rung > Rung.FULL and waited_s < s.wait_s[self.rung - 1] * s.settle_share:
            self._calm_s = now_s if self._calm_s is None else self._calm_s
            if now_s - self._calm_s >= s.settle_s:
                self.rung = Rung(self.rung - 1)
                self._calm_s = now_s
        else:
            self._calm_s = None
        return self.rung
