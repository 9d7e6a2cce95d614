"""What the clock of a Panasonic phone shows: by a POSIX TZ text (IEEE 1003.1 section 8.3) where one is set, or else by
minutes from UTC and changes at a minute of a weekday."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from provd.plugin.wall_clock import by_posix, in_force, weekday_at

_OFFSET = r"([+-]?)(\d{1,2})(?::(\d\d))?"
_CHANGE = r"M(\d{1,2})\.(\d)\.(\d)(?:/(\d{1,2})(?::(\d\d))?)?"
_TEXT = re.compile(rf"[A-Za-z]{{3,}}{_OFFSET}(?:[A-Za-z]{{3,}}(?:{_OFFSET})?,{_CHANGE},{_CHANGE})?")


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware, UTC), or None while no zone is set."""
    utc = at.replace(tzinfo=None)
    if text := settings.get("LOCAL_TIME_ZONE_POSIX", ""):
        match = _TEXT.fullmatch(text)
        return None if match is None else by_posix(match.groups(), utc)
    if not settings.get("TIME_ZONE"):
        return None
    standard = utc + timedelta(minutes=int(settings["TIME_ZONE"]))
    if settings.get("DST_ENABLE") != "Y":
        return standard
    start, end = (_by_parts(settings, name, standard.year) for name in ("START", "STOP"))
    return in_force(standard, timedelta(minutes=int(settings["DST_OFFSET"])), start, end)


def _by_parts(settings: Mapping[str, str], name: str, year: int) -> datetime:
    month, week, weekday, minutes = (
        int(settings[f"DST_{name}_{what}"]) for what in ("MONTH", "ORDINAL_DAY", "DAY_OF_WEEK", "TIME")
    )
    return weekday_at(year, month, week, weekday or 7) + timedelta(minutes=minutes)
