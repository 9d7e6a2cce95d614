"""How simulated phones speak DHCP: as themselves on an interface, or through a relay of their own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from provd.base.errors import ConfigError
from provd.base.types import ip_int
from provd.net.frame import (
    ARP_REQUEST,
    BROADCAST_MAC,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    arp_reply,
    parse_arp,
    parse_udp,
    udp_frame,
)
from provd.net.netlink import interfaces
from provd.net.sockets import packet_socket, udp_socket

_RECEIVE_SIZE = 2048
_RCVBUF = 4 << 20
_LIMITED_BROADCAST = 0xFFFFFFFF

Heard = Callable[[bytes], None]


class Link(Protocol):
    """Carries DHCP messages to the server and back."""

    giaddr: int

    def open(self, heard: Heard) -> None:
        """Begin to listen; ``heard`` gets every message for a client. Raises ConfigError."""
        ...

    def send(self, mac: bytes, message: bytes, /) -> None:
        """Send a client's message."""
        ...

    def hold(self, ip: str, /) -> None:
        """From now on a phone has this address."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class RawLink:
    """Broadcast frames from each phone's own MAC. Needs CAP_NET_RAW.

    It also answers ARP for the addresses that phones hold, and for no other. In a namespace whose kernel keeps quiet
    (``arp_ignore`` 8) a server that probes an address before it offers it therefore finds what it would find on a
    real network.
    """

    giaddr = 0

    def __init__(self, interface: str, *, server_port: int = 67, client_port: int = 68) -> None:
        self._interface = interface
        self._ports = (client_port, server_port)
        self._mac = b""
        self._held: set[int] = set()
        self._sockets: list[socket.socket] = []

    def open(self, heard: Heard) -> None:
        """Begin to listen on the interface. Raises ConfigError where there is none of that name."""
        found = next((one for one in interfaces() if one.name == self._interface), None)
        if found is None:
            raise ConfigError(f"there is no interface {self._interface!r}")
        self._mac = found.mac
        client_port = self._ports[0]
        self._udp = packet_socket(
            self._interface, ETHERTYPE_IPV4, udp_port=client_port, rcvbuf=_RCVBUF, promiscuous=True
        )
        self._sockets.append(self._udp)
        self._arp = packet_socket(self._interface, ETHERTYPE_ARP, rcvbuf=_RCVBUF)
        self._sockets.append(self._arp)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._udp, self._read_udp, heard)
        loop.add_reader(self._arp, self._read_arp)

    def send(self, mac: bytes, message: bytes, /) -> None:
        """Broadcast from 0.0.0.0, as a client without an address does."""
        self._udp.send(udp_frame(mac, BROADCAST_MAC, 0, _LIMITED_BROADCAST, *self._ports, message))

    def hold(self, ip: str, /) -> None:
        """Answer ARP for this address from now on."""
        self._held.add(ip_int(ip))

    def close(self) -> None:
        """Stop listening."""
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _read_udp(self, heard: Heard) -> None:
        for frame in _waiting(self._udp):
            datagram = parse_udp(frame)
            if datagram is not None and datagram.dst_port == self._ports[0]:
                heard(datagram.payload)

    def _read_arp(self) -> None:
        for frame in _waiting(self._arp):
            packet = parse_arp(frame)
            if packet is not None and packet.op == ARP_REQUEST and packet.target_ip in self._held:
                self._arp.send(arp_reply(self._mac, packet.target_ip, packet.sender_mac, packet.sender_ip))


class RelayLink:
    """Unicast to the server as a relay agent would (RFC 1542, ``giaddr``). Needs no privilege of its own."""

    def __init__(self, relay: str, server: str, *, server_port: int = 67) -> None:
        self.giaddr = ip_int(relay)
        self._relay = relay
        self._server = (server, server_port)

    def open(self, heard: Heard) -> None:
        """Begin to listen on the relay's address: that is where a server answers to."""
        self._udp = udp_socket(None, self._relay, self._server[1], rcvbuf=_RCVBUF)
        asyncio.get_running_loop().add_reader(self._udp, self._read, heard)

    def send(self, _mac: bytes, message: bytes, /) -> None:
        """Pass the message on to the server."""
        self._udp.sendto(message, self._server)

    def hold(self, _ip: str, /) -> None:
        """Nothing to do: the addresses are this machine's own."""

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._udp)
        self._udp.close()

    def _read(self, heard: Heard) -> None:
        for message in _waiting(self._udp):
            heard(message)


def _waiting(sock: socket.socket) -> list[bytes]:
    """What has arrived, at most a burst of it."""
    found: list[bytes] = []
    while len(found) < 256:
        try:
            found.append(sock.recv(_RECEIVE_SIZE))
        except OSError:  # nothing more, or the interface went away; a refused datagram is merely lost
            break
    return found
