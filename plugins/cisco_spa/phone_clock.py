"""What the clock of an SPA phone shows: a zone of its closed list, an offset on top, and its daylight saving rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import by_dates

_BETWEEN = ("-03:30", "+03:30", "+05:30", "+05:45", "+06:30", "+09:30")
_WHOLE = (f"{hours:+03}:00" for hours in (*range(-12, 0), *range(1, 14)))
ZONES = frozenset({"GMT", *(f"GMT{offset}" for offset in (*_BETWEEN, *_WHOLE))})
"""The values that ``Time_Zone`` may have; of any other one the phone keeps what it had."""

FACTORY_ZONE = "GMT-08:00"
_OFFSET = re.compile(r"(-?)(\d{1,2})/(\d{1,2})")


class UnreadableTimeError(Exception):
    """A value that the phone would not understand, or that is not known to work."""


def shown(settings: Mapping[str, str], at: datetime) -> datetime:
    """The wall clock (naive) at a moment (aware). Raises UnreadableTimeError."""
    standard = at.astimezone(UTC).replace(tzinfo=None) + _offset(settings)
    text = settings.get("Daylight_Saving_Time_Rule", "")
    if settings.get("Daylight_Saving_Time_Enable", "Yes") == "No" or not text:
        return standard
    try:
        return by_dates(text, standard)
    except ValueError as error:
        raise UnreadableTimeError(f"Daylight_Saving_Time_Rule: {error}") from error


def _offset(settings: Mapping[str, str]) -> timedelta:
    zone, extra = settings.get("Time_Zone", FACTORY_ZONE), settings.get("Time_Offset__HH_mm_", "")
    if zone not in ZONES:
        raise UnreadableTimeError(f"Time_Zone {zone!r} is not in the list")
    sign, hours, minutes = zone[3:4], zone[4:6] or "0", zone[7:] or "0"
    east = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    if not extra:
        return east
    more = _OFFSET.fullmatch(extra)
    if more is None or int(more[3]) > 59:
        raise UnreadableTimeError(f"Time_Offset__HH_mm_ {extra!r}")
    return east + timedelta(hours=int(more[2]), minutes=int(more[3])) * (-1 if more[1] else 1)
