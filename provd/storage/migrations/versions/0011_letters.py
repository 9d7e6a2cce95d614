"""Letters to webhooks, and those that were given up."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "letter",
        sa.Column("seq", _ROWID, autoincrement=True),
        *_columns(sa.Text(), "hook", "id", "fact"),
        *_columns(sa.Double(), "at"),
        *_columns(sa.Text(), "body"),
        sa.PrimaryKeyConstraint("seq", name="pk_letter"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_letter_hook_seq", "letter", ["hook", "seq"])
    op.create_table(
        "dead_letter",
        *_columns(sa.Text(), "id", "hook", "fact"),
        *_columns(sa.Double(), "at"),
        *_columns(sa.Text(), "body"),
        *_columns(sa.Double(), "died"),
        *_columns(sa.Integer(), "attempts"),
        *_columns(sa.Text(), "reason"),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
    )
    op.create_index("ix_dead_letter_hook_died", "dead_letter", ["hook", "died"])
