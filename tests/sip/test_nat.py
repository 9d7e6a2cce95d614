"""Two phones behind one address: a masquerading router in a namespace, and each gets its own NOTIFY."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import program
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.peer]

MASQUERADE = "table ip nat { chain out { type nat hook postrouting priority srcnat; oifname %s masquerade; }; }"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def site() -> Iterator[tuple[Bed, str]]:
    """The client side of the bed is the router; behind it is the phones' own namespace, 192.168.1.0/24."""
    nft = program("nft")
    with Bed(client_ip="10.77.0.2") as bed:
        inside, mark = bed.client[:-1] + "p", bed.client[3:-1]
        ip("netns", "add", inside)
        try:
            ip(
                "link",
                "add",
                f"r{mark}",
                "netns",
                bed.client,
                "type",
                "veth",
                "peer",
                "name",
                f"p{mark}",
                "netns",
                inside,
            )
            for namespace, name, addresses in (
                (bed.client, f"r{mark}", ("192.168.1.1/24",)),
                (inside, f"p{mark}", ("192.168.1.21/24", "192.168.1.22/24")),
            ):
                for address in addresses:
                    ip("-n", namespace, "addr", "add", address, "dev", name)
                ip("-n", namespace, "link", "set", name, "up")
                ip("-n", namespace, "link", "set", "lo", "up")
            ip("-n", inside, "route", "add", "default", "via", "192.168.1.1")
            bed.run(bed.client, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            bed.run(bed.client, nft, MASQUERADE % bed.client_interface)
            yield bed, inside
        finally:
            bed.close()
            subprocess.run(["ip", "netns", "del", inside], check=False, capture_output=True)


def test_each_gets_its_own_notify(site: tuple[Bed, str]) -> None:
    bed, inside = site
    pipe = {"stdout": subprocess.PIPE, "text": True}
    server = bed.python(bed.server, "-m", "tests.sip.nat_server", "10.77.0.1", "2", **pipe)
    assert server.stdout.readline() == "ready\n"
    phones = [
        bed.python(inside, "-m", "tests.sip.nat_phone", f"192.168.1.2{number}", str(number), "10.77.0.1", **pipe)
        for number in (1, 2)
    ]
    told = json.loads(server.stdout.readline())
    heard = [phone.communicate(timeout=PATIENCE)[0].strip() for phone in phones]
    assert [told[account][:2] for account in sorted(told)] == [["accepted", "10.77.0.2"]] * 2
    assert len({told[account][2] for account in told}) == 2
    assert heard == [f"sip:ap02aaaa00000{number}@192.168.1.2{number}:5060" for number in (1, 2)]
