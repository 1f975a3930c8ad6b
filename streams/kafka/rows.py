"""A call's row of state, as it lies on the compacted topic of a role.

`[format, group, generation, closed, call, rules, absorbed, captured_ms, layout, state]`, msgpack in zlib. All but the
state stays readable across releases; the state is of the release whose layout it names. A row whose state cannot be
read still says whose call it is and how far its input was absorbed: the call starts anew from there, and its coverage
says so. The layout is that of all stages together, so that they all start anew: a later stage could not follow an
earlier one that begins again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from audio.state import layout, pack, unpack
from streams import monitor
from streams.events import CallInfo
from streams.kafka import evidence, processors, transcribing
from streams.kafka.records import call_of, call_record

FORMAT = 2
"""Of the row around the state."""
PARTS = (
    *monitor.PARTS,
    "audio.whisper",
    "streams.language",
    "streams.transcribe",
    processors.__name__,
    transcribing.__name__,
    evidence.__name__,
)
"""Where the parts are defined that the states of all stages are made of: imported here, or they would be missed."""

Fence = tuple[str, int]
"""Group and generation: a row of an older generation never replaces a newer one of the same group."""


@lru_cache(maxsize=1)
def state_layout() -> str:
    """What a row must say for its state to be read by this release."""
    return f"{monitor.SNAPSHOT_VERSION}:{layout(*PARTS)}"


@dataclass(slots=True)
class Saved:
    """What a row holds. `state`: None where the call is closed, or where this release cannot read it (`readable`)."""

    call: CallInfo
    rules_id: str | None = None
    closed: bool = False
    absorbed: dict[str, int] = field(default_factory=dict)
    captured_ms: int | None = None
    state: dict[str, Any] | None = None
    readable: bool = True


def packed(saved: Saved, fence: Fence) -> bytes:
    """The value of a row."""
    info, absorbed = call_record(saved.call), sorted(saved.absorbed.items())
    kept = [saved.closed, info, saved.rules_id, absorbed, saved.captured_ms, state_layout(), saved.state]
    return zlib.compress(pack([FORMAT, *fence, *kept]), 1)


def newest(rows: Iterable[tuple[bytes, bytes | None]]) -> Iterator[tuple[str, Saved]]:
    """What the rows of a partition, in their order, say of each call in the end."""
    latest: dict[bytes, list[Any]] = {}
    for key, value in rows:
        if value is None:
            latest.pop(key, None)
            continue
        row = _unpacked(value)
        known = latest.get(key)
        if known is not None and known[1] == row[1] and known[2] > row[2]:
            continue  # a worker that had already lost the partition wrote it
        latest[key] = row
    for key, row in latest.items():
        yield key.decode(), _saved(key.decode(), row)


def _unpacked(value: bytes) -> list[Any]:
    try:
        row = unpack(zlib.decompress(value))
    except (zlib.error, ValueError, TypeError):
        row = None
    whole = isinstance(row, list) and len(row) > 3 and isinstance(row[1], str) and isinstance(row[2], int)
    return row if whole else [None, "", 0, False]


def _saved(call_id: str, row: list[Any]) -> Saved:
    if row[0] != FORMAT:
        # An earlier format (1) has `closed` in the same place.
        return Saved(call_of(None, call_id), closed=bool(row[3]), readable=False)
    _, _, _, closed, info, rules_id, absorbed, captured_ms, written_with, state = row
    saved = Saved(call_of(info, call_id), rules_id, closed, dict(absorbed), captured_ms, state)
    if not closed and written_with != state_layout():
        saved.state, saved.readable = None, False
    return saved
