"""``import.…``: what another provisioning server knows, taken over as a whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller, Scope
from provd.app.importing import wazo
from provd.app.ports import Change, Put
from provd.base.errors import ConflictError, UsageError
from provd.base.types import mac_text
from provd.domain.records import Device, Line, Profile, Tenant


class Importing:
    """One operation for each kind of server."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        return (
            Operation(
                "import.wazo",
                "Take over devices, configs and lines of a wazo-provd.",
                self._wazo,
                (
                    Param("devices", "objects", required=True),
                    Param("configs", "objects", required=True),
                    Param("tenants", "texts", doc="UUID=ID: which tenant is which"),
                    Param("dry_run", "flag"),
                ),
                Scope.ADMIN,
                site=True,
            ),
        )

    async def _wazo(self, args: Args, caller: Caller) -> object:
        manifests = self._desk.knowledge.catalogue.manifests
        moved = wazo.move(args.objects("devices"), args.objects("configs"), manifests, _pairs(args.texts("tenants")))
        if args.flag("dry_run"):
            self._changes(moved)
        else:
            await self._desk.change(
                "import.wazo", f"{len(moved.devices)} devices", caller, lambda: self._changes(moved)
            )
        return {
            "tenants": sorted(moved.tenants),
            "profiles": sorted(moved.profiles),
            "lines": len(moved.lines),
            "devices": len(moved.devices),
            "notes": moved.notes,
            "dry_run": args.flag("dry_run"),
        }

    def _changes(self, moved: wazo.Moved) -> list[Change]:
        """Everything that is to be written. Raises ConflictError naming what is here already."""
        tables = self._desk.tables
        there = [f"line {key}" for key in moved.lines if tables.line(key) is not None]
        there += [f"profile {key}" for key in moved.profiles if tables.profile(key) is not None]
        there += [f"device {mac_text(mac)} with lines" for mac in moved.devices if self._claimed(tables.device(mac))]
        if there:
            raise ConflictError(f"here already: {', '.join(there[:10])}{' …' if len(there) > 10 else ''}")
        tenants = [tenant for tenant in moved.tenants.values() if tables.tenant(tenant.id) is None]
        devices = [self._beside(device, tables.device(device.mac)) for device in moved.devices.values()]
        records: list[Tenant | Profile | Line | Device] = [*tenants, *moved.profiles.values(), *moved.lines.values()]
        return [Put(record) for record in (*records, *devices)]

    @staticmethod
    def _claimed(device: Device | None) -> bool:
        return device is not None and bool(device.lines)

    @staticmethod
    def _beside(device: Device, seen: Device | None) -> Device:
        """The device as it comes, with what we have seen of it ourselves: that is newer."""
        if seen is None:
            return device
        known = ("vendor", "model", "plugin", "version", "serial", "confidence")
        ours = {name: getattr(seen, name) or getattr(device, name) for name in known}
        mine = ("tenant", "lines", "profile", "settings", "description", "state")
        taken = {name: getattr(device, name) for name in mine}
        return replace(seen, **ours, **taken)


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        uuid, equals, tenant = text.partition("=")
        if not (uuid and equals and tenant):
            raise UsageError(f"tenants: {text!r} is not UUID=ID")
        pairs[uuid.strip()] = tenant.strip().lower()
    return pairs
