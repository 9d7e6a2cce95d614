"""What the handsets of a Gigaset base show: a place by its IANA name, or a number for an offset, with Europe's summer
time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from provd.plugin.wall_clock import in_force, weekday_at

# Hours from UTC of the numbers that are known.
NUMBERS = {
    0x00: -12, 0x01: -11, 0x02: -10, 0x03: -9, 0x04: -8, 0x07: -7, 0x09: -6, 0x0D: -5, 0x10: -4, 0x12: -3, 0x16: -2,
    0x18: -1, 0x1A: 0, 0x1B: 1, 0x20: 2, 0x28: 3, 0x2C: 4, 0x2D: 4.5, 0x2F: 5, 0x30: 5.5, 0x31: 5.75, 0x33: 6,
    0x35: 6.5, 0x36: 7, 0x38: 8, 0x3D: 9, 0x40: 9.5, 0x43: 10, 0x47: 11, 0x48: 12, 0x50: 13,
}  # fmt: skip


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no zone is set."""
    if place := settings.get("DmGlobal.0.TimeZone", ""):
        return at.astimezone(ZoneInfo(place)).replace(tzinfo=None)
    for start in ("BS_IP_Data1.", "BS_IP_Data."):
        if number := settings.get(f"{start}uiI_TIME_TIMEZONE", ""):
            summer = settings.get(f"{start}ucB_TIME_USE_AUTOMATIC_DST") == "0x1"
            return _by_number(int(number, 16), at.astimezone(UTC).replace(tzinfo=None), summer=summer)
    return None


def _by_number(number: int, utc: datetime, *, summer: bool) -> datetime:
    standard = utc + timedelta(hours=NUMBERS[number])
    if not summer:
        return standard
    start, end = weekday_at(standard.year, 3, 5, 7), weekday_at(standard.year, 10, 5, 7)
    # At one o'clock in UTC, wherever that is.
    local = timedelta(hours=1 + NUMBERS[number])
    return in_force(standard, timedelta(hours=1), start + local, end + local + timedelta(hours=1))
