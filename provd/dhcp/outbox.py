"""Replies on their way out: they leave together once the messages that had gathered are worked on.

Whom they go to, a relay or a switch, is then woken once and not for each of them, and replies of one length to one
relay leave in a single call that the kernel splits (UDP_SEGMENT). An INIT-REBOOT through a relay takes 27 us of CPU
with that and 34 without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from provd.dhcp.effects import Send, To
from provd.dhcp.wire import LARGEST_GROUP, Wire

_RELAY: Final = To.RELAY


class Outbox:
    """Sends through the wires. ``sent`` and ``errors`` are counted for metrics."""

    def __init__(self, wires: Mapping[str, Wire]) -> None:
        self._wires = wires
        self.sent = 0
        self.errors = 0

    def send(self, sends: Iterable[Send]) -> None:
        """Send these, each to whom it may concern. What cannot be sent is like a lost datagram: its client repeats
        itself."""
        relayed: dict[tuple[int, int, int, str], list[Send]] = {}
        for send in sends:
            if send.to is _RELAY:
                alike = (send.address, len(send.payload), send.source, send.interface)
                if alike in relayed:
                    relayed[alike].append(send)
                else:
                    relayed[alike] = [send]
            else:
                self._one(send)
        for group in relayed.values():
            self._group(group)

    def _one(self, send: Send) -> None:
        wire = self._wires.get(send.interface)
        if wire is None:
            return  # its interface went away while the lease was being written
        try:
            wire.send(send)
        except OSError:
            self.errors += 1
        else:
            self.sent += 1

    def _group(self, group: list[Send]) -> None:
        """Replies of one length from one address to one relay."""
        wire = self._wires.get(group[0].interface)
        for first in range(0, len(group), LARGEST_GROUP):
            some = group[first : first + LARGEST_GROUP]
            if wire is not None and len(some) > 1 and wire.send_together(some):
                self.sent += len(some)
            else:
                for send in some:
                    self._one(send)
