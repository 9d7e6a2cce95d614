"""Packages from the web, from an archive, from somebody's hands; and a disk, a server and a vendor that misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from provd.app.firmware.ports import Wanted
from provd.app.works import Progress
from provd.base.errors import ConflictError, NotFoundError, PluginError, StorageError
from provd.base.facts import Fact
from provd.plugins.firmware.stock import Stock
from provd.plugins.firmware.supply import RESERVE, Supply
from provd.plugins.package.download import Downloads

IMAGE = bytes(range(256)) * 2000
"""Half a megabyte."""
MIB = 1 << 20
DIGEST = hashlib.sha256(IMAGE).hexdigest()


class Clock:
    def now(self) -> float:
        return 1_800_000_000.0


class Shelf:
    """A stock in a folder, and how it is supplied."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.facts: list[Fact] = []
        self.free = 1 << 40
        self.stock = Stock(root, Clock(), self.facts.append)
        self.supply = Supply(self.stock, Clock(), free=lambda _: self.free)

    def again(self) -> Shelf:
        """After a restart."""
        return Shelf(self.root)

    async def brought(self, octets: bytes, wanted: Wanted) -> object:
        async def coming() -> AsyncIterator[bytes]:
            for start in range(0, len(octets), 100_000):
                yield octets[start : start + 100_000]

        return await self.supply.take(await self.supply.receive(coming()), wanted, Progress())

    @property
    def left(self) -> list[str]:
        """What lies around that is no package."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and "@" not in str(path.parent.name)
        )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "firmware")


def wanted(version: str = "2.0", **more: object) -> Wanted:
    plain = {"name": "a1", "kind": "firmware", "models": ("A1",), "files": (f"a1-{version}.rom",)}
    return Wanted(plugin="acme", version=version, **{**plain, **more})


class Server:
    """Serves ``/fw.rom``. ``cuts`` is after how many octets it breaks off, once; ``goes_on``: it only falters."""

    def __init__(self) -> None:
        self.cuts = 0
        self.goes_on = False
        self.image = IMAGE
        self.tag = '"one"'
        self.ranges: list[str] = []
        self.cut = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        start = 0
        if asked and request.headers.get("If-Range", self.tag) == self.tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        body, size = self.image[start:], len(self.image)
        headers = {"Content-Length": str(len(body)), "ETag": self.tag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        cuts, self.cuts = self.cuts, 0
        await response.write(body[:cuts] if cuts else body)
        if cuts:
            await self.cut.wait()
            if self.goes_on:
                await response.write(body[cuts:])
                return response
            assert request.transport is not None
            request.transport.close()
        return response


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    serving = Server()
    app = web.Application()
    app.router.add_get("/fw.rom", serving.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield serving, f"http://127.0.0.1:{runner.addresses[0][1]}/fw.rom"
    await runner.cleanup()


async def test_from_the_web(shelf: Shelf, server: tuple[Server, str]) -> None:
    progress = Progress()
    held = await shelf.supply.fetch(wanted(sha256=DIGEST, size=len(IMAGE)), server[1], progress)
    assert (held.sha256, held.checked, held.file, held.files["a1-2.0.rom"].size) == (
        DIGEST,
        True,
        "a1-2.0.rom",
        len(IMAGE),
    )
    path = shelf.stock.path("acme", "A1-2.0.ROM")
    assert path is not None
    assert path.read_bytes() == IMAGE
    assert path.stat().st_mode & 0o777 == 0o444
    assert shelf.left == []
    again = shelf.again()
    assert again.stock.held() == [held]
    assert again.stock.path("acme", "a1-2.0.rom") == path
    # What is not known beforehand is noted.
    noted = await shelf.supply.fetch(wanted("2.1"), server[1], progress)
    assert (noted.sha256, noted.checked) == (DIGEST, False)


@pytest.mark.parametrize("known", [True, False])
async def test_what_broke_off_goes_on_where_it_ended(shelf: Shelf, server: tuple[Server, str], known: bool) -> None:
    serving, url = server
    serving.cuts = 200_000
    progress = Progress()
    asked = wanted(sha256=DIGEST if known else "")

    async def fetch() -> None:
        await shelf.supply.fetch(asked, url, progress)

    fetching = asyncio.create_task(fetch())
    while progress.done < 200_000:  # noqa: ASYNC110 - a progress has nobody to wake
        await asyncio.sleep(0)
    serving.cut.set()
    with pytest.raises(PluginError, match=r"fw\.rom"):
        await fetching
    assert shelf.stock.held() == []
    await shelf.again().supply.fetch(asked, url, progress)
    assert serving.ranges == ["", "bytes=200000-"]
    assert shelf.again().stock.held()[0].sha256 == DIGEST


async def test_two_fetches_of_one_url_take_turns(shelf: Shelf, server: tuple[Server, str]) -> None:
    serving, url = server
    serving.cuts, serving.goes_on = 200_000, True
    progress = Progress()
    one = asyncio.create_task(shelf.supply.fetch(wanted(by="one"), url, progress))
    while progress.done < 200_000:  # noqa: ASYNC110 - a progress has nobody to wake
        await asyncio.sleep(0)
    two = asyncio.create_task(shelf.supply.fetch(wanted("2.1", by="two"), url, Progress()))
    for _ in range(100):
        await asyncio.to_thread(int)  # Time enough to ask for it, if it did.
    serving.cut.set()
    assert {(await each).sha256 for each in (one, two)} == {DIGEST}
    assert serving.ranges == ["", ""]
    assert shelf.left == []


async def test_a_crash_leaves_no_head_of_an_old_file_under_the_mark_of_a_new_one(
    tmp_path: Path, server: tuple[Server, str]
) -> None:
    part, mark = tmp_path / "x.part", tmp_path / "x.part.mark"
    part.write_bytes(b"old" * 1000)
    mark.symlink_to(tmp_path / "nowhere/mark")  # The mark is the last thing that was to be written.
    with pytest.raises(StorageError):
        await anext(Downloads().whole(server[1], part, lambda _: None))
    assert not part.exists()


async def test_another_file_under_the_same_url_is_not_mixed_with_the_old_one(
    shelf: Shelf, server: tuple[Server, str]
) -> None:
    serving, url = server
    entry = shelf.supply.entry
    entry.mkdir(parents=True)
    part = entry / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.part"
    part.write_bytes(b"old" * 1000)
    part.with_name(part.name + ".mark").write_text('600000 "zero"')
    await shelf.supply.fetch(wanted(), url, Progress())
    assert serving.ranges == ["bytes=3000-"]
    assert shelf.stock.held()[0].sha256 == DIGEST


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"sha256": "0" * 64}, "its SHA-256 is .* and should be 0000"),
        ({"size": 7}, "has 512000 octets, and not 7"),
    ],
)
async def test_what_is_not_the_file_that_is_meant(
    shelf: Shelf, server: tuple[Server, str], more: dict[str, object], reason: str
) -> None:
    with pytest.raises(PluginError, match=reason):
        await shelf.supply.fetch(wanted(**more), server[1], Progress())
    with pytest.raises(PluginError, match="should"):
        await shelf.brought(IMAGE, wanted(**more))
    assert (shelf.stock.held(), shelf.left) == ([], [])


async def test_a_full_disk(shelf: Shelf, server: tuple[Server, str]) -> None:
    shelf.free = RESERVE + len(IMAGE) - 1
    with pytest.raises(StorageError, match="64 MiB are free and 64 MiB are needed; nothing was kept"):
        await shelf.supply.fetch(wanted(), server[1], Progress())
    shelf.free = 0
    with pytest.raises(StorageError, match="0 MiB are free"):
        await shelf.brought(IMAGE, wanted())
    assert (shelf.stock.held(), shelf.left) == ([], [])


async def test_the_reserve_is_kept_while_something_comes(shelf: Shelf) -> None:
    """Others fill the disk meanwhile; what comes in odd pieces is looked at as often as in even ones."""
    sent: list[int] = []

    async def coming(piece: int) -> AsyncIterator[bytes]:
        for _ in range(40 * MIB // piece):
            sent.append(piece)
            shelf.free = RESERVE - 1
            yield bytes(piece)

    with pytest.raises(StorageError, match="63 MiB are free"):
        await shelf.supply.receive(coming(1_000_003))
    assert 16 * MIB <= sum(sent) < 18 * MIB
    sent.clear()
    shelf.free = RESERVE + 40 * MIB - 1
    with pytest.raises(StorageError, match="104 MiB are needed"):
        await shelf.supply.receive(coming(MIB), 40 * MIB)
    assert (sent, shelf.left) == ([], [])


async def test_the_reserve_is_kept_while_an_archive_is_unpacked(shelf: Shelf) -> None:
    # A small file comes first: from then on the octets written are no whole MiB any more.
    archive = zipped({"a.xml": b"x", "b.xml": bytes(40 * MIB)})
    name = await shelf.supply.receive(pieces(archive))
    shelf.free = RESERVE - 1
    with pytest.raises(StorageError, match="63 MiB are free"):
        await shelf.supply.take(name, wanted(kind="language", files=(), unpack=True), Progress())
    assert (shelf.stock.held(), shelf.left) == ([], [])


async def pieces(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


def zipped(members: dict[str, bytes], **mode: int) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode.get("mode", 0o100644) << 16
            archive.writestr(info, octets)
    return output.getvalue()


async def test_an_archive_of_the_vendors(shelf: Shelf) -> None:
    words = wanted("1", kind="language", files=("es.xml", "de.xml"), unpack=True)
    archive = zipped({"readme/": b"", "readme/a.pdf": b"x", "xml/ES.xml": b"hola", "xml/de.xml": b"hallo"})
    await shelf.brought(archive, words)
    (held,) = shelf.stock.held()
    assert {name: part.size for name, part in held.files.items()} == {"es.xml": 4, "de.xml": 5}
    # One that names nothing brings all it has; an image that was unpacked already is taken as it is.
    await shelf.brought(zipped({"a/fr.xml": b"salut"}), wanted("2", kind="language", files=(), unpack=True))
    await shelf.brought(IMAGE, wanted("2.0", name="b1", unpack=True))
    assert [(held.name, held.version, *held.files) for held in shelf.stock.held()] == [
        ("a1", "1", "de.xml", "es.xml"),
        ("a1", "2", "fr.xml"),
        ("b1", "2.0", "a1-2.0.rom"),
    ]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (zipped({"../a1-2.0.rom": b"x"}), "leads out of it"),
        (zipped({"/etc/a1-2.0.rom": b"x"}), "leads out of it"),
        (zipped({"x\\..\\a1-2.0.rom": b"x"}), "leads out of it"),
        (zipped({"a/a1-2.0.rom": b"x", "b/a1-2.0.rom": b"y"}), "twice"),
        (zipped({"a1-2.0.rom": b"/etc/passwd"}, mode=0o120777), "not a plain file"),
        (zipped({"other.rom": b"x"}), "has no a1-2.0.rom"),
        (zipped({}), "has no a1-2.0.rom"),
        (b"", "it is empty"),
    ],
)
async def test_archives_that_are_refused(shelf: Shelf, octets: bytes, reason: str) -> None:
    with pytest.raises(PluginError, match=reason):
        await shelf.brought(octets, wanted(unpack=True))
    assert (shelf.stock.held(), shelf.left) == ([], [])


async def test_an_archive_that_swells(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provd.plugins.firmware.unpack.LARGEST", 1 << 20)
    with pytest.raises(PluginError, match="holds more than 1 MiB"):
        await shelf.brought(zipped({"a1-2.0.rom": bytes(2 << 20)}), wanted(unpack=True))
    assert (shelf.stock.held(), shelf.left) == ([], [])


async def test_a_version_never_changes_and_no_two_packages_have_one_file(shelf: Shelf) -> None:
    await shelf.brought(IMAGE, wanted())
    await shelf.brought(IMAGE, wanted())
    with pytest.raises(ConflictError, match=r"another a1 2\.0 is here"):
        await shelf.brought(b"other", wanted())
    with pytest.raises(ConflictError, match=r"A1-2\.0\.rom is here already, as part of a1 2\.0"):
        await shelf.brought(b"other", wanted("3.0", files=("A1-2.0.rom",)))
    # A phone asks by the name alone: no other vendor's image may be found under it.
    with pytest.raises(ConflictError, match=r"A1-2\.0\.rom is here already, as part of a1 2\.0 of acme"):
        await shelf.brought(b"other", replace(wanted("3.0", files=("A1-2.0.rom",)), plugin="bolt"))
    assert len(shelf.stock.held()) == 1
    with pytest.raises(NotFoundError):
        await shelf.supply.take("../x", wanted(), Progress())


async def test_two_images_of_one_version_for_one_model_are_refused(shelf: Shelf) -> None:
    await shelf.brought(IMAGE, wanted())
    with pytest.raises(ConflictError, match=r"a1 2\.0 is here already, for the same models; remove it first"):
        await shelf.brought(b"other", wanted(name="own", models=("B1", "A1"), files=("own.rom",)))
    # What no device could take for the other one.
    await shelf.brought(b"other", wanted("2.1", name="own", files=("own.rom",)))
    await shelf.brought(b"other", wanted(name="b1", models=("B1",), files=("b1.rom",)))
    await shelf.brought(b"other", wanted(name="words", kind="language", files=("words.xml",)))
    assert len(shelf.stock.held()) == 4


async def test_what_goes_is_gone_and_a_crash_leaves_nothing(shelf: Shelf) -> None:
    await shelf.brought(IMAGE, wanted())
    (held,) = shelf.stock.held()
    await shelf.supply.discard(held)
    assert (shelf.stock.held(), shelf.stock.path("acme", "a1-2.0.rom")) == ([], None)
    (shelf.root / "acme/.incoming-x").mkdir()
    (shelf.root / "acme/.incoming-x/half.rom").write_bytes(b"x")
    old, new = shelf.supply.entry / "old.sent", shelf.supply.entry / "new.part"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    os.utime(new, (Clock().now(), Clock().now()))
    again = shelf.again()
    again.supply.tidy()
    assert again.left == [".entry/new.part"]


async def test_a_package_that_somebody_has_touched_is_not_served(shelf: Shelf) -> None:
    await shelf.brought(IMAGE, wanted())
    folder = shelf.root / "acme/a1@2.0"
    (folder / "a1-2.0.rom").chmod(0o644)
    (folder / "a1-2.0.rom").write_bytes(b"short")
    again = shelf.again()
    assert (again.stock.held(), [fact.ID for fact in again.facts]) == ([], ["FIRMWARE-BROKEN"])
    (folder / "a1-2.0.rom").write_bytes(IMAGE)
    about = json.loads((folder / "release.json").read_text())
    (folder / "release.json").chmod(0o644)
    (folder / "release.json").write_text(json.dumps({**about, "name": "b1"}))
    assert "not of this folder" in str(shelf.again().facts[0])
    # It may come again.
    await shelf.again().brought(IMAGE, wanted())
    assert len(shelf.again().stock.held()) == 1


GOOD = '<?xml version="1.0" encoding="UTF-8"?>\n<phrases>\n<phrase i="203" t="Dirección"/>\n</phrases>\n'.encode()
"""As a dictionary of phones looks."""


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"<html><body>Sign in</body></html>", "words.xml begins with <html>, and should with <phrases>"),
        (b"<phrases>\n<phrase>\n</phrases>", "words.xml is no well-formed XML: line 3, column 3: mismatched tag"),
        (b"PK but no archive", "words.xml is no well-formed XML: line 1, column 1"),
        (GOOD.replace(b"UTF-8", b"nothing"), "words.xml is no well-formed XML: line 1"),
        (GOOD[:-12], "words.xml is no well-formed XML: line 3"),
        (b'<!DOCTYPE phrases [<!ENTITY a "b">]><phrases>&a;</phrases>', "words.xml declares a document type"),
        (GOOD + b" " * (1 << 20), "words.xml has 1024 KiB, more than a device can take"),
    ],
)
async def test_words_that_no_phone_could_read_are_not_kept(shelf: Shelf, octets: bytes, reason: str) -> None:
    words = {"kind": "language", "files": ("words.xml",), "xml": "phrases"}
    with pytest.raises(PluginError) as refusal:
        await shelf.brought(octets, wanted(**words))
    assert reason in str(refusal.value)
    assert (shelf.stock.held(), shelf.left) == ([], [])
    await shelf.brought(GOOD, wanted(**words))
    assert [held.files["words.xml"].size for held in shelf.stock.held()] == [len(GOOD)]
