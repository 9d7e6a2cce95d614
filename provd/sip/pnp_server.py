"""Multicast PnP on the network: one socket for the group on every served interface, beside the SIP server's own.

The socket is bound to the group's address, so that it gets what is sent to the group and nothing else; what phones
answer to our NOTIFY comes to our unicast address, where the SIP server hears it and hands it over.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from provd.base.clock import Clock
from provd.base.errors import ConfigError, ProvdError
from provd.base.facts import FactSink
from provd.base.facts.daemon import Degraded, InternalError, Recovered
from provd.base.types import ip_int, ip_text
from provd.net.netlink import Interface, LinkWatch, interfaces
from provd.net.sockets import IP_PKTINFO
from provd.sip.pnp import GROUP, PORT, Adviser, Arrival, Effect, PnpStats, Responder, Send

_PKTINFO = struct.Struct("=i4s4s")  # struct in_pktinfo: interface, local address, destination in the header
_MEMBERSHIP = struct.Struct("=4s4si")  # struct ip_mreqn: group, local address, interface
_IP_MULTICAST_ALL: Final = 49  # linux/in.h
_LARGEST = 16384
_BATCH = 64
_PART = "pnp"
_TRY_AGAIN = 5.0
"""Seconds until a group that could not be joined is tried again."""


class Closable(Protocol):
    """Something that is watched until it is closed."""

    def close(self) -> None:
        """Stop watching."""
        ...


class Links(Protocol):
    """What the server needs to know of the machine's interfaces."""

    def interfaces(self) -> list[Interface]:
        """The interfaces as they are now."""
        ...

    def watch(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Closable:
        """Call back whenever an interface or an address changes."""
        ...


class KernelLinks:
    """The real ones."""

    def interfaces(self) -> list[Interface]:
        """The interfaces as they are now."""
        return interfaces()

    def watch(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Closable:
        """Call back whenever an interface or an address changes."""
        return LinkWatch(loop, callback)


class PnpServer:
    """Hears the group on the named interfaces (an address stands for its interface), and answers with TTL 1.

    ``replies`` is the port on which the SIP server hears what phones answer (0: there is none). What cannot be opened
    is a degraded part, not an error: the rest of the daemon does not need it.
    """

    def __init__(
        self,
        adviser: Adviser,
        sink: FactSink,
        clock: Clock,
        *,
        links: Links | None = None,
        port: int = PORT,
        replies: int = PORT,
        token: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._adviser = adviser
        self._sink = sink
        self._clock = clock
        self._links = links or KernelLinks()
        self._port = port
        self._replies = replies
        self._token = token
        self._responder = Responder(adviser, speak=False, token=token, port=replies)
        self._names: tuple[str, ...] = ()
        self._joined: dict[int, Interface] = {}
        self._sock: socket.socket | None = None
        self._watch: Closable | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._reason = ""

    @property
    def stats(self) -> PnpStats:
        """Counters since the start."""
        return self._responder.stats

    @property
    def joined(self) -> list[str]:
        """The interfaces on which the group is heard."""
        return sorted(info.name for info in self._joined.values())

    def serve(self, names: Sequence[str], *, speak: bool) -> None:
        """Hear the group on these interfaces from now on (none: on none). Without ``speak`` what would be answered is
        only told."""
        self._loop = asyncio.get_running_loop()
        self._names = tuple(names)
        if speak != self._responder.speak:
            stats = self._responder.stats
            self._responder = Responder(self._adviser, speak=speak, token=self._token, port=self._replies, stats=stats)
        if not names:
            self.close()
            return
        if self._watch is None:
            try:
                self._watch = self._links.watch(self._loop, self.refresh)
            except ProvdError as error:
                self._degraded(str(error))
        self.refresh()

    def close(self) -> None:
        """Leave the group; nothing is answered from now on."""
        if self._watch is not None:
            self._watch.close()
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()
        self._watch = self._timer = self._again = None
        self._shut()

    def refresh(self) -> None:
        """Join where the interfaces are now; also anew where a link was away, for switches forget who listens."""
        try:
            wanted = {info.index: info for info in _chosen(self._names, self._links.interfaces())}
            if self._sock is None and wanted:
                self._sock = _group_socket(self._port)
                self._loop.add_reader(self._sock, self._readable)
            for index in [index for index, info in self._joined.items() if wanted.get(index) != info]:
                self._leave(index)
            for index, info in wanted.items():
                if index not in self._joined:
                    self._join(index)
                    self._joined[index] = info
        except (OSError, ProvdError) as error:
            self._degraded(getattr(error, "strerror", None) or str(error))
            # What stands in the way (a program that has the port) may go without the kernel telling us.
            self._again = self._again or self._loop.call_later(_TRY_AGAIN, self._retry)
            return
        missing = sorted(set(self._names) - {name for info in wanted.values() for name in _names_of(info)})
        if missing:
            self._degraded(f"not heard on {', '.join(missing)}: no such interface, or it is down")
        elif self._reason:
            self._reason = ""
            self._sink(Recovered(at=self._clock.now(), part=_PART))

    def _retry(self) -> None:
        self._again = None
        self.refresh()

    def confirmed(self, octets: bytes, source: tuple[str, int]) -> bool:
        """A response that came to the SIP server; True when it belongs here."""
        effects = self._responder.confirmed(octets, source, self._clock.now())
        self._perform(effects or ())
        return effects is not None

    def _readable(self) -> None:
        sock = self._sock
        for _ in range(_BATCH):
            if sock is None:
                return
            try:
                octets, ancillary, _, source = sock.recvmsg(_LARGEST, 64)
            except OSError:
                return
            info = self._joined.get(_index_of(ancillary))
            if info is None or not info.addresses:
                continue
            arrival = Arrival(source, info.name, info.index, _address_towards(info, source[0]))
            try:
                self._perform(self._responder.handle(octets, arrival, self._clock.now()))
            except Exception as error:  # noqa: BLE001 - one device's question must not end the service of all
                self._sink(InternalError(at=self._clock.now(), where="sip.pnp_server", reason=repr(error)))

    def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Send):
                self._sink(effect.fact)
            elif self._sock is not None:
                path = (socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(effect.index, socket.inet_aton(effect.local), b""))
                try:
                    self._sock.sendmsg((effect.octets,), (path,), 0, effect.to)
                except OSError:
                    continue  # as good as lost on the way: it is repeated
        if self._timer is not None:
            self._timer.cancel()
        due = self._responder.deadline
        delay = due - self._clock.now()
        self._timer = self._loop.call_later(max(0.0, delay), self._expire) if due != float("inf") else None

    def _expire(self) -> None:
        self._perform(self._responder.expire(self._clock.now()))

    def _join(self, index: int) -> None:
        self._membership(socket.IP_ADD_MEMBERSHIP, index)

    def _leave(self, index: int) -> None:
        del self._joined[index]
        try:
            self._membership(socket.IP_DROP_MEMBERSHIP, index)
        except OSError:
            return  # the interface is gone, and the membership with it

    def _membership(self, option: int, index: int) -> None:
        if self._sock is not None:
            request = _MEMBERSHIP.pack(socket.inet_aton(GROUP), b"", index)
            self._sock.setsockopt(socket.IPPROTO_IP, option, request)

    def _shut(self) -> None:
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._sock.close()
        self._sock = None
        self._joined.clear()

    def _degraded(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            self._sink(Degraded(at=self._clock.now(), part=_PART, reason=reason))


def _group_socket(port: int) -> socket.socket:
    """Bound to the group itself. The SIP server may have the same port on every address: theirs is what is sent to one
    of our own addresses, and only SO_REUSEADDR on both lets them stand side by side."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Only from where this socket joined, not from where any other program did.
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        # An answer is for the link that the question came from, and for no other.
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        sock.bind((GROUP, port))
    except OSError as error:
        sock.close()
        raise ConfigError(f"cannot hear {GROUP}:{port}: {error.strerror}") from error
    return sock


def _chosen(names: Iterable[str], there: Iterable[Interface]) -> list[Interface]:
    wanted = set(names)
    return [info for info in there if info.up and wanted.intersection(_names_of(info))]


def _names_of(info: Interface) -> set[str]:
    return {info.name, *(ip_text(address) for address, _ in info.addresses)}


def _index_of(ancillary: Iterable[tuple[int, int, bytes]]) -> int:
    """The interface that a datagram came in by."""
    for level, kind, octets in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            index: int = _PKTINFO.unpack_from(octets)[0]
            return index
    return 0


def _address_towards(info: Interface, source: str) -> str:
    """Our address on that interface in the sender's network, else the first one."""
    number = ip_int(source)
    for address, length in info.addresses:
        if number >> 32 - length == address >> 32 - length:
            return ip_text(address)
    return ip_text(info.addresses[0][0])
