"""What the clock of the phone shows: the zones that its firmware knows, by the names of an old Windows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_at

_AMERICA = ("Alaskan -9", "Pacific -8", "Mountain -7", "Central -6", "Eastern -5", "Atlantic -4", "Newfoundland -3:30")
_EUROPE = ("Azores -1", "GMT +0", "Central Europe +1", "GTB +2")
_SUMMER = {
    **dict.fromkeys(_AMERICA, ((3, 2, 2), (11, 1, 2))),
    "Cen. Australia +9:30": ((10, 1, 2), (4, 1, 3)),
    "AUS Eastern +10": ((10, 1, 2), (4, 1, 3)),
    "New Zealand +12": ((9, 5, 2), (4, 1, 3)),
}
"""Zones with summer time: month, week (5 is the last), and hour of both changes, which are on Sundays."""
_WINTER = (
    "Dateline -12, Samoa -11, Hawaiian -10, US Mountain -7, Canada Central -6, SA Pacific -5, SA Western -4, "
    "SA Eastern -3, Greenwich +0, South Africa +2, Saudi Arabia +3, Arabian +4, Afghanistan +4:30, West Asia +5, "
    "India +5:30, Central Asia +6, SE Asia +7, Taipei +8, Tokyo +9, AUS Central +9:30, E. Australia +10, "
    "Central Pacific +11, Fiji +12"
)
"""Those without."""


class UnreadableTimeError(Exception):
    """No zone that the phone knows."""


def _offset(zone: str) -> timedelta:
    """Of the last word: ``Newfoundland -3:30``."""
    hours, _, minutes = zone.rpartition(" ")[2].partition(":")
    span = timedelta(hours=int(hours[1:]), minutes=int(minutes or 0))
    return -span if hours[0] == "-" else span


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware); None while no zone is set. Raises UnreadableTimeError."""
    name = settings.get("devicePool/dateTimeSetting/timeZone", "")
    if not name:
        return None
    utc = at.astimezone(UTC).replace(tzinfo=None)
    for zone in _WINTER.split(", "):
        if name == f"{zone.rpartition(' ')[0]} Standard Time":
            return utc + _offset(zone)
    for zone in (*_SUMMER, *_EUROPE):
        if name == f"{zone.rpartition(' ')[0]} Standard/Daylight Time":
            return _with_summer(zone, utc + _offset(zone))
    raise UnreadableTimeError(name)


def _with_summer(zone: str, standard: datetime) -> datetime:
    if zone in _SUMMER:
        rules = _SUMMER[zone]
    else:
        # All of Europe changes at one o'clock UTC.
        winter = _offset(zone) // timedelta(hours=1)
        rules = ((3, 5, winter + 1), (10, 5, winter + 2))
    start, end = (weekday_at(standard.year, month, week, 7, hour) for month, week, hour in rules)
    return in_force(standard, timedelta(hours=1), start, end)
