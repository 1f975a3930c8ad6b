"""Second and third opinions on the held-out part of the suite (tests/words/labellers): how far labellers agree, and by whose
labels the engine is measured.

They had the guide and the utterances, not the first labels and no engine. What two of three say is the majority's label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from audio.errors import VigieError
from streams.evaluation.words_scores import Count, macro_f1
from streams.evaluation.words_suite import SHORT, SUITE_DIR, Item
from streams.language import CATEGORIES

AUTHOR, MAJORITY = "author", "majority"
OTHERS = ("second", "third")
LABELLERS = (AUTHOR, *OTHERS, MAJORITY)


class _Opinion(NamedTuple):
    sentiment: str
    phrases: frozenset[str]
    secrets: frozenset[str]
    """Of the form kind=text."""


def labelled_by(items: Sequence[Item], labeller: str, folder: Path = SUITE_DIR) -> list[Item]:
    """The held-out items with the sentiment and the phrases of that labeller; secrets stay as the author marked them.

    Raises VigieError naming file, item and field.
    """
    if labeller == AUTHOR:
        return list(items)
    if labeller in OTHERS:
        return _of_other(items, labeller, folder)
    opinions = [list(items), *(_of_other(items, other, folder) for other in OTHERS)]
    return [_majority(three) for three in zip(*opinions, strict=True)]


def agreement(items: Sequence[Item], folder: Path = SUITE_DIR) -> dict[str, Any]:
    """By language and pair of labellers: macro-F1 of the sentiment, precision and recall of the phrases of the one by the other."""
    pairs = [(other, AUTHOR) for other in OTHERS] + [tuple(reversed(OTHERS)), (AUTHOR, MAJORITY)]
    labels = {labeller: labelled_by(items, labeller, folder) for labeller in LABELLERS}
    report: dict[str, Any] = {}
    for language in dict.fromkeys(item.language for item in items):
        rows = [at for at, item in enumerate(items) if item.language == language]
        report[language] = {"utterances": len(rows)}
        for one, by in pairs:
            found, wanted = ([labels[name][at] for at in rows] for name in (one, by))
            report[language][f"{one} by {by}"] = _compared(found, wanted)
        for other in OTHERS:
            report[language][f"{other} by {AUTHOR}"]["secrets"] = _secrets([items[at] for at in rows], other, folder)
    return report


def _secrets(items: Sequence[Item], labeller: str, folder: Path) -> dict[str, Any]:
    """Precision and recall of the exact spans and kinds."""
    count, opinions = Count(), _opinions(items, labeller, folder)
    for item in items:
        own = {f"{secret.kind}={item.text[secret.start : secret.end]}" for secret in item.secrets}
        found = opinions[item.id].secrets
        count.hits += len(own & found)
        count.false += len(found - own)
        count.missed += len(own - found)
    return count.report()


def _compared(found: Sequence[Item], wanted: Sequence[Item]) -> dict[str, Any]:
    sentiments: Counter[tuple[str, str]] = Counter()
    count = Count()
    for one, other in zip(found, wanted, strict=True):
        sentiments[other.sentiment, one.sentiment] += 1
        count.hits += len(one.phrases & other.phrases)
        count.false += len(one.phrases - other.phrases)
        count.missed += len(other.phrases - one.phrases)
    return {"sentiment_macro_f1": round(macro_f1(sentiments), 4), "phrases": count.report()}


def _majority(three: Sequence[Item]) -> Item:
    """What two of three say; where each has another sentiment, the first."""
    sentiment, votes = Counter(item.sentiment for item in three).most_common(1)[0]
    said = Counter(category for item in three for category in item.phrases)
    phrases = frozenset(category for category, count in said.items() if count > len(three) / 2)
    return replace(three[0], sentiment=sentiment if votes > 1 else three[0].sentiment, phrases=phrases)


def _of_other(items: Sequence[Item], labeller: str, folder: Path) -> list[Item]:
    opinions = _opinions(items, labeller, folder)
    return [replace(item, sentiment=opinions[item.id].sentiment, phrases=opinions[item.id].phrases) for item in items]


def _opinions(items: Sequence[Item], labeller: str, folder: Path) -> dict[str, _Opinion]:
    opinions: dict[str, _Opinion] = {}
    for language in dict.fromkeys(item.language for item in items):
        opinions |= _read(folder / "labellers" / f"{language}.{labeller}.tsv")
    missing = [item.id for item in items if item.id not in opinions]
    if missing:
        raise _wrong(folder / "labellers", missing[0], "the labels", f"of the {labeller} labeller are missing")
    return opinions


def _read(path: Path) -> dict[str, _Opinion]:
    """An utterance a line: `id, sentiment (n, 0 or p), phrases, secrets` with tabs between."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VigieError(
            f"cannot read the labels: {error}", remedy="Give a suite that others have labelled, too", where=str(path)
        ) from error
    found: dict[str, _Opinion] = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        name, *fields = line.split("\t")
        if len(fields) != 3:
            raise _wrong(path, f"line {number}", "the line", "has not four fields: id, sentiment, phrases, secrets")
        if name in found:
            raise _wrong(path, name, "id", "is labelled twice")
        sentiment = fields[0]
        phrases, secrets = frozenset(fields[1].split(",")) - {""}, frozenset(fields[2].split(" | ")) - {""}
        if sentiment not in SHORT:
            raise _wrong(path, name, "sentiment", f"is none of {', '.join(SHORT)}")
        if not phrases <= set(CATEGORIES):
            raise _wrong(path, name, "phrases", f"has unknown categories {sorted(phrases - set(CATEGORIES))}")
        found[name] = _Opinion(SHORT[sentiment], phrases, secrets)
    return found


def _wrong(path: Path, name: str, field: str, what: str) -> VigieError:
    return VigieError(f"{name}: {field} {what}", remedy="See tests/words/README.md", where=str(path), field=field)
