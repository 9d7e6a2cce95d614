"""The machine's interfaces, IPv4 addresses and neighbours through rtnetlink (Linux ``rtnetlink(7)``, RFC 3549)."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

from provd.base.dataclass import dataclass
from provd.base.errors import ProvdError
from provd.base.types import Mac, mac_of

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 18, 20, 22
_RTM_NEWROUTE, _RTM_GETROUTE, _RTM_NEWNEIGH, _RTM_GETNEIGH = 24, 26, 28, 30
_NLM_F_REQUEST, _NLM_F_DUMP, _NLM_F_DUMP_INTR = 0x1, 0x300, 0x10
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_VIA = 1, 4, 5, 18
_RTN_UNICAST = 1
_NDA_DST, _NDA_LLADDR = 1, 2
_LEARNT = 0x02 | 0x04 | 0x08 | 0x10
"""NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE: what ARP has told. Not what somebody has entered by hand."""
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR = 0x1, 0x10

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr

_RECEIVE_SIZE = 65536
_DUMP_TRIES = 5
_ROUTED, _LINKS = 5.0, 1024
"""Seconds for which a route of a /24 holds, and of how many they are remembered."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. ``up`` means switched on and with a carrier; ``addresses`` are (IPv4 address, prefix length)
    in the kernel's order, primary first."""

    name: str
    index: int
    mac: bytes
    up: bool
    addresses: tuple[tuple[int, int], ...] = ()


def interfaces() -> list[Interface]:
    """Every interface of this network namespace, by index. Asks the kernel, so it does not wait for anybody.

    Raises ProvdError when the kernel does not answer sensibly.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(2)
            links = _dump(sock, _RTM_GETLINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
            addresses = _dump(sock, _RTM_GETADDR, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0))
    except OSError as error:
        raise ProvdError(f"the kernel does not list the interfaces: {error.strerror or error}") from error
    held: dict[int, list[tuple[int, int]]] = {}
    for kind, body in addresses:
        if kind == _RTM_NEWADDR:
            index, address, prefix_length = _read_address(body)
            held.setdefault(index, []).append((address, prefix_length))
    found = [_read_link(body, held) for kind, body in links if kind == _RTM_NEWLINK]
    return sorted(found, key=lambda interface: interface.index)


class LinkWatch:
    """Calls ``callback`` on the loop after any interface or IPv4 address has changed.

    Changes that arrive together (a cable, an address, a route) are told once. What changed is not told: ask
    :func:`interfaces`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._told: asyncio.Handle | None = None
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        try:
            self._socket.settimeout(0)
            self._socket.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR))
        except OSError as error:
            self._socket.close()
            raise ProvdError(f"interface changes cannot be watched: {error.strerror or error}") from error
        loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Stop watching; a call that is already due does not come."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self._told is not None:
            self._told.cancel()

    def _readable(self) -> None:
        while True:
            try:
                self._socket.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                break
            except OSError:
                # ENOBUFS: more happened than the socket could hold. That, too, is a change.
                break
        if self._told is None:
            self._told = self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._told = None
        self._callback()


class NeighbourTable:
    """The kernel's table of who has which IPv4 address on the directly connected links (``arp(7)``).

    ``monotonic`` tells seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._links: dict[bytes, tuple[int, float]] = {}

    def find(self, ip: str) -> Mac | None:
        """The MAC that ARP has last told for an address; None where there is a router on the way to it, where nothing
        is known of it, and where the kernel does not tell (single entries: since Linux 5.0). The kernel answers at
        once, within some 10 us."""
        try:
            address = socket.inet_aton(ip)
            link = self._near(address)
            return self._mac(link, address) if link else None
        except (OSError, struct.error):
            self.close()
            return None

    def close(self) -> None:
        """Give the socket back; it is opened again when it is needed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _near(self, address: bytes) -> int:
        """The same as :meth:`_link`, for a neighbour of one that was looked for just now without asking: of what is
        behind a router after all, that link has no entry."""
        known, now = self._links.get(address[:3]), self._monotonic()
        if known is not None and now < known[1]:
            return known[0]
        link = self._link(address)
        if link:
            if len(self._links) >= _LINKS:
                self._links.clear()
            self._links[address[:3]] = link, now + _ROUTED
        return link

    def _link(self, address: bytes) -> int:
        """The index of the interface at which that address is a neighbour's, 0 if it is none's."""
        route = _ROUTE.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0) + _attribute(_RTA_DST, address)
        body = self._ask(_RTM_GETROUTE, route, _RTM_NEWROUTE)
        if body is None or _ROUTE.unpack_from(body)[7] != _RTN_UNICAST:
            return 0
        found = _attributes(body, _ROUTE.size)
        if _RTA_GATEWAY in found or _RTA_VIA in found:
            return 0
        return int.from_bytes(found.get(_RTA_OIF, b""), sys.byteorder)

    def _mac(self, link: int, address: bytes) -> Mac | None:
        wanted = _NEIGHBOUR.pack(socket.AF_INET, link, 0, 0, 0) + _attribute(_NDA_DST, address)
        body = self._ask(_RTM_GETNEIGH, wanted, _RTM_NEWNEIGH)
        if body is None or not _NEIGHBOUR.unpack_from(body)[2] & _LEARNT:
            return None
        mac = _attributes(body, _NEIGHBOUR.size).get(_NDA_LLADDR, b"")
        return mac_of(mac) if len(mac) == 6 else None

    def _ask(self, kind: int, body: bytes, answer: int) -> bytes | None:
        """The one message that answers, None for an error. Raises OSError when there is neither."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self._socket.settimeout(0)
        self._sequence = self._sequence + 1 & 0xFFFFFFFF
        header = _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST, self._sequence, 0)
        self._socket.sendto(header + body, (0, 0))
        while True:
            for found, _, number, told in _messages(self._socket.recv(_RECEIVE_SIZE)):
                if number == self._sequence:
                    return told if found == answer else None


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _dump(sock: socket.socket, kind: int, body: bytes) -> list[tuple[int, bytes]]:
    for sequence in range(1, _DUMP_TRIES + 1):
        header = _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_DUMP, sequence, 0)
        sock.sendto(header + body, (0, 0))
        answer = _answer(sock, sequence)
        if answer is not None:
            return answer
    raise ProvdError("the interfaces change faster than the kernel can list them")


def _answer(sock: socket.socket, sequence: int) -> list[tuple[int, bytes]] | None:
    """The messages of one dump, or None when a change came in between and it has to be asked for again."""
    messages: list[tuple[int, bytes]] = []
    interrupted = False
    while True:
        for kind, flags, number, body in _messages(sock.recv(_RECEIVE_SIZE)):
            if number != sequence:
                continue
            interrupted = interrupted or bool(flags & _NLM_F_DUMP_INTR)
            if kind == _NLMSG_DONE:
                return None if interrupted else messages
            if kind == _NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", body)[0], "netlink error")
            messages.append((kind, body))


def _messages(octets: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(octets):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(octets, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, sequence, octets[offset + _HEADER.size : offset + length]
        offset += length + 3 & ~3


def _attributes(octets: bytes, offset: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(octets):
        length, kind = _ATTRIBUTE.unpack_from(octets, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = octets[offset + _ATTRIBUTE.size : offset + length]
        offset += length + 3 & ~3
    return found


def _read_link(body: bytes, held: dict[int, list[tuple[int, int]]]) -> Interface:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    attributes = _attributes(body, _LINK.size)
    name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    up = flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING
    return Interface(name, index, attributes.get(_IFLA_ADDRESS, b""), up, tuple(held.get(index, ())))


def _read_address(body: bytes) -> tuple[int, int, int]:
    _, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
    attributes = _attributes(body, _ADDRESS.size)
    address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
    return index, int.from_bytes(address, "big"), prefix_length
