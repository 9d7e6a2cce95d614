"""One connection of a phone: aiohttp's request handler with the deadlines and limits that it does not have.

aiohttp 3.14 closes an idle connection, but it gives a request body and a reader that stopped reading all the time
they want, and has no limit of connections per address. Here every connection is in one phase since one moment,
and a sweep closes what has been in its phase for too long: no timer per request on the hot path.
"""

from __future__ import annotations

import asyncio
import enum
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from yarl import URL

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.base.facts.http import ConnectionsLimited, SlowPeersCut
from provd.http.answer import Answer, DateLine
from provd.http.proxies import TrustedProxies, plain_address
from provd.http.tls import is_modern

_TOLD_AGAIN = 60.0
_TOLD_KEPT = 1024
_ROOT = URL("/")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ODD_AGENT = re.compile(rb"(?i)\nuser-agent:([^\r\n]*[\x01-\x08\x0b\x0c\x0e-\x1f\x7f][^\r\n]*)")
_OPTIONS: Mapping[str, Any] = MappingProxyType(
    # Our sweep keeps the time, so aiohttp's own timers are off or far away; facts take the place of logs.
    {"access_log": None, "tcp_keepalive": False, "lingering_time": 0, "auto_decompress": False}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long (seconds) and how much a client may take.

    ``header`` runs from the beginning of a connection, later from the first octet of a request, to the end of its
    header, ``body`` to the end of its body. ``answer`` is the longest time without progress while an answer is read: a
    phone that takes its firmware stops for the best part of a minute to erase its flash.
    ``body_octets`` of a body that nobody wants are read, so that the answer is not lost in a reset.
    """

    header: float = 10.0
    idle: float = 15.0
    body: float = 30.0
    answer: float = 60.0
    sweep: float = 1.0
    per_address: int = 256
    total: int = 10_000
    body_octets: int = 1 << 20


def _readable(data: bytes) -> bytes:
    """A header whose User-Agent has control characters, as some phones send it, with question marks in their place."""
    head = data.find(b"\r\n\r\n")
    found = _ODD_AGENT.search(data, 0, len(data) if head < 0 else head)
    if found is None:
        return data
    start, end = found.span(1)
    return data[:start] + _CONTROL.sub(b"?", data[start:end]) + data[end:]


class Phase(enum.Enum):
    """What a connection waits for."""

    NEW = "new"
    """Open, and nothing heard yet."""
    IDLE = "idle"
    HEADER = "header"
    BODY = "body"
    WORK = "work"
    """Our own work, which has limits of its own (rendering)."""
    ANSWER = "answer"


_SILENT = frozenset({Phase.NEW, Phase.IDLE})
_AT_WORK = frozenset({Phase.WORK, Phase.ANSWER})


@dataclass(slots=True)
class HttpStats:
    """Counters since the start, read by metrics and the status page."""

    connections: int = 0
    refused_connections: int = 0
    cut: Counter[str] = field(default_factory=Counter)
    """Connections closed for slowness, by phase."""
    answers: Counter[int] = field(default_factory=Counter)
    """By status."""
    open: int = 0


class Open(Protocol):
    """A connection, as :class:`Connections` sees it."""

    phase: Phase
    since: float
    peer: str
    proxied: bool

    def abort(self) -> None:
        """Close at once, whatever is still unsent."""
        ...


class Connections:
    """The open connections and who has how many of them."""

    def __init__(self, limits: Limits, proxies: TrustedProxies, emit: FactSink, clock: Clock) -> None:
        self.limits = limits
        self.proxies = proxies
        self.emit = emit
        self.clock = clock
        self.stats = HttpStats()
        self.date = DateLine(clock)
        self._open: set[Open] = set()
        self._by_address: Counter[str] = Counter()
        self._told: dict[str, float] = {}
        self._slow = 0
        self._slow_told = -_TOLD_AGAIN
        self._deadline = {
            Phase.NEW: limits.header,
            Phase.IDLE: limits.idle,
            Phase.HEADER: limits.header,
            Phase.BODY: limits.body,
            Phase.ANSWER: limits.answer,
        }

    def admit(self, connection: Open) -> bool:
        """Take up a connection; False when its address, or everybody together, has too many."""
        peer = connection.peer
        full = len(self._open) >= self.limits.total
        if full or (self._by_address[peer] >= self.limits.per_address and not connection.proxied):
            self.stats.refused_connections += 1
            self._tell_limit(peer, self.limits.total if full else self.limits.per_address)
            return False
        self._by_address[peer] += 1
        self._open.add(connection)
        self.stats.connections += 1
        self.stats.open += 1
        return True

    def hand_over(self, before: Open, after: Open) -> None:
        """Somebody else looks after a connection from now on; the time for its header runs on."""
        after.phase, after.since = Phase.HEADER, before.since
        self._open.discard(before)
        self._open.add(after)

    def leave(self, connection: Open) -> None:
        """A connection is gone."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self.stats.open -= 1
        left = self._by_address[connection.peer] - 1
        if left:
            self._by_address[connection.peer] = left
        else:
            del self._by_address[connection.peer]

    def sweep(self, now: float) -> None:
        """Close what is over its time. ``now`` is the event loop's time."""
        slow = ""
        for connection in tuple(self._open):
            deadline = self._deadline.get(connection.phase)
            if deadline is None or now - connection.since < deadline:
                continue
            phase = connection.phase
            self.stats.cut[phase.value] += 1
            connection.abort()
            if phase not in _SILENT:
                self._slow += 1
                slow = f"{connection.peer} {phase.value}"
        if slow and now - self._slow_told >= _TOLD_AGAIN:
            peer, _, text = slow.partition(" ")
            self.emit(SlowPeersCut(at=self.clock.now(), count=self._slow, peer=peer, phase=text))
            self._slow, self._slow_told = 0, now

    def abort(self) -> None:
        """Close every connection at once."""
        for connection in tuple(self._open):
            connection.abort()

    def _tell_limit(self, peer: str, limit: int) -> None:
        now = self.clock.now()
        if now - self._told.get(peer, -_TOLD_AGAIN) < _TOLD_AGAIN:
            return
        if len(self._told) >= _TOLD_KEPT:
            self._told.clear()
        self._told[peer] = now
        self.emit(ConnectionsLimited(at=now, peer=peer, limit=limit))


class PhoneConnection(web.RequestHandler):
    """aiohttp's protocol object with a phase, and without a log."""

    __slots__ = (
        "_begun", "_connections", "last", "local", "peer", "phase", "proxied", "secure", "since", "when_written",
    )  # fmt: skip

    def __init__(
        self, server: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop, begun: bytes = b""
    ) -> None:
        super().__init__(server, loop=loop, **_OPTIONS)
        self._connections = connections
        self._begun = begun
        self.phase = Phase.NEW
        self.since = loop.time()
        self.peer = self.local = ""
        self.secure = self.proxied = self.last = False
        self.when_written: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who is there; turn the connection away when there are too many."""
        peername, sockname = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        # Who has reset the connection since has no name any more; it was counted by the one that the door saw.
        self.peer = plain_address(peername[0]) if peername else self.peer
        self.local = plain_address(sockname[0]) if sockname else ""
        self.secure = is_modern(transport.get_extra_info("sslcontext"))
        self.proxied = self._connections.proxies.trusts(self.peer)
        stream = cast("asyncio.Transport", transport)  # uvloop's has the methods of one, but not the base class
        # One whose first octets have been read already is admitted.
        if not self._begun and not self._connections.admit(self):
            self.force_close()
            stream.abort()
            return
        # "Written" then means that the kernel has all of it, and memory does not fill up behind a slow reader.
        # (Not a high-water mark of 0: asyncio's TLS would then also stop a writer that nothing holds up.)
        stream.set_write_buffer_limits(high=1, low=0)
        super().connection_made(transport)
        begun, self._begun = self._begun, b""
        if begun:
            self.data_received(begun)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The first octets after a pause begin a header."""
        if self.phase is Phase.IDLE:
            self.enter(Phase.HEADER)
        elif self.phase is Phase.NEW:
            self.phase = Phase.HEADER
        if self.phase is Phase.HEADER:
            data = _readable(data)
        super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp allows less than asyncio does
        """Who has sent all is still owed the answer (RFC 9112 section 9.6); aiohttp would close at once."""
        owed = self.phase in _AT_WORK or bool(self._messages)
        self.last = owed and not self.secure
        return self.last

    def enter(self, phase: Phase) -> None:
        """Begin a phase, or the same one anew (progress)."""
        self.phase = phase
        self.since = self._loop.time()

    def abort(self) -> None:
        """Close at once, whatever is still unsent."""
        if self.transport is not None:
            self.transport.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the answer; when all of it has left, tell whoever waits for that."""
        self.enter(Phase.ANSWER)
        if self.last and not self._messages:
            resp.force_close()
        answer, reset = await super().finish_response(request, resp, start_time)
        self.enter(Phase.IDLE)
        self._connections.stats.answers[answer.status] += 1
        when_written, self.when_written = self.when_written, None
        if when_written is not None and not reset:
            when_written()
        return answer, reset

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """An answer without a body, and a fact when the fault is ours."""
        self.when_written = None
        if status >= 500 and not isinstance(exc, ConnectionError):
            self._tell(exc, message or "")
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun; it can only be broken off")
        response = Answer(status, b"", self._connections.date)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What aiohttp would write to a log is a fact here."""
        error = kw.get("exc_info")
        self._tell(error if isinstance(error, BaseException) else None, str(args[0]) if args else "")

    def _tell(self, error: BaseException | None, text: str = "") -> None:
        reason = f"{type(error).__name__}: {error}" if error is not None else text
        self._connections.emit(InternalError(at=self._connections.clock.now(), where="http", reason=reason))


class PhoneProtocols(web.Server):
    """Makes the protocol object of every new connection."""

    def __init__(self, handler: Callable[[web.BaseRequest], Any], connections: Connections) -> None:
        super().__init__(handler, request_factory=self._request)
        self._phone_connections = connections

    def __call__(self) -> web.RequestHandler:
        """One more connection."""
        return self.begun(b"")

    def begun(self, octets: bytes) -> PhoneConnection:
        """One of which somebody else has read the first octets, and which is admitted already."""
        return PhoneConnection(self, self._phone_connections, self._loop, octets)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if isinstance(protocol, PhoneConnection):
            protocol.enter(Phase.WORK)
        if message.url.absolute:
            # The target is read by requested_path alone; what a stranger put before the path must not be able to
            # upset the URL type.
            message = message._replace(url=_ROOT)
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop)
