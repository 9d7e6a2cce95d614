"""When a phone comes by itself: by the settings of the file that it has, on its own clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from provd.app.resync.due import NEVER, Habit, comes_by, habit_of, outlook, zone_of
from provd.domain.settings import DEFAULTS
from provd.plugin import Manifest, Model, ResyncAdvice, Writes

DAILY = Habit(minutes=True, unclaimed=True, at=True, spread=600)
PERIOD = Habit(minutes=True, unclaimed=True)
HOURS = Habit(minutes=True, step=60)
DAYS = Habit(minutes=True, at=True, step=1440)


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def settings(**changes: object) -> dict[str, object]:
    return {**DEFAULTS, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_nobodys_phone_comes_within_a_minute():
    now = at("2026-07-01T12:00")
    assert comes_by(DEFAULTS, DAILY, now, claimed=False) == now + 60
    assert comes_by(settings(resync__unclaimed_minutes=5), PERIOD, now, claimed=False) == now + 300


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("Europe/Madrid", "2026-07-01T01:00", "2026-07-01T03:10"),
        ("Europe/Madrid", "2026-07-01T03:00", "2026-07-02T03:10"),
        ("Asia/Kathmandu", "2026-07-01T23:59", "2026-07-02T03:10"),
        # The clock is put forward at two: three o'clock is an hour nearer.
        ("Europe/Madrid", "2026-03-29T01:00", "2026-03-29T03:10"),
    ],
)
def test_once_a_day_at_its_own_time(zone, now, expected):
    values = settings(time__zone=zone)
    assert comes_by(values, DAILY, at(now, zone), claimed=True) == at(expected, zone)


def test_by_its_period_where_there_is_no_time_of_day():
    now = at("2026-07-01T12:00")
    assert comes_by(DEFAULTS, PERIOD, now, claimed=True) == now + 86400


def test_a_phone_whose_file_says_nothing_of_it_does_not_come_by_itself():
    now = at("2026-07-01T12:00")
    for claimed in (True, False):
        assert comes_by(DEFAULTS, Habit(), now, claimed=claimed) == NEVER


@pytest.mark.parametrize(("minutes", "hours"), [(1440, 24), (90, 2), (5, 1)])
def test_a_phone_that_counts_in_hours(minutes, hours):
    now = at("2026-07-01T12:00")
    assert comes_by(settings(resync__minutes=minutes), HOURS, now, claimed=True) == now + hours * 3600
    assert comes_by(settings(resync__unclaimed_minutes=1), HOURS, now, claimed=False) == now + 3600


def test_a_phone_that_counts_in_days():
    now = at("2026-07-01T12:00")
    for minutes, day in ((5, "02"), (1440, "02"), (2880, "03")):
        assert comes_by(settings(resync__minutes=minutes), DAYS, now, claimed=True) == at(f"2026-07-{day}T03:00")
    assert comes_by(DEFAULTS, DAYS, now, claimed=False) == at("2026-07-02T03:00")


def test_a_phone_that_can_be_told_a_time_of_day_and_no_period():
    now = at("2026-07-01T12:00")
    for claimed in (True, False):
        assert comes_by(settings(resync__minutes=5), Habit(at=True), now, claimed=claimed) == at("2026-07-02T03:00")


def test_what_the_manifest_says_of_the_model_counts():
    manifest = Manifest(
        id="acme",
        version="1",
        contract=1,
        vendor="Acme",
        license="",
        description="",
        models=(),
        writes=(
            Writes(("resync.minutes",), {"series": ("new",)}, "looks once a day at most"),
            Writes(("resync.at",), since="80"),
        ),
        resync=ResyncAdvice("check-sync", daily=True, spread=9, step=60),
    )
    new, old = (Model("A", traits={"series": series}) for series in ("new", "old"))
    assert habit_of(manifest, new, DEFAULTS, "84.1") == Habit(minutes=True, at=True, step=60, spread=9)
    assert habit_of(manifest, old, DEFAULTS, "") == Habit(at=True, step=60, spread=9)
    assert habit_of(manifest, old, DEFAULTS, "70") == Habit(step=60, spread=9)
    assert habit_of(None, None, DEFAULTS, "") == Habit()


def test_a_phone_that_asks_more_often_has_no_time_of_day():
    now = at("2026-07-01T12:00")
    assert comes_by(settings(resync__minutes=90), DAILY, now, claimed=True) == now + 5400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "at any moment"),
        (-3600, "when it is restarted: it was to ask by 13:00 CEST, and has not"),
        (60, "within 1 min"),
        (61, "within 2 min"),
        (5400, "within 90 min"),
        (15 * 3600 + 600, "by 05:10 CEST"),
        (3 * 86400, "by 2026-07-04 14:00 CEST"),
    ],
)
def test_in_words(seconds, text):
    now = at("2026-07-01T12:00")
    assert outlook(now + seconds, now, ZoneInfo("Europe/Madrid"), seen=now, period=1440) == text


@pytest.mark.parametrize(
    ("due", "period", "quiet", "text"),
    [
        (60, 1, 300, "within 1 min"),
        (60, 1, 3600, "when it is switched on and connected again: not seen since 13:00 CEST"),
        (3600, 1440, 86400, "within 60 min"),
        (3600, 1440, 5 * 86400, "when it is switched on and connected again: not seen since 2026-06-26 14:00 CEST"),
        (None, 0, 5 * 86400, "when it is restarted: it does not ask by itself"),
    ],
)
def test_who_has_been_silent_for_longer_than_it_should_is_not_expected(due, period, quiet, text):
    now = at("2026-07-01T12:00")
    moment = NEVER if due is None else now + due
    assert outlook(moment, now, ZoneInfo("Europe/Madrid"), seen=now - quiet, period=period) == text


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../../etc/passwd", 7])
def test_no_zone_is_utc(name):
    assert zone_of({"time.zone": name}) is UTC
