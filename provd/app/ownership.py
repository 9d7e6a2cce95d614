"""Who owns what: each operation as a plan of changes, for the fleet to carry out as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from provd.app.ports import Change, Delete, Put
from provd.app.tables import Tables
from provd.app.tokens import ACCOUNT_PREFIX
from provd.base.errors import ConflictError, NotFoundError
from provd.base.types import Mac, mac_text
from provd.domain.lifecycle import Event, after
from provd.domain.overrides import Place
from provd.domain.records import MASTER_TENANT, Code, Device, Kept, Level, Line, Profile, Tenant
from provd.plugin import Manifest

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


class Room(NamedTuple):
    """How many lines a model holds (0: not known), and whether its ports may belong to different tenants."""

    lines: int = 0
    ports: bool = False


NO_ROOM = Room()


def room_of(manifest: Manifest | None, device: Device) -> Room:
    """The room of a device of that plugin."""
    model = None if manifest is None else manifest.model(device.model)
    return Room() if model is None else Room(model.lines, model.ports)


def assign(tables: Tables, mac: Mac, lines: Sequence[str], *, room: Room = NO_ROOM, port: int = 0) -> list[Change]:
    """Put further lines on a device; an unclaimed one moves to their tenant with it.

    On a device with ports they go to ``port`` and the free ones after it, and the device stays with its owner. Raises
    NotFoundError, and ConflictError where the device or a line is somebody else's.
    """
    device = device_of(tables, mac)
    owners = {line_of(tables, key).tenant for key in lines}
    if len(owners) != 1:
        raise ConflictError("the lines belong to several tenants" if owners else "no line is named")
    owner = owners.pop()
    if device.tenant not in (MASTER_TENANT, owner) and not room.ports:
        raise ConflictError(f"the device belongs to tenant {device.tenant!r}; transfer it first")
    if port:
        _check_port(device, port, room)
    given = replace(device, state=after(device.state, Event.ASSIGN))
    for key in lines:
        if key in device.lines:
            continue
        more = with_line(given, key, room, port)
        if more is None:
            count = len(device.lines) + sum(line not in device.lines for line in lines)
            raise ConflictError(f"a {device.model} holds {room.lines} lines, not {count}")
        given = more
    return [Put(replace(given, tenant=owner if device.tenant == MASTER_TENANT else device.tenant))]


def _check_port(device: Device, port: int, room: Room) -> None:
    if not room.ports:
        raise ConflictError("the device has no ports")
    if 0 < room.lines < port:
        raise ConflictError(f"a {device.model} has {room.lines} ports")
    if port in ports_of(device):
        raise ConflictError(f"port {port} has a line already")


def with_line(device: Device, line: str, room: Room, port: int = 0) -> Device | None:
    """The device with one line more, on that port if it has ports and this one is free; None without room."""
    lines = (*device.lines, line)
    if not room.ports:
        return None if 0 < room.lines < len(lines) else replace(device, lines=lines)
    free = free_port(device, room.lines, port)
    return None if free is None else replace(device, lines=lines, ports=(*ports_of(device), free))


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


def unassign(tables: Tables, mac: Mac, lines: Sequence[str]) -> list[Change]:
    """Take these lines from a device, which stays with its tenant. Raises NotFoundError for one that is not on it."""
    device = device_of(tables, mac)
    missing = [key for key in lines if key not in device.lines]
    if missing:
        raise NotFoundError(f"line {missing[0]!r} is not on device {mac_text(mac)}")
    return [Put(_without(device, lines))]


def _without(device: Device, lines: Sequence[str]) -> Device:
    left = [place for place, key in enumerate(device.lines) if key not in lines]
    kept = tuple(device.lines[place] for place in left)
    ports = tuple(device.ports[place] for place in left) if device.ports else ()
    event = Event.ASSIGN if kept else Event.UNASSIGN
    return replace(device, lines=kept, ports=ports, state=after(device.state, event))


def _strangers(tables: Tables, device: Device) -> tuple[str, ...]:
    """Lines of others than its owner, on ports of a device."""
    lines = (tables.line(key) for key in device.lines if device.ports)
    return tuple(line.id for line in lines if line is not None and line.tenant != device.tenant)


def _cleared(device: Device, lines: Sequence[str], *, new_token: bool) -> Device:
    bare = _without(device, lines)
    epoch = device.token_epoch + (1 if new_token else 0)
    return replace(bare, profile="", settings={}, token_epoch=epoch, sealed="")


def _given(device: Device, lines: Sequence[str], tenant: str, *, new_token: bool = False) -> Device:
    """The device in other hands. Its description goes too: phones show it, and it names the old owner's people."""
    return replace(_cleared(device, lines, new_token=new_token), tenant=tenant, description="")


def reset(tables: Tables, mac: Mac, *, new_token: bool = False) -> list[Change]:
    """Back to an unclaimed phone of the same tenant: no lines, no profile, no settings of its own.

    Ports that belong to other tenants stay theirs. The URL token stays: a phone far away could not fetch the file that
    undoes its settings with a new one.
    """
    device = device_of(tables, mac)
    strangers = _strangers(tables, device)
    own = [key for key in device.lines if key not in strangers]
    return [Put(_cleared(device, own, new_token=new_token))]


def transfer(tables: Tables, mac: Mac, tenant: str, *, new_token: bool = False) -> list[Change]:
    """Give a device to another tenant; nothing of the old one stays on it. Raises NotFoundError and ConflictError."""
    owner = tenant_of(tables, tenant)
    device = device_of(tables, mac)
    if device.tenant == owner.id:
        raise ConflictError(f"the device belongs to tenant {owner.id!r} already")
    return [Put(_given(device, device.lines, owner.id, new_token=new_token))]


def handed_over(tables: Tables, device: Device) -> bool:
    """Whether a device still has the file of somebody else: of another tenant, or with none of its present lines."""
    note = tables.resync(device.mac)
    if note is None:
        return False
    had = set(note.lines) - {ACCOUNT_PREFIX + device.mac}
    if note.tenant != device.tenant and (had or note.tenant != MASTER_TENANT):
        return True
    users = {line.username for key in device.lines if (line := tables.line(key)) is not None}
    return bool(had) and users.isdisjoint(had)


def delete_device(tables: Tables, device: Device) -> list[Change]:
    """Delete a device and what is remembered of it."""
    lock = tables.lock(f"device:{device.mac}")
    return [Delete(device), *([] if lock is None else [Delete(lock)])]


Renews = Callable[[Device], bool]
"""Whether a device that changes hands gets another URL token."""


def delete_tenant(tables: Tables, key: str, renews: Renews = lambda _device: False) -> list[Change]:
    """Delete a tenant with everything that is its own; its devices go back to the master tenant.

    Its lines leave the ports of others' devices, and others' lines stay on the ports of its own. Whoever is called so
    next must not inherit anything.
    """
    tenant = tenant_of(tables, key)
    lines = [line for line in tables.lines.values() if line.tenant == tenant.id]
    names = {line.id for line in lines}
    released: list[Change] = []
    for device in tables.devices.values():
        own = [each for each in device.lines if each in names]
        if device.tenant == tenant.id and tenant.id != MASTER_TENANT:
            released.append(Put(_given(device, own, MASTER_TENANT, new_token=renews(device))))
        elif own:
            released.append(Put(_without(device, own)))
    codes = delete_codes(tables, [code for line in lines for code in tables.codes_of(line.id)])
    rollouts = [key for key, rollout in tables.rollouts.items() if rollout.tenant == tenant.id]
    gone: list[Kept] = [
        *lines,
        *(profile for profile in tables.profiles.values() if owner_of_profile(profile) == tenant.id),
        *(each for each in tables.kinds.types.values() if each.tenant == tenant.id),
        *(each for each in tables.kinds.constraints.values() if owner_of_key(each.id) == tenant.id),
        *(token for token in tables.api_tokens.values() if token.tenant == tenant.id),
        *(lock for lock in tables.locks.values() if lock.tenant == tenant.id),
        *(tables.rollouts[key] for key in rollouts),
        *(member for key in rollouts for member in tables.in_rollout(key)),
        *(each for each in tables.overrides.values() if (each.place, each.applies_to) == (Place.TENANT, tenant.id)),
        tenant,
    ]
    return [*released, *codes, *(Delete(record) for record in gone)]


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
