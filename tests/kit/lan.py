"""A client in a test network without a process of its own: its sockets are made in there and used from here.

Standard library only and its own few lines of every protocol, so that it shares no mistake with the server. One
:class:`Lan` stands for all phones of the client side of a bed: it asks for addresses as their relay does, and fetches
files from whatever address a phone was given.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kit.daemon import Daemon
from tests.kit.dhcp_load import ACK, DISCOVER, OFFER, REQUEST, message, options_of
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

RELAY = "10.77.0.2"
PHONES = "10.77.16.0/20"
PHONE = "805ec0112233"
"""A MAC that a bundled plugin knows."""
COMMON = "y000000000035.cfg"
_CLONE_NEWNET = 0x40000000
_TRY = 0.5


def socket_in(namespace: str, kind: int) -> socket.socket:
    """An IPv4 socket that lives in that network namespace, whoever uses it."""
    made: list[socket.socket] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def make() -> None:
        with Path(f"/run/netns/{namespace}").open() as handle:
            if libc.setns(handle.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(socket.AF_INET, kind))

    # A namespace belongs to a thread: this one has entered it and ends there.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def phone_bed() -> Bed:
    """A bed for a :class:`Lan`."""
    return Bed(client_ip=RELAY, anyip=PHONES)


class Lan:
    """``with Lan(bed) as lan:`` is the client side. Every method gives None or empty octets for no answer.

    ``seconds`` is how long it waits for one; it is to be said where none is expected.
    """

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self._xids = itertools.count(int.from_bytes(os.urandom(3), "big"))

    def __enter__(self) -> Self:
        self._relay = self._udp(RELAY, 67)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._relay.close()

    # -- DHCP

    def ask(
        self, kind: int, mac: str, options: bytes = b"", *, ciaddr: str = "0.0.0.0", seconds: float = PATIENCE
    ) -> bytes | None:
        """One message through the relay, repeated until its answer comes."""
        xid = next(self._xids) & 0xFFFFFFFF
        packet = bytearray(message(kind, bytes.fromhex(mac), xid, socket.inet_aton(RELAY), options))
        packet[12:16] = socket.inet_aton(ciaddr)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(OSError):
                self._relay.sendto(packet, (self.bed.server_ip, 67))
            again = time.monotonic() + min(left, _TRY)
            while (left := again - time.monotonic()) > 0:
                self._relay.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    reply = self._relay.recv(2048)
                    if struct.unpack_from("!I", reply, 4)[0] == xid:
                        return reply
        return None

    def offer(self, mac: str = PHONE, *, vendor: str = "yealink", seconds: float = PATIENCE) -> bytes | None:
        """The answer to a DISCOVER."""
        return self.ask(DISCOVER, mac, _vendor(vendor), seconds=seconds)

    def lease(self, mac: str = PHONE, *, vendor: str = "yealink", seconds: float = PATIENCE) -> str | None:
        """The address that the client has on its ACK."""
        offer = self.offer(mac, vendor=vendor, seconds=seconds)
        if offer is None or options_of(offer)[53][0] != OFFER:
            return None
        chosen = b"\x36\x04" + options_of(offer)[54] + b"\x32\x04" + offer[16:20] + _vendor(vendor)
        return _acknowledged(self.ask(REQUEST, mac, chosen, seconds=seconds))

    def renew(self, ip: str, mac: str = PHONE, *, vendor: str = "yealink", seconds: float = PATIENCE) -> str | None:
        """The same from a client that has the address."""
        return _acknowledged(self.ask(REQUEST, mac, _vendor(vendor), ciaddr=ip, seconds=seconds))

    def time_left(self, ip: str, mac: str = PHONE, *, seconds: float = PATIENCE) -> int | None:
        """The lease time in the ACK of a renewal."""
        reply = self.ask(REQUEST, mac, _vendor("yealink"), ciaddr=ip, seconds=seconds)
        return int.from_bytes(options_of(reply)[51], "big") if reply and _acknowledged(reply) else None

    # -- files

    def connect(self, source: str = RELAY, port: int = 8667, *, seconds: float = PATIENCE) -> socket.socket:
        """A TCP connection to the server."""
        connection = socket_in(self.bed.client, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        try:
            connection.bind((source, 0))
            connection.connect((self.bed.server_ip, port))
        except OSError:
            connection.close()
            raise
        return connection

    def http(self, name: str, source: str = RELAY, *, seconds: float = PATIENCE) -> bytes:
        """The file over HTTP; empty octets for anything but a 200."""
        try:
            with self.connect(source, seconds=seconds) as connection:
                connection.sendall(f"GET /{name} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:
            return b""
        head, _, body = answer.partition(b"\r\n\r\n")
        return body if b" 200 " in head.partition(b"\r\n")[0] else b""

    def tftp(self, name: str, source: str = RELAY, *, seconds: float = PATIENCE) -> bytes:
        """The file over TFTP, in octet mode without options (RFC 1350)."""
        with Transfer(self, name, source, seconds=seconds) as transfer:
            return transfer.rest()

    def boots(self, mac: str = PHONE, *, seconds: float = PATIENCE) -> str:
        """A phone gets its address and both its files over both transports; gives the address."""
        ip = self.lease(mac, seconds=seconds)
        assert ip is not None, f"{mac} got no address"
        own = self.http(f"{mac}.cfg", ip)
        assert own, f"{mac} at {ip} did not get its file"
        assert self.tftp(f"{mac}.cfg", ip) == own
        assert self.http(COMMON, ip)
        return ip

    def _udp(self, source: str, port: int = 0) -> socket.socket:
        made = socket_in(self.bed.client, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((source, port))
        return made


class Transfer:
    """A TFTP transfer at the pace of a test."""

    def __init__(self, lan: Lan, name: str, source: str = RELAY, *, seconds: float = PATIENCE) -> None:
        self._socket = lan._udp(source)
        self._socket.settimeout(seconds)
        self._block = 0
        self._ended = False
        self._socket.sendto(b"\0\1" + name.encode() + b"\0octet\0", (lan.bed.server_ip, 69))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def next(self) -> bytes:
        """One block, acknowledged; empty octets after the last one, for an error and for silence."""
        while not self._ended:
            try:
                datagram, peer = self._socket.recvfrom(2048)
            except OSError:
                return b""
            opcode, block = struct.unpack_from("!HH", datagram)
            if opcode == 5:
                return b""
            self._socket.sendto(struct.pack("!HH", 4, block), peer)
            if opcode == 3 and block == (self._block + 1) & 0xFFFF:
                self._block = block
                self._ended = len(datagram) < 516
                return datagram[4:]
        return b""

    def rest(self) -> bytes:
        """All blocks that are left; empty octets when the transfer breaks off."""
        content = b"".join(iter(self.next, b""))
        return content if self._ended else b""


def _vendor(text: str) -> bytes:
    return bytes((60, len(text))) + text.encode() if text else b""


def _acknowledged(reply: bytes | None) -> str | None:
    return socket.inet_ntoa(reply[16:20]) if reply is not None and options_of(reply)[53][0] == ACK else None


def leases_of(daemon: Daemon) -> dict[str, str]:
    """MAC by address, as the daemon tells."""
    return {lease["ip"]: lease["mac"].replace(":", "") for lease in daemon.json("lease", "list")}
