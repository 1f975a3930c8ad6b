"""The store's tables. SQLite and PostgreSQL hold the same; only the search index over words differs (see migrations).

Wall times are Unix milliseconds in columns `…_at`; media times are milliseconds from the start of the call in columns
`…_ms`. A record is kept whole beside the columns that are searched, so that what a topic said is never lost.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False, server_default="default"),
    sa.Column("agent", sa.String),
    sa.Column("queue", sa.String),
    sa.Column("site", sa.String),
    sa.Column("trunk", sa.String),
    sa.Column("language", sa.String),
    sa.Column("attributes", sa.JSON),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("duration_ms", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("health", sa.Float, nullable=False, server_default="100"),
    sa.Column("coverage", sa.String, nullable=False, server_default="live"),
    sa.Column("cause", sa.String),
    sa.Column("critical", sa.Integer, nullable=False, server_default="0"),
    sa.Column("warning", sa.Integer, nullable=False, server_default="0"),
    sa.Column("info", sa.Integer, nullable=False, server_default="0"),
    sa.Column("summary", sa.JSON),
    sa.Column("timeline", sa.JSON),
    sa.Column("last_seq", sa.Integer, nullable=False, server_default="-1"),
    sa.Column("wordless", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("complete", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("calls_first_at", "first_at"),
    sa.Index("calls_site_queue", "site", "queue", "first_at"),
    sa.Index("calls_ended_at", "ended_at", "seen_at"),
    sa.Index("calls_coverage", "coverage", "first_at"),
    sa.Index("calls_choices", "site", "queue", "agent", "language"),
)

seconds = sa.Table(
    "seconds",
    metadata,
    sa.Column("call_id", sa.String, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("record", sa.JSON, nullable=False),
)
"""Measurements of calls that are not over; once a call is, they become `calls.timeline`."""

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.String, primary_key=True),
    sa.Column("call_id", sa.String, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("rule_id", sa.String, nullable=False),
    sa.Column("severity", sa.String, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("party", sa.String),
    sa.Column("verdict", sa.String, nullable=False),
    sa.Column("agent", sa.String),
    sa.Column("queue", sa.String),
    sa.Column("site", sa.String),
    sa.Column("trunk", sa.String),
    sa.Column("language", sa.String),
    sa.Column("onset_at", sa.BigInteger, nullable=False),
    sa.Column("raised_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("acknowledged_by", sa.String),
    sa.Column("acknowledged_at", sa.BigInteger),
    sa.Column("assigned_to", sa.String),
    sa.Column("assigned_by", sa.String),
    sa.Column("assigned_at", sa.BigInteger),
    sa.Column("snoozed_until_at", sa.BigInteger),
    sa.Column("dismissed_by", sa.String),
    sa.Column("dismissed_reason", sa.String),
    sa.Column("dismissed_at", sa.BigInteger),
    sa.Column("notes", sa.JSON, nullable=False),
    sa.Column("wordless", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("alerts_call", "call_id"),
    sa.Index("alerts_raised", "raised_at"),
    sa.Index("alerts_choices", "rule_id", "verdict", "queue", "site"),
)

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("alert_id", sa.String, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("call_id", sa.String, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Index("revisions_call", "call_id"),
)
"""Every change of state; health follows from them."""

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("feedback_id", sa.String, primary_key=True),
    sa.Column("alert_id", sa.String, nullable=False),
    sa.Column("call_id", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Index("feedback_alert", "alert_id", "number"),
    sa.Index("feedback_call", "call_id"),
)
"""What supervisors did, in the order of its topic; kept also when it comes before its alert."""

utterances = sa.Table(
    "utterances",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("call_id", sa.String, nullable=False),
    sa.Column("utterance_id", sa.String, nullable=False),
    sa.Column("party", sa.String, nullable=False),
    sa.Column("start_ms", sa.BigInteger, nullable=False),
    sa.Column("end_ms", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("language", sa.String),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("call_id", "utterance_id"),
    sa.Index("utterances_at", "at"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("call_id", sa.String),
    sa.Column("site", sa.String),
    sa.Column("queue", sa.String),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Index("events_at", "at"),
    sqlite_autoincrement=True,
)
"""What browsers are told, numbered in the order of commits: writers take turns (see `Database.writing`)."""

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
)
"""The last record of each partition that this store has absorbed, written in the transaction that absorbed it."""

forgotten = sa.Table(
    "forgotten",
    metadata,
    sa.Column("call_id", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Calls that were erased: what a topic still holds of them is passed over, also when the store is rebuilt."""
