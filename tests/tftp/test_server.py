"""The real server on loopback, spoken to through real sockets; only the clock stands still."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable

import pytest

from provd.app.files import FileReply, FileRequest
from provd.base.errors import ConfigError
from provd.base.facts.daemon import InternalError
from provd.base.facts.tftp import TftpAbandoned, TftpMalformed, TftpRefused
from provd.tftp.packet import Ack, Data, Error, Opcode, OptionAck, Packet, Request
from provd.tftp.server import Limits, TftpServer
from tests.tftp.kit import FixedFiles, Phone, StillClock, serving, until

NAME = b"805ec0112233.cfg"
BODY = bytes(i % 256 for i in range(1300))
FILES = {NAME.decode(): BODY, "small.cfg": b"hello\n", "empty.cfg": b"", "fw.rom": bytes(range(256)) * 2000}
SMALL = Request(b"small.cfg")
HELLO = Data(1, b"hello\n")
CONSTANT_TEXTS = {
    "file not found",
    "read only",
    "unknown mode",
    "busy, try again",
    "use octet mode",
    "unknown transfer ID",
}


async def test_a_file_from_request_to_served() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            reader = await phone.read(Request(NAME))
            assert reader.content == BODY
            assert phone.tid[1] != bench.address[1]
            await until(lambda: bench.server.active == 0)
        assert bench.files.delivered == [NAME.decode()]
        assert bench.files.asked == [FileRequest(via="tftp", path=NAME.decode(), peer="127.0.0.1", local="127.0.0.1")]
        assert (bench.server.stats.started, bench.server.stats.completed) == (1, 1)
        assert bench.facts == []


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 5000])
@pytest.mark.parametrize("options", [{}, {"blksize": "8"}, {"blksize": "512", "windowsize": "16", "tsize": "0"}])
async def test_sizes_and_options(size: int, options: dict[str, str]) -> None:
    body = (BODY * 4)[:size]
    async with serving(FixedFiles({"x": body})) as bench:
        with Phone(bench) as phone:
            reader = await phone.read(Request(b"x", options=options))
    assert reader.content == body
    assert reader.sizes[-1] < int(options.get("blksize", "512"))


async def test_a_large_file_through_segmented_windows_and_through_a_connected_socket() -> None:
    async with serving(FixedFiles(FILES, large=True)) as bench:
        with Phone(bench) as phone:
            for options in ({"blksize": "1428", "windowsize": "16"}, {"blksize": "1428"}, {"blksize": "65464"}):
                assert (await phone.read(Request(b"fw.rom", options=options))).content == FILES["fw.rom"]


async def test_a_kernel_without_segmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provd.tftp.server.can_segment", lambda: False)
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            options = {"blksize": "1000", "windowsize": "8"}
            assert (await phone.read(Request(b"fw.rom", options=options))).content == FILES["fw.rom"]


async def test_windows_that_the_kernel_refuses_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provd.tftp.sender._MOST_SEGMENTS", 200)  # no kernel takes more than 128
    async with serving(FixedFiles(FILES), limits=Limits(windowsize=200)) as bench:
        with Phone(bench) as phone:
            options = {"blksize": "8", "windowsize": "200"}
            assert (await phone.read(Request(NAME, options=options))).content == BODY


async def test_blksize_is_clamped_to_the_mtu_of_the_route() -> None:
    for mtu, granted in ((None, "65464"), (1500, "1468")):  # the loopback device has 65536
        async with serving(FixedFiles(FILES), mtu=mtu) as bench:
            with Phone(bench) as phone:
                phone.ask(Request(b"fw.rom", options={"blksize": "65464"}))
                assert await phone.hear() == OptionAck({"blksize": granted})


async def test_a_leading_slash_is_tolerated() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            assert (await phone.read(Request(b"/small.cfg"))).content == b"hello\n"
            assert (await phone.read(Request(b"small.cfg", "netascii"))).content == b"hello\r\n"


async def test_tsize_in_netascii_is_the_size_that_travels() -> None:
    async with serving(FixedFiles({"x": b"a\r\nb\n"})) as bench:
        with Phone(bench) as phone:
            reader = await phone.read(Request(b"x", "netascii", {"tsize": "0"}))
    assert reader.content == b"a\r\0\r\nb\r\n"
    assert reader.options == {"tsize": "8"}


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


async def test_time_outs_on_the_wire() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(SMALL)
            for pause in (0, 1, 4):
                bench.clock.at += pause
                assert await phone.hear() == HELLO
            bench.clock.at += 5
            await until(lambda: bench.server.active == 0)
            phone.say(Ack(1))
            assert await phone.hears_nothing_but(SMALL) == HELLO
        (fact,) = bench.facts
        assert isinstance(fact, TftpAbandoned)
        assert (fact.name, fact.blocks, fact.of, fact.retries) == ("small.cfg", 0, 1, 2)
        assert bench.files.delivered == []


async def test_a_closed_client_port_is_noticed_at_once() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME))
            await phone.hear()
            phone.say(Ack(1))
            await phone.hear()
        bench.clock.at += 1
        await until(lambda: bench.server.active == 0)
        (fact,) = bench.facts
        assert isinstance(fact, TftpAbandoned)
        assert (fact.reason, fact.blocks, fact.of) == ("the client's port is closed", 1, 3)


async def test_asking_for_the_size_only_is_no_failure() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME, options={"tsize": "0"}))
            assert await phone.hear() == OptionAck({"tsize": "1300"})
            phone.say(Error(8, "thank you"))
            await until(lambda: bench.server.active == 0)
        assert bench.facts == []


async def test_a_hundred_equal_requests_are_one_transfer() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            for _ in range(100):
                phone.ask(Request(NAME))
            assert await phone.hear() == Data(1, BODY[:512])
            await until(lambda: bench.server.stats.requests == 100)
            assert bench.server.active == 1
            assert (bench.server.stats.started, bench.server.stats.repeated) == (1, 99)
            phone.say(Ack(1))
            assert await phone.hear() == Data(2, BODY[512:1024])


async def test_a_client_that_boots_again_starts_again() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME))
            await phone.hear()
            phone.say(Ack(1))
            await phone.hear()
            first = phone.tid
            phone.ask(Request(NAME))  # a late copy: the client was heard just now
            assert await phone.hears_nothing_but(SMALL) == HELLO  # another file: a new transfer in its place
            assert phone.tid != first
            phone.say(Ack(1))
            await until(lambda: bench.server.active == 0)
        assert bench.server.stats.repeated == 1
        assert bench.server.stats.restarted == 1


async def test_four_transfers_of_one_address_and_the_others_wait() -> None:
    async with serving(FixedFiles(FILES), limits=Limits(waiting=2)) as bench:
        phones = [Phone(bench) for _ in range(7)]
        for phone in phones[:6]:
            phone.ask(SMALL)
        for phone in phones[:4]:
            assert await phone.hear() == HELLO
        await until(lambda: bench.server.stats.waited == 2)
        phones[4].ask(SMALL)  # again, while it waits
        phones[6].ask(SMALL)
        assert await phones[6].hear() == Error(0, "busy, try again")
        assert bench.server.active == 4
        for phone, waiting in zip(phones[:2], phones[4:6], strict=True):
            phone.say(Ack(1))
            assert await waiting.hear() == HELLO
        with Phone(bench, "127.0.0.2") as other:
            other.ask(SMALL)
            assert await other.hear() == HELLO
        for phone in phones:
            phone.sock.close()
        assert [fact.reason for fact in bench.facts if isinstance(fact, TftpRefused)] == ["busy"]


async def test_a_file_that_has_to_be_made_first() -> None:
    async with serving(FixedFiles(FILES, slow=frozenset({NAME.decode(), "gone.cfg"}))) as bench:
        with Phone(bench) as phone, Phone(bench) as other:
            for _ in range(3):
                phone.ask(Request(NAME))
            other.ask(Request(b"gone.cfg"))
            await until(lambda: bench.server.active == 2 and bench.server.stats.repeated == 2)
            bench.files.rendered.set()
            assert await phone.hear() == Data(1, BODY[:512])
            assert await other.hear() == Error(1, "file not found")
            assert bench.server.active == 1


async def test_another_request_while_a_file_is_made_takes_its_place() -> None:
    async with serving(FixedFiles(FILES, slow=frozenset({NAME.decode()}))) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME))
            assert await phone.hears_nothing_but(SMALL) == HELLO
            bench.files.rendered.set()
            phone.say(Ack(1))
            await until(lambda: bench.server.active == 0)
        assert bench.files.delivered == ["small.cfg"]


class BrokenFiles(FixedFiles):
    """A file service with a defect in every method."""

    def ready(self, request: FileRequest) -> FileReply | None:
        if request.path == "ready":
            raise RuntimeError("ready")
        return super().ready(request)

    def file(self, request: FileRequest) -> Awaitable[FileReply]:
        raise RuntimeError(request.path)

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        super().served(request, reply, unchanged=unchanged)
        raise RuntimeError("served")


async def test_defects_of_the_file_service_are_told_and_harm_nobody_else() -> None:
    async with serving(BrokenFiles(FILES, slow=frozenset({"file"}))) as bench:
        with Phone(bench) as phone:
            answers: list[Packet] = []
            for name in (b"ready", b"file"):
                phone.ask(Request(name))
                answers.append(await phone.hear())
            assert answers == [Error(1, "file not found")] * 2
            assert (await phone.read(SMALL)).content == b"hello\n"
            await until(lambda: bench.server.active == 0)
        assert [fact.reason for fact in bench.facts if isinstance(fact, InternalError)] == [
            "RuntimeError: ready",
            "RuntimeError: file",
            "RuntimeError: served",
        ]


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


async def test_on_all_addresses_the_answer_comes_from_the_one_that_was_asked() -> None:
    async with serving(FixedFiles(FILES), host="0.0.0.0") as bench:
        with Phone(bench) as phone:
            for request in (SMALL, Request(b"nothing")):
                phone.sock.sendto(request.encode(), ("127.0.0.77", bench.address[1]))
                await phone.hear()
                assert phone.tid[0] == "127.0.0.77"
            assert bench.files.asked[0].local == "127.0.0.77"


async def test_a_broadcast_is_not_answered() -> None:
    async with serving(FixedFiles(FILES), host="0.0.0.0") as bench:
        with Phone(bench) as phone:
            phone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            phone.sock.sendto(SMALL.encode(), ("127.255.255.255", bench.address[1]))
            phone.tid = ("127.0.0.1", bench.address[1])
            phone.say(SMALL)
            assert await phone.hear() == HELLO
        assert bench.server.stats.refused == {"broadcast": 1}


async def test_closing_lets_transfers_finish() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(SMALL)
            assert await phone.hear() == HELLO
            phone.say(Ack(1))
            await bench.server.close(grace=5)
            assert bench.files.delivered == ["small.cfg"]
            assert bench.server.addresses == []


async def test_closing_with_a_transfer_that_does_not_finish() -> None:
    async with serving(FixedFiles(FILES, slow=frozenset({NAME.decode()}))) as bench:
        with Phone(bench) as phone, Phone(bench) as other:
            phone.ask(SMALL)
            other.ask(Request(NAME))
            await phone.hear()
            await until(lambda: bench.server.active == 2)
            await bench.server.close(grace=0.01)


async def test_an_address_that_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        server = TftpServer(FixedFiles({}), print, StillClock(), listen=[("127.0.0.1", 0), taken.getsockname()])
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1:"):
            server.open()
        assert server.addresses == []
