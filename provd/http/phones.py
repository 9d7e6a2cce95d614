"""HTTP for phones: GET and HEAD of the files that the file service has (RFC 9110, RFC 9112); and, on the same
listeners, the activation side for devices that are not phones.

Everything unknown and everything refused gets the same 404 without a body. Answers have an exact Content-Length, no
chunking and no content coding, which old phone firmware does not understand. The only facts told here are about
connections; who got which file is told by the file service.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import cast

from aiohttp import ClientPayloadError, HttpVersion11, web
from aiohttp.web_protocol import RequestPayloadError

from provd.app.files import FileReply, FileRequest, FileService
from provd.base.clock import Clock
from provd.base.errors import ConfigError, StorageError
from provd.base.facts import FactSink
from provd.http.activation.wire import Reply, Stored, ThingRequest
from provd.http.answer import Answer
from provd.http.conditional import Selection, select
from provd.http.connection import Connections, HttpStats, Limits, Phase, PhoneConnection, PhoneProtocols
from provd.http.door import Door
from provd.http.paths import UploadPaths
from provd.http.proxies import TrustedProxies
from provd.http.target import as_one_name, requested_path

_PIECE = 64 * 1024
_BACKLOG = 4096
_HANDSHAKES = 16
"""TLS connections taken up in one turn of the event loop: each costs a signature, and DHCP waits meanwhile."""
_TLS_GOODBYE = 5.0
_GET_OR_HEAD = frozenset({"GET", "HEAD"})
_UNKNOWN = b"Cache-Control: no-store\r\n"
_METHODS = b"Allow: GET, HEAD\r\n"


class PhoneServer:
    """The listeners that phones talk to."""

    def __init__(
        self,
        files: FileService,
        *,
        emit: FactSink,
        clock: Clock,
        proxies: TrustedProxies | None = None,
        limits: Limits | None = None,
        things: UploadPaths | None = None,
    ) -> None:
        self._files = files
        self._things = things
        self._limits = limits or Limits()
        self._connections = Connections(self._limits, proxies or TrustedProxies(), emit, clock)
        self._listeners: list[asyncio.Server] = []
        self._doors: list[Door] = []
        self._protocols: PhoneProtocols | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def stats(self) -> HttpStats:
        """Counters since the start."""
        return self._connections.stats

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Open one listener; gives the address it got (port 0 takes a free one). Raises ConfigError."""
        if self._protocols is None:
            self._protocols = PhoneProtocols(self._answer, self._connections)
            self._sweep()
        try:
            sock = _listening(host, port)
            if tls is None:
                door = Door(sock, self._files, self._connections, self._protocols.begun, things=self._things)
                self._doors.append(door)
                return door.address
            listener = await asyncio.get_running_loop().create_server(
                self._protocols,
                sock=sock,
                backlog=_HANDSHAKES,
                ssl=tls,
                ssl_handshake_timeout=self._limits.header,
                ssl_shutdown_timeout=_TLS_GOODBYE,
            )
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        # asyncio takes the number for both: connections accepted in a turn, and connections that the kernel keeps.
        sock.listen(_BACKLOG)
        self._listeners.append(listener)
        address = sock.getsockname()
        return address[0], address[1]

    async def close(self, grace: float = 5.0) -> None:
        """Stop listening, let answers in hand finish for ``grace`` seconds, close everything."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        doors, self._doors = self._doors, []
        for door in doors:
            door.close()
        if self._protocols is not None:
            self._protocols.pre_shutdown()
            # aiohttp takes the time twice: for what is in hand, and for what it then cancels.
            finishing = asyncio.gather(self._protocols.shutdown(grace), *(door.finish() for door in doors))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(finishing, grace)
            self._connections.abort()
            self._protocols = None
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def sweep(self, now: float) -> None:
        """Close connections that are over their time at ``now``, in the event loop's seconds."""
        self._connections.sweep(now)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.sweep(loop.time())
        self._sweeper = loop.call_later(self._limits.sweep, self._sweep)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(PhoneConnection, request.protocol)
        if request.version > HttpVersion11:
            # An answer has the version of what is spoken here, whatever the asker believes (RFC 9110 section 2.5).
            other = Answer(505, b"", self._connections.date)
            other.force_close()
            return other
        path = requested_path(request.raw_path)
        if self._things is not None and path is not None and self._things.knows(path):
            return await self._thing(request, connection, self._things, path)
        read = True
        if request.body_exists:
            connection.enter(Phase.BODY)
            read = await self._discard_body(request, connection)
            connection.enter(Phase.WORK)
        response: web.StreamResponse
        if request.method in _GET_OR_HEAD:
            response = await self._file(request, connection, path)
        else:
            response = Answer(405, _METHODS, self._connections.date)
        if not read:
            response.force_close()
        return response

    async def _discard_body(self, request: web.BaseRequest, connection: PhoneConnection) -> bool:
        """Read and drop a body of bearable size; False when the connection is of no further use."""
        if "Expect" in request.headers:
            return False  # RFC 9110 section 10.1.1: a final answer instead of 100 (Continue)
        if connection.last and not request.content.is_eof():
            return False  # the rest will never come
        left = self._limits.body_octets
        try:
            while octets := await request.content.readany():
                left -= len(octets)
                if left < 0:
                    return False
        except (RequestPayloadError, ClientPayloadError):
            return False
        return True

    async def _thing(
        self, request: web.BaseRequest, connection: PhoneConnection, things: UploadPaths, path: str
    ) -> web.StreamResponse:
        """The reply of the activation side; a body that does not come whole has no effect."""
        body: bytes | None = b""
        if things.uploads(request.method, path):
            return await self._upload(request, connection, things, path)
        if request.body_exists:
            connection.enter(Phase.BODY)
            try:
                body = await self._whole_body(request, connection, things.most_octets(path))
            except (RequestPayloadError, ClientPayloadError):
                broken = Answer(400, b"", self._connections.date)
                broken.force_close()
                return broken
            connection.enter(Phase.WORK)
        asked = self._thing_request(request, connection, path, body or b"")
        reply = await things.answer(asked) if body is not None else things.too_large(asked)
        if reply.stored is not None:
            return await self._send_stored(request, connection, reply.stored)
        response = Answer(reply.status, reply.lines, self._connections.date, reply.body)
        if body is None:
            response.force_close()
        return response

    def _thing_request(
        self, request: web.BaseRequest, connection: PhoneConnection, path: str, body: bytes
    ) -> ThingRequest:
        return ThingRequest(
            method=request.method,
            path=path,
            target=request.raw_path,
            headers=request.headers,
            body=body,
            peer=self._client(request, connection),
            local=connection.local,
            secure=connection.secure,
        )

    async def _upload(
        self, request: web.BaseRequest, connection: PhoneConnection, things: UploadPaths, path: str
    ) -> web.StreamResponse:
        """The reply to a content, which is taken while it comes; what does not come whole has no effect."""
        asked = self._thing_request(request, connection, path, b"")
        try:
            reply = await things.upload(asked, self._coming(request, connection))
        except (RequestPayloadError, ClientPayloadError):
            reply = Reply(400)
        response = Answer(reply.status, reply.lines, self._connections.date, reply.body)
        if not request.content.is_eof():
            response.force_close()
        connection.enter(Phase.WORK)
        return response

    @staticmethod
    async def _coming(request: web.BaseRequest, connection: PhoneConnection) -> AsyncIterator[bytes]:
        """The body as it comes. Raises aiohttp's errors when it ends too early."""
        if not request.body_exists:
            return
        if connection.last and not request.content.is_eof():
            raise RequestPayloadError("the rest will never come")
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        connection.enter(Phase.BODY)
        while octets := await request.content.readany():
            connection.enter(Phase.WORK)
            yield octets
            connection.enter(Phase.BODY)

    async def _send_stored(
        self, request: web.BaseRequest, connection: PhoneConnection, stored: Stored
    ) -> web.StreamResponse:
        """A stored body, or the part of it that was asked for. A small one leaves with its head, in one write."""
        chosen = select(request.method, request.headers, etag=stored.etag, size=stored.size, ranges=True)
        headers = {"ETag": f'"{stored.etag}"', "Cache-Control": "no-store", "Accept-Ranges": "bytes"}
        if chosen.status in {200, 206}:
            headers["Content-Type"] = stored.type
        if chosen.status == 206:
            headers["Content-Range"] = f"bytes {chosen.start}-{chosen.stop - 1}/{stored.size}"
        elif chosen.status == 416:
            headers["Content-Range"] = f"bytes */{stored.size}"
        octets = stored.octets(chosen.start, chosen.stop)
        if chosen.status in {200, 206} and (chosen.stop - chosen.start > _PIECE or request.method == "HEAD"):
            return await self._send(request, connection, chosen, headers, octets)
        try:
            body = b"".join([piece async for piece in octets])
        except StorageError:
            return Answer(503, b"Retry-After: 10\r\n", self._connections.date)
        return Answer(chosen.status, _lines(headers), self._connections.date, body)

    async def _whole_body(self, request: web.BaseRequest, connection: PhoneConnection, most: int) -> bytes | None:
        """The body, or None when it has more octets than that. Raises aiohttp's errors when it ends too early."""
        if (request.content_length or 0) > most:
            return None
        if connection.last and not request.content.is_eof():
            raise RequestPayloadError("the rest will never come")
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = bytearray()
        while octets := await request.content.readany():
            body += octets
            if len(body) > most:
                return None
        return bytes(body)

    def _client(self, request: web.BaseRequest, connection: PhoneConnection) -> str:
        if not connection.proxied:
            return connection.peer
        return self._connections.proxies.client(connection.peer, request.headers.getall("X-Forwarded-For", ()))

    async def _file(
        self, request: web.BaseRequest, connection: PhoneConnection, path: str | None
    ) -> web.StreamResponse:
        asked = self._file_request(request, connection, path or as_one_name(request.raw_path))
        if path is None:
            # Asked for the sake of its counters and facts only: what can be read in two ways is never served.
            self._files.ready(asked)
            return Answer(404, _UNKNOWN, self._connections.date)
        reply = self._files.ready(asked)
        if reply is None:
            reply = await self._files.file(asked)
        if not reply.found:
            return Answer(404, _UNKNOWN, self._connections.date)
        chosen = select(request.method, request.headers, etag=reply.etag, size=len(reply.body), ranges=reply.large)
        delivered = chosen.stop == len(reply.body) and chosen.status in {200, 206} and request.method == "GET"
        if delivered or chosen.status == 304:
            connection.when_written = partial(self._files.served, asked, reply, unchanged=chosen.status == 304)
        headers = _headers(reply, chosen)
        if reply.large or not isinstance(reply.body, bytes):
            if chosen.status in {200, 206}:
                return await self._stream(request, connection, chosen, headers, memoryview(reply.body))
            body = b""
        else:
            body = reply.body if chosen.status == 200 else b""
        return Answer(chosen.status, _lines(headers), self._connections.date, body)

    def _file_request(self, request: web.BaseRequest, connection: PhoneConnection, path: str) -> FileRequest:
        return FileRequest(
            via="http",
            path=path,
            peer=self._client(request, connection),
            local=connection.local,
            user_agent=request.headers.get("User-Agent", ""),
            direct=not connection.proxied,
            secure=connection.secure,
        )

    async def _stream(
        self,
        request: web.BaseRequest,
        connection: PhoneConnection,
        chosen: Selection,
        headers: dict[str, str],
        body: memoryview,
    ) -> web.StreamResponse:
        """A large body in pieces: without a copy of the whole, and so that a reader's progress can be seen."""

        async def pieces() -> AsyncGenerator[memoryview]:
            for start in range(chosen.start, chosen.stop, _PIECE):
                yield body[start : min(start + _PIECE, chosen.stop)]

        return await self._send(request, connection, chosen, headers, pieces())

    @staticmethod
    async def _send(
        request: web.BaseRequest,
        connection: PhoneConnection,
        chosen: Selection,
        headers: dict[str, str],
        pieces: AsyncGenerator[bytes] | AsyncGenerator[memoryview],
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=chosen.status, headers={"Server": "provd", **headers})
        response.content_length = chosen.stop - chosen.start
        connection.enter(Phase.ANSWER)
        try:
            await response.prepare(request)
            if request.method == "GET":
                async with contextlib.aclosing(pieces):
                    async for piece in pieces:
                        await response.write(piece)
                        connection.enter(Phase.ANSWER)
            await response.write_eof()
        except ConnectionError:
            connection.when_written = None
            response.force_close()
        except StorageError:
            # It went away while it was sent, and what was promised can only be broken off.
            connection.abort()
        return response


def _listening(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.settimeout(0)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _headers(reply: FileReply, chosen: Selection) -> dict[str, str]:
    headers = {"Cache-Control": "no-store" if reply.private else "no-cache"}
    if reply.etag:
        headers["ETag"] = f'"{reply.etag}"'
    if chosen.status in {200, 206}:
        headers["Content-Type"] = reply.content_type
        if reply.coding:
            headers["Content-Encoding"] = reply.coding
    if reply.large:
        headers["Accept-Ranges"] = "bytes"
    if chosen.status == 206:
        headers["Content-Range"] = f"bytes {chosen.start}-{chosen.stop - 1}/{len(reply.body)}"
    elif chosen.status == 416:
        headers["Content-Range"] = f"bytes */{len(reply.body)}"
    return headers


def _lines(headers: dict[str, str]) -> bytes:
    """Header lines. Raises ValueError for values that would begin another line, or are not ASCII."""
    text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if text.count("\n") != len(headers) or text.count("\r") != len(headers):
        raise ValueError(f"a header value has a line break: {headers!r}")
    return text.encode("ascii")
