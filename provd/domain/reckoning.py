"""Which time to go by at a start: what the system's clock shows, or what is known from the last run.

Pure: seconds since the epoch in, a decision out. A clock that lost its battery shows years ago and is set a minute
after the boot; one that was set wrongly shows years ahead, and it must be possible to come back from there.
"""

from __future__ import annotations

from dataclasses import replace

from provd.base.dataclass import dataclass

DAY = 86400.0
LEAP = 30 * DAY
"""A start this long after the last run may be a wrong clock as well as a long holiday."""
EARLIEST = 1_735_689_600.0
"""2025-01-01: before anything of this program was written, so no right clock shows less."""


@dataclass(frozen=True, slots=True)
class Leap:
    """The clock was believed although it went from ``start`` to ``end`` while nobody looked."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How far it went."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Mark:
    """What a run leaves for the next one: the latest time at which it lived, and the last leap unless that is old."""

    at: float
    leap: Leap | None = None


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The decision: the time to begin with, and what is odd about the wall clock."""

    start: float
    behind: float = 0.0
    """Seconds by which the wall clock is behind what is possible; 0 when it is believed."""
    ahead: float = 0.0
    """Seconds by which it has leapt; 0 when it has not."""
    leap: Leap | None = None
    """To be kept in mind."""


def reckon(wall: float, mark: Mark | None) -> Reckoning:
    """What to go by when the wall clock shows ``wall`` and the last run left ``mark``."""
    if mark is None:
        return Reckoning(max(wall, EARLIEST), behind=max(0.0, EARLIEST - wall))
    leap = mark.leap
    if leap is not None and mark.at - leap.end > LEAP:
        leap = None  # a month of ordinary running: it was no mistake
    if wall >= mark.at + LEAP:
        # Of two leaps in a row the first one began where the clock was last known to be right.
        leap = Leap(mark.at, wall) if leap is None else replace(leap, end=wall)
        return Reckoning(wall, ahead=wall - mark.at, leap=leap)
    if wall >= mark.at - DAY and wall >= EARLIEST:
        # Some minutes back are an ordinary correction; time stands still for them rather than run backwards.
        return Reckoning(max(wall, mark.at), leap=leap)
    if leap is not None and wall >= leap.start:
        return Reckoning(wall)  # the leap was the mistake, and somebody has corrected it
    return Reckoning(max(mark.at, EARLIEST), behind=max(mark.at, EARLIEST) - wall, leap=leap)
