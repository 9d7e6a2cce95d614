from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from provd.base.errors import ConfigError
from provd.base.types import ip_int
from provd.net.frame import (
    ARP_REPLY,
    BROADCAST_MAC,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ArpPacket,
    arp_probe,
    parse_arp,
    parse_udp,
    udp_frame,
)
from provd.net.sockets import IP_PKTINFO, packet_socket, udp_socket
from provd.simulate.lan import entered
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

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


def test_a_lack_of_descriptors_is_said():
    full = (
        "import resource\n"
        "from provd.net.sockets import *\n"
        "from provd.base.errors import ConfigError\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\n"
        "for opened in (lambda: udp_socket(None, '127.0.0.1', 0), lambda: tcp_socket('127.0.0.1', 0)):\n"
        "    try:\n"
        "        opened()\n"
        "    except ConfigError as error:\n"
        "        print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", full], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert run.stdout.count("Too many open files") == 2


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


PHONE = bytes.fromhex("805ec0112233")


@pytest.mark.root
@needs_root
def test_a_probe_is_answered_by_who_has_the_address():
    with Bed() as bed, entered(bed.client):
        with packet_socket(bed.client_interface, ETHERTYPE_ARP) as sock:
            sock.settimeout(0.5)
            answer = None
            # A link that has just come up may lose its first frames.
            for _ in range(20):
                sock.send(arp_probe(PHONE, ip_int(bed.server_ip)))
                with suppress(TimeoutError):
                    answer = parse_arp(sock.recv(2000))
                    break
        assert answer == ArpPacket(ARP_REPLY, bytes.fromhex("027700000001"), ip_int(bed.server_ip), PHONE, 0)


@pytest.mark.root
@needs_root
def test_the_filter_lets_only_whole_datagrams_to_its_port_through():
    with Bed() as bed:
        with entered(bed.server):
            receiver = packet_socket(
                bed.server_interface, ETHERTYPE_IPV4, udp_port=68, promiscuous=True, rcvbuf=1 << 20
            )
        with entered(bed.client):
            sender = packet_socket(bed.client_interface, 0)
        with receiver, sender:
            receiver.settimeout(PATIENCE)
            for port, payload in ((67, b"request"), (68, b"reply"), (68, b"fragment"), (68, b"odd"), (68, b"last")):
                frame = udp_frame(PHONE, BROADCAST_MAC, 1, 2**32 - 1, 67, port, payload)
                sender.send(frame.replace(b"\x40\0\x40\x11", b"\x20\0\x40\x11") if payload == b"fragment" else frame)
            heard = []
            while (datagram := parse_udp(receiver.recv(2000))) and datagram.payload != b"last":
                heard.append(datagram.payload)
    assert heard == [b"reply", b"odd"]


@pytest.mark.root
@needs_root
def test_a_send_only_socket_hears_nothing():
    with Bed() as bed, entered(bed.server), packet_socket(bed.server_interface, 0) as sock:
        bed.run(bed.client, "ip", "link", "set", bed.client_interface, "down")
        with pytest.raises(BlockingIOError):
            sock.recv(2000)


@pytest.mark.root
@needs_root
def test_a_socket_of_one_interface_only():
    with Bed() as bed, entered(bed.server), udp_socket(bed.server_interface, "0.0.0.0", 0) as sock:
        assert (
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0").decode()
            == bed.server_interface
        )
