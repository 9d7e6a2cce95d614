"""When a device asks for its files by itself, from the settings of the file that it has and from what its plugin can
tell its model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from provd.base.dataclass import dataclass
from provd.domain.capability import shortfall
from provd.domain.records import Settings
from provd.plugin import Manifest, Model

NEVER = 0.0
"""In place of a moment: such a device asks when it starts, and not by itself."""

_DAY = 1440
_SOON = 7200
_TODAY = 64800
"""Seconds from which on a time of day alone would be taken for the wrong day."""
_LATE = 120.0
"""Seconds that a device may be late before anybody is told so: its clock, and the time that it takes to ask."""
_QUIET = 900.0
"""Seconds of silence, beyond two of its periods, after which a device is taken for switched off."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What a device can be told of when to ask. Which of the settings its plugin writes for its model and firmware:
    ``minutes`` and ``unclaimed`` (``resync.minutes``, ``resync.unclaimed_minutes``), ``at`` (``resync.at``, of a device
    that keeps to it); ``step`` (minutes) and ``spread`` (seconds) as in the manifest."""

    minutes: bool = False
    unclaimed: bool = False
    at: bool = False
    step: int = 1
    spread: int = 0

    def period(self, values: Settings, *, claimed: bool) -> int:
        """Minutes between two times that it asks, at most; 0: it does not ask by itself."""
        if not claimed and self.unclaimed:
            return self._whole(_number(values.get("resync.unclaimed_minutes"), 1))
        if not claimed and self.minutes:
            # Nobody can set that: such templates write the shortest that their phones take.
            return self.step if self.step > 1 else _DAY
        if self.minutes:
            return self._whole(_number(values.get("resync.minutes"), _DAY))
        return _DAY if self.at else 0

    def _whole(self, minutes: int) -> int:
        return -(-minutes // self.step) * self.step


def habit_of(manifest: Manifest | None, model: Model | None, values: Settings, version: str) -> Habit:
    """The habit of a device of that model with that firmware; none where no plugin writes its files."""
    if manifest is None or model is None:
        return Habit()

    def writes(name: str) -> bool:
        return not shortfall(manifest, model, name, values.get(name), version)

    advice = manifest.resync
    return Habit(
        minutes=writes("resync.minutes"),
        unclaimed=writes("resync.unclaimed_minutes"),
        at=advice is not None and advice.daily and writes("resync.at"),
        step=1 if advice is None else advice.step,
        spread=0 if advice is None else advice.spread,
    )


def comes_by(values: Settings, habit: Habit, now: float, *, claimed: bool) -> float:
    """The latest moment at which a device with these settings in its file asks again, in seconds since the epoch;
    :data:`NEVER` where it does not."""
    minutes = habit.period(values, claimed=claimed)
    at = values.get("resync.at")
    if not minutes:
        return NEVER
    daily = habit.at and minutes >= _DAY and (claimed or not habit.unclaimed)
    if not daily or not isinstance(at, str):
        return now + 60 * minutes
    hour, _, minute = at.partition(":")
    here = datetime.fromtimestamp(now, zone_of(values))
    then = here.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    if then.timestamp() <= now:
        then += timedelta(days=1)
    if habit.step == _DAY:
        # It counts in days; others ask every day once they are given a time of day.
        then += timedelta(days=minutes // _DAY - 1)
    return then.timestamp() + habit.spread


def outlook(due: float, now: float, zone: tzinfo, *, seen: float, period: int) -> str:
    """When a device comes, for people, to follow "it comes": ``within 1 min``, ``by 03:10 CEST`` (with the date when
    that is not today or tonight), or what must happen first. ``seen`` is when it was last heard, ``period`` the minutes
    of :meth:`Habit.period`."""
    if overdue(now - seen, period):
        return f"when it is switched on and connected again: not seen since {_when(seen, now, zone)}"
    if due == NEVER:
        return "when it is restarted: it does not ask by itself"
    if due + _LATE < now:
        return f"when it is restarted: it was to ask by {_when(due, now, zone)}, and has not"
    if due <= now:
        return "at any moment"
    if due - now <= _SOON:
        return f"within {max(1, -int((now - due) // 60))} min"
    return f"by {_when(due, now, zone)}"


def overdue(quiet: float, period: int) -> bool:
    """Whether so many seconds of silence say that a device is not there which asks every so many minutes (0: which does
    not ask by itself)."""
    return bool(period) and quiet > 2 * 60 * period + _QUIET


def _when(moment: float, now: float, zone: tzinfo) -> str:
    then = datetime.fromtimestamp(moment, zone)
    return then.strftime("%H:%M %Z" if abs(moment - now) < _TODAY else "%Y-%m-%d %H:%M %Z")


def zone_of(values: Settings) -> tzinfo:
    """The device's time zone; UTC where none is set or known."""
    name = values.get("time.zone")
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) else default
