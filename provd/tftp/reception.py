"""What a datagram on the server port asks for. Phones of one model send the same octets: each kind is read once."""

from __future__ import annotations

import socket
from typing import Final

from provd.app.files import FileRequest
from provd.base.dataclass import dataclass
from provd.tftp.admission import Peer
from provd.tftp.gate import acceptable
from provd.tftp.options import Terms, negotiate
from provd.tftp.packet import Opcode, Packet, Request, decode
from provd.tftp.sender import RouteMtu

_REMEMBERED: Final = 4096
_LONGEST: Final = 512
"""The longest request that RFC 2347 section 2 allows."""
_MODES: Final = frozenset({"octet", "netascii"})


@dataclass(slots=True)
class Asked:
    """A request that passed the first checks."""

    peer: Peer
    packet: Request
    file: FileRequest
    listener: socket.socket


def objection(packet: Request) -> str:
    """Why a request is turned down whatever it asks for, or ""."""
    if packet.opcode is Opcode.WRQ:
        return "write"
    if packet.mode not in _MODES:
        return "mode"
    return "" if acceptable(packet.filename) else "name"


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it was read: the same octets give the same one again. ``path`` is its name without a slash."""

    packet: Request
    path: str
    objection: str


class Reception:
    """Reads requests and agrees on the terms of transfers."""

    def __init__(self, mtu: RouteMtu, windowsize: int) -> None:
        self._mtu = mtu
        self._windowsize = windowsize
        self._heard: dict[bytes, Heard] = {}
        self._terms: dict[tuple[int, int, int], tuple[Request, Terms]] = {}

    def read(self, datagram: bytes) -> Heard | Packet:
        """What the datagram is. Raises WireError."""
        heard = self._heard.get(datagram)
        if heard is not None:
            return heard
        packet = decode(datagram)
        if not isinstance(packet, Request):
            return packet
        heard = Heard(packet, packet.name.removeprefix("/"), objection(packet))
        if not heard.objection and len(datagram) <= _LONGEST:
            if len(self._heard) >= _REMEMBERED:
                self._heard.clear()
                self._terms.clear()
            self._heard[datagram] = heard
        return heard

    def terms(self, peer: Peer, packet: Request, size: int, now: float) -> Terms:
        """The terms of a transfer of ``size`` octets to this client."""
        options = packet.options
        if not options:
            return _PLAIN
        mtu = self._mtu(peer, now) if "blksize" in options else 0
        key = (id(packet), size, mtu)
        known = self._terms.get(key)
        # A request that is not remembered may have had the number of another one.
        if known is None or known[0] is not packet:
            if len(self._terms) >= _REMEMBERED:
                self._terms.clear()
            agreed = negotiate(options, size, mtu=lambda: mtu, windowsize_max=self._windowsize)
            known = self._terms[key] = (packet, agreed)
        return known[1]


_PLAIN: Final = Terms()
