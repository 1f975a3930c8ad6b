"""Recordings of one's own: a manifest, and what should have been raised on each call."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from streams.alerts.rules import load_rules
from streams.evaluation.matching import Expected, Matching, match
from streams.evaluation.statistics import wilson
from streams.replay.manifest import read_manifest
from streams.replay.playback import CallResult, EngineSetup, LoadedEngine, play

DEFAULT_TOLERANCE_MS = 4_000
COLUMNS = ("call_id", "rule", "party", "about_ms", "tolerance_ms")


@dataclass(frozen=True, slots=True)
class Labels:
    """What must be raised on a call, and which rules may be or not."""

    expect: tuple[Expected, ...] = ()
    allow: frozenset[str] = frozenset()


@dataclass(slots=True)
class CallOutcome:
    call_id: str
    duration_ms: int
    matching: Matching
    not_judged: list[str] = field(default_factory=list)


def read_labels(path: Path) -> dict[str, Labels]:
    """Labels by call id, from a CSV (call_id, rule, party, about_ms, tolerance_ms) or a folder of `*.labels.json`.

    Raises:
        VigieError: nothing can be read, or a label is wrong.
    """
    if path.is_dir():
        files = sorted(path.glob("*.labels.json"))
        if not files:
            raise VigieError("no *.labels.json here", remedy="Name a CSV or the folder of the labels", where=str(path))
        loaded = [_json(file) for file in files]
        return {str(raw["call_id"]): _labels(raw["expect"], raw.get("allow", ()), str(path)) for raw in loaded}
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            rows = list(csv.DictReader(source))
    except OSError as error:
        raise VigieError(
            f"cannot read the labels: {error.strerror}", remedy="Check the path", where=str(path)
        ) from error
    by_call: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_call[row.get("call_id") or ""].append({k: v for k, v in row.items() if k in COLUMNS and v})
    return {call_id: _labels(items, (), str(path)) for call_id, items in by_call.items()}


def _json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VigieError("no labels in JSON", remedy="Write them as vigie synth does", where=str(path)) from error
    if not isinstance(raw, dict) or "call_id" not in raw or not isinstance(raw.get("expect"), list):
        raise VigieError("call_id or expect is missing", remedy="Write them as vigie synth does", where=str(path))
    return raw


def _labels(items: list[dict[str, Any]], allow: Any, where: str) -> Labels:
    try:
        expect = tuple(
            Expected(
                item["rule"],
                item.get("party") or None,
                int(item["about_ms"]),
                int(item["about_ms"]),
                early_ms=int(item.get("tolerance_ms", DEFAULT_TOLERANCE_MS)),
                late_ms=int(item.get("tolerance_ms", DEFAULT_TOLERANCE_MS)),
            )
            for item in items
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VigieError(
            f"a label lacks {error}", remedy=f"Give each rule and about_ms (of {', '.join(COLUMNS)})", where=where
        ) from error
    return Labels(expect, frozenset(map(str, allow)))


def run_labelled(manifest: Path, labels: Path, model: str, rules: str | None) -> Iterator[CallOutcome]:
    """Play every call of the manifest and match its alerts.

    Without a model, what rules on words should raise is not judged.

    Raises:
        VigieError: manifest, labels, rules or model cannot be used, or a call has no labels.
    """
    sources, failures = read_manifest(manifest)
    if failures:
        raise VigieError(failures[0].reason, remedy=failures[0].remedy, where=failures[0].file)
    known = read_labels(labels)
    engine = LoadedEngine(EngineSetup(rules=rules, model=model))
    of_words = frozenset(rule.id for rule in load_rules(rules).rules if rule.domain == "words")
    silent = of_words if model == "none" else frozenset[str]()
    for source in sources:
        call_id = source.call.call_id
        if call_id not in known:
            raise VigieError(
                f"no labels for the call {call_id}", remedy="Add them, or leave the call out", where=str(labels)
            )
        result = CallResult(source)
        for step in play(source, engine):
            result.take(step)
        mine = known[call_id]
        expect = [e for e in mine.expect if e.rule not in silent]
        found = match(expect, result.alerts)
        false = tuple(alert for alert in found.false if alert["rule_id"] not in mine.allow | silent)
        matching = Matching(found.pairs, found.missed, false)
        skipped = [e.rule for e in mine.expect if e.rule in silent]
        yield CallOutcome(call_id, result.now_ms, matching, skipped)


def summarise_labelled(results: list[CallOutcome]) -> dict[str, Any]:
    """The report of a run over labelled calls, as plain JSON values."""
    expected, found, false = Counter[str](), Counter[str](), Counter[str]()
    for outcome in results:
        expected.update(e.rule for e, _ in outcome.matching.pairs)
        expected.update(e.rule for e in outcome.matching.missed)
        found.update(e.rule for e, _ in outcome.matching.pairs)
        false.update(alert["rule_id"] for alert in outcome.matching.false)
    hours = sum(outcome.duration_ms for outcome in results) / 3_600_000
    rows = []
    for rule in sorted({*expected, *false}):
        low, high = wilson(found[rule], expected[rule])
        rows.append(
            {
                "rule": rule,
                "expected": expected[rule],
                "found": found[rule],
                "low95": round(low, 4),
                "high95": round(high, 4),
                "false": false[rule],
            }
        )
    return {
        "suite": "manifest",
        "calls": len(results),
        "hours": round(hours, 3),
        "rules": rows,
        "not_judged_without_words": sum(len(outcome.not_judged) for outcome in results),
        "wrong": [
            {
                "call_id": outcome.call_id,
                "missed": [[e.rule, e.party, e.due_ms] for e in outcome.matching.missed],
                "false": [[a["rule_id"], a["party"], a["raised_ms"]] for a in outcome.matching.false],
            }
            for outcome in results
            if outcome.matching.missed or outcome.matching.false
        ],
    }
