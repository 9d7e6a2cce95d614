"""A region is deleted: not while devices have their home there, unless it is said where they go."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from provd.app.caller import Caller
from provd.app.regions.register import Regions
from provd.base.errors import ConflictError, NotFoundError
from provd.domain.activation.thing import Thing, ThingState
from provd.domain.regions.home import Home, HomeState, Role
from provd.domain.regions.speech import heard_octets, heard_of, said_octets, said_of
from tests.kit.federation import (
    Disk,
    DiskLedger,
    Instance,
    body_of,
    everybody_to,
    key_hash,
    key_of,
    provision,
    query,
    run,
)

SITE = Caller(name="ann")
NORTH, SOUTH = Caller(name="n", tenant="north"), Caller(name="s", tenant="south")


class World:
    """A global instance and two regions that reach each other at once."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0
        self.numbers = itertools.count(1)
        self.rules = everybody_to("eu")
        self.instances = {
            name: Instance(
                name,
                Role.GLOBAL if name == "world" else Role.REGIONAL,
                Disk(),
                lambda: self.at,
                fresh=self.fresh,
                rules=lambda: self.rules,
            )
            for name in ("world", "eu", "us")
        }
        for name, instance in self.instances.items():
            instance.disk.know(*(other for other in self.instances if other != name))
            instance.start()
        world = self.instances["world"]
        ledger = DiskLedger(world.disk, lambda _when: None)
        self.regions = Regions(ledger, world.terms, lambda: self.at, world.facts.append, self.fresh)
        world.register(Home(device_id="d", key_hash=key_hash("d"), tenant="north"))

    def fresh(self) -> str:
        return f"id-{next(self.numbers)}"

    def ask(self, make: object, place: str) -> dict[str, object]:
        octets = make("d", self.fresh(), ecu_type="UNIT")  # type: ignore[operator]
        return body_of(run(self.instances[place].desk.handle(octets, key_of("d"), "10.0.0.9")))

    def carry(self) -> None:
        """Everything that is owed, until nothing is."""
        moved = True
        while moved:
            moved = False
            for name, instance in self.instances.items():
                for outgoing, region, said in run(instance.courier.take()):
                    moved = True
                    heard = run(self.instances[region.name].neighbour.hear(said_of(said_octets(said)), name))
                    run(instance.courier.settle(outgoing, heard_of(heard_octets(heard))))
            self.at += 31.0

    def home(self, to: str) -> None:
        """The device goes to that region."""
        self.ask(query, "world")
        self.carry()
        self.ask(provision, to)
        self.carry()

    def close(self, name: str, to: str = "", *, lost: bool = False) -> int:
        return run(self.regions.remove(name, to, SITE, lost=lost))

    def state(self, name: str) -> HomeState | None:
        home = self.instances[name].home("d")
        return None if home is None else home.state


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    for instance in made.instances.values():
        instance.disk.close()


def test_devices_leave_a_region_by_way_of_who_has_them_and_then_it_is_deleted(world: World) -> None:
    world.home("eu")
    run(world.regions.list_homes({"d": "eu"}, SITE))
    with pytest.raises(ConflictError, match="1 devices are at home there"):
        world.close("eu")
    with pytest.raises(NotFoundError, match="no other region"):
        world.close("eu", "eu")
    with pytest.raises(NotFoundError):
        world.close("none")
    assert world.close("eu", "us") == 1
    world.carry()
    assert world.state("eu") is HomeState.REGIONAL
    assert world.close("eu", "us") == 1, "it has not come yet"
    world.carry()
    world.ask(provision, "us")
    world.carry()
    assert (world.state("eu"), world.state("us")) == (None, HomeState.PROVISIONED)
    assert world.close("eu", "us") == 0
    stone = world.instances["world"].disk.look(lambda book: (book.tombstone("d"), book.listed("d"), book.region("eu")))
    assert stone[0] is not None
    assert (stone[0].region, stone[1:]) == ("us", ("us", None))


def test_no_other_devices_are_sent_to_a_region_that_is_being_deleted(world: World) -> None:
    world.home("eu")
    assert world.close("eu", "us") == 1
    (eu, us), _ = run(world.regions.all())
    assert (eu.enabled, eu.draining, us.draining) == (True, True, False)
    world.instances["world"].register(Home(device_id="e", key_hash=key_hash("e")))
    answer = body_of(
        run(world.instances["world"].desk.handle(query("e", "m1", ecu_type="UNIT"), key_of("e"), "10.0.0.9"))
    )
    assert answer["lifecycle_state"] == "GLOBAL", "the rule that names it counts as none"
    with pytest.raises(ConflictError, match="eu is being deleted"):
        run(world.regions.move("e", "eu", SITE))
    world.instances["world"].register(Home(device_id="f", state=HomeState.REHOMING, region="us", epoch=1))
    with pytest.raises(ConflictError, match="eu is being deleted"):
        world.close("us", "eu")
    world.carry()  # it is talked to all the same: the device leaves
    assert world.state("eu") is HomeState.REGIONAL
    run(world.regions.set("eu", {"url": "https://new.example"}, SITE))
    assert run(world.regions.region("eu"))[0].draining
    run(world.regions.set("eu", {"enabled": True}, SITE))
    assert not run(world.regions.region("eu"))[0].draining
    run(world.regions.move("e", "eu", SITE))


def test_devices_on_their_way_there_come_back_or_go_on(world: World) -> None:
    world.ask(query, "world")
    world.carry()
    assert world.state("world") is HomeState.REGIONAL
    with pytest.raises(ConflictError):
        world.close("eu")
    assert world.close("eu", "world") == 1
    world.carry()
    assert (world.state("world"), world.state("eu")) == (HomeState.QRY_FAIL, None)
    assert world.close("eu", "world") == 0


def test_what_waits_to_be_heard_there_is_not_forgotten_unless_it_is_lost(world: World) -> None:
    """The world was given the device by ``eu`` and has not told yet that it has come."""
    world.home("eu")
    run(world.regions.move("d", "world", SITE))
    world.carry()
    world.ask(provision, "world")
    assert world.state("world") is HomeState.PROVISIONED
    with pytest.raises(ConflictError, match="1 messages wait"):
        world.close("eu")
    assert world.close("eu", lost=True) == 0
    assert world.instances["world"].owed() == 0


@pytest.mark.parametrize("state", [HomeState.PROV_PEN, HomeState.PROV_FAIL])
def test_what_comes_from_there_is_waited_for(world: World, state: HomeState) -> None:
    """Whoever waits here without the other's release would wait for ever, and nobody would know for what."""
    world.instances["world"].register(Home(device_id="e", state=state, source="eu", epoch=1))
    with pytest.raises(ConflictError, match="1 devices are on their way here from there"):
        world.close("eu")
    with pytest.raises(ConflictError, match="1 devices are on their way here from there"):
        world.close("eu", "us")
    assert world.close("us") == 0
    assert world.close("eu", lost=True) == 0


def test_a_tenant_looks_at_its_own_devices_and_moves_them(world: World) -> None:
    standing = run(world.regions.device("d", NORTH))
    assert standing.home is not None
    run(world.regions.move("d", "us", NORTH))
    run(world.regions.retry("d", NORTH))
    assert_hidden(world, SOUTH)
    with pytest.raises(NotFoundError, match="there is no device"):
        run(world.regions.device("none", NORTH))


def assert_hidden(world: World, caller: Caller, device: str = "d") -> None:
    for forbidden in (
        world.regions.device(device, caller),
        world.regions.move(device, "", caller),
        world.regions.move(device, "eu", caller),
        world.regions.retry(device, caller),
    ):
        with pytest.raises(NotFoundError, match="there is no device"):
            run(forbidden)


def test_who_had_a_phone_before_neither_sees_nor_moves_it(world: World) -> None:
    """Registered for the north, it was dialed in by the south."""
    phone, disk = "00:15:65:01:02:03", world.instances["world"].disk
    world.instances["world"].register(Home(device_id=phone, tenant="north"))
    had: dict[str, str | None] = {phone: "master"}
    world.regions.holder = had.get
    assert_hidden(world, NORTH, phone)
    standing = run(world.regions.device(phone, SITE)).home
    assert standing is not None
    assert standing.tenant == "north", "it may still get it"
    had[phone] = "south"
    assert_hidden(world, NORTH, phone)
    run(world.regions.move(phone, "us", SOUTH))
    home = disk.look(lambda book: book.home(phone))
    assert home is not None
    assert (home.state, home.tenant) == (HomeState.REHOMING, "south"), "it goes there as the one of who has it"
    standing = run(world.regions.device(phone, SOUTH)).home
    assert standing == home


def test_a_device_comes_as_that_of_who_has_it_when_the_region_is_told(world: World) -> None:
    """Its first-boot task found its customer after it had asked for its home."""
    world.instances["world"].register(Home(device_id="acme/s2/S1", vendor="acme", model="s2", sn="S1"))
    run(world.regions.move("acme/s2/S1", "eu", SITE))
    thing = Thing(vendor="acme", model="s2", sn="S1", state=ThingState.ACTIVATED, tenant="south", rid="r", generation=1)
    world.instances["world"].disk.look(lambda book: book._things.put([thing]))
    world.carry()
    come = world.instances["eu"].home("acme/s2/S1")
    assert come is not None
    assert (come.state, come.tenant) == (HomeState.PROV_PEN, "south")


def test_who_had_an_activated_device_before_neither_sees_nor_moves_it(world: World) -> None:
    """It has not asked for its home since it changed hands, and may have lost its key on the way."""
    disk, sensor = world.instances["world"].disk, {"vendor": "acme", "model": "s2", "sn": "S1"}
    thing = Thing(**sensor, state=ThingState.DISABLED, tenant="south", rid="r", generation=2)
    disk.look(lambda book: book._things.put([thing]))
    mine = Home(device_id="acme/s2/S1", tenant="north", key_hash="k" * 64, **sensor)
    likewise = Home(device_id="other", tenant="north", key_hash="l" * 64, **sensor)
    world.instances["world"].register(mine)
    world.instances["world"].register(likewise)
    assert_hidden(world, NORTH, "acme/s2/S1")
    run(world.regions.move("acme/s2/S1", "us", SOUTH))
    assert_hidden(world, SOUTH, "other")
    assert run(world.regions.device("other", NORTH)).home == likewise
