"""Whether a record that has just been put into the tables, or removed, fits to all others."""

from __future__ import annotations

from provd.app.tables import Tables
from provd.base.errors import ConflictError, NotFoundError
from provd.domain.inheritance import lineage
from provd.domain.records import MASTER_TENANT, ApiToken, Code, Device, Kept, Level, Line, Profile, Tenant


def check(tables: Tables, before: Kept | None, after: Kept | None) -> None:
    """Whether a record that has just been put (``after``) or removed fits to all others.

    Raises NotFoundError or ConflictError.
    """
    match after or before:
        case Device() as device if after:
            _check_device(tables, device)
        case Line() as line:
            _check_line(tables, line, gone=after is None)
        case Code() as code if after:
            _check_code(tables, code)
        case Profile() as profile:
            _check_profile(tables, profile, gone=after is None)
        case Tenant() as tenant if after is None:
            _check_no_tenant(tables, tenant)
        case ApiToken() as token if after:
            _check_token(tables, token)
        case _:
            pass


def _check_device(tables: Tables, device: Device) -> None:
    if device.tenant not in tables.tenants:
        raise NotFoundError(f"there is no tenant {device.tenant!r}")
    if len(set(device.lines)) != len(device.lines):
        raise ConflictError("a line can be on a device only once")
    if device.ports and not len(set(device.ports)) == len(device.ports) == len(device.lines):
        raise ConflictError("every line of such a device needs a port of its own")
    for key in device.lines:
        line = tables.line(key)
        if line is None or (line.tenant != device.tenant and not device.ports):
            # Another tenant's line must look like none at all.
            raise NotFoundError(f"tenant {device.tenant!r} has no line {key!r}")
        holders = len(tables.holders(key))
        if holders > line.max_devices:
            where = "another device" if line.max_devices == 1 else f"{holders - 1} other devices"
            raise ConflictError(f"line {key!r} is on {where}")
    if device.profile:
        profile = tables.profile(device.profile)
        if profile is None or profile.level is not Level.GROUP:
            raise NotFoundError(f"there is no group profile {device.profile!r}")


def _check_line(tables: Tables, line: Line, *, gone: bool) -> None:
    holders = [device for mac in tables.holders(line.id) if (device := tables.device(mac)) is not None]
    if gone:
        if holders:
            raise ConflictError(f"line {line.id!r} is on device {holders[0].mac}")
        if tables.codes_of(line.id):
            raise ConflictError(f"line {line.id!r} has codes")
        return
    if line.tenant not in tables.tenants:
        raise NotFoundError(f"there is no tenant {line.tenant!r}")
    for holder in holders:
        if holder.tenant != line.tenant and not holder.ports:
            raise ConflictError(f"line {line.id!r} is on a device of tenant {holder.tenant!r}")
    if len(holders) > line.max_devices:
        raise ConflictError(f"line {line.id!r} is on {len(holders)} devices")
    if any(code.tenant != line.tenant for code in tables.codes_of(line.id)):
        raise ConflictError(f"line {line.id!r} has codes of another tenant")


def _check_code(tables: Tables, code: Code) -> None:
    line = tables.line(code.line)
    if line is None or line.tenant != code.tenant:
        raise NotFoundError(f"tenant {code.tenant!r} has no line {code.line!r}")
    known = tables.code_of(code.digest)
    if known is None or known.id != code.id:
        raise ConflictError("there is such a code already")


def _check_token(tables: Tables, token: ApiToken) -> None:
    if token.tenant and token.tenant not in tables.tenants:
        raise NotFoundError(f"there is no tenant {token.tenant!r}")
    known = tables.token_of(token.hash)
    if known is None or known.id != token.id:
        raise ConflictError("there is such a token already")


def _check_profile(tables: Tables, profile: Profile, *, gone: bool) -> None:
    if not gone:
        missing = [parent for parent in profile.parents if parent not in tables.profiles]
        if missing:
            raise NotFoundError(f"there is no profile {missing[0]!r}")
        lineage(profile, tables.profiles)
        return
    if any(device.profile == profile.id for device in tables.devices.values()):
        raise ConflictError(f"profile {profile.id!r} is in use by devices")
    if any(profile.id in other.parents for other in tables.profiles.values()):
        raise ConflictError(f"profile {profile.id!r} is the parent of another one")


def _check_no_tenant(tables: Tables, tenant: Tenant) -> None:
    if tenant.id == MASTER_TENANT:
        raise ConflictError(f"the tenant {MASTER_TENANT!r} owns what nobody has claimed and cannot be deleted")
    if any(device.tenant == tenant.id for device in tables.devices.values()):
        raise ConflictError(f"tenant {tenant.id!r} has devices")
    if any(line.tenant == tenant.id for line in tables.lines.values()):
        raise ConflictError(f"tenant {tenant.id!r} has lines")
    if any(token.tenant == tenant.id for token in tables.api_tokens.values()):
        raise ConflictError(f"tenant {tenant.id!r} has tokens")
