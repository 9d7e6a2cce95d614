"""The first tables: devices, tenants, lines, codes, profiles, reservations, facts, leases."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Create everything."""
    _create_fleet()
    _create_accounts()
    _create_addresses()
    op.create_table(
        "fact",
        sa.Column("seq", _ROWID, autoincrement=True),
        *_columns(sa.Text(), "fact"),
        *_columns(sa.Double(), "at"),
        *_columns(sa.Text(), "mac", "boot", "data"),
        sa.PrimaryKeyConstraint("seq", name="pk_fact"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_fact_mac_seq", "fact", ["mac", "seq"])


def _create_fleet() -> None:
    op.create_table(
        "device",
        *_columns(sa.Text(), "mac", "vendor", "model", "version", "serial", "plugin"),
        *_columns(sa.Integer(), "confidence"),
        *_columns(sa.Text(), "state", "tenant", "lines", "profile", "settings", "description", "ip"),
        *_columns(sa.Double(), "first_seen", "last_seen", "last_boot"),
        *_columns(sa.BigInteger(), "revision", "token_epoch"),
        sa.PrimaryKeyConstraint("mac", name="pk_device"),
    )
    op.create_table(
        "profile",
        *_columns(sa.Text(), "id", "name", "level", "applies_to", "parents", "settings"),
        *_columns(sa.BigInteger(), "revision"),
        sa.PrimaryKeyConstraint("id", name="pk_profile"),
    )


def _create_accounts() -> None:
    op.create_table(
        "tenant",
        *_columns(sa.Text(), "id", "name"),
        *_columns(sa.Boolean(), "enabled"),
        *_columns(sa.Text(), "settings"),
        *_columns(sa.BigInteger(), "revision"),
        sa.PrimaryKeyConstraint("id", name="pk_tenant"),
    )
    op.create_table(
        "line",
        *_columns(sa.Text(), "id", "tenant", "username", "password", "auth_username", "display_name", "number"),
        *_columns(sa.Text(), "server"),
        *_columns(sa.Integer(), "port"),
        *_columns(sa.Text(), "transport", "backup_server"),
        *_columns(sa.Integer(), "backup_port"),
        *_columns(sa.Text(), "outbound_proxy"),
        *_columns(sa.Integer(), "outbound_port"),
        *_columns(sa.Text(), "voicemail", "settings"),
        *_columns(sa.BigInteger(), "revision"),
        sa.PrimaryKeyConstraint("id", name="pk_line"),
    )
    op.create_table(
        "code",
        *_columns(sa.Text(), "code", "line", "tenant"),
        *_columns(sa.Integer(), "uses"),
        *_columns(sa.Double(), "expires", "created"),
        sa.PrimaryKeyConstraint("code", "line", "tenant", name="pk_code"),
        sa.UniqueConstraint("code", name="uq_code_code"),
    )


def _create_addresses() -> None:
    op.create_table(
        "reservation",
        *_columns(sa.Text(), "id", "ip"),
        sa.Column("mac", sa.Text(), nullable=True),
        *_columns(sa.Text(), "client_id", "hostname", "description"),
        sa.PrimaryKeyConstraint("id", name="pk_reservation"),
    )
    op.create_table(
        "lease",
        sa.Column("ip", _ROWID, autoincrement=False, nullable=False),
        *_columns(sa.LargeBinary(), "client"),
        *_columns(sa.Text(), "mac"),
        *_columns(sa.SmallInteger(), "state"),
        *_columns(sa.BigInteger(), "starts", "expires"),
        *_columns(sa.Text(), "subnet", "hostname", "vendor_class"),
        *_columns(sa.LargeBinary(), "agent"),
        sa.PrimaryKeyConstraint("ip", name="pk_lease"),
    )
