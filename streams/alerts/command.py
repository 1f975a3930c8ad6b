"""`vigie rules check FILE`: is a rule file right, and what does it say?"""

from __future__ import annotations

import argparse
import json
import sys

from audio.errors import VigieError
from streams.alerts.model import RuleSet, leaves
from streams.alerts.reading import RuleFileError
from streams.alerts.rules import load_rules

EXAMPLE = (
    "example:\n  vigie rules check my-rules.yaml\n  vigie rules check --json my-rules.yaml | jq '.mistakes[].line'"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Check a rule file; every mistake is told with its line and remedy."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", metavar="FILE", nargs="?", help="a YAML rule file (default: the bundled rules)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for a program")


def run(args: argparse.Namespace) -> int:
    """Print the verdict; 0 when the file is right, 2 when it is not."""
    name = args.file or "default.yaml"
    try:
        rules = load_rules(args.file)
    except VigieError as error:
        if args.json:
            print(json.dumps({"file": name, "ok": False, "mistakes": _mistakes(error)}, ensure_ascii=False, indent=2))
        else:
            print(f"vigie rules check: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(_described(name, rules), ensure_ascii=False, indent=2))
        return 0
    print(f"{name}: {len(rules.rules)} rules, version {rules.version}: right")
    for rule in rules.rules:
        print(f"  {rule.id:<20} {rule.severity:<9} {rule.cause:<11} {rule.domain:<6} {rule.title}")
    return 0


def _mistakes(error: VigieError) -> list[dict[str, object]]:
    if not isinstance(error, RuleFileError):
        empty = {"line": None, "column": None, "field": error.field or ""}
        return [{**empty, "problem": error.problem, "remedy": error.remedy}]
    names = ("line", "column", "field", "problem", "remedy")
    return [{name: getattr(item, name) for name in names} for item in error.mistakes]


def _described(name: str, rules: RuleSet) -> dict[str, object]:
    described = [
        {
            "id": rule.id,
            "title": rule.title,
            "version": rule.version,
            "severity": rule.severity.value,
            "cause": rule.cause.value,
            "domain": rule.domain.value,
            "metrics": sorted({leaf.metric.name for leaf in leaves(rule.condition)}),
            "line": rule.line,
        }
        for rule in rules.rules
    ]
    return {"file": name, "ok": True, "version": rules.version, "mistakes": [], "rules": described}
