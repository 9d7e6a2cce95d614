"""The disk is full, or answers with errors: nothing is promised that is not stored, and room is enough to go on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import program
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan, leases_of
from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.fault]

SOON = 1.2
"""Seconds in which a client repeats itself often enough to be sure that it gets no answer."""


LEASE = 3600


class Fault(Protocol):
    def strike(self, daemon: Daemon) -> None: ...
    def mend(self) -> None: ...


class FullDisk:
    def __init__(self, state: Path) -> None:
        self._ballast = state / "ballast"

    def strike(self, daemon: Daemon) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                return

    def mend(self) -> None:
        self._ballast.unlink()


class FailingSync:
    """Every fsync ends in EIO, as long as strace holds the daemon."""

    def __init__(self, _state: Path) -> None:
        self._strace: subprocess.Popen[str] | None = None

    def strike(self, daemon: Daemon) -> None:
        inject = "inject=fsync,fdatasync:error=EIO"
        strace = [program("strace"), "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject]
        self._strace = subprocess.Popen(
            [*strace, "-p", str(daemon.pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._strace.stderr is not None
        assert "attached" in self._strace.stderr.readline()

    def mend(self) -> None:
        if self._strace is not None and self._strace.stderr is not None:
            self._strace.terminate()
            self._strace.wait(PATIENCE)
            self._strace.stderr.close()
            self._strace = None


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory on a small file system of its own."""
    folder = tmp_path / "state"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kind", [FullDisk, pytest.param(FailingSync, marks=pytest.mark.peer)])
def test_what_cannot_be_stored_is_not_promised(kind: type[Fault], lan: Lan, state: Path, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        given = {phone: PHONE}
        fault = kind(state)
        fault.strike(daemon)
        try:
            newcomers = (f"02000000{n:04x}" for n in range(10_000))
            # The write-ahead log may have room left inside itself.
            while not any("DEGRADED" in line for line in daemon.log):
                ip = lan.lease(mac := next(newcomers), seconds=SOON)
                given |= {ip: mac} if ip is not None else {}
            assert "part=storage" in daemon.wait_for("DEGRADED")
            daemon.wait_for("DHCP-NOT-STORED")
            assert any(row.startswith("storage") for row in daemon.json("status")["degraded"])

            left = lan.time_left(phone)
            assert left is not None
            assert left <= LEASE, "what is on disk, and not a second more"
            daemon.wait_for("DHCP-ACK-REST")
            for name in (f"{PHONE}.cfg", "y000000000035.cfg"):
                assert lan.http(name, phone) == lan.tftp(name, phone) != b""
            refused = daemon.provd("tenant", "add", "blue", check=False)
            assert refused.returncode == 1
            assert refused.stderr.count("\n") == 1, "one clear sentence"
        finally:
            fault.mend()
        assert "part=storage" in daemon.wait_for("RECOVERED")
        assert daemon.json("status")["degraded"] == []

        assert lan.time_left(phone) == LEASE
        ip = lan.lease(mac)
        assert ip is not None
        given[ip] = mac
        daemon.provd("tenant", "add", "blue")
        daemon.kill()
        daemon.start()
        held = leases_of(daemon)
        assert {ip: held.get(ip) for ip in given} == given
        assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]


def test_a_full_disk_does_not_keep_the_daemon_from_starting(lan: Lan, state: Path, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        daemon.kill()
        fault = FullDisk(state)
        fault.strike(daemon)
        daemon.start()
        assert lan.http(f"{PHONE}.cfg", phone)
        fault.mend()
        assert lan.boots() == phone
