"""What a Thomson phone's clock shows: a place of its list, with or without the summer time that the place has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

PLACES = {
    1: "Pacific/Midway",
    2: "Pacific/Honolulu",
    3: "America/Anchorage",
    4: "America/Los_Angeles",
    5: "America/Phoenix",
    6: "America/Denver",
    7: "America/Chicago",
    9: "America/Regina",
    10: "America/Bogota",
    11: "America/New_York",
    13: "America/Halifax",
    14: "America/La_Paz",
    15: "America/St_Johns",
    17: "America/Argentina/Buenos_Aires",
    18: "Atlantic/South_Georgia",
    19: "Atlantic/Azores",
    20: "Africa/Monrovia",
    21: "Europe/London",
    22: "Europe/Paris",
    23: "Europe/Belgrade",
    29: "Africa/Harare",
    30: "Europe/Helsinki",
    34: "Africa/Nairobi",
    35: "Asia/Tehran",
    36: "Asia/Muscat",
    38: "Asia/Kabul",
    40: "Asia/Karachi",
    41: "Asia/Kolkata",
    42: "Asia/Kathmandu",
    43: "Asia/Dhaka",
    45: "Asia/Yangon",
    46: "Asia/Bangkok",
    47: "Asia/Hong_Kong",
    50: "Asia/Tokyo",
    53: "Australia/Adelaide",
    54: "Australia/Darwin",
    55: "Australia/Brisbane",
    56: "Australia/Sydney",
    60: "Asia/Magadan",
    61: "Pacific/Auckland",
    62: "Pacific/Fiji",
    63: "Pacific/Tongatapu",
}
"""Those of its list of which there is a use."""


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no place is set."""
    number = settings.get("NtpZoneNum", "")
    if not number:
        return None
    there = at.astimezone(ZoneInfo(PLACES[int(number)]))
    offset = there.utcoffset() or timedelta()
    if settings.get("NtpDaylight", "1") != "1":
        offset -= there.dst() or timedelta()
    return at.astimezone(UTC).replace(tzinfo=None) + offset
