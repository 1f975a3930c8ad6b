"""The tables that no topic holds: accounts, sessions, tokens, the audit log, and failed logins. They are backed up."""

from __future__ import annotations

import sqlalchemy as sa

from streams.feed.tables import metadata

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("password", sa.String),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("sites", sa.JSON),
    sa.Column("queues", sa.JSON),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.String),
    sa.Index("accounts_subject", "subject", unique=True),
)
"""`password`: argon2; NULL: comes in by OpenID Connect only. `sites`, `queues`: JSON null is all of them.
`subject`: who that is at the identity provider, from the first time they came in."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("csrf", sa.String, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.Index("sessions_name", "name"),
)
"""Sessions by the hash of their cookie: who reads the store cannot become anybody."""

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("label", sa.String, nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("sites", sa.JSON),
    sa.Column("queues", sa.JSON),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("used_at", sa.BigInteger),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("what", sa.String, nullable=False),
    sa.Column("call_id", sa.String),
    sa.Column("detail", sa.JSON),
    sa.Column("address", sa.String),
    sa.Index("audit_at", "at"),
    sa.Index("audit_who", "who", "at"),
    sa.Index("audit_call", "call_id", "at"),
)

failures = sa.Table(
    "failures",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Failed logins by account and by address, so that several instances count together."""
