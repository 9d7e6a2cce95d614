"""Callers of one tenant: what belongs to others does not exist for them."""

from __future__ import annotations

import pytest

from provd.app.admin import Caller, Scope
from provd.app.site import Site
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError, ProvdError, UsageError
from provd.base.secrets import Secret
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.records import Device, Level, Line, Profile, RunState, TaskRun
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Kind, Template, WaitStep
from tests.app.fakes import BOLT, OTHER, PHONE, tenant
from tests.app.test_admin import Office

NORTH = Caller(name="north's", tenant="north")
SOUTH = Caller(name="south's", tenant="south")
SITE = Caller(name="site's")
NOBODY = "02aaaa0000ff"
"""A MAC that does not exist."""

GREET = Rulebook(
    (Template(id="greet", version=1, kind=Kind.ONETIME, devices=("*",), steps=(WaitStep(id="rest", seconds=60.0),)),)
)


def furnished(site: Site | None = None) -> Office:
    """A phone and two lines of the north, the same of the south, and a phone that nobody has claimed."""
    office = Office(
        tenant(),
        tenant("south"),
        Line(id="n1", tenant="north", username="n1", password=Secret("x")),
        Line(id="s1", tenant="south", username="s1", password=Secret("south-secret")),
        Device(mac=PHONE, tenant="north", lines=("n1",)),
        Device(mac=OTHER, tenant="south", lines=("s1",)),
        Device(mac=BOLT),
        *(
            TaskRun(id=f"greet:1:{mac}:1", template="greet", version=1, mac=mac, state=RunState.FAILED)
            for mac in (PHONE, OTHER)
        ),
        Profile(id="everybody", level=Level.SITE),
        Profile(id="south:desk"),
        Profile(id="rules", level=Level.TENANT, applies_to="south"),
        Constraint(id="south:asset", attributes={"asset": {}}),
        Constraint(id="north:mine", attributes={"asset": {}}),
        DeviceType(id="south:sensor", devices=("acme/sensor",), constraints=("south:asset",)),
        DeviceType(id="north:own", devices=("acme/own",), constraints=("north:mine",)),
        site=site,
    )
    list(office.world.tasks.change(GREET))
    return office


async def outcome(office: Office, caller: Caller, operation: str, params: dict[str, object]) -> tuple[object, str]:
    try:
        return await office.admin.call(operation, params, caller), ""
    except ProvdError as error:
        return type(error), str(error)


ELSEWHERE = {
    PHONE: OTHER,
    "n1": "s1",
    "north": "south",
    "p": "south:desk",
    "t": "south:sensor",
    "c": "south:asset",
}
ABSENT = {
    PHONE: NOBODY,
    "n1": "x9",
    "north": "nowhere",
    "p": "nowhere:desk",
    "t": "nowhere:sensor",
    "c": "nowhere:asset",
}
WHERE: list[dict[str, object]] = [{"model": "acme", "tenant": "north"}, {"device": PHONE}]
CALLS: dict[str, list[dict[str, object]]] = {
    "device.list": [{"tenant": "north"}, {"profile": "p"}, {"query": PHONE}],
    "device.show": [{"mac": PHONE}, {"mac": PHONE, "reveal": True}],
    "device.diagnose": [{"mac": PHONE}],
    "device.add": [{"mac": NOBODY, "tenant": "north"}, {"mac": NOBODY, "profile": "p"}],
    "device.set": [{"mac": PHONE, "description": "x"}, {"mac": PHONE, "new_token": True}],
    "device.assign": [{"mac": PHONE, "line": ["n1"]}],
    "device.unassign": [{"mac": PHONE}, {"mac": PHONE, "line": ["n1"]}],
    "device.reset": [{"mac": PHONE}],
    "device.transfer": [{"mac": PHONE, "tenant": "north"}],
    "device.sync": [{"mac": PHONE}],
    "device.sync_many": [{"tenant": "north"}, {"profile": "p"}],
    "device.delete": [{"mac": PHONE}],
    "device.settings": [{"mac": PHONE}],
    "device.files": [{"mac": PHONE}],
    "device.render": [{"mac": PHONE}],
    "device.render_as": [
        {"model": "A1", "tenant": "north"},
        {"model": "A1", "line": ["n1"]},
        {"model": "A1", "profile": "p"},
    ],
    "device.check": [{"mac": PHONE}],
    "device.import": [{"csv": f"mac,tenant\n{NOBODY},north"}, {"csv": f"mac,lines\n{NOBODY},n1"}],
    "tenant.show": [{"id": "north"}],
    "tenant.set": [{"id": "north", "name": "x"}],
    "line.list": [{"tenant": "north"}],
    "line.show": [{"id": "n1"}, {"id": "n1", "reveal": True}],
    "line.add": [{"id": "n1"}, {"id": "new", "tenant": "north"}],
    "line.set": [{"id": "n1", "number": "5"}],
    "line.delete": [{"id": "n1"}],
    "line.import": [{"csv": "id,number\nn1,5"}, {"csv": "tenant,id\nnorth,new"}],
    "profile.show": [{"id": "p"}],
    "profile.add": [
        {"id": "p"},
        {"id": "q", "parents": ["p"]},
        {"id": "q", "level": "tenant", "applies_to": "north"},
    ],
    "profile.set": [{"id": "p", "name": "x"}],
    "profile.delete": [{"id": "p"}],
    "task.list": [{"tenant": "north"}, {"mac": PHONE}],
    "task.show": [{"id": f"greet:1:{PHONE}:1"}],
    "task.run": [{"mac": PHONE, "template": "greet"}],
    "task.retry": [{"id": f"greet:1:{PHONE}:1"}],
    "task.cancel": [{"id": f"greet:1:{PHONE}:1"}],
    "task.metadata": [{"mac": PHONE}],
    "type.show": [{"id": "t"}],
    "type.add": [{"id": "t"}, {"id": "u", "constraints": ["c"]}],
    "type.set": [{"id": "t", "description": "x"}, {"id": "own", "constraints": ["c"]}, {"id": "own", "to": "t"}],
    "type.delete": [{"id": "t"}, {"id": "own", "to": "t"}],
    "constraint.show": [{"id": "c"}],
    "constraint.add": [{"id": "c", "attributes": [{"name": "x"}]}],
    "constraint.set": [{"id": "c", "attributes": [{"name": "x"}]}],
    "constraint.delete": [{"id": "c"}, {"id": "mine", "to": "c"}],
    "template.list": [{"tenant": "north"}, {"device": PHONE}],
    "template.show": [{"name": "device.j2", **where} for where in WHERE],
    "template.set": [{"name": "device.j2", "text": "x", **where} for where in WHERE],
    "template.preview": [{"name": "device.j2", "text": "x", **where} for where in WHERE],
    "template.diff": [{"name": "device.j2", **where} for where in WHERE],
    "template.restore": [{"name": "device.j2", **where} for where in WHERE],
}
"""Every operation that takes the name of an object, with those of the north."""


def renamed(params: dict[str, object], names: dict[str, str]) -> dict[str, object]:
    def text(value: str) -> str:
        for old, new in names.items():
            value = new if value == old else value.replace(f",{old}", f",{new}").replace(f"\n{old}", f"\n{new}")
            value = value.replace(f":{old}:", f":{new}:")
        return value

    return {
        name: [text(each) if isinstance(each, str) else each for each in value]
        if isinstance(value, list)
        else text(value)
        if isinstance(value, str)
        else value
        for name, value in params.items()
    }


@pytest.mark.parametrize(("operation", "params"), [(name, params) for name in CALLS for params in CALLS[name]])
async def test_what_another_tenant_has_is_answered_like_what_nobody_has(operation, params):
    office = furnished()
    before = dict(office.world.journal.records)
    theirs = await outcome(office, NORTH, operation, renamed(params, ELSEWHERE))
    office_without = furnished()
    absent = await outcome(office_without, NORTH, operation, renamed(params, ABSENT))
    spelt = {new: ABSENT[old] for old, new in ELSEWHERE.items()}
    seen = str(theirs)
    for there, nowhere in [(OTHER[-2:], NOBODY[-2:]), *sorted(spelt.items(), key=lambda pair: -len(pair[0]))]:
        seen = seen.replace(there, nowhere)
    assert seen == str(absent).replace(OTHER[-2:], NOBODY[-2:])
    if theirs[1]:
        assert office.world.journal.records == before


KINDS = {"device", "tenant", "line", "profile", "task", "template", "type", "constraint"}


async def test_every_operation_that_names_an_object_is_in_the_table_above_or_for_the_site():
    office = furnished()
    free = {"identify", "device.export", "device.sync_progress", "tenant.list", "profile.list", "task.templates"}
    free |= {"type.list", "constraint.list"}
    named = {name for name, operation in office.admin.operations.items() if not operation.site} - free
    assert {name for name in named if name.partition(".")[0] in KINDS} == set(CALLS)


async def test_lists_and_exports_hold_only_ones_own():
    office = furnished()
    for name, own in {"device": PHONE, "line": "n1", "tenant": "north"}.items():
        found = await office.admin.call(f"{name}.list", {}, NORTH)
        assert ([item["id"] for item in found["items"]], found["total"]) == ([own], 1)
    assert (await office.admin.call("profile.list", {}, NORTH))["items"] == []
    assert [p["id"] for p in (await office.admin.call("profile.list", {}, SOUTH))["items"]] == ["rules", "desk"]
    text = (await office.admin.call("device.export", {}, NORTH))["csv"]
    assert text.count("\n") == 2
    assert "n1" in text
    everybody = await office.admin.call("device.list", {}, SITE)
    assert everybody["total"] == 3


async def test_two_tenants_may_use_the_same_name():
    office = furnished()
    for caller in (NORTH, SOUTH):
        added = await office.admin.call("line.add", {"id": "101", "number": "101"}, caller)
        assert (added["id"], added["tenant"], added["username"]) == ("101", caller.tenant, "101")
        with pytest.raises(ConflictError, match="line '101' is there already"):
            await office.admin.call("line.add", {"id": "101"}, caller)
    assigned = await office.admin.call("device.assign", {"mac": PHONE, "line": ["101"]}, NORTH)
    assert assigned["lines"] == ["n1", "101"]
    seen = await office.admin.call("device.show", {"mac": PHONE}, SITE)
    assert seen["lines"] == ["n1", "north:101"]
    assert (await office.admin.call("line.show", {"id": "north:101"}, SITE))["tenant"] == "north"
    await office.admin.call("profile.add", {"id": "desk", "settings": {"vlan.id": 5}}, NORTH)
    assert (await office.admin.call("device.set", {"mac": PHONE, "profile": "desk"}, NORTH))["profile"] == "desk"
    # What the site has given a tenant under a plain name is that tenant's by that name.
    with pytest.raises(ConflictError):
        await office.admin.call("line.add", {"id": "n1"}, NORTH)
    with pytest.raises(ConflictError):
        await office.admin.call("line.add", {"id": "101", "tenant": "north"}, SITE)
    with pytest.raises(NotFoundError, match="no tenant 'south'"):
        await office.admin.call("line.add", {"id": "south:7", "tenant": "north"}, SITE)


async def test_the_names_of_a_deleted_tenant_go_with_it():
    office = furnished()
    await office.admin.call("tenant.delete", {"id": "south"}, SITE)
    assert set(office.world.fleet.tables.profiles) == {"everybody"}


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("tenant.add", {"id": "mine"}),
        ("tenant.delete", {"id": "north"}),
        ("tenant.set", {"id": "north", "enabled": True}),
        ("lease.list", {}),
        ("lease.release", {"ip": "10.0.0.9"}),
        ("reservation.list", {}),
        ("reservation.add", {"ip": "10.0.0.11", "mac": PHONE}),
        ("reservation.delete", {"id": "x"}),
        ("plugin.list", {}),
        ("plugin.available", {}),
        ("plugin.prepare", {"plugin": "acme"}),
        ("plugin.try", {"id": "acme"}),
        ("plugin.switch", {"id": "acme"}),
        ("plugin.rollback", {"id": "acme"}),
        ("plugin.remove", {"id": "acme"}),
        ("plugin.link", {"id": "acme", "folder": "/x"}),
        ("firmware.fetch", {"name": "acme-a1", "version": "2.1"}),
        ("firmware.upload", {"name": "acme-a1", "version": "2.0", "entry": "x", "called": "x"}),
        ("firmware.remove", {"name": "acme-a1"}),
        ("import.wazo", {"devices": [], "configs": []}),
        ("operation.list", {}),
        ("operation.show", {"id": "x"}),
        ("operation.cancel", {"id": "x"}),
        ("status", {}),
        ("profile.add", {"id": "x", "level": "site"}),
        ("profile.add", {"id": "x", "level": "vendor", "applies_to": "Acme"}),
    ],
)
async def test_what_concerns_everybody_is_not_for_one_tenant(operation, params):
    office = furnished()
    with pytest.raises(ForbiddenError, match="all tenants"):
        await office.admin.call(operation, params, NORTH)


async def test_a_tenant_cannot_lift_a_profile_to_the_whole_site():
    office = furnished()
    with pytest.raises(ForbiddenError):
        await office.admin.call("profile.set", {"id": "rules", "level": "group", "applies_to": ""}, SOUTH)
    with pytest.raises(ForbiddenError):
        await office.admin.call("profile.set", {"id": "desk", "level": "site"}, SOUTH)
    with pytest.raises(UsageError, match="group or a tenant profile"):
        await office.admin.call("profile.set", {"id": "south:desk", "level": "site"}, SITE)
    with pytest.raises(NotFoundError, match="tenant 'north' has no profile 'south:desk'"):
        await office.admin.call("device.set", {"mac": PHONE, "profile": "south:desk"}, SITE)


async def test_scopes_include_the_weaker_ones_and_secrets_need_the_strongest():
    office = furnished()
    for scope, may in ((Scope.READ, "r"), (Scope.WRITE, "rw"), (Scope.ADMIN, "rwa")):
        caller = Caller(name="t", tenant="north", scopes=frozenset({scope}))
        for letter, (operation, params) in {
            "r": ("line.show", {"id": "n1"}),
            "w": ("line.set", {"id": "n1", "number": "7"}),
            "a": ("line.show", {"id": "n1", "reveal": True}),
        }.items():
            result, reason = await outcome(office, caller, operation, params)
            assert (result is ForbiddenError) == (letter not in may), (scope, operation, reason)
    assert not Caller(name="none", scopes=frozenset()).has(Scope.READ)


async def test_an_unclaimed_phone_is_claimed_by_dialing_unless_the_site_says_that_its_mac_will_do():
    office = furnished()
    with pytest.raises(NotFoundError, match="no device"):
        await office.admin.call("device.assign", {"mac": BOLT, "line": ["n1"]}, NORTH)
    for mac in (BOLT, OTHER):
        # One that is unclaimed and one that is somebody's are refused in the same words.
        with pytest.raises(ConflictError, match="cannot be added; dial a code on it"):
            await office.admin.call("device.add", {"mac": mac}, NORTH)
        with pytest.raises(UsageError, match=r"line 2: .*cannot be added"):
            await office.admin.call("device.import", {"csv": f"mac\n{mac}"}, NORTH)
    open_house = furnished(Site(claim="mac"))
    await open_house.admin.call("line.add", {"id": "n2"}, NORTH)
    claimed = await open_house.admin.call("device.assign", {"mac": BOLT, "line": ["n2"]}, NORTH)
    assert (claimed["tenant"], claimed["lines"]) == ("north", ["n2"])
    with pytest.raises(NotFoundError):
        await open_house.admin.call("device.assign", {"mac": OTHER, "line": ["n2"]}, NORTH)


async def test_what_a_tenant_announces_is_its_own():
    office = furnished()
    added = await office.admin.call("device.add", {"mac": NOBODY}, NORTH)
    assert added["tenant"] == "north"
    imported = await office.admin.call("device.import", {"csv": "mac,lines\n02aaaa0000fe,"}, NORTH)
    assert imported["added"] == 1
    assert office.world.fleet.tables.device("02aaaa0000fe").tenant == "north"
