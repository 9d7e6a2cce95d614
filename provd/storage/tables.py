"""One table per durable record; columns bear the names of the record's fields, the first ones are its key.

There are no foreign keys: the domain decides what may refer to what, and a device that names a line that was
deleted a moment ago must still be storable.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from provd.storage import region_tables, thing_tables
from provd.storage.columns import METADATA, ROWID, text_column

__all__ = ["METADATA", "region_tables", "thing_tables"]
"""Whoever asks for the metadata gets it with every table in it."""

DEVICE = Table(
    "device",
    METADATA,
    Column("mac", Text, primary_key=True),
    text_column("vendor"),
    text_column("model"),
    text_column("version"),
    text_column("serial"),
    text_column("plugin"),
    Column("confidence", Integer, nullable=False),
    text_column("state"),
    text_column("tenant"),
    text_column("lines"),
    text_column("ports"),
    text_column("profile"),
    text_column("settings"),
    text_column("description"),
    text_column("ip"),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("last_boot", Double, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("token_epoch", BigInteger, nullable=False),
    text_column("sealed"),
)

TENANT = Table(
    "tenant",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("name"),
    Column("enabled", Boolean, nullable=False),
    text_column("settings"),
    Column("revision", BigInteger, nullable=False),
)

LINE = Table(
    "line",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("tenant"),
    text_column("username"),
    text_column("password"),  # sealed by the vault
    text_column("auth_username"),
    text_column("display_name"),
    text_column("number"),
    text_column("server"),
    Column("port", Integer, nullable=False),
    text_column("transport"),
    text_column("backup_server"),
    Column("backup_port", Integer, nullable=False),
    text_column("outbound_proxy"),
    Column("outbound_port", Integer, nullable=False),
    text_column("voicemail"),
    text_column("settings"),
    Column("max_devices", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

# The key is a name, and the digest is unique beside it: a code that another line has already is an error and not a
# replacement.
CODE = Table(
    "code",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("digest"),
    text_column("code"),  # sealed by the vault
    text_column("line"),
    text_column("tenant"),
    Column("uses", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("expires", Double, nullable=False),
    Column("created", Double, nullable=False),
    text_column("by"),
    Column("revoked", Double, nullable=False),
    Column("last_used", Double, nullable=False),
    UniqueConstraint("digest"),
)

# The same for a use of a code: written again by the same device it is the same row, by another one it is refused. So
# two daemons on one database cannot both give away the last use.
REDEMPTION = Table(
    "redemption",
    METADATA,
    Column("code", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("mac", Text, primary_key=True),
    text_column("line"),
    text_column("tenant"),
    Column("at", Double, nullable=False),
    UniqueConstraint("code", "number"),
)

RESYNC = Table(
    "resync",
    METADATA,
    Column("mac", Text, primary_key=True),
    Column("since", Double, nullable=False),
    text_column("reason"),
    Column("revision", BigInteger, nullable=False),
    text_column("account"),
    text_column("transport"),
    text_column("host"),
    Column("port", Integer, nullable=False),
    text_column("local"),
    text_column("contact"),
    text_column("lines"),
    text_column("tenant"),
    Column("due", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
)

LOCK = Table(
    "lock",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("kind"),
    text_column("subject"),
    text_column("tenant"),
    Column("wrong", Integer, nullable=False),
    Column("first", Double, nullable=False),
    Column("last", Double, nullable=False),
    Column("until", Double, nullable=False),
)

HEARTBEAT = Table(
    "heartbeat",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
)

API_TOKEN = Table(
    "api_token",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("name"),
    text_column("tenant"),
    text_column("scopes"),
    text_column("hash"),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("last_used", Double, nullable=False),
    UniqueConstraint("hash"),
)

METADATA_OF = Table(
    "device_metadata",
    METADATA,
    Column("mac", Text, primary_key=True),
    text_column("data"),
)

FREE_PARAMETER = Table("free_parameter", METADATA, Column("id", Text, primary_key=True))

DEVICE_TYPE = Table(
    "device_type",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("description"),
    text_column("devices"),
    text_column("settings"),
    text_column("constraints"),
    text_column("tasks"),
    Column("revision", BigInteger, nullable=False),
)

CONSTRAINT = Table(
    "metadata_constraint",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("attributes"),
    Column("revision", BigInteger, nullable=False),
)

TASK_RUN = Table(
    "task_run",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("template"),
    Column("version", Integer, nullable=False),
    text_column("mac"),
    Column("generation", Integer, nullable=False),
    text_column("state"),
    Column("due", Double, nullable=False),
    Column("created", Double, nullable=False),
    Column("began", Double, nullable=False),
    Column("finished", Double, nullable=False),
    text_column("step"),
    Column("attempts", Integer, nullable=False),
    Column("waits", Integer, nullable=False),
    Column("since", Double, nullable=False),
    text_column("reason"),
    text_column("owner"),
    Column("lease", Double, nullable=False),
)

TASK_STEP = Table(
    "task_step",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    text_column("result"),
    Column("at", Double, nullable=False),
)

OPERATION = Table(
    "operation",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("kind"),
    text_column("args"),
    text_column("by"),
    text_column("state"),
    Column("started", Double, nullable=False),
    Column("finished", Double, nullable=False),
    text_column("reason"),
    text_column("result"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", ROWID, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    text_column("by"),
    text_column("action"),
    text_column("kind"),
    text_column("object"),
    text_column("tenant"),
    text_column("data"),
    Index("ix_audit_tenant_seq", "tenant", "seq"),
    sqlite_autoincrement=True,
)

PROFILE = Table(
    "profile",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("name"),
    text_column("level"),
    text_column("applies_to"),
    text_column("parents"),
    text_column("settings"),
    Column("revision", BigInteger, nullable=False),
)

ROLLOUT = Table(
    "rollout",
    METADATA,
    Column("id", Text, primary_key=True),
    *(
        text_column(name)
        for name in ("plugin", "package", "version", "models", "tenant", "profile", "devices", "rings")
    ),
    Column("tolerance", Integer, nullable=False),
    Column("patience", Double, nullable=False),
    Column("tell", Boolean, nullable=False),
    text_column("state"),
    Column("ring", Integer, nullable=False),
    text_column("reason"),
    text_column("by"),
    Column("created", Double, nullable=False),
    Column("finished", Double, nullable=False),
)

ROLLOUT_DEVICE = Table(
    "rollout_device",
    METADATA,
    Column("rollout", Text, primary_key=True),
    Column("mac", Text, primary_key=True),
    Column("ring", Integer, nullable=False),
    text_column("was"),
    text_column("had"),
    Column("at", Double, nullable=False),
)

RESERVATION = Table(
    "reservation",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("ip"),
    Column("mac", Text, nullable=True),
    text_column("client_id"),
    text_column("hostname"),
    text_column("description"),
)

FACT = Table(
    "fact",
    METADATA,
    Column("seq", ROWID, primary_key=True, autoincrement=True),
    text_column("fact"),
    Column("at", Double, nullable=False),
    text_column("mac"),
    text_column("boot"),
    text_column("data"),
    Index("ix_fact_mac_seq", "mac", "seq"),
    sqlite_autoincrement=True,  # a number is not given twice, even when all facts were pruned
)

LETTER = Table(
    "letter",
    METADATA,
    Column("seq", ROWID, primary_key=True, autoincrement=True),
    text_column("hook"),
    text_column("id"),
    text_column("fact"),
    Column("at", Double, nullable=False),
    text_column("body"),
    Index("ix_letter_hook_seq", "hook", "seq"),
    sqlite_autoincrement=True,
)

DEAD_LETTER = Table(
    "dead_letter",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("hook"),
    text_column("fact"),
    Column("at", Double, nullable=False),
    text_column("body"),
    Column("died", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    text_column("reason"),
    Index("ix_dead_letter_hook_died", "hook", "died"),
)

LEASE = Table(
    "lease",
    METADATA,
    Column("ip", ROWID, primary_key=True, autoincrement=False),
    # No further index: leases are read once, all of them, and written all the time.
    Column("client", LargeBinary, nullable=False),
    Column("mac", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    text_column("subnet"),
    text_column("hostname"),
    text_column("vendor_class"),
    Column("agent", LargeBinary, nullable=False),
)
