"""Codes on a real database: of two daemons one gives a use away, and a deleted tenant is nowhere in any table."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from provd.app.admin import Admin, Caller
from provd.app.codes.office import Office
from provd.app.dialing import Answer, Dial, Outcome
from provd.app.ports import Put
from provd.domain.records import AuditEntry, Code, Device, PendingResync, Redemption
from provd.storage.session import make_engine, parse_url
from provd.storage.store import Store
from provd.storage.tables import METADATA
from tests.app.dialing_kit import KEY, TERMS, phone
from tests.app.fakes import World, line, tenant
from tests.storage.conftest import Place


class Daemon:
    """What a daemon has behind its edges, on a real store."""

    def __init__(self, store: Store) -> None:
        self.world = World(store)  # type: ignore[arg-type]
        self.fleet = self.world.fleet
        self.office = Office(
            station=self.world.boot.station,
            key=KEY,
            terms=TERMS,
            clock=self.world.clock,
            emit=self.world.facts.append,
        )
        self.admin = Admin(
            fleet=self.fleet,
            boot=self.world.boot,
            clock=self.world.clock,
            emit=self.world.facts.append,
            zone=lambda _: None,
            codes=self.office,
        )

    async def do(self, operation: str, **params: object) -> Any:
        return await self.admin.call(operation, params, Caller(name="test"))

    async def dials(self, device: Device, digits: str) -> Answer:
        account = self.world.tokens.account(device.mac).username
        return await self.office.desk.dial(Dial(digits=digits, via="sip", account=account, peer="10.0.0.9"))


async def furnished(store: Store, *records: Any) -> Daemon:
    daemon = Daemon(store)
    await daemon.fleet.change(lambda: [Put(record) for record in (tenant(), tenant("south"), line(), *records)])
    return daemon


async def test_of_a_hundred_phones_one_gets_the_line_also_on_disk(place: Place) -> None:
    phones = [phone(number) for number in range(100)]
    daemon = await furnished(place.open(), *phones)
    made = await daemon.do("code.add", line="n1")
    answers = await asyncio.gather(*(daemon.dials(each, made["code"]) for each in phones))
    (winner,) = (answer.mac for answer in answers if answer.good)
    again = place.reopen()
    assert [device.mac for device in again.load(Device) if device.lines] == [winner]
    assert [(use.mac, use.number) for use in again.load(Redemption)] == [(winner, 1)]
    assert [note.mac for note in again.load(PendingResync)] == [winner]
    assert [(code.uses, code.used) for code in again.load(Code)] == [(0, 1)]
    assert [entry.object for entry in again.audit(kind="device")] == [winner]


async def test_after_a_restart_the_codes_are_the_same(place: Place) -> None:
    daemon = await furnished(place.open(), phone(1))
    made = await daemon.do("code.add", line="n1")
    after = Daemon(place.reopen())
    assert (await after.dials(phone(1), made["code"])).good
    assert (await after.do("code.show", id=made["id"]))["state"] == "used-up"


@pytest.mark.peer
async def test_two_daemons_on_one_database_give_a_use_away_once(postgres_place: Place) -> None:
    one = await furnished(postgres_place.open(), phone(1), phone(2))
    made = await one.do("code.add", line="n1")
    two = Daemon(postgres_place.open())
    heard = await asyncio.gather(one.dials(phone(1), made["code"]), two.dials(phone(2), made["code"]))
    assert sorted(answer.outcome for answer in heard) == [Outcome.ACCEPTED, Outcome.USED_UP]
    store = postgres_place.reopen()
    (use,) = store.load(Redemption)
    assert [device.mac for device in store.load(Device) if device.lines] == [use.mac]


async def test_a_deleted_tenant_is_in_no_table(place: Place) -> None:
    daemon = await furnished(place.open(), phone(1), phone(2), line("s1", "south"), line("s2", "south"))
    await daemon.do("profile.add", id="of-south", level="tenant", applies_to="south", settings={"ntp.server": "x"})
    await daemon.do("token.add", name="ci", tenant="south")
    made = await daemon.do("code.add", line="s1")
    await daemon.do("code.add", line="s2")
    assert (await daemon.dials(phone(1), made["code"])).good
    await daemon.do("device.set", mac=phone(1).mac, settings={"vlan.id": 7})
    for wrong in ("1", "2"):
        await daemon.dials(phone(1), wrong)
        daemon.world.clock.pass_(10.0)
    await daemon.do("tenant.delete", id="south")
    await daemon.fleet.change(lambda: [Put(AuditEntry(at=1.0, by="t", action="end", kind="end", object="end"))])
    assert rows_with(place, "south") == {"audit"}
    assert Daemon(place.reopen()).fleet.tables.devices[phone(1).mac].tenant == "master"


def rows_with(place: Place, word: str) -> set[str]:
    """The tables in which a value holds this word."""
    engine = make_engine(parse_url(place.url, place.state_dir))
    try:
        with engine.connect() as connection:
            return {
                table.name
                for table in METADATA.sorted_tables
                for row in connection.execute(select(table))
                if any(word in str(value) for value in row)
            }
    finally:
        engine.dispose()
