"""What a clock shows that is set by a POSIX TZ text (IEEE 1003.1 section 8.3): offsets count west of Greenwich."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_of

_OFFSET = r"([+-]?)(\d{1,2})(?::(\d\d))?"
_CHANGE = r"M(\d{1,2})\.(\d)\.(\d)/(\d\d):(\d\d):\d\d"
_TEXT = re.compile(rf"[A-Z]{{3}}{_OFFSET}(?:[A-Z]{{3}}{_OFFSET},{_CHANGE},{_CHANGE})?")


def shown(text: str, at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None where the text is none."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    groups = match.groups()
    utc = at.astimezone(UTC).replace(tzinfo=None)
    standard, summer = utc + _east(groups[:3]), utc + _east(groups[3:6])
    if groups[4] is None:
        return standard
    start, end = _moment(standard.year, groups[6:11]), _moment(standard.year, groups[11:16])
    return in_force(standard, summer - standard, start, end)


def _east(parts: tuple[str | None, ...]) -> timedelta:
    sign, hours, minutes = parts
    west = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return west if sign == "-" else -west


def _moment(year: int, parts: tuple[str | None, ...]) -> datetime:
    month, week, weekday, hour, minute = (int(part or 0) for part in parts)
    day = weekday_of(year, month, week, weekday or 7)
    return datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall clock
