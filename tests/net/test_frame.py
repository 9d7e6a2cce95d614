from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.types import ip_int
from provd.net.frame import (
    ARP_REPLY,
    ARP_REQUEST,
    BROADCAST_MAC,
    ArpPacket,
    UdpDatagram,
    arp_probe,
    arp_reply,
    internet_checksum,
    parse_arp,
    parse_udp,
    udp_frame,
)

SERVER_MAC = bytes.fromhex("027700000001")
PHONE_MAC = bytes.fromhex("805ec0112233")
SERVER, PHONE = ip_int("10.20.0.1"), ip_int("10.20.16.5")

mac = st.binary(min_size=6, max_size=6)
ip = st.integers(0, 2**32 - 1)
port = st.integers(0, 65535)


@given(mac, mac, ip, ip, port, port, st.binary(max_size=600))
def test_what_is_built_is_read_back(src_mac, dst_mac, src_ip, dst_ip, src_port, dst_port, payload):
    frame = udp_frame(src_mac, dst_mac, src_ip, dst_ip, src_port, dst_port, payload)
    assert parse_udp(frame) == UdpDatagram(src_mac, dst_mac, src_ip, dst_ip, src_port, dst_port, payload)


@given(mac, ip, ip, port, port, st.binary(max_size=601))
def test_both_checksums_verify(mac, src_ip, dst_ip, src_port, dst_port, payload):
    frame = udp_frame(mac, mac, src_ip, dst_ip, src_port, dst_port, payload)
    header, udp = frame[14:34], frame[34:]
    assert internet_checksum(header) == 0
    pseudo_header = header[12:20] + b"\x00\x11" + len(udp).to_bytes(2, "big")
    assert internet_checksum(pseudo_header + udp) == 0
    assert udp[6:8] != b"\0\0"


def test_scapy_agrees_with_the_frame():
    inet = pytest.importorskip("scapy.layers.inet")
    l2 = pytest.importorskip("scapy.layers.l2")
    ours = udp_frame(SERVER_MAC, PHONE_MAC, SERVER, PHONE, 67, 68, b"odd")
    theirs = (
        l2.Ether(src="02:77:00:00:00:01", dst="80:5e:c0:11:22:33")
        / inet.IP(src="10.20.0.1", dst="10.20.16.5", flags="DF", id=0)
        / inet.UDP(sport=67, dport=68)
        / b"odd"
    )
    assert ours == bytes(theirs)


def test_a_tagged_frame_is_read():
    frame = udp_frame(SERVER_MAC, PHONE_MAC, SERVER, PHONE, 67, 68, b"payload")
    tagged = frame[:12] + bytes.fromhex("81000064") + frame[12:]
    assert parse_udp(tagged) == parse_udp(frame)


def test_ip_options_and_ethernet_padding_are_stepped_over():
    frame = bytearray(udp_frame(SERVER_MAC, PHONE_MAC, SERVER, PHONE, 67, 68, b"payload"))
    frame[14] = 0x46
    frame[16:18] = (20 + 4 + 8 + 7).to_bytes(2, "big")
    frame[34:34] = b"\x94\x04\0\0"
    datagram = parse_udp(bytes(frame) + bytes(20))
    assert datagram is not None
    assert datagram.payload == b"payload"


@pytest.mark.parametrize(
    ("offset", "octets"),
    [
        (12, "0806"),  # not IPv4
        (14, "65"),  # version 6
        (14, "44"),  # header shorter than a header
        (16, "0013"),  # total length shorter than a header
        (16, "ffff"),  # total length beyond the frame
        (20, "2000"),  # first fragment
        (20, "0001"),  # later fragment
        (23, "06"),  # TCP
        (38, "0007"),  # UDP length shorter than its header
        (38, "ffff"),  # UDP length beyond the packet
    ],
)
def test_anything_else_is_none(offset, octets):
    frame = bytearray(udp_frame(SERVER_MAC, PHONE_MAC, SERVER, PHONE, 67, 68, b"payload"))
    new = bytes.fromhex(octets)
    frame[offset : offset + len(new)] = new
    assert parse_udp(bytes(frame)) is None


@given(st.binary(max_size=80))
def test_noise_is_never_an_error(noise):
    parse_udp(noise)
    parse_arp(noise)
    parse_udp(bytes(12) + b"\x08\x00" + noise)
    parse_arp(bytes(12) + b"\x08\x06" + noise)


def test_a_probe_claims_nothing():
    frame = arp_probe(SERVER_MAC, PHONE)
    assert frame[:6] == BROADCAST_MAC
    assert parse_arp(frame) == ArpPacket(ARP_REQUEST, SERVER_MAC, 0, bytes(6), PHONE)


def test_a_reply_goes_to_who_asked():
    frame = arp_reply(PHONE_MAC, PHONE, SERVER_MAC, 0)
    assert frame[:6] == SERVER_MAC
    assert parse_arp(frame) == ArpPacket(ARP_REPLY, PHONE_MAC, PHONE, SERVER_MAC, 0)


@pytest.mark.parametrize(("offset", "octet"), [(13, 0), (15, 6), (17, 6), (18, 8), (19, 16)])
def test_arp_for_other_networks_is_none(offset, octet):
    frame = bytearray(arp_probe(SERVER_MAC, PHONE))
    frame[offset] = octet
    assert parse_arp(bytes(frame)) is None
    assert parse_arp(arp_probe(SERVER_MAC, PHONE)[:-1]) is None
