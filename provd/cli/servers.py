"""Which DHCP servers answer on a network? One DISCOVER from a client that does not exist; nothing is ever requested."""

from __future__ import annotations

import secrets
import select
import time
from collections.abc import Iterator

from provd.base.dataclass import dataclass
from provd.base.types import ip_text
from provd.net.frame import BROADCAST_MAC, ETHERTYPE_IPV4, parse_udp, udp_frame
from provd.net.sockets import packet_socket
from provd.simulate import dhcp_client as dhcp

_ASKED = bytes((1, 3, 6, 66, 67, 43, 150))
_AGAIN = 1.0
_LARGEST = 2048
_TFTP_SERVER, _TFTP_ADDRESSES = 66, 150


@dataclass(frozen=True, slots=True)
class Server:
    """One that made an offer: its identifier, its MAC, what it offered, and its options 66 and 150 as text."""

    address: str
    mac: str
    offered: str
    option66: str
    option150: str


def dhcp_servers(interface: str, seconds: float, *, server_port: int = 67, client_port: int = 68) -> list[Server]:
    """The servers that answer within so many seconds; not one on this machine. Needs root. Raises ConfigError.

    The client's MAC is made up anew each time (locally administered), so that no server knows it and its offer is free
    again after a minute or two.
    """
    mac = b"\x02" + secrets.token_bytes(5)
    xid = secrets.randbits(32)
    options = ((dhcp.OPTION_PARAMETER_LIST, _ASKED), (dhcp.OPTION_HOST_NAME, b"provd-doctor"))
    message = dhcp.encode(dhcp.DISCOVER, xid, mac, options)
    frame = udp_frame(mac, BROADCAST_MAC, 0, 0xFFFFFFFF, client_port, server_port, message)
    found: dict[str, Server] = {}
    # Promiscuous: a server may answer to the MAC that does not exist.
    with packet_socket(interface, ETHERTYPE_IPV4, udp_port=client_port, promiscuous=True) as wire:
        ends = time.monotonic() + seconds
        while (now := time.monotonic()) < ends:
            wire.send(frame)
            until = min(ends, now + _AGAIN)
            while (left := until - time.monotonic()) > 0:
                if select.select([wire], [], [], left)[0]:
                    for server in _offer(wire.recv(_LARGEST), xid):
                        found[server.address] = server
    return list(found.values())


def _offer(frame: bytes, xid: int) -> Iterator[Server]:
    datagram = parse_udp(frame)
    reply = dhcp.decode(datagram.payload) if datagram is not None else None
    if datagram is None or reply is None or reply.xid != xid or reply.kind != dhcp.OFFER:
        return
    several = reply.options.get(_TFTP_ADDRESSES, b"")
    yield Server(
        address=ip_text(reply.address(dhcp.OPTION_SERVER_IDENTIFIER) or datagram.src_ip),
        mac=datagram.src_mac.hex(":"),
        offered=ip_text(reply.yiaddr),
        option66=reply.options.get(_TFTP_SERVER, b"").rstrip(b"\0").decode("utf-8", "replace"),
        option150=" ".join(
            ip_text(int.from_bytes(several[i : i + 4], "big")) for i in range(0, len(several) // 4 * 4, 4)
        ),
    )
