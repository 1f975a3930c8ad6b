"""A YAML rule file, checked to the last key and made into a `RuleSet`; or all its mistakes, each with line and remedy.

See `default.yaml` for the form by example. `extends: default` starts from the bundled rules: a rule with the id of one
of them takes its place, and `disable:` leaves some out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import yaml

from audio.errors import VigieError
from streams.alerts import messages, metrics
from streams.alerts.metrics import Kind, Metric
from streams.alerts.model import Cause, Condition, Direction, Escalation, Group, Leaf, Rule, RuleSet, Scope, Severity
from streams.alerts.model import Who as Who
from streams.alerts.model import leaves as leaves_of
from streams.alerts.reading import FILE_BYTES_MAX, LANGUAGE, Reader, RuleFileError, compose, join, suggest

DEFAULT_PATH = Path(__file__).with_name("default.yaml")
DAY_MS = 86_400_000
RULES_MAX = 500
"""What the largest of the compared systems allows (Contact Lens)."""
CONDITIONS_MAX = 20
OCCURRENCES_MAX = 64

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_FILE_KEYS = ("version", "rules", "extends", "disable", "categories", "description")
_RULE_KEYS = (
    "id",
    "title",
    "description",
    "condition",
    "all",
    "any",
    "severity",
    "cause",
    "message",
    "escalate",
    "cooldown_ms",
    "clear_after_ms",
    "scope",
    "enabled",
)
_DIRECTIONS = tuple(Direction)
_LEAF_KEYS = (
    "metric",
    *_DIRECTIONS,
    "party",
    "clear",
    "for_ms",
    "within_ms",
    "n_of_m",
    "after_ms",
    "until_ms",
)


def load_rules(path: str | Path | None = None) -> RuleSet:
    """The rules of a file, or the bundled ones (`None`).

    Raises:
        VigieError: the file cannot be read, or has mistakes (`RuleFileError`, which holds all of them).
    """
    if path is None:
        return _default_rules()
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a readable path"
        raise VigieError(
            f"the rule file cannot be read: {reason}", remedy="Give the path of a readable YAML file.", where=str(file)
        ) from None
    return parse_rules(data, str(file))


@lru_cache(maxsize=1)
def _default_rules() -> RuleSet:
    return parse_rules(DEFAULT_PATH.read_bytes(), DEFAULT_PATH.name)


def parse_rules(data: bytes, file: str) -> RuleSet:
    """The rules in YAML text (UTF-8 bytes); `file` names it in mistakes.

    Raises:
        RuleFileError: with every mistake found.
    """
    root = compose(data, file)
    reading = _RuleReader(file)
    rule_set = reading.file_of(root)
    if reading.mistakes or rule_set is None:
        raise RuleFileError(reading.mistakes)
    return rule_set


class _RuleReader(Reader):
    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.categories: frozenset[str] = frozenset()
        self.version = ""

    def file_of(self, root: yaml.Node) -> RuleSet | None:
        top = self.mapping(root, "", _FILE_KEYS)
        if not top and self.mistakes:
            return None
        if "version" in top:
            self.version = self.text(top["version"], "version", chars_max=40) or ""
        else:
            self.wrong(root, "version", "missing", "Name the version of this file, such as `version: 1`.")
        if "categories" in top:
            self.categories = frozenset(self._categories(top["categories"]))
        inherited = self._inherited(top)
        if "rules" not in top:
            if not inherited:
                self.wrong(root, "rules", "missing", "List the rules under `rules:`.")
                return None
            return RuleSet(self.version, inherited, self.file)
        items = self.sequence(top["rules"], "rules")
        if len(items) > RULES_MAX:
            self.wrong(top["rules"], "rules", f"{len(items)} rules", f"Keep a file under {RULES_MAX} rules.")
            return None
        own = self._rules(items)
        ids = {_given_id(item) for item in items}  # also of a rule that is not enabled: it takes the place and is off
        return RuleSet(self.version, (*(rule for rule in inherited if rule.id not in ids), *own), self.file)

    def _categories(self, node: yaml.Node) -> list[str]:
        found = []
        for item in self.sequence(node, "categories"):
            name = self.text(item, "categories", chars_max=40)
            if name and not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                self.wrong(item, "categories", f"{name!r} is no category name", "Use lower case, digits and _.")
            elif name:
                found.append(name)
        return found

    def _inherited(self, top: dict[str, yaml.Node]) -> tuple[Rule, ...]:
        extends = "extends" in top and self.choice(top["extends"], "extends", ("default",))
        base = _default_rules().rules if extends else ()
        if "disable" not in top:
            return base
        if not extends:
            self.wrong(top["disable"], "disable", "nothing to disable", "Add `extends: default`, or delete it.")
            return base
        known = [rule.id for rule in base]
        items = self.sequence(top["disable"], "disable")
        dropped = {self.choice(item, "disable", known) for item in items}
        return tuple(rule for rule in base if rule.id not in dropped)

    def _rules(self, items: list[yaml.Node]) -> list[Rule]:
        found: list[Rule] = []
        lines: dict[str, int] = {}
        for number, node in enumerate(items):
            before = len(self.mistakes)
            keys = self.mapping(node, _given_id(node) or f"rules[{number}]", _RULE_KEYS)
            if not keys:
                if len(self.mistakes) == before:
                    self.wrong(node, f"rules[{number}]", "the rule is empty", "Give it an id and a condition.")
                continue
            identity = self.text(keys["id"], f"rules[{number}].id") if "id" in keys else None
            if identity and not _ID.match(identity):
                self.wrong(keys["id"], f"rules[{number}].id", "not an id", "Use lower case, digits and hyphens.")
            elif identity and identity in lines:
                first = f"Line {lines[identity]} has it already: choose another id."
                self.wrong(keys["id"], f"rules[{number}].id", f"{identity!r} is given twice", first)
            elif identity:
                lines[identity] = keys["id"].start_mark.line + 1
            elif "id" not in keys:
                self.wrong(node, f"rules[{number}].id", "missing", "Give the rule an id.")
            rule = self._rule(node, keys, identity or f"rules[{number}]")
            if rule is not None and len(self.mistakes) == before:
                found.append(rule)
        return found

    def _rule(self, node: yaml.Node, keys: dict[str, yaml.Node], name: str) -> Rule | None:
        condition = self._rule_condition(node, keys, name)
        severity = self._required_choice(node, keys, name, "severity", tuple(Severity))
        cause = self.choice(keys["cause"], f"{name}.cause", tuple(Cause)) if "cause" in keys else "unknown"
        message = self._message(node, keys, name)
        texts = {key: self.text(keys[key], f"{name}.{key}") if key in keys else "" for key in ("title", "description")}
        spans = {
            key: self.whole(keys[key], f"{name}.{key}", 0, DAY_MS) if key in keys else 0
            for key in ("cooldown_ms", "clear_after_ms")
        }
        scope = self.scope(keys["scope"], f"{name}.scope") if "scope" in keys else Scope()
        enabled = "enabled" not in keys or self.choice(keys["enabled"], f"{name}.enabled", ("true", "false")) == "true"
        if condition is None or severity is None or cause is None:
            return None
        steps = self._escalations(keys["escalate"], name, condition, severity) if "escalate" in keys else ()
        if not enabled:
            return None
        return Rule(
            id=name,
            version=self.version,
            title=texts["title"] or name,
            description=texts["description"] or "",
            condition=condition,
            severity=Severity(severity),
            cause=Cause(cause),
            message=message,
            escalate=steps,
            cooldown_ms=spans["cooldown_ms"] or 0,
            clear_after_ms=spans["clear_after_ms"] or 0,
            scope=scope,
            line=node.start_mark.line + 1,
        )

    def _required_choice(
        self, node: yaml.Node, keys: dict[str, yaml.Node], name: str, key: str, choices: tuple[str, ...]
    ) -> str | None:
        if key in keys:
            return self.choice(keys[key], f"{name}.{key}", choices)
        self.wrong(node, f"{name}.{key}", "missing", f"Write one of {', '.join(choices)}.")
        return None

    def _rule_condition(self, node: yaml.Node, keys: dict[str, yaml.Node], name: str) -> Condition | None:
        given = [key for key in ("condition", "all", "any") if key in keys]
        if len(given) != 1:
            problem = "missing" if not given else f"{' and '.join(given)} exclude each other"
            self.wrong(node, f"{name}.condition", problem, "Give one of `condition:`, `all:` or `any:`.")
            return None
        key = given[0]
        before = len(self.mistakes)
        if key == "condition":
            condition = self._condition(keys[key], f"{name}.condition")
        else:
            condition = self._group(keys[key], f"{name}.{key}", key)
        if condition is not None and sum(1 for _ in leaves_of(condition)) > CONDITIONS_MAX:
            self.wrong(keys[key], f"{name}.{key}", "too many conditions", f"Keep a rule under {CONDITIONS_MAX}.")
        return condition if len(self.mistakes) == before else None

    def _group(self, node: yaml.Node, field: str, kind: str) -> Group | None:
        items = self.sequence(node, field)
        if not items and isinstance(node, yaml.SequenceNode):
            self.wrong(node, field, "the list is empty", "List at least one condition.")
        parts = [self._condition(item, f"{field}[{number}]") for number, item in enumerate(items)]
        return Group(kind, tuple(part for part in parts if part is not None)) if parts else None

    def _condition(self, node: yaml.Node, field: str) -> Condition | None:
        if isinstance(node, yaml.MappingNode):
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if "all" in names or "any" in names:
                kind = "all" if "all" in names else "any"
                inner = self.mapping(node, field, (kind,))
                return self._group(inner[kind], f"{field}.{kind}", kind)
        return self._leaf(node, self.mapping(node, field, _LEAF_KEYS), field)

    def _leaf(self, node: yaml.Node, keys: dict[str, yaml.Node], field: str) -> Leaf | None:
        if not keys:
            if isinstance(node, yaml.MappingNode) and not node.value:
                self.wrong(node, field, "the condition is empty", "Give it a metric and a threshold.")
            return None
        metric = self._metric(node, keys, field)
        given = [name for name in _DIRECTIONS if name in keys]
        threshold: float | None = None
        if len(given) == 1:
            threshold = self.number(keys[given[0]], join(field, given[0]))
        else:
            problem = "no threshold" if not given else f"{' and '.join(given)} exclude each other"
            self.wrong(node, field, problem, "Give one of at_least, at_most, above, below.")
        clear = self.number(keys["clear"], f"{field}.clear") if "clear" in keys else None
        spans = {
            key: self.whole(keys[key], f"{field}.{key}", 0, DAY_MS) if key in keys else None
            for key in ("for_ms", "within_ms", "after_ms", "until_ms")
        }
        n, m_ms = self._n_of_m(keys["n_of_m"], f"{field}.n_of_m") if "n_of_m" in keys else (0, 0)
        who = self._who(keys, field, metric)
        if metric is None or threshold is None or who is None:
            return None
        leaf = Leaf(
            metric=metric,
            direction=Direction(given[0]),
            threshold=threshold,
            who=Who(who),
            clear=clear,
            for_ms=spans["for_ms"] or 0,
            within_ms=spans["within_ms"] or 0,
            n=n,
            m_ms=m_ms,
            after_ms=spans["after_ms"] or 0,
            until_ms=spans["until_ms"],
        )
        self._relations(keys, field, leaf)
        return leaf

    def _metric(self, node: yaml.Node, keys: dict[str, yaml.Node], field: str) -> Metric | None:
        if "metric" not in keys:
            self.wrong(node, f"{field}.metric", "missing", "Name a metric, such as `metric: mutual_silence_ms`.")
            return None
        name = self.text(keys["metric"], f"{field}.metric")
        if name is None:
            return None
        metric = metrics.find(name, self.categories)
        if metric is None:
            remedy = suggest(name, metrics.names(self.categories))
            if name.startswith(("phrase.", "not_said.")):
                remedy += " Categories of your own go under `categories:` at the top of the file."
            self.wrong(keys["metric"], f"{field}.metric", f"unknown metric {name[:60]!r}", remedy)
        return metric

    def _who(self, keys: dict[str, yaml.Node], field: str, metric: Metric | None) -> str | None:
        """The party given, or the natural one: either for a metric of parties, call for one of the call."""
        if "party" not in keys:
            return None if metric is None else str(Who.EITHER if metric.per_party else Who.CALL)
        who = self.choice(keys["party"], f"{field}.party", tuple(Who))
        if who is None or metric is None:
            return who
        if metric.per_party and who == Who.CALL:
            remedy = "Write agent, customer or either."
            self.wrong(keys["party"], f"{field}.party", f"{metric.name} is measured for each party", remedy)
        elif not metric.per_party and who != Who.CALL:
            remedy = "Write `party: call`, or leave it out."
            self.wrong(keys["party"], f"{field}.party", f"{metric.name} is measured for the call", remedy)
        return who

    def _n_of_m(self, node: yaml.Node, field: str) -> tuple[int, int]:
        keys = self.mapping(node, field, ("n", "m_ms"))
        for key in ("n", "m_ms"):
            if key not in keys and isinstance(node, yaml.MappingNode):
                self.wrong(node, f"{field}.{key}", "missing", "Write `n_of_m: {n: 3, m_ms: 60000}`.")
        n = self.whole(keys["n"], f"{field}.n", 1, OCCURRENCES_MAX) if "n" in keys else 0
        m_ms = self.whole(keys["m_ms"], f"{field}.m_ms", 1, DAY_MS) if "m_ms" in keys else 0
        return n or 0, m_ms or 0

    def _relations(self, keys: dict[str, yaml.Node], field: str, leaf: Leaf) -> None:
        if leaf.clear is not None and "clear" in keys:
            inclusive = leaf.direction in (Direction.AT_LEAST, Direction.AT_MOST)
            apart = leaf.threshold - leaf.clear if leaf.direction.rising else leaf.clear - leaf.threshold
            if apart < 0 or (inclusive and apart == 0):
                side = "under" if leaf.direction.rising else "over"
                problem = f"{leaf.clear:g} is on the wrong side of {leaf.direction} {leaf.threshold:g}"
                self.wrong(keys["clear"], f"{field}.clear", problem, f"Clear {side} the threshold.")
        if leaf.metric.kind is Kind.EVENT:
            for key in ("for_ms", "clear"):
                if key in keys:
                    remedy = "Use n_of_m or within_ms here, and clear_after_ms on the rule."
                    self.wrong(keys[key], f"{field}.{key}", f"{leaf.metric.name} happens at a moment", remedy)
        if leaf.for_ms and leaf.n:
            self.wrong(keys["for_ms"], f"{field}.for_ms", "for_ms and n_of_m exclude each other", "Keep one of them.")
        if leaf.until_ms is not None and leaf.until_ms <= leaf.after_ms:
            problem = f"{leaf.until_ms} is not after after_ms ({leaf.after_ms})"
            self.wrong(keys["until_ms"], f"{field}.until_ms", problem, "Let until_ms be the greater.")

    def _message(self, node: yaml.Node, keys: dict[str, yaml.Node], name: str) -> dict[str, str]:
        if "message" not in keys:
            self.wrong(node, f"{name}.message", "missing", "Write `message: {en: ..., fr: ...}`.")
            return {}
        given = self.mapping(keys["message"], f"{name}.message", None)
        found: dict[str, str] = {}
        for language, value in given.items():
            field = f"{name}.message.{language[:20]}"
            if not LANGUAGE.match(language):
                self.wrong(value, field, "not a language code", "Use a code such as en, fr, ar, pt or es.")
            text = self.text(value, field)
            for bad in messages.unknown_placeholders(text or ""):
                remedy = suggest(bad, messages.PLACEHOLDERS)
                self.wrong(value, field, f"unknown placeholder {'{' + bad[:40] + '}'}", remedy)
            found[language] = text or ""
        for language in messages.REQUIRED_LANGUAGES:
            if language not in given and isinstance(keys["message"], yaml.MappingNode):
                field = f"{name}.message.{language}"
                self.wrong(keys["message"], field, "missing", f"Write the message in {language!r}.")
        return found

    def _escalations(self, node: yaml.Node, name: str, condition: Condition, severity: str) -> tuple[Escalation, ...]:
        found: list[Escalation] = []
        rank = Severity(severity).rank
        for number, item in enumerate(self.sequence(node, f"{name}.escalate")):
            field = f"{name}.escalate[{number}]"
            step = self._escalation(item, field, condition)
            if step is None:
                continue
            if step.severity.rank <= rank:
                remedy = "List the steps from the mildest to the worst, each over the rule's own severity."
                self.wrong(item, field, f"{step.severity} is no step up", remedy)
            rank = max(rank, step.severity.rank)
            found.append(step)
        return tuple(found)

    def _escalation(self, node: yaml.Node, field: str, condition: Condition) -> Escalation | None:
        keys = self.mapping(node, field, ("severity", "after_ms", *_DIRECTIONS))
        if not keys:
            return None
        severity = self._required_choice(node, keys, field, "severity", tuple(Severity))
        given = [key for key in ("after_ms", *_DIRECTIONS) if key in keys]
        if len(given) != 1:
            self.wrong(node, field, "one trigger is needed", "Give a threshold or after_ms, not both.")
            return None
        key, value = given[0], keys[given[0]]
        if key == "after_ms":
            after_ms = self.whole(value, f"{field}.after_ms", 1, DAY_MS)
            return None if severity is None or after_ms is None else Escalation(Severity(severity), after_ms=after_ms)
        threshold = self.number(value, f"{field}.{key}")
        if isinstance(condition, Group):
            self.wrong(value, f"{field}.{key}", "which of the metrics is meant is open", "Use after_ms here.")
        elif key != condition.direction:
            remedy = f"Write {condition.direction}, as in the condition."
            self.wrong(value, f"{field}.{key}", f"the condition says {condition.direction}", remedy)
        elif threshold is not None and not _worse(condition, threshold):
            remedy = f"Step up beyond {condition.threshold:g}."
            self.wrong(value, f"{field}.{key}", f"{threshold:g} is no worse than the threshold", remedy)
        return None if severity is None or threshold is None else Escalation(Severity(severity), threshold=threshold)


def _given_id(node: yaml.Node) -> str | None:
    """The id that a rule gives itself, for the mistakes that are found before it has been read."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "id" and isinstance(value, yaml.ScalarNode) and _ID.match(value.value):
                return str(value.value)
    return None


def _worse(leaf: Leaf, value: float) -> bool:
    return value > leaf.threshold if leaf.direction.rising else value < leaf.threshold
