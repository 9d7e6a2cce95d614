"""Activation of devices that are not phones: vendors, models, ranges, serials, the log."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "thing_vendor",
        *_columns(sa.Text(), "vendor", "tenant"),
        *_columns(sa.Double(), "created"),
        sa.PrimaryKeyConstraint("vendor", name="pk_thing_vendor"),
    )
    op.create_table(
        "thing_model",
        *_columns(sa.Text(), "vendor", "model"),
        *_columns(sa.Integer(), "window"),
        *_columns(sa.Double(), "created"),
        sa.PrimaryKeyConstraint("vendor", "model", name="pk_thing_model"),
    )
    op.create_table(
        "thing_range",
        *_columns(sa.Text(), "vendor", "model", "format"),
        *(sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False) for name in ("first", "last")),
        sa.Column("length", sa.Integer(), nullable=False, autoincrement=False),
        *_columns(sa.Text(), "casing"),
        sa.PrimaryKeyConstraint(
            "vendor", "model", "format", "first", "last", "length", "casing", name="pk_thing_range"
        ),
    )
    _create_things()


def _create_things() -> None:
    op.create_table(
        "thing",
        *_columns(sa.Text(), "vendor", "model", "sn", "state", "tenant", "owner", "rid", "extra"),
        *_columns(sa.Integer(), "generation"),
        *_columns(sa.Double(), "enabled_at", "enabled_until", "activated_at", "first_used_at"),
        *_columns(sa.Text(), "key_hash"),
        *_columns(sa.Integer(), "told"),
        sa.PrimaryKeyConstraint("vendor", "model", "sn", name="pk_thing"),
    )
    _partial("uq_thing_key_hash", "key_hash", "key_hash <> ''", unique=True)
    _partial("ix_thing_pending", "enabled_until", "state = 'pending' AND told < generation")
    _partial("ix_thing_unused", "activated_at", "state = 'activated' AND first_used_at = 0")
    op.create_table(
        "thing_log",
        sa.Column("seq", _ROWID, autoincrement=True),
        *_columns(sa.Text(), "vendor", "model", "sn"),
        *_columns(sa.Double(), "at"),
        *_columns(sa.Text(), "peer", "outcome"),
        sa.PrimaryKeyConstraint("seq", name="pk_thing_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_thing_log_sn", "thing_log", ["vendor", "model", "sn", "seq"])


def _partial(name: str, column: str, where: str, *, unique: bool = False) -> None:
    op.create_index(
        name, "thing", [column], unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
