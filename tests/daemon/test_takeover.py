"""Two hosts on one link: one takes over the address that the other, a phone, has from us."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import COMMON, PHONE, RELAY, Lan
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.root

OTHER = "02:77:00:00:00:ee"


@dataclass
class Host:
    """A host at the bed's link. It has the two attributes of a bed that fetching files needs."""

    client: str
    server_ip: str

    def takes(self, ip: str) -> None:
        """Use that address, and know nobody's MAC any more."""
        for words in (("addr", "add", f"{ip}/16", "dev", "eth0"), ("link", "set", "eth0", "up")):
            ip_in(self.client, *words)

    def gives(self, ip: str) -> None:
        """Use it no more."""
        for words in (("link", "set", "eth0", "down"), ("addr", "del", f"{ip}/16", "dev", "eth0")):
            ip_in(self.client, *words)

    def http(self, name: str, ip: str) -> bytes:
        return Lan(self).http(name, ip)

    def tftp(self, name: str, ip: str) -> bytes:
        return Lan(self).tftp(name, ip)


def ip_in(namespace: str, *words: str) -> None:
    subprocess.run(["ip", "-n", namespace, *words], check=True, capture_output=True, timeout=PATIENCE)


@contextmanager
def hosts(bed: Bed, *macs: str) -> Iterator[list[Host]]:
    """The client side of the bed becomes a switch, with a relay's address, that these hosts are plugged into."""
    switch, made = bed.client, list[Host]()
    try:
        ip_in(switch, "link", "add", "br0", "type", "bridge")
        ip_in(switch, "link", "set", bed.client_interface, "master", "br0")
        ip_in(switch, "link", "set", "br0", "up")
        ip_in(switch, "addr", "add", f"{RELAY}/16", "dev", "br0")
        for number, mac in enumerate(macs):
            name, port = f"host{secrets.token_hex(3)}", f"port{number}"
            subprocess.run(["ip", "netns", "add", name], check=True, timeout=PATIENCE)
            made.append(Host(name, bed.server_ip))
            ip_in(switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip_in(switch, "link", "set", port, "master", "br0", "up")
            ip_in(name, "link", "set", "eth0", "address", mac)
        yield made
    finally:
        for host in made:
            subprocess.run(["ip", "netns", "del", host.client], check=False, timeout=PATIENCE)


def gets_its_file(relay: Lan, host: Host) -> tuple[str, bytes]:
    """The phone's address, which this host takes, and its file, which comes both ways."""
    ip = relay.lease()
    assert ip is not None
    host.takes(ip)
    own = host.http(f"{PHONE}.cfg", ip)
    assert own
    assert host.tftp(f"{PHONE}.cfg", ip) == own
    return ip, own


def until(works: Callable[[], bytes], wanted: bytes) -> None:
    """What the kernel has told holds for some seconds."""
    deadline = time.monotonic() + PATIENCE
    while works() != wanted:
        assert time.monotonic() < deadline


def test_who_takes_over_the_address_of_a_phone_does_not_get_its_file(tmp_path: Path) -> None:
    with (
        Bed() as bed,
        hosts(bed, ":".join(PHONE[at : at + 2] for at in range(0, 12, 2)), OTHER) as (phone, other),
        Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon,
        Lan(bed) as relay,
    ):
        ip, own = gets_its_file(relay, phone)

        phone.gives(ip)
        other.takes(ip)
        until(lambda: other.http(f"{PHONE}.cfg", ip), b"")
        assert other.tftp(f"{PHONE}.cfg", ip) == b""
        assert "another MAC uses the address" in daemon.wait_for(f"used_by={OTHER}")
        assert other.http(COMMON, ip), "which is nobody's"

        other.gives(ip)
        phone.takes(ip)
        until(lambda: phone.http(f"{PHONE}.cfg", ip), own)


def test_a_phone_that_was_always_behind_another_mac_gets_its_file(tmp_path: Path) -> None:
    """A repeater that translates MACs, a router that does proxy ARP."""
    with (
        Bed() as bed,
        hosts(bed, OTHER) as (repeater,),
        Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed),
        Lan(bed) as relay,
    ):
        gets_its_file(relay, repeater)
