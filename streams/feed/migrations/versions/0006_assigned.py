"""Who assigned an alert, or took that back, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("assigned_by", sa.String))
    op.add_column("alerts", sa.Column("assigned_at", sa.BigInteger))
