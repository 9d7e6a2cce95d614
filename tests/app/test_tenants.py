"""Who has what: ports that belong to several tenants, and a tenant that goes and leaves nothing behind."""

from __future__ import annotations

import pytest

from provd.app.admin import Caller
from provd.app.ports import Put
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError
from provd.base.secrets import Secret
from provd.domain.records import ApiToken, AuditEntry, Device, Level, Profile
from tests.app.dialing_kit import gateway, phone
from tests.app.fakes import line
from tests.app.test_admin_codes import NORTH, SOUTH, Counter

BOX = gateway(1, tenant="north", description="In the cellar", settings={"admin.password": Secret("adm")}, ip="10.0.0.4")


async def shared() -> Counter:
    """A gateway of north with a port of south's."""
    counter = Counter(BOX)
    await counter.do("device.assign", mac=BOX.mac, line="n1")
    await counter.do("device.assign", mac=BOX.mac, line="s1", port=3)
    return counter


async def test_ports_are_given_by_number_or_in_their_order() -> None:
    counter = await shared()
    device = counter.device(BOX)
    assert (device.tenant, device.lines, device.ports) == ("north", ("n1", "s1"), (1, 3))
    counter.tables.put(phone(1, tenant="north"))
    for mac, port, reason in (
        (BOX.mac, 3, "port 3 has a line already"),
        (BOX.mac, 5, "a G4 has 4 ports"),
        (phone(1).mac, 1, "no ports"),
    ):
        with pytest.raises(ConflictError, match=reason):
            await counter.do("device.assign", mac=mac, line="n2", port=port)
    await counter.do("device.assign", mac=BOX.mac, line=["n2", "n3"], port=4)
    assert counter.device(BOX).ports == (1, 3, 4, 2)
    counter.tables.put(line("n4"))
    with pytest.raises(ConflictError, match="a G4 holds 4 lines, not 5"):
        await counter.do("device.assign", mac=BOX.mac, line="n4")


async def test_each_tenant_sees_its_own_ports() -> None:
    counter = await shared()
    everything = await counter.do("device.show", mac=BOX.mac)
    assert (everything["lines"], everything["ports"]) == (["n1", "s1"], [1, 3])
    owner = await counter.do("device.show", NORTH, mac=BOX.mac)
    assert (owner["lines"], owner["ports"], owner["description"]) == (["n1"], [1], "In the cellar")
    guest = await counter.do("device.show", SOUTH, mac=BOX.mac)
    assert (guest["lines"], guest["ports"], guest["model"]) == (["s1"], [3], "G4")
    assert (guest["description"], guest["settings"], guest["ip"], guest["tenant"]) == ("", {}, "", "")
    assert "account" not in guest
    (listed,) = (await counter.do("device.list", SOUTH))["items"]
    assert listed == guest
    assert (await counter.do("device.list", SOUTH, query="cellar"))["items"] == []
    assert (await counter.do("device.list", SOUTH, tenant="north"))["items"] == []
    with pytest.raises(NotFoundError):
        await counter.do("device.show", Caller(name="w", tenant="west"), mac=BOX.mac)


async def test_a_guest_changes_nothing_but_its_own_port() -> None:
    counter = await shared()
    for operation, params in (
        ("device.set", {"description": "mine"}),
        ("device.reset", {}),
        ("device.delete", {}),
        ("device.render", {}),
        ("device.settings", {}),
        ("device.assign", {"line": "s1"}),
        ("device.unassign", {"line": "n1"}),
    ):
        with pytest.raises(NotFoundError):
            await counter.do(operation, SOUTH, mac=BOX.mac, **params)
    assert await counter.do("device.unassign", SOUTH, mac=BOX.mac) == {
        "id": BOX.mac,
        "mac": "02:cc:cc:00:00:01",
        "lines": [],
    }
    assert (counter.device(BOX).lines, counter.device(BOX).ports) == (("n1",), (1,))
    with pytest.raises(NotFoundError):
        await counter.do("device.show", SOUTH, mac=BOX.mac)


async def test_the_owner_takes_nothing_from_others() -> None:
    counter = await shared()
    await counter.do("device.unassign", NORTH, mac=BOX.mac)
    await counter.do("device.unassign", NORTH, mac=BOX.mac)
    assert (counter.device(BOX).lines, counter.device(BOX).ports) == (("s1",), (3,))
    with pytest.raises(ForbiddenError, match="others have lines"):
        await counter.do("device.delete", NORTH, mac=BOX.mac)
    await counter.do("device.assign", NORTH, mac=BOX.mac, line="n2")
    await counter.do("device.reset", NORTH, mac=BOX.mac)
    device = counter.device(BOX)
    assert (device.lines, device.ports, device.settings, device.tenant) == (("s1",), (3,), {}, "north")


async def test_a_transfer_clears_everything_and_is_in_the_audit() -> None:
    counter = await shared()
    await counter.do("device.transfer", mac=BOX.mac, tenant="south")
    device = counter.device(BOX)
    assert (device.tenant, device.lines, device.ports, device.settings, device.description) == ("south", (), (), {}, "")
    assert counter.audited()[-1] == ("device.transfer", BOX.mac, "south")


async def test_a_line_that_is_deleted_leaves_every_port() -> None:
    counter = await shared()
    await counter.do("line.delete", id="s1")
    assert (counter.device(BOX).lines, counter.device(BOX).ports) == (("n1",), (1,))


async def test_a_deleted_tenant_leaves_nothing_behind() -> None:
    mine, other = phone(1, tenant="south", settings={"vlan.id": 7}), phone(2)
    counter = Counter(
        BOX,
        mine,
        other,
        gateway(2, tenant="south"),
        line("s2", "south", max_devices=3),
        Profile(id="of-south", level=Level.TENANT, applies_to="south"),
        Profile(id="south:desk"),
        ApiToken(id="t1", name="ci", tenant="south", scopes=("read",), hash="h"),
    )
    await counter.do("device.assign", mac=BOX.mac, line=["n1"])
    await counter.do("device.assign", mac=BOX.mac, line=["s1"])
    await counter.do("device.assign", mac=gateway(2).mac, line="s2", port=2)
    await counter.do("device.assign", mac=gateway(2).mac, line="n2", port=3)
    made = await counter.do("code.add", line="s2", uses=2)
    assert (await counter.dials(mine, made["code"])).good
    await counter.guesses(counter.device(mine), 2)
    assert any(lock.tenant == "south" for lock in counter.tables.locks.values())

    await counter.do("tenant.delete", id="south")
    left = [
        record
        for record in counter.journal.records.values()
        if "south" in repr(record) and not isinstance(record, AuditEntry)
    ]
    assert left == []
    given_back = counter.device(mine)
    assert (given_back.tenant, given_back.lines, given_back.settings) == ("master", (), {})
    assert (counter.device(BOX).tenant, counter.device(BOX).lines) == ("north", ("n1",))
    theirs = counter.device(gateway(2))
    assert (theirs.tenant, theirs.lines, theirs.ports) == ("master", ("n2",), (3,)), "north keeps its port"
    assert counter.audited()[-1] == ("tenant.delete", "south", "south")
    fleet = type(counter.fleet)(counter.journal)
    fleet.load()
    assert dict(fleet.tables.devices) == dict(counter.tables.devices)


async def test_a_deleted_device_leaves_no_lock() -> None:
    counter = Counter(phone(1))
    await counter.guesses(phone(1), 5)
    await counter.do("device.delete", mac=phone(1).mac)
    assert f"device:{phone(1).mac}" not in counter.tables.locks


async def test_a_device_of_a_site_that_is_shared_stays_where_it_is() -> None:
    counter = await shared()
    await counter.fleet.change(lambda: [Put(Device(mac=phone(9).mac))])
    _, digits = counter.code("s1", uses=1)
    counter.fleet.tables.put(line("s1", "south", max_devices=2))
    assert (await counter.dials(phone(9), digits)).good
    assert counter.tables.devices[phone(9).mac].tenant == "south"
    assert counter.device(BOX).tenant == "north"
