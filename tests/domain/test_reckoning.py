"""Which time a start goes by: the wall clock, unless it contradicts what is known."""

from __future__ import annotations

import pytest

from provd.domain.reckoning import DAY, EARLIEST, LEAP, Leap, Mark, Reckoning, reckon

NOW = 1_900_000_000.0
YEARS = 10 * 365 * DAY


def test_a_first_start_believes_the_clock() -> None:
    assert reckon(NOW, None) == Reckoning(NOW)


def test_no_clock_is_right_that_shows_a_time_before_the_program_was_written() -> None:
    assert reckon(0.0, None) == Reckoning(EARLIEST, behind=EARLIEST)


@pytest.mark.parametrize("off", [0.0, 5.0, DAY, LEAP - 1])
def test_an_ordinary_pause_is_believed(off: float) -> None:
    assert reckon(NOW + off, Mark(NOW)) == Reckoning(NOW + off)


def test_time_stands_still_for_a_small_correction() -> None:
    assert reckon(NOW - 300, Mark(NOW)) == Reckoning(NOW)


@pytest.mark.parametrize("wall", [0.0, NOW - YEARS, NOW - DAY - 1])
def test_a_clock_that_is_behind_the_last_run_is_not_believed(wall: float) -> None:
    assert reckon(wall, Mark(NOW)) == Reckoning(NOW, behind=NOW - wall)


def test_a_leap_is_believed_and_remembered() -> None:
    assert reckon(NOW + YEARS, Mark(NOW)) == Reckoning(NOW + YEARS, ahead=YEARS, leap=Leap(NOW, NOW + YEARS))


def test_a_leap_that_was_a_mistake_can_be_taken_back() -> None:
    mark = Mark(NOW + YEARS + 500, Leap(NOW, NOW + YEARS))
    assert reckon(NOW + 900, mark) == Reckoning(NOW + 900)
    assert reckon(NOW - 1, mark).behind, "but not to a time before it"


def test_a_second_leap_does_not_hide_where_the_first_one_began() -> None:
    mark = Mark(NOW + YEARS, Leap(NOW, NOW + YEARS))
    found = reckon(NOW + 2 * YEARS, mark)
    assert found.leap == Leap(NOW, NOW + 2 * YEARS)
    assert found.ahead == YEARS


def test_after_a_month_of_running_a_leap_was_none() -> None:
    leap = Leap(NOW - YEARS, NOW - LEAP - 1)
    assert reckon(NOW, Mark(NOW, leap)).leap is None
    assert reckon(NOW - DAY - 1, Mark(NOW, leap)).behind
