"""Twenty thousand broken messages at log level debug: no defect shows itself, and a real phone is served meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import COMMON, PHONE, Lan, socket_in
from tests.kit.mutate import Mutator, dhcp_messages, http_messages, tftp_messages

pytestmark = [pytest.mark.root, pytest.mark.fault]

DHCP, TFTP, HTTP = 12_000, 6_000, 2_000
STORM = "10.77.31."
"""Addresses of the client side that no phone gets in so short a time."""
SEED = 20


def dhcp_storm(lan: Lan) -> None:
    """Unicast, broadcast, from a relay's port and from any other."""
    with contextlib.ExitStack() as stack:
        senders = []
        for address, port in ((f"{STORM}1", 67), (f"{STORM}2", 68), (f"{STORM}3", 0)):
            sender = stack.enter_context(socket_in(lan.bed.client, socket.SOCK_DGRAM))
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, lan.bed.client_interface.encode())
            sender.bind((address, port))
            senders.append(sender)
        targets = itertools.cycle([(sender, to) for sender in senders for to in (lan.bed.server_ip, "255.255.255.255")])
        for mutant in itertools.islice(Mutator(SEED, dhcp_messages()), DHCP):
            sender, to = next(targets)
            sender.sendto(mutant[:1472], (to, 67))


def tftp_storm(lan: Lan) -> None:
    with contextlib.ExitStack() as stack:
        senders = []
        for number in range(10, 40):
            sender = stack.enter_context(socket_in(lan.bed.client, socket.SOCK_DGRAM))
            sender.settimeout(0)
            sender.bind((f"{STORM}{number}", 0))
            senders.append(sender)
        mutants = itertools.islice(Mutator(SEED, tftp_messages()), TFTP)
        for sender, mutant in zip(itertools.cycle(senders), mutants, strict=False):
            # What comes back is answered with the mutant, too: some of them reach into a transfer.
            with contextlib.suppress(OSError):
                sender.sendto(mutant[:1472], sender.recvfrom(2048)[1])
                continue
            sender.sendto(mutant[:1472], (lan.bed.server_ip, 69))


def http_storm(lan: Lan) -> None:
    mutants = Mutator(SEED, http_messages())
    for number in range(HTTP // 4):
        with contextlib.suppress(OSError), lan.connect(f"{STORM}{100 + number % 100}", seconds=0.02) as connection:
            connection.sendall(b"".join(next(mutants) for _ in range(4)))
            connection.recv(4096)


def test_a_storm_of_broken_messages(lan: Lan, tmp_path: Path) -> None:
    config = lan_config(lan.bed, tmp_path / "state", log_level="debug")
    with Daemon(config, tmp_path, bed=lan.bed) as daemon, ThreadPoolExecutor(3) as beside:
        phone = lan.boots()
        storms: list[Future[None]] = [beside.submit(storm, lan) for storm in (dhcp_storm, tftp_storm, http_storm)]
        served = 0
        while not all(storm.done() for storm in storms):
            # The mutants speak with the MAC of the phone, too; it stays a neighbour of itself.
            ip = lan.lease(f"805ec0445{served % 1000:03}", seconds=5)
            assert ip is not None
            assert lan.http(COMMON, ip)
            assert lan.tftp(COMMON, ip)
            served += 1
        for storm in storms:
            storm.result()
        assert served > 5
        assert lan.lease(PHONE) or lan.lease(PHONE)
        assert daemon.json("status")["degraded"] == []
        assert daemon.stop() == 0
    bad = [line for line in daemon.log if "INTERNAL-ERROR" in line or "Traceback" in line]
    assert not bad, "\n".join(bad[:20])
    assert [line for line in daemon.log if not line.isprintable()] == []
    assert phone
