"""The tables of regions: other instances, devices and where their home is, what waits to be said."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    Table,
    Text,
    and_,
    exists,
    false,
    literal_column,
)

from provd.storage.columns import METADATA, partial_index, text_column

REGION = Table(
    "region",
    METADATA,
    Column("name", Text, primary_key=True),
    text_column("url"),
    text_column("endpoint"),
    text_column("secret"),  # sealed by the vault
    Column("enabled", Boolean, nullable=False),
    Column("draining", Boolean, nullable=False, server_default=false()),
    Column("created", Double, nullable=False),
)

HOME = Table(
    "home",
    METADATA,
    Column("device_id", Text, primary_key=True),
    text_column("system_id"),
    text_column("sub_system_id"),
    text_column("vin"),
    text_column("kind"),
    Column("primary", Boolean, nullable=False),
    text_column("waits_for"),
    text_column("tenant"),
    text_column("vendor"),
    text_column("model"),
    text_column("sn"),
    text_column("country"),
    text_column("attributes"),
    text_column("key_hash"),
    text_column("state"),
    Column("epoch", BigInteger, nullable=False),
    text_column("region"),
    text_column("transfer"),
    Column("agreed", Boolean, nullable=False),
    text_column("rest"),
    text_column("source"),
    text_column("way"),  # sealed by the vault
    text_column("facts"),
    text_column("reason"),
    Column("since", Double, nullable=False),
    Column("created", Double, nullable=False),
    partial_index("uq_home_key_hash", "key_hash", "key_hash <> ''", unique=True),
    partial_index("uq_home_transfer", "transfer", "transfer <> ''", unique=True),
    partial_index("ix_home_system_id", "system_id", "system_id <> ''"),
    partial_index("ix_home_vin", "vin", "vin <> ''"),
    Index("ix_home_state", "state", "since"),
)

HOME_UNIT = Table(
    "home_unit",
    METADATA,
    Column("device_id", Text, primary_key=True),
    Column("unit_id", Text, primary_key=True),
    text_column("type"),
    text_column("details"),
    text_column("state"),
    text_column("nonce"),
    Column("nonce_at", Double, nullable=False),
    text_column("reason"),
    Column("since", Double, nullable=False),
    partial_index("ix_home_unit_state", "state", "state <> 'ACTIVE'"),
)

HOME_TABLE = Table(
    "home_table",
    METADATA,
    Column("device_id", Text, primary_key=True),
    text_column("region"),
)

TOMBSTONE = Table(
    "tombstone",
    METADATA,
    Column("device_id", Text, primary_key=True),
    text_column("region"),
    Column("epoch", BigInteger, nullable=False),
    text_column("source"),
    text_column("way"),  # sealed by the vault
    Column("at", Double, nullable=False),
)

OUTGOING = Table(
    "outgoing",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("device_id"),
    text_column("peer"),
    text_column("kind"),
    text_column("transfer"),
    Column("epoch", BigInteger, nullable=False),
    text_column("body"),
    Column("created", Double, nullable=False),
    Column("due", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    text_column("reason"),
    text_column("owner"),
    Column("lease", Double, nullable=False),
    Index("ix_outgoing_due", "due"),
    Index("ix_outgoing_device_id", "device_id"),
)

ENROLMENT = Table(
    "home_enrolment",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("by"),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    text_column("devices"),
    text_column("failures"),
    Column("created", Double, nullable=False),
    Column("finished", Double, nullable=False),
)

HOME_GIVEN = Table(
    "home_given",
    METADATA,
    Column("device_id", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    text_column("message_id"),
    text_column("digest"),
    text_column("body"),
    Column("epoch", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
)

# Literals, so that whoever is fenced need not carry their parameters.
_AWAY: ColumnElement[bool] = literal_column(
    "(home.state IN ('REGIONAL', 'GONE', 'PROV_PEN', 'PROV_FAIL') OR (home.state = 'REHOMING' AND home.agreed))"
)


_KEYED: ColumnElement[bool] = literal_column("home.key_hash <> ''")


def held_here(device: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether this instance may serve a device: it is neither at home elsewhere nor on its way with consent."""
    gone = exists().where(TOMBSTONE.c.device_id == device)
    return and_(~gone, ~exists().where(HOME.c.device_id == device, _AWAY))


def key_held_here(key_hash: ColumnElement[str]) -> ColumnElement[bool]:
    """The same for whoever has this key."""
    return ~exists().where(HOME.c.key_hash == key_hash, _KEYED, _AWAY)
