"""Text that every store takes: one record with a character that a database refuses must not stop the feed."""

from __future__ import annotations

import math
import re
from typing import Any

from streams.events import Record

REFUSED = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL takes no NUL, and nothing takes half of a surrogate pair; JSON may name both, and 1e999, which is no number
that JSON can tell on."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(record: Record) -> Record:
    """The record, with U+FFFD for text and None for numbers that no store takes; the same object where there is none of that."""
    found: Record = _clean(record)
    return found


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return REFUSED.sub(REPLACEMENT, value) if REFUSED.search(value) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        clean = {_clean(key): _clean(item) for key, item in value.items()}
        return value if all(clean.get(key) is item for key, item in value.items()) else clean
    if isinstance(value, list):
        items = [_clean(item) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    return value
