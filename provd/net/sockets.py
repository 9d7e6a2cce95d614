"""Sockets opened the way the edges need them; what the system refuses is said in words an operator can act on."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from contextlib import suppress
from typing import Final, NoReturn

from provd.base.errors import ConfigError

IP_PKTINFO: Final = 8
"""``linux/in.h``; Python's socket module does not name it everywhere."""
UDP_SEGMENT: Final = 103
"""``linux/udp.h``: the kernel splits one large send into datagrams of a size (udp(7), Linux 4.18)."""
MOST_SEGMENTS: Final = 64
"""Datagrams that every kernel with UDP_SEGMENT takes in one call (UDP_MAX_SEGMENTS)."""


_PKTINFO: Final = struct.Struct("=i4s4s")  # struct in_pktinfo: interface, local address, destination in the header
_BACKLOG: Final = 512
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_PROMISC = 1
_PACKET_IGNORE_OUTGOING = 23

_Instruction = tuple[int, int, int, int]


def udp_socket(
    interface: str | None,
    address: str,
    port: int,
    *,
    broadcast: bool = False,
    rcvbuf: int = 0,
    pktinfo: bool = False,
    exclusive: bool = False,
) -> socket.socket:
    """A bound, non-blocking IPv4 UDP socket; on ``interface`` only, if one is named.

    ``rcvbuf`` is octets (0 = the system's default); it is asked for beyond ``net.core.rmem_max`` where the privilege
    allows. ``pktinfo`` makes ``recvmsg`` tell the address and interface each datagram came to. ``exclusive`` refuses a
    port that another program has; without it both would have it, and each some of the datagrams. Raises ConfigError.
    """
    what = f"UDP {address}:{port}" + (f" on {interface}" if interface else "")
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as error:
        _refused(what, error, interface)
    try:
        sock.settimeout(0)
        if not exclusive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if interface:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        if broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if pktinfo:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        _grow(sock, rcvbuf)
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        _refused(what, error, interface)
    return sock


def tcp_socket(address: str, port: int) -> socket.socket:
    """A bound, non-blocking IPv4 TCP socket that listens. Raises ConfigError."""
    what = f"TCP {address}:{port}"
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        _refused(what, error, None)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        _refused(what, error, None)
    return sock


def local_address(ancillary: list[tuple[int, int, bytes]]) -> str:
    """The address of ours that a datagram was sent to; "" when it was a broadcast or multicast."""
    for level, kind, octets in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            # For a broadcast the kernel gives the address it would answer from, beside the one in the header.
            _, local, destination = _PKTINFO.unpack_from(octets)
            return socket.inet_ntoa(local) if local == destination else ""
    return ""


def return_path(local: str) -> tuple[int, int, bytes]:
    """The ancillary datum that makes an answer leave from this address of ours."""
    return socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(0, socket.inet_aton(local), b"")


def packet_socket(
    interface: str, ethertype: int, *, udp_port: int = 0, rcvbuf: int = 0, promiscuous: bool = False
) -> socket.socket:
    """A non-blocking raw socket (AF_PACKET) for whole Ethernet frames of ``interface``.

    ``ethertype`` chooses what is received; 0 receives nothing (send only). With ``udp_port`` the kernel hands over
    only unfragmented IPv4 UDP datagrams to that port. ``promiscuous`` receives frames for other MACs too. Frames sent
    from this host are not received. Raises ConfigError.
    """
    what = f"raw frames on {interface}"
    try:
        # Protocol 0 receives nothing: the filter is in place before the first frame can be.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except OSError as error:
        _refused(what, error, interface)
    try:
        sock.settimeout(0)
        if udp_port:
            _attach_filter(sock, _udp_to(udp_port))
        with suppress(OSError):  # Linux before 4.20 has no such option: such frames are then merely ignored later
            sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        _grow(sock, rcvbuf)
        sock.bind((interface, ethertype))
        if promiscuous:
            request = struct.pack("iHH8x", socket.if_nametoindex(interface), _PACKET_MR_PROMISC, 0)
            sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
    except OSError as error:
        sock.close()
        _refused(what, error, interface)
    return sock


def _grow(sock: socket.socket, rcvbuf: int) -> None:
    if not rcvbuf:
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, rcvbuf)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)


def _udp_to(port: int) -> list[_Instruction]:
    """Classic BPF (``linux/filter.h``) for a frame that carries a whole UDP datagram to ``port``."""
    return [
        (0x28, 0, 0, 12),  # ldh [12]          Ethernet type
        (0x15, 0, 8, 0x0800),  # jeq IPv4 else drop
        (0x30, 0, 0, 23),  # ldb [23]          IPv4 protocol
        (0x15, 0, 6, 17),  # jeq UDP else drop
        (0x28, 0, 0, 20),  # ldh [20]          flags and fragment offset
        (0x45, 4, 0, 0x3FFF),  # jset a fragment: drop
        (0xB1, 0, 0, 14),  # ldx 4 * ([14] & 15) IPv4 header length
        (0x48, 0, 0, 16),  # ldh [x + 16]      UDP destination port
        (0x15, 0, 1, port),  # jeq port else drop
        (0x06, 0, 0, 0x40000),  # ret all of it
        (0x06, 0, 0, 0),  # ret nothing
    ]


def can_segment(udp: socket.socket) -> bool:
    """Whether the kernel knows UDP_SEGMENT."""
    try:
        udp.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
    except OSError:
        return False
    return True


def _attach_filter(sock: socket.socket, program: list[_Instruction]) -> None:
    octets = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    code = ctypes.create_string_buffer(octets, len(octets))
    # struct sock_fprog: the number of instructions and a pointer to them
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code)))


def _refused(what: str, error: OSError, interface: str | None) -> NoReturn:
    if error.errno in {errno.EPERM, errno.EACCES}:
        reason = "not permitted: it needs root, or CAP_NET_RAW and CAP_NET_BIND_SERVICE"
    elif error.errno in {errno.ENODEV, errno.ENXIO}:
        reason = f"there is no interface {interface!r}"
    elif error.errno == errno.EADDRINUSE:
        reason = "another program has this port"
    elif error.errno == errno.EADDRNOTAVAIL:
        reason = "this machine does not have that address"
    elif error.errno == errno.ENETDOWN:
        reason = f"interface {interface!r} is down"
    else:
        reason = error.strerror or str(error)
    raise ConfigError(f"cannot open {what}: {reason}") from error
