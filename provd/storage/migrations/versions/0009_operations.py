"""Long work that goes on after a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "operation",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "kind", "args", "by", "state")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("started", "finished")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "result")),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
    )
