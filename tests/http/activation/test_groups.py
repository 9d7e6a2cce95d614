"""Groups of a model, and models that vendors share with each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.http.activation.kit import World, world

CSV = ("Content-Type", "text/csv")
OF_ACME = ("X-Exosite-Vendor", "acme")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "state") as found:
        for sn in ("S1", "S2", "S3"):
            await found.give(sn, "unclaimed")
        yield found


async def test_a_group_and_its_members(here: World) -> None:
    assert (await here.groups("GET", "m1/")).status == 204
    assert (await here.groups("POST", "m1/", "id=beta&description=early+ones")).status == 205
    assert (await here.groups("POST", "m1/", "id=beta")).status == 409
    assert (await here.groups("POST", "m1/", "id=all&meta=everybody")).status == 205
    assert (await here.groups("GET", "m1/")).text == "all,everybody\r\nbeta,early ones"
    assert (await here.groups("GET", "m1/beta/")).status == 204
    assert (await here.groups("POST", "m1/beta/", "type=sn&id[]=S1&id[]=S2&expire=1800000000&meta=x")).status == 205
    assert (
        await here.groups("POST", "m1/beta/", "sn,S2,,again\r\nsn,S3\r\ngroup,all,1900000000,y\r\n", CSV)
    ).status == 205
    members = ["group,all,1900000000,y", "sn,S1,1800000000,x", "sn,S2,,again", "sn,S3,,"]
    assert (await here.groups("GET", "m1/beta/")).text.split("\r\n") == members
    assert (await here.groups("GET", "m1/beta/?type=sn&id=S2")).text == members[2]
    assert (await here.groups("GET", "m1/beta/?type=content")).status == 204
    assert (await here.groups("GET", "m1/beta")).text == "early ones,4"
    assert (await here.groups("GET", "m1/all?show=groups")).text == "beta"
    assert (await here.groups("GET", "m1/beta?show=groups")).status == 204
    assert (await here.manage("GET", "m1/S2?show=groups")).text == "beta"
    assert (await here.groups("POST", "m1/beta/", "type=sn&id=S1&delete=true")).status == 205
    assert (await here.groups("DELETE", "m1/beta/", "sn,S2\r\ngroup,all\r\n", CSV)).status == 205
    assert (await here.groups("GET", "m1/beta/")).text == "sn,S3,,"
    assert (await here.groups("DELETE", "m1/beta")).status == 205
    assert (await here.groups("POST", "m1/", "delete=true&id=all")).status == 205
    assert (await here.groups("GET", "m1/")).status == 204
    assert (await here.manage("GET", "m1/S3?show=groups")).status == 204


async def test_what_is_not_clear_changes_nothing(here: World) -> None:
    await here.groups("POST", "m1/", "id=beta")
    for body, status in (
        ("type=sn&id[]=S1&id[]=S9", 404),
        ("type=content&id=ghost", 404),
        ("type=group&id=ghost", 404),
        ("type=thing&id=S1", 400),
        ("type=sn&id=S1&expire=soon", 400),
        ("type=sn", 400),
    ):
        assert (await here.groups("POST", "m1/beta/", body)).status == status
    assert (await here.groups("POST", "m1/beta/", "sn\r\n", CSV)).status == 400
    assert (await here.groups("GET", "m1/beta/")).status == 204
    for path in ("m1/ghost", "m1/ghost/", "m9/", "m1/beta/x/y"):
        assert (await here.groups("GET", path)).status == 404
    for method, path in (("PUT", "m1/"), ("POST", "m1/beta"), ("PUT", "m1/beta/")):
        assert (await here.groups(method, path)).status == 405
    assert (await here.groups("GET", "m1/beta?show=x")).status == 404


async def test_groups_that_are_in_each_other(here: World) -> None:
    for name in ("a", "b"):
        await here.groups("POST", "m1/", f"id={name}")
    await here.groups("POST", "m1/a/", "type=group&id=b")
    await here.groups("POST", "m1/b/", "type=group&id=a")
    await here.groups("POST", "m1/b/", "type=sn&id=S1")
    await here.contents("POST", "m1/", "id=c&protected=true")
    await here.groups("POST", "m1/a/", "type=content&id=c")
    assert (await here.contents("GET", "m1/?sn=S1")).text == "c"
    assert (await here.contents("GET", "m1/?sn=S2")).text == ""


async def share(here: World, method: str, path: str, body: str = "", token: str = "acme-token") -> tuple[int, str]:
    reply = await here.manage(method, path, body, token=token, part="share")
    return reply.status, reply.text


async def test_a_model_is_shared_and_unshared(here: World) -> None:
    assert (await share(here, "GET", "m1/"))[0] == 204
    assert (await share(here, "POST", "m1/", "vendor=ghost"))[0] == 404
    assert (await share(here, "POST", "m1/", "vendor=acme"))[0] == 400
    assert (await share(here, "GET", "m1/other"))[0] == 404
    assert (await share(here, "POST", "m1/", "vendor=other"))[0] == 205
    assert await share(here, "GET", "m1/") == (200, "other")
    assert await share(here, "GET", "m1/other") == (204, "")
    assert (await here.manage("GET", "?show=shared", token="other-token")).text == "acme,m1"
    assert (await here.manage("GET", "?show=shared")).text == ""
    assert (await share(here, "POST", "m1/", "vendor=other&delete=true"))[0] == 205
    assert (await share(here, "DELETE", "m1/other"))[0] == 404
    assert (await share(here, "PUT", "m1/"))[0] == 405
    # Nobody shares what is not his.
    assert (await share(here, "POST", "m4/", "vendor=acme", token="other-token"))[0] == 404


async def test_whom_a_model_is_shared_with_has_what_it_enabled(here: World) -> None:
    async def partner(method: str, path: str, body: str = "") -> tuple[int, str]:
        reply = await here.manage(method, path, body, OF_ACME, token="other-token")
        return reply.status, reply.text

    assert (await partner("POST", "m1/S1", "enable=true&owner=o"))[0] == 404
    await share(here, "POST", "m1/", "vendor=other")
    await here.manage("POST", "m1/", "sn=S4&extra=secret+note")
    assert (await partner("POST", "m1/S4", "enable=true&owner=o"))[0] == 200
    assert (await partner("POST", "m2/S4", "enable=true&owner=o"))[0] == 404
    await here.manage("POST", "m1/S2", "enable=true&owner=o")
    status, listed = await partner("GET", "m1/?status=true")
    assert (status, listed.split(",")[0], listed.split(",")[2:]) == (200, "S4", ["", "notactivated"])
    assert len((await here.manage("GET", "m1/")).text.split("\r\n")) == 4
    assert (await here.manage("GET", "m1/?shared=other")).text.startswith("S4,")
    key = (await here.activate("S4")).text
    assert (await partner("GET", "m1/S4"))[1].startswith("activated,")
    assert "activated" in (await partner("GET", "m1/S4?show=log"))[1]
    assert (await here.download(key)).status == 200
    assert (await partner("POST", "m1/S4", "disable=true"))[0] == 205
    assert (await here.download(key)).status == 401
    assert (await partner("POST", "m1/S4", "enable=true"))[0] == 205
    # What acme has enabled itself, and everything else of the model, is none of its business.
    for method, path, body in (
        ("GET", "m1/S2", ""),
        ("GET", "m1/S2?show=log", ""),
        ("POST", "m1/S2", "disable=true"),
        ("POST", "m1/S2", "enable=true"),
        ("POST", "m1/S3", "enable=true&oldsn=S2"),
        ("GET", "m1/?show=ranges", ""),
        ("GET", "m1", ""),
        ("POST", "m1/", "sn=S5"),
        ("DELETE", "m1", ""),
        ("POST", "", "model=new"),
    ):
        assert (await partner(method, path, body))[0] == 404, (method, path)
    assert (await partner("POST", "m1/S2", "enable=true&owner=o"))[0] == 409
    assert (await partner("DELETE", "m1/S4"))[0] == 405
    assert (await partner("POST", "m1/S3", "enable=true&oldsn=S4"))[0] == 205
    await share(here, "DELETE", "m1/other")
    assert (await partner("GET", "m1/S3"))[0] == 404
    assert (await here.activate("S3")).status == 200


async def test_an_owner_of_a_shared_device_is_the_partners_tenant(here: World) -> None:
    await share(here, "POST", "m1/", "vendor=other")
    await here.manage("POST", "m1/S1", "enable=true&owner=o", OF_ACME, token="other-token")
    found = (await here.ledger.read(lambda book: book.things("acme", "m1", ["S1"])))["S1"]
    assert (found.tenant, found.via) == ("other", "other")
