"""The clock as something handed in, so that tests move it and nobody below the edges reads the wall."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the Unix epoch that never run backwards while the process lives."""

    def now(self) -> float:
        """The current time in seconds."""
        ...


class SystemClock:
    """Wall time taken once at start and carried on by the monotonic clock.

    A step of the wall clock (NTP, an operator, a flat CMOS battery) therefore neither expires every lease nor
    keeps one for years; the step is taken over at the next start.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """The current time in seconds."""
        return self._offset + time.monotonic()
