"""Putting marks in place of secrets: in a text, and in the words of a record."""

from __future__ import annotations

from typing import Any

from streams.language.modes import RedactionSettings, Secret
from streams.language.secrets import find_secrets
from streams.language.text import Token, tidy, tokens

Record = dict[str, Any]


def redacted_words(
    record: Record, found: list[Token] | None, secrets: list[Secret], language: str | None, settings: RedactionSettings
) -> tuple[list[Record], list[tuple[int, int] | None]]:
    """The record's words with secrets marked, and which words each secret covers (None: words and text disagree)."""
    words = [dict(word) for word in record.get("words") or ()]
    if not secrets and " ".join(str(word.get("word", "")).strip() for word in words) == record["text"]:
        return words, []
    found = tokens(record["text"]) if found is None else found
    text, owners = "", []
    heard: list[Token] = []
    for index, word in enumerate(words):
        spoken = tokens(tidy(str(word.get("word", ""))))
        heard += [Token(token.word, token.start + len(text), token.end + len(text)) for token in spoken]
        owners += [index] * len(spoken)
        text += tidy(str(word.get("word", ""))) + " "
    places: list[tuple[int, int] | None] = [None] * len(secrets)
    if [token.word for token in heard] == [token.word for token in found]:
        hidden = [(secret.kind, owners[secret.first], owners[secret.last] + 1) for secret in secrets]
        places = [(first, end) for _, first, end in hidden]
    else:
        own, _ = find_secrets(text, heard, language, settings)
        hidden = [(secret.kind, owners[secret.first], owners[secret.last] + 1) for secret in own]
        taken = {token.word for secret in secrets for token in found[secret.first : secret.last + 1]}
        hidden += [("number", at, at + 1) for at, token in zip(owners, heard, strict=True) if token.word in taken]
    for kind, first, end in hidden:
        for word in words[first:end]:
            word["word"] = f"[{kind}]"
    return words, places
