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
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes a column its row number only when the type is spelled INTEGER; that saves one index per table.
_ROWID = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


DEVICE = Table(
    "device",
    METADATA,
    Column("mac", Text, primary_key=True),
    _text("vendor"),
    _text("model"),
    _text("version"),
    _text("serial"),
    _text("plugin"),
    Column("confidence", Integer, nullable=False),
    _text("state"),
    _text("tenant"),
    _text("lines"),
    _text("ports"),
    _text("profile"),
    _text("settings"),
    _text("description"),
    _text("ip"),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("last_boot", Double, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("token_epoch", BigInteger, nullable=False),
)

TENANT = Table(
    "tenant",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("name"),
    Column("enabled", Boolean, nullable=False),
    _text("settings"),
    Column("revision", BigInteger, nullable=False),
)

LINE = Table(
    "line",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("tenant"),
    _text("username"),
    _text("password"),  # sealed by the vault
    _text("auth_username"),
    _text("display_name"),
    _text("number"),
    _text("server"),
    Column("port", Integer, nullable=False),
    _text("transport"),
    _text("backup_server"),
    Column("backup_port", Integer, nullable=False),
    _text("outbound_proxy"),
    Column("outbound_port", Integer, nullable=False),
    _text("voicemail"),
    _text("settings"),
    Column("max_devices", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

# The key is a name, and the digest is unique beside it: a code that another line has already is an error and not a
# replacement.
CODE = Table(
    "code",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("digest"),
    _text("code"),  # sealed by the vault
    _text("line"),
    _text("tenant"),
    Column("uses", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("expires", Double, nullable=False),
    Column("created", Double, nullable=False),
    _text("by"),
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
    _text("line"),
    _text("tenant"),
    Column("at", Double, nullable=False),
    UniqueConstraint("code", "number"),
)

RESYNC = Table(
    "resync",
    METADATA,
    Column("mac", Text, primary_key=True),
    Column("since", Double, nullable=False),
    _text("reason"),
    Column("revision", BigInteger, nullable=False),
    _text("account"),
    _text("transport"),
    _text("host"),
    Column("port", Integer, nullable=False),
    _text("local"),
    _text("contact"),
    _text("lines"),
    _text("tenant"),
    Column("due", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
)

LOCK = Table(
    "lock",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("kind"),
    _text("subject"),
    _text("tenant"),
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
    _text("name"),
    _text("tenant"),
    _text("scopes"),
    _text("hash"),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("last_used", Double, nullable=False),
    UniqueConstraint("hash"),
)

METADATA_OF = Table(
    "device_metadata",
    METADATA,
    Column("mac", Text, primary_key=True),
    _text("data"),
)

TASK_RUN = Table(
    "task_run",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("template"),
    Column("version", Integer, nullable=False),
    _text("mac"),
    Column("generation", Integer, nullable=False),
    _text("state"),
    Column("due", Double, nullable=False),
    Column("created", Double, nullable=False),
    Column("began", Double, nullable=False),
    Column("finished", Double, nullable=False),
    _text("step"),
    Column("attempts", Integer, nullable=False),
    Column("waits", Integer, nullable=False),
    Column("since", Double, nullable=False),
    _text("reason"),
    _text("owner"),
    Column("lease", Double, nullable=False),
)

TASK_STEP = Table(
    "task_step",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    _text("result"),
    Column("at", Double, nullable=False),
)

OPERATION = Table(
    "operation",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("kind"),
    _text("args"),
    _text("by"),
    _text("state"),
    Column("started", Double, nullable=False),
    Column("finished", Double, nullable=False),
    _text("reason"),
    _text("result"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", _ROWID, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    _text("by"),
    _text("action"),
    _text("kind"),
    _text("object"),
    _text("tenant"),
    _text("data"),
    Index("ix_audit_tenant_seq", "tenant", "seq"),
    sqlite_autoincrement=True,
)

PROFILE = Table(
    "profile",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("level"),
    _text("applies_to"),
    _text("parents"),
    _text("settings"),
    Column("revision", BigInteger, nullable=False),
)

RESERVATION = Table(
    "reservation",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("ip"),
    Column("mac", Text, nullable=True),
    _text("client_id"),
    _text("hostname"),
    _text("description"),
)

FACT = Table(
    "fact",
    METADATA,
    Column("seq", _ROWID, primary_key=True, autoincrement=True),
    _text("fact"),
    Column("at", Double, nullable=False),
    _text("mac"),
    _text("boot"),
    _text("data"),
    Index("ix_fact_mac_seq", "mac", "seq"),
    sqlite_autoincrement=True,  # a number is not given twice, even when all facts were pruned
)

LEASE = Table(
    "lease",
    METADATA,
    Column("ip", _ROWID, primary_key=True, autoincrement=False),
    # No further index: leases are read once, all of them, and written all the time.
    Column("client", LargeBinary, nullable=False),
    Column("mac", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    _text("subnet"),
    _text("hostname"),
    _text("vendor_class"),
    Column("agent", LargeBinary, nullable=False),
)

THING_VENDOR = Table(
    "thing_vendor",
    METADATA,
    Column("vendor", Text, primary_key=True),
    _text("tenant"),
    Column("created", Double, nullable=False),
)

THING_MODEL = Table(
    "thing_model",
    METADATA,
    Column("vendor", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("window", Integer, nullable=False),
    Column("created", Double, nullable=False),
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


def _partial(name: str, column: str, where: str, *, unique: bool = False) -> Index:
    """An index of few rows among many: it costs an import of a million serials nothing."""
    return Index(name, column, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


THING = Table(
    "thing",
    METADATA,
    Column("vendor", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("sn", Text, primary_key=True),
    _text("state"),
    _text("tenant"),
    _text("owner"),
    _text("rid"),
    _text("extra"),
    Column("generation", Integer, nullable=False),
    Column("enabled_at", Double, nullable=False),
    Column("enabled_until", Double, nullable=False),
    Column("activated_at", Double, nullable=False),
    Column("first_used_at", Double, nullable=False),
    _text("key_hash"),
    Column("told", Integer, nullable=False),
    _partial("uq_thing_key_hash", "key_hash", "key_hash <> ''", unique=True),
    _partial("ix_thing_pending", "enabled_until", "state = 'pending' AND told < generation"),
    _partial("ix_thing_unused", "activated_at", "state = 'activated' AND first_used_at = 0"),
)

THING_LOG = Table(
    "thing_log",
    METADATA,
    Column("seq", _ROWID, primary_key=True, autoincrement=True),
    _text("vendor"),
    _text("model"),
    _text("sn"),
    Column("at", Double, nullable=False),
    _text("peer"),
    _text("outcome"),
    Index("ix_thing_log_sn", "vendor", "model", "sn", "seq"),
    sqlite_autoincrement=True,
)
