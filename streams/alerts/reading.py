"""YAML as nodes that remember their line, and mistakes that are collected, so that a person sees all of them at once.

A rule file may come from anyone: its size, depth and number of nodes are bounded before a tree is built, and aliases
are refused, since a few lines of them can stand for gigabytes.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import yaml

from audio.errors import VigieError
from streams.alerts.model import Scope

FILE_BYTES_MAX = 1_000_000
"""A rule takes about 600 bytes: room for more rules than anybody can answer for."""
NESTING_MAX = 24
"""Deepest useful: file, rules, rule, condition, all, ...; the limit is far from it and far from the stack's."""
NODES_MAX = 100_000
MISTAKES_MAX = 50

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9_]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake of a rule file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.problem}. {self.remedy}" if self.field else f"{place}: {self.text}"

    @property
    def text(self) -> str:
        return f"{self.problem}. {self.remedy}"


class RuleFileError(VigieError):
    """All the mistakes of a rule file, in the order of its lines."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        found = sorted(mistakes, key=lambda item: (item.line, item.column))
        self.mistakes = tuple(found)
        first = found[0]
        super().__init__(
            first.problem, remedy=first.remedy, where=f"{first.file}:{first.line}", field=first.field or None
        )

    def __str__(self) -> str:
        if len(self.mistakes) == 1:
            return str(self.mistakes[0])
        shown = "\n".join(f"  {item}" for item in self.mistakes[:MISTAKES_MAX])
        rest = len(self.mistakes) - MISTAKES_MAX
        return f"{len(self.mistakes)} mistakes\n{shown}" + (f"\n  and {rest} more" if rest > 0 else "")


def compose(data: bytes, file: str) -> yaml.Node:
    """The root node of a YAML document.

    Raises:
        RuleFileError: not UTF-8, not YAML, empty, too large, too deep, or with aliases.
    """

    def fail(line: int, problem: str, remedy: str) -> RuleFileError:
        return RuleFileError([Mistake(file, line, 1, "", problem, remedy)])

    if len(data) > FILE_BYTES_MAX:
        raise fail(1, f"the file has {len(data)} bytes", f"Keep a rule file under {FILE_BYTES_MAX} bytes.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise fail(line, "the file is not UTF-8 text", "Save it as UTF-8.") from None
    try:
        _bound(text, fail)
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise fail(mark.line + 1 if mark else 1, f"not valid YAML: {what}", "Correct the YAML on this line.") from None
    except (ValueError, RecursionError) as error:
        raise fail(1, f"not readable as YAML: {type(error).__name__}", "Write it as plain YAML.") from None
    if root is None:
        raise fail(1, "the file is empty", "Give it `version:` and `rules:`.")
    return root


def _bound(text: str, fail: Callable[[int, str, str], RuleFileError]) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        mistake: tuple[str, str] | None = None
        if isinstance(event, yaml.AliasEvent):
            mistake = (f"the alias *{event.anchor} is refused", "Write the value out; rule files take no aliases.")
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > NESTING_MAX:
                mistake = ("nested too deep", f"Keep the nesting under {NESTING_MAX} levels.")
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
        if number > NODES_MAX:
            mistake = ("too many values", f"Keep a rule file under {NODES_MAX} values.")
        if mistake:
            raise fail(line, *mistake)


class Reader:
    """Walks nodes by what a rule file may hold; every mistake is noted and reading goes on."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []

    def wrong(self, node: yaml.Node, field: str, problem: str, remedy: str) -> None:
        mark = node.start_mark
        self.mistakes.append(Mistake(self.file, mark.line + 1, mark.column + 1, field, problem, remedy))

    def mapping(self, node: yaml.Node, field: str, known: Iterable[str] | None) -> dict[str, yaml.Node]:
        """The values by their keys; unknown and doubled keys are mistakes (`known` None: any key)."""
        found: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, field, f"expected a mapping, found {kind_of(node)}", "Write `key: value` lines.")
            return found
        names = None if known is None else list(known)
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.wrong(key_node, field, "a key must be a word", "Write `key: value` lines.")
                continue
            key = key_node.value
            if names is not None and key not in names:
                self.wrong(key_node, join(field, short(key)), "unknown key", suggest(key, names))
            elif key in found:
                self.wrong(key_node, join(field, short(key)), "given twice", "Keep one of them.")
            else:
                found[key] = value
        return found

    def sequence(self, node: yaml.Node, field: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.wrong(node, field, f"expected a list, found {kind_of(node)}", "Write one `- item` a line.")
        return []

    def text(self, node: yaml.Node, field: str, *, chars_max: int = 500) -> str | None:
        """A scalar as its author wrote it, so that `no` (Norwegian) and `1.10` stay what they are."""
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self.wrong(node, field, f"expected text, found {kind_of(node)}", "Write some text.")
            return None
        value = str(node.value).strip()
        if len(value) > chars_max:
            self.wrong(node, field, f"{len(value)} characters long", f"Keep it under {chars_max} characters.")
            return None
        return value

    def choice(self, node: yaml.Node, field: str, choices: Iterable[str]) -> str | None:
        value, allowed = self.text(node, field), list(choices)
        if value is None or value in allowed:
            return value
        self.wrong(node, field, f"{short(value)!r} is not one of {', '.join(allowed)}", suggest(value, allowed))
        return None

    def number(self, node: yaml.Node, field: str) -> float | None:
        if isinstance(node, yaml.ScalarNode) and not node.style and _NUMBER.match(node.value):
            value = float(node.value.replace("_", ""))
            if math.isfinite(value):
                return value
        self.wrong(node, field, f"expected a number, found {kind_of(node)}", "Write a number such as 10000 or -36.")
        return None

    def whole(self, node: yaml.Node, field: str, least: int, most: int) -> int | None:
        value = self.number(node, field)
        if value is None:
            return None
        if value != int(value) or not least <= value <= most:
            self.wrong(node, field, f"{value:g} is out of range", f"Write a whole number from {least} to {most}.")
            return None
        return int(value)

    def scope(self, node: yaml.Node, field: str) -> Scope:
        """Where something applies: `site`, `queue`, `language`, `tenant`, each a word or a list."""
        found: dict[str, tuple[str, ...]] = {}
        for key, value in self.mapping(node, field, ("site", "queue", "language", "tenant")).items():
            items = value.value if isinstance(value, yaml.SequenceNode) else [value]
            if not items:
                self.wrong(value, f"{field}.{key}", "the list is empty", "Name at least one, or delete the line.")
            texts = [(item, self.text(item, f"{field}.{key}")) for item in items]
            for item, text in texts:
                if key == "language" and text and not LANGUAGE.match(text):
                    self.wrong(item, f"{field}.{key}", f"{text[:20]!r} is no language code", "Use a code such as fr.")
            found[key] = tuple(text for _, text in texts if text)
        return Scope(**found)


def kind_of(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f"{short(str(node.value))!r}" if str(node.value).strip() else "nothing"


def short(value: str) -> str:
    return value if len(value) <= 40 else value[:37] + "..."


def join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def suggest(given: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(given[:80], names, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Use one of: {', '.join(names)}."
