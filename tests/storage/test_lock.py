from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provd.base.errors import StorageError
from provd.storage.lock import FileLock

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from provd.storage.lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_holder_is_named_by_its_pid(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "x.db")
    with pytest.raises(StorageError, match=rf"another provd \(pid {os.getpid()}\) uses {tmp_path}/x.db"):
        FileLock(tmp_path / "x.db")
    held.release()
    FileLock(tmp_path / "x.db").release()


def test_a_holder_that_is_soon_done_is_waited_for(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "x.db")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            held.release()

    FileLock(tmp_path / "x.db", 5, pause).release()
    assert len(pauses) == 3


def test_but_not_for_ever(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "x.db")
    pauses: list[float] = []
    with pytest.raises(StorageError, match=rf"another provd \(pid {os.getpid()}\)"):
        FileLock(tmp_path / "x.db", 5, pauses.append)
    assert sum(pauses) == pytest.approx(5, abs=0.1)
    held.release()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "x.db")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=f"pid {process.pid}"):
            FileLock(tmp_path / "x.db")
        process.kill()
    FileLock(tmp_path / "x.db").release()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        FileLock(tmp_path / "nowhere" / "x.db")
