"""Regions that are being deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add what is new."""
    op.add_column("region", sa.Column("draining", sa.Boolean(), nullable=False, server_default=sa.false()))
