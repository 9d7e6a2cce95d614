"""What the clock of an Aastra phone shows: minutes west of Greenwich and the changes of its custom zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from provd.plugin.wall_clock import in_force

WEEK = timedelta(days=7)


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while the phone's own table of zones decides."""
    if settings.get("time zone name") != "Custom":
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) - timedelta(minutes=int(settings["time zone minutes"]))
    if settings.get("dst config") != "3":
        return standard
    saved = timedelta(minutes=int(settings["dst minutes"]))
    start, end = (_change(settings, name, standard.year) for name in ("start", "end"))
    return in_force(standard, saved, start, end)


def _change(settings: Mapping[str, str], which: str, year: int) -> datetime:
    month, day, hour = (int(settings[f"dst {which} {part}"]) for part in ("month", "day", "hour"))
    found = date(year, month, 1)
    if settings.get("dst [start|end] relative date") == "1":
        found = _weekday(found, int(settings[f"dst {which} week"]), day)
    else:
        found = found.replace(day=day)
    return datetime.combine(found, time(hour))


def _weekday(first: date, week: int, day: int) -> date:
    """That day (Sunday 1) of a full week, which begins on a Sunday; -1 is the last such day of the month."""
    if week < 0:
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        last = after - timedelta(days=1)
        return last - timedelta(days=(last.isoweekday() % 7 + 1 - day) % 7) + WEEK * (week + 1)
    sunday = first + timedelta(days=(7 - first.isoweekday()) % 7)
    return sunday + WEEK * (week - 1) + timedelta(days=day - 1)
