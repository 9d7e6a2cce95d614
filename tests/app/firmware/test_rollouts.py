"""A version for many phones, ring by ring; phones that come back, that do not, and that come back as they were."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from provd.app.admin import Admin, Caller
from provd.app.firmware.choosing import Images
from provd.app.firmware.rollouts import AT_ONCE, Rollouts
from provd.app.ports import Delete
from provd.app.resync.notes import Notes
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.types import Mac
from provd.domain.records import Device, Profile
from provd.domain.rollouts import order
from tests.app.fakes import tenant
from tests.app.firmware.depot import held
from tests.app.packages.shelf import acme_shelf, shop_of
from tests.app.test_admin import Office
from tests.kit.patience import PATIENCE

MACS = [Mac(f"02aaaa0001{number:02x}") for number in range(20)]


def phone(mac: Mac, **more: object) -> Device:
    plain = {"plugin": "acme", "vendor": "Acme", "model": "A1", "version": "1.9b", "last_seen": 1.0, "confidence": 90}
    return Device(mac=mac, **{**plain, **more})


class House(Office):
    """An office with twenty phones, versions 1.9b, 2.0 and 2.1 of their firmware, and rollouts."""

    def __init__(self, *records: object, **more: float) -> None:
        super().__init__(*(records or (tenant(), tenant("south"), *(phone(mac) for mac in MACS))))
        world = self.world
        world.depot.here += [held("1.9b"), held("2.0"), held("2.1")]
        self.notes = Notes(world.fleet, world.boot.station.knowledge, world.clock)
        images = Images(world.depot)
        self.book = Rollouts(world.fleet, images, self.notes, world.clock, world.facts.append, **more)
        shop = shop_of(world, acme_shelf())
        assert shop.warehouse is not None
        shop.warehouse.needed = lambda each: self.book.needed(each.name, each.version)
        self.admin = Admin(
            fleet=world.fleet,
            boot=world.boot,
            clock=world.clock,
            emit=world.facts.append,
            zone=lambda _: {},
            shop=shop,
            rollouts=self.book,
        )

    async def add(self, name: str = "spring", **more: object) -> None:
        await self.do("rollout.add", id=name, **{"package": "acme-a1", "version": "2.0", **more})

    async def begun(self, **more: object) -> None:
        await self.add(**more)
        await self.do("rollout.start", id="spring")
        await self.book.step()

    def come_back(self, *macs: Mac, version: str = "2.0") -> None:
        for mac in macs:
            device, now = self.world.device(mac), self.world.clock.now()
            self.world.fleet.note(replace(device, version=version, last_seen=now, last_boot=now), now)

    @property
    def given(self) -> list[Mac]:
        """Devices that are to run 2.0."""
        devices = self.world.fleet.tables.devices.values()
        return [device.mac for device in devices if device.settings.get("firmware.version") == "2.0"]

    async def state(self) -> tuple[str, str, int, int]:
        shown = await self.do("rollout.show", id="spring")
        return shown["state"], shown["ring"], shown["on"], shown["of"]


async def test_ring_after_ring_to_the_last_one():
    house = House()
    await house.begun(rings=["pilot=10", "rest=100"])
    pilots = order(MACS)[:2]
    assert sorted(house.given) == sorted(pilots)
    assert await house.state() == ("running", "pilot", 0, 20)
    bumped = {mac for mac in MACS if house.world.device(mac).revision > 1}
    assert bumped == set(pilots), "nobody else's file is another one"
    assert {note.mac for note in house.world.fleet.tables.resyncs.values()} == set(pilots)
    house.come_back(pilots[0])
    await house.book.step()
    assert len(house.given) == 2
    house.come_back(pilots[1])
    await house.book.step()
    assert await house.state() == ("running", "rest", 2, 20)
    assert len(house.given) == 20
    house.come_back(*MACS)
    await house.book.step()
    assert await house.state() == ("done", "rest", 20, 20)
    told = [(fact.ID, getattr(fact, "state", "")) for fact in house.world.facts if fact.ID.startswith("ROLLOUT")]
    assert [state for name, state in told if name == "ROLLOUT-MOVED"] == ["running", "running", "done"]
    assert sum(name == "ROLLOUT-GIVEN" for name, _ in told) == 20
    assert sum(name == "ROLLOUT-REACHED" for name, _ in told) == 20


async def test_phones_that_come_back_together_cost_no_look_each():
    house = House(gather=60.0)
    await house.begun(rings=["pilot=50", "rest=100"], tolerance=0)
    step, looks = house.book.step, []

    async def counted() -> None:
        looks.append(len(house.given))
        await step()

    house.book.step = counted
    running = asyncio.create_task(house.book.run())
    for mac in order(MACS)[:10]:
        for _ in range(10):
            await asyncio.sleep(0)
        house.come_back(mac)
    for _ in range(10):
        await asyncio.sleep(0)
    assert looks == [10]
    # Whoever asks for something waits for no phone.
    house.book.moved(house.world.fleet.tables.rollouts["spring"], "somebody")
    while len(looks) < 2:  # noqa: ASYNC110 - nobody is woken by it
        await asyncio.sleep(0)
    running.cancel()


async def test_phones_that_come_back_begin_the_next_ring(monkeypatch):
    monkeypatch.setattr("provd.app.firmware.rollouts.EVERY", 2 * PATIENCE)  # it is not this that makes it look
    house = House(gather=0.0)
    await house.begun(rings=["pilot=50", "rest=100"], tolerance=0)
    running = asyncio.create_task(house.book.run())
    await asyncio.sleep(0)
    house.come_back(*order(MACS)[:10])
    async with asyncio.timeout(PATIENCE):
        while len(house.given) < 20:  # noqa: ASYNC110 - nobody is woken by it
            await asyncio.sleep(0)
    running.cancel()


async def test_it_stops_by_itself_and_says_who_is_missing():
    house = House()
    await house.begun(rings=["pilot=50", "rest=100"], tolerance=10, patience="10m")
    pilots = order(MACS)[:10]
    house.come_back(*pilots[:8])
    house.come_back(pilots[8], version="1.9b")
    house.world.clock.pass_(599)
    await house.book.step()
    assert (await house.state())[0] == "running", "they still have time"
    house.world.clock.pass_(2)
    house.come_back(pilots[8], version="1.9b")
    await house.book.step()
    shown = await house.do("rollout.show", id="spring")
    assert (shown["state"], shown["reason"]) == (
        "paused",
        "of 10 in ring pilot 1 did not come back and 1 came back with another version; 10 % may",
    )
    assert {(row["mac"].replace(":", ""), row["standing"]) for row in shown["missing"]} == {
        (pilots[8], "old"),
        (pilots[9], "missing"),
    }
    assert len(house.given) == 10
    assert [fact.ID for fact in house.world.facts if fact.ID == "ROLLOUT-PAUSED"]
    # They get their time once more; one comes, and one in ten may fail.
    await house.do("rollout.resume", id="spring")
    await house.book.step()
    assert (await house.state())[:2] == ("running", "pilot")
    house.come_back(pilots[9])
    house.world.clock.pass_(601)
    house.come_back(pilots[8], version="1.9b")
    await house.book.step()
    assert (await house.state())[:2] == ("running", "rest")


async def test_more_may_fail_where_somebody_says_so():
    house = House()
    await house.begun(patience="1m")
    house.come_back(*MACS[:10])
    house.world.clock.pass_(61)
    await house.book.step()
    assert (await house.state())[0] == "paused"
    with pytest.raises(UsageError, match="tolerance: is a percentage"):
        await house.do("rollout.set", id="spring", tolerance=101)
    await house.do("rollout.set", id="spring", tolerance=50, patience="2m")
    await house.do("rollout.resume", id="spring")
    house.world.clock.pass_(121)
    await house.book.step()
    assert await house.state() == ("done", "all", 10, 20)


async def test_everybody_gets_back_what_was_before():
    house = House(
        tenant(),
        *(phone(mac) for mac in MACS[:2]),
        phone(MACS[2], version="1.5", settings={"firmware.version": "1.9b", "vlan.id": 5}),
        phone(MACS[3], version="1.5"),
    )
    await house.begun()
    house.come_back(*MACS[:4])
    await house.book.step()
    assert (await house.state())[0] == "done"
    with pytest.raises(ConflictError, match=r"2\.0 is in use"):
        await house.do("firmware.remove", name="acme-a1", version="2.0")
    await house.do("rollout.rollback", id="spring")
    await house.book.step()
    found = [house.world.device(mac).settings for mac in MACS[:4]]
    assert [settings.get("firmware.version") for settings in found] == ["1.9b", "1.9b", "1.9b", None]
    assert found[2]["vlan.id"] == 5
    # What follows later is not taken back by it.
    house.come_back(*MACS[:4], version="1.9b")
    await house.add("again")
    await house.do("rollout.start", id="again")
    await house.book.step()
    assert len(house.given) == 4
    await house.do("rollout.abort", id="again")
    assert len(house.given) == 4, "who has it keeps it"
    await house.do("rollout.delete", id="again")
    await house.do("rollout.delete", id="spring")
    assert house.world.fleet.tables.in_rollout("spring") == ()


async def test_a_rollback_says_for_whom_there_is_no_way_back():
    house = House(
        tenant(),
        phone(MACS[0]),
        phone(MACS[1], version="1.8"),
        phone(MACS[2], version="1.8", settings={"firmware.version": "1.9b"}),
        phone(MACS[3], version=""),
        phone(MACS[4], version="1.7"),
    )
    await house.begun()
    house.come_back(*MACS[:4])  # The last one has not installed anything yet, and has nothing to go back from.
    await house.do("rollout.rollback", id="spring")
    reason = "2 stay on 2.0: what they ran before is not here (1.8, an unknown version)"
    assert (await house.do("rollout.show", id="spring"))["reason"] == reason
    assert [fact.reason for fact in house.world.facts if fact.ID == "ROLLOUT-STUCK"] == [reason]
    await house.book.step()
    found = [house.world.device(mac).settings.get("firmware.version") for mac in MACS[:5]]
    assert found == ["1.9b", None, "1.9b", None, None]


async def test_a_rollback_that_is_under_way_is_not_forgotten():
    house = House()
    await house.begun()
    await house.do("rollout.rollback", id="spring")
    with pytest.raises(ConflictError, match="20 devices have not been given back"):
        await house.do("rollout.delete", id="spring")
    await house.book.step()
    assert house.given == []
    await house.do("rollout.delete", id="spring")


async def test_a_rollback_ends_with_the_rollout():
    phones = [phone(Mac(f"02aaaa0002{number:02x}"), tenant="north") for number in range(AT_ONCE + 1)]
    house = House(tenant(), tenant("south"), *phones)
    await house.begun()
    await house.do("rollout.rollback", id="spring")
    tables, change, changes = house.world.fleet.tables, house.world.fleet.change, []

    async def meddled(plan: object) -> object:
        changes.append(await change(plan))
        if len(changes) == 1:  # The second lot is still to come.
            gone = [Delete(tables.rollouts["spring"]), *(Delete(member) for member in tables.in_rollout("spring"))]
            await change(lambda: gone)
        return changes[-1]

    house.world.fleet.change = meddled
    await house.book.step()
    assert (len(changes), tables.in_rollout("spring")) == (2, ())


async def test_a_restart_in_the_midst_of_it():
    house = House()
    await house.begun(rings=["pilot=10", "rest=100"])
    house.come_back(*order(MACS)[:2])
    house.world.fleet.flush(house.world.clock.now())
    again = House(*house.world.journal.records.values())
    assert await again.state() == ("running", "pilot", 2, 20)
    await again.book.step()
    assert await again.state() == ("running", "rest", 2, 20)


async def test_what_is_paused_aborted_or_somebody_elses_stays_as_it_is():
    house = House()
    await house.begun(rings=["pilot=10", "rest=100"])
    await house.do("rollout.pause", id="spring")
    house.come_back(*order(MACS)[:2])
    await house.book.step()
    assert len(house.given) == 2
    with pytest.raises(ConflictError, match="it is paused"):
        await house.do("rollout.pause", id="spring")
    with pytest.raises(ConflictError, match="only one that is planned"):
        await house.do("rollout.start", id="spring")
    with pytest.raises(ConflictError, match="abort it or roll it back"):
        await house.do("rollout.delete", id="spring")
    # A phone that is busy with it is no other rollout's, and one that changes hands is nobody's.
    await house.add("other", devices=[order(MACS)[0]])
    with pytest.raises(ConflictError, match="another rollout is busy"):
        await house.do("rollout.start", id="other")
    await house.do("device.transfer", mac=order(MACS)[0], tenant="south")
    shown = await house.do("rollout.show", id="spring")
    assert [row["standing"] for row in shown["missing"]] == ["withdrawn"]
    assert shown["of"] == 19
    assert house.world.device(order(MACS)[0]).settings == {}


async def test_whom_it_is_for():
    house = House(
        tenant(),
        tenant("south"),
        Profile(id="desk"),
        phone(MACS[0], tenant="north", profile="desk"),
        phone(MACS[1], tenant="south"),
        phone(MACS[2], model="A1G"),
        phone(MACS[3], plugin="bolt"),
        phone(MACS[4], version="1.5"),
    )
    for name, more, count in (
        ("a", {}, 4),
        ("b", {"tenant": "south"}, 1),
        ("c", {"profile": "desk"}, 1),
        ("d", {"models": ["a1g"]}, 1),
        ("e", {"devices": [MACS[0], MACS[2]]}, 2),
    ):
        await house.add(name, **more)
        assert (await house.do("rollout.show", id=name))["of"] == count, name
    for more, reason in (
        ({"version": "9.9"}, "there is no acme-a1 9.9 here"),
        ({"models": ["B9"]}, "B9 is none of A1, A1G"),
        ({"rings": ["x=50"]}, "the last ring has to be everybody"),
        ({"rings": ["x=50", "x=100"]}, "a name of its own"),
        ({"rings": ["x"]}, "is not NAME=PERCENT"),
        ({"profile": "none"}, "no profile"),
        ({"devices": ["x"]}, "devices: "),
        ({"name": "a"}, "is there already"),
    ):
        with pytest.raises((UsageError, NotFoundError, ConflictError), match=reason):
            await house.add(**{"name": "f", **more})
    # Who runs something older than the step on the way needs that one here.
    house.world.depot.here.remove(held("1.9b"))
    house.world.depot.stamp += 1
    with pytest.raises(ConflictError, match=r"runs 1\.5: it has to run 1\.9b before, which is not here"):
        await house.do("rollout.start", id="a")
    await house.do("rollout.start", id="b")
    with pytest.raises(ConflictError, match=r"in use: the rollout a \(planned\)"):
        await house.do("firmware.remove", name="acme-a1", version="2.0")


async def test_a_tenant_has_rollouts_of_its_own_and_for_its_own():
    house = House()
    await house.do("device.transfer", mac=MACS[0], tenant="north")
    north, south = Caller(name="n", tenant="north"), Caller(name="s", tenant="south")
    ask = {"id": "spring", "package": "acme-a1", "version": "2.0"}
    made = await house.admin.call("rollout.add", ask, north)
    assert (made["id"], made["tenant"], made["of"]) == ("spring", "north", 1)
    with pytest.raises(NotFoundError, match="no tenant 'north'"):
        await house.admin.call("rollout.add", {**ask, "tenant": "north"}, south)
    for operation in ("show", "start", "pause", "resume", "abort", "rollback", "delete", "set"):
        with pytest.raises(NotFoundError, match="there is no rollout 'north:spring'"):
            await house.admin.call(f"rollout.{operation}", {"id": "north:spring"}, south)
    assert (await house.admin.call("rollout.list", {}, south))["items"] == []
    # The same name is theirs as well; with none of their own phones there is nothing to start.
    await house.admin.call("rollout.add", ask, south)
    with pytest.raises(ConflictError, match="there is no device"):
        await house.admin.call("rollout.start", {"id": "spring"}, south)
    await house.admin.call("rollout.start", {"id": "spring"}, north)
    await house.book.step()
    assert house.given == [MACS[0]]
    # Whoever is called so next does not inherit it.
    await house.do("tenant.delete", id="north")
    assert [rollout.tenant for rollout in house.world.fleet.tables.rollouts.values()] == ["south"]
    assert house.world.fleet.tables.in_rollout("north:spring") == ()
    assert house.given == []
