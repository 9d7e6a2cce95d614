"""Replies that leave together arrive as what they are, also where the kernel or the device will not split."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provd.base.types import ip_int
from provd.dhcp.effects import Send, To
from provd.dhcp.outbox import Outbox
from provd.dhcp.subnet import DhcpSettings
from provd.dhcp.wire import LinuxNetwork, Wire
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port

SERVER, RELAY, OTHER = ip_int("127.0.0.1"), "127.0.0.2", "127.0.0.3"


class Unsplit(socket.socket):
    """A device without checksum offload, or a full buffer."""

    number = errno.EIO

    def sendmsg(self, *_: object) -> int:
        raise OSError(self.number, "refused")


class Full(Unsplit):
    number = errno.EAGAIN


class Old(socket.socket):
    """A kernel that does not know UDP_SEGMENT."""

    def setsockopt(self, level: int, option: int, *value: object) -> None:
        raise OSError(errno.ENOPROTOOPT, "unknown")

    def sendmsg(self, *_: object) -> int:
        raise AssertionError("one datagram out of many")


class Sockets(LinuxNetwork):
    def __init__(self, kind: type[socket.socket]) -> None:
        self.kind = kind

    def udp(self, interface: str | None, address: str, port: int) -> socket.socket:
        made = self.kind(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
        return made


def listener(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    made.settimeout(PATIENCE)
    return made


@contextmanager
def outbox(kind: type[socket.socket] = socket.socket) -> Iterator[tuple[Outbox, socket.socket, socket.socket]]:
    with listener(RELAY, free_port()) as near, listener(OTHER, near.getsockname()[1]) as far:
        port = near.getsockname()[1]
        wire = Wire(Sockets(kind), DhcpSettings(server_port=port, client_port=port), "127.0.0.1", None)
        yield Outbox({"127.0.0.1": wire}), near, far
        wire.close()


def relayed(payload: bytes, to: str = RELAY, interface: str = "127.0.0.1") -> Send:
    return Send(payload, To.RELAY, ip_int(to), bytes(16), interface, SERVER)


def numbered(count: int, size: int, start: int = 0) -> list[bytes]:
    return [number.to_bytes(2, "big").ljust(size, b"x") for number in range(start, start + count)]


@pytest.mark.parametrize("kind", [socket.socket, Unsplit, Full, Old])
def test_each_arrives_whole_and_alone(kind):
    with outbox(kind) as (box, near, far):
        payloads = [*numbered(70, 300), *numbered(3, 341, 100), *numbered(1, 320, 200)]
        box.send([relayed(payload) for payload in payloads] + [relayed(b"far", OTHER), relayed(b"off", OTHER)])
        assert [near.recv(4096) for _ in payloads] == payloads
        assert {far.recv(4096), far.recv(4096)} == {b"far", b"off"}
        assert (box.sent, box.errors) == (76, 0)


def test_what_goes_to_clients_themselves_goes_one_by_one():
    with outbox() as (box, near, _):
        sends = [
            Send(payload, To.UNICAST, ip_int(RELAY), bytes(16), "127.0.0.1", SERVER) for payload in numbered(3, 300)
        ]
        box.send(sends)
        assert [near.recv(4096) for _ in sends] == numbered(3, 300)


def test_an_interface_that_went_away_and_errors():
    with outbox() as (box, near, _):
        box.send([relayed(b"a", interface="eth9"), relayed(b"b", interface="eth9"), relayed(b"c")])
        assert near.recv(100) == b"c"
        box.send([relayed(bytes(65_520)), relayed(bytes(65_520))])
        assert (box.sent, box.errors) == (1, 2)
        box.send([relayed(b"d"), relayed(b"e")])
        assert (near.recv(100), near.recv(100)) == (b"d", b"e")
