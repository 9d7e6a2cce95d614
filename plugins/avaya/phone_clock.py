"""What the clock of an Avaya phone shows: a weekday of a month and one of the first ten hours of the day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_at

_OFFSET = re.compile(r"(?P<sign>-?)(?P<hours>\d{1,2}):(?P<minutes>\d{2})")
_CHANGE = re.compile(r"(?P<which>[1-4L])(?P<day>[A-Z][a-z]{2})(?P<month>[A-Z][a-z]{2})(?P<hour>\d)L")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no offset is set."""
    now = at.astimezone(UTC).replace(tzinfo=None)
    if "TIMEZONE_OFFSET" in settings:
        return now + timedelta(seconds=int(settings["TIMEZONE_OFFSET"]))
    offset = _OFFSET.fullmatch(settings.get("GMTOFFSET", ""))
    if offset is None:
        return None
    shift = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
    standard = now - shift if offset["sign"] else now + shift
    if settings.get("DAYLIGHT_SAVING_SETTING_MODE") != "2":
        return standard
    saved = timedelta(hours=int(settings.get("DSTOFFSET", "1")))
    start, end = (_change(settings[f"DST{name}"], standard.year) for name in ("START", "STOP"))
    return in_force(standard, saved, start, end)


def _change(text: str, year: int) -> datetime:
    found = _CHANGE.fullmatch(text)
    if found is None:
        raise ValueError(f"no change of the clock: {text}")
    week = 5 if found["which"] == "L" else int(found["which"])
    month, weekday = MONTHS.index(found["month"]) + 1, DAYS.index(found["day"]) + 1
    return weekday_at(year, month, week, weekday, int(found["hour"]))
