"""What the clock of a Fanvil phone shows: quarters of an hour from UTC, change-overs at a whole hour of a weekday."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_at


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no offset is set."""
    quarters = settings.get("Time Zone", "")
    if not quarters:
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) + timedelta(minutes=15 * int(quarters))
    if settings.get("DST Type", settings.get("Enable DST")) != "2":
        return standard
    saved = timedelta(minutes=int(settings.get("DST Min Offset", "60")))
    start, end = (_change(settings, name, standard.year) for name in ("Start", "End"))
    return in_force(standard, saved, start, end)


def _change(settings: Mapping[str, str], name: str, year: int) -> datetime:
    """That weekday (Sunday 0) of the week; 5 is the last one that the month has."""
    month, week, weekday, hour = (int(settings[f"DST {name} {what}"]) for what in ("Mon", "Week", "Wday", "Hour"))
    return weekday_at(year, month, week, weekday or 7, hour)
