"""The rule about wrong codes, on a simulated clock: what nobody gets, and what nobody has to suffer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provd.domain.lockout import (
    CALM,
    DAY,
    Rules,
    crowd_locked,
    device_missed,
    moved,
    remembered,
    shut_for,
    site_missed,
    source_missed,
    waits,
)
from provd.domain.records import Lock

RULES = Rules()
HOUR = 3600.0

gaps = st.lists(st.floats(0, 3 * HOUR, allow_nan=False), max_size=120)


class Dialer:
    """Dials wrong codes as soon as, and as often as, it may."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self.now = 1_000_000.0
        self.lock: Lock | None = None
        self.guesses: list[float] = []

    def dial(self) -> float:
        """Seconds that it has to wait; 0 when it was heard."""
        wait = waits(self.lock, self.now)
        if not wait:
            self.lock = device_missed(self.lock, "m", "t", self.now, self.rules)
            self.guesses.append(self.now)
        return wait


def most_within(times: list[float], span: float) -> int:
    return max((sum(start <= time < start + span for time in times) for start in times), default=0)


@given(gaps)
def test_no_hour_sees_more_guesses_of_a_device_than_its_tries(pauses: list[float]) -> None:
    dialer = Dialer()
    for pause in pauses:
        dialer.now += pause
        dialer.dial()
    assert most_within(dialer.guesses, HOUR) <= RULES.tries


@given(st.integers(1, 8), st.floats(0, 30), st.floats(60, 2 * HOUR))
def test_the_same_for_any_rules(tries: int, delay: float, lock: float) -> None:
    dialer = Dialer(Rules(tries=tries, delay=delay, lock=lock))
    for _ in range(60):
        dialer.now += dialer.dial()
        dialer.dial()
    assert most_within(dialer.guesses, lock) <= tries


def test_who_goes_on_has_one_try_an_hour_and_all_of_them_after_a_calm_day() -> None:
    dialer = Dialer()
    heard = []
    for _ in range(8):
        dialer.now += dialer.dial()
        dialer.dial()
        heard.append(waits(dialer.lock, dialer.now))
    assert heard == [2.0, 4.0, 8.0, 16.0, HOUR, HOUR, HOUR, HOUR]
    assert len(dialer.guesses) == 8
    dialer.now = dialer.guesses[-1] + CALM
    dialer.dial()
    assert waits(dialer.lock, dialer.now) == 2.0


def test_a_day_of_guessing_brings_few() -> None:
    dialer = Dialer()
    while dialer.now < 1_000_000.0 + DAY:
        dialer.now += max(1.0, dialer.dial())
    assert len(dialer.guesses) <= RULES.tries + 24


def test_few_mistakes_are_forgotten_after_an_hour() -> None:
    lock = device_missed(None, "m", "t", 0.0, RULES)
    lock = device_missed(lock, "m", "t", 10.0, RULES)
    assert (lock.wrong, lock.first, lock.tenant) == (2, 0.0, "t")
    assert remembered(lock, 10.0 + HOUR - 1, RULES)
    assert not remembered(lock, 10.0 + HOUR, RULES)
    assert device_missed(lock, "m", "t", 10.0 + HOUR, RULES).wrong == 1
    assert not remembered(None, 0.0, RULES)


def test_an_address_is_closed_for_an_hour_after_its_tries() -> None:
    lock: Lock | None = None
    for second in range(RULES.source_tries):
        assert waits(lock, float(second)) == 0.0
        lock = source_missed(lock, "192.0.2.7", float(second), RULES)
    assert lock is not None
    assert (lock.id, waits(lock, lock.last)) == ("source:192.0.2.7", HOUR)
    assert source_missed(lock, "192.0.2.7", lock.until, RULES).wrong == 1


def test_a_crowd_takes_many_devices() -> None:
    lock: Lock | None = None
    for minute in range(RULES.crowd - 1):
        lock = crowd_locked(lock, "192.0.2.7", minute * 60.0, RULES)
    assert waits(lock, 0.0) == 0.0
    lock = crowd_locked(lock, "192.0.2.7", 2000.0, RULES)
    assert waits(lock, 2000.0) == HOUR


@settings(max_examples=50)
@given(st.lists(st.floats(0, 5000, allow_nan=False), min_size=1, max_size=300))
def test_the_site_closes_at_its_number_and_opens_when_the_day_is_over(pauses: list[float]) -> None:
    rules = Rules(site_tries=20)
    now, lock, day, counted = 0.0, None, 0.0, 0
    for pause in pauses:
        now += pause
        if not counted or now - day >= DAY:
            day, counted = now, 0
        counted += 1
        lock = site_missed(lock, now, rules)
        assert lock.wrong == counted
        assert waits(lock, now) == (day + DAY - now if counted >= 20 else 0.0)


@pytest.mark.parametrize(
    ("clean", "since", "shut"),
    [(True, 99.0, False), (True, 100.0, True), (False, 1.0, True)],
)
def test_a_closed_crowd_or_site_lets_in_who_was_there_and_made_no_mistake(
    clean: bool, since: float, shut: bool
) -> None:
    lock = Lock(id="site", kind="site", wrong=9, first=100.0, last=150.0, until=200.0)
    assert shut_for(lock, 160.0, clean=clean, since=since) == (40.0 if shut else 0.0)
    assert shut_for(lock, 200.0, clean=clean, since=since) == 0.0
    assert shut_for(None, 160.0, clean=clean, since=since) == 0.0


def test_a_moved_lock_has_the_same_rest() -> None:
    lock = device_missed(None, "m", "t", 100.0, RULES)
    later = moved(lock, -50.0)
    assert waits(later, 50.0) == waits(lock, 100.0)
    assert replace(later, first=lock.first, last=lock.last, until=lock.until) == lock
