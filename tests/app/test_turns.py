"""Whoever lists a whole fleet lets the phones in between: counted in turns of the event loop, not in milliseconds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from provd.app.admin import Caller
from provd.app.admin.params import Args
from provd.app.admin.views import page
from provd.app.turns import AGAIN, AT_A_TIME, in_turns, pause_for, persevere
from provd.base.types import Mac
from provd.domain.records import Device
from tests.app.fakes import tenant
from tests.app.test_admin import Office
from tests.kit.loop import VirtualLoop, in_virtual_time

FLEET = 2000
SITE = Caller(name="site's")


class Turns:
    """How many records were looked at in each turn of the event loop."""

    def __init__(self) -> None:
        self._number = 0
        self.looks: Counter[int] = Counter()

    def look(self) -> None:
        self.looks[self._number] += 1

    async def count(self, work: Awaitable[object]) -> object:
        task = asyncio.ensure_future(work)
        while not task.done():
            self._number += 1
            await asyncio.sleep(0)
        return task.result()


@pytest.fixture(scope="module")
def office() -> Office:
    devices = (
        Device(mac=Mac(f"02aaaa{i:06x}"), tenant="north" if i % 2 else "master", description=f"desk {i}")
        for i in range(FLEET)
    )
    return Office(tenant(), *devices)


def counting(office: Office, turns: Turns) -> Callable[[], None]:
    """Have the list of devices count each record that is read, and each that is shown."""
    before = office.admin.collections["devices"]

    def records(caller: Caller):
        for device in before.records(caller):
            turns.look()
            yield device

    def view(device: Device, caller: Caller) -> dict[str, object]:
        turns.look()
        return before.view(device, caller)

    office.admin.collections["devices"] = replace(before, records=records, view=view)

    def undo() -> None:
        office.admin.collections["devices"] = before

    return undo


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"q": "desk nowhere"},
        {"sort": "-description", "limit": "1000"},
        {"description__contains": "1", "sort": "last_seen"},
    ],
)
async def test_a_list_looks_at_few_records_between_two_turns(office, params):
    turns = Turns()
    undo = counting(office, turns)
    try:
        await turns.count(office.admin.select("devices", params.items(), SITE))
    finally:
        undo()
    assert sum(turns.looks.values()) >= FLEET
    assert max(turns.looks.values()) <= 2 * AT_A_TIME  # the last lot that is read, and the first that is shown


async def test_a_list_of_the_command_line_does_so_too():
    turns = Turns()

    def key(number: int) -> str:
        turns.look()
        return f"{number:06}"

    found = await turns.count(page(range(FLEET), Args({"limit": 1000}), key, lambda number: {"id": number}))
    assert (found["total"], found["next"], found["items"][-1]) == (FLEET, "000999", {"id": 999})
    # Each record's key is asked for twice: whether it comes after, and in which order.
    assert max(turns.looks.values()) <= 1001 + 3 * AT_A_TIME


async def test_a_fleet_that_changes_meanwhile_does_not_end_a_list(office):
    tables = office.world.fleet.tables
    listing = asyncio.ensure_future(office.admin.select("devices", (), SITE))
    await asyncio.sleep(0)
    tables.put(Device(mac=Mac("02bbbb000000"), description="new"))
    tables.remove(Device(mac=Mac("02aaaa000001")))
    assert (await listing).total == FLEET
    tables.put(Device(mac=Mac("02aaaa000001"), tenant="north", description="desk 1"))
    tables.remove(Device(mac=Mac("02bbbb000000")))


@pytest.mark.parametrize("size", [0, 1, AT_A_TIME - 1, AT_A_TIME, AT_A_TIME + 1, 3 * AT_A_TIME])
async def test_all_records_come_once_and_in_their_order(size):
    lots = [lot async for lot in in_turns(range(size))]
    assert [number for lot in lots for number in lot] == list(range(size))
    assert all(len(lot) <= AT_A_TIME for lot in lots)


async def test_a_pause_ends_with_its_event_or_its_time() -> None:
    event = asyncio.Event()
    await pause_for(event, 0)
    assert not event.is_set()
    event.set()
    await pause_for(event, 3600)


def test_a_defect_is_told_and_the_work_goes_on_a_while_later() -> None:
    told: list[str] = []
    began: list[float] = []

    async def persevering(loop: VirtualLoop) -> None:
        async def work() -> None:
            began.append(loop.time())
            if len(began) < 3:
                raise RuntimeError("once more")

        await persevere(work, lambda error: told.append(str(error)))

    in_virtual_time(persevering)
    assert told == ["once more"] * 2
    assert [at - began[0] for at in began] == [0, AGAIN, 2 * AGAIN]


def test_who_is_told_to_end_ends() -> None:
    async def cancelled(_loop: VirtualLoop) -> None:
        task = asyncio.create_task(persevere(asyncio.Event().wait, lambda error: pytest.fail(str(error))))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_virtual_time(cancelled)
