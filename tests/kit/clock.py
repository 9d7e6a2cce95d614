"""A clock that moves when the test says so, and a timer queue that lives on it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class FakeClock:
    """Implements :class:`provd.base.clock.Clock`; time passes only through :meth:`advance` and :meth:`run_until`."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """Call back once ``delay`` seconds have passed on this clock."""
        heapq.heappush(self._timers, (self._now + delay, next(self._order), callback))

    def advance(self, seconds: float) -> None:
        """Let time pass; timers fire in their order, each at its own moment."""
        self.run_until(self._now + seconds)

    def run_until(self, moment: float) -> None:
        while self._timers and self._timers[0][0] <= moment:
            due, _, callback = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            callback()
        self._now = max(self._now, moment)
