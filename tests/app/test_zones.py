"""Every zone of the database becomes a rule, and the rules agree with Python's own zoneinfo."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from struct import pack
from zoneinfo import ZoneInfo

import pytest

from provd.app.zones import posix_rules, tzif_rules, zone
from provd.base.errors import UsageError

NAMES = files("tzdata").joinpath("zones").read_text().split()


def local_change(change: dict, year: int) -> datetime:
    """The wall-clock time before the change: first weekday on or after the day of ``after``."""
    after = change["after"]
    day = date(year, after["month"], 1) + timedelta(days=after["day"] - 1)
    while day.isoweekday() % 7 != after["weekday"]:
        day += timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=after["minutes"])


@cache
def zoneinfo_of(name: str) -> ZoneInfo:
    """From the package, not from the machine: the two may be of different years."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, name)


def offset_at(instant: datetime, name: str) -> int:
    offset = instant.astimezone(zoneinfo_of(name)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


def test_madrid_is_what_the_brief_of_every_template_says():
    assert zone("Europe/Madrid") == {
        "name": "Europe/Madrid",
        "offset_minutes": 60,
        "reason": "",
        "dst": {
            "save_minutes": 60,
            "start": {
                "month": 3,
                "week": 5,
                "weekday": 0,
                "minutes": 120,
                "exact": True,
                "after": {"month": 3, "day": 25, "weekday": 0, "minutes": 120},
            },
            "end": {
                "month": 10,
                "week": 5,
                "weekday": 0,
                "minutes": 180,
                "exact": True,
                "after": {"month": 10, "day": 25, "weekday": 0, "minutes": 180},
            },
        },
    }


def test_no_name_is_no_zone():
    assert zone("") is None


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_an_offset(name):
    found = zone(name)
    assert found is not None
    assert found["name"] == name
    assert -720 <= found["offset_minutes"] <= 840
    assert found["dst"] is None or found["reason"] == ""


@pytest.mark.parametrize("year", [2028, 2030])
@pytest.mark.parametrize("name", NAMES)
def test_changes_happen_when_zoneinfo_says(name, year):
    found = zone(name)
    if found["dst"] is None:
        halves = {offset_at(datetime(year, month, 1, tzinfo=UTC), name) for month in range(1, 13)}
        assert found["reason"] or halves == {found["offset_minutes"]}
        return
    standard, save = found["offset_minutes"], found["dst"]["save_minutes"]
    assert save > 0
    for change, before, then in (("start", standard, standard + save), ("end", standard + save, standard)):
        instant = local_change(found["dst"][change], year) - timedelta(minutes=before)
        assert offset_at(instant - timedelta(minutes=1), name) == before
        assert offset_at(instant, name) == then


@pytest.mark.parametrize(
    "name", ["Europe/Madrid", "America/New_York", "Australia/Sydney", "America/Santiago", "Asia/Gaza"]
)
def test_changes_of_2026_too(name):
    test_changes_happen_when_zoneinfo_says(name, 2026)


def test_winter_time_that_calls_itself_the_exception_is_turned_round():
    dublin = zone("Europe/Dublin")
    assert (dublin["offset_minutes"], dublin["dst"]["save_minutes"]) == (0, 60)
    assert dublin["dst"]["start"]["month"] == 3


def test_a_half_hour_of_saving():
    assert zone("Australia/Lord_Howe")["dst"]["save_minutes"] == 30


def test_a_change_outside_its_day_says_that_the_short_form_is_not_exact():
    start = zone("America/Santiago")["dst"]["start"]
    assert (start["week"], start["weekday"], start["minutes"], start["exact"]) == (1, 6, 1439, False)
    assert start["after"] == {"month": 9, "day": 2, "weekday": 0, "minutes": 0}


def test_clocks_that_follow_the_moon_have_a_reason_instead_of_a_rule():
    empty = pack("!4sc15x6L", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + bytes(6) + b"WET\0"
    long_after = (
        pack("!4sc15x6L", b"TZif", b"2", 0, 0, 0, 1, 1, 4) + pack("!qB", 3_700_000_000, 0) + bytes(6) + b"WET\0"
    )
    rules = tzif_rules(empty + long_after + b"\n<+01>-1\n")
    assert (rules.offset, rules.start) == (60, None)
    assert "calendar" in rules.reason


def test_a_day_of_the_year_has_a_reason_instead_of_a_rule():
    rules = posix_rules("<+0330>-3:30<+0430>,J79/24,J263/24")
    assert (rules.offset, rules.start) == (210, None)
    assert rules.reason


def test_callers_may_change_what_they_got():
    zone("Europe/Madrid")["dst"]["start"]["week"] = 1
    assert zone("Europe/Madrid")["dst"]["start"]["week"] == 5


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "../../etc/passwd", "Europe", "Europe/Madrid/", "/etc/localtime", "zone1970.tab"]
)
def test_other_names_are_refused(name):
    with pytest.raises(UsageError):
        zone(name)


@pytest.mark.parametrize("text", ["", "CET", "CET-1CEST,M3.5.0", "nonsense", "CET-1CEST,M3.5.0,M10.5.0/3,x"])
def test_other_texts_are_refused(text):
    with pytest.raises(UsageError):
        posix_rules(text)
