"""A database file that was damaged, and a database server that goes away: the daemon starts, tells and serves."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_kill import acknowledged
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan, leases_of
from tests.kit.patience import PATIENCE
from tests.storage.conftest import PostgresServer, postgres_server

pytestmark = [pytest.mark.root, pytest.mark.fault]

SOON = 1.2
WRITE = 2.0
"""Seconds after which a write to a silent server is broken off."""
LEASE = 3600
SECOND_RELAY = "10.77.31.254"
"""An address of the client side that no phone of these tests gets."""


def stopped_with_a_fleet(lan: Lan, daemon: Daemon, count: int) -> dict[str, str]:
    """Leases and devices of ``count`` phones in a database that nobody uses any more."""
    with daemon:
        given = {str(lan.lease(mac)): mac for mac in (f"805ec01{number:05x}" for number in range(count))}
        assert daemon.stop() == 0
    return given


@pytest.mark.parametrize("seed", [1, 2])
def test_random_octets_in_the_file_do_not_keep_it_from_serving(seed: int, lan: Lan, tmp_path: Path) -> None:
    daemon = Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed)
    stopped_with_a_fleet(lan, daemon, 60)
    path, chance = tmp_path / "state" / "provd.db", random.Random(seed)
    octets = bytearray(path.read_bytes())
    for _ in range(40):
        start = chance.randrange(len(octets))
        octets[start : start + 200] = chance.randbytes(200)
    path.write_bytes(octets)
    with daemon:
        assert any("STORE-REPLACED" in line or "STORE-ROW-SKIPPED" in line for line in daemon.log)
        phone = lan.boots()
        daemon.kill()
        daemon.start()
        assert leases_of(daemon)[phone] == PHONE


def test_reservations_and_devices_without_meaning_cost_themselves(lan: Lan, tmp_path: Path) -> None:
    daemon = Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed)
    with daemon:
        phone = lan.boots()
        daemon.provd("reservation", "add", "10.77.200.1", "--mac", "805ec0445566")
        assert daemon.stop() == 0
    database = sqlite3.connect(tmp_path / "state" / "provd.db")
    for row in (
        ("'a', 'nowhere', '805ec0000001', ''"),
        ("'b', '10.77.200.2', '805ec', ''"),
        ("'c', '10.77.200.3', NULL, 'zz'"),
    ):
        database.execute(
            f"INSERT INTO reservation (id, ip, mac, client_id, hostname, description) VALUES ({row}, '', '')"
        )
    database.execute("CREATE TEMP TABLE one AS SELECT * FROM device")
    database.execute("UPDATE one SET mac = 'nobody'")
    database.execute("INSERT INTO device SELECT * FROM one")
    database.commit()
    database.close()
    with daemon:
        told = [line for line in daemon.log if "STORE-ROW-SKIPPED" in line]
        assert any('kind=reservation rows=3 keys="a, b, c"' in line for line in told)
        assert any("kind=device rows=1 keys=nobody" in line for line in told)
        assert lan.lease("805ec0445566") == "10.77.200.1"
        assert lan.renew(phone) == phone


def test_a_hundred_and_one_bad_rows_cost_themselves(lan: Lan, tmp_path: Path) -> None:
    daemon = Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed)
    given = stopped_with_a_fleet(lan, daemon, 120)
    database = sqlite3.connect(tmp_path / "state" / "provd.db")
    database.execute("UPDATE device SET state = 'levitating' WHERE rowid <= 50")
    database.execute("UPDATE device SET vendor = CAST(x'ff00fe' AS TEXT) WHERE rowid BETWEEN 51 AND 101")
    database.execute(
        "UPDATE lease SET mac = x'00', expires = 'soon' WHERE rowid IN (SELECT rowid FROM lease LIMIT 101)"
    )
    database.commit()
    database.close()
    with daemon:
        told = [line for line in daemon.log if "STORE-ROW-SKIPPED" in line]
        assert sorted(line.partition("rows=")[2].split()[0] for line in told) == ["101", "101"]
        left = leases_of(daemon)
        assert len(left) == 19
        assert left.items() <= given.items()
        for ip, mac in left.items():
            assert lan.renew(ip, mac) == ip
        lan.boots()
        # Those whose rows are gone get an address again, and nobody's.
        again = {str(lan.lease(mac)) for mac in set(given.values()) - set(left.values())}
        assert len(again) == 101
        assert not again & left.keys()


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def wait_for_lines(file: Path, count: int, daemon: Daemon) -> None:
    """Until the crowd has written so many more lines than it had."""
    wanted = file.read_bytes().count(b"\n") + count
    deadline = time.monotonic() + PATIENCE
    while file.read_bytes().count(b"\n") < wanted:
        assert time.monotonic() < deadline, "\n".join(daemon.log[-40:])
        daemon.drain()


@pytest.mark.peer
def test_phones_boot_on_postgresql_also_after_its_restart(postgres: PostgresServer, lan: Lan, tmp_path: Path) -> None:
    postgres.execute("CREATE DATABASE provd")
    url = f'[database]\nurl = "{postgres.url("provd")}"\n'
    with Daemon(lan_config(lan.bed, tmp_path / "state", sections=url), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        assert not (tmp_path / "state" / "provd.db").exists()
        with (tmp_path / "acks").open("wb") as acks:
            crowd = lan.bed.python(
                lan.bed.client,
                *["-m", "tests.kit.dhcp_load", lan.bed.server_ip, SECOND_RELAY, "0", "48000", "4"],
                stdout=acks,
                stderr=subprocess.DEVNULL,
            )
            wait_for_lines(tmp_path / "acks", 200, daemon)
            postgres.stop()
            daemon.wait_for("DEGRADED")
            daemon.wait_for("DHCP-NOT-STORED")
            left = lan.time_left(phone)
            assert left is not None
            assert left <= LEASE
            daemon.wait_for("DHCP-ACK-REST")
            assert lan.http(f"{PHONE}.cfg", phone) == lan.tftp(f"{PHONE}.cfg", phone) != b""
            postgres.start()
            daemon.wait_for("RECOVERED")
            wait_for_lines(tmp_path / "acks", 400, daemon)
            assert lan.renew(phone) == phone
            # And once more, too quick to be noticed by anything but the writer.
            postgres.stop()
            postgres.start()
            wait_for_lines(tmp_path / "acks", 600, daemon)
            assert crowd.poll() is None
            daemon.kill()
            crowd.kill()
            crowd.wait()
        daemon.start()
        held = leases_of(daemon)
    given = acknowledged(tmp_path / "acks")
    assert len(given) >= 600
    assert {ip: held.get(ip) for ip in given} == given
    assert held[phone] == PHONE
    assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]


@pytest.mark.peer
def test_a_postgresql_that_hangs_fails_no_renewal(postgres: PostgresServer, lan: Lan, tmp_path: Path) -> None:
    postgres.execute("CREATE DATABASE provd")
    url = f'[database]\nurl = "{postgres.url("provd")}"\n'
    with Daemon(lan_config(lan.bed, tmp_path / "state", sections=url), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        frozen = processes_of(postgres)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            left = lan.time_left(phone)
            assert left is not None, "the first one waits until the server is given up"
            assert left < LEASE
            asked = time.monotonic()
            for _ in range(20):
                assert lan.time_left(phone) is not None
            assert time.monotonic() - asked < 20 * WRITE / 2, "the others do not"
            assert lan.lease("805ec0119999", seconds=SOON) is None, "nothing new is promised"
            assert lan.http(f"{PHONE}.cfg", phone)
            daemon.wait_for("DEGRADED")
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        daemon.wait_for("RECOVERED")
        assert lan.lease("805ec0119999"), "by the first REQUEST that is stored DHCP learns of it"
        assert lan.time_left(phone) == LEASE
        assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]


def processes_of(postgres: PostgresServer) -> list[int]:
    """The server and everything that it started, itself last."""
    parent = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [*map(int, children), parent]


@pytest.mark.peer
def test_a_postgresql_that_is_not_there_is_said_in_a_sentence(lan: Lan, tmp_path: Path) -> None:
    url = f'[database]\nurl = "postgresql://provd@/provd?host={tmp_path}"\n'
    daemon = Daemon(lan_config(lan.bed, tmp_path / "state", sections=url), tmp_path, bed=lan.bed)
    ended = daemon.provd("serve", check=False)
    assert ended.returncode == 1
    assert "postgresql://provd@" in ended.stderr
    assert ended.stderr.count("\n") == 1
