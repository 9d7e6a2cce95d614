"""What devices may fetch with their key, and how it comes there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from provd.domain.activation.content import PIECE, Content, Piece
from provd.http.activation.contents import Downloads
from provd.http.activation.paths import ActivationPaths
from provd.http.activation.vendors import Vendors
from provd.http.activation.wire import ThingRequest
from tests.http.activation.kit import World, world

BIN = ("Content-Type", "application/x-firmware; v=2")
IMAGE = bytes(number % 251 for number in range(2 * PIECE + 1000))
JUST_INSIDE = bytes(3 * PIECE)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "state") as found:
        await found.give("S1", "activated")
        await found.give("S2", "activated")
        yield found


async def room(here: World, name: str, body: bytes = b"", more: str = "") -> None:
    assert (await here.contents("POST", "m1/", f"id={name}&meta=of+{name}{more}")).status == 205
    if body:
        assert (await here.contents("POST", f"m1/{name}", body, BIN)).status == 205


async def pieces(here: World) -> list[Piece]:
    return await here.ledger.read(lambda book: book.find(Piece))


async def test_what_a_vendor_sends_a_device_gets(here: World) -> None:
    await room(here, "image")
    assert (await here.contents("GET", "m1/")).text == "image"
    assert (await here.contents("GET", "m1/image")).text == f",0,{int(here.clock.now())},of image,false"
    assert (await here.contents("GET", "m1/image?download=true")).status == 404
    assert (await here.contents("POST", "m1/", "id=image")).status == 409
    here.clock.time += 60
    assert (await here.contents("POST", "m1/image", IMAGE, BIN)).status == 205
    info = f"application/x-firmware; v=2,{len(IMAGE)},{int(here.clock.now())},of image"
    assert (await here.contents("GET", "m1/image")).text == f"{info},false"
    assert (await here.download("S1")).text == "image"
    assert (await here.download("S1", "&id=image&info=true")).text == info
    whole = await here.download("S1", "&id=image")
    assert (whole.status, whole.body, whole.headers["Content-Type"]) == (200, IMAGE, BIN[1])
    assert (await here.contents("GET", "m1/image?download=true")).body == IMAGE
    head = await here.download("S1", "&id=image", method="HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(IMAGE)))
    again = await here.download("S1", "&id=image", ("If-None-Match", whole.headers["ETag"]))
    assert again.status == 304


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        (f"bytes={PIECE - 5}-{PIECE + 4}", PIECE - 5, PIECE + 5),
        (f"bytes={PIECE}-", PIECE, len(IMAGE)),
        ("bytes=-7", len(IMAGE) - 7, len(IMAGE)),
        (f"bytes=5-{10 * PIECE}", 5, len(IMAGE)),
    ],
)
async def test_a_part_of_it(here: World, asked: str, start: int, stop: int) -> None:
    await room(here, "image", IMAGE)
    for reply in (
        await here.download("S1", "&id=image", ("Range", asked)),
        await here.contents("GET", "m1/image?download=true", "", ("Range", asked)),
    ):
        assert (reply.status, reply.body) == (206, IMAGE[start:stop])
        assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(IMAGE)}"
    beyond = await here.download("S1", "&id=image", ("Range", f"bytes={len(IMAGE)}-"))
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(IMAGE)}")


async def test_a_small_content_leaves_with_its_head(here: World) -> None:
    await room(here, "settings", b"rate=5\n")
    reply = await here.download("S1", "&id=settings")
    assert (reply.body, reply.segments) == (b"rate=5\n", 1)


async def test_who_may_not(here: World) -> None:
    await room(here, "image", b"x")
    assert (await here.download("nonsense", "&id=image")).status == 401
    assert (await here.download("", "&id=image")).status == 401
    for query, status in (("vendor=acme&model=m2", 403), ("vendor=other&model=m1", 403), ("vendor=&model=m1", 400)):
        assert (await here.download("S1", query)).status == status
        assert (await here.download("S1", f"{query}&id=image")).status == status
        assert (await here.download("S1", f"{query}&id=image&info=true")).status == 400
    assert (await here.download("S1", "&id=ghost")).status == 404
    assert (await here.download("S1", "&id=image", method="POST")).status == 405
    await here.manage("POST", "m1/S1", "disable=true")
    assert (await here.download("S1", "&id=image")).status == 401


async def test_a_product_may_be_named_by_the_host(here: World) -> None:
    await here.give("prod1/prod1/P1", "activated")
    for host, status in (("prod1.m2.example", 200), ("prod2.m2.example", 403), ("prod1", 400)):
        reply = await here.ask("GET", "/provision/download", "", ("X-Exosite-CIK", "prod1/prod1/P1"), ("Host", host))
        assert reply.status == status


async def test_foreign_contents_do_not_exist(here: World) -> None:
    await room(here, "image", b"x")
    for method, path in (("GET", "m1/"), ("GET", "m1/image"), ("POST", "m1/image"), ("DELETE", "m1/image")):
        named = await here.manage(
            method, path, b"y", BIN, ("X-Exosite-Vendor", "acme"), token="other-token", part="content"
        )
        assert named.status == 404
    assert (await here.manage("GET", "m1/", token="other-token", part="content")).text == ""
    assert (await here.manage("POST", "m1/image", b"y", BIN, token="acme-reader", part="content")).status == 403
    assert (await here.contents("GET", "m3/")).status == 404
    assert (await here.download("S1", "&id=image")).body == b"x"


async def test_a_new_one_replaces_the_old_one_at_once(here: World) -> None:
    await room(here, "image", IMAGE)
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(
        b"GET /provision/download?vendor=acme&model=m1&id=image HTTP/1.1\r\nHost: x\r\nX-Exosite-CIK: S1\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    assert (await here.contents("PUT", "m1/image", b"new", BIN)).status == 205
    # Who had begun to read gets the one that it began with.
    assert await reader.readexactly(len(IMAGE)) == IMAGE
    writer.close()
    assert (await here.download("S1", "&id=image")).body == b"new"
    here.clock.time += 3600
    await here.office.contents.sweep()
    assert len(await pieces(here)) == 4
    here.clock.time += 1
    await here.office.contents.sweep()
    assert [each.octets for each in await pieces(here)] == [b"new"]


async def test_what_does_not_come_whole_changes_nothing(here: World) -> None:
    await room(here, "image", b"old")
    head = (
        f"POST /provision/manage/content/m1/image HTTP/1.1\r\nHost: x\r\nX-Exosite-Token: acme-token\r\n"
        f"Content-Type: x/y\r\nContent-Length: {len(IMAGE)}\r\n\r\n"
    ).encode()
    replies = await here.raw(head + IMAGE[: PIECE + 5], half_close=True)
    assert [reply.status for reply in replies] in ([400], [])
    assert (await here.download("S1", "&id=image")).body == b"old"
    here.clock.time += 3601
    await here.office.contents.sweep()
    assert [each.octets for each in await pieces(here)] == [b"old"]


async def test_limits_of_one_content_and_of_all(here: World) -> None:
    await room(here, "first", JUST_INSIDE)
    await room(here, "second", bytes(PIECE))
    assert (await here.contents("POST", "m1/second", bytes(PIECE + 1), BIN)).status == 413
    assert (await here.contents("POST", "m1/first", bytes(3 * PIECE + 1), BIN)).status == 413
    assert (await here.contents("POST", "m1/first", JUST_INSIDE, BIN)).status == 205
    found = await here.ledger.read(lambda book: book.find(Content, vendor="acme"))
    assert [each.size for each in found] == [3 * PIECE, PIECE]
    assert len({each.blob for each in await pieces(here)}) == 3


async def test_nothing_is_read_for_a_stranger(here: World) -> None:
    await room(here, "image", b"x")
    head = "POST /provision/manage/content/m1/{} HTTP/1.1\r\nHost: x\r\n{}Content-Length: 9000000\r\n\r\n"
    for name, token, status in (("image", "", 401), ("ghost", "X-Exosite-Token: acme-token\r\n", 404)):
        (reply,) = await here.raw(head.format(name, token).encode())
        assert (reply.status, reply.headers["Connection"]) == (status, "close")


async def test_who_trickles_a_content_in_is_not_waited_for_for_ever(here: World) -> None:
    await room(here, "image", b"old")
    headers = CIMultiDictProxy(CIMultiDict({"X-Exosite-Token": "acme-token", "Content-Type": "a/b"}))
    path = "/provision/manage/content/m1/image"
    request = ThingRequest("POST", path, path, headers, b"", "127.0.0.1")
    begun = asyncio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        yield bytes(PIECE)
        begun.set()
        await asyncio.Event().wait()

    downloads, patience = Downloads(here.office.contents, here.desk), 0.2
    while not begun.is_set():  # a busy machine needs longer for the first piece
        paths = ActivationPaths(here.desk, Vendors(here.office), downloads, patience=patience)
        assert (await paths.upload(request, trickle())).status == 408
        patience *= 2
    assert (await here.download("S1", "&id=image")).body == b"old"
    assert [each.octets for each in await pieces(here)] == [b"old"]


async def test_a_full_disk_leaves_what_was_there(here: World) -> None:
    await room(here, "image", b"old")
    here.ledger.broken = True
    reply = await here.contents("POST", "m1/image", b"new", BIN)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "10")
    here.ledger.broken = False
    assert (await here.download("S1", "&id=image")).body == b"old"


async def test_what_is_deleted_is_gone(here: World) -> None:
    await room(here, "a", b"a")
    await room(here, "b", b"b")
    assert (await here.contents("DELETE", "m1/a")).status == 205
    assert (await here.contents("DELETE", "m1/a")).status == 404
    assert (await here.contents("POST", "m1/", "delete=true&id=b")).status == 205
    assert (await here.download("S1", "&id=a")).status == 404
    assert (await here.download("S1")).text == ""
    await room(here, "c", b"c")
    assert (await here.manage("DELETE", "m1")).status == 205
    here.clock.time += 3601
    await here.office.contents.sweep()
    assert await pieces(here) == []


async def test_protected_content_needs_a_group(here: World) -> None:
    await room(here, "open", b"o")
    await room(here, "closed", b"c", "&protected=true")
    assert (await here.contents("GET", "m1/closed")).text.endswith(",true")
    assert (await here.download("S1")).text == "open"
    assert (await here.download("S1", "&id=closed")).status == 403
    assert (await here.download("S1", "&id=closed&info=true")).status == 403
    for body in ("id=beta&meta=early+ones", "id=all"):
        assert (await here.groups("POST", "m1/", body)).status == 205
    assert (await here.groups("POST", "m1/beta/", "type=content&id=closed")).status == 205
    assert (await here.groups("POST", "m1/beta/", "type=sn&id[]=S1")).status == 205
    assert (await here.download("S1", "&id=closed")).body == b"c"
    assert (await here.download("S2", "&id=closed")).status == 403
    assert (await here.contents("GET", "m1/?sn=S1")).text == "closed\r\nopen"
    assert (await here.contents("GET", "m1/?sn=S2")).text == "open"
    assert (await here.contents("GET", "m1/?sn=S9")).status == 400
    assert (await here.contents("GET", "m1/closed?download=true&sn=S1")).body == b"c"
    assert (await here.contents("GET", "m1/closed?download=true&sn=S2")).status == 403
    # By way of a group in a group, and for as long as each of the memberships lasts.
    until = int(here.clock.now()) + 100
    assert (await here.groups("POST", "m1/all/", "type=sn&id=S2")).status == 205
    assert (await here.groups("POST", "m1/beta/", f"type=group&id=all&expire={until}")).status == 205
    assert (await here.download("S2", "&id=closed")).status == 200
    here.clock.time += 100
    assert (await here.download("S2", "&id=closed")).status == 403
    assert (await here.groups("DELETE", "m1/beta")).status == 205
    assert (await here.download("S1", "&id=closed")).status == 403


async def test_a_replacement_keeps_the_groups(here: World) -> None:
    await here.give("S3", "unclaimed")
    await here.groups("POST", "m1/", "id=beta")
    await here.groups("POST", "m1/beta/", "type=sn&id=S1")
    assert (await here.manage("POST", "m1/S3", "enable=true&oldsn=S1")).status == 205
    assert (await here.manage("GET", "m1/S3?show=groups")).text == "beta"
    assert (await here.manage("GET", "m1/S1?show=groups")).status == 204
    assert (await here.manage("DELETE", "m1/S3")).status == 205
    assert (await here.groups("GET", "m1/beta/")).status == 204
