"""What the clock of a Fanvil phone shows: quarters of an hour from UTC, change-overs at a whole hour of a weekday."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no offset is set."""
    quarters = settings.get("Time Zone", "")
    if not quarters:
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) + timedelta(minutes=15 * int(quarters))
    if settings.get("DST Type") != "2":
        return standard
    saved = timedelta(minutes=int(settings.get("DST Min Offset", "60")))
    start = _change(settings, "Start", standard.year)
    # The end is named by the clock of summer.
    end = _change(settings, "End", standard.year) - saved
    in_summer = start <= standard < end if start < end else not end <= standard < start
    return standard + saved if in_summer else standard


def _change(settings: Mapping[str, str], name: str, year: int) -> datetime:
    """That weekday (Sunday 0) of the week; 5 is the last one that the month has."""
    month, week, weekday, hour = (int(settings[f"DST {name} {what}"]) for what in ("Mon", "Week", "Wday", "Hour"))
    first = date(year, month, 1)
    day = first + timedelta(days=((weekday or 7) - first.isoweekday()) % 7 + 7 * (week - 1))
    if day.month != month:
        day -= timedelta(days=7)
    return datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 - a wall clock
