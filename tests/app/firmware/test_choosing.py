"""From ``firmware.version`` to the URLs in a phone's file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.context import ContextMaker, Subject
from provd.app.firmware.choosing import Images
from provd.app.limits import Limits
from provd.app.site import Site
from provd.app.tables import Tables
from provd.app.tokens import Tokens
from provd.domain.firmware import older, same
from provd.domain.records import Device, Level, Profile
from tests.app.fakes import ACME, KEY, PHONE, World, tenant
from tests.app.firmware.depot import FixedDepot, held

HTTP = "http://10.0.0.1:8667"
SITE = Site()


@pytest.mark.parametrize(
    ("one", "other", "before"),
    [
        ("7.4.9c", "7.5.2b", True),
        ("7.5.2", "7.5.2b", True),
        ("7.5.2b", "7.5.2b", False),
        ("7.5.5", "7.5.2b", False),
        ("66.84.0.125", "66.86.0.15", True),
        ("6.1.5(a)", "6.1.5b", True),
        ("", "1", True),
    ],
)
def test_versions_in_their_order(one: str, other: str, before: bool) -> None:
    assert older(one, other) is before


def test_versions_that_are_one() -> None:
    assert same("6.1.5(a)", "6.1.5A")
    assert not same("", "")


def phone(**more: object) -> Device:
    return Device(mac=PHONE, plugin="acme", vendor="Acme", model="A1", tenant="north", **more)


def written(depot: FixedDepot, device: Device, *records: object, site: Site = SITE, secure: bool = False) -> object:
    tables = Tables()
    for record in (tenant(), device, *records):
        tables.put(record)
    maker = ContextMaker(tables, Tokens(KEY), lambda _: None, Images(depot))
    subject = Subject("Acme", ACME.models[0], "10.0.0.1", device=device, secrets=True, plugin="acme", secure=secure)
    found = maker.make(subject, site)["settings"]
    assert isinstance(found, dict)
    return {name: value for name, value in found["firmware"].items() if value is not None}


def test_the_image_and_the_step_on_the_way() -> None:
    depot = FixedDepot([held("1.9b"), held("2.0"), held("2.1")])
    wants = {"firmware.version": "2.0"}
    assert written(depot, phone(settings=wants)) == {
        "version": "2.0",
        "url": f"{HTTP}/a1-2.0.rom",
        "step_url": f"{HTTP}/a1-1.9b.rom",
        "step_below": "1.9b",
    }
    # A level below may say so, and it outranks a URL; what means something in URLs is escaped.
    profile = Profile(id="new", level=Level.MODEL, applies_to="Acme/A1", settings={"firmware.version": "2.1"})
    site = replace(SITE, advertise="prov.example")
    found = written(depot, phone(settings={"firmware.url": "http://x.example/x.rom"}), profile, site=site)
    assert isinstance(found, dict)
    assert found["url"] == "http://prov.example:8667/a1%20%28new%29-2.1.rom"
    step = written(depot, phone(settings={"firmware.version": "1.9B"}))
    assert isinstance(step, dict)
    assert step == {"version": "1.9B", "url": f"{HTTP}/a1-1.9b.rom"}


def test_what_is_not_here_changes_nothing() -> None:
    depot = FixedDepot([held("2.0", models=("A1G",)), held("2.0", name="w", kind="language")])
    settings = {"firmware.version": "2.0", "firmware.url": "http://x.example/x.rom"}
    assert written(depot, phone(settings=settings)) == {"version": "2.0", "url": "http://x.example/x.rom"}


async def test_files_follow_what_comes_and_goes() -> None:
    world = World()
    device = phone(settings={"firmware.version": "2.0"})
    world.fleet.tables.put(tenant())
    world.fleet.tables.put(device)
    world.leases.held["10.0.0.9"] = PHONE
    first = await world.fetch(f"/{PHONE}.cfg")
    assert (await world.fetch(f"/{PHONE}.cfg")).etag == first.etag
    rendered = len(world.renderer.jobs)
    world.depot.here.append(held("2.0"))
    world.depot.stamp += 1
    await world.fetch(f"/{PHONE}.cfg")
    jobs = world.renderer.jobs[rendered:]
    assert [job.context["settings"]["firmware"]["url"] for job in jobs] == [f"{HTTP}/a1-2.0.rom"]


async def test_people_are_told_what_is_lacking() -> None:
    world = World()
    maker = ContextMaker(world.fleet.tables, world.tokens, lambda _: None, Images(world.depot))
    limits = Limits(world.boot.station, world.renderer, maker, world.clock)
    world.catalogue.manifests = (replace(ACME, writes=(*ACME.writes, replace(ACME.writes[0], settings=("firmware",)))),)
    world.catalogue.revision += 1
    device = phone(settings={"firmware.version": "2.0"}, version="1.5")
    world.fleet.tables.put(tenant())

    async def said() -> list[str]:
        return [each.reason for each in await limits.of(device, "10.0.0.1") if each.setting == "firmware.version"]

    assert await said() == ["no firmware 2.0 for A1 is here"]
    world.depot.here.append(held("2.0"))
    world.depot.stamp += 1
    assert await said() == ["it has to run 1.9b before, which is not here"]
    world.depot.here.append(held("1.9b"))
    world.depot.stamp += 1
    assert await said() == []
