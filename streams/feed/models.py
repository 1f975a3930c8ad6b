"""The API's objects, for its OpenAPI document and for what browsers and programs send."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Severity = Literal["critical", "warning", "info"]
Party = Literal["agent", "customer", "both"]
NO_NUL = r"^[^\x00]*$"
"""Of every text that reaches the store: PostgreSQL takes no NUL."""
Text = Annotated[str, StringConstraints(max_length=2_000, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
Identity = Annotated[str, StringConstraints(max_length=300, pattern=NO_NUL)]


class Open(BaseModel):
    """Objects of ours may get more fields; none is renamed."""

    model_config = ConfigDict(extra="allow")


class Asked(BaseModel):
    """What comes with an action on an alert."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "known, the line is changed"}]}
    )
    to: Name | None = None
    minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    reason: Text | None = None
    text: Text | None = None
    right: bool | None = None


class Me(Open):
    user: str
    name: str
    role: Literal["supervisor", "analyst", "admin"]
    sites: list[str] | None
    queues: list[str] | None
    loopback: bool
    csrf: str


class Dismissed(Open):
    by: str
    reason: str
    at: int


class Feedback(Open):
    acknowledged_by: str | None
    acknowledged_at: int | None
    assigned_to: str | None
    assigned_by: str | None
    """Who assigned it last, or took that back."""
    assigned_at: int | None
    snoozed_until_at: int | None
    dismissed: Dismissed | None
    notes: list[dict[str, Any]]


class Clip(Open):
    state: Literal["none", "pending", "ready", "expired"]
    parties: list[str]
    from_ms: int | None
    to_ms: int | None
    muted: list[list[Any]]


class Alert(Open):
    """The newest revision of an alert (schemas/alert.schema.json), and what supervisors did about it."""

    alert_id: str
    revision: int
    call_id: str
    rule_id: str
    rule_version: str
    state: Literal["raised", "escalated", "cleared"]
    severity: Severity
    party: Party | None
    onset_ms: int
    raised_ms: int
    cleared_ms: int | None
    cause: dict[str, Any]
    evidence: dict[str, Any]
    message: dict[str, str]
    agent: str | None
    queue: str | None
    site: str | None
    trunk: str | None
    language: str | None
    onset_at: int
    raised_at: int
    changed: int
    live: bool
    health: float | None
    feedback: Feedback
    clip: Clip


class Counts(Open):
    critical: int
    warning: int
    info: int


class Call(Open):
    call_id: str
    agent: str | None
    queue: str | None
    site: str | None
    trunk: str | None
    language: str | None
    started_at: int | None
    first_at: int
    ended_at: int | None
    live: bool
    duration_ms: int
    health: float | None
    coverage: str
    cause: str | None
    alerts: Counts
    attributes: dict[str, Any]
    changed: int


class Page(Open):
    next: str | None = None


class Alerts(Page):
    items: list[Alert]
    total: int
    event: int


class Calls(Page):
    items: list[Call]
    total: int
    event: int


class WholeCall(Open):
    call_id: str
    utterances: list[dict[str, Any]]
    alerts: list[Alert]
    summary: dict[str, Any] | None
    coverage_intervals: list[dict[str, Any]]
    timeline: dict[str, Any]
    event: int


class Queue(Open):
    queue: str | None
    calls: int
    partial: int
    unmonitored: int
    health_median: float | None
    health_worst: float | None
    alerts: Counts


class Site(Open):
    site: str | None
    queues: list[Queue]


class Floor(Open):
    sites: list[Site]
    calls: list[Call]
    event: int


class IncidentScope(Open):
    kind: Literal["trunk", "site", "queue", "agent"]
    value: str


class Incident(Open):
    incident_id: str
    rule_id: str
    verdict: str
    severity: Severity
    scope: IncidentScope
    calls: list[str]
    alerts: list[str]
    since_at: int
    last_at: int
    open: bool
    share: float
    message: dict[str, str]


class Incidents(Open):
    items: list[Incident]


class Coverage(Page):
    counts: dict[str, int]
    reasons: list[dict[str, Any]]
    items: list[Call]


class Found(Page):
    items: list[dict[str, Any]]


class Stats(Open):
    by: str
    calls: int
    groups: list[dict[str, Any]]


class Choices(Open):
    rules: list[str]
    sites: list[str]
    queues: list[str]
    agents: list[str]
    languages: list[str]
    causes: list[str]


class Problem(BaseModel):
    """RFC 9457, as every error is told."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    field: str | None = None
    remedy: str | None = None
