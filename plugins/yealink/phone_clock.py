"""What the clock of a Yealink phone shows: its offset and the change-overs that its own settings name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from provd.plugin.wall_clock import in_force, weekday_of

_OFFSET = re.compile(r"([+-]?)(\d{1,2})(?::(\d\d))?")
_BY_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{1,2})")
_BY_WEEK = re.compile(r"(\d{1,2})/([1-5])/([1-7])/(\d{1,2})")


class UnreadableTimeError(Exception):
    """A setting of ``local_time`` that the phone would not understand."""


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no zone is set or the phone's own table decides.

    Raises UnreadableTimeError.
    """
    zone, summer = settings.get("local_time.time_zone", ""), settings.get("local_time.summer_time", "2")
    if not zone or summer == "2":
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) + timedelta(minutes=_offset(zone))
    if summer != "1":
        return standard
    saved = timedelta(minutes=_number(settings, "local_time.offset_time", -300, 300))
    start, end = (_change(settings, name, standard.year) for name in ("start_time", "end_time"))
    return in_force(standard, saved, start, end)


def _offset(text: str) -> int:
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[2]) > 14:
        raise UnreadableTimeError(f"time_zone {text!r}")
    minutes = 60 * int(match[2]) + int(match[3] or 0)
    return -minutes if match[1] == "-" else minutes


def _number(settings: Mapping[str, str], name: str, low: int, high: int) -> int:
    text = settings.get(name, "")
    if not text.lstrip("-").isdigit() or not low <= int(text) <= high:
        raise UnreadableTimeError(f"{name} {text!r}")
    return int(text)


def _change(settings: Mapping[str, str], which: str, year: int) -> datetime:
    text = settings.get(f"local_time.{which}", "")
    by_week = settings.get("local_time.dst_time_type") == "1"
    match = (_BY_WEEK if by_week else _BY_DATE).fullmatch(text)
    if match is None:
        raise UnreadableTimeError(f"{which} {text!r}")
    month, *middle, hour = (int(part) for part in match.groups())
    if not 1 <= month <= 12 or hour > 23:
        raise UnreadableTimeError(f"{which} {text!r}")
    day = weekday_of(year, month, *middle) if by_week else date(year, month, middle[0])
    return datetime.combine(day, time(hour))
