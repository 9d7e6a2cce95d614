"""The TFTP server: listening sockets, admission, and one epoll set for the sockets of transfers.

The transfers' sockets are not registered with the event loop one by one: they are in an epoll set of their own, whose
descriptor is the loop's one reader. That saves the loop's cost per event, which at this packet rate is most of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import select
import socket
from collections.abc import Sequence
from typing import Final

from provd.app.files import UNKNOWN, FileReply, FileRequest, FileService
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.drafts import drafted
from provd.base.errors import ConfigError, WireError
from provd.base.facts import FactSink
from provd.guard.bucket import KeyedBuckets
from provd.net.sockets import can_segment, local_address, return_path
from provd.tftp.admission import Admission, Entry, Peer
from provd.tftp.berths import Berth, Berths
from provd.tftp.complaints import Complaints, Defects, TftpStats
from provd.tftp.frames import FrameShelf
from provd.tftp.gate import Gate
from provd.tftp.limits import Limits
from provd.tftp.packet import Error, ErrorCode, Request
from provd.tftp.reception import Asked, Heard, Reception
from provd.tftp.sender import (
    Flight,
    RouteMtu,
    listening_socket,
    refuse_stray,
)
from provd.tftp.transfer import DEFAULT_TIMING, Outcome, Timing, Transfer, netascii

_READABLE: Final = select.EPOLLIN
_BATCH: Final = 256
_LISTEN_BATCH: Final = 64
_PLAIN: Final = ("", True, False)
"""Of a request over TFTP: no User-Agent, directly, without TLS."""
_file_request = drafted(FileRequest)
_LARGEST_REQUEST: Final = 2048
"""Four times what RFC 2347 section 2 allows: enough to tell a too long name from noise."""
_LARGEST_REPLY: Final = 64
"""An ACK, and of an ERROR the part that counts: a larger buffer for each datagram is what one can measure."""
_SWEEP_SECONDS: Final = 0.025
"""Between two looks for what has to be sent again."""

# Constant and short: an answer must not tell more than the request knew, nor be much longer.
_NOT_FOUND: Final = Error(ErrorCode.FILE_NOT_FOUND, "file not found").encode()
_OBJECTIONS: Final = {
    "write": Error(ErrorCode.ACCESS_VIOLATION, "read only").encode(),
    "mode": Error(ErrorCode.ILLEGAL_OPERATION, "unknown mode").encode(),
    "name": _NOT_FOUND,
}
_TOO_LARGE: Final = Error(ErrorCode.NOT_DEFINED, "use octet mode").encode()


@dataclass(slots=True)
class _Rendering:
    """A request whose file is being made."""

    asked: Asked
    task: asyncio.Task[None]

    def repeats(self, packet: Request, _now: float) -> bool:
        return packet == self.asked.packet

    def close(self) -> None:
        self.task.cancel()


class TftpServer:
    """Read-only TFTP server.

    ``listen`` are (address, port) pairs, ``networks`` who may ask (everybody, when there are none);
    ``mtu`` overrides the MTU of the routes. After :meth:`open` the ports are bound, after :meth:`start` they answer.
    """

    def __init__(
        self,
        files: FileService,
        sink: FactSink,
        clock: Clock,
        *,
        listen: Sequence[Peer],
        networks: Sequence[ipaddress.IPv4Network] = (),
        limits: Limits | None = None,
        timing: Timing = DEFAULT_TIMING,
        mtu: int | None = None,
    ) -> None:
        self._files = files
        self._clock = clock
        self._listen = tuple(listen)
        self._gate = Gate(networks)
        self._limits = limits = limits or Limits()
        self._timing = timing
        self._fixed_mtu = mtu
        self.stats = TftpStats()
        self._defects = Defects(sink, clock)
        self._complaints = Complaints(sink, self.stats, clock.now())
        self._errors: KeyedBuckets[str] = KeyedBuckets(rate=50, burst=200)
        self._admission: Admission[Asked] = Admission(
            per_client=limits.per_client, total=limits.total, waiting=limits.waiting, patience=limits.patience
        )
        self._shelf = FrameShelf()
        self._listeners: list[socket.socket] = []
        self._flights: dict[int, Flight] = {}
        self._busy: dict[Peer, Flight | _Rendering] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def active(self) -> int:
        """Transfers under way, and files being made for one."""
        return self._admission.active

    @property
    def addresses(self) -> list[Peer]:
        """Where the server listens, with the ports that the kernel chose for port 0."""
        return [sock.getsockname() for sock in self._listeners]

    def leapt(self, seconds: float) -> None:
        """The clock was set forward by so much in which no time has passed: no transfer has taken too long."""
        for flight in self._flights.values():
            flight.transfer.leapt(seconds)

    def open(self) -> None:
        """Bind the ports; the only step that may need a privilege. Raises ConfigError and then holds nothing."""
        for host, port in self._listen:
            try:
                self._listeners.append(listening_socket(host, port))
            except OSError as error:
                self._close_listeners()
                raise ConfigError(f"cannot listen on {host}:{port} for TFTP: {error.strerror}") from error

    async def start(self) -> None:
        """Answer requests on the running event loop."""
        if not self._listeners:
            self.open()
        self._loop = asyncio.get_running_loop()
        self._running = True
        self._mtu = RouteMtu(self._fixed_mtu)
        self._segment = can_segment(self._listeners[0])
        self._reception = Reception(self._mtu, self._limits.windowsize)
        self._epoll = select.epoll()
        self._berths = Berths(self._epoll)
        self._loop.add_reader(self._epoll.fileno(), self._drain, _BATCH)
        for sock in self._listeners:
            self._loop.add_reader(sock.fileno(), self._requests, sock)

    async def close(self, grace: float = 0.0) -> None:
        """Take no more requests, let transfers finish for up to ``grace`` seconds, then end the rest."""
        if not self._running:
            self._close_listeners()
            return
        self._running = False
        for sock in self._listeners:
            self._loop.remove_reader(sock.fileno())
        if grace:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), grace)
        self._loop.remove_reader(self._epoll.fileno())
        if self._timer is not None:
            self._timer.cancel()
        for current in tuple(self._busy.values()):
            self._give_up(current)
        self._busy.clear()
        self._flights.clear()
        self._berths.close()
        self._epoll.close()
        self._mtu.close()
        self._close_listeners()

    def _close_listeners(self) -> None:
        for sock in self._listeners:
            sock.close()
        self._listeners.clear()

    # Requests

    def _requests(self, listener: socket.socket) -> None:
        """Take what has gathered on a listening socket."""
        now = self._clock.now()
        with self._defects:  # what is left after a defect is reported again by the next poll
            for _ in range(_LISTEN_BATCH):
                try:
                    datagram, ancillary, _flags, peer = listener.recvmsg(_LARGEST_REQUEST, 64)
                except BlockingIOError:
                    return
                except OSError:
                    continue  # an ICMP error about an earlier answer
                self._request(datagram, local_address(ancillary), peer, listener, now)

    def _request(self, datagram: bytes, local: str, peer: Peer, listener: socket.socket, now: float) -> None:
        self.stats.requests += 1
        if reason := self._gate.closed(peer, local):
            self._complaints.refused(peer[0], reason, "", now)
            return
        try:
            heard = self._reception.read(datagram)
        except WireError as error:
            self._complaints.malformed(peer[0], str(error), now)
            return
        if not isinstance(heard, Heard):
            self._complaints.malformed(peer[0], f"{type(heard).__name__.upper()} without a transfer", now)
            return
        asked = Asked(peer, heard.packet, _file_request("tftp", heard.path, peer[0], local, *_PLAIN), listener)
        if heard.objection:
            self._refuse(asked, heard.objection, _OBJECTIONS[heard.objection], now)
        else:
            self._admit(asked, now)

    def _refuse(self, asked: Asked, reason: str, answer: bytes, now: float) -> None:
        self._complaints.refused(asked.peer[0], reason, asked.file.path, now)
        self._answer_error(asked, answer, now)

    def _put_off(self, asked: Asked, reason: str, now: float) -> None:
        """Not now, and no word: an ERROR is the end (RFC 1350 section 7), after which many a phone asks again an hour
        later; who hears nothing asks again within seconds."""
        self._complaints.refused(asked.peer[0], reason, asked.file.path, now)

    def _answer_error(self, asked: Asked, answer: bytes, now: float) -> None:
        if not self._errors.allow(asked.peer[0], now):
            return
        try:
            asked.listener.sendmsg((answer,), (return_path(asked.file.local),), 0, asked.peer)
        except OSError:
            return  # as good as lost on the way; the client asks again

    def _admit(self, asked: Asked, now: float) -> None:
        current = self._busy.get(asked.peer)
        if current is not None:
            if current.repeats(asked.packet, now):
                self.stats.repeated += 1
                return
            self.stats.restarted += 1
            self._forget(current, asked.peer)
            self._begin(asked, now)
            return
        match self._admission.enter(asked.peer, asked, now):
            case Entry.STARTED:
                self._begin(asked, now)
            case Entry.WAITING:
                self.stats.waited += 1
            case Entry.BUSY:
                self._put_off(asked, "busy", now)

    # Transfers

    def _begin(self, asked: Asked, now: float) -> None:
        """Use the slot that the request has: find the content."""
        self._idle.clear()
        reply: FileReply | None = UNKNOWN
        with self._defects:
            reply = self._files.ready(asked.file)
        if reply is not None:
            self._answer(asked, reply, now)
        else:
            self._busy[asked.peer] = _Rendering(asked, self._loop.create_task(self._render(asked)))

    async def _render(self, asked: Asked) -> None:
        reply = UNKNOWN
        with self._defects:
            reply = await self._files.file(asked.file)
        del self._busy[asked.peer]
        self._answer(asked, reply, self._clock.now())

    def _answer(self, asked: Asked, reply: FileReply, now: float) -> None:
        if not reply.found:
            self._answer_error(asked, _NOT_FOUND, now)
        elif reply.coding:
            # A coding has no place to be told, and without it the octets are taken for something else.
            self._complaints.coded(asked.peer[0], asked.file.path, reply.mac, reply.boot, now)
            self._answer_error(asked, _NOT_FOUND, now)
        elif asked.packet.mode == "netascii" and len(reply.body) > self._limits.netascii_octets:
            self._refuse(asked, "mode", _TOO_LARGE, now)
        else:
            try:
                flight = self._flight(asked, reply, now)
            except OSError as error:
                self._put_off(asked, f"no socket: {error.strerror}", now)
            else:
                self._take_off(flight, now)
                return
        self._release(asked.peer[0], now)

    def _flight(self, asked: Asked, reply: FileReply, now: float) -> Flight:
        packet, limits = asked.packet, self._limits
        body = netascii(reply.body) if packet.mode == "netascii" else reply.body
        terms = self._reception.terms(asked.peer, packet, len(body), now)
        frames = self._shelf.cut(body, terms.blksize) if reply.large and body is reply.body else None
        lifetime = limits.large_seconds if reply.large else limits.seconds
        # Without options a far phone gets 512 octets for each round trip, and its firmware takes as long as it takes.
        lifetime = max(lifetime, len(body) // terms.blksize * limits.block_seconds)
        transfer = Transfer(body, terms, lifetime=lifetime, timing=self._timing, frames=frames)
        berth = self._berths.take(asked.peer, asked.file.local)
        return Flight(berth, asked.peer, packet, asked.file, reply, transfer, segment=self._segment)

    def _take_off(self, flight: Flight, now: float) -> None:
        self.stats.started += 1
        self._flights[flight.fileno] = self._busy[flight.peer] = flight
        flight.send(flight.transfer.start(now))
        if self._timer is None:
            self._timer = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _drain(self, most: int) -> None:
        """Take one datagram from every transfer that has one."""
        now = self._clock.now()
        flights = self._flights
        with self._defects:  # what is left of a batch after a defect is reported again by the next poll
            for fileno, events in self._epoll.poll(0, most):
                flight = flights.get(fileno)
                if flight is None:
                    self._late(fileno, now)
                    continue
                if events != _READABLE and flight.unreachable():
                    flight.transfer.port_closed()
                    self._land(flight, now)
                    continue
                try:
                    if flight.settled:
                        datagram = flight.recv(_LARGEST_REPLY)
                        if (block := flight.next_block(datagram, now)) is not None:
                            flight.send_now(block)
                            continue
                    else:
                        datagram, source = flight.recvfrom(_LARGEST_REPLY)
                        if source != flight.peer:
                            self._stray(flight.berth, datagram, source, now)
                            continue
                        if (block := flight.next_block(datagram, now)) is not None:
                            flight.sendto(block, source)
                            continue
                except OSError:
                    continue  # nothing there after all, or a full buffer: the time-out mends it
                self._reply(flight, datagram, now)

    def _reply(self, flight: Flight, datagram: bytes, now: float) -> None:
        send = flight.transfer.receive(datagram, now)
        if flight.transfer.outcome is not None:
            self._land(flight, now)
        elif send is not None:
            flight.settle()
            flight.send(send)

    def _stray(self, berth: Berth, datagram: bytes, source: Peer, now: float) -> None:
        self.stats.strays += 1
        if not self._gate.closed(source, berth.local) and self._errors.allow(source[0], now):
            refuse_stray(berth, datagram, source)

    def _late(self, fileno: int, now: float) -> None:
        """A datagram for a transfer that is over: the client's last words once more, or a stranger."""
        berth = self._berths.waiting(fileno)
        if berth is None:
            return
        with contextlib.suppress(OSError):
            datagram, source = berth.recvfrom(_LARGEST_REPLY)
            if source != berth.last:
                self._stray(berth, datagram, source, now)

    def _sweep(self) -> None:
        """Resend and give up where a deadline has passed: one timer for all transfers."""
        with self._defects:
            # What arrived while the loop was busy elsewhere comes first, or it would be taken for lost.
            self._drain(self._limits.total)
            now = self._clock.now()
            for flight in [flight for flight in self._flights.values() if flight.transfer.deadline <= now]:
                flight.watch()
                flight.send(flight.transfer.expire(now))
                if flight.transfer.outcome is not None:
                    self._land(flight, now)
        self._timer = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if self._flights else None

    def _land(self, flight: Flight, now: float) -> None:
        """The transfer is over: count it, tell about it, give its slot to who waits."""
        transfer = flight.transfer
        self._forget(flight, flight.peer)
        self.stats.resent += transfer.resent
        if transfer.outcome is Outcome.COMPLETE:
            self.stats.completed += 1
            self.stats.octets += len(flight.reply.body)
            with self._defects:
                self._files.served(flight.request, flight.reply)
        # A client that takes the OACK for its answer (how large is the file?) and then refuses broke nothing off.
        elif transfer.outcome is not Outcome.REFUSED or transfer.acked > 0:
            reason = transfer.outcome.value if transfer.outcome else ""
            self._complaints.abandoned(
                flight.peer, flight.request.path, reason, blocks=max(0, transfer.acked), of=transfer.last,
                retries=transfer.resends, mac=flight.reply.mac, boot=flight.reply.boot, now=now,
            )  # fmt: skip
        self._release(flight.peer[0], now)

    def _forget(self, current: Flight | _Rendering, peer: Peer) -> None:
        del self._busy[peer]
        self._give_up(current)

    def _give_up(self, current: Flight | _Rendering) -> None:
        if isinstance(current, Flight):
            del self._flights[current.fileno]
            self._berths.give_back(current.berth)
        else:
            current.close()

    def _release(self, address: str, now: float) -> None:
        waited = self._admission.leave(address, now)
        if waited is not None:
            self._begin(waited, now)
        elif not self._admission.active:
            self._idle.set()
