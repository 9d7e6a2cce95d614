"""Nobody reads the log, or there is no room for it: phones do not wait for that."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan, leases_of
from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.fault]


def elsewhere(target: Path) -> tuple[str, ...]:
    """Standard error goes there."""
    return (program("sh"), "-c", 'exec "$@" 2>>"$0"', str(target))


def busy(lan: Lan, phone: str) -> None:
    """Some hundred lines' worth of work; who waited for the log would wait for ever."""
    for number in range(300):
        assert lan.renew(phone) == phone
        lan.http(f"{'x' * 200}{number}.cfg", f"10.77.17.{number % 250 + 1}")


def test_a_reader_that_stopped_reading_is_not_waited_for_and_hears_what_it_missed(lan: Lan, tmp_path: Path) -> None:
    fifo = tmp_path / "journal"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    config = lan_config(lan.bed, tmp_path / "state", log_level="debug")
    try:
        with Daemon(config, tmp_path, bed=lan.bed, prefix=elsewhere(fifo)) as daemon:
            phone = lan.boots()
            busy(lan, phone)
            told = read(reader)
            assert len(told) >= 40_000, "the pipe is full"
            assert leases_of(daemon)[phone] == PHONE
            deadline = time.monotonic() + PATIENCE
            while "lines could not be written" not in told:
                assert time.monotonic() < deadline
                assert lan.renew(phone) == phone
                told += read(reader)
            assert all(line.startswith("20") for line in told.splitlines()), "no line is torn"
    finally:
        os.close(reader)


def read(descriptor: int) -> str:
    """What is in the pipe now."""
    pieces = []
    try:
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
    except BlockingIOError:
        pass
    return b"".join(pieces).decode()


def test_a_full_disk_under_the_log_is_no_trouble(lan: Lan, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        config = lan_config(lan.bed, tmp_path / "state", log_level="debug")
        with Daemon(config, tmp_path, bed=lan.bed, prefix=elsewhere(folder / "log")) as daemon:
            phone = lan.boots()
            busy(lan, phone)
            assert (folder / "log").stat().st_size > 50_000
            (folder / "log").open("w").close()
            assert lan.renew(phone) == phone
            deadline = time.monotonic() + PATIENCE
            while "lines could not be written" not in (folder / "log").read_text():
                assert time.monotonic() < deadline
                assert lan.renew(phone) == phone
            assert daemon.stop() == 0
    finally:
        subprocess.run(["umount", str(folder)], check=True)
