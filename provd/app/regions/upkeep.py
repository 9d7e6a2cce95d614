"""What goes on by itself where devices are at home: their units are seen to, and requests of many devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from provd.app.regions.first_boot import FirstBoots
from provd.app.regions.owners import Owners
from provd.app.regions.ports import Book, Ledger, Reading
from provd.base.errors import StorageError
from provd.base.facts import Fact, FactSink
from provd.base.facts.regions import DeviceReady
from provd.base.facts.tasks import TaskCancelled, TaskDone, TaskFailed
from provd.domain.regions.home import STUCK, Home, HomeState
from provd.domain.regions.unit import Unit, UnitState

AT_ONCE = 100
MOST_STUCK = 10_000
"""So far they are counted."""
LOOK, ALL = 5.0, 60.0
"""Seconds between two looks when nothing has called, and between two looks at everything."""
_ON_THEIR_WAY = frozenset({UnitState.REGISTERED, UnitState.FAILED})


class Upkeep:
    """Sees to it that units get their first-boot runs, that devices become active when all of their units are, and to
    requests of many devices.

    ``enrol`` registers some of these, and says whether there were any.
    """

    HEARD: ClassVar = frozenset[type[Fact]]({TaskDone, TaskFailed, TaskCancelled})
    """The facts that it reads."""

    def __init__(
        self,
        ledger: Ledger,
        boots: FirstBoots,
        enrol: Callable[[], Awaitable[bool]],
        now: Callable[[], float],
        emit: FactSink,
    ) -> None:
        self._ledger = ledger
        self._boots = boots
        self._enrol = enrol
        self._now = now
        self._emit = emit
        self._woken = asyncio.Event()
        self._known: dict[str, tuple[str, str]] = {}
        self._moved: set[tuple[str, str]] = set()
        self._states: Mapping[str, float] = {}
        self.owners: Owners | None = None
        """Is asked to look for tenants that have appeared."""

    def states(self) -> Mapping[str, float]:
        """How many devices are in which state, and how many are ``stuck``; at most a minute old."""
        return self._states

    def wake(self) -> None:
        """A device or a unit has moved on."""
        self._woken.set()

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Read facts: a run of a unit may have come to its end."""
        for fact in facts:
            if isinstance(fact, TaskDone | TaskFailed | TaskCancelled) and fact.mac in self._known:
                self._moved.add(self._known[fact.mac])
                self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        whole = 0.0
        while True:
            self._woken.clear()
            more = False
            with contextlib.suppress(StorageError):  # the store has told of itself
                if self._now() >= whole:
                    # What happened to a run while nobody listened: before the last start, or at another daemon.
                    await self.look_at_all()
                    self._states = await self._ledger.read(partial(_counted, self._now()))
                    whole = self._now() + ALL
                more = await self._enrol()
                await self.look_at_new()
                more = await self.settle() == AT_ONCE or more
                if self.owners is not None:
                    await self.owners.look()
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOK)

    async def look_at_all(self) -> None:
        """Every unit that is on its way. Raises StorageError."""
        after = ("", "")
        while True:
            found = await self._ledger.read(partial(_unready, after))
            await self._look(found)
            if len(found) < AT_ONCE:
                return
            after = (found[-1].device_id, found[-1].unit_id)

    async def look_at_new(self) -> None:
        """The units that have proved themselves last, and those whose runs have ended. Raises StorageError."""
        moved, self._moved = self._moved, set()

        def work(book: Reading) -> list[Unit]:
            ended = [unit for device, _ in moved for unit in book.units(device) if (device, unit.unit_id) in moved]
            return [*book.registered(AT_ONCE), *ended]

        await self._look(await self._ledger.read(work))

    async def _look(self, units: Sequence[Unit]) -> None:
        changed: dict[str, list[Unit]] = {}
        for unit in units:
            if unit.state not in _ON_THEIR_WAY:
                continue
            home = await self._ledger.read(partial(_home, unit.device_id))
            if home is None:
                continue
            self._known[self._boots.key(unit)] = (unit.device_id, unit.unit_id)
            await self._boots.begin(unit, home)
            state, reason = self._boots.standing(unit)
            if (state, reason) != (unit.state, unit.reason):
                now = replace(unit, state=state, reason=reason, since=self._now())
                changed.setdefault(unit.device_id, []).append(now)
        for device, found in changed.items():
            await self._ledger.change((device,), partial(_advanced, found))

    async def departed(self, units: Sequence[Unit]) -> None:
        """Units of a device that has gone. Raises StorageError."""
        for unit in units:
            self._known.pop(self._boots.key(unit), None)
        await self._boots.forget(units)

    async def settle(self) -> int:
        """Devices all of whose units are active are active themselves; gives how many. Raises StorageError."""
        now = self._now()

        def work(book: Book) -> list[Home]:
            ready = [replace(home, state=HomeState.ACTIVE, since=now) for home in book.settled(AT_ONCE)]
            for home in ready:
                book.save(replace(home, state=HomeState.PROVISIONED), home)
            return ready

        found = await self._ledger.change((), work)
        for home in found:
            self._emit(DeviceReady(at=now, device=home.device_id, epoch=home.epoch, tenant=home.tenant))
        return len(found)


def _counted(now: float, book: Reading) -> Mapping[str, float]:
    found: dict[str, float] = {"stuck": float(len(book.stuck(now - STUCK, MOST_STUCK)))}
    for state, _, number in book.counts():
        found[state] = found.get(state, 0.0) + number
    return found


def _unready(after: tuple[str, str], book: Reading) -> Sequence[Unit]:
    return book.unready(after, AT_ONCE)


def _home(device_id: str, book: Reading) -> Home | None:
    return book.home(device_id)


def _advanced(units: Sequence[Unit], book: Book) -> None:
    """Units that are still there and have not been told of anew."""
    there = {unit.unit_id: unit for unit in book.units(units[0].device_id)}
    book.put_units([unit for unit in units if unit.unit_id in there and there[unit.unit_id].state in _ON_THEIR_WAY])
