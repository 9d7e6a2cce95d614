"""Facts about the system's clock."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSuspect(Fact):
    """At the start the system's clock showed a time before the one at which provd last ran (or before provd was
    written). provd goes on from that last time: nothing expires by such a clock, and nothing that has expired is valid
    again. ``behind`` is in seconds.

    Do: set the clock (NTP, a new CMOS battery); provd then follows by itself. Where the clock is right and an earlier
    run had it wrong, stop provd, remove the file ``clock`` in its state folder, start it again.
    """

    ID: ClassVar[str] = "CLOCK-SUSPECT"
    LEVEL: ClassVar[Level] = Level.ERROR

    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLeapt(Fact):
    """At the start the system's clock was more than 30 days ahead of the time at which provd last ran. It is believed,
    but leases that had not ended by then keep the time they had left. ``ahead`` is in seconds.

    Do: nothing when provd was switched off for so long; otherwise set the clock and restart provd.
    """

    ID: ClassVar[str] = "CLOCK-LEAPT"
    LEVEL: ClassVar[Level] = Level.WARNING

    ahead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Fact):
    """The system's clock was set while provd runs. provd counts the seconds by itself and goes on as if nothing had
    happened; its times differ from the system's by ``seconds`` until it is restarted. Told once for each step.

    Do: restart provd when the new time is the right one and its times matter to you; otherwise correct the clock.
    """

    ID: ClassVar[str] = "CLOCK-STEPPED"
    LEVEL: ClassVar[Level] = Level.WARNING

    seconds: int
