"""Contents of models of devices that are not phones, groups, shares."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new."""
    for table, column in (("thing_model", "clone"), ("thing", "via")):
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "thing_content",
        *_columns(sa.Text(), "vendor", "model", "id", "meta"),
        *_columns(sa.Boolean(), "protected"),
        *_columns(sa.Text(), "type"),
        *_columns(sa.BigInteger(), "size"),
        *_columns(sa.Text(), "sha256", "blob"),
        *_columns(sa.Double(), "updated"),
        sa.PrimaryKeyConstraint("vendor", "model", "id", name="pk_thing_content"),
    )
    op.create_table(
        "thing_piece",
        *_columns(sa.Text(), "blob"),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        *_columns(sa.Double(), "at"),
        *_columns(sa.LargeBinary(), "octets"),
        sa.PrimaryKeyConstraint("blob", "number", name="pk_thing_piece"),
    )
    op.create_table(
        "thing_group",
        *_columns(sa.Text(), "vendor", "model", "id", "meta"),
        *_columns(sa.Double(), "created"),
        sa.PrimaryKeyConstraint("vendor", "model", "id", name="pk_thing_group"),
    )
    op.create_table(
        "thing_member",
        *_columns(sa.Text(), "vendor", "model", "group_id", "type", "member_id"),
        *_columns(sa.Double(), "expire"),
        *_columns(sa.Text(), "meta"),
        sa.PrimaryKeyConstraint("vendor", "model", "group_id", "type", "member_id", name="pk_thing_member"),
    )
    op.create_index("ix_thing_member_of", "thing_member", ["vendor", "model", "type", "member_id"])
    op.create_table(
        "thing_share",
        *_columns(sa.Text(), "vendor", "model", "partner"),
        *_columns(sa.Double(), "at"),
        sa.PrimaryKeyConstraint("vendor", "model", "partner", name="pk_thing_share"),
    )
    op.create_index("ix_thing_share_partner", "thing_share", ["partner"])
