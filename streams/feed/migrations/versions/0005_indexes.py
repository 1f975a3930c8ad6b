"""Indexes for what is open and for what the filters offer."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("calls_choices", "calls", ["site", "queue", "agent", "language"])
    # The place last: led by it, this index would be taken for the way to a place's alerts, and those are not in order.
    op.create_index("alerts_choices", "alerts", ["rule_id", "verdict", "queue", "site"])
    # Nearly every alert is dismissed by nobody: this index led through all of them.
    op.drop_index("alerts_open", "alerts")
