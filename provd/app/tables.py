"""All records in memory with the few indices that the hot path needs. Knows nothing of the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from provd.base.errors import ConflictError, NotFoundError
from provd.base.types import Mac
from provd.domain.inheritance import lineage
from provd.domain.records import MASTER_TENANT, Device, Level, Line, Profile, Reservation, Tenant

Kept = Device | Tenant | Line | Profile | Reservation
"""The kinds of records that are kept in memory."""


class Tables:
    """The read model. :meth:`put` and :meth:`remove` are total; :meth:`check` says what a batch has broken."""

    def __init__(self) -> None:
        self._devices: dict[Mac, Device] = {}
        self._tenants: dict[str, Tenant] = {}
        self._lines: dict[str, Line] = {}
        self._profiles: dict[str, Profile] = {}
        self._reservations: dict[str, Reservation] = {}
        self._holders: dict[str, Mac] = {}
        self._levels: dict[tuple[Level, str], dict[str, Profile]] = {}
        self.stamp = 0
        """Rises when a tenant or a profile, which many devices share, is put or removed."""
        self.device = self._devices.get
        self.tenant = self._tenants.get
        self.line = self._lines.get
        self.profile = self._profiles.get
        self.reservation = self._reservations.get
        self.holder = self._holders.get

    @property
    def devices(self) -> Mapping[Mac, Device]:
        """Devices by MAC."""
        return MappingProxyType(self._devices)

    @property
    def tenants(self) -> Mapping[str, Tenant]:
        """Tenants by id."""
        return MappingProxyType(self._tenants)

    @property
    def lines(self) -> Mapping[str, Line]:
        """Lines by id."""
        return MappingProxyType(self._lines)

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Profiles by id."""
        return MappingProxyType(self._profiles)

    @property
    def reservations(self) -> Mapping[str, Reservation]:
        """Reservations by id."""
        return MappingProxyType(self._reservations)

    def at_level(self, level: Level, applies_to: str) -> Iterator[Profile]:
        """The profiles of a level that apply to that vendor, ``Vendor/Model`` or tenant, in the order of ids."""
        found = self._levels.get((level, applies_to.lower()))
        if found:
            for key in sorted(found):
                yield found[key]

    def _table(self, record: Kept) -> tuple[dict[Any, Any], str]:
        match record:
            case Device():
                return self._devices, record.mac
            case Tenant():
                return self._tenants, record.id
            case Line():
                return self._lines, record.id
            case Profile():
                return self._profiles, record.id
            case Reservation():
                return self._reservations, record.id

    def get(self, record: Kept) -> Kept | None:
        """The record with the same kind and key as this one."""
        table, key = self._table(record)
        found: Kept | None = table.get(key)
        return found

    def put(self, record: Kept) -> None:
        """Insert or replace."""
        self.stamp += isinstance(record, Tenant | Profile)
        self._forget(self.get(record))
        table, key = self._table(record)
        table[key] = record
        if isinstance(record, Device):
            for line in record.lines:
                self._holders[line] = record.mac
        elif isinstance(record, Profile) and record.level is not Level.GROUP:
            self._levels.setdefault((record.level, record.applies_to.lower()), {})[record.id] = record

    def refresh(self, device: Device) -> None:
        """Replace a device whose lines are the same ones: nothing to index again."""
        self._devices[device.mac] = device

    def remove(self, record: Kept) -> None:
        """Remove the record with the same key, if it is there."""
        self.stamp += isinstance(record, Tenant | Profile)
        table, key = self._table(record)
        self._forget(table.pop(key, None))

    def _forget(self, record: Kept | None) -> None:
        if isinstance(record, Device):
            for line in record.lines:
                if self._holders.get(line) == record.mac:
                    del self._holders[line]
        elif isinstance(record, Profile) and record.level is not Level.GROUP:
            self._levels[record.level, record.applies_to.lower()].pop(record.id, None)

    def check(self, before: Kept | None, after: Kept | None) -> None:
        """Whether a record that has just been put (``after``) or removed fits to all others.

        Raises NotFoundError or ConflictError.
        """
        match after or before:
            case Device() as device if after:
                self._check_device(device)
            case Line() as line:
                self._check_line(line, gone=after is None)
            case Profile() as profile:
                self._check_profile(profile, gone=after is None)
            case Tenant() as tenant if after is None:
                self._check_no_tenant(tenant)
            case _:
                pass

    def _check_device(self, device: Device) -> None:
        if device.tenant not in self._tenants:
            raise NotFoundError(f"there is no tenant {device.tenant!r}")
        if len(set(device.lines)) != len(device.lines):
            raise ConflictError("a line can be on a device only once")
        for key in device.lines:
            line = self._lines.get(key)
            if line is None or line.tenant != device.tenant:
                # Another tenant's line must look like none at all.
                raise NotFoundError(f"tenant {device.tenant!r} has no line {key!r}")
            if self._holders.get(key) != device.mac:
                raise ConflictError(f"line {key!r} is on another device")
        if device.profile:
            profile = self._profiles.get(device.profile)
            if profile is None or profile.level is not Level.GROUP:
                raise NotFoundError(f"there is no group profile {device.profile!r}")

    def _check_line(self, line: Line, *, gone: bool) -> None:
        holder = self._devices.get(self._holders.get(line.id, Mac("")))
        if gone and holder is not None:
            raise ConflictError(f"line {line.id!r} is on device {holder.mac}")
        if not gone and line.tenant not in self._tenants:
            raise NotFoundError(f"there is no tenant {line.tenant!r}")
        if holder is not None and holder.tenant != line.tenant:
            raise ConflictError(f"line {line.id!r} is on a device of tenant {holder.tenant!r}")

    def _check_profile(self, profile: Profile, *, gone: bool) -> None:
        if not gone:
            missing = [parent for parent in profile.parents if parent not in self._profiles]
            if missing:
                raise NotFoundError(f"there is no profile {missing[0]!r}")
            lineage(profile, self._profiles)
            return
        if any(device.profile == profile.id for device in self._devices.values()):
            raise ConflictError(f"profile {profile.id!r} is in use by devices")
        if any(profile.id in other.parents for other in self._profiles.values()):
            raise ConflictError(f"profile {profile.id!r} is the parent of another one")

    def _check_no_tenant(self, tenant: Tenant) -> None:
        if tenant.id == MASTER_TENANT:
            raise ConflictError(f"the tenant {MASTER_TENANT!r} owns what nobody has claimed and cannot be deleted")
        if any(device.tenant == tenant.id for device in self._devices.values()):
            raise ConflictError(f"tenant {tenant.id!r} has devices")
        if any(line.tenant == tenant.id for line in self._lines.values()):
            raise ConflictError(f"tenant {tenant.id!r} has lines")
