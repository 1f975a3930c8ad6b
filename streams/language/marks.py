"""Marks such as [card] in place of secrets in a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streams.language.modes import Secret
from streams.language.text import Token

Record = dict[str, Any]


def marked(text: str, words: Sequence[Token], secrets: Sequence[Secret]) -> tuple[str, list[Record]]:
    """`text` with a mark for each secret, and `{kind, start, end}` of each mark in it."""
    if not secrets:
        return text, []
    parts: list[str] = []
    marks: list[Record] = []
    length = copied = 0
    for secret in secrets:
        before = text[copied : words[secret.first].start]
        mark = f"[{secret.kind}]"
        parts += [before, mark]
        length += len(before)
        marks.append({"kind": secret.kind, "start": length, "end": length + len(mark)})
        length += len(mark)
        copied = words[secret.last].end
    parts.append(text[copied:])
    return "".join(parts), marks
