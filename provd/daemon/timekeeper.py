"""The daemon's own time: begun at the start by what is known, compared with the system's clock every minute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from provd.base.clock import SystemClock
from provd.base.facts import FactSink
from provd.base.facts.clock import ClockLeapt, ClockStepped, ClockSuspect
from provd.base.facts.daemon import Degraded, Recovered
from provd.domain.reckoning import LEAP, Leap, Mark, reckon
from provd.storage.clock_mark import read_mark, write_mark

_PART = "clock"
_STEP = 60.0
"""Seconds of difference that are worth telling."""


class Timekeeper:
    """Makes ``clock``, the one everybody gets, and leaves a mark for the next start."""

    def __init__(self, state_dir: Path, make: Callable[[float | None], SystemClock] = SystemClock) -> None:
        self._state_dir = state_dir
        wall = make(None).now()
        self._found = reckon(wall, read_mark(state_dir))
        self.clock = make(self._found.start)
        self._suspect = self._found.behind > 0
        self._told = self.clock.wall_ahead()

    @property
    def leap(self) -> Leap | None:
        """A leap of the clock that leases must not suffer from."""
        return self._found.leap

    def tell(self, emit: FactSink) -> None:
        """Say what was odd at the start."""
        now = self.clock.now()
        if self._suspect:
            emit(ClockSuspect(at=now, behind=int(self._found.behind)))
            emit(Degraded(at=now, part=_PART, reason="the system's clock shows a time that has passed"))
        elif self._found.ahead:
            emit(ClockLeapt(at=now, ahead=int(self._found.ahead)))

    def tick(self, emit: FactSink) -> None:
        """Leave a mark; follow a clock that was not believed and is plausible now; tell of a step. Once a minute."""
        ahead = self.clock.wall_ahead()
        if self._suspect and 0 <= ahead < LEAP:
            self.clock.advance(ahead)
            self._suspect, self._told = False, 0.0
            emit(Recovered(at=self.clock.now(), part=_PART))
        elif abs(ahead - self._told) > _STEP:
            self._told = ahead
            emit(ClockStepped(at=self.clock.now(), seconds=int(ahead)))
        self.mark()

    def mark(self) -> None:
        """Leave a mark. A step that this run did not follow is a leap for the next one: leases that were given by the
        clock of this one have not ended for that."""
        now, ahead = self.clock.now(), self.clock.wall_ahead()
        leap = Leap(now, now + ahead) if _STEP < ahead < LEAP else self._found.leap
        write_mark(self._state_dir, Mark(now, leap))
