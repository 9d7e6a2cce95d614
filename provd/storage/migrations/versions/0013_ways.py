"""What proves a phone at its next home, for who leads it there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add what is new."""
    for table in ("home", "tombstone"):
        op.add_column(table, sa.Column("way", sa.Text(), nullable=False, server_default=""))
