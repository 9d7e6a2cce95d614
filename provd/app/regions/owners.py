"""Whose devices are that come from another instance: of the tenant of the same name, once there is one here.

Until then such a device is the master's, as everything that nobody has; its serial keeps the name of the tenant, and is
given to it when it appears. Both instances tell the operator, the region and the one that handed the device over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

from provd.app.regions.phones import is_phone
from provd.app.regions.ports import Book, Ledger, Reading
from provd.base.facts import Fact, FactSink
from provd.base.facts.regions import RegionTenantFound, RegionTenantMissing
from provd.domain.activation.thing import Thing
from provd.domain.records import MASTER_TENANT
from provd.domain.regions.home import Home
from provd.domain.regions.unit import Unit

AT_ONCE = 200
"""Devices, or units of them, that are read and given in one step."""
MOST = 1000
"""So many devices of a tenant are counted."""


class Parts(Protocol):
    """The units of devices that stand among the devices themselves."""

    def ownerless(self) -> bool:
        """Whether any of them may be the master's for want of its tenant."""
        ...

    async def give(self, units: Sequence[Unit], tenant: str) -> int:
        """Those of these that are the master's go to a tenant; gives how many. Raises StorageError."""
        ...


class Owners:
    """``tenants`` are those of this instance at present."""

    def __init__(
        self,
        ledger: Ledger,
        tenants: Callable[[], Collection[str]],
        name: Callable[[], str],
        now: Callable[[], float],
        emit: FactSink,
        parts: Parts,
    ) -> None:
        self._ledger = ledger
        self._tenants = tenants
        self._name = name
        self._now = now
        self._emit = emit
        self._parts = parts
        self._known: frozenset[str] | None = None
        self._missing: set[str] = set()
        self._elsewhere: dict[str, set[str]] = {}

    @property
    def elsewhere(self) -> Mapping[str, Collection[str]]:
        """Tenants that other instances lack, by instance, as far as they have said so since the start."""
        return self._elsewhere

    def lacks(self, device_id: str, tenant: str) -> bool:
        """Whether a device of that tenant is the master's here. Phones are whoever's this instance knows them to be."""
        return tenant not in ("", MASTER_TENANT, *self._tenants()) and not is_phone(device_id)

    def expected(self, device_id: str, tenant: str) -> list[Fact]:
        """A device of a tenant that is not here was handed over: what is to be told of that, once for each tenant."""
        if tenant in self._missing:
            return []
        self._missing.add(tenant)
        return [RegionTenantMissing(at=self._now(), region=self._name(), tenant=tenant, device=device_id)]

    def answered(self, device: Home, region: str, *, lacking: bool) -> list[Fact]:
        """Another instance has taken a device, and has said whether it lacks its tenant."""
        missing = self._elsewhere.setdefault(region, set())
        if not lacking:
            missing.discard(device.tenant)
        elif device.tenant not in missing:
            missing.add(device.tenant)
            fact = RegionTenantMissing(at=self._now(), region=region, tenant=device.tenant, device=device.device_id)
            return [fact]
        return []

    async def look(self) -> None:
        """Give devices to tenants that have appeared. Raises StorageError."""
        present = frozenset(self._tenants())
        if present == self._known:
            return
        fresh = present - (self._known or frozenset())
        found = await self._reunited(fresh)
        for tenant in sorted(fresh & ({*found} | self._missing | await self._equipped())):
            given = await self._equip(tenant)
            expected = tenant in found or tenant in self._missing
            self._missing.discard(tenant)
            if given or expected:
                devices = found.get(tenant, 0)
                self._emit(RegionTenantFound(at=self._now(), tenant=tenant, devices=devices))
        # Last, so that what failed is done at the next look.
        self._known = present

    async def _equipped(self) -> frozenset[str]:
        """Tenants whose devices may have parts that are the master's. Only devices that fetch a key have a serial which
        names the tenant, and what this daemon was told to expect does not outlive it."""
        return await self._ledger.read(_owners) if self._parts.ownerless() else frozenset()

    async def _reunited(self, tenants: Collection[str]) -> Mapping[str, int]:
        """How many devices each tenant was given."""
        given: dict[str, int] = {}
        after = ("", "", "")
        while True:
            things = await self._ledger.read(partial(_ownerless, after))
            wanted = [thing for thing in things if thing.tenant in tenants]
            if wanted:
                for thing in await self._ledger.change((), partial(_reunite, wanted), len(wanted)):
                    given[thing.tenant] = given.get(thing.tenant, 0) + 1
            if len(things) < AT_ONCE:
                return given
            after = (things[-1].vendor, things[-1].model, things[-1].sn)

    async def _equip(self, tenant: str) -> int:
        """How many parts the tenant was given."""
        given, after = 0, ("", "")
        while True:
            units = await self._ledger.read(partial(_units, tenant, after))
            given += await self._parts.give(units, tenant)
            if len(units) < AT_ONCE:
                return given
            after = (units[-1].device_id, units[-1].unit_id)


def missing_here(book: Reading, tenants: Collection[str]) -> list[tuple[str, int]]:
    """Tenants of devices that are at home here, or expected, which are none of these; how many devices, at most
    :data:`MOST`."""
    strange = (name for name in book.owners() if name not in ("", MASTER_TENANT, *tenants))
    counted = ((name, sum(not is_phone(each) for each in book.owned(name, MOST))) for name in strange)
    return sorted((name, number) for name, number in counted if number)


def _owners(book: Reading) -> frozenset[str]:
    return frozenset(book.owners())


def _ownerless(after: tuple[str, str, str], book: Reading) -> Sequence[Thing]:
    return book.ownerless(after, AT_ONCE)


def _reunite(things: Sequence[Thing], book: Book) -> Sequence[Thing]:
    return book.reunite(things)


def _units(tenant: str, after: tuple[str, str], book: Reading) -> Sequence[Unit]:
    return book.units_owned(tenant, after, AT_ONCE)
