"""TCP connections of phones: so many, so long, so much, and none of them may hold up the others."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import Counter
from typing import Final, Protocol

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.sip.effects import Flow
from provd.sip.stream import Framer

_UNSENT: Final = 64 * 1024
"""Octets that a peer may leave unread; then it is given up."""
_CHECK: Final = 5.0


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """Numbers of connections, and seconds."""

    total: int = 4000
    per_host: int = 1000
    """A whole site may be behind one address."""
    idle: float = 60.0
    """For a connection that no registration needs, since its last whole message."""
    message: float = 10.0
    """For the rest of a message that has begun."""


class Receiver(Protocol):
    """Takes what the connections bring."""

    def message(self, octets: bytes, flow: Flow) -> None:
        """One whole message, or a keep-alive."""
        ...

    def malformed(self, host: str, reason: str) -> None:
        """A stream that cannot be followed."""
        ...

    def disconnected(self, connection: int) -> None:
        """It is closed."""
        ...


class Connections:
    """All TCP connections, by number."""

    def __init__(self, receiver: Receiver, clock: Clock, limits: TcpLimits) -> None:
        self.receiver = receiver
        self.clock = clock
        self.limits = limits
        self.refused = 0
        self._open: dict[int, _Connection] = {}
        self._hosts: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> asyncio.Protocol:
        """For ``loop.create_server``."""
        return _Connection(self)

    def send(self, connection: int, octets: bytes) -> None:
        """Send; nothing happens when it is closed already."""
        found = self._open.get(connection)
        if found is not None:
            found.write(octets)

    def keep(self, connection: int, until: float) -> None:
        """A registration came by it: it may be silent until then."""
        found = self._open.get(connection)
        if found is not None:
            found.kept = max(found.kept, until)

    def close(self, connection: int) -> None:
        """Close one, after what was sent to it has left."""
        found = self._open.get(connection)
        if found is not None:
            found.transport.close()

    def leapt(self, seconds: float) -> None:
        """The clock was set forward by so much in which no time has passed."""
        for connection in self._open.values():
            connection.leapt(seconds)

    def abort(self) -> None:
        """Close all."""
        for connection in list(self._open.values()):
            connection.transport.abort()

    def enter(self, connection: _Connection, host: str) -> int:
        """Its number, or 0 when there are too many."""
        if len(self._open) >= self.limits.total or self._hosts[host] >= self.limits.per_host:
            self.refused += 1
            return 0
        number = next(self._numbers)
        self._open[number] = connection
        self._hosts[host] += 1
        return number

    def leave(self, number: int, host: str) -> None:
        """It is closed."""
        if self._open.pop(number, None) is None:
            return
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
        self.receiver.disconnected(number)


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, owner: Connections) -> None:
        self._owner = owner
        self._framer = Framer()
        self._flow: Flow | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._whole = self._began = owner.clock.now()
        self.kept = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server gives
        self.transport = transport
        sock = transport.get_extra_info("socket")
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        number = self._owner.enter(self, peer[0]) if peer else 0
        if not number:
            transport.abort()
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._flow = Flow("tcp", peer[0], peer[1], local[0], local[1], number)
        transport.set_write_buffer_limits(_UNSENT)
        self._watch()

    def data_received(self, data: bytes) -> None:
        flow, owner = self._flow, self._owner
        if flow is None or self.transport.is_closing():
            return
        now = owner.clock.now()
        if not self._framer.pending:
            self._began = now
        try:
            messages = self._framer.feed(data)
        except WireError as error:
            owner.receiver.malformed(flow.host, str(error))
            self.transport.close()
            return
        for message in messages:
            self._whole = self._began = now
            if self.transport.is_closing():
                return
            owner.receiver.message(message, flow)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._flow is not None:
            self._owner.leave(self._flow.connection, self._flow.host)

    def write(self, octets: bytes) -> None:
        """Send, unless the peer has stopped reading."""
        if self.transport.is_closing():
            return
        self.transport.write(octets)
        if self.transport.get_write_buffer_size() > _UNSENT:
            self.transport.abort()

    def leapt(self, seconds: float) -> None:
        """Nothing was silent for that long."""
        self._whole += seconds
        self._began += seconds
        self.kept += seconds

    def _watch(self) -> None:
        """End what has been silent too long, or does not get a message finished."""
        now, limits = self._owner.clock.now(), self._owner.limits
        half = self._framer.pending > 2 and now > self._began + limits.message
        if half or now > max(self._whole + limits.idle, self.kept):
            self.transport.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(_CHECK, self._watch)
