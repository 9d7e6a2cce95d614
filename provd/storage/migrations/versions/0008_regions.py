"""Regions: other instances, devices with their homes and units, tombstones, what waits to be said."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def _columns(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "region",
        *_columns(sa.Text(), "name", "url", "endpoint", "secret"),
        *_columns(sa.Boolean(), "enabled"),
        *_columns(sa.Double(), "created"),
        sa.PrimaryKeyConstraint("name", name="pk_region"),
    )
    _create_home()
    op.create_table(
        "home_unit",
        *_columns(sa.Text(), "device_id", "unit_id", "type", "details", "state", "nonce"),
        *_columns(sa.Double(), "nonce_at"),
        *_columns(sa.Text(), "reason"),
        *_columns(sa.Double(), "since"),
        sa.PrimaryKeyConstraint("device_id", "unit_id", name="pk_home_unit"),
    )
    _partial("ix_home_unit_state", "home_unit", "state", "state <> 'ACTIVE'")
    op.create_table(
        "home_table",
        *_columns(sa.Text(), "device_id", "region"),
        sa.PrimaryKeyConstraint("device_id", name="pk_home_table"),
    )
    op.create_table(
        "tombstone",
        *_columns(sa.Text(), "device_id", "region"),
        *_columns(sa.BigInteger(), "epoch"),
        *_columns(sa.Text(), "source"),
        *_columns(sa.Double(), "at"),
        sa.PrimaryKeyConstraint("device_id", name="pk_tombstone"),
    )
    _create_outgoing()
    op.create_table(
        "home_enrolment",
        *_columns(sa.Text(), "id", "by"),
        *_columns(sa.Integer(), "total", "done"),
        *_columns(sa.Text(), "devices", "failures"),
        *_columns(sa.Double(), "created", "finished"),
        sa.PrimaryKeyConstraint("id", name="pk_home_enrolment"),
    )
    op.create_table(
        "home_given",
        *_columns(sa.Text(), "device_id", "type", "message_id", "digest", "body"),
        *_columns(sa.BigInteger(), "epoch"),
        *_columns(sa.Double(), "at"),
        sa.PrimaryKeyConstraint("device_id", "type", name="pk_home_given"),
    )


def _create_home() -> None:
    op.create_table(
        "home",
        *_columns(sa.Text(), "device_id", "system_id", "sub_system_id", "vin", "kind"),
        *_columns(sa.Boolean(), "primary"),
        *_columns(
            sa.Text(), "waits_for", "tenant", "vendor", "model", "sn", "country", "attributes", "key_hash", "state"
        ),
        *_columns(sa.BigInteger(), "epoch"),
        *_columns(sa.Text(), "region", "transfer"),
        *_columns(sa.Boolean(), "agreed"),
        *_columns(sa.Text(), "rest", "source", "facts", "reason"),
        *_columns(sa.Double(), "since", "created"),
        sa.PrimaryKeyConstraint("device_id", name="pk_home"),
    )
    _partial("uq_home_key_hash", "home", "key_hash", "key_hash <> ''", unique=True)
    _partial("uq_home_transfer", "home", "transfer", "transfer <> ''", unique=True)
    _partial("ix_home_system_id", "home", "system_id", "system_id <> ''")
    _partial("ix_home_vin", "home", "vin", "vin <> ''")
    op.create_index("ix_home_state", "home", ["state", "since"])


def _create_outgoing() -> None:
    op.create_table(
        "outgoing",
        *_columns(sa.Text(), "id", "device_id", "peer", "kind", "transfer"),
        *_columns(sa.BigInteger(), "epoch"),
        *_columns(sa.Text(), "body"),
        *_columns(sa.Double(), "created", "due"),
        *_columns(sa.Integer(), "attempts"),
        *_columns(sa.Text(), "reason", "owner"),
        *_columns(sa.Double(), "lease"),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing"),
    )
    op.create_index("ix_outgoing_due", "outgoing", ["due"])
    op.create_index("ix_outgoing_device_id", "outgoing", ["device_id"])


def _partial(name: str, table: str, column: str, where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, [column], unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
