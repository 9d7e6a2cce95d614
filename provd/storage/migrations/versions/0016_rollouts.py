"""Firmware for many devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_TEXTS = ("id", "plugin", "package", "version", "models", "tenant", "profile", "devices", "rings")


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "rollout",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("tolerance", sa.Integer(), nullable=False),
        sa.Column("patience", sa.Double(), nullable=False),
        sa.Column("tell", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ring", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "by")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("created", "finished")),
        sa.PrimaryKeyConstraint("id", name="pk_rollout"),
    )
    op.create_table(
        "rollout_device",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("rollout", "mac")),
        sa.Column("ring", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("was", "had")),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("rollout", "mac", name="pk_rollout_device"),
    )
