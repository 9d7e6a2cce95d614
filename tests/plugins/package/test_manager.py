"""Packages from a publisher or from this machine, onto the shelf and in force; and everybody who is in the way."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from provd.app.packages.ports import BUNDLED, Staged
from provd.app.ports import RenderJob
from provd.app.works import Progress
from provd.base.errors import ConflictError, NotFoundError, PluginError, StorageError
from provd.base.facts import Fact
from provd.plugin import FileRule
from provd.plugins.catalogue import PluginCatalogue
from provd.plugins.package.archive import Package, build
from provd.plugins.package.download import Downloads
from provd.plugins.package.manager import PluginManager, Terms
from provd.plugins.package.shelf import Shelf
from tests.kit import acme
from tests.kit.ports import free_port
from tests.plugins.package.publisher import Publisher

NOW = 1_800_000_000.0


class Clock:
    def now(self) -> float:
        return NOW


class Site:
    """A daemon's side: a catalogue over a state folder, and its manager."""

    def __init__(self, root: Path, publisher: Publisher, *, trust: str = "signed", bundled: bool = False) -> None:
        self.state = root / "state"
        self.facts: list[Fact] = []
        folder = root / "bundled"
        folder.mkdir()
        if bundled:
            source = acme.install(root / "built-in", version="1.0.0")
            source.rename(folder / "acme")
        self.catalogue = PluginCatalogue((folder,), self.state, Clock(), self.facts.append)
        self.changes = 0
        keys = (publisher.key.public,)
        self.manager = PluginManager(
            self.catalogue,
            Terms("local" if trust == "local" else "signed", keys, (publisher.url,) if publisher.url else ()),
            Clock(),
            self.facts.append,
            overrides=self.state / "overrides",
            changed=self._changed,
        )

    async def _changed(self, plugin: str) -> None:
        self.changes += plugin in self.catalogue.reload()

    def version(self) -> str:
        return next((each.version for each in self.catalogue.manifests if each.id == "acme"), "")

    async def brought(self, content: bytes, signature: bytes | None = None) -> Staged:
        self.manager.entry.mkdir(parents=True, exist_ok=True)
        (self.manager.entry / "x.zip").write_bytes(content)
        if signature is not None:
            (self.manager.entry / "x.zip.minisig").write_bytes(signature)
        return await self.manager.take("x.zip", Progress())


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path, NOW)


@asynccontextmanager
async def served(tmp_path: Path, publisher: Publisher) -> AsyncIterator[Site]:
    async with publisher.open():
        yield Site(tmp_path, publisher)


async def test_from_the_publisher_to_being_in_force(tmp_path: Path, publisher: Publisher) -> None:
    publisher.build("1.0.0")
    publisher.build("1.1.0")
    async with served(tmp_path, publisher) as site:
        progress = Progress()
        offers = await site.manager.offers(progress)
        assert [(offer.plugin, offer.version, offer.fits) for offer in offers.items] == [
            ("acme", "1.0.0", True),
            ("acme", "1.1.0", True),
        ]
        staged = await site.manager.fetch("acme", "", progress)
        assert (staged.version, staged.level) == ("1.1.0", "bronze")
        assert staged.signed.startswith("file=acme-1.1.0.zip sha256=")
        assert site.version() == "", "nothing is in force by that"
        held = await site.manager.choose("acme", "1.1.0")
        assert (held.in_force, held.versions, held.history) == ("1.1.0", ("1.1.0",), (BUNDLED,))
        assert site.version() == "1.1.0"
        assert site.changes == 1
        await site.manager.fetch("acme", "1.0.0", progress)
        await site.manager.choose("acme", "1.0.0")
        assert (await site.manager.choose("acme", "1.1.0", back=True)).history == (BUNDLED,)
        await site.manager.discard("acme", "1.0.0")
        assert [held.versions for held in site.manager.every()] == [("1.1.0",)]


async def test_two_who_go_back_at_a_time_go_back_once(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher)
    for version in ("1.0.0", "1.1.0"):
        path = publisher.build(version)
        await site.brought(path.read_bytes(), path.with_name(path.name + ".minisig").read_bytes())
        await site.manager.choose("acme", version)
    back = [site.manager.choose("acme", "1.0.0", back=True, expect="1.1.0") for _ in range(2)]
    first, second = await asyncio.gather(*back, return_exceptions=True)
    assert isinstance(second, ConflictError)
    assert "1.0.0 is in force by now" in str(second)
    assert first == site.manager.held("acme")
    assert site.manager.held("acme").history == (BUNDLED,), "what was before that is still known"


class OneAtATime(Shelf):
    """Whoever is at it waits a moment for somebody else to be at it as well."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.together = threading.Barrier(2)
        self.overlapped = 0

    def put(self, package: Package, version: str) -> Path:
        try:
            self.together.wait(0.3)
            self.overlapped += 1
        except threading.BrokenBarrierError:
            self.together.reset()
        return super().put(package, version)


async def test_what_is_half_there_is_cleared_away_by_nobody_else(tmp_path: Path, publisher: Publisher) -> None:
    path = publisher.build("1.1.0")
    site = Site(tmp_path, publisher)
    shelf = site.manager._shelf = OneAtATime(site.state / "packages")
    site.manager.entry.mkdir(parents=True)
    for name in ("a.zip", "b.zip"):
        (site.manager.entry / name).write_bytes(path.read_bytes())
        signature = path.with_name(path.name + ".minisig").read_bytes()
        (site.manager.entry / f"{name}.minisig").write_bytes(signature)
    both = await asyncio.gather(*(site.manager.take(name, Progress()) for name in ("a.zip", "b.zip")))
    assert [staged.version for staged in both] == ["1.1.0", "1.1.0"]
    assert shelf.overlapped == 0


async def test_what_another_plugin_has_claimed_meanwhile_keeps_it_from_coming_in_force(
    tmp_path: Path, publisher: Publisher
) -> None:
    site = Site(tmp_path, publisher)
    path = publisher.build("1.1.0")
    await site.brought(path.read_bytes(), path.with_name(path.name + ".minisig").read_bytes())
    bolt = tmp_path / "bundled/bolt"
    source = acme.install(tmp_path / "built-in", version="1.0.0")
    source.rename(bolt)
    manifest = bolt / "plugin.toml"
    manifest.write_text(manifest.read_text().replace('id = "acme"', 'id = "bolt"'))
    site.catalogue.reload()
    with pytest.raises(ConflictError, match=r"acme 1\.1\.0 cannot be in force: file acme\.cfg: plugin bolt offers it"):
        await site.manager.choose("acme", "1.1.0")
    assert (site.version(), site.manager.held("acme").in_force) == ("", BUNDLED)


async def test_what_is_in_force_is_so_after_a_restart(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher, bundled=True)
    path = publisher.build("1.1.0")
    await site.brought(path.read_bytes(), path.with_name(path.name + ".minisig").read_bytes())
    await site.manager.choose("acme", "1.1.0")
    again = PluginCatalogue((tmp_path / "bundled",), site.state, Clock(), site.facts.append)
    assert [each.version for each in again.manifests] == ["1.1.0"]
    await site.manager.choose("acme", BUNDLED)
    assert site.version() == "1.0.0"


async def test_a_download_that_broke_off_goes_on_where_it_ended(tmp_path: Path, publisher: Publisher) -> None:
    size = publisher.build("1.0.0", common="x" * 300_000).stat().st_size
    async with served(tmp_path, publisher) as site:
        publisher.cuts = 200_000
        first = Progress()
        publisher.enough = lambda: first.done > 100_000
        with pytest.raises(
            PluginError, match=r"acme-1\.0\.0\.zip ended after \d+ of \d+ octets; try again, it goes on"
        ):
            await site.manager.fetch("acme", "", first)
        publisher.cuts = 0
        progress = Progress()
        await site.manager.fetch("acme", "", progress)
        ranges = [asked for name, asked in publisher.asked if name == "acme-1.0.0.zip"]
        assert ranges[0] == ""
        begin = int(ranges[1].removeprefix("bytes=").rstrip("-"))
        assert 100_000 < begin <= 200_000 < size
        assert list(site.manager.entry.iterdir()) == [], "nothing is left of it"


async def test_what_came_broken_is_found_out_and_can_be_fetched_again(tmp_path: Path, publisher: Publisher) -> None:
    path = publisher.build("1.0.0")
    good = path.read_bytes()
    async with served(tmp_path, publisher) as site:
        path.write_bytes(good[:-1] + b"x")
        with pytest.raises(PluginError, match="not the file that the index lists"):
            await site.manager.fetch("acme", "", Progress())
        path.write_bytes(good)
        await site.manager.fetch("acme", "", Progress())


async def test_an_old_index_one_that_ran_out_and_one_of_somebody_else(tmp_path: Path, publisher: Publisher) -> None:
    publisher.build("1.0.0")
    index, signature = publisher.folder / "index.json", publisher.folder / "index.json.minisig"
    old = index.read_bytes(), signature.read_bytes()
    publisher.build("1.1.0")
    async with served(tmp_path, publisher) as site:
        await site.manager.offers(Progress())
        new = index.read_bytes(), signature.read_bytes()
        index.write_bytes(old[0])
        signature.write_bytes(old[1])
        with pytest.raises(PluginError, match="number 2 was seen before: somebody hands out an old one"):
            await site.manager.offers(Progress())
        index.write_bytes(new[0])
        with pytest.raises(PluginError, match="was changed or damaged"):
            await site.manager.offers(Progress())
        publisher.list(seconds=-1.0)
        with pytest.raises(PluginError, match="counted until"):
            await site.manager.offers(Progress())
        (site.state / "packages/seen.json").write_text("rubbish")
        with pytest.raises(PluginError, match=r"seen\.json cannot be read"):
            await site.manager.offers(Progress())


async def test_a_publisher_that_is_not_there(tmp_path: Path, publisher: Publisher) -> None:
    async with served(tmp_path, publisher) as site:
        with pytest.raises(PluginError, match="answers 404"):
            await site.manager.offers(Progress())
        publisher.build("1.0.0")
        with pytest.raises(NotFoundError, match=r"nobody offers acme 9\.9\.9"):
            await site.manager.fetch("acme", "9.9.9", Progress())
    with pytest.raises(PluginError, match=r"127\.0\.0\.1"):
        await site.manager.offers(Progress())
    site.manager.terms = Terms()
    with pytest.raises(PluginError, match=r"plugins\.sources"):
        await site.manager.offers(Progress())
    site.manager.terms = Terms(sources=("http://x.example/",))
    with pytest.raises(PluginError, match=r"plugins\.keys"):
        await site.manager.offers(Progress())


async def test_a_publisher_who_is_away_does_not_hide_the_others(tmp_path: Path, publisher: Publisher) -> None:
    publisher.build("1.0.0")
    async with served(tmp_path, publisher) as site:
        away = f"http://127.0.0.1:{free_port()}/"
        site.manager.terms = Terms("signed", (publisher.key.public,), (away, publisher.url))
        found = await site.manager.offers(Progress())
        assert [offer.version for offer in found.items] == ["1.0.0"]
        whom = away.removeprefix("http://").rstrip("/")
        assert found.failed == (f"{away}index.json: there is no connection to {whom}: Connection refused",)
        assert (await site.manager.fetch("acme", "", Progress())).version == "1.0.0"
        with pytest.raises(PluginError, match="there is no connection to"):
            await site.manager.fetch("bolt", "", Progress())  # the other one may have it


@pytest.mark.parametrize(
    ("url", "proxy", "reason"),
    [
        ("http://{free}/x", "", "there is no connection to {free}: Connection refused"),
        ("http://a.invalid/x", "http://{free}", "there is no connection to the proxy {free}: Connection refused"),
        ("http://a.invalid/x", "", "there is no connection to a.invalid:80: "),
        ("https://{there}/x", "", "there is no connection to {there}: TLS fails (WRONG_VERSION_NUMBER)"),
        ("ftp://a.invalid/x", "", "that is no URL of a web server"),
        ("http://{there}/silent", "", "no answer for 0.2 s"),
        ("http://{there}/broken", "", "the connection broke off"),
    ],
)
async def test_what_is_wrong_is_said_in_words(url: str, proxy: str, reason: str, publisher: Publisher) -> None:
    async with publisher.open() as served_at:
        names = {"free": f"127.0.0.1:{free_port()}", "there": served_at.removeprefix("http://").rstrip("/")}
        quiet = {"quiet_seconds": 0.2} if url.endswith("silent") else {}
        asked = Downloads(proxy.format(**names), **quiet)
        with pytest.raises(PluginError) as told:
            await asked.small(url.format(**names), 100)
    assert str(told.value).startswith(f"{url.format(**names)}: {reason.format(**names)}")


async def test_a_full_disk_is_said_to_be_one_and_no_more_of_it_is_taken(tmp_path: Path, publisher: Publisher) -> None:
    publisher.build("1.0.0")
    listed = json.loads((publisher.folder / "index.json").read_bytes())["packages"][0]
    async with served(tmp_path, publisher) as site:
        site.manager.entry.mkdir(parents=True)
        (site.manager.entry / f".{listed['sha256']}").symlink_to("/dev/full")
        with pytest.raises(StorageError, match="No space left on device; nothing was changed"):
            await site.manager.fetch("acme", "", Progress())
        assert list(site.manager.entry.iterdir()) == []
        assert (await site.manager.fetch("acme", "", Progress())).version == "1.0.0"


def test_what_a_crash_has_left_goes(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher)
    entry = site.manager.entry
    (entry / ".provd-x/acme").mkdir(parents=True)
    for name, age in ((".part", 2), (".fresh", 0), ("brought.zip", 2), ("waits.zip", 0)):
        (entry / name).touch()
        os.utime(entry / name, (NOW - age * 86400.0,) * 2)
    site.manager.tidy()
    assert sorted(path.name for path in entry.iterdir()) == [".fresh", "waits.zip"]


async def test_through_a_proxy(tmp_path: Path, publisher: Publisher) -> None:
    publisher.build("1.0.0")
    async with publisher.open() as proxy:
        site = Site(tmp_path, publisher)
        # To the proxy the whole URL is asked for; the name itself cannot be resolved.
        site.manager.terms = Terms("signed", (publisher.key.public,), ("http://plugins.invalid/",), proxy)
        assert (await site.manager.fetch("acme", "", Progress())).version == "1.0.0"


async def test_without_a_signature(tmp_path: Path, publisher: Publisher) -> None:
    content = publisher.build("1.0.0").read_bytes()
    site = Site(tmp_path, publisher)
    with pytest.raises(PluginError, match="has no signature"):
        await site.brought(content)
    assert not any(site.manager.entry.iterdir())
    site.manager.terms = Terms("local")
    assert (await site.brought(content)).signed == ""


async def test_a_plugin_that_does_not_pass_the_check_stays_outside(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher, trust="local", bundled=True)
    for number, (template, why) in enumerate(
        {
            "{{ nobody }}": "'nobody' is undefined",
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}": "more than 2 s",
        }.items()
    ):
        source = acme.install(tmp_path / f"bad-{number}", version=f"1.{number + 1}.0", common=template, rom=b"rom")
        (source / "README.md").write_text("Acme.\n")
        with pytest.raises(PluginError, match=why):
            await site.brought(build(source))
    assert site.manager.held("acme").versions == ()
    assert site.version() == "1.0.0"


async def test_another_package_of_the_same_version(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher, trust="local")
    await site.brought(publisher.build("1.0.0").read_bytes())
    source = acme.install(tmp_path / "other", version="1.0.0", common="greeting = other\n", rom=b"rom")
    (source / "README.md").write_text("Acme.\n")
    with pytest.raises(ConflictError, match="a version never changes"):
        await site.brought(build(source))


async def test_what_was_brought_is_named_by_one_plain_name(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher)
    for name in ("../x.zip", "/etc/passwd", ".hidden", "nothing.zip"):
        with pytest.raises(NotFoundError):
            await site.manager.take(name, Progress())


async def test_a_version_that_went_bad_on_the_shelf_does_not_come_in_force(
    tmp_path: Path, publisher: Publisher
) -> None:
    site = Site(tmp_path, publisher, trust="local", bundled=True)
    await site.brought(publisher.build("1.1.0").read_bytes())
    (site.state / "packages/acme/1.1.0/plugin.toml").write_text("rubbish")
    with pytest.raises(PluginError, match="PLUGIN-BROKEN says why"):
        await site.manager.choose("acme", "1.1.0")
    assert site.version() == "1.0.0"
    assert site.manager.held("acme").in_force == BUNDLED
    assert "PLUGIN-BROKEN" in [fact.ID for fact in site.facts]


async def test_a_folder_as_it_lies(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher, bundled=True)
    folder = acme.install(tmp_path / "work", version="3.0.0")
    with pytest.raises(PluginError, match=r"plugins\.trust"):
        await site.manager.choose("acme", str(folder))
    site.manager.terms = Terms("local")
    assert (await site.manager.choose("acme", str(folder))).in_force == str(folder)
    assert site.version() == "3.0.0"
    (folder / "plugin.toml").write_text(acme.MANIFEST.format(version="3.0.1"))
    site.catalogue.reload()
    assert site.version() == "3.0.1"
    with pytest.raises(NotFoundError):
        await site.manager.choose("acme", str(tmp_path))


async def test_candidates_and_rendering_beside(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher, trust="local", bundled=True)
    await site.brought(publisher.build("1.1.0", common="greeting = newer\n").read_bytes())
    before, after = await site.manager.candidate("acme", BUNDLED), await site.manager.candidate("acme", "1.1.0")
    assert before is not None
    assert after is not None
    assert (before.manifest.version, after.manifest.version) == ("1.0.0", "1.1.0")
    assert await site.manager.candidate("nobody", BUNDLED) is None
    rule = FileRule("acme.cfg", "common", "common.cfg.j2", "keyvalue", secrets=False)
    async with site.manager.trial({"old": before.templates, "new": after.templates}) as renderer:
        assert await renderer.render(RenderJob("old", rule, {})) == b"greeting = hello\n"
        assert await renderer.render(RenderJob("new", rule, {})) == b"greeting = newer\n"


async def test_overrides_of_the_operator_outrank_both_versions(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher, trust="local", bundled=True)
    own = site.state / "overrides/acme"
    own.mkdir(parents=True)
    candidate = await site.manager.candidate("acme", BUNDLED)
    assert candidate is not None
    assert candidate.templates[0] == own


def test_the_choices_of_a_shelf_that_cannot_be_read_harm_nobody_else(tmp_path: Path, publisher: Publisher) -> None:
    site = Site(tmp_path, publisher, bundled=True)
    place = site.state / "packages/acme"
    place.mkdir(parents=True)
    (place / "choice.json").write_text(json.dumps({"in_force": 7}))
    site.catalogue.reload()
    assert site.version() == "1.0.0"
    assert [fact.ID for fact in site.facts if fact.ID == "PLUGIN-BROKEN"]
    assert list(site.manager.every()) == []
