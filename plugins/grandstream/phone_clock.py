"""What a clock shows that is set by a POSIX TZ text (IEEE 1003.1 section 8.3): offsets count west of Greenwich."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from provd.plugin.wall_clock import by_posix

_OFFSET = r"([+-]?)(\d{1,2})(?::(\d\d))?"
_CHANGE = r"M(\d{1,2})\.(\d)\.(\d)/(\d\d):(\d\d):\d\d"
_TEXT = re.compile(rf"[A-Z]{{3}}{_OFFSET}(?:[A-Z]{{3}}{_OFFSET},{_CHANGE},{_CHANGE})?")


def shown(text: str, at: datetime) -> datetime | None:
    """The wall clock (naive) at a moment (aware), or None where the text is none."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    return by_posix(match.groups(), at.astimezone(UTC).replace(tzinfo=None))
