"""What the transcriber is told of calls beforehand: their language, words that may come up, what came before.

A YAML list; each entry has a scope (tenant, queue, site, agent: a value or a list of them) and what holds in it:

    - scope: {tenant: acme, queue: [sales, billing]}
      language: fr                                # pinned: nothing is detected
      prompt: "Appel au service client d'Acme."   # sets spelling and style
      hotwords: [Acmephone, Rachid Benjelloun]    # names that the model could not know

All entries whose scope fits a call hold, in their order: a later language or prompt replaces an earlier one, hotwords add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audio.errors import VigieError
from streams.events import CallInfo

SCOPES = ("tenant", "queue", "site", "agent")
FIELDS = ("scope", "language", "prompt", "hotwords")
CHARS_MAX = 600
"""Of a prompt, and of all hotwords of an entry: some 200 tokens, which is what a model has room for."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What holds for one call."""

    language: str | None = None
    prompt: str = ""
    hotwords: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    scope: Mapping[str, tuple[str, ...]]
    language: str | None
    prompt: str
    hotwords: tuple[str, ...]

    def fits(self, call: CallInfo) -> bool:
        return all(getattr(call, name) in values for name, values in self.scope.items())


class HintBook:
    """The entries of a file; without one, nothing is told of any call."""

    def __init__(self, entries: tuple[_Entry, ...] = ()) -> None:
        self._entries = entries

    def for_call(self, call: CallInfo) -> Hints:
        """What holds for this call; the language that the call itself names comes first."""
        language, prompt, words = None, "", list[str]()
        for entry in self._entries:
            if entry.fits(call):
                language, prompt = entry.language or language, entry.prompt or prompt
                words += entry.hotwords
        return Hints(call.language or language, prompt, ", ".join(dict.fromkeys(words))[:CHARS_MAX])


def load_hints(path: Path | None) -> HintBook:
    """Read a file of hints; none is no hints.

    Raises:
        VigieError: the file cannot be read, or an entry says what none can; with its number and field.
    """
    if path is None:
        return HintBook()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Give the path of a readable YAML file"
        raise VigieError(f"cannot be read ({type(error).__name__})", remedy=remedy, where=str(path)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise VigieError("not YAML", remedy="Mend that line", where=where) from None
    if not isinstance(content, list):
        raise VigieError("no list of hints", remedy="Begin each entry with a dash", where=str(path))
    return HintBook(tuple(_entry(item, f"{path}, entry {number}") for number, item in enumerate(content, 1)))


def _entry(item: Any, where: str) -> _Entry:
    if not isinstance(item, dict):
        raise VigieError("this is no entry", remedy=f"Give some of {', '.join(FIELDS)}", where=where)
    for name in item:
        if name not in FIELDS:
            raise VigieError(
                "there is no such field", remedy=f"Use {', '.join(FIELDS)}", where=where, field=str(name)[:40]
            )
    scope = item.get("scope") or {}
    if not isinstance(scope, dict) or any(name not in SCOPES for name in scope):
        raise VigieError("this is no scope", remedy=f"Use {', '.join(SCOPES)}", where=where, field="scope")
    words = _texts(item.get("hotwords") or [], where, "hotwords")
    prompt = _texts(item.get("prompt") or "", where, "prompt")
    language = item.get("language")
    if language is not None and (not isinstance(language, str) or not 2 <= len(language) <= 10):
        raise VigieError(
            "this is no language", remedy="Give an ISO 639-1 code such as fr", where=where, field="language"
        )
    for name, texts in (("hotwords", words), ("prompt", prompt)):
        if sum(map(len, texts)) > CHARS_MAX:
            raise VigieError(
                "this is too long", remedy=f"Keep it under {CHARS_MAX} characters", where=where, field=name
            )
    values = {name: _texts(value, where, f"scope.{name}") for name, value in scope.items()}
    return _Entry(values, language, " ".join(prompt), words)


def _texts(value: Any, where: str, field: str) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str | int) and not isinstance(text, bool) for text in texts):
        raise VigieError("this is no text", remedy="Give a text, or a list of texts", where=where, field=field)
    return tuple(str(text).strip() for text in texts if str(text).strip())
