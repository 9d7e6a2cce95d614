"""Codes by digest, their uses and locks; pending resyncs, tokens, the audit; ports of devices, devices of lines."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new. No earlier version wrote a code: that table is made anew."""
    op.add_column("device", sa.Column("ports", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("line", sa.Column("max_devices", sa.Integer(), nullable=False, server_default="1"))
    op.drop_table("code")
    _create_codes()
    _create_clockwork()
    _create_access()


def _create_codes() -> None:
    op.create_table(
        "code",
        *_columns(sa.Text(), "id", "digest", "code", "line", "tenant"),
        *_columns(sa.Integer(), "uses", "used"),
        *_columns(sa.Double(), "expires", "created"),
        *_columns(sa.Text(), "by"),
        *_columns(sa.Double(), "revoked", "last_used"),
        sa.PrimaryKeyConstraint("id", name="pk_code"),
        sa.UniqueConstraint("digest", name="uq_code_digest"),
    )
    op.create_table(
        "redemption",
        *_columns(sa.Text(), "code"),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        *_columns(sa.Text(), "mac", "line", "tenant"),
        *_columns(sa.Double(), "at"),
        sa.PrimaryKeyConstraint("code", "number", "mac", name="pk_redemption"),
        sa.UniqueConstraint("code", "number", name="uq_redemption_code"),
    )


def _create_clockwork() -> None:
    op.create_table(
        "resync",
        *_columns(sa.Text(), "mac"),
        *_columns(sa.Double(), "since"),
        *_columns(sa.Text(), "reason"),
        *_columns(sa.BigInteger(), "revision"),
        *_columns(sa.Text(), "account", "transport", "host"),
        *_columns(sa.Integer(), "port"),
        *_columns(sa.Text(), "local", "contact", "lines", "tenant"),
        *_columns(sa.Double(), "due"),
        *_columns(sa.Integer(), "attempts"),
        sa.PrimaryKeyConstraint("mac", name="pk_resync"),
    )
    op.create_table(
        "lock",
        *_columns(sa.Text(), "id", "kind", "subject", "tenant"),
        *_columns(sa.Integer(), "wrong"),
        *_columns(sa.Double(), "first", "last", "until"),
        sa.PrimaryKeyConstraint("id", name="pk_lock"),
    )
    op.create_table(
        "heartbeat",
        *_columns(sa.Text(), "id"),
        *_columns(sa.Double(), "at"),
        sa.PrimaryKeyConstraint("id", name="pk_heartbeat"),
    )


def _create_access() -> None:
    op.create_table(
        "api_token",
        *_columns(sa.Text(), "id", "name", "tenant", "scopes", "hash"),
        *_columns(sa.Double(), "created", "expires", "last_used"),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("hash", name="uq_api_token_hash"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", _ROWID, autoincrement=True),
        *_columns(sa.Double(), "at"),
        *_columns(sa.Text(), "by", "action", "kind", "object", "tenant", "data"),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_tenant_seq", "audit", ["tenant", "seq"])
