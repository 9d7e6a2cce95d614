"""Which key for encrypted files a device was given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add what is new."""
    op.add_column("device", sa.Column("sealed", sa.Text(), nullable=False, server_default=""))
