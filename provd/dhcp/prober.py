"""ARP probes (RFC 5227 section 2.1.1): does anybody use this address? Many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from provd.base.dataclass import dataclass
from provd.base.types import Mac, mac_of
from provd.dhcp.effects import Probe
from provd.dhcp.wire import Wire
from provd.net.frame import ArpPacket, arp_probe, parse_arp

_DRAIN = 512
_FRAME = 128


@dataclass(slots=True)
class _Asked:
    probe: Probe
    wire: Wire
    timer: asyncio.TimerHandle


class Prober:
    """Sends a probe, again after half of ``wait`` seconds, and says after ``wait`` who answered."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wait: float, answered: Callable[[int, Mac | None], None]
    ) -> None:
        self._loop = loop
        self._wait = wait
        self._answered = answered
        self._asked: dict[int, _Asked] = {}
        self._listening: dict[Wire, int] = {}

    def probe(self, probe: Probe, wire: Wire) -> None:
        """Start one. A wire without raw sockets cannot ask: the address then counts as free."""
        if wire.arp is None or wire.frames is None:
            self._loop.call_soon(self._answered, probe.ip, None)
            return
        if probe.ip in self._asked:
            return
        self._listen(wire)
        timer = self._loop.call_later(self._wait / 2, self._again, probe.ip)
        self._asked[probe.ip] = _Asked(probe, wire, timer)
        self._ask(wire, probe.ip)

    def forget(self, wire: Wire) -> None:
        """The wire goes away: what was asked there counts as free."""
        for ip in [ip for ip, asked in self._asked.items() if asked.wire is wire]:
            self._end(ip, None)

    def _listen(self, wire: Wire) -> None:
        asking = self._listening.get(wire, 0)
        if not asking and wire.arp is not None:
            # What has gathered since the last probe says nothing about now.
            with suppress(OSError):
                for _ in range(_DRAIN):
                    wire.arp.recv(_FRAME)
            self._loop.add_reader(wire.arp.fileno(), self._readable, wire)
        self._listening[wire] = asking + 1

    def _ask(self, wire: Wire, ip: int) -> None:
        if wire.frames is not None:
            with suppress(OSError):
                wire.frames.send(arp_probe(wire.mac, ip))

    def _again(self, ip: int) -> None:
        asked = self._asked[ip]
        self._ask(asked.wire, ip)
        asked.timer = self._loop.call_later(self._wait / 2, self._end, ip, None)

    def _end(self, ip: int, holder: Mac | None) -> None:
        asked = self._asked.pop(ip)
        asked.timer.cancel()
        wire = asked.wire
        self._listening[wire] -= 1
        if not self._listening[wire]:
            del self._listening[wire]
            if wire.arp is not None:
                self._loop.remove_reader(wire.arp.fileno())
        self._answered(ip, holder)

    def _readable(self, wire: Wire) -> None:
        if wire.arp is None:
            return
        with suppress(OSError):
            for _ in range(_DRAIN):
                packet = parse_arp(wire.arp.recv(_FRAME))
                if packet is not None:
                    self._heard(packet, wire)
                if wire not in self._listening:
                    return

    def _heard(self, packet: ArpPacket, wire: Wire) -> None:
        # A probe of somebody else for the same address (sender 0.0.0.0) is a conflict as well, RFC 5227 2.1.1.
        ip = packet.sender_ip or packet.target_ip
        asked = self._asked.get(ip)
        if asked is not None and packet.sender_mac not in {wire.mac, asked.probe.client}:
            self._end(ip, mac_of(packet.sender_mac))
