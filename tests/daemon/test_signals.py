"""How the daemon ends, and what it tells the service manager meanwhile."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from pathlib import Path

import pytest

from tests.kit import acme
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import RELAY, Lan, Transfer
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.root

ROM = random.Random(1).randbytes(2_000_000)
GRACE = 4.0
"""Seconds for what is in hand."""
WATCHDOG = 1.0
LEFT = 40
"""Blocks of a transfer for which that is enough on any machine."""


def test_what_is_in_hand_is_finished_before_the_end(lan: Lan, tmp_path: Path) -> None:
    acme.install(tmp_path / "state", rom=ROM)
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        with Transfer(lan, "acme.rom", seconds=60) as transfer, lan.connect() as connection:
            begun = b"".join(transfer.next() for _ in range(len(ROM) // 512 - LEFT))
            connection.sendall(b"GET /acme.rom HTTP/1.1\r\nHost: x\r\n\r\n")
            head = connection.recv(1000)

            assert daemon.process is not None
            daemon.process.terminate()
            asked = time.monotonic()
            daemon.wait_for_notice("STOPPING=1")
            assert "reason=SIGTERM" in daemon.wait_for("STOPPING")
            assert lan.offer(seconds=0.3) is None, "nothing new is begun"
            assert lan.http("acme.cfg", seconds=0.3) == b""
            assert lan.tftp("acme.cfg", seconds=0.3) == b""

            file, body = begun + transfer.rest(), head + b"".join(iter(lambda: connection.recv(65536), b""))
            if time.monotonic() - asked < GRACE:  # who is slower than that is cut off
                assert file == ROM
                assert body.endswith(ROM)
        assert daemon.process.wait(PATIENCE) == 0
        assert "STOPPED" in daemon.wait_for("STOPPED")
        daemon.start()
        assert lan.boots() == phone
        assert not any("FACTS-NOT-KEPT" in line for line in daemon.log), "the end of the daemon is no lost fact"


def test_who_does_not_come_to_an_end_is_cut_off(lan: Lan, tmp_path: Path) -> None:
    acme.install(tmp_path / "state", rom=ROM)
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        with Transfer(lan, "acme.rom") as transfer, lan.connect() as reader, lan.connect() as silent:
            transfer.next()
            reader.sendall(b"GET /acme.rom HTTP/1.1\r\nHost: x\r\n\r\n")
            reader.recv(1000)
            silent.sendall(b"GET /acme")
            asked = time.monotonic()
            assert daemon.stop() == 0
        assert time.monotonic() - asked < 5 * GRACE, "not as long as a transfer may take"


def test_an_idle_daemon_ends_at_once(lan: Lan, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        took = GRACE
        for _ in range(10):  # once is enough: the machine may be busy
            with lan.connect() as idle:
                idle.sendall(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"404" in idle.recv(1000)
                asked = time.monotonic()
                assert daemon.stop() == 0
                took = time.monotonic() - asked
            if took < GRACE:
                break
            daemon.start()
        assert took < GRACE


def test_signs_of_life_as_often_as_they_are_asked_for(lan: Lan, tmp_path: Path) -> None:
    config = lan_config(lan.bed, tmp_path / "state")
    with Daemon(config, tmp_path, bed=lan.bed, environ={"WATCHDOG_USEC": f"{WATCHDOG * 1e6:.0f}"}) as daemon:
        at = [time.monotonic() for _ in range(7) if daemon.wait_for_notice("WATCHDOG=1")]
        assert statistics.median(later - earlier for earlier, later in itertools.pairwise(at)) < WATCHDOG
        daemon.reload()
        assert "MONOTONIC_USEC=" in daemon.wait_for_notice("RELOADING=1")
        daemon.wait_for_notice("READY=1")
        daemon.wait_for_notice("WATCHDOG=1")


def test_two_signals_end_it_once(lan: Lan, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        assert daemon.process is not None
        assert lan.http("nothing", RELAY) == b""
        daemon.process.terminate()
        daemon.process.terminate()
        assert daemon.process.wait(PATIENCE) == 0
        assert sum("STOPPED" in line for line in daemon.log) <= 1
