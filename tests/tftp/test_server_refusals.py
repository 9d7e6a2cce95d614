"""What the real server refuses, ignores and tells, through real sockets on loopback."""

from __future__ import annotations

import errno
import ipaddress
import socket

import pytest

from provd.base.facts.tftp import TftpMalformed
from provd.tftp.limits import Limits
from provd.tftp.packet import Ack, Data, Error, Opcode, OptionAck, Request
from tests.tftp.kit import FixedFiles, Phone, serving, until

NAME = b"805ec0112233.cfg"
BODY = bytes(i % 256 for i in range(1300))
FILES = {NAME.decode(): BODY, "small.cfg": b"hello\n", "fw.rom": bytes(range(256)) * 2000}
SMALL = Request(b"small.cfg")
HELLO = Data(1, b"hello\n")
CONSTANT_TEXTS = {
    "file not found",
    "read only",
    "unknown mode",
    "use octet mode",
    "unknown transfer ID",
}


async def test_large_files_are_not_converted() -> None:
    async with serving(FixedFiles(FILES), limits=Limits(netascii_octets=1000)) as bench:
        with Phone(bench) as phone:
            assert (await phone.read(Request(b"fw.rom", "netascii"))).error == Error(0, "use octet mode")
            assert bench.server.active == 0


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (Request(b"nothing.cfg"), Error(1, "file not found")),
        (Request(b"up.txt", opcode=Opcode.WRQ), Error(2, "read only")),
        (Request(b"../x", opcode=Opcode.WRQ), Error(2, "read only")),
        (Request(b"small.cfg", "mail"), Error(4, "unknown mode")),
        (Request(b"small.cfg", "xyz"), Error(4, "unknown mode")),
    ],
)
async def test_refusals(request_: Request, answer: Error) -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(request_)
            assert await phone.hear() == answer
            assert answer.message in CONSTANT_TEXTS
            assert bench.server.active == 0
            assert await phone.hears_nothing_but(SMALL) == HELLO


BAD_NAMES = [
    b"", b"..", b"../small.cfg", b"../../etc/passwd", b"/../small.cfg", b"a/../small.cfg", b"..\\small.cfg",
    b"C:\\boot.ini", b"\\\\host\\share", b"small.cfg\n", b"small\r.cfg", b"\x1b[2J", b"\x7f", b"\x01", b"\tsmall.cfg",
    "se\u00f1al.cfg".encode(), "se\u00f1al.cfg".encode("latin-1"), b"\xff\xfe\xfd", b"x" * 256, b"x" * 1900,
    "\u2028".encode(),
    b"/etc/passwd", b"//etc/passwd", b"%2e%2e/small.cfg", b"{mac}.cfg", b"*", b"file:///etc/passwd", b"/",
]  # fmt: skip


async def test_names_that_are_none_of_ours() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            for name in BAD_NAMES:
                phone.ask(Request(name))
                assert await phone.hear() == Error(1, "file not found"), name
        assert bench.server.active == 0


@pytest.mark.parametrize(
    "datagram",
    [
        b"", b"\0", b"\0\1", b"\0\1x", b"\0\0\0\0", b"\0\7\0\0", b"\0\x99xx", b"\0\4\0\1", b"\0\3\0\1x",
        b"\0\5\0\1no\0",
        b"\0\6tsize\x000\0", b"\1\1x\0octet\0", b"\xff" * 40, b"\0\1" + b"y" * 3000,
    ],
)  # fmt: skip
async def test_noise_is_met_with_silence_and_counted(datagram: bytes) -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(datagram)
            assert await phone.hears_nothing_but(SMALL) == HELLO
        assert bench.server.stats.malformed == 1
        assert [type(fact) for fact in bench.facts] == [TftpMalformed]


@pytest.mark.parametrize(
    "options", [b"blksize\0abc\0", b"blksize\0\0", b"tsize\0" + b"9" * 1500 + b"\0", b"\xff\xfe\0\xff\0"]
)
async def test_options_that_ended_another_server(options: bytes) -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(b"\0\1small.cfg\0octet\0" + options)
            assert await phone.hear() == HELLO


async def test_noise_is_told_once_a_minute_with_a_count() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            for after in (0, 1, 1, 60):
                bench.clock.at += after
                phone.ask(b"\0\4\0\1")
                phone.ask(SMALL)
                assert await phone.hear() == HELLO
                phone.say(Ack(1))
                await until(lambda: bench.server.active == 0)
        assert [(fact.peer, fact.count) for fact in bench.facts if isinstance(fact, TftpMalformed)] == [
            ("127.0.0.1", 1),
            ("127.0.0.1", 3),
        ]


async def test_a_foreign_tid_gets_error_5_and_disturbs_nothing() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone, Phone(bench) as stranger:
            phone.ask(Request(NAME))
            assert await phone.hear() == Data(1, BODY[:512])
            stranger.tid = phone.tid
            stranger.say(Ack(1))
            assert await stranger.hear() == Error(5, "unknown transfer ID")
            stranger.say(Error(0, "stop"))
            phone.say(Ack(1))
            assert await phone.hear() == Data(2, BODY[512:1024])
        assert bench.server.stats.strays == 2


async def test_asking_for_the_size_only_is_no_failure() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME, options={"tsize": "0"}))
            assert await phone.hear() == OptionAck({"tsize": "1300"})
            phone.say(Error(8, "thank you"))
            await until(lambda: bench.server.active == 0)
        assert bench.facts == []


async def test_only_allowed_networks_get_a_single_octet() -> None:
    networks = [ipaddress.IPv4Network("127.0.0.8/29")]
    async with serving(FixedFiles(FILES), networks=networks) as bench:
        with Phone(bench, "127.0.0.9") as inside, Phone(bench, "127.0.0.7") as outside:
            outside.ask(SMALL)
            outside.ask(Request(b"x", opcode=Opcode.WRQ))
            outside.ask(b"\0\7")
            assert await inside.hears_nothing_but(SMALL) == HELLO
            with pytest.raises(BlockingIOError):
                outside.sock.recv(100)
        assert bench.server.stats.refused == {"network": 3}


async def test_a_broadcast_is_not_answered() -> None:
    async with serving(FixedFiles(FILES), host="0.0.0.0") as bench:
        with Phone(bench) as phone:
            phone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            phone.sock.sendto(SMALL.encode(), ("127.255.255.255", bench.address[1]))
            phone.tid = ("127.0.0.1", bench.address[1])
            phone.say(SMALL)
            assert await phone.hear() == HELLO
        assert bench.server.stats.refused == {"broadcast": 1}


@pytest.mark.root
@pytest.mark.parametrize("port", [7, 19, 53, 69, 1023])
async def test_a_reflector_port_gets_no_octet(port: int) -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as reflector:
            reflector.bind(("127.0.0.66", port))
            for datagram in (SMALL.encode(), Request(b"x", opcode=Opcode.WRQ).encode(), b"\0\7"):
                reflector.sendto(datagram, bench.address)
            with Phone(bench) as phone:
                assert await phone.hears_nothing_but(SMALL) == HELLO
            with pytest.raises(BlockingIOError):
                reflector.recv(100)
        assert bench.server.stats.refused == {"port": 3}


async def test_without_sockets_left_clients_hear_nothing_and_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            monkeypatch.setattr("provd.tftp.berths.bound_socket", no_socket)
            phone.ask(SMALL)
            await until(lambda: bench.server.stats.refused == {"no socket: Too many open files": 1})
            assert bench.server.active == 0
            monkeypatch.undo()
            assert await phone.hears_nothing_but(SMALL) == HELLO


def no_socket(*_: object, **__: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")
