"""The contract with systemd: capabilities from outside, memory that may not be both written and run, signs of life."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from provd.plugins.package.minisign import new_key
from provd.plugins.package.publish import build
from tests.conftest import program
from tests.kit import acme
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan, leases_of
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.root

SERVICE_CAPABILITIES = "+net_bind_service,+net_raw"
MDWE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(65, 1, 0, 0, 0) == 0 or ctypes.get_errno() == 22  # PR_SET_MDWE, Linux 6.3
os.execvp(sys.argv[1], sys.argv[1:])
"""


def as_the_unit_does() -> tuple[str, ...]:
    """Two capabilities, no way to more, no memory that can be written and run, the system calls of the filter. (The
    user stays, for Python may lie where only root may go, but is nobody special: ``noroot``.)"""
    program("systemd-analyze")
    return (
        *(program("setpriv"), "--no-new-privs", "--securebits=+noroot,+noroot_locked"),
        f"--inh-caps=-all,{SERVICE_CAPABILITIES}",
        f"--ambient-caps=-all,{SERVICE_CAPABILITIES}",
        f"--bounding-set=-all,{SERVICE_CAPABILITIES}",
        *(sys.executable, "-c", MDWE),
        *(sys.executable, "-m", "tests.kit.unit_filter"),
    )


def status_of(pid: int) -> dict[str, str]:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (row.partition(":") for row in rows)}


def capabilities_of(pid: int) -> list[int]:
    status = status_of(pid)
    return [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapAmb")]


@pytest.mark.peer
def test_what_the_unit_permits_is_enough_and_templates_get_nothing_of_it(lan: Lan, tmp_path: Path) -> None:
    key = new_key()
    config = lan_config(lan.bed, tmp_path / "state", sections=f'[plugins]\nkeys = ["{key.public}"]\n')
    source = acme.install(tmp_path / "acme", version="1.0.0", common="greeting = hello\n", rom=b"rom")
    (source / "README.md").write_text("Acme phones.\n")
    package = build(source, tmp_path / "public", key).path
    with Daemon(config, tmp_path, bed=lan.bed, prefix=as_the_unit_does()) as daemon:
        phone = lan.boots()
        assert leases_of(daemon)[phone] == PHONE
        mine = status_of(daemon.pid)
        assert int(mine["CapEff"], 16) == 1 << 10 | 1 << 13
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
        assert children, "a renderer runs"
        deadline = time.monotonic() + PATIENCE  # one that begins just now is its parent's copy for a moment
        while any(any(capabilities_of(int(child))) for child in children):
            assert time.monotonic() < deadline
            daemon.drain()
        assert "acme 1.0.0 is in force" in daemon.provd("plugin", "install", str(package)).stdout
        daemon.provd("db", "backup", str(tmp_path / "backup"))
        daemon.reload()
        daemon.wait_for("RELOADED")
        assert lan.renew(phone) == phone
        assert daemon.stop() == 0


def test_who_does_not_turn_shows_no_sign_of_life(lan: Lan, tmp_path: Path) -> None:
    """systemd then ends it, and starts it again: nothing that was promised is lost."""
    config = lan_config(lan.bed, tmp_path / "state")
    with Daemon(config, tmp_path, bed=lan.bed, environ={"WATCHDOG_USEC": "200000"}) as daemon:
        phone = lan.boots()
        daemon.wait_for_notice("WATCHDOG=1")
        os.kill(daemon.pid, signal.SIGSTOP)
        for _ in range(20):
            try:
                daemon.wait_for_notice("WATCHDOG=1", timeout=0.5)
            except AssertionError:
                break
        else:
            pytest.fail("signs of life from a daemon that stands still")
        os.kill(daemon.pid, signal.SIGABRT)  # what WatchdogSignal= sends by default
        os.kill(daemon.pid, signal.SIGCONT)
        assert daemon.process is not None
        assert daemon.process.wait(PATIENCE) == -signal.SIGABRT
        daemon.start()
        assert leases_of(daemon)[phone] == PHONE
        assert lan.renew(phone) == phone


def test_a_reload_says_when_it_began_and_keeps_its_status(lan: Lan, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        before = time.monotonic_ns() // 1000
        daemon.reload()
        began = re.search(r"MONOTONIC_USEC=(\d+)", daemon.wait_for_notice("RELOADING=1"))
        assert began
        assert before <= int(began[1]) <= time.monotonic_ns() // 1000
        assert daemon.wait_for_notice("READY=1") == "READY=1", "without a status the last one stays"
        daemon.config.write_text("rubbish")
        daemon.reload()
        daemon.wait_for_notice("RELOADING=1")
        daemon.wait_for_notice("READY=1")
        daemon.wait_for("RELOAD-FAILED")
        assert daemon.stop() == 0
        daemon.wait_for_notice("STOPPING=1")
