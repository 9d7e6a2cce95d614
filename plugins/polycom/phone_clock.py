"""What the clock of a Polycom phone shows: seconds from UTC, and change-overs on a weekday from a date on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from provd.plugin.wall_clock import in_force

START = "tcpIpApp.sntp.daylightSavings."


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no offset is set."""
    offset = settings.get("tcpIpApp.sntp.gmtOffset", "")
    if not offset:
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) + timedelta(seconds=int(offset))
    if settings.get(f"{START}enable") != "1":
        return standard
    start, end = (_change(settings, name, standard.year) for name in ("start", "stop"))
    # The phone adds an hour.
    return in_force(standard, timedelta(hours=1), start, end)


def _change(settings: Mapping[str, str], name: str, year: int) -> datetime:
    def of(what: str) -> int:
        return int(settings.get(f"{START}{name}.{what}", "0") or 0)

    month, first = of("month"), of("date") or 1
    if settings.get(f"{START}fixedDayEnable") == "1":
        day = date(year, month, first)
    else:
        weekday = (of("dayOfWeek") - 1) or 7
        day = date(year, month, first)
        day += timedelta(days=(weekday - day.isoweekday()) % 7)
        if of("dayOfWeek.lastInMonth") == 1:
            while (day + timedelta(days=7)).month == month:
                day += timedelta(days=7)
    return datetime.combine(day, time(of("time")))
