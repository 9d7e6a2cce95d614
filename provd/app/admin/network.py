"""Operations on leases and reservations, identification and the state of it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import Caller, Scope
from provd.app.ports import Change, Delete, Put
from provd.base.errors import ConflictError, NotFoundError, StorageError, UsageError
from provd.base.types import Mac, ip_text
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.evidence import Evidence, Via
from provd.domain.records import Reservation

_LISTING = (Param("limit", "number"), Param("after"))
_LEASE_STATES = (*(state.name.lower() for state in LeaseState), "expired")
_VIAS: dict[str, Via] = {str(via): via for via in get_args(Via)}


class Network:
    """``lease.…`` and ``reservation.…``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        ip = Param("ip", "ip", required=True)
        client = (Param("mac", "mac"), Param("client_id"), Param("hostname"), Param("description"))
        filters = (Param("mac", "mac"), Param("subnet"), Param("state"))
        return (
            Operation("lease.list", "List leases.", self._leases, (*filters, *_LISTING), site=True),
            Operation("lease.release", "End a lease.", self._release, (ip,), Scope.WRITE, site=True),
            Operation("reservation.list", "List reservations.", self._reservations, _LISTING, site=True),
            Operation(
                "reservation.add",
                "Keep an address for a client.",
                self._reserve,
                (ip, Param("id", "id"), *client),
                Scope.WRITE,
                site=True,
            ),
            Operation(
                "reservation.delete",
                "Delete a reservation.",
                self._unreserve,
                (Param("id", required=True),),
                Scope.WRITE,
                site=True,
            ),
        )

    async def _leases(self, args: Args, _caller: Caller) -> object:
        state = args.text("state").lower()
        if state and state not in _LEASE_STATES:
            raise UsageError(f"state: must be one of {', '.join(_LEASE_STATES)}")
        now = self._desk.clock.now()

        def fits(lease: Lease) -> bool:
            return (
                args.text("mac") in ("", lease.mac)
                and args.text("subnet") in ("", lease.subnet)
                and state in ("", views.lease_state(lease, now))
            )

        every = () if self._desk.addresses is None else self._desk.addresses.leases()
        return await views.page(
            (lease for lease in every if fits(lease)), args, _by_address, lambda lease: views.lease(lease, now)
        )

    async def _release(self, args: Args, caller: Caller) -> object:
        if self._desk.addresses is None or not await self._desk.addresses.release(args.text("ip")):
            raise NotFoundError(f"there is no active lease of {args.text('ip')}")
        await self._desk.audit("lease.release", args.text("ip"), caller)
        return {"released": args.text("ip")}

    async def _reservations(self, args: Args, _caller: Caller) -> object:
        every = tuple(self._desk.tables.reservations.values())
        return await views.page(every, args, lambda reservation: reservation.id, views.reservation)

    async def _reserve(self, args: Args, caller: Caller) -> object:
        mac, client_id = args.text("mac"), args.text("client_id").lower().replace(":", "")
        if bool(mac) == bool(client_id):
            raise UsageError("a reservation is for a mac or for a client_id")
        if client_id and not _is_hex(client_id):
            raise UsageError("client_id: must be hex digits")
        reservation = Reservation(
            id=args.text("id") or args.text("ip"),
            ip=args.text("ip"),
            mac=Mac(mac) if mac else None,
            client_id=client_id,
            hostname=args.text("hostname"),
            description=args.text("description"),
        )
        addresses = self._desk.addresses

        def plan() -> list[Change]:
            for other in self._desk.tables.reservations.values():
                if reservation.id == other.id or reservation.ip == other.ip:
                    raise ConflictError(f"{other.ip} is reserved already ({other.id})")
            if addresses is not None:
                addresses.reserve(reservation)
            return [Put(reservation)]

        try:
            await self._desk.change("reservation.add", reservation.id, caller, plan)
        except StorageError:
            if addresses is not None:
                addresses.unreserve(reservation)
            raise
        return views.reservation(reservation)

    async def _unreserve(self, args: Args, caller: Caller) -> object:
        reservation = self._desk.tables.reservation(args.text("id"))
        if reservation is None:
            raise NotFoundError(f"there is no reservation {args.text('id')!r}")
        await self._desk.change("reservation.delete", reservation.id, caller, lambda: [Delete(reservation)])
        if self._desk.addresses is not None:
            self._desk.addresses.unreserve(reservation)
        return {"deleted": reservation.id}


class Insight:
    """``identify`` and ``status``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        evidence = (
            Param("user_agent"),
            Param("path"),
            Param("option60"),
            Param("option77"),
            Param("mac", "mac"),
            Param("over"),
        )
        return (
            Operation("identify", "What evidence says of a device, and why.", self._identify, evidence),
            Operation("status", "How many of what there is.", self._status, site=True),
        )

    async def _identify(self, args: Args, _caller: Caller) -> object:
        self._desk.boot.station.refresh()
        over = args.text("over") or ("dhcp" if args.text("option60") or args.text("option77") else "http")
        if over not in _VIAS:
            raise UsageError(f"over: must be one of {', '.join(_VIAS)}")
        evidence = Evidence(
            via=_VIAS[over],
            mac=args.mac() if args.text("mac") else None,
            option60=args.text("option60"),
            option77=args.text("option77"),
            user_agent=args.text("user_agent"),
            name=args.text("path"),
        )
        return views.identity(self._desk.knowledge.identify(evidence))

    async def _status(self, _args: Args, _caller: Caller) -> object:
        tables, addresses = self._desk.tables, self._desk.addresses
        leases = () if addresses is None else addresses.leases()
        now = self._desk.clock.now()
        return {
            "devices": len(tables.devices),
            "states": dict(sorted(Counter(device.state.value for device in tables.devices.values()).items())),
            "tenants": len(tables.tenants),
            "lines": len(tables.lines),
            "profiles": len(tables.profiles),
            "reservations": len(tables.reservations),
            "leases": dict(sorted(Counter(views.lease_state(lease, now) for lease in leases).items())),
            "plugins": len(self._desk.knowledge.catalogue.manifests),
            "policy": self._desk.boot.station.site.secrets,
            "dhcp": addresses is not None,
        }


def _by_address(lease: Lease) -> str:
    # Dotted, every part three digits wide: the order of texts is the order of addresses.
    return ".".join(f"{int(part):03}" for part in ip_text(lease.ip).split("."))


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(digit in "0123456789abcdef" for digit in text)
