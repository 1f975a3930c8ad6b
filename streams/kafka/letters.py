"""What could not be used: where it was and why. Nothing of its content: audio is unredacted."""

from __future__ import annotations

import hashlib

from audio.errors import VigieError
from streams.kafka import serde
from streams.kafka.steps import Input, Out

DEAD_LETTERS = "calls.dead-letters"
KEY_SHOWN_CHARS = 64


def dead_letter(role: str, item: Input, reason: str, error: Exception) -> Out:
    """The record that tells of an input that a role could not use."""
    value = item.value or b""
    detail = str(error) if isinstance(error, VigieError) else f"processing failed ({type(error).__name__})"
    shown = (item.key or b"")[:KEY_SHOWN_CHARS].decode("utf-8", "replace")
    letter = {
        "reason": reason,
        "detail": detail[:500],
        "role": role,
        "topic": item.topic,
        "partition": item.partition,
        "offset": item.offset,
        "key": shown,
        "size_bytes": len(value),
        "sha256": hashlib.sha256(value).hexdigest(),
    }
    return Out(DEAD_LETTERS, shown.encode(), serde.encode_json("dead-letter", letter), item.captured_ms, reason)
