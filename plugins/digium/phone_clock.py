"""What the clock of a Digium phone shows: it knows the zones by name, from a table of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from zoneinfo import ZoneInfo


def shown(settings: Mapping[str, str], at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None while no zone is set."""
    name = settings.get("time_zone")
    if not name:
        return None
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as table:
        return at.astimezone(ZoneInfo.from_file(table, name)).replace(tzinfo=None)
