"""Plugin folders as archives: the same octets everywhere, and nothing but plain files comes out."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.plugins.catalogue import bundled_plugins
from provd.plugins.package.archive import ArchiveError, build, read

Members = list[tuple[zipfile.ZipInfo | str, bytes]]
PLAIN: Members = [("acme/plugin.toml", b"id"), ("acme/templates/device.cfg.j2", b"x")]


def zipped(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return output.getvalue()


def plugin(root: Path) -> Path:
    folder = root / "acme"
    (folder / "templates").mkdir(parents=True)
    (folder / "plugin.toml").write_text("id")
    (folder / "templates/device.cfg.j2").write_text("x")
    return folder


def test_a_folder_becomes_the_same_archive_whatever_its_dates_and_modes(tmp_path: Path) -> None:
    first, second = plugin(tmp_path / "a"), plugin(tmp_path / "b")
    os.utime(second / "plugin.toml", (1, 1))
    (second / "plugin.toml").chmod(0o600)
    (second / ".git").mkdir()
    (second / ".git/config").write_text("hidden")
    (second / "__pycache__").mkdir()
    (second / "__pycache__/phone.cpython-311.pyc").write_text("compiled")
    (second / "plugin.toml~").write_text("an editor's copy")
    assert build(first) == build(second)


def test_what_was_packed_comes_back(tmp_path: Path) -> None:
    package = read(build(plugin(tmp_path)))
    assert package.plugin == "acme"
    assert package.files == {"plugin.toml": b"id", "templates/device.cfg.j2": b"x"}


@pytest.mark.parametrize(
    "folder", [path.parent for path in sorted(bundled_plugins().glob("[a-z]*/plugin.toml"))], ids=lambda path: path.name
)
def test_the_plugins_that_come_with_provd_can_be_packed(folder: Path) -> None:
    assert read(build(folder)).files["plugin.toml"] == (folder / "plugin.toml").read_bytes()


def test_links_do_not_come_in(tmp_path: Path) -> None:
    folder = plugin(tmp_path)
    (folder / "templates/other").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError, match="symbolic link"):
        build(folder)


def test_nor_pipes(tmp_path: Path) -> None:
    folder = plugin(tmp_path)
    os.mkfifo(folder / "pipe")
    with pytest.raises(ArchiveError, match="not a plain file"):
        build(folder)


def test_nor_a_folder_that_is_no_plugin(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is no plugin"):
        build(tmp_path)


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("acme/link")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([*PLAIN, ("acme/../../etc/passwd", b"")], "would lead out of the plugin.s folder"),
        ([*PLAIN, ("/etc/passwd", b"")], "outside"),
        ([*PLAIN, ("other/file", b"")], "outside"),
        ([*PLAIN, ("acme/a\\..\\b", b"")], "not a name"),
        ([*PLAIN, ("acme/.hidden", b"")], "not a name"),
        ([*PLAIN, ("acme//double", b"")], "not a name"),
        ([*PLAIN, ("acme/folder/", b"")], "not a name"),
        ([*PLAIN, ("acme/PLUGIN.toml", b"")], "twice"),
        ([*PLAIN, ("acme/templates", b"")], "a file and a folder"),
        ([*PLAIN, (_link(), b"/etc/passwd")], "not a plain file"),
        ([("acme/readme.md", b"")], "has no acme/plugin.toml"),
        ([], "does not hold one folder"),
        ([("plugin.toml", b"")], "does not hold one folder"),
        ([("acme/plugin.toml", b""), *((f"acme/{n}", b"") for n in range(4000))], "more than 4000"),
    ],
)
def test_what_is_no_package(members: Members, why: str) -> None:
    with pytest.raises(ArchiveError, match=why):
        read(zipped(members))


def test_a_name_with_a_nul_is_not_cut_short() -> None:
    content = zipped([*PLAIN, ("acme/name-here", b"")]).replace(b"name-here", b"name\0here")
    with pytest.raises(ArchiveError, match="not a name"):
        read(content)


def test_what_swells_is_refused_unread() -> None:
    bomb = zipped([*PLAIN, ("acme/bomb", bytes(50_000_000))], zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveError, match="is compressed"):
        read(bomb)


def test_a_size_that_is_a_lie() -> None:
    content = bytearray(zipped(PLAIN))
    at = content.rindex(b"PK\x01\x02")
    content[at + 20 : at + 28] = (1 << 30).to_bytes(4, "little") * 2
    with pytest.raises(ArchiveError):
        read(bytes(content))


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damage_is_an_archive_error_or_harmless(at: int, octets: bytes) -> None:
    content = bytearray(zipped(PLAIN))
    content[at : at + len(octets)] = octets
    try:
        package = read(bytes(content))
    except ArchiveError:
        return
    assert all(".." not in name and not name.startswith("/") for name in package.files)
