"""Too much of everything: clients, invented devices, connections, open descriptors."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.certificates import self_signed
from tests.kit.daemon import Daemon, lan_config
from tests.kit.dhcp_load import DISCOVER, message
from tests.kit.lan import COMMON, PHONE, RELAY, Lan, leases_of, socket_in

pytestmark = [pytest.mark.root, pytest.mark.fault]

MEBIBYTE = 1 << 20
FLOOD = "10.77.31.254"
HALF_OPEN = 10.0
"""Seconds that a client has for the head of its request."""


def resident(daemon: Daemon) -> int:
    """Octets of memory of the daemon itself."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{daemon.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_an_exhausted_pool_still_has_room_for_phones(lan: Lan, tmp_path: Path) -> None:
    config = lan_config(lan.bed, tmp_path / "state", pools='["10.77.16.0-10.77.16.99"]')
    with Daemon(config, tmp_path, bed=lan.bed) as daemon:
        known = lan.boots()
        began = time.monotonic()
        crowd = lan.bed.python(
            lan.bed.client,
            *["-m", "tests.kit.dhcp_load", lan.bed.server_ip, FLOOD, "0", "500", "200"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert "only the share for phones" in daemon.wait_for("DHCP-NO-ADDRESS")
        assert lan.boots() == known
        assert lan.boots("805ec0112234"), "a new phone too"
        held = leases_of(daemon)
        while len(held) < 80:  # the crowd is still at it
            held = leases_of(daemon)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            daemon.drain()
        assert crowd.poll() is None, "the others still ask"
        minutes = (time.monotonic() - began) // 60
        told = sum("DHCP-NO-ADDRESS" in line for line in daemon.log)
        assert 1 <= told <= 1 + minutes, "told once in a minute"
        held = leases_of(daemon)
        assert 80 <= len(held) <= 82
        assert held[known] == PHONE


def test_a_hundred_thousand_invented_phones_fill_neither_memory_nor_the_fleet(lan: Lan, tmp_path: Path) -> None:
    pools = '["10.77.16.0-10.77.79.255"]'  # an address that was ever offered costs 430 octets
    sections = "max_new_devices = 100\n"
    config = lan_config(lan.bed, tmp_path / "state", pools=pools, sections=sections, log_level="warning")
    with Daemon(config, tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        for number in range(150):
            assert lan.lease(f"805ec3{number:06x}")
        before = resident(daemon)
        relay = socket.inet_aton(FLOOD)
        with socket_in(lan.bed.client, socket.SOCK_DGRAM) as sender:
            sender.bind((FLOOD, 67))
            for number in range(90_000):
                mac = bytes.fromhex("805ec1") + number.to_bytes(3, "big")
                sender.sendto(message(DISCOVER, mac, number, relay, b"\x3c\x07yealink"), (lan.bed.server_ip, 67))
                if number % 3000 == 0:
                    assert lan.renew(phone) == phone, "served in between, so that nothing is dropped"
        for numbers in (range(start, start + 50) for start in range(0, 10_000, 50)):
            source = f"10.77.30.{numbers[0] // 50}"
            with lan.connect(source) as connection, contextlib.suppress(OSError):
                asks = (f"GET /805ec2{number:06x}.cfg HTTP/1.1\r\nHost: x\r\n\r\n" for number in numbers)
                connection.sendall("".join(asks).encode())
                answered = 0
                while answered < len(numbers) and (octets := connection.recv(65536)):
                    answered += octets.count(b"HTTP/1.1 ")
        assert lan.renew(phone) == phone
        assert daemon.json("status")["devices"] == 100
        grown = (resident(daemon) - before) / MEBIBYTE
        assert grown < 40, f"{grown:.1f} MiB more"
        assert sum("DEVICE-LIMIT" in line for line in daemon.log) == 1


def test_more_connections_than_descriptors_stop_neither_dhcp_nor_tftp(lan: Lan, tmp_path: Path) -> None:
    few = (program("prlimit"), "--nofile=128:128")
    with (
        Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed, prefix=few) as daemon,
        contextlib.ExitStack() as stack,
    ):
        phone = lan.boots()
        for number in range(300):
            with contextlib.suppress(OSError):
                stack.enter_context(lan.connect(f"10.77.30.{number % 100}", seconds=0.5))
        for number in range(5):
            assert lan.lease(f"80 5e c0 11 23 {number:02}".replace(" ", ""))
            assert lan.renew(phone) == phone
            assert lan.tftp(COMMON, phone)
        daemon.json("lease", "list")
        stack.close()
        assert lan.boots() == phone
        assert not [line for line in daemon.log if "Traceback" in line or "INTERNAL-ERROR" in line]


def test_two_hundred_half_open_requests_harm_nobody(lan: Lan, tmp_path: Path) -> None:
    with (
        Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon,
        contextlib.ExitStack() as stack,
    ):
        phone = lan.boots()
        slow = [stack.enter_context(lan.connect(f"10.77.30.{number}")) for number in range(200)]
        for connection in slow:
            connection.sendall(b"GET /y000000000035.cfg HTTP/1.1\r\nX-A: b\r\n")
        slowest = 0.0
        for number in range(50):
            asked = time.monotonic()
            assert lan.http(COMMON, phone)
            slowest = max(slowest, time.monotonic() - asked)
            with contextlib.suppress(OSError):
                slow[number].sendall(b"X-B: c\r\n")
        assert slowest < HALF_OPEN / 2, "nobody waits until they are cut off"
        assert lan.boots() == phone
        daemon.wait_for("HTTP-SLOW")
        for connection in slow:
            with contextlib.suppress(ConnectionError):
                assert connection.recv(100) == b"", "cut off"


def test_one_address_cannot_take_all_connections(lan: Lan, tmp_path: Path) -> None:
    with (
        Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon,
        contextlib.ExitStack() as stack,
    ):
        phone = lan.boots()
        for _ in range(300):
            with contextlib.suppress(OSError):
                stack.enter_context(lan.connect(RELAY))
        assert f"peer={RELAY}" in daemon.wait_for("HTTP-CONNECTIONS")
        assert lan.boots() == phone


def test_a_flood_of_tls_handshakes_leaves_dhcp_its_turn(lan: Lan, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, kind="rsa")
    phones = f'[phones]\ntls_listen = ["0.0.0.0:443"]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    config = lan_config(lan.bed, tmp_path / "state", sections=phones)
    with Daemon(config, tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        code = "import sys; from tests.faults.handshakes import flood; flood(sys.argv[1], 443)"
        crowd = lan.bed.python(lan.bed.client, "-c", code, lan.bed.server_ip, stdout=subprocess.PIPE)
        assert crowd.stdout is not None
        assert crowd.stdout.readline(), "it has begun"
        os.set_blocking(crowd.stdout.fileno(), False)
        renewed, handshakes, said = 0, 0, b"0\n"
        while handshakes < 1000 or renewed < 20:
            assert lan.renew(phone) == phone
            renewed += 1
            said += crowd.stdout.read() or b""
            handshakes = int(said.rpartition(b"\n")[0].split()[-1])
            assert crowd.poll() is None
        crowd.kill()
        crowd.wait()
        crowd.stdout.close()
        assert lan.boots() == phone
        assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]
