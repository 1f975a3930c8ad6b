"""Words that turned out to be part of a secret after they were published: hidden in the store, in its index and events.

A later utterance names spans of earlier ones, by their places in the text as it was published. Several may name spans
of the same utterance, one after the other, so what is already hidden is remembered and the places are moved by it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from streams.events import Record
from streams.feed import tables as t
from streams.language.redaction import apply_earlier

HIDDEN = "hidden_later"


def hide_earlier(connection: sa.Connection, later: Record) -> list[Record]:
    """Hide what `later` names; returns the utterances as they are now."""
    changed = []
    for utterance_id in dict.fromkeys(span.get("utterance_id") for span in later.get("earlier") or ()):
        u = t.utterances.c
        which = (u.call_id == later["call_id"], u.utterance_id == utterance_id)
        row = connection.execute(sa.select(u.record).where(*which)).mappings().one_or_none()
        if row is None:
            continue
        record = row["record"]
        for span in sorted(later["earlier"], key=lambda item: -item["start"]):
            if span.get("utterance_id") == utterance_id:
                record = hidden(record, span)
        connection.execute(t.utterances.update().where(*which).values(text=record["text"], record=record))
        _erase_events(connection, later["call_id"], utterance_id)
        changed.append(record)
    return changed


def hidden(record: Record, span: Record) -> Record:
    """An utterance with one span of its published text hidden; a span that is hidden already changes nothing."""
    before: list[list[int]] = record.get(HIDDEN, [])
    start, end = span["start"], span["end"]
    if any(start < done[1] and done[0] < end for done in before):
        return record
    shift = sum(done[2] for done in before if done[1] <= start)
    moved = {**span, "start": start + shift, "end": end + shift}
    (out, _) = apply_earlier([record, {"earlier": [moved]}])
    grown = len(f"[{span['kind']}]") - (end - start)
    return {**out, HIDDEN: [*before, [start, end, grown]]}


def _erase_events(connection: sa.Connection, call_id: str, utterance_id: Any) -> None:
    """What a browser that comes back would still be told."""
    e = t.events.c
    rows = connection.execute(sa.select(e.number, e.data).where(e.kind == "utterance", e.call_id == call_id)).all()
    numbers = [number for number, data in rows if f'"{utterance_id}"' in data]
    connection.execute(t.events.update().where(e.number.in_(numbers)).values(data='{"utterance_id": null}'))
