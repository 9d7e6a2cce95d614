"""Packages side by side: what is in force, what was, and power cuts in between."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from provd.base.errors import ConflictError, NotFoundError, PluginError
from provd.plugins.package.archive import Package
from provd.plugins.package.shelf import BUNDLED, Choice, Shelf


def package(content: bytes = b"1") -> Package:
    return Package("acme", {"plugin.toml": content, "templates/a/device.cfg.j2": b"x"})


def in_force(shelf: Shelf) -> Path | None:
    return shelf.folder("acme", shelf.choice("acme").in_force)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "packages")


def test_an_empty_shelf(shelf: Shelf) -> None:
    assert shelf.plugins() == []
    assert shelf.versions("acme") == []
    assert shelf.choice("acme") == Choice(BUNDLED)
    assert in_force(shelf) is None


def test_putting_is_not_choosing(shelf: Shelf) -> None:
    folder = shelf.put(package(), "1.0.0")
    assert (folder / "templates/a/device.cfg.j2").read_bytes() == b"x"
    assert in_force(shelf) is None


def test_versions_lie_side_by_side_and_one_is_in_force(shelf: Shelf) -> None:
    for version in ("1.10.0", "1.9.0", "1.10.0-beta.2"):
        shelf.put(package(version.encode()), version)
    assert shelf.versions("acme") == ["1.9.0", "1.10.0-beta.2", "1.10.0"]
    shelf.choose("acme", shelf.choice("acme").then("1.9.0"))
    shelf.choose("acme", shelf.choice("acme").then("1.10.0"))
    assert in_force(shelf) == shelf.root / "acme/1.10.0"
    assert shelf.choice("acme").history == (BUNDLED, "1.9.0")


def test_a_linked_folder(shelf: Shelf, tmp_path: Path) -> None:
    own = tmp_path / "work/acme"
    own.mkdir(parents=True)
    (own / "plugin.toml").touch()
    shelf.choose("acme", Choice().then(str(own)))
    assert shelf.choice("acme").linked
    assert in_force(shelf) == own


def test_the_same_package_again_is_no_error_and_another_one_of_that_version_is(shelf: Shelf) -> None:
    assert shelf.put(package(), "1.0.0") == shelf.put(package(), "1.0.0")
    with pytest.raises(ConflictError, match="a version never changes"):
        shelf.put(package(b"2"), "1.0.0")


def test_what_is_not_there_cannot_be_chosen(shelf: Shelf) -> None:
    with pytest.raises(NotFoundError, match=r"no acme 2\.0\.0"):
        shelf.choose("acme", Choice("2.0.0"))
    assert shelf.choice("acme") == Choice()


def test_discarding(shelf: Shelf) -> None:
    for version in ("1.0.0", "1.1.0"):
        shelf.put(package(version.encode()), version)
        shelf.choose("acme", shelf.choice("acme").then(version))
    with pytest.raises(ConflictError, match="is in force"):
        shelf.discard("acme", "1.1.0")
    with pytest.raises(NotFoundError):
        shelf.discard("acme", "9.9.9")
    shelf.discard("acme", "1.0.0")
    assert shelf.versions("acme") == ["1.1.0"]
    assert shelf.choice("acme").history == (BUNDLED,)


def test_what_a_power_cut_left_is_not_seen_and_goes_with_the_next_package(shelf: Shelf) -> None:
    shelf.put(package(), "1.0.0")
    left = shelf.root / "acme/.incoming-abc"
    left.mkdir()
    (left / "plugin.toml").touch()
    assert shelf.versions("acme") == ["1.0.0"]
    shelf.put(package(b"2"), "1.1.0")
    assert not left.exists()


def test_a_full_disk_leaves_nothing_behind(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PluginError, match="No space left"):
        shelf.put(package(), "1.0.0")
    assert list((shelf.root / "acme").iterdir()) == []
    with pytest.raises(PluginError, match="No space left"):
        shelf.choose("acme", Choice())
    assert list((shelf.root / "acme").iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"in_force": 1, "history": []}', '{"in_force": "", "history": [1]}']
)
def test_a_choice_that_cannot_be_read(shelf: Shelf, content: str) -> None:
    shelf.put(package(), "1.0.0")
    (shelf.root / "acme/choice.json").write_text(content)
    with pytest.raises(PluginError, match="cannot be read"):
        shelf.choice("acme")


def test_history_does_not_grow_for_ever() -> None:
    choice = Choice()
    for number in range(50):
        choice = choice.then(f"1.{number}.0")
    assert len(choice.history) == 20
    assert choice.then("1.49.0") is choice
