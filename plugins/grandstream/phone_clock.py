"""What a clock shows that is set by a POSIX TZ text (IEEE 1003.1 section 8.3): offsets count west of Greenwich."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

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
    start = _moment(standard.year, groups[6:11])
    # The end is named by the clock of summer.
    end = _moment(standard.year, groups[11:16]) - (summer - standard)
    in_summer = start <= standard < end if start < end else not end <= standard < start
    return summer if in_summer else standard


def _east(parts: tuple[str | None, ...]) -> timedelta:
    sign, hours, minutes = parts
    west = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return west if sign == "-" else -west


def _moment(year: int, parts: tuple[str | None, ...]) -> datetime:
    month, week, weekday, hour, minute = (int(part or 0) for part in parts)
    first = date(year, month, 1)
    day = first + timedelta(days=((weekday or 7) - first.isoweekday()) % 7 + 7 * (week - 1))
    if day.month != month:
        day -= timedelta(days=7)
    return datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall clock
