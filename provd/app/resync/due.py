"""When a device asks for its files by itself, from the settings of the file that it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from provd.domain.records import Settings
from provd.plugin import ResyncAdvice

_DAY = 1440
_SOON = 7200
_TODAY = 64800
"""Seconds from which on a time of day alone would be taken for the wrong day."""


def comes_by(values: Settings, advice: ResyncAdvice | None, now: float, *, claimed: bool) -> float:
    """The latest moment at which a device with these settings in its file asks again, in seconds since the epoch."""
    if not claimed:
        return now + 60 * _number(values.get("resync.unclaimed_minutes"), 1)
    minutes = _number(values.get("resync.minutes"), _DAY)
    at = values.get("resync.at")
    if advice is None or not advice.daily or minutes < _DAY or not isinstance(at, str):
        return now + 60 * minutes
    hour, _, minute = at.partition(":")
    here = datetime.fromtimestamp(now, zone_of(values))
    then = here.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    if then.timestamp() <= now:
        then += timedelta(days=1)
    return then.timestamp() + advice.spread


def comes_text(due: float, now: float, zone: tzinfo) -> str:
    """For people: ``within 1 min``, ``by 03:10 CEST``, with the date when that is not today or tonight."""
    if due <= now:
        return "at any moment"
    if due - now <= _SOON:
        return f"within {max(1, -int((now - due) // 60))} min"
    then = datetime.fromtimestamp(due, zone)
    return then.strftime("by %H:%M %Z" if due - now < _TODAY else "by %Y-%m-%d %H:%M %Z")


def zone_of(values: Settings) -> tzinfo:
    """The device's time zone; UTC where none is set or known."""
    name = values.get("time.zone")
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) else default
