"""Leases that were written by, or outlived, a clock that was wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.base.types import Mac
from provd.dhcp.lease import INFINITE, Lease, LeaseState
from provd.dhcp.restart import as_of

NOW = 1_900_000_000
YEARS = 10 * 365 * 86400
LEASE = Lease(
    ip=0x0A000001,
    client=b"\x01c",
    mac=Mac("805ec0112233"),
    state=LeaseState.ACTIVE,
    starts=NOW - 600,
    expires=NOW + 3000,
)


def read(lease: Lease, now: float = NOW, leap: tuple[float, float] | None = None) -> Lease:
    (found,) = as_of([lease], now, leap)
    return found


def test_ordinary_leases_are_what_they_were() -> None:
    assert read(LEASE) == LEASE
    assert read(LEASE, NOW + 5000) == LEASE


def test_who_had_a_lease_when_the_clock_leapt_keeps_the_rest_of_it() -> None:
    later = NOW + YEARS
    assert read(LEASE, later, (NOW, later)).expires == later + 3000
    assert read(LEASE, later + 2000, (NOW, later)).expires == later + 3000, "after one more start as well"


def test_a_lease_of_the_last_minute_before_the_leap_counts_too() -> None:
    later = NOW + YEARS
    last = replace(LEASE, starts=NOW + 40, expires=NOW + 3640)
    assert read(last, later, (NOW, later)).expires == later + 3640


def test_a_lease_that_had_ended_before_the_leap_has_ended() -> None:
    ended = replace(LEASE, expires=NOW - 1)
    assert read(ended, NOW + YEARS, (NOW, NOW + YEARS)) == ended


def test_a_lease_that_was_renewed_after_the_leap_is_left_alone() -> None:
    renewed = replace(LEASE, starts=NOW + YEARS + 10, expires=NOW + YEARS + 3610)
    assert read(renewed, NOW + YEARS + 20, (NOW, NOW + YEARS)) == renewed


@pytest.mark.parametrize("state", [LeaseState.ACTIVE, LeaseState.DECLINED])
def test_a_lease_from_the_future_does_not_live_for_years(state: LeaseState) -> None:
    future = replace(LEASE, state=state, starts=NOW + YEARS, expires=NOW + YEARS + 3600)
    found = read(future)
    assert (found.starts, found.expires) == (NOW, NOW + 3600)


def test_what_has_no_end_or_is_given_back_stays_so() -> None:
    for lease in (
        replace(LEASE, starts=NOW + YEARS, expires=INFINITE),
        replace(LEASE, state=LeaseState.RELEASED, starts=NOW + YEARS, expires=NOW + YEARS),
    ):
        assert read(lease, NOW, (NOW - YEARS, NOW)) == lease


def test_the_longest_lease_does_not_become_an_endless_one() -> None:
    long = replace(LEASE, expires=INFINITE - 10)
    assert read(long, NOW + YEARS, (NOW, NOW + YEARS)).expires == INFINITE - 1
