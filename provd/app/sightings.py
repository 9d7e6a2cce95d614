"""What was seen lately of each MAC: evidence, boot id and prepared advice, in a table of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import field

from provd.base.dataclass import dataclass
from provd.base.types import Mac
from provd.dhcp.advice import Advice
from provd.domain.evidence import Identity

SILENCE = 75.0
"""After so many seconds without a word the next word begins a boot. Longer than the one minute at which unclaimed
phones poll."""

CAPACITY = 10_000
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True)
class Sighting:
    """One MAC. ``began`` and ``seen`` are seconds; ``acked`` tells that this boot has its lease.

    ``vendor_class``, ``user_class``, ``server`` and ``stamp`` are what ``advice`` was made for; ``user_agent`` and
    ``common`` are the last User-Agent and common file whose identity was taken over.
    """

    mac: Mac
    identity: Identity = field(default_factory=Identity)
    boot: str = ""
    began: float = 0.0
    seen: float = 0.0
    acked: bool = False
    ip: str = ""
    user_agent: str | None = None
    common: str = ""
    vendor_class: str | None = None
    user_class: str = ""
    server: str = ""
    stamp: int = -1
    advice: Advice | None = None


class Sightings:
    """The most recently seen MACs. ``prefix`` makes boot ids of different runs of the daemon different."""

    def __init__(self, prefix: str, capacity: int = CAPACITY) -> None:
        self._prefix = prefix
        self._capacity = capacity
        self._count = 0
        self._table: OrderedDict[Mac, Sighting] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def find(self, mac: Mac) -> Sighting | None:
        """The sighting of that MAC, if it is remembered."""
        return self._table.get(mac)

    def touch(self, mac: Mac, now: float, *, first: bool = False) -> tuple[Sighting, bool]:
        """The sighting of that MAC, made if need be, and whether a boot begins.

        ``first`` is a DISCOVER or an INIT-REBOOT request: a boot, unless it is the repetition of one that has not got
        its lease yet.
        """
        sighting = self._table.get(mac)
        if sighting is None:
            sighting = self._table[mac] = Sighting(mac, Identity(mac=mac))
            if len(self._table) > self._capacity:
                self._table.popitem(last=False)
        else:
            self._table.move_to_end(mac)
        silent = now - sighting.seen >= SILENCE
        begins = not sighting.boot or silent or (first and sighting.acked)
        if begins:
            sighting.boot = self._next()
            sighting.began = now
            sighting.acked = False
        sighting.seen = now
        return sighting, begins

    def forget_advice(self, mac: Mac) -> None:
        """What the device is has changed: its advice has to be made again."""
        sighting = self._table.get(mac)
        if sighting is not None:
            sighting.advice = None
            sighting.vendor_class = None
            sighting.user_agent = None

    def forget_all_advice(self) -> None:
        """The plugins or the policy have changed: all evidence has to be weighed again."""
        for mac in self._table:
            self.forget_advice(mac)

    def _next(self) -> str:
        self._count += 1
        number, digits = self._count, ""
        while number:
            number, digit = divmod(number, 36)
            digits = _DIGITS[digit] + digits
        return f"{self._prefix}{digits}"
