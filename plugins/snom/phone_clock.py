"""What the clock of a Snom phone shows: its offset in seconds, and the rule in its setting ``dst``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from provd.plugin.wall_clock import in_force, weekday_of

_RULE = re.compile(r"(\d{1,5}) (\d\d)\.(\d\d)\.(\d\d) (\d\d:\d\d:\d\d) (\d\d)\.(\d\d)\.(\d\d) (\d\d:\d\d:\d\d)")


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no offset is set or the phone's own table decides."""
    offset = settings.get("utc_offset", "")
    if not offset or settings.get("timezone"):
        return None
    standard = at.astimezone(UTC).replace(tzinfo=None) + timedelta(seconds=int(offset))
    rule = _RULE.fullmatch(settings.get("dst", ""))
    if rule is None:
        return standard
    saved = timedelta(seconds=int(rule[1]))
    start, end = (_change(standard.year, *rule.groups()[first : first + 4]) for first in (1, 5))
    return in_force(standard, saved, start, end)


def _change(year: int, month: str, week: str, weekday: str, clock: str) -> datetime:
    """That weekday (Monday 1, Sunday 7) of the week; 5 is the last one that the month has."""
    day = weekday_of(year, int(month), int(week), int(weekday))
    return datetime.fromisoformat(f"{day.isoformat()} {clock}")
