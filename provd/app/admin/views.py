"""Records as plain values for people and programs. Secrets are shown as ``***``."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from provd.app.admin.params import Args
from provd.app.turns import in_turns
from provd.base.secrets import Secret
from provd.base.types import ip_text, is_thing, mac_text
from provd.dhcp.lease import INFINITE, Lease, LeaseState
from provd.domain.evidence import Identity
from provd.domain.inheritance import Effective
from provd.domain.records import ApiToken, AuditEntry, Device, Line, Profile, Reservation, Tenant
from provd.domain.settings import masked
from provd.plugin import Manifest

View = dict[str, object]
Shown = Callable[[str], str]
"""Turns the key of a line or profile into the name that the caller knows."""
R = TypeVar("R")

LIMIT = 100
"""Items of a list when no limit is asked for."""
LARGEST = 10_000


def when(at: float) -> str | None:
    """UTC in ISO 8601, None for never."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else None


def device(record: Device, shown: Shown = str) -> View:
    """A device."""
    return {
        "id": record.mac,
        "mac": "" if is_thing(record.mac) else mac_text(record.mac),
        "serial": record.serial,
        "vendor": record.vendor,
        "model": record.model,
        "version": record.version,
        "plugin": record.plugin,
        "confidence": record.confidence,
        "tenant": record.tenant,
        "state": record.state.value,
        "ip": record.ip,
        "lines": [shown(key) for key in record.lines],
        "ports": list(record.ports),
        "profile": shown(record.profile),
        "description": record.description,
        "settings": masked(record.settings),
        "first_seen": when(record.first_seen),
        "last_seen": when(record.last_seen),
        "last_boot": when(record.last_boot),
        "revision": record.revision,
    }


def tenant(record: Tenant) -> View:
    """A tenant."""
    return {
        "id": record.id,
        "name": record.name,
        "enabled": record.enabled,
        "settings": masked(record.settings),
        "revision": record.revision,
    }


def line(record: Line, holders: Sequence[str], shown: Shown = str) -> View:
    """A line and the devices it is on; ``device`` is the first of them."""
    names = ("tenant", "username", "auth_username", "display_name", "number", "server", "port", "transport")
    more = ("backup_server", "backup_port", "outbound_proxy", "outbound_port", "voicemail", "max_devices", "revision")
    view: View = {"id": shown(record.id), **{name: getattr(record, name) for name in (*names, *more)}}
    view["password"] = str(record.password) if record.password else ""
    view["settings"] = masked(record.settings)
    view["device"] = mac_text(holders[0]) if holders else None
    view["devices"] = [mac_text(holder) for holder in holders]
    return view


def profile(record: Profile, shown: Shown = str) -> View:
    """A profile."""
    return {
        "id": shown(record.id),
        "name": record.name,
        "level": record.level.value,
        "applies_to": record.applies_to,
        "parents": [shown(key) for key in record.parents],
        "settings": masked(record.settings),
        "revision": record.revision,
    }


def reservation(record: Reservation) -> View:
    """A reservation."""
    return {
        "id": record.id,
        "ip": record.ip,
        "mac": mac_text(record.mac) if record.mac else None,
        "client_id": record.client_id,
        "hostname": record.hostname,
        "description": record.description,
    }


def token_state(record: ApiToken, now: float) -> str:
    """``valid`` or ``expired``."""
    return "expired" if record.expires and record.expires <= now else "valid"


def api_token(record: ApiToken, now: float) -> View:
    """The record of a bearer token."""
    return {
        "id": record.id,
        "name": record.name,
        "tenant": record.tenant or None,
        "scopes": list(record.scopes),
        "state": token_state(record, now),
        "created": when(record.created),
        "expires": when(record.expires),
        "last_used": when(record.last_used),
    }


def audit_entry(record: AuditEntry) -> View:
    """Who did what."""
    return {
        "id": record.seq,
        "at": when(record.at),
        "by": record.by,
        "action": record.action,
        "kind": record.kind,
        "object": record.object,
        "tenant": record.tenant or None,
        "data": masked(record.data),
    }


def lease_state(record: Lease, now: float) -> str:
    """active, expired, released or declined."""
    ended = record.state is LeaseState.ACTIVE and record.expires < INFINITE and record.expires <= now
    return "expired" if ended else record.state.name.lower()


def lease(record: Lease, now: float) -> View:
    """A lease."""
    endless = record.expires >= INFINITE
    return {
        "ip": ip_text(record.ip),
        "mac": mac_text(record.mac),
        "state": lease_state(record, now),
        "starts": when(record.starts),
        "expires": None if endless else when(record.expires),
        "subnet": record.subnet,
        "hostname": record.hostname,
        "vendor_class": record.vendor_class,
        "client": record.client.hex(),
    }


def plugin(manifest: Manifest) -> View:
    """A plugin."""
    return {
        "id": manifest.id,
        "version": manifest.version,
        "vendor": manifest.vendor,
        "license": manifest.license,
        "description": manifest.description,
        "models": [model.name for model in manifest.models],
    }


def identity(found: Identity) -> View:
    """What evidence says, and why."""
    return {
        "vendor": found.vendor,
        "model": found.model,
        "version": found.version,
        "mac": mac_text(found.mac) if found.mac else None,
        "serial": found.serial,
        "plugin": found.plugin,
        "confidence": found.confidence,
        "reasons": list(found.reasons),
    }


def settings(found: Effective, notes: Mapping[str, str]) -> list[View]:
    """Effective settings, each with where it came from, and why it does nothing if it does nothing."""
    return [
        {
            "name": name,
            "value": str(value) if isinstance(value, Secret) else value,
            "origin": found.origin(name),
            "note": notes.get(name, ""),
        }
        for name, value in sorted(found.values.items())
    ]


async def page(records: Iterable[R], args: Args, key: Callable[[R], str], view: Callable[[R], View]) -> View:
    """One page of a list in the order of keys: ``items``, and in ``next`` the key to go on ``after``."""
    limit = min(args.number("limit") or LIMIT, LARGEST)
    after = args.text("after")
    total, last = 0, ""
    found = list[tuple[str, int, R]]()
    async for lot in in_turns(records):
        for record in lot:
            name = key(record)
            if name > after:
                total += 1
                if not last or name < last:
                    # The number keeps records from being compared.
                    found.append((name, total, record))
        # Not for every lot: of a long list only what the page may hold is looked at again.
        if len(found) > 2 * limit + 1:
            found = heapq.nsmallest(limit + 1, found)
            last = found[-1][0]
    found = heapq.nsmallest(limit + 1, found)
    items = [view(record) async for lot in in_turns(found[:limit]) for _, _, record in lot]
    return {"items": items, "next": found[limit - 1][0] if len(found) > limit else None, "total": total}
