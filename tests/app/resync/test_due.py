"""When a phone comes by itself: by the settings of the file that it has, on its own clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from provd.app.resync.due import comes_by, comes_text, zone_of
from provd.domain.settings import DEFAULTS
from provd.plugin import ResyncAdvice

DAILY = ResyncAdvice("check-sync", daily=True, spread=600)
PERIOD = ResyncAdvice("check-sync")


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def settings(**changes: object) -> dict[str, object]:
    return {**DEFAULTS, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_nobodys_phone_comes_within_a_minute():
    now = at("2026-07-01T12:00")
    assert comes_by(DEFAULTS, DAILY, now, claimed=False) == now + 60
    assert comes_by(settings(resync__unclaimed_minutes=5), None, now, claimed=False) == now + 300


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


@pytest.mark.parametrize("advice", [PERIOD, None])
def test_by_its_period_where_there_is_no_time_of_day(advice):
    now = at("2026-07-01T12:00")
    assert comes_by(DEFAULTS, advice, now, claimed=True) == now + 86400


def test_a_phone_that_asks_more_often_has_no_time_of_day():
    now = at("2026-07-01T12:00")
    assert comes_by(settings(resync__minutes=90), DAILY, now, claimed=True) == now + 5400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "at any moment"),
        (60, "within 1 min"),
        (61, "within 2 min"),
        (5400, "within 90 min"),
        (15 * 3600 + 600, "by 05:10 CEST"),
        (3 * 86400, "by 2026-07-04 14:00 CEST"),
    ],
)
def test_in_words(seconds, text):
    now = at("2026-07-01T12:00")
    assert comes_text(now + seconds, now, ZoneInfo("Europe/Madrid")) == text


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../../etc/passwd", 7])
def test_no_zone_is_utc(name):
    assert zone_of({"time.zone": name}) is UTC
