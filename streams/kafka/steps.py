"""What goes into a stage, and the steps that it leaves, in the order in which they must become durable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Input:
    """One record of an input topic. `topic` is without prefix; `captured_ms` is the wall time in its header."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    captured_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Out:
    """A record to publish at once, in this order."""

    topic: str
    key: bytes
    value: bytes
    captured_ms: int | None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A call's state, to be written once everything before it is confirmed; then `absorbed` is done. None forgets it."""

    key: bytes
    value: bytes | None
    absorbed: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Offsets that need no row: done once everything before is confirmed."""

    absorbed: tuple[tuple[str, int], ...]


Step = Out | Row | Done
