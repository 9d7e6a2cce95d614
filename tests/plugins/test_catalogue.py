"""The plugins in force: loading, overriding, breaking, static files."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import pytest

from provd.app.firmware.ports import Held, Part
from provd.base.errors import PluginError
from provd.base.facts import Fact
from provd.base.facts.plugins import PluginBroken, PluginClash, PluginLoaded, PluginRemoved
from provd.plugins.blobs import LARGEST, MAPPED_FROM
from provd.plugins.catalogue import PluginCatalogue, bundled_plugins

MANIFEST = """
id = "{id}"
version = "{version}"
contract = 1
vendor = "Acme"
license = "Apache-2.0"
description = "made up"
[[model]]
name = "A1"
"""


class FixedClock:
    def now(self) -> float:
        return 1000.0


class Site:
    """Two plugin folders, a state directory, and the facts told."""

    def __init__(self, root: Path) -> None:
        self.bundled, self.own, self.state = root / "bundled", root / "state/plugins", root / "state"
        self.facts: list[Fact] = []
        self.state.mkdir()

    def plugin(self, root: Path, name: str, version: str = "1.0.0") -> Path:
        folder = root / name
        (folder / "templates").mkdir(parents=True, exist_ok=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=name, version=version))
        return folder

    def catalogue(self) -> PluginCatalogue:
        return PluginCatalogue((self.bundled, self.own), self.state, FixedClock(), self.facts.append)

    def told(self) -> list[tuple[type[Fact], str]]:
        told = [(type(fact), fact.plugin) for fact in self.facts]
        self.facts.clear()
        return told


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def versions(catalogue: PluginCatalogue) -> dict[str, str]:
    return {manifest.id: manifest.version for manifest in catalogue.manifests}


def test_plugins_come_in_the_order_of_their_ids(site: Site) -> None:
    for name in ("bell", "acme"):
        site.plugin(site.bundled, name)
    catalogue = site.catalogue()
    assert list(versions(catalogue)) == ["acme", "bell"]
    assert catalogue.revision == 1
    assert site.told() == [(PluginLoaded, "acme"), (PluginLoaded, "bell")]


def test_a_later_folder_overrides_by_id(site: Site) -> None:
    site.plugin(site.bundled, "acme")
    own = site.plugin(site.own, "acme", "2.0.0")
    catalogue = site.catalogue()
    assert versions(catalogue) == {"acme": "2.0.0"}
    assert catalogue.template_root("acme") == own / "templates"
    assert site.told() == [(PluginLoaded, "acme")]
    assert not catalogue.reload()
    assert site.told() == []


def test_a_broken_plugin_harms_no_other(site: Site) -> None:
    site.plugin(site.bundled, "acme")
    (site.plugin(site.bundled, "bell") / "plugin.toml").write_text("nonsense")
    catalogue = site.catalogue()
    assert versions(catalogue) == {"acme": "1.0.0"}
    assert site.told() == [(PluginBroken, "bell"), (PluginLoaded, "acme")]


def test_a_broken_override_leaves_the_bundled_one(site: Site) -> None:
    site.plugin(site.bundled, "acme")
    (site.plugin(site.own, "acme") / "plugin.toml").write_text("nonsense")
    catalogue = site.catalogue()
    assert versions(catalogue) == {"acme": "1.0.0"}
    (broken, loaded) = site.facts
    assert isinstance(broken, PluginBroken)
    assert (broken.kept, broken.folder) == ("1.0.0", str(site.own / "acme"))
    assert isinstance(loaded, PluginLoaded)
    assert loaded.folder == str(site.bundled / "acme")


def test_a_reload_keeps_what_ran_when_the_new_one_is_broken(site: Site) -> None:
    folder = site.plugin(site.own, "acme", "2.0.0")
    catalogue = site.catalogue()
    site.told()
    (folder / "plugin.toml").write_text("nonsense")
    assert not catalogue.reload()
    assert versions(catalogue) == {"acme": "2.0.0"}
    assert catalogue.revision == 1
    assert site.told() == [(PluginBroken, "acme")]


def test_the_revision_rises_when_a_template_changes(site: Site) -> None:
    folder = site.plugin(site.own, "acme")
    catalogue = site.catalogue()
    (folder / "templates/a.j2").write_text("one")
    assert catalogue.reload()
    assert not catalogue.reload()
    (folder / "templates/a.j2").write_text("two")
    assert catalogue.reload()
    assert catalogue.revision == 3


def test_two_that_claim_the_same_are_told_once(site: Site) -> None:
    for name in ("acme", "bolt"):
        with (site.plugin(site.own, name) / "plugin.toml").open("a") as manifest:
            manifest.write('[[file]]\nname = "logo.bmp"\nkind = "static"\ntemplate = "logo.bmp"\nsecrets = false\n')
    catalogue = site.catalogue()
    assert site.told() == [(PluginLoaded, "acme"), (PluginLoaded, "bolt"), (PluginClash, "bolt")]
    site.plugin(site.own, "third")
    assert catalogue.reload()
    assert site.told() == [(PluginLoaded, "third")]
    (site.own / "acme/plugin.toml").unlink()
    assert catalogue.reload()
    site.told()
    site.plugin(site.own, "acme", "1.1.0")
    with (site.own / "acme/plugin.toml").open("a") as manifest:
        manifest.write('[[file]]\nname = "logo.bmp"\nkind = "static"\ntemplate = "logo.bmp"\nsecrets = false\n')
    assert catalogue.reload()
    assert site.told() == [(PluginLoaded, "acme"), (PluginClash, "bolt")]


def test_a_plugin_that_is_gone_is_told(site: Site) -> None:
    folder = site.plugin(site.own, "acme")
    catalogue = site.catalogue()
    site.told()
    (folder / "plugin.toml").unlink()
    assert catalogue.reload()
    assert catalogue.manifests == ()
    assert site.told() == [(PluginRemoved, "acme")]
    with pytest.raises(PluginError):
        catalogue.template_root("acme")
    assert catalogue.static("acme", "x") is None


def test_folders_that_do_not_exist_are_no_plugins(site: Site) -> None:
    assert site.catalogue().manifests == ()


def test_the_bundled_plugins_load() -> None:
    assert (bundled_plugins() / "_skeleton/plugin.toml").is_file()


def test_static_files_and_firmware(site: Site) -> None:
    folder = site.plugin(site.bundled, "acme")
    firmware = site.state / "firmware/acme"
    for place in (folder / "static", firmware):
        place.mkdir(parents=True)
    (folder / "static/Logo.png").write_bytes(b"logo")
    (folder / "static/both.bin").write_bytes(b"plugin's")
    (firmware / "both.bin").write_bytes(b"operator's")
    catalogue = site.catalogue()
    assert catalogue.static("acme", "logo.PNG") == b"logo"
    assert catalogue.static("acme", "both.bin") == b"operator's"
    assert catalogue.static("acme", "unknown.bin") is None
    assert catalogue.static("other", "logo.png") is None


def test_a_file_that_is_too_large_or_gone_is_not_there(site: Site) -> None:
    folder = site.plugin(site.bundled, "acme")
    static = folder / "static"
    static.mkdir()
    with (static / "huge.bin").open("wb") as file:
        file.truncate(LARGEST + 1)
    (static / "gone.bin").write_bytes(b"x")
    catalogue = site.catalogue()
    assert catalogue.static("acme", "huge.bin") is None
    assert catalogue.static("acme", "gone.bin") == b"x"
    times = static.stat().st_mtime_ns
    (static / "gone.bin").unlink()
    os.utime(static, ns=(times, times))
    assert catalogue.static("acme", "gone.bin") is None


def test_a_new_firmware_file_is_seen_without_a_reload(site: Site) -> None:
    site.plugin(site.bundled, "acme")
    firmware = site.state / "firmware/acme"
    catalogue = site.catalogue()
    assert catalogue.static("acme", "new.rom") is None
    firmware.mkdir(parents=True)
    (firmware / "new.rom").write_bytes(b"one")
    assert catalogue.static("acme", "new.rom") == b"one"
    (firmware / "new.rom").write_bytes(b"other")
    assert catalogue.static("acme", "new.rom") == b"other"


def test_names_cannot_leave_the_folder(site: Site) -> None:
    folder = site.plugin(site.bundled, "acme")
    static = folder / "static"
    static.mkdir()
    (static / "link.bin").symlink_to(folder / "plugin.toml")
    (static / ".hidden").write_bytes(b"x")
    (static / "sub").mkdir()
    os.mkfifo(static / "pipe")
    catalogue = site.catalogue()
    for name in ("../plugin.toml", "link.bin", ".hidden", "sub", "sub/..", "", ".", "..", "pipe", "\0", "/etc/passwd"):
        assert catalogue.static("acme", name) is None


def test_a_large_image_is_mapped_and_survives_being_written_over(site: Site) -> None:
    site.plugin(site.bundled, "acme")
    firmware = site.state / "firmware/acme"
    firmware.mkdir(parents=True)
    image = firmware / "big.rom"
    image.write_bytes(b"a" * MAPPED_FROM)
    catalogue = site.catalogue()
    running = catalogue.static("acme", "big.rom")
    assert isinstance(running, memoryview)
    assert catalogue.static("acme", "big.rom") is running
    image.write_bytes(b"b")
    assert bytes(running[-4:]) == b"aaaa"
    assert catalogue.static("acme", "big.rom") == b"b"
    assert [path.name for path in site.state.iterdir()] == ["firmware"]


def kept(catalogue: PluginCatalogue, name: str, octets: bytes, plugin: str = "acme") -> Held:
    """A package with one file."""
    file = f"{name}.rom"
    held = Held(plugin, name, "1.0", "firmware", (name,), {file: Part(len(octets), "")})
    with catalogue.stock.incoming(plugin) as folder:
        (folder / file).write_bytes(octets)
        catalogue.stock.put(held, folder)
    return held


def test_firmware_of_a_model_without_a_plugin(site: Site) -> None:
    catalogue = site.catalogue()
    kept(catalogue, "x1", b"image", "site-x1")
    (site.state / "firmware/site-x1/by-hand.rom").write_bytes(b"other")
    assert catalogue.static("site-x1", "X1.rom") == b"image"
    assert catalogue.static("site-x1", "by-hand.rom") == b"other"
    assert catalogue.static("site-x1", "x2.rom") is None


def test_a_package_that_comes_or_goes_leaves_the_others_as_they_are(site: Site) -> None:
    site.plugin(site.bundled, "acme")
    catalogue = site.catalogue()
    kept(catalogue, "one", bytes(MAPPED_FROM))
    one = catalogue.static("acme", "one.rom")
    other = kept(catalogue, "other", b"b" * MAPPED_FROM)
    content = weakref.ref(catalogue.static("acme", "other.rom").obj)
    assert catalogue.static("acme", "one.rom") is one
    catalogue.stock.discard(other)
    assert catalogue.static("acme", "one.rom") is one
    assert catalogue.static("acme", "other.rom") is None
    assert content() is None, "what was taken away does not go on filling the disk"
    third = kept(catalogue, "third", b"c" * MAPPED_FROM)
    content = weakref.ref(catalogue.static("acme", "third.rom").obj)
    catalogue.stock.discard(third)
    catalogue.let_go()
    assert content() is None, "also when nobody asks for anything any more"


def test_a_large_image_is_read_where_it_cannot_be_copied(site: Site) -> None:
    folder = site.plugin(site.bundled, "acme")
    (folder / "static").mkdir()
    (folder / "static/big.rom").write_bytes(b"a" * MAPPED_FROM)
    site.state.rmdir()
    assert site.catalogue().static("acme", "big.rom") == b"a" * MAPPED_FROM
