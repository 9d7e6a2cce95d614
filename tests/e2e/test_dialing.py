"""Codes dialed on telephones at the real daemon: many at once, wrong ones, behind a NAT, and a crash in between."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest

from tests.kit.daemon import Daemon, lan_config, loopback_config
from tests.kit.lan import socket_in
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE
from tests.kit.sip_phone import SipPhone

ONE, TWO = "805ec0112233", "805ec0445566"


def account_in(file: str) -> tuple[str, str, str, int]:
    """User, password, server and port of the first account in a phone's file."""

    def value(name: str) -> str:
        found = re.search(rf"^account\.1\.{name} = (.*)$", file, re.MULTILINE)
        assert found is not None, name
        return found[1]

    port = int(value(r"sip_server\.1\.port"))
    return value("user_name"), value("password"), value(r"sip_server\.1\.address"), port


def http(sock: socket.socket, url: str) -> str:
    """GET over a socket that is not connected yet; empty when there is no such file."""
    host, port, path = re.fullmatch(r"http://([\d.]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
    with sock:
        sock.settimeout(PATIENCE)
        sock.connect((host, int(port)))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        octets = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = octets.partition(b"\r\n\r\n")
    return body.decode() if b" 200 " in head.split(b"\r\n")[0] else ""


def tenant(daemon: Daemon, name: str, *lines: str) -> None:
    daemon.provd("tenant", "add", name, "--name", name.title(), "--set", "sip.server=10.9.9.9")
    for line in lines:
        daemon.provd("line", "add", line, "--tenant", name, "--username", f"u{line}", "--password", "-", stdin="secret")


def code_for(daemon: Daemon, line: str, *more: str) -> str:
    return str(daemon.json("code", "add", "--line", line, *more)["code"])


class Behind:
    """Two phones in a network of their own, behind the client side of a bed as their masquerading router."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self.namespace = f"{bed.client}n"
        mark = bed.client[3:9]
        self._inside, self._outside = f"v{mark}n", f"v{mark}r"

    def __enter__(self) -> Self:
        bed, inside, outside = self._bed, self._inside, self._outside
        _run("ip", "netns", "add", self.namespace)
        _run("ip", "link", "add", inside, "netns", self.namespace, "type", "veth", "peer", outside, "netns", bed.client)
        _run("ip", "-n", bed.client, "addr", "add", "192.168.7.1/24", "dev", outside)
        _run("ip", "-n", bed.client, "link", "set", outside, "up")
        for host in (11, 12):
            _run("ip", "-n", self.namespace, "addr", "add", f"192.168.7.{host}/24", "dev", inside)
        _run("ip", "-n", self.namespace, "link", "set", inside, "up")
        _run("ip", "-n", self.namespace, "route", "add", "default", "via", "192.168.7.1")
        bed.run(bed.client, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for rule in (
            "add table ip nat",
            "add chain ip nat post { type nat hook postrouting priority 100 ; }",
            f"add rule ip nat post oifname {bed.client_interface} masquerade",
        ):
            bed.run(bed.client, "nft", rule)
        return self

    def __exit__(self, *_: object) -> None:
        _run("ip", "netns", "del", self.namespace)

    def get(self, ip: str, url: str) -> str:
        sock = socket_in(self.namespace, socket.SOCK_STREAM)
        sock.bind((ip, 0))
        return http(sock, url)

    def phone(self, ip: str, file: str) -> SipPhone:
        """The phone that has this file, at the port that all phones use."""
        user, password, server, port = account_in(file)
        sock = socket_in(self.namespace, socket.SOCK_DGRAM)
        sock.bind((ip, 5060))
        return SipPhone(sock, (server, port), user, password)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


def together(*calls: Any) -> list[Any]:
    """All at the same moment, each in a thread of its own."""
    gate = threading.Barrier(len(calls))

    def run(call: Any) -> Any:
        gate.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.root
def test_two_phones_behind_one_address_go_to_two_tenants_in_the_same_second(tmp_path: Path) -> None:
    with Bed(client_ip="10.77.0.2") as bed, Behind(bed) as site, ExitStack() as held:
        config = lan_config(bed, tmp_path / "state", mode="off", secrets="token")
        daemon = held.enter_context(Daemon(config, tmp_path, bed=bed))
        tenant(daemon, "north", "101")
        tenant(daemon, "south", "201")
        urls, phones = {}, []
        for mac, ip in ((ONE, "192.168.7.11"), (TWO, "192.168.7.12")):
            daemon.provd("device", "add", mac, "--model", "T27P")
            shown = daemon.json("device", "show", mac, "--reveal", "--local", bed.server_ip)
            urls[ip] = f"{shown['url']}/{mac}.cfg"
            assert site.get(ip, f"http://{bed.server_ip}:8667/{mac}.cfg") == "", "not without the token"
            file = site.get(ip, urls[ip])
            phones.append(site.phone(ip, file))
            assert phones[-1].username == f"ap{mac}"
            assert phones[-1].register() == 200
        first, second = phones
        held.callback(first.close)
        held.callback(second.close)
        codes = [code_for(daemon, "101"), code_for(daemon, "201")]
        answers = together(lambda: first.dial(codes[0]), lambda: second.dial(codes[1]))
        assert [status for status, _ in answers] == [200, 200]
        assert [first.wait_notified(), second.wait_notified()] == [["check-sync"], ["check-sync"]]
        assert "account.1.user_name = u101\n" in site.get(first.ip, urls[first.ip])
        assert "account.1.user_name = u201\n" in site.get(second.ip, urls[second.ip])
        done = [daemon.wait_for("RESYNC-DONE") for _ in range(2)]
        assert all("reason=code" in line and "attempts=1" in line for line in done)
        shown = {mac: daemon.json("device", "show", mac) for mac in (ONE, TWO)}
        assert [(shown[mac]["tenant"], shown[mac]["state"]) for mac in (ONE, TWO)] == [
            ("north", "provisioned"),
            ("south", "provisioned"),
        ]
        assert (first.notified, second.notified) == (["check-sync"], ["check-sync"]), "each its own, once"
        assert daemon.stop() == 0
        assert not [line for line in daemon.log if "INTERNAL" in line or any(code in line for code in codes)]


@contextmanager
def site(tmp_path: Path, count: int, **more: str) -> Iterator[tuple[Daemon, list[SipPhone], int]]:
    """A daemon on loopback, and phones that have their first file and are registered."""
    config, port = loopback_config(tmp_path / "state", **more)
    with Daemon(config, tmp_path) as daemon, ExitStack() as held:
        phones = []
        for number in range(count):
            mac = f"805ec0{number:06x}"
            file = http(socket.socket(), f"http://127.0.0.1:{port}/{mac}.cfg")
            user, password, server, sip = account_in(file)
            assert user == f"ap{mac}"
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            phones.append(SipPhone(sock, (server, sip), user, password))
            held.callback(phones[-1].close)
        assert set(together(*(phone.register for phone in phones))) == {200}
        yield daemon, phones, port


def test_a_hundred_phones_dial_one_code_and_one_wins(tmp_path: Path) -> None:
    with site(tmp_path, 100) as (daemon, phones, port):
        tenant(daemon, "north", "101")
        code = code_for(daemon, "101", "--uses", "1")
        answers = together(*(lambda phone=phone: phone.dial(code) for phone in phones))
        told = Counter(status == 200 for status, _ in answers)
        together(*(lambda phone=phone: phone.wait_notified(patience=2) for phone in phones))
        while not any(phone.notified for phone in phones):
            together(*(lambda phone=phone: phone.wait_notified(patience=2) for phone in phones))
        (winner,) = [phone for phone in phones if phone.notified]
        mac = winner.username.removeprefix("ap")
        assert [device["id"] for device in daemon.json("device", "list", "tenant=north")] == [mac]
        assert "account.1.user_name = u101\n" in http(socket.socket(), f"http://127.0.0.1:{port}/{mac}.cfg")
        accepted = [line for line in daemon.log if "CODE-ACCEPTED" in line]
        assert len(accepted) == 1
        assert told[True] in {1, 100}, "the losers are refused, or hear that they have lost"
        assert len([line for line in daemon.log if "CODE-REFUSED" in line and "outcome=used-up" in line]) == 99
        assert daemon.stop() == 0
        assert not [line for line in daemon.log if "INTERNAL" in line]


def test_wrong_codes_lock_the_phone_that_dialed_them_and_not_its_neighbour(tmp_path: Path) -> None:
    with site(tmp_path, 2, sections='[codes]\ndelay = "0s"\n') as (daemon, (guesser, neighbour), _):
        tenant(daemon, "north", "101", "102")
        code, other = code_for(daemon, "101"), code_for(daemon, "102")
        for number in range(10):
            guesser.dial(f"0000000{number}")
        refused = [line for line in daemon.log if "CODE-REFUSED" in line]
        assert len(refused) == 5, "codes.tries; after that nothing is looked at"
        guesser.dial(code)
        assert daemon.json("device", "list", "tenant=north") == [], "not even the right one"
        assert neighbour.dial(other)[0] == 200
        mac = neighbour.username.removeprefix("ap")
        assert [device["id"] for device in daemon.json("device", "list", "tenant=north")] == [mac]
        assert neighbour.wait_notified() == ["check-sync"]


def test_kill_nine_between_the_assignment_and_the_notify(tmp_path: Path) -> None:
    with site(tmp_path, 1) as (daemon, (phone,), port):
        tenant(daemon, "north", "101")
        # The phone does not answer: the order is durable, the NOTIFY under way, and then the daemon is gone.
        daemon.provd("device", "assign", phone.username.removeprefix("ap"), "101")
        daemon.kill()
        phone.sock.settimeout(0.2)
        while True:
            try:
                phone.sock.recv(65535)
            except TimeoutError:
                break
        daemon.start()
        assert phone.wait_notified() == ["check-sync"], "over the remembered flow: the phone has not registered again"
        daemon.wait_for("RESYNC-ACCEPTED")
        mac = phone.username.removeprefix("ap")
        assert "account.1.user_name = u101\n" in http(socket.socket(), f"http://127.0.0.1:{port}/{mac}.cfg")
        assert "reason=assign" in daemon.wait_for("RESYNC-DONE")
        assert daemon.stop() == 0
        daemon.start()
        assert phone.wait_notified(2, patience=4) == ["check-sync"], "what is done is not told again"


def test_whatever_a_kill_leaves_of_thirty_codes_is_told_to_exactly_those_phones(tmp_path: Path) -> None:
    with site(tmp_path, 30) as (daemon, phones, _):
        tenant(daemon, "north")
        more = ("--username", "u101", "--max-devices", "30", "--password", "-")
        daemon.provd("line", "add", "101", "--tenant", "north", *more, stdin="secret")
        code = code_for(daemon, "101", "--uses", "30")

        def dial(phone: SipPhone) -> None:
            with suppress(AssertionError):
                phone.dial(code, patience=1)

        def kill() -> None:
            for _ in range(8):
                daemon.wait_for("CODE-ACCEPTED")
            daemon.kill()
            for phone in phones:
                phone.gives_up = 0  # nobody answers any more

        together(kill, *(partial(dial, phone) for phone in phones))
        daemon.start()
        claimed = {device["id"] for device in daemon.json("device", "list", "tenant=north")}
        waits = dict.fromkeys(claimed, PATIENCE)
        together(*(partial(each.wait_notified, patience=waits.get(each.username[2:], 2)) for each in phones))
        told = {phone.username.removeprefix("ap") for phone in phones if phone.notified}
        assert len(claimed) >= 8, "what was told as accepted is on the disk"
        assert told == claimed
        assert all(len(phone.notified) <= 2 for phone in phones)
        assert daemon.stop() == 0
