"""``firmware.toml``: what it says, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.base.errors import PluginError
from provd.plugin.firmware import Package, Release
from provd.plugins.loader import load
from tests.kit import acme

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
GOOD = """
obtain = "acme.example"
[[package]]
name = "a1"
models = ["A1"]
step = "1.9b"
release = [
  { version = "2.0", files = ["a1-2.0.rom"], size = 7, sha256 = "%s" },
  { version = "1.9b", files = ["a1-1.9b.rom"], source = "http://fw.example/a1.zip", unpack = true },
]
[[package]]
name = "words"
kind = "language"
models = ["A1"]
obtain = "a shop"
release = [{ version = "1", unpack = true }]
""" % ("ab" * 32)


def loaded(folder: Path, text: str) -> tuple[Package, ...]:
    plugin = acme.install(folder)
    (plugin / "firmware.toml").write_text(text)
    return load(plugin).packages


def test_packages_with_their_versions_in_order(tmp_path: Path) -> None:
    first, words = loaded(tmp_path, GOOD)
    assert first == Package(
        "a1",
        "firmware",
        ("A1",),
        (
            Release("1.9b", ("a1-1.9b.rom",), "http://fw.example/a1.zip", unpack=True),
            Release("2.0", ("a1-2.0.rom",), size=7, sha256="ab" * 32),
        ),
        step="1.9b",
        obtain="acme.example",
    )
    assert (words.kind, words.obtain, words.releases[0].files) == ("language", "a shop", ())
    assert loaded(tmp_path, "") == ()


def row(release: str = '{ version = "1", files = ["x.rom"] }', more: str = "") -> str:
    return f'[[package]]\nname = "a1"\nmodels = ["A1"]\nobtain = "x"\n{more}\nrelease = [{release}]\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = [", "is not TOML"),
        ("hashes = 1", "hashes: Extra inputs are not permitted"),
        (row(more='colour = "red"'), "package.0.colour"),
        (row().replace('"A1"', '"Z9"'), "no model 'Z9'"),
        (row() + row(), "a1: is there twice"),
        (row('{ version = "1", files = ["x"] }, { version = "1", files = ["y"] }'), "a version is there twice"),
        (row('{ version = "1", files = ["x"] }, { version = "2", files = ["X"] }'), "'X' is a file of a1 1"),
        (row(more='step = "9"'), "there is no release 9"),
        (row('{ version = "1" }'), "which name devices ask for"),
        (row('{ version = "1", files = ["a", "b"], unpack = true }'), "firmware is one file"),
        (row('{ version = "1", files = ["a", "b"] }', 'kind = "language"'), "several files come in an archive"),
        (row().replace('obtain = "x"', ""), "where is it to be had"),
        (row('{ version = "1", files = ["../x"] }'), "files.0"),
        (row('{ version = "1", files = [".x"] }'), "files.0"),
        (row('{ version = "../1", files = ["x"] }'), "version"),
        (row('{ version = "1", files = ["x"], sha256 = "abc" }'), "sha256"),
        (row('{ version = "1", files = ["x"], source = "ftp://x/y" }'), "source"),
        (row(more='kind = "toaster"'), "kind"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(PluginError, match=reason):
        loaded(tmp_path, text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="larger than 1 MiB"):
        loaded(tmp_path, "# " + "x" * (1 << 20))
    (tmp_path / "plugins/acme/firmware.toml").write_bytes(b"\xff")
    with pytest.raises(PluginError, match="is not TOML"):
        load(tmp_path / "plugins/acme")
    (tmp_path / "plugins/acme/firmware.toml").unlink()
    (tmp_path / "plugins/acme/firmware.toml").mkdir()
    with pytest.raises(PluginError, match="cannot be read"):
        load(tmp_path / "plugins/acme")


@pytest.mark.parametrize(
    ("plugin", "package", "version"), [("cisco_spa", "spa50x-30x", "7.5.5"), ("yealink", "T46S", "66.86.0.15")]
)
def test_the_catalogues_that_come_with_provd(plugin: str, package: str, version: str) -> None:
    found = load(PLUGINS / plugin).package(package)
    assert found is not None
    assert found.release(version) is not None
    # No size and no hash that nobody has seen stands there.
    assert all(not each.sha256 and not each.size for each in found.releases)
