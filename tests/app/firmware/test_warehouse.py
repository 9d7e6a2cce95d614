"""Firmware as an operator gets it, keeps it and lets it go."""

from __future__ import annotations

import pytest

from provd.base.errors import ConflictError, NotFoundError, PluginError, UsageError
from provd.domain.records import Device, Level, Profile
from tests.app.fakes import OTHER, PHONE, tenant
from tests.app.firmware.depot import held
from tests.app.test_admin import Office


def furnished(*records: object) -> Office:
    return Office(tenant(), *records)


async def test_what_the_plugins_know_of():
    office = furnished()
    office.world.depot.here.append(held("1.9b"))
    rows = (await office.do("firmware.available"))["items"]
    assert [(row["name"], row["version"], row["here"], row["source"]) for row in rows] == [
        ("acme-a1", "1.9b", True, None),
        ("acme-a1", "2.0", False, None),
        ("acme-a1", "2.1", False, "http://fw.example/a1-2.1.rom"),
        ("acme-words", "1", False, None),
    ]
    assert [row["sha256"] for row in rows] == [None, "ab" * 32, None, None]
    assert len((await office.do("firmware.available", model="a1g"))["items"]) == 3
    assert (await office.do("firmware.available", plugin="bolt"))["items"] == []


async def test_it_is_fetched_where_everybody_may_have_it():
    office = furnished()
    work = await office.do("firmware.fetch", name="acme-a1", version="2.1")
    assert (work["state"], work["result"]["version"]) == ("done", "2.1")
    assert [url for url, _ in office.world.depot.fetched] == ["http://fw.example/a1-2.1.rom"]
    (kept,) = [fact for fact in office.world.facts if fact.ID == "FIRMWARE-KEPT"]
    assert (kept.name, kept.checked, kept.by, kept.origin) == ("acme-a1", False, "ann", "http://fw.example/a1-2.1.rom")
    shown = await office.do("firmware.show", name="acme-a1")
    assert (shown["version"], shown["files"][0]["name"], shown["step"]) == ("2.1", "a1 (new)-2.1.rom", "1.9b")
    office.world.depot.refuses = "the server is away"
    failed = await office.do("firmware.fetch", name="acme-a1", version="2.1", sha256="cd" * 32)
    assert (failed["state"], failed["reason"]) == ("failed", "the server is away")


async def test_the_operator_brings_what_the_vendor_hands_out_to_nobody_else():
    office = furnished()
    with pytest.raises(
        UsageError, match=r"Get it there: acme\.example\. Then: provd firmware upload FILE --name acme-a1"
    ):
        await office.do("firmware.fetch", name="acme-a1", version="2.0")
    await office.do("firmware.fetch", name="acme-a1", version="2.0", url="http://mirror.example/x/a1-2.0.rom")
    ((url, wanted),) = office.world.depot.fetched
    assert (url, wanted.sha256, wanted.size) == ("http://mirror.example/x/a1-2.0.rom", "ab" * 32, 3)
    office.world.depot.entry["e"] = b"rom"
    brought = await office.do("firmware.upload", entry="e", called="A1.bin", name="acme-a1", version="1.9b")
    assert (brought["files"][0]["name"], brought["origin"], brought["by"]) == ("a1-1.9b.rom", "A1.bin", "ann")
    assert office.audit()[-1] == ("firmware.upload", "acme-a1 1.9b")
    with pytest.raises(ConflictError, match="the catalogue says abab"):
        await office.do("firmware.upload", entry="e", called="x", name="acme-a1", version="2.0", sha256="0" * 64)


async def test_versions_and_packages_that_no_catalogue_has():
    office = furnished()
    depot = office.world.depot
    depot.entry |= {"e": b"rom", "f": b"rom"}
    new = await office.do("firmware.upload", entry="e", called="a1-3.0.rom", name="ACME-A1", version="3.0")
    assert (new["name"], new["files"][0]["name"], new["models"], new["step"]) == (
        "acme-a1",
        "a1-3.0.rom",
        ["A1", "A1G"],
        "1.9b",
    )
    own = await office.do(
        "firmware.upload",
        entry="f",
        called="b.rom",
        name="ours",
        version="1",
        plugin="acme",
        models=["a1g"],
        kind="handset",
    )
    assert (own["kind"], own["models"]) == ("handset", ["A1G"])
    for more, reason in (
        ({}, "no plugin has a package theirs"),
        ({"plugin": "acme"}, "which models is it for"),
        ({"plugin": "acme", "models": ["Z9"]}, "no model 'Z9'"),
        ({"plugin": "acme", "models": ["A1"], "version": "../1"}, "cannot be used as a name"),
        ({"plugin": "acme", "models": ["A1"], "called": ".x"}, "cannot be used as a name"),
        ({"plugin": "acme", "models": ["A1"], "kind": "toaster"}, "must be one of"),
        ({"plugin": "acme", "models": ["A1"], "sha256": "abc"}, "64 hexadecimal digits"),
    ):
        call = {"entry": "e", "called": "x", "name": "theirs", "version": "1", **more}
        with pytest.raises((UsageError, PluginError), match=reason):
            await office.do("firmware.upload", **call)


async def test_a_file_may_say_by_its_name_what_it_is():
    office = furnished()
    office.world.depot.entry |= {"e": b"rom", "f": b"rom"}
    brought = await office.do("firmware.upload", entry="e", called="A1-2.0.ROM")
    assert (brought["name"], brought["version"], brought["files"][0]["name"]) == ("acme-a1", "2.0", "a1-2.0.rom")
    with pytest.raises(UsageError, match=r"no catalogue has a file 'x\.rom'"):
        await office.do("firmware.upload", entry="f", called="x.rom")


async def test_what_is_refused_is_not_left_lying_around():
    office = furnished()
    for number, more in enumerate(({"name": "theirs"}, {"sha256": "abc"}, {"version": "../1"})):
        office.world.depot.entry[f"{number}"] = b"rom"
        call = {"entry": f"{number}", "called": "x", "name": "acme-a1", "version": "2.0", **more}
        with pytest.raises((UsageError, NotFoundError)):
            await office.do("firmware.upload", **call)
    assert office.world.depot.entry == {}


async def test_what_is_needed_is_not_taken_away():
    phone = Device(
        mac=PHONE, plugin="acme", vendor="Acme", model="A1", version="1.8", settings={"firmware.version": "2.0"}
    )
    office = furnished(
        phone,
        Device(mac=OTHER, plugin="acme", vendor="Acme", model="A1G"),
        Profile(id="newest", level=Level.MODEL, applies_to="Acme/A1G", settings={"firmware.version": "2.1"}),
    )
    office.world.depot.here += [held("1.9b"), held("2.0"), held("2.1"), held("3.0")]
    released: list[int] = []
    assert office.admin.warehouse is not None
    office.admin.warehouse.released = lambda: released.append(len(office.world.depot.here))
    with pytest.raises(ConflictError, match=r"acme-a1 2\.0 is in use: 02:aa:aa:00:00:01 are to run it"):
        await office.do("firmware.remove", name="acme-a1", version="2.0")
    with pytest.raises(ConflictError, match=r"2\.1 is in use"):
        await office.do("firmware.remove", name="acme-a1", version="2.1")
    with pytest.raises(ConflictError, match=r"1\.9b is in use"):  # the step on the way to 2.0
        await office.do("firmware.remove", name="acme-a1", version="1.9b")
    assert released == []
    await office.do("firmware.remove", name="acme-a1", version="3.0")
    assert released == [3], "when it is gone, and not before"
    assert [fact.ID for fact in office.world.facts if fact.ID.startswith("FIRMWARE")] == ["FIRMWARE-DROPPED"]
    await office.do("device.set", mac=PHONE, unset=["firmware.version"])
    assert await office.do("firmware.remove", name="acme-a1", version="2.0") == {"removed": "acme-a1", "version": "2.0"}
    with pytest.raises(NotFoundError, match=r"there is no acme-a1 2\.0 here; there is 1\.9b, 2\.1"):
        await office.do("firmware.remove", name="acme-a1", version="2.0")
    with pytest.raises(UsageError, match="version: there is more than one"):
        await office.do("firmware.remove", name="acme-a1")
