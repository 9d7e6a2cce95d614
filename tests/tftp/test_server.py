"""The real server on loopback, spoken to through real sockets; only the clock stands still."""

from __future__ import annotations

import socket
from collections.abc import Awaitable

import pytest

from provd.app.files import FileReply, FileRequest
from provd.base.errors import ConfigError
from provd.base.facts.daemon import InternalError
from provd.base.facts.tftp import TftpAbandoned, TftpRefused
from provd.base.types import Mac
from provd.tftp.limits import Limits
from provd.tftp.packet import Ack, Data, Error, OptionAck, Packet, Request
from provd.tftp.server import TftpServer
from tests.kit.patience import PATIENCE
from tests.tftp.kit import FixedFiles, Phone, StillClock, serving, until

NAME = b"805ec0112233.cfg"
BODY = bytes(i % 256 for i in range(1300))
FILES = {NAME.decode(): BODY, "small.cfg": b"hello\n", "empty.cfg": b"", "fw.rom": bytes(range(256)) * 2000}
SMALL = Request(b"small.cfg")
HELLO = Data(1, b"hello\n")


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


async def test_a_coded_file_is_not_there_for_nothing_could_say_so() -> None:
    files = FixedFiles({})
    phones = Mac("805ec0112233"), Mac("805ec0112244")
    for mac in phones:
        files.replies[f"{mac}.enc"] = FileReply(found=True, body=b"octets", coding="aes128gcm", mac=mac, boot="b1")
    async with serving(files) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(b"nothing.cfg"))
            unknown = await phone.hear()
            for mac in (*phones, phones[0]):
                phone.ask(Request(f"{mac}.enc".encode()))
                assert await phone.hear() == unknown == Error(1, "file not found")
    told = [fact for fact in bench.facts if isinstance(fact, TftpRefused)]
    assert [(fact.mac, fact.boot, fact.reason, fact.name, fact.count) for fact in told] == [
        (mac, "b1", "coding", f"{mac}.enc", 1) for mac in phones
    ], "the operator reads why, each device once a minute"
    assert bench.server.stats.refused == {"coding": 3}


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
    monkeypatch.setattr("provd.tftp.server.can_segment", lambda _udp: False)
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            options = {"blksize": "1000", "windowsize": "8"}
            assert (await phone.read(Request(b"fw.rom", options=options))).content == FILES["fw.rom"]


async def test_windows_that_the_kernel_refuses_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provd.tftp.sender.MOST_SEGMENTS", 200)  # no kernel takes more than 128
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
        await until(lambda: bench.server.stats.refused == {"busy": 1})
        assert bench.server.active == 4
        for phone, waiting in zip(phones[:2], phones[4:6], strict=True):
            phone.say(Ack(1))
            assert await waiting.hear() == HELLO
        phones[2].say(Ack(1))
        await until(lambda: bench.server.active == 3)
        assert await phones[6].hears_nothing_but(SMALL) == HELLO, "no ERROR has told it to give up"
        with Phone(bench, "127.0.0.2") as other:
            other.ask(SMALL)
            assert await other.hear() == HELLO
        for phone in phones:
            phone.sock.close()
        assert [fact.reason for fact in bench.facts if isinstance(fact, TftpRefused)] == ["busy"]


async def test_what_was_lost_may_be_cut_on_its_way() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME, options={"blksize": "1400"}))
            await phone.hear()
            phone.say(Ack(0))
            first = await phone.hear()
            (flight,) = bench.server._flights.values()
            discovers = flight.sock.getsockopt(socket.IPPROTO_IP, 10)  # IP_MTU_DISCOVER
            bench.clock.at += 2
            assert await phone.hear() == first
            assert discovers, "routers that say so are heard, and later files come in smaller blocks"
            assert flight.sock.getsockopt(socket.IPPROTO_IP, 10) == 0, "but a silent one loses nothing twice"


async def test_a_clock_that_is_set_forward_ends_no_transfer() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME))
            await phone.hear()
            bench.clock.at += 86400
            bench.server.leapt(86400)
            (flight,) = bench.server._flights.values()
            assert flight.transfer.deadline > bench.clock.at
            for block in (1, 2, 3):
                phone.say(Ack(block))
                if block < 3:
                    assert isinstance(await phone.hear(), Data)
            await until(lambda: bench.server.active == 0)
        assert bench.files.delivered == [NAME.decode()]
        assert bench.server.stats.resent == 0


async def test_who_leaves_with_the_last_block_has_the_file() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(NAME))
            for block in (1, 2):
                await phone.hear()
                phone.say(Ack(block))
            assert len((await phone.hear()).payload) < 512  # and its ACK is lost
        bench.clock.at += 2
        await until(lambda: bench.server.active == 0)
        assert bench.files.delivered == [NAME.decode()]
        assert bench.facts == []
        with Phone(bench) as phone:
            phone.ask(SMALL)
            await phone.hear()
        bench.clock.at += 2
        await until(lambda: bench.server.active == 0)
        assert bench.files.delivered == [NAME.decode()], "who has acknowledged nothing may be forged"


@pytest.mark.parametrize("far", [False, True])
async def test_a_large_file_has_the_time_that_its_blocks_take(far: bool) -> None:
    limits = Limits(seconds=90.0, block_seconds=0.5 if far else 0.01)
    async with serving(FixedFiles(FILES), limits=limits) as bench:
        with Phone(bench) as phone:
            phone.ask(Request(b"fw.rom"))
            await phone.hear()
            phone.say(Ack(1))
            second = await phone.hear()
            bench.clock.at += 100  # a thousand blocks, and a tenth of a second for each round trip
            answer = await phone.hear()
            assert answer == second if far else isinstance(answer, Error)


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


async def test_on_all_addresses_the_answer_comes_from_the_one_that_was_asked() -> None:
    async with serving(FixedFiles(FILES), host="0.0.0.0") as bench:
        with Phone(bench) as phone:
            for request in (SMALL, Request(b"nothing")):
                phone.sock.sendto(request.encode(), ("127.0.0.77", bench.address[1]))
                await phone.hear()
                assert phone.tid[0] == "127.0.0.77"
            assert bench.files.asked[0].local == "127.0.0.77"


async def test_closing_lets_transfers_finish() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone:
            phone.ask(SMALL)
            assert await phone.hear() == HELLO
            phone.say(Ack(1))
            await bench.server.close(grace=PATIENCE)
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
