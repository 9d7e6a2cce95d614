"""Devices that fetch a key stand among all devices: those that a tenant has already get their record."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ODD = re.compile(rb"[^A-Za-z0-9._:-]")
_AT_ONCE = 500


def _key(*parts: str) -> str:
    return "~".join(_ODD.sub(lambda found: b"=%02X" % found[0][0], part.encode()).decode() for part in parts)


def upgrade() -> None:
    """Add what is missing."""
    connection = op.get_bind()
    names = ("vendor", "model", "sn", "state", "tenant", "activated_at", "first_used_at")
    thing = sa.table("thing", *(sa.column(name) for name in names))
    fields = (
        "mac",
        "vendor",
        "model",
        "version",
        "serial",
        "plugin",
        "confidence",
        "state",
        "tenant",
        "lines",
        "ports",
    )
    more = ("profile", "settings", "description", "ip", "first_seen", "last_seen", "last_boot", "revision")
    device = sa.table("device", *(sa.column(name) for name in (*fields, *more, "token_epoch")))
    present = set(connection.execute(sa.select(sa.table("tenant", sa.column("id")).c.id)).scalars())
    rows = connection.execute(sa.select(thing).where(thing.c.state != "unclaimed")).all()
    for start in range(0, len(rows), _AT_ONCE):
        made = [
            {
                "mac": _key(row.vendor, row.model, row.sn),
                "vendor": row.vendor,
                "model": row.model,
                "version": "",
                "serial": row.sn,
                "plugin": "",
                "confidence": 100,
                "state": row.state,
                "tenant": row.tenant if row.tenant in present else "master",
                "lines": "[]",
                "ports": "[]",
                "profile": "",
                "settings": "{}",
                "description": "",
                "ip": "",
                "first_seen": row.activated_at,
                "last_seen": max(row.activated_at, row.first_used_at),
                "last_boot": 0.0,
                "revision": 1,
                "token_epoch": 0,
            }
            for row in rows[start : start + _AT_ONCE]
        ]
        op.bulk_insert(device, made)
