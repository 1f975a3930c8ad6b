"""Who an account is at the identity provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("subject", sa.String))
    op.create_index("accounts_subject", "accounts", ["subject"], unique=True)
