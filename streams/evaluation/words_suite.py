"""The suite of labelled service-call utterances (tests/words): read, checked, and joined into turns.

The held-out part measures what was built with the development part; nobody who builds reads it, so nothing here prints
its texts. Nor those of the ordinary part: whole calls turn by turn, in which most utterances say nothing that is looked for; nothing is
fitted on them, though thresholds were set with its totals in view. Nor those of the later part: single utterances as in the held-out part,
written when the engine was there, by others; no setting was chosen by its totals. On the settings part, of the same kind,
thresholds are tried (`streams/language/recipe/try_thresholds.py`, `try_sentiment.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audio.errors import VigieError
from streams.language import CATEGORIES

SUITE_DIR = Path(__file__).resolve().parents[2] / "tests" / "words"
LANGUAGES = ("fr", "en", "ar", "pt", "es")
HELD_OUT = "heldout"
PARTS = ("dev", HELD_OUT)
ORDINARY, SETTINGS, LATER = "ordinary", "settings", "later"
BY_LINE = (ORDINARY, SETTINGS, LATER)
"""An utterance a line, in files of tabs; no secrets are labelled."""
PARTIES = ("agent", "customer")
SENTIMENTS = ("negative", "neutral", "positive")
SHORT = dict(zip("n0p", SENTIMENTS, strict=True))
KINDS = ("card", "iban", "phone", "email", "national_id", "secret")
_FIELDS = {"id", "text", "language", "party", "sentiment", "phrases", "redactions"}


@dataclass(frozen=True, slots=True)
class Secret:
    """Characters `start..end` of the utterance's text must not leave."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled utterance; `after` names the same party's utterance that came just before; `asked` is what the other
    party said just before it."""

    id: str
    text: str
    language: str
    party: str
    sentiment: str
    phrases: frozenset[str]
    secrets: tuple[Secret, ...]
    after: str | None
    asked: str | None = None


def load_suite(part: str, folder: Path = SUITE_DIR, languages: Sequence[str] = LANGUAGES) -> list[Item]:
    """The items of one part, language by language. Raises VigieError naming file, item and field."""
    items: list[Item] = []
    for language in languages:
        path = folder / part / f"{language}.{'tsv' if part in BY_LINE else 'yaml'}"
        try:
            text = path.read_text(encoding="utf-8")
            entries = list(_rows(text, path)) if part in BY_LINE else yaml.safe_load(text)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise VigieError(
                f"cannot read the suite of words: {error}", remedy="Give its folder", where=str(path), field="--words"
            ) from error
        if not isinstance(entries, list) or not entries:
            raise _wrong(path, None, "the file", "is no list of utterances")
        items += [_item(entry, path) for entry in entries]
    known = {item.id: item for item in items}
    if len(known) != len(items):
        raise _wrong(folder / part, None, "id", "is used twice")
    for item in items:
        before = known.get(item.after) if item.after else None
        if item.after and (before is None or (before.party, before.language) != (item.party, item.language)):
            raise _wrong(folder / part, item.id, "after", "names no utterance of the same party and language")
    return items


def turns(items: Sequence[Item]) -> list[list[Item]]:
    """Utterances that follow one another as lists; a lone utterance is a list of one."""
    chains: dict[str, list[Item]] = {}
    for item in items:
        chain = chains.pop(item.after, []) if item.after else []
        chains[item.id] = [*chain, item]
    return list(chains.values())


def _rows(text: str, path: Path) -> Iterator[dict[str, Any]]:
    """Of a part by line: `party, phrases, text, sentiment` with tabs between, an empty line between calls."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line:
            continue
        fields, name = line.split("\t"), f"{path.stem}-{path.parent.name[0]}{number:04}"
        if len(fields) != 4:
            raise _wrong(path, name, "the line", "has not four fields: party, phrases, text, sentiment")
        party, phrases, said, sentiment = fields
        if not said.strip():
            raise _wrong(path, name, "text", "is empty")
        yield {
            "id": name,
            "text": said,
            "language": path.stem,
            "party": party,
            "sentiment": SHORT.get(sentiment, sentiment),
            "phrases": [category.strip() for category in phrases.split(",") if category.strip()],
            "redactions": [],
        }


def _item(entry: Any, path: Path) -> Item:
    if not isinstance(entry, dict) or not set(entry) >= _FIELDS:
        raise _wrong(path, None, "an utterance", f"needs {', '.join(sorted(_FIELDS))}: {str(entry)[:80]!r}")
    name = str(entry["id"])
    for field, allowed in (("language", (path.stem,)), ("party", PARTIES), ("sentiment", SENTIMENTS)):
        if entry[field] not in allowed:
            raise _wrong(path, name, field, f"is none of {', '.join(allowed)}")
    unknown = set(entry["phrases"]) - set(CATEGORIES)
    if unknown:
        raise _wrong(path, name, "phrases", f"has unknown categories {sorted(unknown)}")
    return Item(
        id=name,
        text=str(entry["text"]),
        language=entry["language"],
        party=entry["party"],
        sentiment=entry["sentiment"],
        phrases=frozenset(entry["phrases"]),
        secrets=_secrets(entry, path, name),
        after=entry.get("after"),
        asked=entry.get("asked"),
    )


def _secrets(entry: dict[str, Any], path: Path, name: str) -> tuple[Secret, ...]:
    found: list[Secret] = []
    at = 0
    for label in entry["redactions"]:
        start = entry["text"].find(label["text"], at) if label["text"] else -1
        if start < 0:
            raise _wrong(path, name, "redactions", "is no exact substring of the text, in order")
        if label["kind"] not in KINDS:
            raise _wrong(path, name, "redactions", f"has a kind that is none of {', '.join(KINDS)}")
        at = start + len(label["text"])
        found.append(Secret(label["kind"], start, at))
    return tuple(found)


def _wrong(path: Path, name: str | None, field: str, what: str) -> VigieError:
    return VigieError(
        f"{name or 'the suite'}: {field} {what}", remedy="See tests/words/README.md", where=str(path), field=field
    )
