"""Who may have a transfer now, who waits and who is sent away: a pure machine without clock or sockets."""

from __future__ import annotations

import enum
from typing import Generic, TypeVar

T = TypeVar("T")

Peer = tuple[str, int]
"""Address and port of a client: its TID (RFC 1350 section 4)."""


class Entry(enum.Enum):
    """What became of a request."""

    STARTED = "started"
    WAITING = "waiting"
    BUSY = "busy"


class Admission(Generic[T]):
    """Slots for transfers: ``per_client`` for one address, ``total`` in all.

    A request beyond the slots of its address waits, because behind a NAT one address is a whole site that
    powers up at once. At most ``waiting`` requests of one address (and ``total`` in all) do, each for ``patience``
    seconds after the client last repeated it.
    """

    __slots__ = ("_active", "_patience", "_per_client", "_queues", "_total", "_waiting", "active", "queued")

    def __init__(self, *, per_client: int, total: int, waiting: int, patience: float) -> None:
        self._per_client = per_client
        self._total = total
        self._waiting = waiting
        self._patience = patience
        self._active: dict[str, int] = {}
        self._queues: dict[str, dict[Peer, tuple[float, T]]] = {}
        self.active = 0
        self.queued = 0

    def enter(self, peer: Peer, item: T, now: float) -> Entry:
        """Ask for a slot; ``item`` comes back from :meth:`leave` when it had to wait. A repeated request waits once."""
        address = peer[0]
        taken = self._active.get(address, 0)
        if taken < self._per_client and self.active < self._total:
            self._active[address] = taken + 1
            self.active += 1
            # It may have waited for a slot of its address while one of another address became free.
            if self._queues.get(address, {}).pop(peer, None) is not None:
                self.queued -= 1
            return Entry.STARTED
        if not taken:
            return Entry.BUSY  # nothing of this address will ever end and wake it up
        queue = self._queues.setdefault(address, {})
        if peer not in queue:
            if len(queue) >= self._waiting or self.queued >= self._total:
                return Entry.BUSY
            self.queued += 1
        queue[peer] = (now, item)
        return Entry.WAITING

    def leave(self, address: str, now: float) -> T | None:
        """Give a slot back. The item that has it now, if one of the same address waited and is not too old."""
        queue = self._queues.get(address)
        while queue:
            since, item = queue.pop(next(iter(queue)))
            self.queued -= 1
            if now - since <= self._patience:
                return item
        if queue is not None:
            del self._queues[address]
        self.active -= 1
        left = self._active[address] - 1
        if left:
            self._active[address] = left
        else:
            del self._active[address]
        return None
