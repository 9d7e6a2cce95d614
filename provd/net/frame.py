"""L1: Ethernet frames that carry UDP over IPv4 (RFC 791, RFC 768) or ARP (RFC 826, RFC 5227).

A DHCP server needs them for clients that cannot be talked to through the IP stack because they have no address yet.
"""

from __future__ import annotations

import struct
from typing import Final

from provd.base.dataclass import dataclass

BROADCAST_MAC: Final = b"\xff" * 6
ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_VLAN: Final = 0x8100
"""IEEE 802.1Q tag: two octets of tag, then the real type."""

ARP_REQUEST: Final = 1
ARP_REPLY: Final = 2

_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBHII")
_UDP = struct.Struct("!HHHH")
_ARP = struct.Struct("!HHBBH6sI6sI")

_PROTOCOL_UDP = 17
_DONT_FRAGMENT = 0x4000
_FRAGMENT_BITS = 0x3FFF  # "more fragments" and the fragment offset (RFC 791 section 3.1)
_FRAGMENT_OFFSET = 0x1FFF
_TTL = 64


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """A UDP datagram and the addresses it travelled with. MACs are six octets, or empty where there was no Ethernet."""

    src_mac: bytes
    dst_mac: bytes
    src_ip: int
    dst_ip: int
    src_port: int
    dst_port: int
    payload: bytes
    missing: int = 0
    """Octets of the payload that were cut off, or are in other fragments."""


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """The ARP fields for IPv4 over Ethernet (``ar$op``, ``ar$sha``, ``ar$spa``, ``ar$tha``, ``ar$tpa``)."""

    op: int
    sender_mac: bytes
    sender_ip: int
    target_mac: bytes
    target_ip: int


def internet_checksum(octets: bytes) -> int:
    """The checksum of RFC 1071 over ``octets`` (padded with a zero octet to an even length)."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_frame(
    src_mac: bytes, dst_mac: bytes, src_ip: int, dst_ip: int, src_port: int, dst_port: int, payload: bytes
) -> bytes:
    """A whole Ethernet frame around ``payload``, with correct IPv4 and UDP checksums.

    It is an atomic datagram (RFC 6864): "don't fragment" is set, so the identification may be zero.
    """
    udp_length = _UDP.size + len(payload)
    pseudo_header = struct.pack("!IIBBH", src_ip, dst_ip, 0, _PROTOCOL_UDP, udp_length)
    bare = _UDP.pack(src_port, dst_port, udp_length, 0) + payload
    # A computed zero is sent as all ones, because zero says "no checksum" (RFC 768).
    udp = _UDP.pack(src_port, dst_port, udp_length, internet_checksum(pseudo_header + bare) or 0xFFFF)
    fields = (0x45, 0, _IPV4.size + udp_length, 0, _DONT_FRAGMENT, _TTL, _PROTOCOL_UDP)
    checksum = internet_checksum(_IPV4.pack(*fields, 0, src_ip, dst_ip))
    header = _IPV4.pack(*fields, checksum, src_ip, dst_ip)
    return _ETHERNET.pack(dst_mac, src_mac, ETHERTYPE_IPV4) + header + udp + payload


def parse_udp(frame: bytes, *, whole: bool = True) -> UdpDatagram | None:
    """The UDP datagram inside an Ethernet frame (one 802.1Q tag is skipped), or None for anything else.

    Fragments are anything else, and so is what was cut short; unless ``whole`` is False: then there is what there is,
    also of a first fragment. Checksums are not verified: with checksum offload a frame captured on the host it
    was sent from carries an unfinished one.
    """
    ethertype, start = _ethernet(frame)
    if ethertype != ETHERTYPE_IPV4:
        return None
    return parse_ipv4_udp(frame[start:], src_mac=frame[6:12], dst_mac=frame[:6], whole=whole)


def parse_ipv4_udp(
    packet: bytes, *, src_mac: bytes = b"", dst_mac: bytes = b"", whole: bool = True
) -> UdpDatagram | None:
    """The UDP datagram inside an IPv4 packet, or None for anything else."""
    if len(packet) < _IPV4.size + _UDP.size:
        return None
    version_ihl, _, total_length, _, fragment, _, protocol, _, src_ip, dst_ip = _IPV4.unpack_from(packet)
    header_length = (version_ihl & 15) * 4
    apart = _FRAGMENT_BITS if whole else _FRAGMENT_OFFSET
    if version_ihl >> 4 != 4 or header_length < _IPV4.size or protocol != _PROTOCOL_UDP or fragment & apart:
        return None
    end = total_length if whole else min(total_length, len(packet))
    if not header_length + _UDP.size <= end <= len(packet):
        return None
    src_port, dst_port, udp_length, _ = _UDP.unpack_from(packet, header_length)
    missing = max(0, header_length + udp_length - end)
    if udp_length < _UDP.size or (whole and missing):
        return None
    payload = packet[header_length + _UDP.size : min(end, header_length + udp_length)]
    return UdpDatagram(src_mac, dst_mac, src_ip, dst_ip, src_port, dst_port, payload, missing)


def arp_probe(src_mac: bytes, target_ip: int) -> bytes:
    """The frame that asks who uses ``target_ip`` without claiming it: sender IP 0 (RFC 5227 section 2.1.1)."""
    return _arp(BROADCAST_MAC, ArpPacket(ARP_REQUEST, src_mac, 0, b"\0" * 6, target_ip))


def arp_reply(src_mac: bytes, src_ip: int, dst_mac: bytes, dst_ip: int) -> bytes:
    """The frame that tells ``dst_mac`` that ``src_ip`` is at ``src_mac`` (RFC 826)."""
    return _arp(dst_mac, ArpPacket(ARP_REPLY, src_mac, src_ip, dst_mac, dst_ip))


def parse_arp(frame: bytes) -> ArpPacket | None:
    """The ARP packet for IPv4 over Ethernet inside a frame, or None for anything else."""
    ethertype, start = _ethernet(frame)
    if ethertype != ETHERTYPE_ARP or len(frame) < start + _ARP.size:
        return None
    hardware, protocol, hardware_length, protocol_length, *fields = _ARP.unpack_from(frame, start)
    if (hardware, protocol, hardware_length, protocol_length) != (1, ETHERTYPE_IPV4, 6, 4):
        return None
    return ArpPacket(*fields)


def _arp(dst_mac: bytes, packet: ArpPacket) -> bytes:
    body = _ARP.pack(
        1,
        ETHERTYPE_IPV4,
        6,
        4,
        packet.op,
        packet.sender_mac,
        packet.sender_ip,
        packet.target_mac,
        packet.target_ip,
    )
    return _ETHERNET.pack(dst_mac, packet.sender_mac, ETHERTYPE_ARP) + body


def _ethernet(frame: bytes) -> tuple[int, int]:
    """The type of a frame and where its content starts; (0, 0) when it is too short to have any."""
    if len(frame) < _ETHERNET.size:
        return 0, 0
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == ETHERTYPE_VLAN:
        return int.from_bytes(frame[16:18], "big"), 18
    return ethertype, _ETHERNET.size
