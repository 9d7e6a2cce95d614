"""What simulated phones share of reckoning with summer time: each vendor's ``phone_clock.py`` reads its own notation.

Not the reckoning of :mod:`provd.app.zones`, which makes those rules: the tests compare the two.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta


def weekday_of(year: int, month: int, week: int, weekday: int) -> date:
    """That weekday (Monday 1, Sunday 7) of the week; 5 is the last one that the month has."""
    first = date(year, month, 1)
    day = first + timedelta(days=(weekday - first.isoweekday()) % 7 + 7 * (week - 1))
    return day if day.month == month else day - timedelta(days=7)


def in_force(standard: datetime, saved: timedelta, start: datetime, end: datetime) -> datetime:
    """The wall clock (naive) where standard time (naive) is ``standard``, with summer time between two changes of its
    year, each named by the clock before it: the end by that of summer."""
    end -= saved
    in_summer = start <= standard < end if start < end else not end <= standard < start
    return standard + saved if in_summer else standard
