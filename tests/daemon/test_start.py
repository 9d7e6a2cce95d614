"""A daemon that starts beside a command that works on its database."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from provd.storage.lock import FileLock
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.instances import Member


def test_it_waits_for_a_command_that_has_the_database(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    held = FileLock(state / "provd.db")
    daemon = Daemon(loopback_config(state)[0], tmp_path)

    def waits() -> bool:
        """Whether it has come as far as the lock."""
        if daemon.process is None:
            return False
        with contextlib.suppress(OSError):  # It closes others meanwhile.
            opened = Path(f"/proc/{daemon.process.pid}/fd").iterdir()
            return str(state / "provd.db.lock") in map(os.readlink, opened)
        return False

    def command() -> None:
        try:
            Member.until(waits)
        finally:
            held.release()

    over = threading.Thread(target=command)
    over.start()
    try:
        with daemon:
            assert daemon.json("status")["running"]
            assert daemon.stop() == 0
    finally:
        over.join()
