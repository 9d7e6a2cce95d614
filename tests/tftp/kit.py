"""What the server tests share: files, a clock that stands still, and a client socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from provd.app.files import UNKNOWN, FileReply, FileRequest
from provd.base.facts import Fact
from provd.tftp.packet import Packet, Request, decode
from provd.tftp.server import TftpServer
from tests.kit.patience import PATIENCE
from tests.tftp.client import Reader


class StillClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


class FixedFiles:
    """Files by name; names in ``slow`` have to be rendered, which takes until ``rendered`` is set."""

    def __init__(self, files: dict[str, bytes], *, slow: frozenset[str] = frozenset(), large: bool = False) -> None:
        self.replies = {name: FileReply(found=True, body=body, large=large) for name, body in files.items()}
        self.slow = slow
        self.rendered = asyncio.Event()
        self.asked: list[FileRequest] = []
        self.delivered: list[str] = []

    def ready(self, request: FileRequest) -> FileReply | None:
        self.asked.append(request)
        if request.path in self.slow:
            return None
        return self.replies.get(request.path, UNKNOWN)

    def file(self, request: FileRequest) -> Awaitable[FileReply]:
        async def render() -> FileReply:
            await self.rendered.wait()
            return self.replies.get(request.path, UNKNOWN)

        return render()

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        assert reply.found
        assert not unchanged
        self.delivered.append(request.path)


class Bench:
    """A running server with everything a test looks at."""

    def __init__(self, server: TftpServer, files: FixedFiles, clock: StillClock, facts: list[Fact]) -> None:
        self.server = server
        self.files = files
        self.clock = clock
        self.facts = facts

    @property
    def address(self) -> tuple[str, int]:
        return self.server.addresses[0]


@asynccontextmanager
async def serving(files: FixedFiles, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[Bench]:
    clock, facts = StillClock(), []
    server = TftpServer(files, facts.append, clock, listen=[(host, 0)], **options)
    await server.start()
    try:
        yield Bench(server, files, clock, facts)
    finally:
        await server.close()


class Phone:
    """A client socket: ``ask`` the server, ``hear`` what comes, ``say`` something to where it came from."""

    def __init__(self, bench: Bench, address: str = "127.0.0.1") -> None:
        self.bench = bench
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind((address, 0))
        self.tid = bench.address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, request: Request | bytes) -> None:
        datagram = request if isinstance(request, bytes) else request.encode()
        self.sock.sendto(datagram, self.bench.address)

    def say(self, packet: Packet | bytes) -> None:
        self.sock.sendto(packet if isinstance(packet, bytes) else packet.encode(), self.tid)

    async def hear(self) -> Packet:
        async with asyncio.timeout(PATIENCE):
            datagram, self.tid = await asyncio.get_running_loop().sock_recvfrom(self.sock, 70_000)
        return decode(datagram)

    async def hears_nothing_but(self, request: Request) -> Packet:
        """Whatever was sent before got no answer: the first thing heard is the answer to this request."""
        self.ask(request)
        return await self.hear()

    async def read(self, request: Request) -> Reader:
        """Fetch a whole file."""
        reader = Reader(request)
        self.ask(request)
        while not reader.done and reader.error is None:
            packet = await self.hear()
            for datagram in reader.receive(packet.encode(), 0.0):
                self.say(datagram)
        return reader


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the condition is about sockets, which set no event
            await asyncio.sleep(0)
