"""What the clock of a Panasonic phone shows: by a POSIX TZ text (IEEE 1003.1 section 8.3) where one is set, or else by
minutes from UTC and changes at a minute of a weekday."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_of

_OFFSET = r"([+-]?)(\d{1,2})(?::(\d\d))?"
_CHANGE = r"M(\d{1,2})\.(\d)\.(\d)(?:/(\d{1,2})(?::(\d\d))?)?"
_TEXT = re.compile(rf"[A-Za-z]{{3,}}{_OFFSET}(?:[A-Za-z]{{3,}}(?:{_OFFSET})?,{_CHANGE},{_CHANGE})?")


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware, UTC), or None while no zone is set."""
    utc = at.replace(tzinfo=None)
    if text := settings.get("LOCAL_TIME_ZONE_POSIX", ""):
        return _by_text(text, utc)
    if not settings.get("TIME_ZONE"):
        return None
    standard = utc + timedelta(minutes=int(settings["TIME_ZONE"]))
    if settings.get("DST_ENABLE") != "Y":
        return standard
    start, end = (_by_parts(settings, name, standard.year) for name in ("START", "STOP"))
    return in_force(standard, timedelta(minutes=int(settings["DST_OFFSET"])), start, end)


def _by_text(text: str, utc: datetime) -> datetime | None:
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    parts = match.groups()
    standard = utc + _east(parts[:3])
    if parts[6] is None:
        return standard
    saved = utc + _east(parts[3:6]) - standard if parts[4] else timedelta(hours=1)
    return in_force(standard, saved, _moment(standard.year, parts[6:11]), _moment(standard.year, parts[11:16]))


def _east(parts: tuple[str | None, ...]) -> timedelta:
    sign, hours, minutes = parts
    west = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return west if sign == "-" else -west


def _moment(year: int, parts: tuple[str | None, ...]) -> datetime:
    month, week, weekday = (int(part or 0) for part in parts[:3])
    hour = 2 if parts[3] is None else int(parts[3])
    return _at(year, month, week, weekday) + timedelta(hours=hour, minutes=int(parts[4] or 0))


def _by_parts(settings: Mapping[str, str], name: str, year: int) -> datetime:
    month, week, weekday, minutes = (
        int(settings[f"DST_{name}_{what}"]) for what in ("MONTH", "ORDINAL_DAY", "DAY_OF_WEEK", "TIME")
    )
    return _at(year, month, week, weekday) + timedelta(minutes=minutes)


def _at(year: int, month: int, week: int, weekday: int) -> datetime:
    day = weekday_of(year, month, week, weekday or 7)
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall clock
