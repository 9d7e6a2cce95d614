"""One served interface: its sockets, and how a reply of the engine leaves through them (RFC 2131 section 4.1)."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from provd.base.errors import ConfigError
from provd.base.types import ip_int, ip_text
from provd.dhcp.effects import Send, To
from provd.dhcp.ingress import Link
from provd.dhcp.subnet import DhcpSettings
from provd.net.frame import udp_frame
from provd.net.netlink import Interface, LinkWatch, interfaces
from provd.net.sockets import IP_PKTINFO, MOST_SEGMENTS, UDP_SEGMENT, can_segment, packet_socket, udp_socket

_RECEIVE_BUFFER = 16 << 20
"""Room for some ten thousand datagrams: what a site sends when its power comes back."""
_ETHERTYPE_ARP = 0x0806
LARGEST_GROUP = MOST_SEGMENTS
"""Replies that leave in one call."""
_UNSPLIT = {errno.EIO, errno.EINVAL, errno.EMSGSIZE}
"""A device without checksum offload, a reply above the route's MTU: it will be no other with the next."""
_LOOPBACK_BROADCAST = "127.255.255.255"
_REMEMBERED = 8192


class Closable(Protocol):
    """Something that is watched until it is closed."""

    def close(self) -> None:
        """Stop watching."""
        ...


class Network(Protocol):
    """What the server needs from the operating system."""

    def interfaces(self) -> list[Interface]:
        """The interfaces as they are now."""
        ...

    def watch(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Closable:
        """Call back whenever an interface or an address changes."""
        ...

    def udp(self, interface: str | None, address: str, port: int) -> socket.socket:
        """A UDP socket that broadcasts and reports destinations. Raises ConfigError."""
        ...

    def frames(self, interface: str) -> socket.socket:
        """A socket that sends Ethernet frames. Raises ConfigError."""
        ...

    def arp(self, interface: str) -> socket.socket:
        """A socket that receives ARP frames. Raises ConfigError."""
        ...


class LinuxNetwork:
    """The real thing."""

    def interfaces(self) -> list[Interface]:
        """The interfaces as they are now."""
        return interfaces()

    def watch(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Closable:
        """Call back whenever an interface or an address changes."""
        return LinkWatch(loop, callback)

    def udp(self, interface: str | None, address: str, port: int) -> socket.socket:
        """A UDP socket that broadcasts and reports destinations. Raises ConfigError."""
        return udp_socket(
            interface, address, port, broadcast=True, rcvbuf=_RECEIVE_BUFFER, pktinfo=True, exclusive=True
        )

    def frames(self, interface: str) -> socket.socket:
        """A socket that sends Ethernet frames. Raises ConfigError."""
        return packet_socket(interface, 0)

    def arp(self, interface: str) -> socket.socket:
        """A socket that receives ARP frames. Raises ConfigError."""
        return packet_socket(interface, _ETHERTYPE_ARP)


class Wire:
    """The sockets of one interface, or of one plain address where there are no rights for more.

    Without raw sockets (``raw_refused`` says why) replies to clients without an address are broadcast, which
    RFC 2131 section 4.1 allows; on loopback, where nothing can be broadcast, they go to the address being given.
    """

    def __init__(self, network: Network, settings: DhcpSettings, name: str, info: Interface | None) -> None:
        self.name = name
        self.info = info
        self.mac = info.mac if info is not None else b""
        self._client_port = settings.client_port
        self._server_port = settings.server_port
        self.frames: socket.socket | None = None
        self.arp: socket.socket | None = None
        self.raw_refused = ""
        if info is None:
            self.link = Link(name, (ip_int(name),))
            self.udp = network.udp(None, name, settings.server_port)
        else:
            self.link = Link(name, tuple(address for address, _ in info.addresses))
            self.udp = network.udp(name, "0.0.0.0", settings.server_port)
        self.plain = info is None or not any(info.mac)
        if not self.plain:
            self._open_raw(network)
        self._relays: dict[int, tuple[str, int]] = {}
        self._plainly = len(self.link.addresses) < 2
        self._segments = can_segment(self.udp)

    def _open_raw(self, network: Network) -> None:
        try:
            self.frames = network.frames(self.name)
            self.arp = network.arp(self.name)
        except ConfigError as error:
            self.raw_refused = str(error)

    def moved(self, info: Interface) -> None:
        """The interface has other addresses now."""
        self.info = info
        self.link = Link(self.name, tuple(address for address, _ in info.addresses))
        self._plainly = len(self.link.addresses) < 2

    def send(self, send: Send) -> None:
        """Put one reply on the wire. Raises OSError."""
        to = send.to
        if to is To.RELAY:
            self._udp(send, self._relays.get(send.address) or self._relay(send.address))
        elif to is To.UNICAST:
            peer = (send.text or ip_text(send.address), self._client_port)
            if self._plainly:
                self.udp.sendto(send.payload, peer)
            else:
                self._udp(send, peer)
        elif self.plain:
            address = ip_text(send.address) if send.address else _LOOPBACK_BROADCAST
            self._udp(send, (address, self._client_port))
        elif to is To.FRAME and self.frames is not None:
            self.frames.send(
                udp_frame(
                    self.mac,
                    send.chaddr[:6],
                    send.source,
                    send.address,
                    self._server_port,
                    self._client_port,
                    send.payload,
                )
            )
        else:
            self._udp(send, ("255.255.255.255", self._client_port))

    def send_together(self, sends: Sequence[Send]) -> bool:
        """Put up to LARGEST_GROUP replies of one length to one relay on the wire at once; False when that cannot be
        done and nothing has left."""
        if not self._segments:
            return False
        first = sends[0]
        peer = self._relays.get(first.address) or self._relay(first.address)
        control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", len(first.payload)))]
        if not self._plainly:
            control.append(_from(first.source))
        try:
            self.udp.sendmsg([send.payload for send in sends], control, 0, peer)
        except OSError as error:
            self._segments = error.errno not in _UNSPLIT
            return False
        return True

    def _udp(self, send: Send, peer: tuple[str, int]) -> None:
        if self._plainly:
            self.udp.sendto(send.payload, peer)
        else:
            self.udp.sendmsg([send.payload], [_from(send.source)], 0, peer)

    def _relay(self, address: int) -> tuple[str, int]:
        if len(self._relays) >= _REMEMBERED:
            self._relays.clear()
        relay = self._relays[address] = (ip_text(address), self._server_port)
        return relay

    def close(self) -> None:
        """Close every socket."""
        for sock in (self.udp, self.frames, self.arp):
            if sock is not None:
                with suppress(OSError):
                    sock.close()


def _from(source: int) -> tuple[int, int, bytes]:
    """With several addresses the kernel would choose one; the client knows us by another, perhaps (ip(7))."""
    return socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=I4s4s", 0, source.to_bytes(4, "big"), bytes(4))
