"""What simulated phones share of reckoning with summer time."""

from datetime import date, datetime, timedelta

import pytest

from provd.plugin.wall_clock import by_dates, by_posix, weekday_at, weekday_from, weekday_of

NOTHING = (None,) * 16
MADRID = ("-", "1", None, "-", "2", None, "3", "5", "0", "2", "00", "10", "5", "0", "3", "00")


@pytest.mark.parametrize(
    ("month", "week", "weekday", "day"),
    [(3, 1, 7, 1), (3, 5, 7, 29), (2, 5, 7, 22), (11, 1, 1, 2), (12, 5, 4, 31)],
)
def test_a_weekday_of_a_week(month, week, weekday, day):
    assert weekday_of(2026, month, week, weekday) == date(2026, month, day)


def test_a_time_of_it():
    assert weekday_at(2026, 3, 5, 7, 2, 30) == datetime.fromisoformat("2026-03-29 02:30")
    with pytest.raises(ValueError, match="hour must be"):
        weekday_at(2026, 3, 5, 7, 24)


@pytest.mark.parametrize(
    ("day", "weekday", "found"),
    [(8, 7, 8), (9, 7, 15), (-1, 7, 29), (-8, 7, 22), (-1, 2, 31), (5, 0, 5), (-1, 0, 31)],
)
def test_a_weekday_from_a_day_of_march(day, weekday, found):
    assert weekday_from(2026, 3, day, weekday) == date(2026, 3, found)


def test_a_weekday_from_the_end_of_december():
    assert weekday_from(2026, 12, -1, 7) == date(2026, 12, 27)


@pytest.mark.parametrize(
    ("utc", "shown"),
    [
        ("2026-03-29 00:59:59", "2026-03-29 01:59:59"),
        ("2026-03-29 01:00:00", "2026-03-29 03:00:00"),
        ("2026-10-25 00:59:59", "2026-10-25 02:59:59"),
        ("2026-10-25 01:00:00", "2026-10-25 02:00:00"),
    ],
)
def test_a_posix_text(utc, shown):
    moment = datetime.fromisoformat(utc)
    assert by_posix(MADRID, moment) == datetime.fromisoformat(shown)
    # One hour and two o'clock are meant where nothing is said; here the end of summer is at three.
    assert by_posix((*MADRID[:3], None, None, None, *MADRID[6:9], None, None, *MADRID[11:]), moment) == (
        datetime.fromisoformat(shown)
    )


def test_a_posix_text_without_summer():
    moment = datetime.fromisoformat("2026-07-01 12:00:00")
    assert by_posix(("", "3", "30", *NOTHING[3:]), moment) == moment - timedelta(hours=3, minutes=30)
    assert by_posix(("+", "0", None, *NOTHING[3:]), moment) == moment


@pytest.mark.parametrize(
    ("rule", "standard", "shown"),
    [
        ("start=3/-1/7/2;end=10/-1/7/3:0:0;save=1", "2026-03-29 01:59:59", "2026-03-29 01:59:59"),
        ("start=3/-1/7/2;end=10/-1/7/3:0:0;save=1", "2026-03-29 02:00:00", "2026-03-29 03:00:00"),
        ("start=3/-1/7/2;end=10/-1/7/3:0:0;save=1", "2026-10-25 01:59:59", "2026-10-25 02:59:59"),
        ("start=3/-1/7/2;end=10/-1/7/3:0:0;save=1", "2026-10-25 02:00:00", "2026-10-25 02:00:00"),
        ("start=10/1/7/2:0:0;end=4/1/7/3:0:0;save=0:30", "2026-01-01 12:00:00", "2026-01-01 12:30:00"),
        ("start=10/25/0/2:0:0;end=3/29/0/1;save=-1", "2026-12-01 12:00:00", "2026-12-01 11:00:00"),
    ],
)
def test_a_rule_of_two_dates(rule, standard, shown):
    assert by_dates(rule, datetime.fromisoformat(standard)) == datetime.fromisoformat(shown)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("3/-1/7/2 to 10/-1/7/3", "3/-1/7/2 to 10/-1/7/3"),
        ("start=13/1/7/2;end=10/1/7/3;save=1", "13/1/7/2"),
        ("start=3/0/7/2;end=10/1/7/3;save=1", "3/0/7/2"),
        ("start=3/1/7/24;end=10/1/7/3;save=1", "3/1/7/24"),
        ("start=3/1/8/2;end=10/1/7/3;save=1", "3/1/8/2"),
        ("start=3/28/7/2;end=10/30/7/3;save=1", "'10/30/7/3' leads out of its month"),
    ],
)
def test_a_rule_that_cannot_be_read(rule, reason):
    with pytest.raises(ValueError, match=reason):
        by_dates(rule, datetime.fromisoformat("2026-06-01 12:00:00"))
