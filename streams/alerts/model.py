"""What a rule says once it has been validated: plain frozen values, no YAML and no state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from streams.alerts import metrics
from streams.alerts.metrics import Domain, Metric
from streams.events import CallInfo


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Cause(StrEnum):
    TECHNOLOGY = "technology"
    HUMAN = "human"
    PROCESS = "process"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    ABOVE = "above"
    BELOW = "below"

    @property
    def rising(self) -> bool:
        """Whether greater values are worse."""
        return self in (Direction.AT_LEAST, Direction.ABOVE)

    def holds(self, value: float, threshold: float) -> bool:
        if self is Direction.AT_LEAST:
            return value >= threshold
        if self is Direction.AT_MOST:
            return value <= threshold
        return value > threshold if self is Direction.ABOVE else value < threshold


class Who(StrEnum):
    """Whose measures a condition looks at; EITHER makes a rule watch each party apart, with an alert for each."""

    AGENT = "agent"
    CUSTOMER = "customer"
    EITHER = "either"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One threshold on one metric.

    Attributes:
        clear: the value at which the fault is over: at or below it for `at_least`/`above`, at or above it for
            `at_most`/`below`. None: as soon as the threshold is no longer met.
        for_ms: how long the threshold must be met without a break.
        within_ms: how long the condition counts as met after it last was (to join conditions in `all`).
        n, m_ms: N of M: at least `n` occurrences in the last `m_ms` (0: not used).
        after_ms, until_ms: media time between which the condition may complete.
    """

    metric: Metric
    direction: Direction
    threshold: float
    who: Who
    clear: float | None = None
    for_ms: int = 0
    within_ms: int = 0
    n: int = 0
    m_ms: int = 0
    after_ms: int = 0
    until_ms: int | None = None

    def recovered(self, value: float) -> bool:
        if self.clear is None:
            return not self.direction.holds(value, self.threshold)
        return value <= self.clear if self.direction.rising else value >= self.clear


@dataclass(frozen=True, slots=True)
class Group:
    """`all` or `any` of some conditions."""

    kind: str
    parts: tuple[Condition, ...]


Condition = Leaf | Group


def leaves(condition: Condition) -> Iterator[Leaf]:
    if isinstance(condition, Leaf):
        yield condition
    else:
        for part in condition.parts:
            yield from leaves(part)


@dataclass(frozen=True, slots=True)
class Escalation:
    """A step up in severity: when the value reaches `threshold`, or `after_ms` after the alert was raised."""

    severity: Severity
    threshold: float | None = None
    after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule applies; an empty tuple is everywhere. A call that does not say its site is of no site."""

    site: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    tenant: tuple[str, ...] = ()

    def covers(self, call: CallInfo) -> bool:
        plain = ((self.site, call.site), (self.queue, call.queue), (self.tenant, call.tenant))
        if any(wanted and given not in wanted for wanted, given in plain):
            return False
        language = (call.language or "").lower().replace("_", "-")
        return not self.language or any(
            language == wanted.lower() or language.startswith(wanted.lower() + "-") for wanted in self.language
        )


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    version: str
    title: str
    condition: Condition
    severity: Severity
    cause: Cause
    message: Mapping[str, str]
    description: str = ""
    escalate: tuple[Escalation, ...] = ()
    cooldown_ms: int = 0
    clear_after_ms: int = 0
    scope: Scope = field(default_factory=Scope)
    line: int = 0

    @property
    def domain(self) -> Domain:
        """Sound when every metric is one of sound; else words, whose stage sees both."""
        found = {leaf.metric.domain for leaf in leaves(self.condition)}
        return Domain.SOUND if found == {Domain.SOUND} else Domain.WORDS


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one file. `fingerprint` tells whether two sets would behave alike, whatever file they came from."""

    version: str
    rules: tuple[Rule, ...]
    source: str = "default.yaml"

    def for_call(self, call: CallInfo) -> RuleSet:
        """The rules whose scope covers this call."""
        return replace(self, rules=tuple(rule for rule in self.rules if rule.scope.covers(call)))

    def of_domain(self, domain: str) -> RuleSet:
        return replace(self, rules=tuple(rule for rule in self.rules if rule.domain == domain))

    def metric_names(self) -> frozenset[str]:
        """Every metric some rule looks at."""
        return frozenset(leaf.metric.name for rule in self.rules for leaf in leaves(rule.condition))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr([replace(rule, line=0) for rule in self.rules]).encode()).hexdigest()[:16]


def known_metric(name: str) -> Metric:
    """The metric of an alert's evidence, also where its phrase category is one of a rule file's own."""
    category = name.partition(".")[2]
    return metrics.find(name, frozenset({category}) if category else frozenset()) or Metric(
        name, "", True, Domain.WORDS, name
    )
