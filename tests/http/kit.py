"""What the HTTP tests share: a file service out of a dictionary, a clock to move, and a client that speaks raw HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from provd.app.files import UNKNOWN, FileReply, FileRequest
from provd.base.facts import Fact
from provd.http.connection import Limits
from provd.http.listening import page_socket
from provd.http.page import PageServer
from provd.http.phones import PhoneServer
from provd.http.proxies import TrustedProxies
from tests.kit.patience import PATIENCE


class FixedClock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


@dataclass
class DictFiles:
    """Files by last path segment; ``slow`` ones have to be rendered first."""

    files: dict[str, FileReply] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    asked: list[FileRequest] = field(default_factory=list)
    delivered: list[tuple[str, bool]] = field(default_factory=list)
    gate: asyncio.Event | None = None

    def ready(self, request: FileRequest) -> FileReply | None:
        self.asked.append(request)
        name = request.path.rpartition("/")[2]
        return None if name in self.slow else self.files.get(name, UNKNOWN)

    async def file(self, request: FileRequest) -> FileReply:
        if self.gate is not None:
            await self.gate.wait()
        return self.files.get(request.path.rpartition("/")[2], UNKNOWN)

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        self.delivered.append((request.path, unchanged))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    head: bytes


class RawClient:
    """A TCP client that sends exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode("latin-1") if isinstance(text, str) else text)

    async def ask(self, line: str, *headers: str, body: bytes = b"") -> Answer:
        method = line.split(" ", 1)[0]
        self.send("\r\n".join([f"{line} HTTP/1.1", "Host: provd", *headers, "", ""]).encode("latin-1") + body)
        return await self.answer(with_body=method != "HEAD")

    async def answer(self, *, with_body: bool = True) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", "0")) if with_body else 0
        return Answer(int(status.split()[1]), headers, await self.reader.readexactly(length), head)

    async def closed(self) -> bool:
        """True when the server closes without another octet."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.writer.close()


@dataclass
class Bed:
    server: PhoneServer
    files: DictFiles
    facts: list[Fact]
    clock: FixedClock
    port: int
    clients: list[RawClient] = field(default_factory=list)

    async def client(self) -> RawClient:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client


@asynccontextmanager
async def phone_bed(
    files: DictFiles | None = None, *, trusted: tuple[str, ...] = (), limits: Limits | None = None
) -> AsyncIterator[Bed]:
    """A running server on a free port. The sweep is left to the test, which knows what time it is."""
    files, clock, facts = files or DictFiles(), FixedClock(), []
    server = PhoneServer(
        files,
        emit=facts.append,
        clock=clock,
        proxies=TrustedProxies(trusted),
        limits=limits or Limits(sweep=3600),
    )
    _, port = await server.listen("127.0.0.1", 0)
    bed = Bed(server, files, facts, clock, port)
    try:
        yield bed
    finally:
        for client in bed.clients:
            client.close()
        await server.close(grace=0.2)


async def until(condition) -> None:
    """Let the loop run until something is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the condition is about sockets, which set no event
            await asyncio.sleep(0)


async def port_of(page: PageServer) -> int:
    """The page is served on a free port of 127.0.0.1."""
    listener = page_socket("127.0.0.1", 0)
    await page.serve(listener)
    port: int = listener.getsockname()[1]
    return port
