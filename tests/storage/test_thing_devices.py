"""Serials and their devices in one transaction, on both databases: by every door, once, and gone together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from provd.app.activation.desk import ThingDesk
from provd.app.activation.devices import ThingDevices
from provd.app.activation.registry import Registry
from provd.app.caller import Caller
from provd.app.fleet import Fleet
from provd.app.ports import Put
from provd.app.regions.first_boot import FirstBoots
from provd.app.regions.owners import Owners, missing_here
from provd.app.tasks.book import TaskBook
from provd.base.errors import StorageError
from provd.base.facts import Fact
from provd.base.types import Mac
from provd.daemon.templates import SectionReader
from provd.domain.activation.form import Ask
from provd.domain.activation.thing import ThingModel, ThingState
from provd.domain.device_types import DeviceType
from provd.domain.overrides import Override, override_id
from provd.domain.overrides import Place as Whose
from provd.domain.records import Device, DeviceState, Metadata, Profile, RunState, TaskRun, TaskStep, Tenant
from provd.domain.regions.home import Home, HomeState
from provd.domain.regions.unit import Unit
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Kind, Template, WaitStep
from provd.storage.ledger import StoredLedger
from provd.storage.region_ledger import StoredRegions
from provd.storage.store import Store
from tests.storage.conftest import Place

SITE = Caller(name="site")
WAIT = (WaitStep(id="rest", seconds=60.0),)
FIRST = Template(id="first", version=1, kind=Kind.ONETIME, devices=("Acme/*",), steps=WAIT, seen=True)
KNOWN = Template(id="known", version=1, kind=Kind.ONETIME, devices=("acme/m1",), steps=WAIT)
S1 = Mac("acme~m1~S1")


class Clock:
    """One that a test moves."""

    time = 1_700_000_000.0

    def now(self) -> float:
        return self.time


@dataclass
class Site:
    """Activation as the daemon has it."""

    store: Store
    clock: Clock
    fleet: Fleet
    tasks: TaskBook
    desk: ThingDesk
    registry: Registry

    async def activate(self, sn: str = "S1") -> None:
        given = await self.desk.activate(Ask("acme", "m1", sn), "192.0.2.1")
        assert given.key is not None

    def runs(self, mac: Mac = S1) -> list[str]:
        return sorted(run.id for run in self.fleet.tables.runs_of(mac))

    def device(self, mac: Mac = S1) -> Device:
        found = self.fleet.tables.device(mac)
        assert found is not None
        return found

    async def owner(self, sn: str = "S1") -> str:
        return (await self.registry.thing("acme", "m1", sn, SITE)).tenant

    def stored(self) -> tuple[list[Device], list[str]]:
        """What the next start will find."""
        return self.store.load(Device), sorted(run.id for run in self.store.load(TaskRun))


Make = Callable[..., "asyncio.Future[Site]"]


async def site_of(store: Store, *templates: Template) -> Site:
    clock, facts = Clock(), list[Fact]()
    fleet = Fleet(store)
    fleet.load()
    tasks = TaskBook(fleet, clock, Rulebook(templates))
    ledger = StoredLedger(store, ThingDevices(fleet, tasks, clock))
    desk = ThingDesk(ledger, clock, facts.append)
    registry = Registry(ledger, desk.now, facts.append, 86400)
    for name in ("blue", "green"):
        tenant = Tenant(id=name, name=name)
        await fleet.change(lambda tenant=tenant: [Put(tenant)])
    await registry.add_vendor("acme", "blue", SITE)
    await registry.add_model(ThingModel(vendor="acme", model="m1"), SITE)
    return Site(store, clock, fleet, tasks, desk, registry)


async def enable(site: Site, sn: str = "S1", tenant: str = "") -> None:
    await site.registry.enable("acme", "m1", sn, SITE, tenant=tenant, owner="")


async def test_a_device_is_there_from_enabling_on_and_its_first_contact_is_its_activation(store: Store) -> None:
    site = await site_of(store, FIRST)
    await site.registry.add("acme", "m1", {"S1": "box 4"}, SITE)
    assert site.fleet.tables.device(S1) is None, "a million serials that nobody has are no devices"
    await enable(site)
    device = site.device()
    assert (device.vendor, device.model, device.serial, device.tenant) == ("acme", "m1", "S1", "blue")
    assert (device.state, device.first_seen) == (DeviceState.PENDING, 0.0)
    assert site.runs() == []
    site.clock.time += 60
    await site.activate()
    assert site.device().state is DeviceState.ACTIVATED
    assert site.device().first_seen == site.clock.time
    assert site.runs() == [f"first:1:{S1}:1"]
    assert site.stored() == ([site.device()], site.runs()), "what is in memory is what is on the disk"
    assert site.tasks.schedule.take(site.clock.time) == f"first:1:{S1}:1"


async def test_a_task_for_what_is_known_begins_with_the_import(store: Store) -> None:
    site = await site_of(store, FIRST, KNOWN)
    await site.registry.add("acme", "m1", {"S1": "", "S2": ""}, SITE)
    assert site.runs() == [f"known:1:{S1}:1"]
    assert (site.device().state, site.device().tenant) == (DeviceState.UNCLAIMED, "master")
    await enable(site)
    assert (site.device().state, site.device().tenant) == (DeviceState.PENDING, "blue")
    await site.activate()
    assert site.runs() == [f"first:1:{S1}:1", f"known:1:{S1}:1"]
    assert site.stored()[1] == sorted([*site.runs(), *site.runs(Mac("acme~m1~S2"))])


async def test_and_so_does_one_that_a_type_brings(store: Store) -> None:
    site = await site_of(store)
    site.tasks.reader = SectionReader()
    rest = {"id": "rest", "do": "wait", "for": "1m"}
    kind = DeviceType(id="boxes", devices=("acme/*",), tasks={"known": {"begins": "known", "step": [rest]}})
    await site.fleet.change(lambda: [Put(kind)])
    await site.registry.add("acme", "m1", {"S1": ""}, SITE)
    assert [run.template for run in site.fleet.tables.runs_of(S1)] == ["boxes.known"]
    assert site.stored() == ([site.device()], site.runs())


async def test_one_that_comes_from_another_region_gets_its_runs_with_its_key(store: Store) -> None:
    site = await site_of(store, FIRST, KNOWN)
    beside = ThingDevices(site.fleet, site.tasks, site.clock)
    regions = StoredRegions(store, StoredLedger(store, beside).statements, beside)
    home = Home(device_id="acme/m1/S1", vendor="acme", model="m1", sn="S1", key_hash="a" * 64, tenant="blue")
    await regions.change(("S1",), lambda book: book.adopt(home, site.clock.now()))
    both = ["first:1:acme~m1~S1:1", "known:1:acme~m1~S1:1"]
    assert (site.device().state, site.device().tenant, site.runs()) == (DeviceState.ACTIVATED, "blue", both)
    (stored,), runs = site.stored()
    assert (stored.mac, runs) == (S1, both)


async def test_one_that_comes_as_that_of_a_tenant_who_is_not_here_is_the_masters(store: Store) -> None:
    site = await site_of(store)
    beside = ThingDevices(site.fleet, site.tasks, site.clock)
    regions = StoredRegions(store, StoredLedger(store, beside).statements, beside)
    home = Home(device_id="acme/m1/S1", vendor="acme", model="m1", sn="S1", key_hash="a" * 64, tenant="nowhere")
    await regions.change(("S1",), lambda book: book.adopt(home, site.clock.now()))
    assert site.device().tenant == "master"
    assert [each.tenant for each in site.stored()[0]] == ["master"]


async def test_and_of_that_tenant_once_there_is_one(store: Store) -> None:
    site = await site_of(store)
    beside = ThingDevices(site.fleet, site.tasks, site.clock)
    regions = StoredRegions(store, StoredLedger(store, beside).statements, beside)
    home = Home(
        device_id="acme/m1/S1",
        vendor="acme",
        model="m1",
        sn="S1",
        key_hash="a" * 64,
        tenant="later",
        state=HomeState.PROVISIONED,
    )
    part = Unit(device_id=home.device_id, unit_id="u1", type="modem", details={"name": "x1"})

    def work(book: Any) -> None:
        book.save(None, home)
        book.put_units([part])
        book.adopt(home, site.clock.now())

    await regions.change(("S1",), work)
    boots, facts = FirstBoots(site.fleet, site.tasks), list[Fact]()
    await site.fleet.change(lambda: [Put(Device(mac=boots.key(part), state=DeviceState.ACTIVATED))])

    def owners() -> Owners:
        return Owners(regions, lambda: site.fleet.tables.tenants, lambda: "eu", site.clock.now, facts.append, boots)

    there = owners()
    assert there.lacks(home.device_id, "later")
    assert [each.ID for each in there.expected(home.device_id, "later")] == ["REGION-TENANT-MISSING"]
    assert there.expected(home.device_id, "later") == [], "once for a tenant"
    await there.look()
    tenants = site.fleet.tables.tenants
    assert await regions.read(lambda book: missing_here(book, tenants)) == [("later", 1)]
    assert (site.device().tenant, facts) == ("master", [])
    await site.fleet.change(lambda: [Put(Tenant(id="other", name="Other"))])
    await there.look()
    assert (site.device().tenant, facts) == ("master", [])
    await site.fleet.change(lambda: [Put(Tenant(id="later", name="Later"))])
    await there.look()
    assert site.device().tenant == "later"
    assert site.fleet.tables.device(boots.key(part)).tenant == "later"
    assert {each.tenant for each in site.stored()[0]} == {"later"}
    assert [(each.ID, each.tenant, each.devices) for each in facts] == [("REGION-TENANT-FOUND", "later", 1)]
    assert await regions.read(lambda book: missing_here(book, tenants)) == []

    # Whoever is given it by hand keeps it: also when another daemon begins.
    facts.clear()
    await site.fleet.change(lambda: [Put(replace(site.device(), tenant="master"))])
    await owners().look()
    assert (site.device().tenant, facts) == ("master", [])


async def test_a_tenant_that_was_made_while_nobody_looked_has_its_devices_at_the_next_start(store: Store) -> None:
    site = await site_of(store)
    beside = ThingDevices(site.fleet, site.tasks, site.clock)
    regions = StoredRegions(store, StoredLedger(store, beside).statements, beside)
    home = Home(device_id="acme/m1/S1", vendor="acme", model="m1", sn="S1", key_hash="a" * 64, tenant="later")
    await regions.change(("S1",), lambda book: book.adopt(home, site.clock.now()))
    await site.fleet.change(lambda: [Put(Tenant(id="later", name="Later"))])
    facts = list[Fact]()
    boots = FirstBoots(site.fleet, site.tasks)
    owners = Owners(regions, lambda: site.fleet.tables.tenants, lambda: "eu", site.clock.now, facts.append, boots)
    await owners.look()
    assert (site.device().tenant, [each.ID for each in facts]) == ("later", ["REGION-TENANT-FOUND"])


async def test_parts_of_a_vehicle_whose_tenant_was_made_while_nobody_looked_are_its_at_the_next_start(
    store: Store,
) -> None:
    site = await site_of(store)
    beside = ThingDevices(site.fleet, site.tasks, site.clock)
    regions = StoredRegions(store, StoredLedger(store, beside).statements, beside)
    # A vehicle fetches no key: nothing but its parts stands among the devices.
    home = Home(device_id="v1", system_id="v1", tenant="later", state=HomeState.PROVISIONED)
    parts = [Unit(device_id="v1", unit_id=name, type="modem", details={"name": "x1"}) for name in ("u1", "u2")]

    def work(book: Any) -> None:
        book.save(None, home)
        book.put_units(parts)

    await regions.change(("v1",), work)
    facts, boots = list[Fact](), FirstBoots(site.fleet, site.tasks)
    first, second = (boots.key(part) for part in parts)
    await site.fleet.change(lambda: [Put(Device(mac=key, state=DeviceState.ACTIVATED)) for key in (first, second)])
    await site.fleet.change(lambda: [Put(replace(site.device(second), tenant="green"))])

    async def started() -> None:
        tenants = site.fleet.tables.tenants
        await Owners(regions, lambda: tenants, lambda: "eu", site.clock.now, facts.append, boots).look()

    await started()
    assert (site.device(first).tenant, facts) == ("master", [])
    await site.fleet.change(lambda: [Put(Tenant(id="later", name="Later"))])
    await started()
    assert [site.device(key).tenant for key in (first, second)] == ["later", "green"], "what has an owner keeps it"
    assert [each.ID for each in facts] == ["REGION-TENANT-FOUND"]
    await started()
    assert len(facts) == 1, "and told once"


async def test_a_tenant_that_is_made_after_a_restart_has_the_parts_that_came_before_it(store: Store) -> None:
    site = await site_of(store)
    beside = ThingDevices(site.fleet, site.tasks, site.clock)
    regions = StoredRegions(store, StoredLedger(store, beside).statements, beside)
    home = Home(device_id="v1", system_id="v1", tenant="later", state=HomeState.PROVISIONED)
    part = Unit(device_id="v1", unit_id="u1", type="modem", details={"name": "x1"})
    await regions.change(("v1",), lambda book: (book.save(None, home), book.put_units([part])))
    boots = FirstBoots(site.fleet, site.tasks)
    await site.fleet.change(lambda: [Put(Device(mac=boots.key(part), state=DeviceState.ACTIVATED))])
    owners = Owners(regions, lambda: site.fleet.tables.tenants, lambda: "eu", site.clock.now, lambda _fact: None, boots)
    await owners.look()
    await site.fleet.change(lambda: [Put(Tenant(id="later", name="Later"))])
    await owners.look()
    assert site.device(boots.key(part)).tenant == "later"


async def test_being_activated_twice_starts_nothing(store: Store) -> None:
    site = await site_of(store, FIRST, KNOWN)
    await site.registry.add("acme", "m1", {"S1": ""}, SITE)
    await enable(site)
    await site.activate()
    runs = site.runs()
    (first,) = (run for run in site.fleet.tables.runs_of(S1) if run.template == "first")
    await site.fleet.settle(Put(TaskRun(**{name: getattr(first, name) for name in TaskRun.__slots__} | {"began": 5.0})))
    await site.desk.activate(Ask("acme", "m1", "S1"), "192.0.2.1")
    await site.registry.reenable("acme", "m1", "S1", SITE)
    await site.activate()
    assert site.runs() == runs
    kept = next(run for run in store.load(TaskRun) if run.template == "first")
    assert kept.began == 5.0, "and nothing is begun anew"


async def test_enabling_and_activating_at_the_same_moment_make_one_device(store: Store) -> None:
    site = await site_of(store, FIRST)
    await site.registry.add("acme", "m1", {"S1": ""}, SITE)
    await asyncio.gather(enable(site), site.desk.activate(Ask("acme", "m1", "S1"), "192.0.2.1"))
    if site.device().state is DeviceState.PENDING:
        await site.activate()
    assert site.device().state is DeviceState.ACTIVATED
    assert site.stored() == ([site.device()], [f"first:1:{S1}:1"])


async def test_what_is_refused_leaves_neither(store: Store) -> None:
    site = await site_of(store, FIRST)
    await site.registry.add("acme", "m1", {"S1": ""}, SITE)
    given = await site.desk.activate(Ask("acme", "m1", "S1"), "192.0.2.1")
    assert given.key is None
    assert site.stored() == ([], [])
    store.close(drain=False)
    with pytest.raises(StorageError):
        await enable(site)
    assert site.fleet.tables.device(S1) is None


async def test_a_device_that_changes_hands_takes_its_serial_with_it(store: Store) -> None:
    site = await site_of(store, FIRST)
    await site.registry.add("acme", "m1", {"S1": ""}, SITE)
    await enable(site, tenant="master")
    await site.activate()

    def give() -> list[Put]:
        device = site.device()
        moved = Device(**{name: getattr(device, name) for name in Device.__slots__} | {"tenant": "green"})
        return [Put(moved), Put(Metadata(mac=S1, data={"customer": "Ann"}))]

    await site.fleet.change(give)
    assert await site.owner() == "green"
    # Whoever enables it anew does not take it back.
    await site.registry.reenable("acme", "m1", "S1", SITE)
    await site.activate()
    assert (site.device().tenant, await site.owner()) == ("green", "green")


async def test_a_serial_that_goes_takes_its_device_its_runs_and_what_was_known_with_it(store: Store) -> None:
    site = await site_of(store, FIRST)
    await site.registry.add("acme", "m1", {"S1": "", "S2": ""}, SITE)
    for sn in ("S1", "S2"):
        await enable(site, sn)
        await site.activate(sn)
    await site.fleet.settle(Put(Metadata(mac=S1, data={"customer": "Ann"})))
    await site.registry.delete("acme", "m1", ["S1"], SITE)
    assert site.fleet.tables.device(S1) is None
    assert store.load(Metadata) == []
    assert [device.serial for device in store.load(Device)] == ["S2"]
    await site.registry.delete_model("acme", "m1", SITE)
    assert site.stored() == ([], [])
    assert site.fleet.tables.task_runs == {}


async def test_one_that_is_replaced_leaves_nothing_of_its_owner_behind(store: Store) -> None:
    site = await site_of(store, FIRST)
    await site.registry.add("acme", "m1", {"S1": "", "S2": ""}, SITE)
    await enable(site)
    await site.activate()
    await site.registry.remap("acme", "m1", "S2", "S1", SITE)
    assert site.fleet.tables.device(S1) is None
    assert site.device(Mac("acme~m1~S2")).state is DeviceState.PENDING
    assert site.device(Mac("acme~m1~S2")).tenant == "blue"
    assert site.stored()[1] == []


async def test_one_that_replaces_another_has_what_that_one_had_and_is_new_to_tasks(store: Store) -> None:
    site = await site_of(store, FIRST)
    await site.fleet.change(lambda: [Put(Profile(id="attic", settings={"time.zone": "Europe/Madrid"}))])
    await site.registry.add("acme", "m1", {"S1": "", "S2": ""}, SITE)
    await enable(site)
    await site.activate()
    own = replace(site.device(), profile="attic", settings={"ntp.server": "10.0.0.9"}, description="north wall")
    await site.fleet.change(lambda: [Put(replace(own, tenant="green"))])
    (run,) = site.fleet.tables.runs_of(S1)
    step = TaskStep(run=run.id, name="rest", result={}, at=1.0)
    await site.fleet.settle(Put(Metadata(mac=S1, data={"customer": "Ann"})), Put(step))
    text = Override(
        id=override_id("gate", "gate.j2", Whose.DEVICE, S1),
        plugin="gate",
        template="gate.j2",
        place=Whose.DEVICE,
        applies_to=S1,
        text="x",
    )
    await site.fleet.change(lambda: [Put(text)])
    await site.registry.remap("acme", "m1", "S2", "S1", SITE)
    s2 = Mac("acme~m1~S2")
    device = site.device(s2)
    moved = replace(text, id=override_id("gate", "gate.j2", Whose.DEVICE, s2), applies_to=s2)
    assert list(site.fleet.tables.overrides.values()) == store.load(Override) == [moved]
    assert (device.tenant, device.profile, device.settings, device.description, device.state) == (
        *("green", "attic", {"ntp.server": "10.0.0.9"}, "north wall"),
        DeviceState.PENDING,
    )
    assert (await site.owner("S2"), await site.owner("S1")) == ("green", "")
    known = site.fleet.tables.metadata(s2)
    assert known is not None
    assert known.data == {"customer": "Ann"}
    assert site.runs(s2) == [], "it has not been seen yet"
    await site.activate("S2")
    assert site.runs(s2) == ["first:1:acme~m1~S2:1"]
    assert ([each.mac for each in site.stored()[0]], site.stored()[1]) == ([s2], site.runs(s2))
    assert store.load(Metadata) == [known]
    assert store.load(TaskStep) == []


async def test_one_that_was_prepared_keeps_what_the_other_one_had_not(store: Store) -> None:
    """A list of serials that a task is for makes devices of all of them."""
    site = await site_of(store, KNOWN)
    await site.registry.add("acme", "m1", {"S1": "", "S2": ""}, SITE)
    await enable(site)
    s2 = Mac("acme~m1~S2")
    first, second = site.device(), site.device(s2)
    own = {"ntp.server": "10.0.0.9"}
    await site.fleet.change(
        lambda: [
            Put(replace(first, settings=own)),
            Put(replace(second, settings={"time.zone": "UTC", "ntp.server": "x"}, description="spare")),
        ]
    )
    await site.fleet.settle(
        Put(Metadata(mac=S1, data={"customer": "Ann"})), Put(Metadata(mac=s2, data={"customer": "", "bin": 7}))
    )
    await site.registry.remap("acme", "m1", "S2", "S1", SITE)
    device = site.device(s2)
    assert (device.settings, device.description) == ({"time.zone": "UTC", **own}, "spare")
    assert (device.tenant, device.state) == ("blue", DeviceState.PENDING)
    known = site.fleet.tables.metadata(s2)
    assert known is not None
    assert known.data == {"customer": "Ann", "bin": 7}
    assert site.runs(s2) == ["known:1:acme~m1~S2:1"]
    assert site.stored() == ([device], site.runs(s2))
    assert store.load(Metadata) == [known]


async def test_states_follow_the_life_of_the_serial(store: Store) -> None:
    site = await site_of(store)
    await site.registry.add("acme", "m1", {"S1": ""}, SITE)
    await enable(site)
    site.clock.time += 86400
    await site.desk.look_round()
    assert site.device().state is DeviceState.EXPIRED
    await site.registry.reenable("acme", "m1", "S1", SITE)
    assert site.device().state is DeviceState.PENDING
    await site.activate()
    await site.registry.disable("acme", "m1", "S1", SITE)
    assert site.device().state is DeviceState.DISABLED
    assert (await site.registry.thing("acme", "m1", "S1", SITE)).state is ThingState.DISABLED
    assert store.load(Device) == [site.device()]


async def test_a_change_that_comes_in_between_is_not_lost(place: Place) -> None:
    store = place.open()
    site = await site_of(store, FIRST)
    await site.registry.add("acme", "m1", {"S1": ""}, SITE)
    await enable(site)
    activation = asyncio.create_task(site.activate())

    def describe() -> list[Put]:
        device = site.device()
        values = {name: getattr(device, name) for name in Device.__slots__}
        return [Put(Device(**values | {"description": "roof"}))]

    for _ in range(30):
        await site.fleet.change(describe)
    await activation
    site.fleet.flush(site.clock.time)
    await store.commit([])
    device = site.device()
    assert (device.description, device.state) == ("roof", DeviceState.ACTIVATED)
    assert store.load(Device) == [device]
    assert [run.state for run in store.load(TaskRun)] == [RunState.PENDING]
