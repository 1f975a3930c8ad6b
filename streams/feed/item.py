"""What a source hands to the store."""

from __future__ import annotations

from dataclasses import dataclass

from streams.events import Record


@dataclass(frozen=True, slots=True)
class Item:
    """A record of a topic (by its short name), when it was captured, and its place where it came from Kafka."""

    topic: str
    record: Record
    at: int
    partition: int | None = None
    offset: int | None = None
