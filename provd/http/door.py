"""The door for phones without TLS: accepts in batches and answers plain requests on the bare socket.

A boot storm is thousands of connections with one request each. asyncio's server makes a task, a transport and a
protocol for every one of them, and aiohttp a task and a dozen objects more: together six times the cost of the
answer. Here a connection is a socket that is usually read, answered and closed within the turn in which it was
accepted. What :mod:`provd.http.brief` does not understand is handed, with what was read of it, to aiohttp.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from multidict import CIMultiDict, CIMultiDictProxy

from provd.app.files import FileReply, FileRequest, FileService
from provd.base.drafts import drafted
from provd.base.facts.daemon import InternalError
from provd.http.activation.wire import Reply, ThingRequest
from provd.http.answer import status_line
from provd.http.brief import headers_of, read, read_form
from provd.http.connection import Connections, Phase, PhoneConnection
from provd.http.paths import UploadPaths
from provd.http.proxies import plain_address

_ACCEPT_BATCH = 64
"""Connections taken in one turn of the event loop, so that the other servers get theirs."""
_MOST_OCTETS = 8192
_LARGEST_BODY = 64 * 1024
"""Larger files go the long way, which writes them in pieces and watches the reader's progress."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_UNKNOWN = b"Cache-Control: no-store\r\n"
_DONT_WAIT = socket.MSG_DONTWAIT
_file_request = drafted(FileRequest)
_PLAIN = (True, False)
"""What comes through the door comes directly and without TLS."""

LongWay = Callable[[bytes], PhoneConnection]
"""Makes aiohttp's protocol object for a connection of which these octets have been read."""


class Door:
    """One listening socket, and the connections that came through it and are still ours.

    ``things`` answers the paths of devices that are not phones. ``rest`` is how many seconds it takes no connections
    when there are no descriptors left.
    """

    def __init__(
        self,
        listener: socket.socket,
        files: FileService,
        connections: Connections,
        long_way: LongWay,
        *,
        things: UploadPaths | None = None,
        rest: float = 1.0,
    ) -> None:
        self.files = files
        self.connections = connections
        self.long_way = long_way
        self.things = things
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self.callers: set[Caller] = set()
        self._listener = listener
        self._rest = rest
        host = listener.getsockname()[0]
        # Only behind the wildcard address has each connection to be asked where it arrived.
        self._local = "" if host in {"0.0.0.0", "::"} else plain_address(host)
        self._reopen: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._watch()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port, *_ = self._listener.getsockname()
        return host, port

    def _watch(self) -> None:
        self._reopen = None
        self.loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        """Take what waits for us."""
        now = self.loop.time()
        for _ in range(_ACCEPT_BATCH):
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._take_a_rest(error)
                return
            Caller(self, sock, plain_address(address[0]), self._local, now).welcome()

    def _take_a_rest(self, error: OSError) -> None:
        self.loop.remove_reader(self._listener.fileno())
        self._reopen = self.loop.call_later(self._rest, self._watch)
        self.loop.call_exception_handler({"message": "no descriptors left to accept with", "exception": error})

    def pass_on(self, sock: socket.socket, connection: PhoneConnection) -> None:
        """Give a socket to aiohttp."""
        task = self.loop.create_task(self._pass_on(sock, connection))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _pass_on(self, sock: socket.socket, connection: PhoneConnection) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: connection, sock)
        except OSError:
            self.connections.leave(connection)
            sock.close()

    async def finish(self) -> None:
        """Wait until no answer is owed any more. Called after :meth:`close`."""
        if self.callers:
            await self._empty.wait()

    def forget(self, caller: Caller) -> None:
        """A connection is gone, or no longer ours."""
        self.callers.discard(caller)
        if self.closing and not self.callers:
            self._empty.set()

    def close(self) -> None:
        """Stop listening and hang up where nothing is owed; answers in hand are finished."""
        self.closing = True
        if self._reopen is not None:
            self._reopen.cancel()
        else:
            self.loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for caller in tuple(self.callers):
            if caller.phase not in {Phase.WORK, Phase.ANSWER}:
                caller.abort()


class Caller:
    """One connection. At any moment it waits for a request, for the file service, or for room to write."""

    __slots__ = (
        "_asked", "_close", "_door", "_making", "_reply", "_sock", "_unsent", "_watched", "local", "peer", "phase",
        "proxied", "since",
    )  # fmt: skip

    def __init__(self, door: Door, sock: socket.socket, peer: str, local: str, now: float) -> None:
        self._door = door
        self._sock = sock
        self.peer = peer
        self.local = local
        self.proxied = door.connections.proxies.trusts(peer)
        self.phase = Phase.NEW
        self.since = now
        self._watched = False
        self._close = False
        self._unsent: memoryview | None = None
        self._asked: FileRequest | None = None
        self._reply: FileReply | None = None
        self._making: asyncio.Future[FileReply] | asyncio.Future[Reply] | None = None

    def welcome(self) -> None:
        """Begin: the first request is often here already."""
        if not self._door.connections.admit(self):
            self._sock.close()
            return
        self._door.callers.add(self)
        if not self.local:
            self.local = plain_address(self._sock.getsockname()[0])
        self._hear()

    def abort(self) -> None:
        """Close at once."""
        if self._making is not None:
            self._making.cancel()
        self._leave()
        self._sock.close()

    def _leave(self) -> None:
        """The socket is no longer ours to watch."""
        self._unwatch()
        if self._unsent is not None:
            self._door.loop.remove_writer(self._sock.fileno())
            self._unsent = None
        self._door.forget(self)
        self._door.connections.leave(self)

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._door.loop.add_reader(self._sock.fileno(), self._hear)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._door.loop.remove_reader(self._sock.fileno())

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.since = self._door.loop.time()

    def _hear(self) -> None:
        """Read a request and answer it."""
        try:
            octets = self._sock.recv(_MOST_OCTETS, _DONT_WAIT)
        except BlockingIOError:
            self._watch()
            return
        except OSError:
            octets = b""
        if not octets:
            self.abort()
            return
        if self.phase is Phase.IDLE:
            self._enter(Phase.HEADER)
        else:
            self.phase = Phase.HEADER
        brief = None if self.proxied else read(octets)
        things = self._door.things
        if brief is None or (things is not None and things.knows(brief.path)):
            if self.proxied or things is None or not self._is_form(octets, things):
                self._go_the_long_way(octets)
            return
        self._close = not brief.keep
        asked = _file_request("http", brief.path, self.peer, self.local, brief.user_agent, *_PLAIN)
        try:
            reply = self._door.files.ready(asked)
            if reply is not None:
                self._answer(asked, reply, octets)
                return
            making = asyncio.ensure_future(self._door.files.file(asked))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one request must not harm the others
            self._fault(error)
            return
        self._unwatch()
        self.phase = Phase.WORK
        self._making = making
        making.add_done_callback(lambda _: self._made(asked, making, octets))

    def _is_form(self, octets: bytes, things: UploadPaths) -> bool:
        """Whether these octets are a form for ``things`` that can be answered here; then it will be."""
        form = read_form(octets)
        if form is None or not things.knows(form.path) or len(form.body) > things.most_octets(form.path):
            return False
        self._close = not form.keep
        self._unwatch()
        self.phase = Phase.WORK
        headers = CIMultiDictProxy(CIMultiDict(form.headers))
        asked = ThingRequest("POST", form.path, form.path, headers, form.body, self.peer)
        replying = self._making = asyncio.ensure_future(things.answer(asked))
        replying.add_done_callback(self._replied)
        return True

    def _replied(self, replying: asyncio.Future[Reply]) -> None:
        """Answer: it is known what to."""
        if replying.cancelled():
            return
        self._making = None
        try:
            reply = replying.result()
            self._send(reply.status, reply.lines, reply.body)
        except Exception as error:  # noqa: BLE001 - as above
            self._fault(error)

    def _made(self, asked: FileRequest, making: asyncio.Future[FileReply], octets: bytes) -> None:
        """Answer: the file has been made."""
        if making.cancelled():
            return
        self._making = None
        try:
            self._answer(asked, making.result(), octets)
        except Exception as error:  # noqa: BLE001 - as above
            self._fault(error)

    def _fault(self, error: Exception) -> None:
        self._tell(error)
        self._close = True
        self._send(500, b"", b"")

    def _tell(self, error: Exception) -> None:
        connections = self._door.connections
        reason = f"{type(error).__name__}: {error}"
        connections.emit(InternalError(at=connections.clock.now(), where="http", reason=reason))

    def _answer(self, asked: FileRequest, reply: FileReply, octets: bytes) -> None:
        if not reply.found:
            self._send(404, _UNKNOWN, b"")
            return
        body = reply.body
        lines = headers_of(reply)
        if lines is None or reply.large or not isinstance(body, bytes) or len(body) > _LARGEST_BODY:
            self._go_the_long_way(octets)
            return
        self._asked, self._reply = asked, reply
        self._send(200, lines, body)

    def _send(self, status: int, lines: bytes, body: bytes) -> None:
        connections = self._door.connections
        self._close = self._close or self._door.closing
        end = b"Connection: close\r\n\r\n" if self._close else b"\r\n"
        # RFC 9110 section 8.6: no length where there cannot be a body.
        length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
        whole = b"".join((status_line(status), lines, connections.date(), length, end, body))
        connections.stats.answers[status] += 1
        try:
            sent = self._sock.send(whole, _DONT_WAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return
        if sent == len(whole):
            self._written()
            return
        self._unwatch()
        self._enter(Phase.ANSWER)
        self._unsent = memoryview(whole)[sent:]
        self._door.loop.add_writer(self._sock.fileno(), self._send_more)

    def _send_more(self) -> None:
        """There is room for more of the answer."""
        if self._unsent is None:
            return
        try:
            sent = self._sock.send(self._unsent, _DONT_WAIT)
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._enter(Phase.ANSWER)
            return
        self._unsent = None
        self._door.loop.remove_writer(self._sock.fileno())
        self._written()

    def _written(self) -> None:
        """The kernel has the whole answer."""
        asked, reply = self._asked, self._reply
        self._asked = self._reply = None
        if self._close or self._door.closing:
            self._leave()
            self._sock.close()
        else:
            self._enter(Phase.IDLE)
            self._watch()
        if asked is not None and reply is not None:
            try:
                self._door.files.served(asked, reply)
            except Exception as error:  # noqa: BLE001 - the phone has its answer, this is between us
                self._tell(error)

    def _go_the_long_way(self, octets: bytes) -> None:
        """Give the socket to aiohttp, with what was read."""
        self._unwatch()
        self._door.forget(self)
        connection = self._door.long_way(octets)
        self._door.connections.hand_over(self, connection)
        connection.peer = self.peer
        self._sock.settimeout(0)
        self._door.pass_on(self._sock, connection)
