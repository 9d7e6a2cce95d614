"""Real traffic: every DHCP message of every capture that lies beside the repository is decoded, explained, answered."""

from pathlib import Path

import pytest

from provd.base.errors import WireError
from provd.dhcp.explain import explain
from provd.dhcp.packet import decode, encode
from provd.dhcp.subnet import Subnet
from tests.conftest import shared_folder
from tests.dhcp.playbook import SERVER, Playbook

pytestmark = pytest.mark.shared

SHARED = shared_folder()
CAPTURES = sorted((SHARED / "captures").rglob("*.pcap*")) if SHARED else []
EVERYWHERE = Subnet(name="all", network=0, prefixlen=0, pools=((0x0A000000, 0x0AFFFFFF),), probe=False)


def datagrams(capture: Path) -> list[tuple[bytes, int]]:
    from scapy.layers.inet import IP, UDP
    from scapy.utils import rdpcap

    found = []
    for frame in rdpcap(str(capture)):
        if IP in frame and UDP in frame and {frame[UDP].sport, frame[UDP].dport} & {67, 68}:
            octets = bytes(frame[UDP].payload)
            found.append((octets, int.from_bytes(bytes(map(int, frame[IP].dst.split("."))), "big")))
    return found


@pytest.mark.skipif(not CAPTURES, reason="no captures beside the repository")
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_replay(capture):
    play = Playbook(EVERYWHERE, authoritative=True)
    answered = 0
    for octets, destination in datagrams(capture):
        try:
            message = decode(octets)
        except WireError:
            continue
        assert decode(encode(message)) == message
        assert all(line.isprintable() for line in explain(message))
        lines = play(octets, to=destination if destination == 0xFFFFFFFF else SERVER)
        answered += any(line.startswith("<<") for line in lines)
        play.now += 1
    for send in play.sent:
        assert 300 <= len(send.payload) <= 1472
    if "discover" in capture.name:
        assert answered
