"""The mark that a run leaves for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.domain.reckoning import Leap, Mark
from provd.storage.clock_mark import read_mark, write_mark


@pytest.mark.parametrize("mark", [Mark(1_900_000_000.0), Mark(1_900_000_000.0, Leap(1_700_000_000.0, 1_899_999_000.0))])
def test_what_is_written_is_read(mark: Mark, tmp_path: Path) -> None:
    write_mark(tmp_path, Mark(1.0))
    write_mark(tmp_path, mark)
    assert read_mark(tmp_path) == mark
    assert (tmp_path / "clock").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["clock"]


@pytest.mark.parametrize("octets", [b"", b"soon\n", b"1 2\n", b"inf\n", b"nan\n", b"\xff\xfe", b"1 2 3 4"])
def test_what_makes_no_sense_is_no_mark(octets: bytes, tmp_path: Path) -> None:
    (tmp_path / "clock").write_bytes(octets)
    assert read_mark(tmp_path) is None


def test_no_mark_and_no_room_for_one_are_no_error(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert read_mark(missing) is None
    write_mark(missing, Mark(1.0))
    assert not missing.exists()
