"""Types of devices and constraints: what they bring, what they refuse, and what is written together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app import effective
from provd.app.admin import Caller
from provd.app.ports import Put
from provd.base.errors import ConflictError, FaultsError, ForbiddenError, NotFoundError, StorageError, UsageError
from provd.base.secrets import Secret
from provd.domain.constraints import Attribute, Rule
from provd.domain.device_types import DeviceType, Typing
from provd.domain.records import Device, Level, Metadata, Profile, RunState, TaskStep
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Kind, Template, WaitStep
from tests.app.fakes import BOLT, OTHER, PHONE, BrokenJournal, tenant
from tests.app.test_admin import Office

NORTH = Caller(name="north's", tenant="north")
REST = [{"id": "rest", "do": "wait", "for": "1m"}]
TASK = {"id": "greet", "step": REST}
ASSET = [{"name": "asset", "type": "string", "required": True, "minimum": 3}]
OF_FILE = Rulebook(
    (Template(id="boot", version=1, kind=Kind.ONETIME, devices=("*",), steps=(WaitStep(id="rest", seconds=60.0),)),),
    (Rule(name="told", devices=("Bolt/*",), attributes=(Attribute(name="room", required=True),)),),
    databases={"crm": True},
)


def furnished(*records: object, **more: object) -> Office:
    office = Office(
        tenant(),
        tenant("south"),
        Device(mac=PHONE, vendor="Acme", model="A1", tenant="north", first_seen=1.0),
        Device(mac=OTHER, vendor="Acme", model="A1G", tenant="south", first_seen=1.0),
        Device(mac=BOLT, vendor="Bolt", model="B2", first_seen=1.0),
        *records,
        **more,
    )
    list(office.world.tasks.change(OF_FILE))
    office.world.journal.batches.clear()
    return office


def tasks(office: Office, mac: str = PHONE) -> list[str]:
    return sorted(run.template for run in office.world.fleet.tables.runs_of(mac))


def batch(office: Office) -> list[tuple[str, str]]:
    """The one transaction that was written last: what was put, and what was deleted."""
    return sorted((type(each).__name__, type(each.record).__name__) for each in office.world.journal.batches[-1])


# --- which type a device has


@pytest.mark.parametrize(
    ("of", "wanted"),
    [
        (("Acme", "A1", "north"), "north:own"),
        (("Acme", "A1", "south"), "exact"),
        (("acme", "a1G", "south"), "longer"),
        (("Acme", "B7", "south"), "vendor"),
        (("Bolt", "B2", "south"), "all"),
        (("", "", ""), "all"),
    ],
)
def test_the_closest_pattern_decides_and_a_tenants_own_goes_first(of, wanted):
    typing = Typing(
        [
            DeviceType(id="all", devices=("*",)),
            DeviceType(id="vendor", devices=("acme/*",)),
            DeviceType(id="longer", devices=("Acme/A1?",)),
            DeviceType(id="exact", devices=("acme/A1", "zzz/*")),
            DeviceType(id="north:own", devices=("acme/*",)),
        ]
    )
    assert [typing.of(*of).id for _ in range(2)] == [wanted, wanted]
    assert Typing([DeviceType(id="x", devices=("acme/*",))]).of("Bolt", "B2", "") is None


# --- what it brings


async def test_a_type_brings_its_settings_between_vendor_and_model_and_a_tenants_above_the_site():
    office = furnished(
        Profile(id="v", level=Level.VENDOR, applies_to="Acme", settings={"time.zone": "UTC", "ntp.server": "v"}),
        Profile(id="m", level=Level.MODEL, applies_to="Acme/A1", settings={"locale.language": "de"}),
        Profile(id="s", level=Level.SITE, settings={"sip.server": "site"}),
    )
    tables = office.world.fleet.tables

    def found(name: str) -> tuple[object, str]:
        now = effective.for_device(tables, tables.device(PHONE))
        return now.values.get(name), now.origin(name)

    await office.do(
        "type.add",
        id="a",
        devices=["acme/*"],
        settings={"ntp.server": "t", "locale.language": "es", "sip.server": "t"},
    )
    assert found("ntp.server") == ("t", "type a")
    assert found("locale.language") == ("de", "model profile m")
    assert found("sip.server") == ("site", "site profile s")
    assert effective.for_model(tables, "Acme", "A1").values["ntp.server"] == "t"
    before = effective.device_revisions(tables, tables.device(PHONE))
    await office.admin.call("type.add", {"id": "a", "devices": ["acme/*"], "settings": {"sip.server": "own"}}, NORTH)
    assert found("sip.server") == ("own", "type north:a")
    assert found("ntp.server") == ("v", "vendor profile v"), "a device has one type"
    assert effective.device_revisions(tables, tables.device(PHONE)) != before
    assert effective.for_model(tables, "Acme", "A1").values["ntp.server"] == "t"


async def test_a_secret_setting_is_kept_as_one_and_shown_as_none():
    office = furnished()
    made = await office.do("type.add", id="a", devices=["acme/*"], settings={"admin.password": "swordfish"})
    assert made["settings"] == {"admin.password": "***"}
    assert office.world.fleet.tables.kinds.types["a"].settings == {"admin.password": Secret("swordfish")}
    changes = {"settings": {"admin.password": "***", "ntp.server": "n"}, "description": "x", "to": "-"}
    changed = await office.do("type.set", id="a", replace=True, **changes)
    assert (changed["devices"], changed["description"]) == ([], "x")
    assert office.world.fleet.tables.kinds.types["a"].settings["admin.password"] == Secret("swordfish")


async def test_its_tasks_come_and_go_with_it_in_one_transaction():
    office = furnished()
    await office.do("type.add", id="a", devices=["acme/*"], tasks=[TASK])
    assert tasks(office) == tasks(office, OTHER) == ["a.greet", "boot"]
    assert tasks(office, BOLT) == ["boot"]
    assert batch(office) == [
        ("Put", "AuditEntry"),
        ("Put", "DeviceType"),
        *[("Put", "TaskRun")] * 2,
    ]
    await office.do("type.set", id="a", tasks=[{"id": "again", "step": REST}, TASK])
    assert tasks(office) == ["a.again", "a.greet", "boot"]
    assert batch(office).count(("Put", "TaskRun")) == 2, "what was there stays"
    await office.do("type.set", id="a", tasks=[])
    assert tasks(office) == ["boot"]
    assert batch(office).count(("Delete", "TaskRun")) == 4
    templates = await office.do("task.templates")
    assert [each["id"] for each in templates["items"]] == ["boot"]


async def test_a_device_that_becomes_another_type_has_its_tasks_at_once():
    office = furnished()
    await office.do("type.add", id="a", devices=["acme/a1"], tasks=[TASK])
    await office.do("type.add", id="b", devices=["bolt/*"], tasks=[{"id": "hello", "step": REST}])
    phone = office.world.fleet.tables.device(PHONE)
    await office.world.fleet.change(lambda: [Put(replace(phone, vendor="Bolt", model="B2"))])
    assert tasks(office) == ["b.hello", "boot"]
    assert {("Put", "Device"), ("Delete", "TaskRun"), ("Put", "TaskRun")} <= set(batch(office))
    assert (await office.do("device.show", mac=PHONE))["type"] == "b"


async def test_a_device_that_appears_has_them_in_the_transaction_of_its_own_row():
    office = furnished()
    await office.do("type.add", id="a", devices=["*"], tasks=[TASK, {"id": "later", "begins": "seen", "step": REST}])
    await office.world.fleet.change(lambda: [Put(Device(mac="02aaaa0000aa"))])
    assert tasks(office, "02aaaa0000aa") == ["a.greet", "boot"]
    assert batch(office) == [("Put", "Device"), ("Put", "TaskRun"), ("Put", "TaskRun")]


async def test_what_a_tenants_type_brought_leaves_with_the_tenant():
    office = furnished()
    await office.admin.call("type.add", {"id": "a", "devices": ["acme/*"], "tasks": [TASK]}, NORTH)
    assert (tasks(office), tasks(office, OTHER)) == (["boot", "north:a.greet"], ["boot"])
    done = replace(office.world.fleet.tables.task_run(f"north:a.greet:1:{PHONE}:1"), state=RunState.DONE)
    office.world.fleet.keep(Put(done), Put(TaskStep(run=done.id, name="rest", result={"secret": 1}, at=1.0)))
    await office.do("device.transfer", mac=PHONE, tenant="south")
    assert tasks(office) == ["boot"]
    assert office.world.fleet.tables.steps_of(done.id) == ()
    await office.do("device.transfer", mac=PHONE, tenant="north")
    assert tasks(office) == ["boot", "north:a.greet"]
    await office.do("tenant.delete", id="north")
    assert tasks(office) == ["boot"]
    assert office.world.fleet.tables.kinds.types == {}


async def test_a_change_that_the_disk_refuses_leaves_nothing_behind():
    office = furnished(journal=BrokenJournal)
    office.world.journal.broken = True
    with pytest.raises(StorageError):
        await office.do("type.add", id="a", devices=["acme/*"], tasks=[TASK])
    assert (tasks(office), office.world.fleet.tables.kinds.types) == (["boot"], {})
    assert office.world.tasks.rules.types == {}
    office.world.journal.broken = False
    await office.do("type.add", id="a", devices=["acme/*"], tasks=[TASK])
    assert tasks(office) == ["a.greet", "boot"]


async def test_a_reload_of_the_file_leaves_types_in_force():
    office = furnished()
    await office.do("type.add", id="a", devices=["acme/*"], tasks=[TASK])
    list(office.world.tasks.change(Rulebook()))
    assert (tasks(office), tasks(office, BOLT)) == (["a.greet"], [])


async def test_types_come_back_with_the_daemon():
    office = furnished()
    await office.do("constraint.add", id="asset", attributes=ASSET)
    await office.do("type.add", id="a", devices=["acme/*"], tasks=[TASK], constraints=["asset"])
    again = Office(*office.world.journal.records.values())
    shown = await again.do("type.show", id="a")
    assert (shown["tasks"], shown["count"], shown["constraints"]) == ([TASK], 2, ["asset"])
    assert again.world.tasks.rules.template("a.greet").devices == ("acme/*",)


async def test_what_a_newer_provd_has_written_is_named_and_stops_nothing():
    office = furnished(
        DeviceType(id="a", devices=("acme/*",), tasks={"new": {"step": [{"do": "fly"}]}, "old": {"step": REST}})
    )
    assert [each.id for each in office.world.tasks.rules] == ["boot", "a.old"]
    (fault,) = (await office.do("type.show", id="a"))["faults"]
    assert fault.startswith("new: ")


# --- what is refused


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"tasks": [{"step": REST}]}, "tasks.0.id"),
        ({"tasks": [TASK, TASK]}, "tasks.1.id"),
        ({"tasks": [{"id": "x", "step": []}]}, "tasks.x.step"),
        ({"tasks": [{"id": "x", "step": REST, "devices": ["*"]}]}, "tasks.x.devices"),
        ({"tasks": [{"id": "x", "step": REST, "every": "1h"}]}, "a periodic task"),
        (
            {"tasks": [{"id": "x", "step": [{"id": "y", "do": "sql", "database": "no", "statement": "s"}]}]},
            "no database",
        ),
        (
            {
                "tasks": [
                    {"id": "x", "step": [{"id": "y", "do": "sql", "database": "crm", "statement": "s", "write": True}]}
                ]
            },
            "read only",
        ),
        ({"tasks": [{"id": "x", "step": [{"id": "y", "do": "http", "server": "no", "path": "/"}]}]}, "no server"),
        ({"devices": ["sensor"]}, "Vendor/Model"),
        ({"constraints": ["none"]}, "no constraint"),
        ({"to": "b"}, "no device leaves a type that is new"),
        ({"settings": {"sip.sever": "x"}}, "sip.sever"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_named(said, fault):
    office = furnished()
    with pytest.raises(UsageError, match=fault):
        await office.do("type.add", id="a", **said)
    assert office.world.journal.batches == []


async def test_devices_do_not_lose_their_type_unless_it_is_said_where_they_go():
    office = furnished()
    for name, patterns in (("a", ["acme/*"]), ("b", ["bolt/*"])):
        await office.do("type.add", id=name, devices=patterns, tasks=[TASK])
    with pytest.raises(ConflictError, match="2 devices have this type"):
        await office.do("type.delete", id="a")
    with pytest.raises(ConflictError, match="1 devices have this type"):
        await office.do("type.set", id="a", devices=["acme/a1g"])
    with pytest.raises(ConflictError, match="cannot take"):
        await office.do("type.delete", id="a", to="a")
    with pytest.raises(NotFoundError):
        await office.do("type.delete", id="a", to="none")
    assert tasks(office) == ["a.greet", "boot"]
    await office.do("type.set", id="a", devices=["acme/a1g"], to="b")
    assert (await office.do("type.show", id="b"))["devices"] == ["bolt/*", "acme/*"]
    assert (tasks(office), tasks(office, OTHER)) == (["b.greet", "boot"], ["a.greet", "boot"])
    await office.do("type.delete", id="a", to="b")
    assert tasks(office, OTHER) == ["b.greet", "boot"]
    await office.do("type.delete", id="b", to="-")
    assert (tasks(office), office.world.fleet.tables.kinds.types) == (["boot"], {})


async def test_devices_do_not_leave_a_type_that_brings_something_for_another_unless_it_is_meant():
    office = furnished()
    await office.do("type.add", id="a", devices=["acme/*"], tasks=[TASK])
    own = {"id": "b", "devices": ["*"]}
    for caller in (NORTH, Caller(name="site")):
        with pytest.raises(ConflictError, match=r"1 devices would leave another type .*02:aa:aa:00:00:01"):
            await office.admin.call("type.add", {**own, "devices": ["acme/a1"]}, caller)
    assert tasks(office) == ["a.greet", "boot"]
    await office.admin.call("type.add", {**own, "to": "-"}, NORTH)
    assert (tasks(office), tasks(office, OTHER)) == (["boot"], ["a.greet", "boot"])
    # What brings nothing but settings may be left, and whoever has no type may have one.
    await office.do("type.add", id="c", devices=["bolt/*"], settings={"ntp.server": "c"})
    await office.do("type.add", id="d", devices=["bolt/b2"])
    with pytest.raises(ConflictError, match="1 devices would leave another type"):
        await office.do("type.set", id="d", devices=["bolt/b2", "acme/a1g"])
    await office.do("type.set", id="d", devices=["bolt/b2", "acme/a1g"], to="-")
    assert tasks(office, OTHER) == ["boot"]


async def test_a_tenants_type_is_not_for_the_sites_databases_servers_and_files():
    office = furnished()
    step = {"id": "y", "do": "sql", "database": "crm", "statement": "select 1"}
    reads = {"id": "a", "devices": ["acme/*"], "tasks": [{"id": "x", "step": [step]}]}
    with pytest.raises(ForbiddenError):
        await office.admin.call("type.add", reads, NORTH)
    with pytest.raises(ForbiddenError):
        await office.admin.call("type.add", reads, replace(Caller(name="s"), scopes=frozenset({"write"})))
    await office.do("type.add", **reads)
    assert tasks(office) == ["a.x", "boot"]
    with pytest.raises(NotFoundError):
        await office.admin.call("type.show", {"id": "a"}, NORTH)
    shown = await office.admin.call("device.show", {"mac": PHONE}, NORTH)
    assert shown["type"] == ""


# --- constraints


async def with_metadata(*data: tuple[str, dict[str, object]]) -> Office:
    office = furnished(*(Metadata(mac=mac, data=found) for mac, found in data))
    await office.do("constraint.add", id="asset", attributes=ASSET)
    return office


async def test_how_a_constraint_stands_with_the_devices_of_its_types():
    office = await with_metadata((PHONE, {"asset": "A-17"}))
    await office.do("type.add", id="a", devices=["acme/*"], constraints=["asset"])
    shown = await office.do("constraint.show", id="asset")
    assert (shown["types"], shown["states"]) == (["a"], {"applying": 1, "in effect": 1, "failed": 0})
    office.world.fleet.keep(Put(Metadata(mac=PHONE, data={"asset": "A"})))
    shown = await office.do("constraint.show", id="asset")
    assert shown["failed"] == [
        {"device": "02:aa:aa:00:00:01", "faults": ["asset: asset must be at least 3 characters"]}
    ]
    told = await office.do("task.metadata", mac=PHONE)
    assert [(each["name"], each["state"]) for each in told["constraints"]] == [("asset", "failed")]
    of_file = await office.do("constraint.show", id="told")
    assert (of_file["origin"], of_file["devices"], of_file["states"]["applying"]) == ("file", ["Bolt/*"], 1)


async def test_what_stands_in_the_file_is_shown_and_not_changed_here():
    office = furnished()
    listed = await office.do("constraint.list")
    assert [(each["id"], each["origin"]) for each in listed["items"]] == [("told", "file")]
    for operation, more in (("set", {"attributes": ASSET}), ("delete", {})):
        with pytest.raises(ForbiddenError, match="configuration file"):
            await office.do(f"constraint.{operation}", id="told", **more)
    with pytest.raises(ConflictError, match="already"):
        await office.do("constraint.add", id="told", attributes=ASSET)
    await office.do("type.add", id="a", devices=["acme/*"], constraints=["told"])
    assert [each.name for each in office.world.tasks.rules.types["a"].rules] == ["told"]


async def test_what_would_make_right_metadata_wrong_is_refused_unless_it_is_meant():
    office = await with_metadata((PHONE, {"asset": "A-17"}), (OTHER, {"room": 7}))
    with pytest.raises(ConflictError, match="metadata of 1 devices would be wrong"):
        await office.do("type.add", id="a", devices=["acme/*"], constraints=["asset"])
    await office.do("type.add", id="a", devices=["acme/*"], constraints=["asset"], breaking=True)
    longer = [{**ASSET[0], "minimum": 9}]
    with pytest.raises(ConflictError, match="02:aa:aa:00:00:01"):
        await office.do("constraint.set", id="asset", attributes=longer)
    assert (await office.do("constraint.show", id="asset"))["attributes"] == ASSET
    await office.do("constraint.set", id="asset", attributes=[{"name": "asset"}])
    await office.do("constraint.set", id="asset", attributes=longer, breaking=True)
    assert (await office.do("constraint.show", id="asset"))["states"]["failed"] == 2


async def test_a_constraint_in_use_is_deleted_when_it_is_said_what_takes_its_place():
    office = await with_metadata((PHONE, {"asset": "A-17"}))
    await office.do("constraint.add", id="room", attributes=[{"name": "room", "required": True}])
    await office.do("type.add", id="a", devices=["acme/*"], constraints=["asset"])
    with pytest.raises(ConflictError, match="1 types name it"):
        await office.do("constraint.delete", id="asset")
    with pytest.raises(ConflictError, match="would be wrong"):
        await office.do("constraint.delete", id="asset", to="room")
    with pytest.raises(ConflictError, match="cannot take"):
        await office.do("constraint.delete", id="asset", to="asset")
    await office.do("constraint.delete", id="asset", to="told", breaking=True)
    assert (await office.do("type.show", id="a"))["constraints"] == ["told"]
    await office.do("constraint.delete", id="room")
    await office.do("type.delete", id="a", to="-")


@pytest.mark.parametrize(
    "attributes", [[], [{}], [{"name": ""}], [{"name": "x"}, {"name": "x"}], [{"name": "x", "type": "enum"}]]
)
async def test_attributes_that_make_no_sense_are_refused(attributes):
    office = furnished()
    with pytest.raises(FaultsError, match="attributes"):
        await office.do("constraint.add", id="x", attributes=attributes)


async def test_a_tenant_has_constraints_and_types_of_its_own():
    office = furnished()

    async def do(operation: str, **params: object) -> object:
        return await office.admin.call(operation, params, NORTH)

    await do("constraint.add", id="asset", attributes=ASSET)
    made = await do("type.add", id="a", devices=["acme/*"], constraints=["asset"], tasks=[TASK])
    assert (made["id"], made["constraints"]) == ("a", ["asset"])
    assert office.world.fleet.tables.kinds.types["north:a"].constraints == ("north:asset",)
    with pytest.raises(NotFoundError):
        await do("type.set", id="a", constraints=["told"])
    await office.do("type.set", id="north:a", constraints=["north:asset", "told"])
    shown = await do("type.set", id="a", constraints=["told"])
    assert shown["constraints"] == ["told"], "what the site has put there may stay"
    assert [each["id"] for each in (await do("constraint.list"))["items"]] == ["asset"]
    assert {each["id"] for each in (await do("task.templates"))["items"]} == {"boot", "a.greet"}
    with pytest.raises(ConflictError, match=f"north:a.greet:1:{PHONE}:1 is pending"):
        await do("task.run", mac=PHONE, template="a.greet")
    with pytest.raises(NotFoundError):
        await office.do("type.add", id="north:b", constraints=["south:asset"])


async def test_what_types_of_others_bring_cannot_be_noticed_by_running_it():
    office = furnished()
    await office.do("type.add", id="b", devices=["bolt/*"], tasks=[TASK])
    await office.do("type.add", id="south:a", devices=["acme/*"], tasks=[TASK])
    for name in ("south:a.greet", "south:none.greet", "b.greet", "none.greet"):
        with pytest.raises(NotFoundError, match="there is no task"):
            await office.admin.call("task.run", {"mac": PHONE, "template": name}, NORTH)
    with pytest.raises(ConflictError, match="does not belong"):
        await office.do("task.run", mac=PHONE, template="south:a.greet")
    await office.do("type.add", id="c", devices=["acme/*"], tasks=[TASK])
    with pytest.raises(ConflictError, match="is pending"):
        await office.admin.call("task.run", {"mac": PHONE, "template": "c.greet"}, NORTH)
