"""The SIP server: UDP and TCP listeners around the endpoint, one timer for all its deadlines, and its effects
performed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from provd.app.dialing import AccountBook, DialDesk
from provd.app.dialing import Flow as StoredFlow
from provd.app.resyncing import Heard, Order, Told
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.base.types import Mac
from provd.domain.records import Device
from provd.net.sockets import local_address, return_path, tcp_socket, udp_socket
from provd.sip.connections import Connections, TcpLimits
from provd.sip.effects import (
    Account,
    Close,
    Effect,
    Emit,
    Flow,
    OpenMedia,
    Play,
    Redeem,
    Registered,
    Report,
    Send,
    StopMedia,
)
from provd.sip.effects import (
    Told as Reported,
)
from provd.sip.endpoint import Endpoint, SipSettings
from provd.sip.player import Player, Session
from provd.sip.ports import accounts_of, dial_of, stored
from provd.sip.prompts import Prompt
from provd.sip.verdict import FAILED, verdict_of

Address = tuple[str, int]

_BATCH: Final = 128
_RECEIVE_BUFFER: Final = 4 << 20
_LARGEST: Final = 65535
_ANY: Final = "0.0.0.0"


Knock = Callable[[Mac], None]
"""Hears that a temporary account of the device has registered (again); must not block."""


@dataclass(slots=True)
class SipEdgeStats:
    """Counters of the edge, beside those of the endpoint."""

    datagrams: int = 0
    unsent: int = 0
    """Messages that the system did not take; the protocol repeats them."""
    connections_refused: int = 0


class SipServer:
    """Temporary accounts register here, codes are dialed here, NOTIFYs go out from here.

    ``listen`` are (address, port) pairs, each for UDP and TCP. After :meth:`open` the ports are bound, after
    :meth:`start` they answer. It is the :class:`~provd.app.resyncing.Way` named ``sip``.
    """

    def __init__(
        self,
        book: AccountBook,
        desk: DialDesk,
        sink: FactSink,
        clock: Clock,
        *,
        listen: Sequence[Address],
        key: bytes,
        settings: SipSettings | None = None,
        player: Player | None = None,
        registered: Knock | None = None,
        tcp: TcpLimits | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._book = book
        self._desk = desk
        self._sink = sink
        self._clock = clock
        self._listen = tuple(listen)
        self._player = player
        self.registered = registered
        self.overheard: Callable[[bytes, Address], bool] | None = None
        """Gets every response over UDP first, for somebody else asks from our port too (multicast PnP); True when it
        was theirs."""
        self.endpoint = Endpoint(settings or SipSettings(), self._find, key, random)
        self.edge = SipEdgeStats()
        self._connections = Connections(self, clock, tcp or TcpLimits())
        self._udp: dict[Address, socket.socket] = {}
        self._tcp_sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._sessions: dict[int, Session] = {}
        self._dialing: set[asyncio.Task[None]] = set()
        self._reports: dict[int, asyncio.Future[Told]] = {}
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._running = self._stopping = False
        self._settled = asyncio.Event()
        self._performers: dict[type[Effect], Callable[[Any], None]] = {
            Send: self._send,
            Emit: self._emit,
            Registered: self._note,
            Redeem: self._dial,
            OpenMedia: self._open_media,
            Play: self._play,
            StopMedia: self._stop_media,
            Report: self._report,
            Close: self._close_connection,
        }

    @property
    def name(self) -> str:
        """The way to a device that this is."""
        return "sip"

    @property
    def addresses(self) -> list[Address]:
        """Where the server listens, with the ports that the kernel chose for port 0."""
        return list(self._udp)

    @property
    def connections(self) -> int:
        """TCP connections at this moment."""
        return len(self._connections)

    def open(self) -> None:
        """Bind the ports; the only step that may need a privilege. Raises ConfigError and then holds nothing."""
        try:
            for host, port in self._listen:
                self._bind(host, port)
        except ConfigError:
            self._close_sockets()
            raise

    def _bind(self, host: str, port: int, attempts: int = 8) -> None:
        """The same port for UDP and TCP; where the kernel chooses one, it may be taken for the other."""
        sock = udp_socket(None, host, port, rcvbuf=_RECEIVE_BUFFER, pktinfo=True, exclusive=True)
        bound: Address = sock.getsockname()[:2]
        try:
            tcp = tcp_socket(*bound)
        except ConfigError:
            sock.close()
            if port or not attempts:
                raise
            self._bind(host, port, attempts - 1)
            return
        # We have the port for ourselves now; a socket for a multicast group may stand beside it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._udp[bound] = sock
        self._tcp_sockets.append(tcp)

    async def start(self) -> None:
        """Answer on the running event loop."""
        if not self._udp:
            self.open()
        self._loop = asyncio.get_running_loop()
        self._running = True
        for bound, sock in self._udp.items():
            self._loop.add_reader(sock.fileno(), self._readable, sock, bound)
        for sock in self._tcp_sockets:
            self._servers.append(await self._loop.create_server(self._connections.protocol, sock=sock))

    async def close(self, grace: float = 0.0) -> None:
        """Take nothing new, end calls properly within ``grace`` seconds, close. Phones are told nothing else: their
        registrations run on, and the next process will find them."""
        if not self._running:
            self._close_sockets()
            return
        for server in self._servers:
            server.close()
        if self._dialing and grace:
            # Who has just dialed is told what became of it, not that we are gone.
            await asyncio.wait(self._dialing, timeout=grace / 2)
        self._stopping = True
        self._perform(self.endpoint.stop(self._clock.now()))
        if grace:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), grace)
        self._running = False
        for sock in self._udp.values():
            self._loop.remove_reader(sock.fileno())
        self._connections.abort()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._dialing:
            task.cancel()
        await asyncio.gather(*self._dialing, return_exceptions=True)
        for number in list(self._reports):
            self._report(Report(number, Reported.SILENT, "provd ends"))
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._close_sockets()

    def reconfigure(self, settings: SipSettings) -> None:
        """Take other settings, except where it listens."""
        self.endpoint.reconfigure(settings)

    def leapt(self, seconds: float) -> None:
        """The clock was set forward by so much in which no time has passed."""
        self._connections.leapt(seconds)
        self._perform(self.endpoint.leapt(seconds, self._clock.now()))

    def counters(self) -> Mapping[str, float]:
        """Everything that was counted since the start; refusals by their status code."""
        self.edge.connections_refused = self._connections.refused
        found: dict[str, float] = {}
        for stats in (self.endpoint.stats, self.edge):
            for name in stats.__slots__:
                value = getattr(stats, name)
                if isinstance(value, int):
                    found[name] = float(value)
        return found | {f"refused_{code}": float(count) for code, count in self.endpoint.stats.refused.items()}

    # --- the way to a device

    def flow_of(self, account: str) -> StoredFlow | None:
        """The way to the device with this account while it is registered; plain values that may be stored."""
        flow = self.endpoint.flow_of(account, self._clock.now())
        return None if flow is None else stored(flow)

    async def tell(self, device: Device, order: Order) -> Told:
        """Send a NOTIFY with ``order.event`` to a temporary account of the device, and wait for what comes of it.

        ``order.flow`` is one of before a restart, for a device that has not registered again yet. Never raises.
        """
        if not self._running or self._stopping:
            return Told(way=self.name, heard=Heard.NO_WAY, detail="not listening")
        number, now = next(self._numbers), self._clock.now()
        future: asyncio.Future[Told] = self._loop.create_future()
        self._reports[number] = future
        names = accounts_of(device)
        username = next((name for name in names if self.endpoint.flow_of(name, now) is not None), names[0])
        flow = self._remembered(order.flow)
        self._perform(self.endpoint.notify(number, username, order.event, now, flow, order.body))
        try:
            return await future
        finally:
            self._reports.pop(number, None)

    def _remembered(self, flow: StoredFlow | None) -> Flow | None:
        """A stored flow as one of ours; None when it cannot lead anywhere any more."""
        if flow is None or flow.transport != "udp":
            return None
        port = next((port for host, port in self._udp if host in {flow.local, _ANY}), 0)
        return Flow("udp", flow.host, flow.port, flow.local, port, contact=flow.contact) if port else None

    # --- what comes in

    def message(self, octets: bytes, flow: Flow) -> None:
        """One message of a connection."""
        with self._guarded():
            self._perform(self.endpoint.handle(octets, flow, self._clock.now()))

    def malformed(self, host: str, reason: str) -> None:
        """A stream that cannot be followed."""
        self._perform(self.endpoint.malformed(host, reason, self._clock.now()))

    def disconnected(self, connection: int) -> None:
        """A connection is closed; not worth a word when it is we who close them all."""
        if self._running:
            self._perform(self.endpoint.disconnected(connection, self._clock.now()))

    def _readable(self, sock: socket.socket, bound: Address) -> None:
        """Take what has gathered on a UDP socket."""
        now = self._clock.now()
        for _ in range(_BATCH):
            try:
                octets, ancillary, _flags, peer = sock.recvmsg(_LARGEST, 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier answer
            self.edge.datagrams += 1
            local = local_address(ancillary)
            if not local or not _plausible(peer, (local, bound[1])):
                continue
            with self._guarded():
                if self.overheard is not None and octets.startswith(b"SIP/2.0 ") and self.overheard(octets, peer):
                    continue
                flow = Flow("udp", peer[0], peer[1], local, bound[1])
                self._perform(self.endpoint.handle(octets, flow, now))

    def _expire(self) -> None:
        self._timer, self._due = None, math.inf
        with self._guarded():
            self._perform(self.endpoint.expire(self._clock.now()))
        self._rearm()

    # --- what goes out

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._performers[type(effect)](effect)
        if self._stopping and self.endpoint.idle:
            self._settled.set()
        self._rearm()

    def _emit(self, effect: Emit) -> None:
        self._sink(effect.fact)

    def _note(self, effect: Registered) -> None:
        self._connections.keep(effect.flow.connection, effect.expires)
        if self.registered is not None:
            self.registered(effect.account.mac)

    def _dial(self, effect: Redeem) -> None:
        task = self._loop.create_task(self._redeem(effect))
        self._dialing.add(task)
        task.add_done_callback(self._dialing.discard)

    def _stop_media(self, effect: StopMedia) -> None:
        session = self._sessions.pop(effect.call, None)
        if session is not None:
            session.close()

    def _close_connection(self, effect: Close) -> None:
        self._connections.close(effect.connection)

    def _send(self, effect: Send) -> None:
        flow, octets = effect.flow, effect.octets
        if flow.transport == "tcp":
            self._connections.send(flow.connection, octets)
            return
        sock = self._socket(flow)
        if sock is None:
            self.edge.unsent += 1
            return
        try:
            sock.sendmsg((octets,), (return_path(flow.local),), 0, flow.source)
        except OSError:
            self.edge.unsent += 1  # as good as lost on the way

    def _socket(self, flow: Flow) -> socket.socket | None:
        return self._udp.get((flow.local, flow.local_port)) or self._udp.get((_ANY, flow.local_port))

    def _rearm(self) -> None:
        """Have the one timer ring at the endpoint's deadline."""
        due = self.endpoint.deadline
        if due >= self._due or not self._running:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_later(max(0.0, due - self._clock.now()), self._expire)

    def _open_media(self, effect: OpenMedia) -> None:
        session = self._player.open(effect.local) if self._player is not None else None
        if session is not None:
            self._sessions[effect.call] = session
        port = session.port if session is not None else 0
        self._perform(self.endpoint.opened(effect.call, port, self._clock.now()))

    def _play(self, effect: Play) -> None:
        def done() -> None:
            self._perform(self.endpoint.played(effect.call, self._clock.now()))

        session = self._sessions.get(effect.call)
        if session is None:
            done()
        else:
            session.play(Prompt(effect.prompt), effect.payload_type, effect.remote, done, peer=effect.peer)

    async def _redeem(self, effect: Redeem) -> None:
        verdict = FAILED
        with self._guarded():
            verdict = verdict_of(await self._desk.dial(dial_of(effect.dialed)))
        with self._guarded():
            self._perform(self.endpoint.redeemed(effect.call, verdict, self._clock.now()))

    def _report(self, effect: Report) -> None:
        future = self._reports.get(effect.notice)
        if future is not None and not future.done():
            future.set_result(Told(way=self.name, heard=Heard(effect.told.value), detail=effect.detail))

    # --- the rest

    def _find(self, username: str) -> Account | None:
        known = self._book.find(username)
        return None if known is None else Account(known.account.username, known.account.password, known.mac)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """What goes wrong for one peer is told and does not reach the others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the last line before the event loop
            self._sink(InternalError(at=self._clock.now(), where="sip", reason=f"{type(error).__name__}: {error}"))

    def _close_sockets(self) -> None:
        for sock in (*self._udp.values(), *self._tcp_sockets):
            sock.close()
        self._udp.clear()
        self._tcp_sockets.clear()
        self._servers.clear()


def _plausible(peer: Address, ours: Address) -> bool:
    """Whether somebody can be there who would want an answer: not ourselves, and one host's address."""
    first = int(peer[0].partition(".")[0])
    return 0 < first < 224 and peer[1] != 0 and peer != ours
