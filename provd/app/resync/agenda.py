"""Who is told when: one entry for each device, not too many at a time or in a second. Pure: time comes in."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import field

from provd.app.resyncing import Heard
from provd.base.dataclass import dataclass
from provd.base.types import Mac

ATTEMPTS = 5
"""After so many, nothing more is sent for one change: the device comes by itself."""
PAUSES = (30.0, 120.0, 480.0, 1920.0)
"""Seconds after the first, second … attempt that led nowhere."""
AFTER_YES = 60.0
"""Seconds for a device that has said yes: it may be talked on, or restart first."""
AFTER_PASSED_ON = 15.0
"""The same where nobody says what the device made of it."""
URGENT = 0.0
"""As ``due``: before all others, for somebody waits in front of the phone or of a screen."""
MOMENT = 5.0
"""A device that has just been told is not told again because it registers."""


@dataclass(slots=True)
class Entry:
    """One device. ``spent`` are ways that promised and did not bring it."""

    mac: Mac
    due: float
    attempts: int = 0
    told: float = float("-inf")
    running: bool = False
    spent: set[str] = field(default_factory=set)


class Agenda:
    """``pace`` is how many devices are told in a second, ``at_once`` how many may be told at the same moment."""

    def __init__(self, *, pace: float = 20.0, at_once: int = 50, jitter: Callable[[], float] = lambda: 0.5) -> None:
        self.pace = pace
        self._at_once = at_once
        self._jitter = jitter
        self._entries: dict[Mac, Entry] = {}
        self._heap: list[tuple[float, int, Mac]] = []
        self._order = itertools.count()
        self._next_slot = 0.0
        self._running = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, mac: Mac) -> Entry | None:
        """The entry of that device."""
        return self._entries.get(mac)

    def add(self, mac: Mac, due: float, *, attempts: int = 0) -> Entry:
        """Tell this device at ``due``; a device that is there already starts anew."""
        entry = self._entries.get(mac)
        if entry is None:
            entry = self._entries[mac] = Entry(mac, due, attempts)
        else:
            entry.attempts = attempts
            entry.spent.clear()
        self._set(entry, due)
        return entry

    def drop(self, mac: Mac) -> None:
        """It need not be told any more."""
        self._entries.pop(mac, None)

    def hasten(self, mac: Mac, now: float) -> bool:
        """There is a way to it at this moment. False when it is not to be told, or was just told."""
        entry = self._entries.get(mac)
        if entry is None or entry.running or entry.attempts >= ATTEMPTS or now - entry.told < MOMENT:
            return False
        entry.spent.clear()
        self._set(entry, now)
        return True

    def _set(self, entry: Entry, due: float) -> None:
        entry.due = due
        heapq.heappush(self._heap, (due, next(self._order), entry.mac))

    def take(self, now: float) -> Entry | None:
        """The next device that is to be told now, if one is; :meth:`done` must follow."""
        while self._heap and self._heap[0][0] <= now and not self._full and now >= self._next_slot:
            due, _, mac = heapq.heappop(self._heap)
            entry = self._entries.get(mac)
            if entry is None or entry.due != due or entry.running:
                continue
            self._next_slot = max(self._next_slot, now - 1.0) + 1.0 / self.pace
            self._running += 1
            entry.running = True
            entry.attempts += 1
            entry.told = now
            entry.due = float("inf")
            return entry
        return None

    @property
    def _full(self) -> bool:
        """Whether the first in line has to wait for others to be done. Some places are kept for who is urgent."""
        return self._running >= self._at_once * (2 if self._heap[0][0] == URGENT else 1)

    @property
    def deadline(self) -> float | None:
        """When :meth:`take` is to be called next; None: when something changes."""
        while self._heap:
            due, _, mac = self._heap[0]
            entry = self._entries.get(mac)
            if entry is not None and entry.due == due and not entry.running:
                return None if self._full else max(due, self._next_slot)
            heapq.heappop(self._heap)
        return None

    def done(self, entry: Entry, way: str, heard: Heard, now: float) -> bool:
        """The attempt is over: the last way tried, and what was heard. Gives whether there will be another one."""
        self._running -= 1
        entry.running = False
        if self._entries.get(entry.mac) is not entry:
            return False
        if entry.due != float("inf"):
            # Added again meanwhile.
            self._set(entry, entry.due)
            return True
        if entry.attempts >= ATTEMPTS:
            return False
        if heard in {Heard.ACCEPTED, Heard.PASSED_ON}:
            entry.spent.add(way)
            pause = AFTER_YES if heard is Heard.ACCEPTED else AFTER_PASSED_ON
        else:
            entry.spent.clear()
            pause = PAUSES[min(entry.attempts, len(PAUSES)) - 1]
        # Phones of one site that went silent together are not told together again.
        self._set(entry, now + pause * (0.75 + 0.5 * self._jitter()))
        return True
