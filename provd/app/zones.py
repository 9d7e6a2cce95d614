"""Time zones as phones want them: a standard offset and two change-over rules, from the IANA database.

The database is the one of the tzdata package, which is a dependency. The system's is not read: a slim container has
none, Debian has moved the old names (``US/Eastern``) into a package of their own, and two hosts of different age would
give one phone two files.

The rules come from the POSIX TZ text at the end of each TZif file (RFC 8536 section 3.3), so the result depends on the
installed database only, never on the date. What such rules cannot say of the next years is told by :func:`misfits`.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from io import BytesIO
from zoneinfo import ZoneInfo

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError

DAY = 1440
_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_WORD = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]+>)"
_OFFSET = r"[+-]?\d{1,3}(?::\d{1,2}){0,2}"
_TZ = re.compile(rf"{_WORD}(?P<std>{_OFFSET})(?:{_WORD}(?P<dst>{_OFFSET})?(?:,(?P<start>[^,]+),(?P<end>[^,]+))?)?")
_RULE = re.compile(rf"M(?P<month>\d{{1,2}})\.(?P<week>[1-5])\.(?P<weekday>[0-6])(?:/(?P<time>{_OFFSET}))?")
_FIXED = re.compile(rf"J(?P<number>\d{{1,3}})(?:/(?P<time>{_OFFSET}))?")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HEADER = struct.Struct("!4sc15x6L")
_2038 = 1 << 31


@dataclass(frozen=True, slots=True)
class Change:
    """One change-over: ``minutes`` after midnight of a week's weekday (0 = Sunday; week 5 = the last), by the wall
    clock before the change. POSIX allows -167 to 167 hours there. With ``week`` 0 the day is ``day`` of the month."""

    month: int
    week: int
    weekday: int
    minutes: int
    day: int = 0

    def plain(self) -> dict[str, object]:
        """The change as templates see it.

        ``minutes`` stays within the day: where the rule leaves its day, ``exact`` is False and the nearest minute of
        that day is given. ``raw`` has the number as it is. ``after`` has the rule in full: the first ``weekday`` on or
        after ``day`` of ``month`` (that day itself when ``week`` is 0); ``within`` tells whether the days that this may
        mean are all of that month.
        """
        days, minutes = divmod(self.minutes, DAY)
        length = _DAYS[self.month - 1]
        first = self.day or (7 * self.week - 6 if self.week < 5 else length - 6)
        latest = first + days + (6 if self.week else 0)
        return {
            "month": self.month,
            "week": self.week,
            "weekday": self.weekday,
            "day": self.day,
            "minutes": min(max(self.minutes, 0), DAY - 1),
            "raw": self.minutes,
            "exact": not days,
            "within": first + days >= 1 and latest <= length,
            "after": {
                "month": self.month,
                "day": first + days,
                "weekday": (self.weekday + days) % 7,
                "minutes": minutes,
            },
        }

    def moment(self, year: int) -> datetime:
        """When it happens in that year, by the wall clock before the change (naive)."""
        if self.week == 0:
            start = date(year, self.month, self.day)
        else:
            start = date(year, self.month, 7 * self.week - 6) if self.week < 5 else _last(year, self.month, 7)
            start += timedelta(days=(self.weekday - start.isoweekday()) % 7)
        return datetime(start.year, start.month, start.day) + timedelta(minutes=self.minutes)  # noqa: DTZ001 - a wall clock


def _last(year: int, month: int, days: int) -> date:
    """The day from which on so many days are left of the month."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - timedelta(days=days)


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
    fixed = _FIXED.fullmatch(text)
    if fixed is not None:
        # A day of the year in which 29 February is never counted: the same date every year.
        day = date(2001, 1, 1) + timedelta(days=int(fixed["number"]) - 1)
        return Change(day.month, 0, 0, _minutes(fixed["time"] or "2"), day.day)
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
    if start is not None and end is not None and bool(start.week) is not bool(end.week):
        return Rules(standard, reason="one of its clock changes has a fixed date and the other one a weekday")
    if start is None or end is None:
        return Rules(standard, reason="its clock changes are given by number of the day in the year, leap days counted")
    if summer < standard:
        # Europe/Dublin calls winter time the exception. A phone knows only "standard, and sometimes more".
        return Rules(summer, standard - summer, end, start)
    return Rules(standard, summer - standard, start, end)


@cache
def zone_names() -> tuple[str, ...]:
    """Every name that the database has."""
    return tuple(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


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


def _transitions(data: bytes) -> tuple[int, ...]:
    """Seconds since the epoch of the transitions that are written out (RFC 8536 section 3.2)."""
    first = _HEADER.unpack_from(data)
    isut, isstd, leap, times, types, chars = first[2:]
    second = _HEADER.size + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    count = int(_HEADER.unpack_from(data, second)[5])
    return struct.unpack_from(f"!{count}q", data, second + _HEADER.size)


def tzif_rules(data: bytes) -> Rules:
    """The rules that hold after the last transition of a TZif file of version 2 or higher."""
    rules = posix_rules(data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii"))
    if rules.start is None and max(_transitions(data), default=0) > _2038:
        # Clocks that follow Ramadan: the database lists those days one by one for decades. Where it ends in a yearly
        # rule, as for Gaza, that rule is right in the years in which Ramadan falls into the winter.
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


def offset_at(rules: Rules, instant: datetime) -> int:
    """Minutes east of UTC that the rules make of an instant (aware)."""
    if rules.start is None or rules.end is None:
        return rules.offset
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    start, end = _changes(rules, rules.start, rules.end, utc.year)
    summer = start <= utc < end if start < end else not end <= utc < start
    return rules.offset + (rules.save if summer else 0)


def _changes(rules: Rules, start: Change, end: Change, year: int) -> tuple[datetime, datetime]:
    """Start and end of summer time in that year (naive, in UTC)."""
    standard = timedelta(minutes=rules.offset)
    return start.moment(year) - standard, end.moment(year) - standard - timedelta(minutes=rules.save)


@dataclass(frozen=True, slots=True)
class Misfit:
    """A span of time (aware, in UTC) in which a phone that keeps the rules of a zone is ``minutes`` fast, or slow where
    negative."""

    since: datetime
    until: datetime
    minutes: int


def misfits(name: str, since: datetime, until: datetime) -> tuple[Misfit, ...]:
    """When between these two (aware) the rules that :func:`zone` gives are not what the database says.

    Raises UsageError for a name that is not in the database.
    """
    rules, data = _rules(name), _tzif(name)
    with BytesIO(data) as file:
        truth = ZoneInfo.from_file(file)
    moments = {since, *(datetime.fromtimestamp(each, UTC) for each in _transitions(data) if each > since.timestamp())}
    if rules.start is not None and rules.end is not None:
        for year in range(since.year - 1, until.year + 2):
            moments |= {each.replace(tzinfo=UTC) for each in _changes(rules, rules.start, rules.end, year)}
    ordered = [each for each in sorted(moments) if since <= each < until]
    found: list[Misfit] = []
    for begin, end in zip(ordered, [*ordered[1:], until], strict=True):
        offset = begin.astimezone(truth).utcoffset() or timedelta()
        minutes = offset_at(rules, begin) - int(offset.total_seconds() // 60)
        if minutes and found and found[-1].until == begin and found[-1].minutes == minutes:
            found[-1] = Misfit(found[-1].since, end, minutes)
        elif minutes:
            found.append(Misfit(begin, end, minutes))
    return tuple(found)


def edition() -> str:
    """The edition of the database in use, like ``2026a``."""
    text = files("tzdata").joinpath("zoneinfo", "tzdata.zi").read_text(encoding="utf-8")[:60]
    return text.partition("version ")[2].partition("\n")[0].strip()
