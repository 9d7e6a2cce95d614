"""Templates of the operator's own: whom they apply to, what is refused, and what phones get meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from provd.app.admin import Caller
from provd.app.ports import RenderJob
from provd.base.errors import (
    ConflictError,
    FaultsError,
    ForbiddenError,
    NotFoundError,
    PluginError,
    StaleError,
    UsageError,
)
from provd.base.facts import Fact
from provd.base.types import Mac, thing_key
from provd.domain.overrides import Override, Place
from provd.domain.records import Device, DeviceState
from provd.plugin import FileRule, Model
from provd.plugins.render import RenderPool
from provd.plugins.render_faults import FAULTS
from tests.app.fakes import OTHER, PHONE, line, tenant
from tests.app.test_admin import Office

NORTH = Caller(name="north's", tenant="north")
MINE = "mine of {{ device.mac }}\n"


def phone(mac: Mac, **more: object) -> Device:
    fields = {"vendor": "Acme", "model": "A1", "plugin": "acme", "confidence": 95, "state": DeviceState.ASSIGNED}
    return Device(mac=mac, **{**fields, **more})  # type: ignore[arg-type]


class Engine:
    """Stands in for the renderer: writes which text a file was made from; a text with ``broken`` in it fails."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    async def render(self, job: RenderJob) -> bytes:
        text = job.overlay.texts.get(job.rule.template, "default")
        if job.wants == "check":
            self.checked.append(job.rule.template)
        if "syntax" in text or ("broken" in text and job.wants != "check"):
            raise PluginError(f"acme: {job.rule.template}:1: {text.strip()}")
        return b"" if job.wants == "check" else text.encode()

    @staticmethod
    def at_hand(job: RenderJob) -> bytes | None:
        del job
        return None


def office(*more: object) -> tuple[Office, Engine]:
    made = Office(
        tenant(), tenant("south"), line("n1"), line("s1", "south"),
        phone(PHONE, tenant="north", lines=("n1",)), phone(OTHER, tenant="south", lines=("s1",)), *more,
    )  # fmt: skip
    engine = Engine()
    boot = made.world.boot
    boot.previews._renderer = boot._serving.making.renderer = engine  # type: ignore[assignment]
    made.world.leases.held.update({"10.0.0.9": PHONE, "10.0.0.8": OTHER})
    return made, engine


async def no_fault_of_the_plugin(made: Office, folder: Path, **where: object) -> None:
    """Three texts that break the renderer itself are refused, and what has nothing to do with them goes on."""
    told: list[Fact] = []
    pool = RenderPool(lambda _: [folder], made.world.clock, told.append)
    made.world.boot.previews._renderer = pool
    await pool.start()
    try:
        for _ in range(FAULTS):
            with pytest.raises(FaultsError, match=r"text: device\.j2"):
                await made.do("template.set", name="device.j2", text=f"{{{{ {'(' * 3000}1{')' * 3000} }}}}\n", **where)
        assert {fact.ID for fact in told} >= {"RENDERER-REPLACED", "PLUGIN-QUARANTINED"}
        assert all(name.startswith("acme with ") for name in pool.quarantined)
        assert await pool.render(RenderJob("acme", FileRule("x.cfg", "device", "device.j2"), {})) == b"plain\n"
    finally:
        await pool.close()


@pytest.mark.parametrize("where", [{"model": "acme", "tenant": "north"}, {"device": PHONE}, {"model": "A1"}])
async def test_a_text_that_breaks_the_renderer_is_to_blame_alone(tmp_path: Path, where: dict[str, object]):
    made, _ = office()
    (tmp_path / "device.j2").write_text("plain\n")
    await no_fault_of_the_plugin(made, tmp_path, **where)


async def test_nor_is_it_the_fault_of_what_is_in_force_for_the_site(tmp_path: Path):
    made, _ = office()
    (tmp_path / "device.j2").write_text("plain\n")
    await made.do("template.set", name="device.j2", text="the site's\n", model="acme", site=True)
    await no_fault_of_the_plugin(made, tmp_path, model="acme", tenant="north")
    site = made.world.boot.station.overlays.of("acme", "A1", made.world.device(OTHER))
    assert site.overrides == ("acme/device.j2@site",)
    assert made.world.boot.previews._renderer.quarantined.isdisjoint({f"acme with {site.digest}"})


async def served(made: Office, mac: Mac) -> str:
    peer = {PHONE: "10.0.0.9", OTHER: "10.0.0.8"}[mac]
    reply = await made.world.fetch(f"/{mac}.cfg", peer=peer)
    assert reply.found
    return bytes(reply.body).decode()


def template_of(made: Office) -> str:
    rules = made.world.catalogue.manifests[0].files
    return next(rule.template for rule in rules if rule.kind == "device")


async def test_the_strongest_applies_and_restoring_goes_back_step_by_step():
    made, _ = office()
    name = template_of(made)
    places: list[dict[str, object]] = [
        {"model": "A1"},
        {"model": "acme", "site": True},
        {"model": "acme", "tenant": "north"},
        {"device": PHONE},
    ]
    for number, where in enumerate(places):
        kept = await made.do("template.set", name=name, text=f"level {number}\n", **where)
        assert await served(made, PHONE) == f"level {number}\n"
        assert await served(made, OTHER) == f"level {min(number, 1)}\n"
        assert kept["devices"] == (2, 2, 1, 1)[number], where
    for number, where in reversed(list(enumerate(places))):
        assert await served(made, PHONE) == f"level {number}\n"
        await made.do("template.restore", name=name, **where)
    assert await served(made, PHONE) == "default"
    assert [action for action, _ in made.audit()].count("template.restore") == 4


async def test_only_files_that_are_made_from_it_are_made_again():
    made, _ = office()
    name = template_of(made)
    await served(made, PHONE)
    await served(made, OTHER)
    tags = {mac: (await made.world.fetch(f"/{mac}.cfg", peer=peer)).etag for mac, peer in
            ((PHONE, "10.0.0.9"), (OTHER, "10.0.0.8"))}  # fmt: skip
    jobs: list[RenderJob] = []
    serving = made.world.boot._serving.making
    engine = serving.renderer

    class Counting:
        async def render(self, job: RenderJob) -> bytes:
            jobs.append(job)
            return bytes(await engine.render(job))

        at_hand = staticmethod(engine.at_hand)

    serving.renderer = Counting()  # type: ignore[assignment]
    await made.do("template.set", name=name, text=MINE, device=PHONE)
    assert (await made.world.fetch(f"/{OTHER}.cfg", peer="10.0.0.8")).etag == tags[OTHER]
    assert (await made.world.fetch(f"/{PHONE}.cfg", peer="10.0.0.9")).etag != tags[PHONE]
    assert [job.overlay.overrides for job in jobs] == [(f"acme/{name}@device:{PHONE}",)]


@pytest.mark.parametrize("text", ["syntax\n", "broken\n"])
async def test_what_does_not_work_is_refused_with_its_line(text: str):
    made, engine = office()
    name = template_of(made)
    with pytest.raises(FaultsError) as caught:
        await made.do("template.set", name=name, text=text, model="A1")
    assert f"text: {name}:1: {text.strip()}" in str(caught.value)
    assert "acme: " not in str(caught.value)
    assert engine.checked
    assert made.world.fleet.tables.overrides == {}
    with pytest.raises(FaultsError, match="marks of a conflict"):
        await made.do("template.set", name=name, text="a\n<<<<<<< yours\n", model="A1")


def broken_for(device: Mac, name: str) -> Override:
    return Override(
        id=f"acme/{name}@device:{device}", plugin="acme", template=name, place=Place.DEVICE, applies_to=device,
        text="broken", base="default",
    )  # fmt: skip


async def test_a_broken_one_leaves_the_last_good_file_or_the_plugins_own():
    made, _ = office()
    name = template_of(made)
    await made.do("template.set", name=name, text="good\n", device=PHONE)
    assert await served(made, PHONE) == "good\n"
    tables = made.world.fleet.tables
    tables.put(broken_for(PHONE, name))
    tables.put(broken_for(OTHER, name))
    made.world.fleet.generation += 1
    assert await served(made, PHONE) == "good\n", "the last good one"
    assert await served(made, OTHER) == "default", "there is none yet"
    assert await served(made, OTHER) == "default", "and it is not tried again at once"
    told = [fact for fact in made.world.facts if fact.ID == "RENDER-FAILED"]
    assert [(fact.mac, fact.last_good, fact.default) for fact in told] == [(PHONE, True, False), (OTHER, False, True)]
    assert told[0].overrides == f"acme/{name}@device:{PHONE}"
    made.world.clock.time += 31
    tables.put(Override(**{field: getattr(broken_for(OTHER, name), field) for field in
                           ("id", "plugin", "template", "place", "applies_to", "base")}, text="mended"))  # fmt: skip
    made.world.fleet.generation += 1
    assert await served(made, OTHER) == "mended"


async def test_a_tenant_has_its_own_and_no_others():
    made, _ = office(phone(Mac("02aaaa000003"), tenant="north", lines=("n1", "s1"), ports=(1, 2)))
    name = template_of(made)
    admin = made.admin
    await made.do("template.set", name=name, text="the site's\n", model="acme", site=True)
    await made.do("template.set", name=name, text="south's\n", model="acme", tenant="south")
    for where in ({"model": "A1"}, {"model": "acme", "site": True}):
        with pytest.raises(ForbiddenError, match="say tenant or device"):
            await admin.call("template.set", {"name": name, "text": MINE, **where}, NORTH)
    for operation in ("show", "diff", "restore"):
        with pytest.raises(NotFoundError, match="no tenant 'south'"):
            await admin.call(f"template.{operation}", {"name": name, "model": "acme", "tenant": "south"}, NORTH)
    with pytest.raises(NotFoundError):
        await admin.call("template.set", {"name": name, "text": MINE, "device": OTHER}, NORTH)
    kept = await admin.call("template.set", {"name": name, "text": MINE, "model": "acme", "tenant": "north"}, NORTH)
    assert isinstance(kept, dict)
    assert kept["some"] == ["02:aa:aa:00:00:01"], "not the gateway, which has a line of south's on it"
    listed = await admin.call("template.list", {}, NORTH)
    assert isinstance(listed, dict)
    assert [row["applies_to"] for row in listed["items"]] == ["north"]
    shown = await admin.call("template.show", {"name": name, "model": "acme", "tenant": "north"}, NORTH)
    assert "the site's" not in str(shown)
    with pytest.raises(ForbiddenError, match="several tenants share"):
        await admin.call("template.set", {"name": name, "text": MINE, "device": "02aaaa000003"}, NORTH)


async def test_a_device_that_goes_to_another_tenant_leaves_its_template_behind():
    made, _ = office()
    name = template_of(made)
    await made.do("template.set", name=name, text=MINE, device=PHONE)
    await made.do("device.transfer", mac=PHONE, tenant="south")
    assert made.world.fleet.tables.overrides == {}
    await made.do("template.set", name=name, text=MINE, model="acme", tenant="south")
    await made.do("template.set", name=name, text=MINE, device=PHONE)
    await made.do("device.delete", mac=PHONE)
    assert [each.place for each in made.world.fleet.tables.overrides.values()] == [Place.TENANT]
    await made.do("tenant.delete", id="south")
    assert made.world.fleet.tables.overrides == {}


async def test_a_preview_keeps_nothing_and_shows_what_changes():
    made, _ = office()
    name = template_of(made)
    shown = await made.do("template.preview", name=name, text="new\n", model="A1", on=OTHER)
    own = next(file for file in shown["files"] if OTHER in file["name"])
    assert own["diff"].splitlines()[3:] == ["-default", "+new"]
    assert (shown["device"], shown["devices"]) == (OTHER, 2)
    assert made.world.fleet.tables.overrides == {}
    await made.do("template.set", name=name, text="new\n", model="A1")
    shown = await made.do("template.preview", name=name, restored=True, model="A1")
    own = next(file for file in shown["files"] if PHONE in file["name"])
    assert own["diff"].splitlines()[3:] == ["-new", "+default"]


async def test_who_restores_does_not_take_away_what_somebody_else_has_written_meanwhile():
    made, _ = office()
    name = template_of(made)
    seen = await made.do("template.set", name=name, text="mine\n", model="A1")
    later = await made.do("template.set", name=name, text="his\n", model="A1")
    with pytest.raises(StaleError, match="was changed by ann meanwhile"):
        await made.do("template.restore", name=name, model="A1", expect=seen["sha256"])
    assert [each.text for each in made.world.fleet.tables.overrides.values()] == ["his\n"]
    await made.do("template.restore", name=name, model="A1", expect=later["sha256"])
    assert made.world.fleet.tables.overrides == {}


async def test_what_is_meant_has_to_be_clear():
    made, _ = office()
    with pytest.raises(NotFoundError, match=r"has no template 'devise\.j2'"):
        await made.do("template.show", name="devise.j2", model="A1")
    with pytest.raises(NotFoundError, match="no model and no plugin 'zz'"):
        await made.do("template.show", name="device.j2", model="zz")
    name = template_of(made)
    with pytest.raises(UsageError, match="site and tenant: an override is for one of them"):
        await made.do("template.show", name=name, model="A1", site=True, tenant="north")
    with pytest.raises(UsageError, match="name a model, or say site or tenant"):
        await made.do("template.set", name=name, text=MINE, model="acme")
    with pytest.raises(NotFoundError, match="is not overridden for tenant north"):
        await made.do("template.restore", name=name, model="acme", tenant="north")


async def test_lines_of_others_that_come_later_are_not_seen_by_a_template_for_the_device():
    gateway = Mac("02aaaa000003")
    made, _ = office(line("n2"), phone(gateway, tenant="north", lines=("n2",), ports=(1,)))
    name = template_of(made)
    overlays, tables = made.world.boot.station.overlays, made.world.fleet.tables
    await made.admin.call("template.set", {"name": name, "text": MINE, "device": gateway}, NORTH)
    assert overlays.of("acme", "A1", tables.devices[gateway]).overrides == (f"acme/{name}@device:{gateway}",)
    tables.put(replace(tables.devices[gateway], lines=("n2", "s1"), ports=(1, 2)))
    assert overlays.of("acme", "A1", tables.devices[gateway]).overrides == ()
    with pytest.raises(ConflictError, match="several tenants have lines"):
        await made.do("template.set", name=name, text=MINE, device=gateway)


class Slow(Engine):
    """Somebody does something while a text is compiled."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def render(self, job: RenderJob) -> bytes:
        if job.wants == "check":
            await self.meanwhile()
        return await super().render(job)


@pytest.mark.parametrize(
    ("where", "operation", "params", "error"),
    [
        ({"device": PHONE}, "device.transfer", {"mac": PHONE, "tenant": "south"}, NotFoundError),
        ({"device": PHONE}, "device.delete", {"mac": PHONE}, NotFoundError),
        ({"model": "acme", "tenant": "north"}, "tenant.delete", {"id": "north"}, NotFoundError),
    ],
)
@pytest.mark.parametrize("caller", [NORTH, Caller(name="ann")], ids=["tenant", "site"])
async def test_what_changes_hands_while_it_is_tried_gets_none(
    where: dict[str, object], operation: str, params: dict[str, object], error: type[Exception], caller: Caller
):
    made, _ = office()
    if operation == "tenant.delete":
        await made.do("device.delete", mac=PHONE)
        await made.do("line.delete", id="n1")

    async def meanwhile() -> None:
        await made.do(operation, **params)

    made.world.boot.previews._renderer = Slow(meanwhile)  # type: ignore[assignment]
    expected = ConflictError if operation == "device.transfer" and caller.tenant is None else error
    with pytest.raises(expected):
        await made.admin.call("template.set", {"name": template_of(made), "text": MINE, **where}, caller)
    assert made.world.fleet.tables.overrides == {}


async def test_lines_of_others_that_come_while_it_is_tried_are_not_seen_either():
    gateway = Mac("02aaaa000003")
    made, _ = office(line("n2"), phone(gateway, tenant="north", lines=("n2",), ports=(1,)))
    tables = made.world.fleet.tables

    async def meanwhile() -> None:
        tables.put(replace(tables.devices[gateway], lines=("n2", "s1"), ports=(1, 2)))

    made.world.boot.previews._renderer = Slow(meanwhile)  # type: ignore[assignment]
    for caller, error in ((NORTH, ForbiddenError), (Caller(name="ann"), ConflictError)):
        tables.put(replace(tables.devices[gateway], lines=("n2",), ports=(1,)))
        with pytest.raises(error, match="several tenants"):
            await made.admin.call("template.set", {"name": "device.j2", "text": MINE, "device": gateway}, caller)
    assert tables.overrides == {}


SENSOR = thing_key("Acme", "S1", "007")
MORE_FILES = (
    FileRule("acme{model}-{mac}.htm", "device", "model.j2"),
    FileRule("sensor-{serial}.cfg", "thing", "sensor.j2"),
)


def office_of_more(*more: object) -> Office:
    """Its plugin has files that are called by the model, and some for devices that have no MAC."""
    made, _ = office(*more)
    catalogue = made.world.catalogue
    acme, *others = catalogue.manifests
    models = (*acme.models, Model("S1"))
    catalogue.manifests = (replace(acme, files=(*acme.files, *MORE_FILES), models=models), *others)
    catalogue.revision += 1
    return made


def sensor(owner: str = "north") -> Device:
    return Device(mac=SENSOR, vendor="Acme", model="S1", serial="007", tenant=owner)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ({"model": "A1"}, f"acmeA1-{PHONE}.htm for 02:aa:aa:00:00:01"),
        ({"device": PHONE}, f"acmeA1-{PHONE}.htm for 02:aa:aa:00:00:01"),
        ({"model": "A1G"}, "acmeA1G-00005e005300.htm for a sample"),
    ],
)
async def test_a_file_that_is_called_by_the_model_is_tried_too(where: dict[str, object], name: str):
    made = office_of_more()
    with pytest.raises(FaultsError) as caught:
        await made.do("template.set", name="model.j2", text="broken\n", **where)
    assert f"model.j2:1: broken (in {name})" in str(caught.value)
    assert made.world.fleet.tables.overrides == {}


@pytest.mark.parametrize(
    "where",
    [{"model": "S1"}, {"model": "acme", "site": True}, {"model": "acme", "tenant": "north"}, {"device": SENSOR}],
)
async def test_so_is_one_of_a_device_without_a_mac(where: dict[str, object]):
    made = office_of_more(sensor())
    with pytest.raises(FaultsError) as caught:
        await made.do("template.set", name="sensor.j2", text="broken\n", **where)
    assert "sensor.j2:1: broken (in sensor-007.cfg for Acme/S1/007)" in str(caught.value)
    kept = await made.do("template.set", name="sensor.j2", text="mine\n", **where)
    assert "Acme/S1/007" in kept["some"]
    reply = await made.world.boot._serving.own(sensor(), "sensor-007.cfg", "10.0.0.1", secure=False)
    assert bytes(reply.body) == b"mine\n"
    shown = await made.do("template.preview", name="sensor.j2", text="new\n", on=SENSOR, **where)
    assert [(file["name"], file["before"], file["text"]) for file in shown["files"]] == [
        ("sensor-007.cfg", "mine\n", "new\n")
    ]


async def test_where_there_is_no_such_device_a_sample_without_a_mac_is_tried():
    made = office_of_more()
    with pytest.raises(FaultsError) as caught:
        await made.do("template.set", name="sensor.j2", text="broken\n", model="S1")
    assert "(in sensor-sample.cfg for a sample)" in str(caught.value)


async def test_a_device_without_a_mac_that_changes_hands_leaves_its_template_behind():
    made = office_of_more(sensor())
    await made.do("template.set", name="sensor.j2", text="mine\n", device=SENSOR)
    await made.do("device.transfer", mac=SENSOR, tenant="south")
    assert made.world.fleet.tables.overrides == {}


async def test_a_list_of_hundreds_looks_at_each_device_once():
    phones = [phone(Mac(f"02aabb{number:06x}"), tenant="north") for number in range(1000)]
    own = [
        Override(
            id=f"acme/device.j2@device:{each.mac}", plugin="acme", template="device.j2", place=Place.DEVICE,
            applies_to=each.mac, text="own\n",
        )
        for each in phones[:400]
    ]  # fmt: skip
    made, _ = office(*phones, *own)
    await made.do("template.set", name="device.j2", text="north\n", model="acme", tenant="north")
    await made.do("template.set", name="device.j2", text="all\n", model="acme", site=True)
    looks = 0
    overlays = made.world.boot.station.overlays
    before = overlays.in_force

    def counted(*about: object):
        nonlocal looks
        looks += 1
        return before(*about)  # type: ignore[arg-type]

    overlays.in_force = counted  # type: ignore[method-assign]
    items = {item["id"]: item["devices"] for item in (await made.do("template.list"))["items"]}
    assert looks == 1002
    assert len(items) == 402
    assert (items["acme/device.j2@tenant:north"], items["acme/device.j2@site"]) == (601, 1)
    assert {items[each.id] for each in own} == {1}
