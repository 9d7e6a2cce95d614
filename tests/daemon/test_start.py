"""A daemon that starts beside a command that works on its database."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from provd.storage.lock import FileLock
from tests.kit.daemon import ROOT, Daemon, loopback_config
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


NOTING = """
import os, sys

def note(event, arguments):
    # The first datagram to the service manager says READY.
    if event == "socket.sendto" and arguments[1] == os.environ.get("NOTIFY_SOCKET") and not os.path.exists({place!r}):
        names = sorted(sys.modules)
        with open({place!r}, "w") as file:
            file.write(" ".join(names))

sys.addaudithook(note)
"""
LATER = {
    # What people and programs ask, not phones.
    "provd.daemon.administration",
    "provd.app.admin",
    "provd.http.api",
    "provd.http.page",
    "provd.http.control",
    "provd.http.views",
    "prometheus_client",
    # What is loaded when it is wanted.
    "alembic",
    "jinja2",
    "aiocoap",
    "aiomqtt",
    "psycopg",
    "segno",
    "provd.simulate",
}


def test_phones_do_not_wait_for_what_they_never_ask(tmp_path: Path) -> None:
    place = tmp_path / "modules"
    (tmp_path / "sitecustomize.py").write_text(NOTING.format(place=str(place)))
    path = f"{tmp_path}:{ROOT}"
    with Daemon(loopback_config(tmp_path / "state")[0], tmp_path, environ={"PYTHONPATH": path}) as daemon:
        assert daemon.stop() == 0
        # The first start makes the database; what counts is the second one.
        place.unlink()
        daemon.start()
        loaded = set(place.read_text().split())
        assert {"provd.daemon.service", "provd.http.phones", "provd.dhcp.server", "provd.tftp.server"} <= loaded
        assert sorted(loaded & LATER) == []
        # Whoever knocks at once is answered when there is somebody.
        assert daemon.json("status")["running"]
        assert daemon.stop() == 0


COUNTING = """
import importlib, sys
from provd.daemon.service import ADMINISTRATION
import provd.daemon.core
for name in ADMINISTRATION:
    before = len(sys.modules)
    importlib.import_module(name)
    print(len(sys.modules) - before)
"""


def test_what_phones_do_not_need_is_loaded_in_portions() -> None:
    done = subprocess.run([sys.executable, "-c", COUNTING], cwd=ROOT, capture_output=True, text=True, check=True)
    portions = list(map(int, done.stdout.split()))
    assert min(portions) > 0
    assert max(portions) < sum(portions) / 2
