"""What all operations share: the fleet, the audit, and the ports to DHCP."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from provd.app.admin import views
from provd.app.admin.params import Args, Param
from provd.app.boot import Boot
from provd.app.caller import Caller, Scope
from provd.app.context import Zone
from provd.app.fleet import Fleet, Plan
from provd.app.ownership import owner_of_profile
from provd.app.ports import Change, Put
from provd.app.zones import zone_names
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import FaultsError, ForbiddenError, NotFoundError, UsageError
from provd.base.facts import FactSink
from provd.base.facts.devices import AdminChanged, DeviceStateChanged
from provd.base.secrets import Secret
from provd.base.types import Mac, is_thing, mac_text
from provd.dhcp.lease import Lease
from provd.domain.capability import parameter_fault
from provd.domain.records import AuditEntry, Device, DeviceState, Line, Profile, Reservation, Settings, Tenant
from provd.domain.settings import FREE, find, validate


class Addresses(Protocol):
    """The DHCP server's side of leases and reservations."""

    def leases(self) -> Iterable[Lease]:
        """Every lease there is, in any state."""
        ...

    def release(self, ip: str) -> Awaitable[bool]:
        """End the active lease of that address; False when there is none. Durable when it returns."""
        ...

    def reserve(self, reservation: Reservation) -> None:
        """Keep this address for its client from now on. Raises ConflictError and changes nothing."""
        ...

    def unreserve(self, reservation: Reservation) -> None:
        """Do not keep it any longer."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what it needs and what it does. The result is made of plain values.

    ``scope`` is what its caller must have been granted; ``site`` says that it concerns all tenants, and is not for a
    caller of one. A parameter named ``reveal`` needs the scope ``admin`` when it is true.
    """

    name: str
    doc: str
    run: Callable[[Args, Caller], Awaitable[object]]
    params: tuple[Param, ...] = ()
    scope: Scope = Scope.READ
    site: bool = False


class Group(Protocol):
    """Operations that belong together."""

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        ...


class Desk:
    """The ground under every group of operations. ``addresses`` is None while DHCP is off."""

    def __init__(
        self, *, fleet: Fleet, boot: Boot, clock: Clock, emit: FactSink, zone: Zone, addresses: Addresses | None
    ) -> None:
        self.fleet = fleet
        self.tables = fleet.tables
        self.boot = boot
        self.knowledge = boot.station.knowledge
        self.clock = clock
        self.emit = emit
        self.zone = zone
        self.addresses = addresses

    async def change(self, action: str, name: str, caller: Caller, plan: Plan) -> None:
        """Carry the plan out, then tell the audit and the devices' timelines."""
        moved: list[tuple[Device, DeviceState]] = []
        owner = ""

        def watched() -> Sequence[Change]:
            nonlocal owner
            if caller.condition is not None:
                caller.condition()
            changes = list(plan())
            owner = owner_in(changes)
            for change in changes:
                if isinstance(change, Put) and isinstance(change.record, Device):
                    before = self.tables.device(change.record.mac)
                    moved.append((change.record, before.state if before else change.record.state))
            if changes:
                changes.append(Put(self._entry(action, name, caller, owner)))
            return changes

        await self.fleet.change(watched)
        self._tell(action, name, caller, owner)
        for device, was in moved:
            if was is not device.state:
                self.emit(
                    DeviceStateChanged(
                        at=self.clock.now(), mac=device.mac, was=was, now=device.state, tenant=device.tenant
                    )
                )

    async def audit(self, action: str, name: str, caller: Caller, *, tenant: str = "") -> None:
        """Note who did what to which object where nothing changes: it is in the audit before anything is shown."""
        await self.fleet.change(lambda: [Put(self._entry(action, name, caller, tenant))])
        self._tell(action, name, caller, tenant)

    def _entry(self, action: str, name: str, caller: Caller, tenant: str) -> AuditEntry:
        kind = action.partition(".")[0]
        return AuditEntry(
            at=self.clock.now(),
            by=caller.name,
            action=action,
            kind=kind,
            object=name,
            tenant=tenant,
            data={"peer": caller.peer} if caller.peer else {},
        )

    def _tell(self, action: str, name: str, caller: Caller, tenant: str) -> None:
        kind = action.partition(".")[0]
        mac = Mac(name) if kind == "device" and (len(name) == 12 or is_thing(name)) else None
        self.emit(
            AdminChanged(
                at=self.clock.now(), mac=mac, action=action, kind=kind, object=name, by=caller.name, tenant=tenant
            )
        )

    def device(self, mac: Mac, caller: Caller) -> Device:
        """The device. Raises NotFoundError, also when it is not this caller's."""
        device = self.tables.device(mac)
        if device is None or not caller.owns(device.tenant):
            raise NotFoundError(f"there is no device {mac_text(mac)}")
        return device

    def device_seen(self, mac: Mac, caller: Caller) -> Device:
        """The same for who only looks: also a device of somebody else with ports that are this caller's."""
        device = self.tables.device(mac)
        seen = None if device is None else self._as_seen(device, caller)
        if seen is None:
            raise NotFoundError(f"there is no device {mac_text(mac)}")
        return seen

    def devices_seen(self, caller: Caller) -> Iterator[Device]:
        """Every device that exists for this caller, each as far as it does."""
        # A copy: who reads it may do so little by little.
        seen = (self._as_seen(device, caller) for device in tuple(self.tables.devices.values()))
        return (device for device in seen if device is not None)

    def _as_seen(self, device: Device, caller: Caller) -> Device | None:
        """Of somebody else's gateway a tenant sees its own ports, and nothing that the owner has written on it."""
        if caller.owns(device.tenant):
            return device
        own = self._own_places(device, caller) if device.ports else ()
        if not own:
            return None
        return replace(
            device,
            tenant="",
            lines=tuple(device.lines[place] for place in own),
            ports=tuple(device.ports[place] for place in own),
            serial="",
            ip="",
            profile="",
            description="",
            settings={},
        )

    def line(self, name: str, caller: Caller) -> Line:
        """The line that the caller knows by this name. Raises NotFoundError."""
        found = (line for key in caller.names(name) if (line := self.tables.line(key)) and caller.owns(line.tenant))
        line = next(found, None)
        if line is None:
            raise NotFoundError(f"there is no line {name!r}")
        return line

    def tenant(self, name: str, caller: Caller) -> Tenant:
        """The tenant. Raises NotFoundError, also when the caller is another one."""
        tenant = self.tables.tenant(name)
        if tenant is None or not caller.owns(tenant.id):
            raise NotFoundError(f"there is no tenant {name!r}")
        return tenant

    def profile(self, name: str, caller: Caller) -> Profile:
        """The profile that the caller knows by this name. Raises NotFoundError."""
        keys = caller.names(name)
        found = (each for key in keys if (each := self.tables.profile(key)) and caller.owns(owner_of_profile(each)))
        profile = next(found, None)
        if profile is None:
            raise NotFoundError(f"there is no profile {name!r}")
        return profile

    def device_view(self, device: Device, caller: Caller) -> views.View:
        """A device as its owner sees it: of a gateway that several share, the others' lines are not there."""
        own = self._own_places(device, caller)
        ports = [device.ports[place] for place in own] if device.ports else []
        lines, kind = list(self.lines_shown(device, caller)), self.type_shown(device, caller)
        return {**views.device(device, caller.shown), "type": kind, "lines": lines, "ports": ports}

    def type_shown(self, device: Device, caller: Caller) -> str:
        """The type of a device by the name that this caller knows, empty where there is none for it."""
        found = self.tables.kinds.typing.of(device.vendor, device.model, device.tenant)
        return caller.shown(found.id) if found is not None and caller.owns(found.tenant or None) else ""

    def lines_shown(self, device: Device, caller: Caller) -> tuple[str, ...]:
        """The lines of a device that exist for this caller, by the names that it knows."""
        return tuple(caller.shown(device.lines[place]) for place in self._own_places(device, caller))

    def renews_token(self, device: Device) -> bool:
        """Whether a device that changes hands gets another URL token, so that who had it before has no key to it.

        Not where the token is the only proof and the device has no lease of ours: it could never learn the new one.
        """
        station = self.boot.station
        if station.site.secrets != "token":
            return True
        return bool(device.ip) and station.leases.holder(device.ip) == device.mac

    def need_all_lines(self, device: Device, caller: Caller) -> None:
        """Raises ForbiddenError unless every line on the device exists for this caller."""
        if self.own_lines(device, caller) != device.lines:
            raise ForbiddenError("several tenants share this device: its files are for who may see all of them")

    def own_lines(self, device: Device, caller: Caller) -> tuple[str, ...]:
        """The ids of those lines on a device that exist for this caller."""
        return tuple(device.lines[place] for place in self._own_places(device, caller))

    def _own_places(self, device: Device, caller: Caller) -> Sequence[int]:
        if caller.tenant is None or not device.ports:
            return range(len(device.lines))
        lines = enumerate(map(self.tables.line, device.lines))
        return [place for place, line in lines if line is not None and caller.owns(line.tenant)]

    def line_view(self, line: Line, caller: Caller) -> views.View:
        """A line and the devices that it is on."""
        return views.line(line, self.tables.holders(line.id), caller.shown)

    def settings(self, present: Settings, args: Args, *, of_line: bool = False) -> Settings:
        """The present settings with those of the call, or with ``replace`` only those; ``unset`` drops names.

        ``***`` stands for the secret that is there already. ``of_line``: for a single line. Raises UsageError.
        """
        same = {name: present[name] for name, value in args.settings().items() if _kept(value, present.get(name))}
        fresh = {name: value for name, value in args.settings().items() if name not in same}
        given = {**same, **validate(fresh, of_line=of_line)}
        self._check_knowledge(given)
        if args.flag("replace"):
            return given
        merged = {**present, **given}
        for name in args.texts("unset"):
            if name not in merged:
                raise UsageError(f"unset: {name!r} is not set here")
            del merged[name]
        return merged

    def _is_zone(self, name: str) -> bool:
        try:
            return self.zone(name) is not None
        except UsageError:
            return False

    def _check_knowledge(self, given: Settings) -> None:
        """What only the plugins and the time zones of this machine know. Raises UsageError."""
        zone = given.get("time.zone")
        if isinstance(zone, str) and not self._is_zone(zone):
            near = difflib.get_close_matches(zone, zone_names(), n=1)
            raise UsageError(
                f"time.zone: there is no time zone {zone!r}" + (f"; did you mean {near[0]}?" if near else "")
            )
        manifests = self.knowledge.catalogue.manifests
        free = [name for name in given if name.startswith(FREE) and find(name) is not None]
        faults = [(name, fault) for name in free if (fault := parameter_fault(manifests, name))]
        if faults:
            raise FaultsError(faults)


def _kept(value: object, present: object) -> bool:
    return isinstance(present, Secret) and value == str(present)


def owner_in(changes: Sequence[Change]) -> str:
    """Whose object the changes are about: the tenant of the last record that has one, empty where none has."""
    for change in reversed(changes):
        match change.record:
            case Tenant() as record:
                owner: str | None = record.id
            case Profile() as record:
                owner = owner_of_profile(record)
            case record:
                owner = getattr(record, "tenant", "")
        if owner:
            return owner
    return ""
