"""What a SmartNode takes for local time: an offset, and another one between two changes of each year."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_at

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKS = ("first", "second", "third", "fourth", "last")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CHANGE = r"(\d\d:\d\d) ([a-z]{3}) ([a-z]+) ([a-z]+)"
_RULE = re.compile(rf"\w+ ([+-]\d\d:\d\d) from {_CHANGE} until {_CHANGE}")


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no offset is set."""
    offset = settings.get("clock local default-offset", "")
    if not offset:
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) + _span(offset)
    rule = _RULE.fullmatch(settings.get("clock local dst-rule", ""))
    if rule is None:
        return standard
    summer, *words = rule.groups()
    start, end = _change(words[:4], standard.year), _change(words[4:], standard.year)
    return in_force(standard, _span(summer) - _span(offset), start, end)


def _span(text: str) -> timedelta:
    minutes = 60 * int(text[1:3]) + int(text[4:])
    return timedelta(minutes=-minutes if text.startswith("-") else minutes)


def _change(words: list[str], year: int) -> datetime:
    time, month, week, day = words
    hour, minute = (int(part) for part in time.split(":"))
    return weekday_at(year, MONTHS.index(month) + 1, WEEKS.index(week) + 1, DAYS.index(day) + 1, hour, minute)
