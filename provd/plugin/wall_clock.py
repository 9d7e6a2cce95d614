"""What simulated phones share of reckoning with summer time: each vendor's ``phone_clock.py`` reads its own notation.

Not the reckoning of :mod:`provd.app.zones`, which makes those rules: the tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

_CLOCK = r"(\d{1,2})(?::(\d{1,2}))?(?::(\d{1,2}))?"
_DATES = re.compile(
    rf"start=(?P<start>\d+/-?\d+/\d/[\d:]+);end=(?P<end>\d+/-?\d+/\d/[\d:]+);save=(?P<sign>-?)(?P<save>{_CLOCK});?"
)
_DATE = re.compile(rf"(\d{{1,2}})/(-?\d{{1,2}})/([0-7])/{_CLOCK}")


def weekday_of(year: int, month: int, week: int, weekday: int) -> date:
    """That weekday (Monday 1, Sunday 7) of the week; 5 is the last one that the month has."""
    first = date(year, month, 1)
    day = first + timedelta(days=(weekday - first.isoweekday()) % 7 + 7 * (week - 1))
    return day if day.month == month else day - timedelta(days=7)


def weekday_at(year: int, month: int, week: int, weekday: int, hour: int = 0, minute: int = 0) -> datetime:
    """The wall clock (naive) at a time of day of :func:`weekday_of`. Raises ValueError where there is no such time."""
    return datetime.combine(weekday_of(year, month, week, weekday), time(hour, minute))


def weekday_from(year: int, month: int, day: int, weekday: int) -> date:
    """Weekday 0: that day. Else the weekday (Monday 1) on or after it, or on or before a day counted from the end."""
    if day > 0:
        start = date(year, month, day)
        return start + timedelta(days=(weekday - start.isoweekday()) % 7 if weekday else 0)
    end = date(year + month // 12, month % 12 + 1, 1) + timedelta(days=day)
    return end - timedelta(days=(end.isoweekday() - weekday) % 7 if weekday else 0)


def in_force(standard: datetime, saved: timedelta, start: datetime, end: datetime) -> datetime:
    """The wall clock (naive) where standard time (naive) is ``standard``, with summer time between two changes of its
    year, each named by the clock before it: the end by that of summer."""
    end -= saved
    in_summer = start <= standard < end if start < end else not end <= standard < start
    return standard + saved if in_summer else standard


def by_posix(parts: Sequence[str | None], utc: datetime) -> datetime:
    """The wall clock (naive) at ``utc`` (naive) by a POSIX TZ text (IEEE 1003.1 section 8.3), whose names are left out.

    ``parts``: sign, hours and minutes west of Greenwich, the same in summer, then month, week, weekday (Sunday 0), hour
    and minute of both changes; None where the text says nothing: all of summer, its offset (one hour), a time (two
    o'clock). Raises ValueError for a time that no clock shows. How a text may be written is the vendor's affair.
    """
    standard = utc + _east(parts[:3])
    if parts[6] is None:
        return standard
    saved = utc + _east(parts[3:6]) - standard if parts[4] else timedelta(hours=1)
    return in_force(
        standard, saved, _posix_change(standard.year, parts[6:11]), _posix_change(standard.year, parts[11:16])
    )


def by_dates(rule: str, standard: datetime) -> datetime:
    """The wall clock (naive) where standard time (naive) is ``standard``, by a rule ``start=3/8/7/2:0:0;end=…;save=1``.

    A date is month, day (counted from the end where it is negative), weekday (:func:`weekday_from`), time of day.
    Raises ValueError for a rule that cannot be read, and for a date that leads out of its month: what phones make of
    that is not known.
    """
    match = _DATES.fullmatch(rule)
    if match is None:
        raise ValueError(repr(rule))
    saved = _span(match["save"]) * (-1 if match["sign"] else 1)
    return in_force(standard, saved, _date(match["start"], standard.year), _date(match["end"], standard.year))


def _span(text: str) -> timedelta:
    hours, minutes, seconds = (int(part or 0) for part in re.fullmatch(_CLOCK, text).groups())  # type: ignore[union-attr]
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _date(text: str, year: int) -> datetime:
    match = _DATE.fullmatch(text)
    month, day, weekday, hour, minute, second = (int(part or 0) for part in match.groups()) if match else (0,) * 6
    if not 1 <= month <= 12 or not day or max(hour - 23, minute - 59, second - 59) > 0:
        raise ValueError(repr(text))
    found = weekday_from(year, month, day, weekday)
    if found.month != month:
        raise ValueError(f"{text!r} leads out of its month")
    return datetime.combine(found, time(hour, minute, second))


def _east(parts: Sequence[str | None]) -> timedelta:
    sign, hours, minutes = parts
    west = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return west if sign == "-" else -west


def _posix_change(year: int, parts: Sequence[str | None]) -> datetime:
    month, week, weekday = (int(part or 0) for part in parts[:3])
    hour = 2 if parts[3] is None else int(parts[3])
    return weekday_at(year, month, week, weekday or 7, hour, int(parts[4] or 0))
