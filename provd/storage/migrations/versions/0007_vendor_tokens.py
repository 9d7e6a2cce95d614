"""Tokens and keys of vendors; where a device was activated from, and what its model allows it afterwards."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new."""
    for table, column in (
        ("thing_vendor", "key_hash"),
        ("thing_model", "recovery"),
        ("thing", "activated_from"),
        ("thing", "activated_mac"),
    ):
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=""))
    op.add_column("thing_model", sa.Column("serial_is_mac", sa.Integer(), nullable=False, server_default="0"))
    where = sa.text("key_hash <> ''")
    op.create_index(
        "uq_thing_vendor_key_hash",
        "thing_vendor",
        ["key_hash"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_table(
        "thing_token",
        *_columns(sa.Text(), "vendor", "id", "hash"),
        *_columns(sa.Double(), "created", "expires"),
        *_columns(sa.Text(), "by"),
        sa.PrimaryKeyConstraint("vendor", "id", name="pk_thing_token"),
        sa.UniqueConstraint("hash", name="uq_thing_token_hash"),
    )
