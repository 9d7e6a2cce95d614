"""The units of a device prove that they are there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

from provd.app.regions.ports import Book, Ledger
from provd.base.errors import StorageError
from provd.base.facts import FactSink
from provd.base.facts.regions import DeviceReady
from provd.domain.regions import unit
from provd.domain.regions.codes import Code, Wrong
from provd.domain.regions.home import Home, HomeState
from provd.domain.regions.messages import Answer, Message
from provd.domain.regions.unit import Unit, UnitState

AT_ONCE = 100
LOOK = 5.0
"""Seconds between two looks when nothing has called."""
_AT_HOME = frozenset({HomeState.PROVISIONED, HomeState.ACTIVE})


def challenge(book: Book, home: Home, nonce: str, now: float) -> Answer:
    """A nonce for the units that have not proved themselves. Raises Wrong."""
    units = _units(book, home)
    book.put_units(unit.challenged(units, nonce, now))
    shown = [{"id": each.unit_id, "state": each.state.value} for each in units]
    return Answer(body={"nonce": nonce, "nonce_seconds": int(unit.NONCE_SECONDS), "chipsets": shown})


def shown(book: Book, home: Home, message: Message, now: float) -> Answer:
    """The answer to the proofs. Raises Wrong."""
    units = _units(book, home)
    changed, wrong = unit.registered(home, units, _proofs(message), now)
    book.put_units(changed)
    after = {each.unit_id: each for each in (*units, *changed)}
    told = [{"id": name, "state": each.state.value, "error": name in wrong} for name, each in sorted(after.items())]
    return Answer(body={"chipsets": told, "lifecycle_state": home.state.value})


def _units(book: Book, home: Home) -> list[Unit]:
    if home.state not in _AT_HOME:
        raise Wrong(Code.NOT_FOUND, "the device is not provisioned here")
    return list(book.units(home.device_id))


def _proofs(message: Message) -> dict[str, str]:
    given = message.body.get("chipsets")
    if not isinstance(given, list):
        raise Wrong(Code.FIELD, "chipsets: is a list of objects with id and proof")
    proofs: dict[str, str] = {}
    for each in given:
        name, proof = (each.get("id"), each.get("proof")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(proof, str) or name in proofs:
            raise Wrong(Code.FIELD, "chipsets: each has an id of its own and a proof")
        proofs[name] = proof
    return proofs


class Onboarding:
    """Sees to it that devices become active when all of their units are; and to requests of many devices.

    ``enrol`` registers some of these, and says whether there were any.
    """

    def __init__(
        self, ledger: Ledger, enrol: Callable[[], Awaitable[bool]], now: Callable[[], float], emit: FactSink
    ) -> None:
        self._ledger = ledger
        self._enrol = enrol
        self._now = now
        self._emit = emit
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A device or a unit has moved on."""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._woken.clear()
            more = False
            with contextlib.suppress(StorageError):  # the store has told of itself
                more = await self._enrol()
                more = await self.settle() == AT_ONCE or more
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOK)

    async def settle(self) -> int:
        """Devices all of whose units are active are active themselves; gives how many. Raises StorageError."""
        now = self._now()

        def work(book: Book) -> list[Home]:
            book.put_units([replace(each, state=UnitState.ACTIVE, since=now) for each in book.registered(AT_ONCE)])
            ready = [replace(home, state=HomeState.ACTIVE, since=now) for home in book.settled(AT_ONCE)]
            for home in ready:
                book.save(replace(home, state=HomeState.PROVISIONED), home)
            return ready

        found = await self._ledger.change((), work)
        for home in found:
            self._emit(DeviceReady(at=now, device=home.device_id, epoch=home.epoch, tenant=home.tenant))
        return len(found)
