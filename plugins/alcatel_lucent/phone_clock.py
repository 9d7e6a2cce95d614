"""What the clock of an Alcatel-Lucent phone shows: an offset from UTC, or what a table has behind a zone's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d{1,2}):(?P<minutes>\d{2})")
BY_NAME = "2"


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no offset is set."""
    name = settings.get("SettingTimeZoneLocation", "")
    if name and settings.get("SettingDstEnable") == BY_NAME:
        with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as table:
            return at.astimezone(ZoneInfo.from_file(table, name)).replace(tzinfo=None)
    offset = _minutes(settings)
    return None if offset is None else at.astimezone(UTC).replace(tzinfo=None) + timedelta(minutes=offset)


def _minutes(settings: Mapping[str, str]) -> int | None:
    said = settings.get("SettingTimeZone") or settings.get("DmAdmcfgTimeZone", "")
    if found := _OFFSET.fullmatch(said):
        minutes = 60 * int(found["hours"]) + int(found["minutes"])
        return -minutes if found["sign"] == "-" else minutes
    touch = settings.get("sntp/timezone", "").split(":")
    return int(touch[2]) if len(touch) == 5 else None
