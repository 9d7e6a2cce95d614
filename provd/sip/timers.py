"""Points in time at which something is due: one queue for everything that waits."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

T1 = 0.5
"""Seconds; the estimated round trip (RFC 3261 section 17.1.1.1)."""
T2 = 4.0
"""The longest interval between retransmissions."""
T4 = 5.0
"""How long a message may stay in the network."""
PATIENCE = 64 * T1
"""Timers B, F, H, J and L."""
_UNWANTED = 512


class Timer:
    """A promise to call back. :meth:`cancel` may be called at any time, also twice."""

    __slots__ = ("_owner", "callback")

    def __init__(self, owner: Timers, callback: Callable[[float], None]) -> None:
        self.callback: Callable[[float], None] | None = callback
        self._owner = owner

    def cancel(self) -> None:
        """It is not wanted any more."""
        if self.callback is not None:
            self.callback = None
            self._owner.cancelled += 1


class Timers:
    """All timers of an endpoint, soonest first; equal ones in the order they were set."""

    __slots__ = ("_count", "_heap", "cancelled")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self.cancelled = 0
        """Timers that still lie in the queue although nobody wants them."""

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, due: float, callback: Callable[[float], None]) -> Timer:
        """Call back with the time when ``due`` has come."""
        if self.cancelled > _UNWANTED and 2 * self.cancelled > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self.cancelled = 0
        timer = Timer(self, callback)
        heapq.heappush(self._heap, (due, next(self._count), timer))
        return timer

    @property
    def deadline(self) -> float:
        """When the next one is due; infinity when nothing waits."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self.cancelled -= 1
        return heap[0][0] if heap else math.inf

    def expire(self, now: float) -> None:
        """Call back everything that is due."""
        while self.deadline <= now:
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback(now)

    def leapt(self, seconds: float) -> None:
        """The clock was set forward by so much in which no time has passed: everything is due later by that."""
        self._heap = [(due + seconds, number, timer) for due, number, timer in self._heap]
