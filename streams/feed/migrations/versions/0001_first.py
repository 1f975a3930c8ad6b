"""The first tables, and the index over words: FTS5 in SQLite, a tsvector in PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQLITE_INDEX = (
    "CREATE VIRTUAL TABLE utterances_index USING fts5(text, content='utterances', content_rowid='number', "
    "tokenize='unicode61 remove_diacritics 2')",
    "CREATE TRIGGER utterances_added AFTER INSERT ON utterances BEGIN "
    "INSERT INTO utterances_index(rowid, text) VALUES (new.number, new.text); END",
    "CREATE TRIGGER utterances_gone AFTER DELETE ON utterances BEGIN "
    "INSERT INTO utterances_index(utterances_index, rowid, text) VALUES ('delete', old.number, old.text); END",
    "CREATE TRIGGER utterances_changed AFTER UPDATE OF text ON utterances BEGIN "
    "INSERT INTO utterances_index(utterances_index, rowid, text) VALUES ('delete', old.number, old.text); "
    "INSERT INTO utterances_index(rowid, text) VALUES (new.number, new.text); END",
)
POSTGRESQL_INDEX = (
    "ALTER TABLE utterances ADD COLUMN found tsvector GENERATED ALWAYS AS (to_tsvector('simple', "
    "translate(lower(text), 'àâäáãåçéèêëíìîïñóòôöõúùûüýÿ', 'aaaaaaceeeeiiiinooooouuuuyy'))) STORED",
    "CREATE INDEX utterances_found ON utterances USING gin (found)",
)


def upgrade() -> None:
    op.create_table(
        "calls",
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
        sa.Column("complete", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("calls_first_at", "calls", ["first_at"])
    op.create_index("calls_site_queue", "calls", ["site", "queue", "first_at"])
    op.create_index("calls_ended_at", "calls", ["ended_at", "seen_at"])
    op.create_index("calls_coverage", "calls", ["coverage", "first_at"])
    op.create_table(
        "seconds",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_table(
        "alerts",
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
        sa.Column("snoozed_until_at", sa.BigInteger),
        sa.Column("dismissed_by", sa.String),
        sa.Column("dismissed_reason", sa.String),
        sa.Column("dismissed_at", sa.BigInteger),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("alerts_call", "alerts", ["call_id"])
    op.create_index("alerts_raised", "alerts", ["raised_at"])
    op.create_index("alerts_open", "alerts", ["dismissed_at", "rank", "raised_at"])
    op.create_table(
        "revisions",
        sa.Column("alert_id", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("call_id", sa.String, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_index("revisions_call", "revisions", ["call_id"])
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.String, primary_key=True),
        sa.Column("alert_id", sa.String, nullable=False),
        sa.Column("call_id", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_index("feedback_alert", "feedback", ["alert_id", "number"])
    op.create_index("feedback_call", "feedback", ["call_id"])
    op.create_table(
        "utterances",
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
    )
    op.create_index("utterances_at", "utterances", ["at"])
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("call_id", sa.String),
        sa.Column("site", sa.String),
        sa.Column("queue", sa.String),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_at", "events", ["at"])
    op.create_table(
        "positions",
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "forgotten",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for statement in SQLITE_INDEX:
            op.execute(statement)
    else:
        for statement in POSTGRESQL_INDEX:
            op.execute(statement)
