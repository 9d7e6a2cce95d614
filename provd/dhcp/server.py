"""The DHCP server: sockets in front of the engine, the journal behind it.

What has arrived is taken off the sockets before anything is worked on, so that a building full of phones that boots
at once is not lost in a socket buffer; the work is done in slices between which the rest of the daemon runs.
Leases of a slice are submitted to the journal together, and their ACKs leave when it reports them durable.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Iterable, Sequence

from provd.app.ports import Journal, Put
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.drafts import drafted
from provd.base.errors import ConfigError, ProvdError, StorageError, WireError
from provd.base.facts import FactSink
from provd.base.facts.daemon import Degraded, InternalError, Recovered
from provd.base.facts.dhcp import DhcpLeaseSkipped, DhcpOverrun, DhcpReservationIdle
from provd.base.types import Mac, ip_int, ip_text
from provd.dhcp.effects import Effect, Emit, Persist, Send
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.lease import Lease
from provd.dhcp.outbox import Outbox
from provd.dhcp.prober import Prober
from provd.dhcp.subnet import DhcpSettings, Mode, ReservedAddress
from provd.dhcp.wire import LinuxNetwork, Network, Wire
from provd.guard.tally import Tally
from provd.net.netlink import Interface

_LARGEST = 2048
"""Longer datagrams are cut; nothing DHCP is that long."""
_CONTROL = 64
_DRAIN = 4096
"""Datagrams taken from one socket at a time."""
_TRY_AGAIN = 2.0
"""Seconds until a socket that could not be opened is tried again."""
_ALL = "interfaces"
_SLICE = 256
"""Datagrams worked on between two looks at the clock."""
_TURN = 0.03
"""Seconds, about, that DHCP may take in one turn of the loop: in a storm a phone without an address comes first, for
all its retransmissions would come on top; the others wait no longer than that."""


@dataclass(slots=True)
class DhcpStats:
    """Counters since the start, for metrics."""

    received: int = 0
    malformed: int = 0
    dropped: int = 0
    sent: int = 0
    send_errors: int = 0
    commits: int = 0
    leases_written: int = 0


_Waiting = tuple[Wire, bytes, str, list[tuple[int, int, bytes]]]
_put = drafted(Put)
_ANYWHERE = b"\xff\xff\xff\xff"


class DhcpServer:
    """Serves the interfaces of the settings. Everything runs on the event loop's thread."""

    def __init__(
        self,
        settings: DhcpSettings,
        engine: DhcpEngine,
        journal: Journal,
        sink: FactSink,
        clock: Clock,
        *,
        network: Network | None = None,
    ) -> None:
        self.stats = DhcpStats()
        self._settings = settings
        self._engine = engine
        self._journal = journal
        self._sink = sink
        self._clock = clock
        self._network = network or LinuxNetwork()
        self._wires: dict[str, Wire] = {}
        self._outbox = Outbox(self._wires)
        self._broken: dict[str, str] = {}
        self._idle: dict[int, str] = {}
        self._waiting: dict[bytes, _Waiting] = {}
        self._working = False
        self._overrun = Tally[str](60.0)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._close_watch = _nothing
        self._again: asyncio.TimerHandle | None = None

    # --- life

    def open(self) -> None:
        """Open the sockets of every interface that is there; the others are told as degraded and followed."""
        self._loop = asyncio.get_running_loop()
        self._prober = Prober(self._loop, self._settings.probe_time, self._probed)
        for lease, reason in self._engine.skipped:
            self._sink(DhcpLeaseSkipped(at=self._clock.now(), ip=ip_text(lease.ip & 0xFFFFFFFF), reason=reason))
        if self._settings.mode is not Mode.OFF:
            self._close_watch = self._network.watch(self._loop, self.refresh).close
        self.refresh()
        self._arm()

    def close(self) -> None:
        """Close every socket; nothing is answered from now on."""
        self._close_watch()
        self._close_watch = _nothing
        for name in list(self._wires):
            self._drop(name)
        self._waiting.clear()
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()

    def reload(self, settings: DhcpSettings, reservations: Sequence[ReservedAddress]) -> None:
        """Take new settings; leases stay, sockets are opened anew only where they changed."""
        ports = (settings.server_port, settings.client_port)
        if ports != (self._settings.server_port, self._settings.client_port) or settings.mode is Mode.OFF:
            for name in list(self._wires):
                self._drop(name)
        if settings.mode is Mode.OFF:
            self._close_watch()
            self._close_watch = _nothing
        was_off = self._settings.mode is Mode.OFF
        self._settings = settings
        self._engine.reconfigure(settings, reservations, self._clock.now())
        if settings.mode is Mode.OFF:
            self._close_watch()
            self._close_watch = _nothing
        elif was_off:
            self._close_watch = self._network.watch(self._loop, self.refresh).close
        self.refresh()
        self._arm()

    def refresh(self) -> None:
        """Compare sockets with interfaces and settings, and mend the difference."""
        if self._settings.mode is Mode.OFF:
            return
        try:
            there = {info.name: info for info in self._network.interfaces()}
        except ProvdError as error:
            self._degraded(_ALL, str(error))
            self._soon()  # what is open goes on meanwhile
            return
        if self._broken.pop(_ALL, None) is not None:
            self._sink(Recovered(at=self._clock.now(), part=f"dhcp {_ALL}"))
        for name in set(self._wires) - set(self._settings.interfaces):
            self._drop(name)
        for name in self._settings.interfaces:
            self._keep(name, there.get(name))
        own = {address for info in there.values() for address, _ in info.addresses}
        own |= {address for wire in self._wires.values() for address in wire.link.addresses}
        self._engine.addressed(frozenset(own), self._clock.now())
        unusable = self._engine.unusable
        for ip in unusable.keys() - self._idle.keys():
            self._sink(DhcpReservationIdle(at=self._clock.now(), ip=ip_text(ip), reason=unusable[ip]))
        self._idle = unusable

    def _keep(self, name: str, info: Interface | None) -> None:
        """One interface: open, reopen, or leave it as it is."""
        plain = name[:1].isdigit() and name.count(".") == 3
        wire = self._wires.get(name)
        if wire is not None and plain:
            return
        if wire is not None and wire.info is not None:
            old = wire.info
            if info is not None and info.up and (info.index, info.mac) == (old.index, old.mac):
                if info.addresses != old.addresses:
                    wire.moved(info)
                    self._tell_state(wire)
                return
            self._drop(name)
        if not plain and (info is None or not info.up):
            self._degraded(name, "the interface is down" if info else "there is no such interface")
            return
        try:
            wire = Wire(self._network, self._settings, name, None if plain else info)
        except ConfigError as error:
            self._degraded(name, str(error))
            # What stands in the way (a program that has the port) may go without the kernel telling us.
            self._soon()
            return
        self._wires[name] = wire
        self._loop.add_reader(wire.udp.fileno(), self._readable, wire)
        self._tell_state(wire)

    def _tell_state(self, wire: Wire) -> None:
        """What an open interface lacks, or that it lacks nothing any more."""
        if not wire.link.addresses:
            self._degraded(wire.name, "the interface has no IPv4 address: nobody there is answered")
        elif wire.raw_refused:
            self._degraded(wire.name, f"answers are broadcast, addresses not probed: {wire.raw_refused}")
        elif self._broken.pop(wire.name, None) is not None:
            self._sink(Recovered(at=self._clock.now(), part=f"dhcp {wire.name}"))

    def _soon(self) -> None:
        self._again = self._again or self._loop.call_later(_TRY_AGAIN, self._retry)

    def _retry(self) -> None:
        self._again = None
        self.refresh()

    def _degraded(self, name: str, reason: str) -> None:
        if self._broken.get(name) != reason:
            self._broken[name] = reason
            self._sink(Degraded(at=self._clock.now(), part=f"dhcp {name}", reason=reason))

    def _drop(self, name: str) -> None:
        wire = self._wires.pop(name)
        self._loop.remove_reader(wire.udp.fileno())
        self._prober.forget(wire)
        wire.close()

    # --- views and commands for others

    def holder(self, ip: str) -> Mac | None:
        """The MAC with an active lease of that address, or None."""
        try:
            return self._engine.holder(ip_int(ip), self._clock.now())
        except ValueError:
            return None

    def leases(self) -> Iterable[Lease]:
        """Every lease that is on disk, also ended ones."""
        return self._engine.leases()

    def usage(self) -> dict[str, tuple[int, int]]:
        """Free addresses and size of the pools of each subnet by name, for metrics and the status page."""
        return self._engine.usage()

    def release(self, ip: str) -> bool:
        """Take an address back from its client. False when it has no active lease. Raises ValueError."""
        effects = self._engine.release(ip_int(ip), self._clock.now())
        self._perform_all(effects)
        return bool(effects)

    def leapt(self, seconds: float) -> None:
        """The clock was set forward by so much in which no time has passed."""
        self._perform_all(self._engine.leapt(round(seconds), self._clock.now()))

    # --- datagrams

    def _readable(self, wire: Wire) -> None:
        receive, waiting, stats = wire.udp.recvmsg, self._waiting, self.stats
        room = self._settings.queue
        try:
            for _ in range(_DRAIN):
                data, control, _, peer = receive(_LARGEST, _CONTROL)
                stats.received += 1
                # Relay, client and first option (the message type, with nearly everybody): of a client that repeats
                # itself the newest message counts, at the place of the first.
                waiting[data[24:44] + data[240:243]] = (wire, data, peer[0], control)
                if len(waiting) > room:
                    del waiting[next(iter(waiting))]
                    stats.dropped += 1
                    self._overflowed()
        except BlockingIOError:
            pass
        except OSError:
            self._loop.call_soon(self.refresh)  # the interface went away
        if not self._working:
            self._work()

    def _overflowed(self) -> None:
        now = self._clock.now()
        count = self._overrun.add("", now)
        if count:
            self._sink(DhcpOverrun(at=now, dropped=count))

    def _work(self) -> None:
        """Work on what waits, a turn at a time; a turn that goes wrong is the end of nothing but itself."""
        try:
            self._turn()
        finally:
            self._working = bool(self._waiting)
            if self._working:
                self._loop.call_soon(self._work)

    def _turn(self) -> None:
        """Work on what waits for one turn, then let others run."""
        until = self._clock.now() + _TURN
        persists: list[Persist] = []
        if self._engine.failing and not self._journal.degraded:
            # The store has recovered by somebody else's write: nobody need be put off with the rest of a lease.
            self._engine.failing = False
        while self._waiting and (now := self._clock.now()) < until:
            sends: list[Send] = []
            for one in self._slice():
                try:
                    self._one(one, now, persists, sends)
                except Exception as error:  # noqa: BLE001 - one client's message must not end the service of all
                    self._sink(InternalError(at=now, where="dhcp.server", reason=repr(error)))
            self._send(sends)
        self._submit(persists)
        self._arm()

    def _slice(self) -> list[_Waiting]:
        waiting = self._waiting
        if len(waiting) <= _SLICE:
            self._waiting = {}
            return list(waiting.values())
        return [waiting.pop(key) for key in list(itertools.islice(waiting, _SLICE))]

    def _one(self, waiting: _Waiting, now: float, persists: list[Persist], sends: list[Send]) -> None:
        wire, data, source, control = waiting
        # struct in_pktinfo: the destination as the datagram had it comes last (ip(7))
        destination = control[0][2][8:12] if control else _ANYWHERE
        try:
            effects = self._engine.receive(data, wire.link, source, destination, now)
        except WireError as error:
            self.stats.malformed += 1
            effects = self._engine.malformed(error, source, wire.name, now)
        if effects:
            self._perform(effects, persists, sends)

    # --- effects

    def _perform(self, effects: Iterable[Effect], persists: list[Persist], sends: list[Send]) -> None:
        for effect in effects:
            if isinstance(effect, Emit):
                self._sink(effect.fact)
            elif isinstance(effect, Send):
                sends.append(effect)
            elif isinstance(effect, Persist):
                persists.append(effect)
            else:
                wire = self._wires.get(effect.interface)
                if wire is not None:
                    self._prober.probe(effect, wire)

    def _perform_all(self, effects: Iterable[Effect]) -> None:
        persists: list[Persist] = []
        sends: list[Send] = []
        self._perform(effects, persists, sends)
        self._send(sends)
        self._submit(persists)
        self._arm()

    def _send(self, sends: list[Send]) -> None:
        outbox, stats = self._outbox, self.stats
        outbox.send(sends)
        stats.sent, stats.send_errors = outbox.sent, outbox.errors

    def _submit(self, persists: list[Persist]) -> None:
        if persists:
            changes = [_put(persist.lease, persist.extends) for persist in persists]
            self._journal.submit(changes, functools.partial(self._stored, persists))

    def _stored(self, batch: list[Persist], error: StorageError | None) -> None:
        now = self._clock.now()
        if error is None:
            self.stats.commits += 1
            self.stats.leases_written += len(batch)
            self._perform_all(self._engine.persisted(batch, now))
        else:
            self._perform_all(self._engine.persist_failed(batch, error, now))

    def _probed(self, ip: int, holder: Mac | None) -> None:
        self._perform_all(self._engine.probed(ip, holder, self._clock.now()))

    # --- the clock

    def _arm(self) -> None:
        """See to it that the engine is woken at its deadline."""
        deadline = self._engine.deadline
        if deadline >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - self._clock.now()), self._expire)

    def _expire(self) -> None:
        self._timer_at = float("inf")
        self._perform_all(self._engine.expire(self._clock.now()))


def _nothing() -> None:
    """Nothing is watched."""
