"""First-boot tasks of units: each unit that a task is for stands among the devices, and has its runs as they have.

A unit is ``TYPE/NAME`` to the tasks' patterns (``devices = ["modem/*"]``), and belongs to the tenant of its device. One
that no task is for is ready at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from provd.app.fleet import Fleet
from provd.app.ports import Change, Delete, Put
from provd.app.tasks.book import TaskBook
from provd.base.types import Mac, is_thing, thing_key
from provd.domain.records import MASTER_TENANT, Device, DeviceState, RunState, TaskRun
from provd.domain.regions.home import Home
from provd.domain.regions.unit import Unit, UnitState
from provd.domain.tasks import TROUBLED, Kind

_NAMELESS = "unit"
_SETTLED = frozenset({RunState.DONE, RunState.CANCELLED})
_SURE = 100
"""The device itself has told of its units."""


class FirstBoots:
    """The runs of units."""

    def __init__(self, fleet: Fleet, tasks: TaskBook) -> None:
        self._fleet = fleet
        self._tasks = tasks

    @staticmethod
    def key(unit: Unit) -> Mac:
        """The key of a unit among the devices."""
        name = str(unit.details.get("name", "")) or _NAMELESS
        return thing_key(unit.type or _NAMELESS, name, f"{unit.device_id}:{unit.unit_id}"[-255:])

    async def begin(self, unit: Unit, home: Home) -> None:
        """See to it that it has the runs that it is to have. Raises StorageError."""
        key = self.key(unit)
        if self._fleet.tables.device(key) is None and self._tasks.rules.of(self._device(unit, home)):
            await self._fleet.change(lambda: [Put(self._device(unit, home))])

    def _device(self, unit: Unit, home: Home) -> Device:
        tenant = home.tenant if self._fleet.tables.tenant(home.tenant) is not None else MASTER_TENANT
        return Device(
            mac=self.key(unit),
            vendor=unit.type or _NAMELESS,
            model=str(unit.details.get("name", "")) or _NAMELESS,
            version=str(unit.details.get("sw", "")),
            serial=unit.unit_id,
            confidence=_SURE,
            state=DeviceState.ACTIVATED,
            tenant=tenant,
            description=f"part of {unit.device_id}",
            first_seen=unit.since,
            last_seen=unit.since,
        )

    def standing(self, unit: Unit) -> tuple[UnitState, str]:
        """What its runs make of it: still REGISTERED, ACTIVE, or FAILED with the reason."""
        runs = self._first(self._fleet.tables.runs_of(self.key(unit)))
        failed = next((run for run in runs if run.state in TROUBLED), None)
        if failed is not None:
            return UnitState.FAILED, f"{failed.id}: {failed.reason}"
        settled = all(run.state in _SETTLED for run in runs)
        return (UnitState.ACTIVE, "") if settled else (UnitState.REGISTERED, "")

    def _first(self, runs: Iterable[TaskRun]) -> list[TaskRun]:
        """Those that are there to be done once."""
        kinds = {template.id: template.kind for template in self._tasks.rules}
        return [run for run in runs if kinds.get(run.template) is Kind.ONETIME]

    def ownerless(self) -> bool:
        """Whether any of them may be the master's: what is no phone and is the master's may be one."""
        devices = self._fleet.tables.devices.values()
        return any(device.tenant == MASTER_TENANT and is_thing(device.mac) for device in devices)

    async def give(self, units: Sequence[Unit], tenant: str) -> int:
        """Their device's tenant is there now: it has those of them that are the master's. Gives how many. Raises
        StorageError."""
        given: list[Change] = []

        def plan() -> list[Change]:
            found = (self._fleet.tables.device(self.key(unit)) for unit in units)
            theirs = (device for device in found if device is not None and device.tenant == MASTER_TENANT)
            given[:] = [Put(replace(device, tenant=tenant)) for device in theirs]
            return given

        await self._fleet.change(plan)
        return len(given)

    async def forget(self, units: Sequence[Unit]) -> None:
        """Their device has gone: they go with it. Raises StorageError."""

        def plan() -> list[Change]:
            found = (self._fleet.tables.device(self.key(unit)) for unit in units)
            return [Delete(device) for device in found if device is not None]

        await self._fleet.change(plan)
