"""Which datagrams deserve an answer at all, and which names could be ours: pure checks before any state is made."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from provd.base.types import ip_int
from provd.tftp.admission import Peer

_FIRST_FREE_PORT: Final = 1024
_LONGEST_NAME: Final = 255
_REMEMBERED: Final = 16384


class Gate:
    """Knows the networks that may ask (all, when there are none)."""

    def __init__(self, networks: Sequence[ipaddress.IPv4Network]) -> None:
        self._open: set[tuple[str, str]] = set()
        self._networks = tuple((int(network.network_address), int(network.netmask)) for network in networks)

    def closed(self, peer: Peer, local: str) -> str:
        """Why this source must not get a single octet, or "": it may be forged to make us hit somebody else.

        ``local`` is the address of ours that was talked to, "" for a broadcast.
        """
        address, port = peer
        if not local:
            return "broadcast"  # RFC 1123 section 4.2.3.5
        if port < _FIRST_FREE_PORT:
            return "port"  # echo, chargen, DNS, DHCP, TFTP itself: services that would answer our answer
        if (address, local) in self._open:
            return ""
        first = int(address[: address.index(".")])
        if first >= 224 or not first or (address == local and first != 127):
            return "source"
        if self._networks:
            number = ip_int(address)
            if not any(number & netmask == network for network, netmask in self._networks):
                return "network"
        if len(self._open) >= _REMEMBERED:
            self._open.clear()
        self._open.add((address, local))
        return ""


def acceptable(filename: bytes) -> bool:
    """Whether a name can be one of ours at all. Names are looked up, never opened; this spares the look-up."""
    return (
        0 < len(filename) <= _LONGEST_NAME
        and filename.isascii()
        and filename.decode("ascii").isprintable()
        and b"\\" not in filename
        and b".." not in filename.split(b"/")
    )
