import asyncio
import errno
import os
import socket
import struct

from provd.app.files import FileReply
from provd.http.connection import Connections, Limits, Phase
from provd.http.door import Door
from provd.http.proxies import TrustedProxies
from tests.http.kit import DictFiles, FixedClock, RawClient, phone_bed, until
from tests.kit.patience import PATIENCE

SMALL = FileReply(found=True, body=b"small\n", etag="s1")
PAGE = FileReply(found=True, body=os.urandom(48 * 1024), etag="p1")
PLAIN = "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n"


def later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def clogged(bed) -> RawClient:
    """A client that has asked for more than fits into the buffers and does not read it yet."""
    for door in bed.server._doors:
        # Connections that are accepted take after their listener.
        door._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.settimeout(0)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", bed.port))
    phone = RawClient(*await asyncio.open_connection(sock=sock, limit=1 << 20))
    bed.clients.append(phone)
    phone.writer.transport.pause_reading()
    phone.send(PLAIN.format("page"))
    await until(lambda: {caller.phase for door in bed.server._doors for caller in door.callers} == {Phase.ANSWER})
    return phone


async def test_an_answer_for_which_there_is_no_room_is_sent_on_when_there_is():
    files = DictFiles({"page": PAGE})
    async with phone_bed(files) as bed:
        phone = await clogged(bed)
        assert files.delivered == []
        phone.writer.transport.resume_reading()
        assert (await phone.answer()).body == PAGE.body
        await until(lambda: files.delivered)
        assert (await phone.ask("GET /page")).body == PAGE.body


async def test_who_does_not_read_a_small_file_is_cut_too():
    files = DictFiles({"page": PAGE})
    async with phone_bed(files) as bed:
        await clogged(bed)
        bed.server.sweep(later(59))
        assert bed.server.stats.open == 1
        bed.server.sweep(later(60.1))
        assert bed.server.stats.open == 0
        assert bed.server.stats.cut == {"answer": 1}
        assert files.delivered == []


async def test_an_answer_that_is_being_read_is_finished_before_the_end():
    async with phone_bed(DictFiles({"page": PAGE})) as bed:
        phone = await clogged(bed)
        closing = asyncio.ensure_future(bed.server.close(grace=PATIENCE))
        phone.writer.transport.resume_reading()
        assert (await phone.answer()).body == PAGE.body
        assert await phone.closed()
        await closing


async def test_a_kept_connection_may_change_to_the_long_way_and_is_counted_once():
    async with phone_bed(DictFiles({"a.cfg": SMALL})) as bed:
        phone = await bed.client()
        assert (await phone.ask("GET /a.cfg")).body == SMALL.body
        assert (await phone.ask("GET /a.cfg", "X-Any: thing")).body == SMALL.body
        assert (await phone.ask("GET /a.cfg")).body == SMALL.body
        assert (bed.server.stats.open, bed.server.stats.connections) == (1, 1)
        phone.close()
        await until(lambda: bed.server.stats.open == 0)
        assert bed.files.delivered == [("/a.cfg", False)] * 3


async def test_who_resets_its_connection_before_the_long_way_begins_is_counted_out():
    async with phone_bed(DictFiles({"a.cfg": SMALL}), limits=Limits(sweep=3600, per_address=3)) as bed:
        for number in range(1, 5):
            with socket.create_connection(("127.0.0.1", bed.port)) as phone:
                phone.sendall(b"GET /a.cfg HTTP/1.1\r\nX-Any: thing\r\n\r\n")
                phone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await until(lambda: bed.server.stats.connections == number and bed.server.stats.open == 0)  # noqa: B023
        assert (await (await bed.client()).ask("GET /a.cfg")).body == SMALL.body


async def test_a_header_in_pieces_is_read_to_its_end():
    async with phone_bed(DictFiles({"a.cfg": SMALL})) as bed:
        phone = await bed.client()
        for piece in ("GET /a.c", "fg HTTP/1.1\r\nHo", "st: x\r\n", "\r\n"):
            phone.send(piece)
            await asyncio.sleep(0.01)
        assert (await phone.answer()).body == SMALL.body


async def test_who_hangs_up_while_its_file_is_made_harms_nobody():
    files = DictFiles({"a.cfg": SMALL}, slow={"a.cfg"}, gate=asyncio.Event())
    async with phone_bed(files) as bed:
        phone, other = await bed.client(), await bed.client()
        phone.send(PLAIN.format("a.cfg"))
        other.send(PLAIN.format("a.cfg"))
        await until(lambda: len(files.asked) == 2)
        phone.writer.transport.abort()
        files.gate.set()
        assert (await other.answer()).body == SMALL.body
        await until(lambda: bed.server.stats.open == 1)
        assert bed.facts == []


async def test_a_defect_after_the_answer_is_told_and_sends_nothing_more():
    class Forgetful(DictFiles):
        def served(self, request, reply, *, unchanged=False):
            raise RuntimeError("where was I")

    async with phone_bed(Forgetful({"a.cfg": SMALL})) as bed:
        phone = await bed.client()
        for _ in range(2):
            answer = await phone.ask("GET /a.cfg")
            assert (answer.status, answer.body) == (200, SMALL.body)
        assert [fact.reason for fact in bed.facts] == ["RuntimeError: where was I"] * 2


async def test_a_file_that_turns_out_large_goes_the_long_way():
    image = FileReply(found=True, body=memoryview(os.urandom(1 << 20)), etag="f1", large=True)
    files = DictFiles({"fw.rom": image}, slow={"fw.rom"})
    async with phone_bed(files) as bed:
        phone = await bed.client()
        assert (await phone.ask("GET /fw.rom")).body == bytes(image.body)
        await until(lambda: files.delivered)
        assert files.delivered == [("/fw.rom", False)]


class Exhausted(socket.socket):
    """A listening socket for which the kernel has no descriptors at first."""

    refusals = 1

    def accept(self):
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


async def test_without_descriptors_it_takes_a_rest_and_goes_on():
    told = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"].errno))
    listener = Exhausted(socket.AF_INET, socket.SOCK_STREAM)
    listener.settimeout(0)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    clock = FixedClock()
    connections = Connections(Limits(), TrustedProxies(), [].append, clock)
    door = Door(listener, DictFiles({"a.cfg": SMALL}), connections, DictFiles, rest=0.02)
    phone = RawClient(*await asyncio.open_connection(*door.address))
    assert (await phone.ask("GET /a.cfg")).body == SMALL.body
    assert told == [errno.EMFILE]
    phone.close()
    door.close()
    connections.abort()
