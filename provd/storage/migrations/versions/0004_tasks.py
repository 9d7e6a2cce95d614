"""Runs of tasks and their steps, and what is known of devices beside themselves."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "device_metadata",
        *_columns(sa.Text(), "mac", "data"),
        sa.PrimaryKeyConstraint("mac", name="pk_device_metadata"),
    )
    op.create_table(
        "task_run",
        *_columns(sa.Text(), "id", "template"),
        *_columns(sa.Integer(), "version"),
        *_columns(sa.Text(), "mac"),
        *_columns(sa.Integer(), "generation"),
        *_columns(sa.Text(), "state"),
        *_columns(sa.Double(), "due", "created", "began", "finished"),
        *_columns(sa.Text(), "step"),
        *_columns(sa.Integer(), "attempts", "waits"),
        *_columns(sa.Double(), "since"),
        *_columns(sa.Text(), "reason", "owner"),
        *_columns(sa.Double(), "lease"),
        sa.PrimaryKeyConstraint("id", name="pk_task_run"),
    )
    op.create_table(
        "task_step",
        *_columns(sa.Text(), "run", "name", "result"),
        *_columns(sa.Double(), "at"),
        sa.PrimaryKeyConstraint("run", "name", name="pk_task_step"),
    )
