"""Every zone of the database becomes a rule, and the rules agree with Python's own zoneinfo."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from struct import pack
from zoneinfo import ZoneInfo

import pytest

from provd.app.zones import edition, misfits, offset_at, posix_rules, tzif_rules, zone
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


def true_offset(instant: datetime, name: str) -> int:
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
                "day": 0,
                "raw": 120,
                "exact": True,
                "within": True,
                "after": {"month": 3, "day": 25, "weekday": 0, "minutes": 120},
            },
            "end": {
                "month": 10,
                "week": 5,
                "weekday": 0,
                "minutes": 180,
                "day": 0,
                "raw": 180,
                "exact": True,
                "within": True,
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
        halves = {true_offset(datetime(year, month, 1, tzinfo=UTC), name) for month in range(1, 13)}
        assert found["reason"] or halves == {found["offset_minutes"]}
        return
    standard, save = found["offset_minutes"], found["dst"]["save_minutes"]
    assert save > 0
    for change, before, then in (("start", standard, standard + save), ("end", standard + save, standard)):
        instant = local_change(found["dst"][change], year) - timedelta(minutes=before)
        assert true_offset(instant - timedelta(minutes=1), name) == before
        assert true_offset(instant, name) == then


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


def test_a_date_is_a_rule_too():
    rules = posix_rules("<+0330>-3:30<+0430>,J79/24,J263/24")
    assert (rules.offset, rules.save, rules.reason) == (210, 60, "")
    assert rules.start.plain()["after"] == {"month": 3, "day": 21, "weekday": 1, "minutes": 0}
    assert [str(each.moment(2028)) for each in (rules.start, rules.end)] == [
        "2028-03-21 00:00:00",
        "2028-09-21 00:00:00",
    ]
    summer = datetime(2028, 3, 20, 20, 30, tzinfo=UTC)
    assert [offset_at(rules, summer - timedelta(minutes=1)), offset_at(rules, summer)] == [210, 270]


@pytest.mark.parametrize("text", ["AAA-3BBB,80/2,263/2", "AAA-3BBB,J80/2,M9.3.0/2"])
def test_what_is_neither_the_same_date_nor_the_same_weekday_has_a_reason_instead_of_a_rule(text):
    rules = posix_rules(text)
    assert (rules.offset, rules.start) == (180, None)
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


NOW = datetime(2026, 11, 26, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)


def of(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_are_right_from_now_on_or_misfits_says_when_they_are_not(name):
    """Every 39 hours, so that every time of day comes up."""
    wrong = misfits(name, NOW, LATER)
    rules = tzif_rules(_octets(name))
    moment = NOW
    while moment < LATER:
        error = sum(each.minutes for each in wrong if each.since <= moment < each.until)
        assert offset_at(rules, moment) - true_offset(moment, name) == error, moment
        moment += timedelta(hours=39)


def _octets(name: str) -> bytes:
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def test_hardly_any_zone_has_a_misfit():
    found = {name for name in NAMES if misfits(name, NOW, LATER)}
    assert len(found) < 10
    assert "Europe/Madrid" not in found


def test_a_calendar_that_no_yearly_rule_can_say_is_found():
    text = _tzif_until(of("2027-03-01"), of("2027-04-01"), of("2040-04-01"))
    assert tzif_rules(text).reason


def _tzif_until(*moments: datetime) -> bytes:
    """A zone an hour east of UTC that goes to UTC and back at these moments, for ever as it is after the last."""
    empty = pack("!4sc15x6L", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + bytes(6) + b"AAA\0"
    times = pack(f"!{len(moments)}q", *(int(each.timestamp()) for each in moments))
    kinds = bytes((number + 1) % 2 for number in range(len(moments)))
    head = pack("!4sc15x6L", b"TZif", b"2", 0, 0, 0, len(moments), 2, 8)
    return empty + head + times + kinds + pack("!lBBlBB", 3600, 0, 0, 0, 0, 4) + b"AAA\0BBB\0" + b"\nAAA-1\n"


def test_the_edition_is_told():
    assert edition()[:4].isdigit()
