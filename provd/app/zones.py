"""Time zones as phones want them: a standard offset and two change-over rules, from the IANA database.

The rules come from the POSIX TZ text at the end of each TZif file (RFC 8536 section 3.3), so the result depends on the
installed database only, never on the date.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from provd.base.errors import UsageError

DAY = 1440
_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_WORD = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]+>)"
_OFFSET = r"[+-]?\d{1,3}(?::\d{1,2}){0,2}"
_TZ = re.compile(rf"{_WORD}(?P<std>{_OFFSET})(?:{_WORD}(?P<dst>{_OFFSET})?(?:,(?P<start>[^,]+),(?P<end>[^,]+))?)?")
_RULE = re.compile(rf"M(?P<month>\d{{1,2}})\.(?P<week>[1-5])\.(?P<weekday>[0-6])(?:/(?P<time>{_OFFSET}))?")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HEADER = struct.Struct("!4sc15x6L")
_2038 = 1 << 31


@dataclass(frozen=True, slots=True)
class Change:
    """One change-over: ``minutes`` after midnight of a week's weekday (0 = Sunday; week 5 = the last), by the wall
    clock before the change. POSIX allows -167 to 167 hours there."""

    month: int
    week: int
    weekday: int
    minutes: int

    def plain(self) -> dict[str, object]:
        """The change as templates see it.

        ``minutes`` stays within the day: where the rule leaves its day, ``exact`` is False, the nearest minute of that
        day is given, and ``after`` has the rule in full: the first ``weekday`` on or after ``day`` of ``month``.
        """
        days, minutes = divmod(self.minutes, DAY)
        first = 7 * self.week - 6 if self.week < 5 else _DAYS[self.month - 1] - 6
        return {
            "month": self.month,
            "week": self.week,
            "weekday": self.weekday,
            "minutes": min(max(self.minutes, 0), DAY - 1),
            "exact": not days,
            "after": {
                "month": self.month,
                "day": first + days,
                "weekday": (self.weekday + days) % 7,
                "minutes": minutes,
            },
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """What a POSIX TZ text says. Offsets are minutes east of UTC."""

    offset: int
    save: int = 0
    start: Change | None = None
    end: Change | None = None
    reason: str = ""


def _minutes(text: str) -> int:
    """``[+-]h[h[h]][:mm[:ss]]`` in minutes; seconds are dropped, no phone takes them."""
    hours, _, rest = text.lstrip("+-").partition(":")
    value = int(hours) * 60 + int(rest.partition(":")[0] or 0)
    return -value if text.startswith("-") else value


def _change(text: str) -> Change | None:
    match = _RULE.fullmatch(text)
    if match is None:
        return None
    minutes = _minutes(match["time"] or "2")
    return Change(int(match["month"]), int(match["week"]), int(match["weekday"]), minutes)


def posix_rules(text: str) -> Rules:
    """Read a POSIX TZ text such as ``CET-1CEST,M3.5.0,M10.5.0/3``. Raises UsageError when it is none."""
    match = _TZ.fullmatch(text)
    if match is None:
        raise UsageError(f"not a POSIX TZ text: {text[:60]!r}")
    standard = -_minutes(match["std"])
    if match["start"] is None:
        return Rules(standard)
    summer = standard + 60 if match["dst"] is None else -_minutes(match["dst"])
    start, end = _change(match["start"]), _change(match["end"])
    if start is None or end is None:
        return Rules(standard, reason="its clock changes are given by day of the year")
    if summer < standard:
        # Europe/Dublin calls winter time the exception. A phone knows only "standard, and sometimes more".
        return Rules(summer, standard - summer, end, start)
    return Rules(standard, summer - standard, start, end)


def _tzif(name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise UsageError(f"not the name of a time zone: {name[:60]!r}")
    try:
        data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    except (OSError, ModuleNotFoundError):
        data = b""
    if data[:4] != b"TZif" or data[4:5] < b"2":
        raise UsageError(f"there is no time zone {name[:60]}")
    return data


def _last_transition(data: bytes) -> int:
    """Seconds since the epoch of the last transition that is written out (RFC 8536 section 3.2), or 0."""
    first = _HEADER.unpack_from(data)
    isut, isstd, leap, times, types, chars = first[2:]
    second = _HEADER.size + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    count = int(_HEADER.unpack_from(data, second)[5])
    if not count:
        return 0
    return int(struct.unpack_from("!q", data, second + _HEADER.size + 8 * (count - 1))[0])


def tzif_rules(data: bytes) -> Rules:
    """The rules that hold after the last transition of a TZif file of version 2 or higher."""
    rules = posix_rules(data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii"))
    if _last_transition(data) > _2038:
        # Morocco suspends its offset during Ramadan; the database lists those days one by one for decades.
        return Rules(rules.offset, reason="its clock changes follow a calendar that no yearly rule can say")
    return rules


@cache
def _rules(name: str) -> Rules:
    return tzif_rules(_tzif(name))


def zone(name: str) -> dict[str, object] | None:
    """The ``zone`` value of the template context, or None for an empty name.

    ``{name, offset_minutes, dst, reason}``: the standard offset in minutes east of UTC; ``dst`` is None or
    ``{save_minutes, start, end}`` with changes as :meth:`Change.plain` gives them; ``reason`` says why ``dst`` is None
    although clocks do change there. Raises UsageError for a name that is not in the database.
    """
    if not name:
        return None
    rules = _rules(name)
    dst = None
    if rules.start is not None and rules.end is not None:
        dst = {"save_minutes": rules.save, "start": rules.start.plain(), "end": rules.end.plain()}
    return {"name": name, "offset_minutes": rules.offset, "dst": dst, "reason": rules.reason}
