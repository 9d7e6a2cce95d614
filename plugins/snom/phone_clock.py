"""What the clock of a Snom phone shows: its offset in seconds, and the rule in its setting ``dst``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

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
    start = _change(standard.year, *rule.groups()[1:5])
    # The end is named by the clock of summer.
    end = _change(standard.year, *rule.groups()[5:9]) - saved
    in_summer = start <= standard < end if start < end else not end <= standard < start
    return standard + saved if in_summer else standard


def _change(year: int, month: str, week: str, weekday: str, clock: str) -> datetime:
    """That weekday (Monday 1, Sunday 7) of the week; 5 is the last one that the month has."""
    first = date(year, int(month), 1)
    day = first + timedelta(days=(int(weekday) - first.isoweekday()) % 7 + 7 * (int(week) - 1))
    if day.month != first.month:
        day -= timedelta(days=7)
    return datetime.fromisoformat(f"{day.isoformat()} {clock}")
