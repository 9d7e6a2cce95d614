"""Tables of devices that are not phones, of their models and vendors."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from provd.storage.columns import METADATA, ROWID, key_columns, partial_index, text_column

THING_VENDOR = Table(
    "thing_vendor",
    METADATA,
    Column("vendor", Text, primary_key=True),
    text_column("tenant"),
    Column("created", Double, nullable=False),
    Column("key_hash", Text, nullable=False, server_default=""),
    partial_index("uq_thing_vendor_key_hash", "key_hash", "key_hash <> ''", unique=True),
)

THING_TOKEN = Table(
    "thing_token",
    METADATA,
    *key_columns("vendor", "id"),
    text_column("hash"),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    text_column("by"),
    UniqueConstraint("hash"),
)

THING_MODEL = Table(
    "thing_model",
    METADATA,
    Column("vendor", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("window", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("clone", Text, nullable=False, server_default=""),
    Column("recovery", Text, nullable=False, server_default=""),
    Column("serial_is_mac", Integer, nullable=False, server_default="0"),
)

THING_RANGE = Table(
    "thing_range",
    METADATA,
    Column("vendor", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, primary_key=True, autoincrement=False),
    Column("length", Integer, primary_key=True, autoincrement=False),
    Column("casing", Text, primary_key=True),
)


THING = Table(
    "thing",
    METADATA,
    Column("vendor", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("sn", Text, primary_key=True),
    text_column("state"),
    text_column("tenant"),
    text_column("owner"),
    text_column("rid"),
    text_column("extra"),
    Column("generation", Integer, nullable=False),
    Column("enabled_at", Double, nullable=False),
    Column("enabled_until", Double, nullable=False),
    Column("activated_at", Double, nullable=False),
    Column("first_used_at", Double, nullable=False),
    text_column("key_hash"),
    Column("told", Integer, nullable=False),
    Column("via", Text, nullable=False, server_default=""),
    Column("activated_from", Text, nullable=False, server_default=""),
    Column("activated_mac", Text, nullable=False, server_default=""),
    partial_index("uq_thing_key_hash", "key_hash", "key_hash <> ''", unique=True),
    partial_index("ix_thing_pending", "enabled_until", "state = 'pending' AND told < generation"),
    partial_index("ix_thing_unused", "activated_at", "state = 'activated' AND first_used_at = 0"),
)

THING_LOG = Table(
    "thing_log",
    METADATA,
    Column("seq", ROWID, primary_key=True, autoincrement=True),
    text_column("vendor"),
    text_column("model"),
    text_column("sn"),
    Column("at", Double, nullable=False),
    text_column("peer"),
    text_column("outcome"),
    Index("ix_thing_log_sn", "vendor", "model", "sn", "seq"),
    sqlite_autoincrement=True,
)

THING_CONTENT = Table(
    "thing_content",
    METADATA,
    *key_columns("vendor", "model", "id"),
    text_column("meta"),
    Column("protected", Boolean, nullable=False),
    text_column("type"),
    Column("size", BigInteger, nullable=False),
    text_column("sha256"),
    text_column("blob"),
    Column("updated", Double, nullable=False),
)

THING_PIECE = Table(
    "thing_piece",
    METADATA,
    *key_columns("blob"),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("octets", LargeBinary, nullable=False),
)

THING_GROUP = Table(
    "thing_group",
    METADATA,
    *key_columns("vendor", "model", "id"),
    text_column("meta"),
    Column("created", Double, nullable=False),
)

THING_MEMBER = Table(
    "thing_member",
    METADATA,
    *key_columns("vendor", "model", "group_id", "type", "member_id"),
    Column("expire", Double, nullable=False),
    text_column("meta"),
    Index("ix_thing_member_of", "vendor", "model", "type", "member_id"),
)

THING_SHARE = Table(
    "thing_share",
    METADATA,
    *key_columns("vendor", "model", "partner"),
    Column("at", Double, nullable=False),
    Index("ix_thing_share_partner", "partner"),
)
