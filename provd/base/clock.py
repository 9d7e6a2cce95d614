"""The clock as something handed in, so that tests move it and nobody below the edges reads the wall."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Seconds since the Unix epoch that never run backwards, not even over a restart of the daemon."""

    def now(self) -> float:
        """The current time in seconds."""
        ...


class SystemClock:
    """Wall time taken once at start and carried on by the monotonic clock.

    A step of the wall clock (NTP, an operator, a flat CMOS battery) therefore neither expires every lease nor
    keeps one for years; the step is taken over at the next start. ``start`` replaces a wall clock that is not believed.
    """

    def __init__(
        self,
        start: float | None = None,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = (wall() if start is None else start) - monotonic()

    def now(self) -> float:
        """The current time in seconds."""
        return self._offset + self._monotonic()

    def wall_ahead(self) -> float:
        """By how many seconds the wall clock is ahead of this one; negative when it is behind."""
        return self._wall() - self.now()

    def advance(self, seconds: float) -> None:
        """Go forward by so much, for a clock that was not believed and is right now. Never backward."""
        self._offset += max(0.0, seconds)
