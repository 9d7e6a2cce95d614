from __future__ import annotations

import os
import socket
import sys

import pytest

from provd.base.errors import ConfigError
from provd.net.sockets import IP_PKTINFO, packet_socket, udp_socket
from tests.kit.netns import Bed

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_a_plain_socket_is_bound_and_does_not_block():
    with udp_socket(None, "127.0.0.1", 0, broadcast=True, rcvbuf=1 << 18, pktinfo=True) as sock:
        assert sock.getsockname()[1] > 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 1 << 18
        assert sock.getsockopt(socket.IPPROTO_IP, IP_PKTINFO)
        with pytest.raises(BlockingIOError):
            sock.recv(10)


def test_the_address_a_datagram_came_to_is_known():
    with udp_socket(None, "0.0.0.0", 0, pktinfo=True) as sock, udp_socket(None, "127.0.0.1", 0) as peer:
        peer.sendto(b"hello", ("127.0.0.7", sock.getsockname()[1]))
        _, [(level, kind, info)], _, _ = sock.recvmsg(100, 100)
        assert (level, kind, info[8:12]) == (socket.IPPROTO_IP, IP_PKTINFO, bytes([127, 0, 0, 7]))


def test_a_taken_port_is_said():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"UDP 127\.0\.0\.1:{port}: another program has this port"):
            udp_socket(None, "127.0.0.1", port)


def test_a_foreign_address_is_said():
    with pytest.raises(ConfigError, match="does not have that address"):
        udp_socket(None, "192.0.2.77", 0)


def test_a_missing_interface_is_said():
    with pytest.raises(ConfigError, match=r"there is no interface 'nosuch0'|not permitted"):
        udp_socket("nosuch0", "0.0.0.0", 0)
    with pytest.raises(ConfigError, match=r"there is no interface 'nosuch0'|not permitted"):
        packet_socket("nosuch0", 0x0800)


@pytest.mark.root
@needs_root
def test_a_missing_privilege_is_said():
    unprivileged = (
        "import os\n"
        "from provd.net.sockets import *\n"
        "from provd.base.errors import ConfigError\n"
        "os.setuid(65534)\n"
        "for opened in (lambda: packet_socket('lo', 0x0800), lambda: udp_socket(None, '0.0.0.0', 67)):\n"
        "    try: opened()\n"
        "    except ConfigError as error: print(error)\n"
    )
    with Bed() as bed:
        said = bed.run(bed.server, sys.executable, "-c", unprivileged).stdout.splitlines()
    assert [line.partition(":")[0] for line in said] == ["cannot open raw frames on lo", "cannot open UDP 0.0.0.0"]
    assert all("CAP_NET_RAW" in line for line in said)


IN_THE_BED = """
import socket, sys
from provd.base.types import ip_int
from provd.net.frame import *
from provd.net.sockets import *

here, there, server = sys.argv[1:4]
me = bytes.fromhex("805ec0112233")
arp = packet_socket(here, ETHERTYPE_ARP)
udp = packet_socket(here, ETHERTYPE_IPV4, udp_port=68)
sender = packet_socket(here, 0)
for sock in (arp, udp): sock.settimeout(5)
sender.send(arp_probe(me, ip_int(server)))
while (answer := parse_arp(arp.recv(2000))).op != ARP_REPLY: pass
print(answer.sender_mac.hex(), answer.sender_ip == ip_int(server), answer.target_mac == me)
"""


@pytest.mark.root
@needs_root
def test_a_probe_is_answered_by_who_has_the_address():
    with Bed() as bed:
        said = bed.run(
            bed.client, sys.executable, "-c", IN_THE_BED, bed.client_interface, bed.server_interface, bed.server_ip
        ).stdout
    assert said.split() == ["027700000001", "True", "True"]


FILTERED = """
import sys
from provd.base.types import ip_int
from provd.net.frame import *
from provd.net.sockets import *

interface = sys.argv[1]
phone, server, everybody = bytes.fromhex("805ec0112233"), bytes.fromhex("027700000001"), b"\\xff" * 6
with packet_socket(interface, ETHERTYPE_IPV4, udp_port=68) as receiver:
    print("ready", flush=True)
    receiver.settimeout(5)
    while (datagram := parse_udp(receiver.recv(2000))).payload != b"last":
        print(datagram.dst_port, datagram.payload.decode())
"""

SENDING = """
import sys
from provd.net.frame import *
from provd.net.sockets import *

with packet_socket(sys.argv[1], 0) as sender:
    for port, payload in ((67, b"request"), (68, b"reply"), (80, b"web"), (68, b"odd"), (68, b"last")):
        frame = udp_frame(bytes(5) + b"\\2", b"\\xff" * 6, 1, 2**32 - 1, 67, port, payload)
        if payload == b"web":
            frame = frame[:20] + b"\\x20\\x00" + frame[22:]
        sender.send(frame)
"""


@pytest.mark.root
@needs_root
def test_the_filter_lets_only_its_port_through():
    with Bed() as bed:
        receiver = bed.python(bed.server, "-c", FILTERED, bed.server_interface, stdout=-1, text=True)
        assert receiver.stdout.readline() == "ready\n"
        bed.run(bed.client, sys.executable, "-c", SENDING, bed.client_interface)
        assert receiver.stdout.read().splitlines() == ["68 reply", "68 odd"]
