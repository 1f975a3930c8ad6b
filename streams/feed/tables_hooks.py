"""The tables of webhooks: where alerts are sent to, and what is still to be delivered."""

from __future__ import annotations

import sqlalchemy as sa

from streams.feed.tables import metadata

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("url", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("secret", sa.String, nullable=False),
    sa.Column("filter", sa.JSON, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)
"""`secret` signs, so it must be kept as it is; it is never shown again."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("webhook", sa.String, nullable=False),
    sa.Column("alert_id", sa.String, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("call_id", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False, server_default="waiting"),
    sa.Column("error", sa.String),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("webhook", "alert_id", "revision"),
    sa.Index("deliveries_due", "state", "due_at"),
    sa.Index("deliveries_call", "call_id"),
)
"""`state`: waiting, sent, dead. One a webhook, alert and revision, over all instances."""
