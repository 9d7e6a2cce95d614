"""Vendors at the door."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.http.activation.kit import DAY, FORM, World, world

CSV = ("Content-Type", "text/csv")
JSON = ("Content-Type", "application/javascript; charset=utf-8")
RANGE = '{"ranges":[{"format":"mac:48","length":null,"casing":"upper","first":1108152157440,"last":1108152157695}]}'


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "state") as found:
        await found.give("S1")
        await found.give("U1", "unclaimed")
        yield found


async def test_re_enabling_ends_the_key_at_once(here: World) -> None:
    first = (await here.activate()).text
    assert (await here.download(first)).status == 200
    reply = await here.manage("POST", "m1/S1", "enable=true")
    assert (reply.status, reply.body, reply.headers["Content-Length"]) == (205, b"", "0")
    assert (await here.download(first)).status == 401
    second = (await here.activate()).text
    assert second != first
    assert ((await here.download(first)).status, (await here.download(second)).status) == (401, 200)


async def test_re_enabling_opens_a_full_window(here: World) -> None:
    here.clock.time += DAY
    assert (await here.manage("GET", "m1/S1")).text == "expired,,"
    assert (await here.manage("POST", "m1/S1", "enable=true")).status == 205
    here.clock.time += DAY - 1
    assert (await here.activate()).status == 200


async def test_a_model_may_have_its_own_window(here: World) -> None:
    assert (await here.manage("PUT", "m1", "window=2")).status == 205
    assert (await here.manage("GET", "m1")).text == "model=m1&window=2"
    assert (await here.manage("PUT", "m1", "window=soon")).status == 400
    await here.manage("POST", "m1/S1", "enable=true")
    here.clock.time += 2
    assert (await here.activate()).status == 409


async def test_what_devices_are_made_after_is_kept_for_the_vendor(here: World) -> None:
    clone = "rid=0a1b&options%5B%5D=noaliases&options%5B%5D=nocomments"
    assert (await here.manage("POST", "", f"model=m9&{clone}")).status == 205
    assert (await here.manage("GET", "m9")).text == f"{clone}&model=m9&window=86400"
    assert (await here.manage("PUT", "m9", "code=7f")).status == 205
    assert (await here.manage("GET", "m9")).text == "code=7f&model=m9&window=86400"
    assert (await here.manage("PUT", "m9", "colour=red")).status == 400
    assert (await here.manage("PUT", "m9", f"code={'7' * 1100}")).status == 400


async def test_enabling_gives_an_id_and_only_once(here: World) -> None:
    enable = f"enable=true&owner={'a' * 40}"
    assert (await here.manage("POST", "m1/U1", "enable=true")).status == 409
    reply = await here.manage("POST", "m1/U1", enable)
    assert reply.status == 200
    assert re.fullmatch(r"[0-9a-f]{40}", reply.text)
    assert (await here.manage("POST", "m1/U1", enable)).status == 409
    assert (await here.manage("GET", "m1/U1")).text == f"notactivated,{reply.text},"
    assert (await here.activate("U1")).status == 200


async def test_a_serial_of_a_range_is_enabled_like_another(here: World) -> None:
    assert (await here.manage("GET", "m4/0000000007")).status == 204
    assert (await here.manage("POST", "m4/0000000007", "enable=true&owner=o")).status == 200
    assert (await here.activate("0000000007", model="m4")).status == 200


async def test_disabling_and_deleting_end_the_key(here: World) -> None:
    key = (await here.activate()).text
    assert (await here.manage("POST", "m1/S1", "disable=true")).status == 205
    assert (await here.download(key)).status == 401
    assert (await here.activate()).status == 409
    assert (await here.manage("DELETE", "m1/S1")).status == 205
    assert (await here.activate()).status == 404
    assert (await here.manage("DELETE", "m1/S1")).status == 404


async def test_a_replacement(here: World) -> None:
    await here.give("S9")
    assert (await here.manage("POST", "m1/S9", "enable=true&oldsn=S1")).status == 409
    key = (await here.activate()).text
    assert (await here.manage("POST", "m1/U1", "enable=true&oldsn=S1")).status == 205
    assert (await here.download(key)).status == 401
    assert ((await here.activate()).status, (await here.activate("U1")).status) == (409, 200)


async def test_the_log_has_a_line_for_each_attempt(here: World) -> None:
    assert (await here.manage("GET", "m1/S1?show=log")).status == 204
    await here.activate()
    await here.activate()
    now = int(here.clock.now())
    log = (await here.manage("GET", "m1/S1?show=log")).text
    assert log == f"{now},127.0.0.1,activated\r\n{now},127.0.0.1,refused activated"


async def test_serials_are_added_all_or_none(here: World) -> None:
    assert (await here.manage("POST", "m1/", "add=true&sn=N0&extra=shelf+3")).status == 205
    assert (await here.manage("POST", "m1/", "add=true&sn=N0")).status == 409
    assert (await here.manage("POST", "m1/", "sn[]=N1&sn[]=S1&sn[]=N2")).status == 409
    assert (await here.activate("N1")).status == 404
    assert (await here.manage("POST", "m1/", "N1,a\r\nN2,b\r\n", CSV)).status == 205
    assert (await here.manage("POST", "m1/", "N3\r\nN3\r\n", CSV)).status == 400
    assert (await here.manage("POST", "m1/", "")).status == 400
    listed = (await here.manage("GET", "m1/?status=true")).text
    assert listed == "N0,,shelf 3,\r\nN1,,a,\r\nN2,,b,\r\nS1,,,notactivated\r\nU1,,,"
    assert (await here.manage("POST", "m1/", "remove=true&sn[]=N1&sn[]=N2")).status == 205
    assert (await here.manage("DELETE", "m1/", "N0\r\n", CSV)).status == 205
    assert (await here.manage("GET", "m1/")).text == "S1,,\r\nU1,,"


async def test_the_length_of_a_list_is_forced_into_bounds(here: World) -> None:
    for number in range(6):
        await here.give(f"m2/L{number}", "unclaimed")
    assert len((await here.manage("GET", "m2/?offset=0&limit=1")).text.splitlines()) == 5
    assert (await here.manage("GET", "m2/?offset=5&limit=5")).text == "L5,,"
    assert (await here.manage("GET", "m2/?limit=-1")).status == 400


async def test_ranges(here: World) -> None:
    assert (await here.manage("POST", "m5/", "{", JSON)).status == 400
    assert (await here.manage("POST", "m5/", '{"ranges":[{"format":"x"}]}', JSON)).status == 400
    assert (await here.manage("POST", "m5/", RANGE, JSON)).status == 205
    assert (await here.manage("POST", "m5/", RANGE, JSON)).status == 409
    assert (await here.activate("01:02:03:04:05:A0", model="m5")).status == 409
    assert (await here.activate("01:02:03:04:05:a0", model="m5")).status == 404
    shown = (await here.manage("GET", "m5/?show=ranges")).text
    assert (await here.manage("DELETE", "m5/", shown, JSON)).status == 205
    assert (await here.activate("01:02:03:04:05:A0", model="m5")).status == 404


async def test_models(here: World) -> None:
    assert (await here.manage("GET", "")).text == "m1\r\nm2\r\nm4\r\nm5"
    assert (await here.manage("POST", "", "model=m9")).status == 205
    assert (await here.manage("POST", "", "model=m9")).status == 409
    key = (await here.activate()).text
    assert (await here.manage("POST", "", "delete=true&model=m1")).status == 205
    assert (await here.download(key)).status == 401
    assert (await here.activate()).status == 403
    assert (await here.manage("DELETE", "m9")).status == 205
    assert (await here.manage("GET", "m9")).status == 404


async def test_who_may_not(here: World) -> None:
    assert (await here.manage("POST", "m1/S1", "disable=true", token="nonsense")).status == 401
    assert (await here.manage("POST", "m1/S1", "disable=true", token="")).status == 401
    assert (await here.manage("POST", "m1/S1", "disable=true", token="acme-reader")).status == 403
    assert (await here.manage("GET", "m1/S1", token="acme-reader")).status == 200
    assert (await here.manage("POST", "m2/S1", "disable=true", token="other-token")).status == 404
    foreign = ("X-Exosite-Vendor", "acme")
    assert (await here.manage("POST", "m1/S1", "disable=true", foreign, token="other-token")).status == 404
    assert await here.state("S1") == "pending"


async def test_who_has_several_vendors_names_one(here: World) -> None:
    assert (await here.manage("GET", "m1/S1", token="site-token")).status == 400
    named = ("X-Exosite-Vendor", "acme")
    assert (await here.manage("GET", "m1/S1", "", named, token="site-token")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", ""),
        ("POST", "m1", ""),
        ("PUT", "m1/", ""),
        ("PUT", "m1/S1", ""),
    ],
)
async def test_other_methods(here: World, method: str, path: str, body: str) -> None:
    reply = await here.manage(method, path, body)
    assert reply.status == 405
    assert "GET" in reply.headers["Allow"]


async def test_what_is_not_clear_changes_nothing(here: World) -> None:
    for body in ("", "enable=true&disable=true", "enable=yes", "enable=true&enable=true"):
        assert (await here.manage("POST", "m1/S1", body)).status == 400
    for path in ("?show=x", "m1/?show=x", "m1/S1?show=x"):
        assert (await here.manage("GET", path)).status == 404
    assert await here.state("S1") == "pending"


async def test_a_vendors_name(here: World) -> None:
    async def register(method: str, body: str = "", token: str = "site-token") -> tuple[int, str]:
        reply = await here.ask(method, "/provision/register", body, ("X-Exosite-Token", token), FORM)
        return reply.status, reply.text

    assert await register("GET", token="acme-token") == (200, "acme")
    assert await register("GET") == (204, "")
    assert (await register("POST", "vendor=acme"))[0] == 409
    assert (await register("POST", "vendor=new"))[0] == 205
    assert (await register("POST", "vendor=new"))[0] == 205
    assert (await register("POST", "vendor=newer"))[0] == 409
    assert (await register("POST", "delete=true&vendor=acme"))[0] == 404
    assert await register("GET") == (200, "new")
    assert (await register("POST", "delete=true"))[0] == 205
    assert (await register("POST", "delete=true"))[0] == 404
    assert (await register("POST", "delete=true", token="acme-token"))[0] == 409
    assert (await register("DELETE"))[0] == 405
