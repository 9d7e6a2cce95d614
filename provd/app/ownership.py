"""Who owns what: each operation as a plan of changes, for the fleet to carry out as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from provd.app.ports import Change, Delete, Put
from provd.app.tables import Tables
from provd.base.errors import ConflictError, NotFoundError
from provd.base.types import Mac, mac_text
from provd.domain.lifecycle import Event, after
from provd.domain.records import MASTER_TENANT, Code, Device, Level, Line, Profile, Tenant

MARK = ":"
"""Stands between a tenant and the name that this tenant gave to an object of its own (``acme:101``)."""


def device_of(tables: Tables, mac: Mac) -> Device:
    """The device. Raises NotFoundError."""
    device = tables.device(mac)
    if device is None:
        raise NotFoundError(f"there is no device {mac_text(mac)}")
    return device


def line_of(tables: Tables, key: str) -> Line:
    """The line. Raises NotFoundError."""
    line = tables.line(key)
    if line is None:
        raise NotFoundError(f"there is no line {key!r}")
    return line


def tenant_of(tables: Tables, key: str) -> Tenant:
    """The tenant. Raises NotFoundError."""
    tenant = tables.tenant(key)
    if tenant is None:
        raise NotFoundError(f"there is no tenant {key!r}")
    return tenant


def owner_of_key(key: str) -> str | None:
    """The tenant that gave this name to a line or profile of its own (``acme:101``), None where the site gave it."""
    tenant, mark, _ = key.partition(MARK)
    return tenant if mark else None


def owner_of_profile(profile: Profile) -> str | None:
    """The tenant that a profile belongs to, None for one of the site."""
    return profile.applies_to.lower() if profile.level is Level.TENANT else owner_of_key(profile.id)


def assign(tables: Tables, mac: Mac, lines: Sequence[str], *, room: int = 0) -> list[Change]:
    """Put further lines on a device; an unclaimed one moves to their tenant with it.

    ``room`` is how many lines the model holds, 0 when that is not known.
    """
    device = device_of(tables, mac)
    owners = {line_of(tables, key).tenant for key in lines}
    if len(owners) != 1:
        raise ConflictError("the lines belong to several tenants" if owners else "no line is named")
    owner = owners.pop()
    if device.tenant not in (MASTER_TENANT, owner):
        raise ConflictError(f"the device belongs to tenant {device.tenant!r}; transfer it first")
    kept = (*device.lines, *(key for key in lines if key not in device.lines))
    if 0 < room < len(kept):
        raise ConflictError(f"a {device.model} holds {room} lines, not {len(kept)}")
    return [Put(replace(device, tenant=owner, lines=kept, state=after(device.state, Event.ASSIGN)))]


def ports_of(device: Device) -> tuple[int, ...]:
    """The port of each of its lines; lines without one of their own are on ports 1, 2, 3 …"""
    return device.ports or tuple(range(1, len(device.lines) + 1))


def free_port(device: Device, most: int, wanted: int = 0) -> int | None:
    """The port for one line more: the wanted one if it is free, else the lowest free one, None when all are taken."""
    taken = set(ports_of(device))
    if wanted and wanted not in taken and (not most or wanted <= most):
        return wanted
    port = next(number for number in range(1, len(taken) + 2) if number not in taken)
    return port if not most or port <= most else None


def unassign(tables: Tables, mac: Mac, lines: Sequence[str] = ()) -> list[Change]:
    """Take these lines, or all, from a device. It stays with its tenant."""
    device = device_of(tables, mac)
    missing = [key for key in lines if key not in device.lines]
    if missing:
        raise NotFoundError(f"line {missing[0]!r} is not on device {mac_text(mac)}")
    return [Put(_without(device, lines or device.lines))]


def _without(device: Device, lines: Sequence[str]) -> Device:
    left = [place for place, key in enumerate(device.lines) if key not in lines]
    kept = tuple(device.lines[place] for place in left)
    ports = tuple(device.ports[place] for place in left) if device.ports else ()
    event = Event.ASSIGN if kept else Event.UNASSIGN
    return replace(device, lines=kept, ports=ports, state=after(device.state, event))


def _cleared(device: Device, *, new_token: bool) -> Device:
    bare = _without(device, device.lines)
    return replace(bare, profile="", settings={}, token_epoch=device.token_epoch + (1 if new_token else 0))


def _given(device: Device, tenant: str, *, new_token: bool) -> Device:
    """The device in other hands. Its description goes too: phones show it, and it names the old owner's people."""
    return replace(_cleared(device, new_token=new_token), tenant=tenant, description="")


def reset(tables: Tables, mac: Mac, *, new_token: bool = False) -> list[Change]:
    """Back to an unclaimed phone of the same tenant: no lines, no profile, no settings of its own.

    The URL token stays: a phone far away could not fetch the file that undoes its settings with a new one.
    """
    return [Put(_cleared(device_of(tables, mac), new_token=new_token))]


def transfer(tables: Tables, mac: Mac, tenant: str, *, new_token: bool = False) -> list[Change]:
    """Give a device to another tenant; nothing of the old one stays on it."""
    owner = tenant_of(tables, tenant)
    device = device_of(tables, mac)
    if device.tenant == owner.id:
        raise ConflictError(f"the device belongs to tenant {owner.id!r} already")
    return [Put(_given(device, owner.id, new_token=new_token))]


def delete_tenant(tables: Tables, key: str) -> list[Change]:
    """Delete a tenant with its lines; its devices go back to the master tenant."""
    tenant = tenant_of(tables, key)
    given_back: list[Change] = [
        Put(_given(device, MASTER_TENANT, new_token=False))
        for device in tables.devices.values()
        if device.tenant == tenant.id and tenant.id != MASTER_TENANT
    ]
    lines = [line for line in tables.lines.values() if line.tenant == tenant.id]
    codes = delete_codes(tables, [code for line in lines for code in tables.codes_of(line.id)])
    tokens = [Delete(token) for token in tables.api_tokens.values() if token.tenant == tenant.id]
    # Whoever is called so next must not inherit anything.
    profiles = [Delete(profile) for profile in tables.profiles.values() if owner_of_profile(profile) == tenant.id]
    return [*given_back, *codes, *map(Delete, lines), *profiles, *tokens, Delete(tenant)]


def delete_line(tables: Tables, key: str) -> list[Change]:
    """Delete a line with its codes, and take it from its devices."""
    line = line_of(tables, key)
    holders = (tables.device(mac) for mac in tables.holders(key))
    released: list[Change] = [Put(_without(device, (key,))) for device in holders if device is not None]
    return [*released, *delete_codes(tables, tables.codes_of(key)), Delete(line)]


def delete_codes(tables: Tables, codes: Iterable[Code]) -> list[Change]:
    """Delete codes with the memory of their uses."""
    changes: list[Change] = []
    for code in codes:
        uses = (tables.redemptions.get((code.id, number)) for number in range(1, code.used + 1))
        changes += [Delete(use) for use in uses if use is not None]
        changes.append(Delete(code))
    return changes
