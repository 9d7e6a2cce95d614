"""By whatever door a phone becomes known: its type's runs are written in the transaction of its own row.

The doors of devices that fetch a key, another region's among them, are in ``tests/storage/test_thing_devices.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from provd.app.site import Site
from provd.domain.records import Device, TaskRun
from provd.domain.rulebook import Rulebook
from provd.plugin import PnpAdvice
from provd.sip.pnp import Arrival, Asked, Words
from tests.app.dialing_kit import Floor, phone
from tests.app.fakes import ACME, BOLT, BOLTS, PHONE, SERVER, MemoryJournal, World, line, tenant
from tests.app.tasks.kit import FIRST_BOOT
from tests.app.test_admin import Office
from tests.app.test_importing import BASE, DEVICE, OWN

ACMES = Rulebook((replace(FIRST_BOOT, devices=("Acme/*",)),))
SEEN = Rulebook((replace(FIRST_BOOT, devices=("Acme/*",), seen=True),))
OPEN = Site(secrets="open")


class House:
    """A site with all doors. ``office`` is the one of its administrator."""

    def __init__(self, *records: object, rules: Rulebook = ACMES) -> None:
        self.office = Office(*records, site=OPEN, rules=rules)
        self.world = self.office.world
        pnp = PnpAdvice(("acme",), "{base}/", r"(?P<model>\w+)")
        self.world.catalogue.manifests = (replace(ACME, pnp=pnp), BOLTS)
        self.world.catalogue.revision += 1

    async def dhcp(self) -> None:
        self.world.dhcp(PHONE, "10.0.0.9")

    async def http(self) -> None:
        await self.world.fetch(f"/{PHONE}.cfg", user_agent=f"Acme A1/1.0 {PHONE}")

    async def tftp(self) -> None:
        await self.world.fetch(f"{PHONE}.cfg", via="tftp")

    async def multicast(self) -> None:
        arrival = Arrival(("10.0.0.9", 5060), "eth1", 2, SERVER)
        asked = Asked(PHONE, Words("ua-profile", vendor="acme", model="A1", version="2.1"), "", arrival)
        assert self.world.boot.welcoming.asked(asked, 5.0).url
        self.world.boot.welcoming.told(asked, 5.0)

    async def added(self) -> None:
        await self.office.do("device.add", mac=PHONE, model="A1")

    async def sheet(self) -> None:
        await self.office.do("device.import", csv=f"mac,vendor,model\n{PHONE},Acme,A1\n{BOLT},Bolt,B9\n")

    async def wazo(self) -> None:
        await self.office.do("import.wazo", devices=[DEVICE], configs=[BASE, OWN])


DOORS: dict[str, Callable[[House], Awaitable[None]]] = {
    "a DHCP sighting": House.dhcp,
    "a file over HTTP": House.http,
    "a file over TFTP": House.tftp,
    "multicast PnP": House.multicast,
    "the API and the command line": House.added,
    "the phones' CSV import": House.sheet,
    "another server's phones": House.wazo,
}


def together(world: World) -> list[str]:
    """The runs of the phone, all of which are in one transaction with the row that brought them."""
    journal = world.journal
    assert isinstance(journal, MemoryJournal)
    batches = [[change.record for change in batch] for batch in journal.batches]
    born = [
        {record.id for record in batch if isinstance(record, TaskRun)}
        for batch in batches
        if any(isinstance(record, Device) and record.mac == PHONE for record in batch)
    ]
    runs = sorted(run.id for run in world.fleet.tables.runs_of(PHONE))
    assert [ids for ids in born if ids] == ([set(runs)] if runs else []), "once, with the device, and never again"
    assert sum(isinstance(record, TaskRun) for batch in batches for record in batch) == len(runs)
    return runs


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
async def test_by_every_door_a_device_gets_its_types_tasks_with_its_own_row(door) -> None:
    house = House()
    await door(house)
    assert house.world.device(PHONE).vendor == "Acme"
    assert together(house.world) == [f"boot:1:{PHONE}:1"]
    # However it comes again, nothing begins anew.
    for again in (House.dhcp, House.http, House.multicast):
        await again(house)
    assert together(house.world) == [f"boot:1:{PHONE}:1"]


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
async def test_what_was_only_announced_waits_for_its_first_contact(door) -> None:
    house = House(rules=SEEN)
    await door(house)
    announced = door in (House.added, House.sheet, House.wazo)
    assert bool(together(house.world)) is not announced
    await house.dhcp()
    assert together(house.world) == [f"boot:1:{PHONE}:1"]


@pytest.mark.parametrize("rules", [ACMES, SEEN])
async def test_a_dialed_code_may_be_the_first_that_is_heard_of_an_announced_phone(rules) -> None:
    journal = MemoryJournal(tenant(), line(), phone(1, first_seen=0.0))
    world = World(journal, rules=rules)
    floor = Floor(journal=journal, world=world)
    list(world.tasks.open(alone=True))
    announced = bool(world.fleet.tables.runs_of(PHONE))
    assert announced == (rules is ACMES)
    _, digits = floor.code()
    await floor.dials(phone(1), digits)
    assert world.device(PHONE).first_seen == world.clock.now()
    assert [run.id for run in world.fleet.tables.runs_of(PHONE)] == [f"boot:1:{PHONE}:1"]
    if not announced:
        kinds = {type(change.record).__name__ for change in floor.journal.batches[-1]}
        assert {"Device", "TaskRun", "Redemption"} <= kinds
