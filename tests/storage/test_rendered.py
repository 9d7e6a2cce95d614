"""Rendered files on disk: found again whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provd.base.facts import Fact
from provd.storage.rendered import RenderedFiles
from tests.tftp.kit import StillClock

KEY = bytes(range(32))
NAMES = [bytes([number]) * 16 for number in range(10)]


def shelf(folder: Path, facts: list[Fact] | None = None, *, key: bytes = KEY, most_octets: int = 1 << 20):
    return RenderedFiles(
        folder, key, StillClock(), (facts if facts is not None else []).append, most_octets=most_octets
    )


def fill(folder: Path, count: int = 3, **options: object) -> None:
    files = shelf(folder, **options)
    for name in NAMES[:count]:
        files.write([files.seal(name, b"password of " + name * 20)])


def found(folder: Path, facts: list[Fact] | None = None, **options: object) -> list[bytes | None]:
    files = shelf(folder, facts, **options)
    files.load()
    bodies = [files.find(name) for name in NAMES]
    files.forget()
    return bodies


def test_what_was_written_is_found_after_a_start_and_nothing_before(tmp_path: Path) -> None:
    fill(tmp_path)
    assert found(tmp_path)[:4] == [b"password of " + name * 20 for name in NAMES[:3]] + [None]
    assert [shelf(tmp_path).find(name) for name in NAMES[:3]] == [None] * 3


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    assert found(tmp_path) == [None] * 10
    files = shelf(tmp_path / "gone")
    files.load()
    files.write([files.seal(NAMES[0], b"x")])  # a disk that is gone costs nothing but the cache
    assert len(files) == 0


def test_nothing_is_there_in_clear_and_for_nobody_else(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "rendered.new"
    assert b"password" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_latest_of_a_name_counts(tmp_path: Path) -> None:
    fill(tmp_path)
    files = shelf(tmp_path)
    files.write([files.seal(NAMES[1], b"newer")])
    assert found(tmp_path)[1] == b"newer"


@pytest.mark.parametrize("cut", [1, 7, 40, 200])
def test_a_write_that_was_cut_short_hides_only_itself(tmp_path: Path, cut: int) -> None:
    fill(tmp_path)
    path = tmp_path / "rendered.new"
    os.truncate(path, path.stat().st_size - cut)
    facts: list[Fact] = []
    assert [body is not None for body in found(tmp_path, facts)[:3]] == [True, True, False]
    files = shelf(tmp_path)
    files.load()
    files.write([files.seal(NAMES[5], b"later")])
    files.forget()
    assert found(tmp_path, facts)[5] == b"later"
    assert facts == []


def test_an_entry_that_was_altered_is_left_out_and_told_once(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "rendered.new"
    octets = bytearray(path.read_bytes())
    size = len(octets) // 3
    octets[size - 5] ^= 1
    octets[2 * size - 5] ^= 1
    path.write_bytes(octets)
    facts: list[Fact] = []
    assert [body is not None for body in found(tmp_path, facts)[:3]] == [False, False, True]
    assert [fact.ID for fact in facts] == ["RENDERED-FILES-DAMAGED"]


def test_entries_cannot_change_places(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    path = tmp_path / "rendered.new"
    octets = path.read_bytes().replace(NAMES[0], b"?" * 16).replace(NAMES[1], NAMES[0]).replace(b"?" * 16, NAMES[1])
    path.write_bytes(octets)
    assert found(tmp_path)[:2] == [None, None]


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    assert found(tmp_path, key=bytes(32)) == [None] * 10


@pytest.mark.parametrize("octets", [b"\0", b"\xff" * 100, bytes(100), b"\0\0\0\x0c" + bytes(28)])
def test_a_file_of_something_else_is_no_cache(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "rendered.new").write_bytes(octets)
    assert found(tmp_path) == [None] * 10
    fill(tmp_path, 1)
    assert found(tmp_path)[0] is not None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    (tmp_path / "rendered.new").symlink_to(victim)
    fill(tmp_path)
    assert victim.read_bytes() == b""


def test_it_never_takes_more_than_two_files_of_its_size(tmp_path: Path) -> None:
    fill(tmp_path, 10, most_octets=1500)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 1500
    assert [body is not None for body in found(tmp_path)[-3:]] == [True] * 3
