"""A manager interface that behaves as Asterisk's does: greets, wants a login, puts events between its answers."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Self

from tests.kit.patience import PATIENCE

Block = dict[str, str]


@dataclass
class AmiServer:
    """``async with AmiServer() as pbx:``. What it was asked is in ``asked``; the NOTIFYs it would send in ``notified``.

    ``endpoints`` are known to chan_pjsip, ``peers`` to chan_sip. ``torn`` sends every octet in a segment of its own,
    ``mute`` names actions that get no answer, ``before`` octets that come before each answer.
    """

    username: str = "provd"
    secret: str = "s3cret"
    endpoints: set[str] = field(default_factory=set)
    peers: set[str] = field(default_factory=set)
    pjsip: bool = True
    banner: bytes = b"Asterisk Call Manager/5.0.1\r\n"
    torn: bool = False
    mute: set[str] = field(default_factory=set)
    before: bytes = b""
    asked: list[Block] = field(default_factory=list)
    notified: list[tuple[str, str, str]] = field(default_factory=list)
    contents: list[list[str]] = field(default_factory=list)
    """What each NOTIFY has beside its event, as the variables say it."""
    on_notify: Callable[[str, str], None] | None = None
    on_login: Callable[[], None] | None = None
    logins: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        await self.open()
        return self

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def down(self) -> None:
        """As when Asterisk is stopped: nobody listens, every connection is gone."""
        self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        try:
            await self._converse(stream, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._send(writer, self.banner)
        session = _Session(self)
        while True:
            raw = await stream.readuntil(b"\r\n\r\n")
            block: Block = {}
            variables: list[str] = []
            for line in raw.decode().split("\r\n"):
                key, colon, value = line.partition(": ")
                if key == "Variable":
                    variables.append(value)
                if colon:
                    block[key] = "\n".join(variables) if key == "Variable" else value
            self.asked.append(block)
            if block["Action"] in self.mute:
                continue
            answer = session.answer(block)
            await self._send(writer, self.before + _block({**answer, "ActionID": block.get("ActionID", "")}))

    async def _send(self, writer: asyncio.StreamWriter, octets: bytes) -> None:
        for piece in [octets[i : i + 1] for i in range(len(octets))] if self.torn else [octets]:
            writer.write(piece)
            await writer.drain()
            if self.torn:
                await asyncio.sleep(0)


class _Session:
    def __init__(self, server: AmiServer) -> None:
        self.server = server
        self.challenge = ""
        self.inside = False

    def answer(self, block: Block) -> Block:
        name = block["Action"].lower()
        if name == "challenge":
            self.challenge = "166987655"
            return {"Response": "Success", "Challenge": self.challenge}
        if name == "login":
            return self._login(block)
        if not self.inside:
            return _error("Permission denied")
        if name == "ping":
            return {"Response": "Success", "Ping": "Pong", "Timestamp": "1700000000.123456"}
        return self._told(name, block)

    def _told(self, name: str, block: Block) -> Block:
        if name == "pjsipnotify" and self.server.pjsip:
            return self._notify("PJSIP", block["Endpoint"], self.server.endpoints, block, "Unable to retrieve endpoint")
        if name == "sipnotify" and self.server.peers:
            return self._notify("SIP", block["Channel"], self.server.peers, block, "Could not create address")
        return _error("Invalid/unknown command: " + block["Action"] + ". Use Action: ListCommands to show available.")

    def _login(self, block: Block) -> Block:
        server = self.server
        key = hashlib.md5((self.challenge + server.secret).encode()).hexdigest()
        proven = block.get("Key") == key if self.challenge else block.get("Secret") == server.secret
        if block["Username"] != server.username or not proven:
            return _error("Authentication failed")
        self.inside = True
        server.logins += 1
        if server.on_login is not None:
            server.on_login()
        return {"Response": "Success", "Message": "Authentication accepted"}

    def _notify(self, kind: str, name: str, known: set[str], block: Block, refusal: str) -> Block:
        if name not in known:
            return _error(f"{refusal} {name}")
        event, *content = block["Variable"].removeprefix("Event=").split("\n")
        self.server.contents.append(content)
        self.server.notified.append((kind, name, event))
        if self.server.on_notify is not None:
            self.server.on_notify(name, event)
        return {"Response": "Success", "Message": "NOTIFY sent"}


def _error(text: str) -> Block:
    return {"Response": "Error", "Message": text}


def _block(fields: Block) -> bytes:
    return "".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode() + b"\r\n"


EVENTS = _block({"Event": "PeerStatus", "Peer": "PJSIP/101", "PeerStatus": "Registered"}) + _block(
    {"Event": "FullyBooted", "Status": "Fully Booted", "Uptime": "12"}
)
"""What Asterisk may send at any time, whether it was asked for or not."""


class AmiThread:
    """``with AmiThread(endpoints={…}) as pbx:`` the same in a thread of its own, beside a daemon under test."""

    def __init__(self, **changes: object) -> None:
        self.logged_in = threading.Event()
        self.pbx = AmiServer(on_login=self.logged_in.set, **changes)  # type: ignore[arg-type]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> AmiServer:
        self._thread.start()
        self._do(self.pbx.__aenter__())
        return self.pbx

    def __exit__(self, *_: object) -> None:
        self._do(self.pbx.down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def down(self) -> None:
        """Asterisk is stopped."""
        self._do(self.pbx.down())

    def up(self) -> None:
        """And started again."""
        self._do(self.pbx.open())

    def _do(self, what: Coroutine[object, object, object]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE)
