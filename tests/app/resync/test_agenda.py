"""Who is told when, on a clock that moves when the test says so."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.app.resync.agenda import AFTER_PASSED_ON, AFTER_YES, ATTEMPTS, MOMENT, PAUSES, URGENT, Agenda
from provd.app.resyncing import Heard
from provd.base.types import Mac

A, B = Mac("02aaaa000001"), Mac("02aaaa000002")


def agenda(**changes):
    return Agenda(**{"pace": 1000.0, **changes})


def attempt(it, now, heard=Heard.NO_WAY, way="sip"):
    entry = it.take(now)
    assert entry is not None
    return it.done(entry, way, heard, now)


def test_nothing_to_do():
    it = agenda()
    assert it.deadline is None
    assert it.take(1.0) is None


def test_a_device_that_is_nowhere_is_tried_so_often_with_growing_pauses():
    it, now, pauses = agenda(), 100.0, []
    it.add(A, now)
    while attempt(it, now):
        assert it.take(it.deadline - 0.001) is None
        pauses.append(it.deadline - now)
        now = it.deadline
    assert pauses == pytest.approx(list(PAUSES))
    assert len(pauses) == ATTEMPTS - 1
    assert it.deadline is None
    assert it.take(now + 1e9) is None


@pytest.mark.parametrize(("heard", "pause"), [(Heard.ACCEPTED, AFTER_YES), (Heard.PASSED_ON, AFTER_PASSED_ON)])
def test_who_promised_is_waited_for_and_then_not_believed(heard, pause):
    it = agenda()
    entry = it.add(A, 0.0)
    assert attempt(it, 0.0, heard, "ami")
    assert it.deadline == pytest.approx(pause)
    assert entry.spent == {"ami"}
    assert attempt(it, it.deadline, Heard.SILENT, "http")
    assert entry.spent == set()


def test_devices_of_one_site_do_not_come_back_together():
    it = agenda(jitter=random.Random(1).random)
    for number in range(50):
        it.add(Mac(f"02aaaa{number:06x}"), 0.0)
    for number in range(50):
        attempt(it, number / 100)
    moments = set()
    while it.deadline is not None:
        moments.add(round(it.deadline, 3))
        it.drop(it.take(it.deadline).mac)
    assert len(moments) > 40


def test_not_more_in_a_second_than_the_pace():
    it, told, now = agenda(pace=10.0, at_once=1000), [], 100.0
    for number in range(200):
        it.add(Mac(f"02aaaa{number:06x}"), 100.0)
    while it.deadline is not None:
        now = max(now, it.deadline)
        entry = it.take(now)
        told.append(now)
        it.drop(entry.mac)
        it.done(entry, "sip", Heard.ACCEPTED, now)
    assert len(told) == 200
    # A second may be saved up, no more.
    assert all(sum(start <= each < start + 1 for each in told) <= 21 for start in told)
    assert told[-1] - told[0] >= 18


def test_not_more_at_once_than_allowed():
    it = agenda(at_once=2)
    for number in range(3):
        it.add(Mac(f"02aaaa{number:06x}"), 1.0)
    first, second = it.take(1.0), it.take(1.01)
    assert it.take(1.02) is None
    assert it.deadline is None
    it.done(first, "sip", Heard.ACCEPTED, 2.0)
    assert it.take(2.0) is not None
    assert second.running


def test_who_is_urgent_goes_before_all_others_and_finds_a_place():
    it = agenda(at_once=2)
    for number in range(10):
        it.add(Mac(f"02aaaa{number:06x}"), 0.5)
    assert it.take(1.0) is not None
    assert it.take(1.1) is not None
    assert it.take(1.2) is None
    it.add(B, URGENT)
    it.add(Mac("02cccc000001"), URGENT)
    it.add(Mac("02cccc000002"), URGENT)
    assert it.deadline is not None
    assert it.take(1.3).mac == B
    assert it.take(1.4).mac == "02cccc000001"
    assert it.take(1.5) is None
    assert it.deadline is None


def test_a_change_while_it_is_told_is_told_afterwards():
    it = agenda()
    it.add(A, 0.0)
    entry = it.take(0.0)
    it.add(A, 1.0)
    assert it.take(2.0) is None
    assert it.done(entry, "sip", Heard.ACCEPTED, 3.0)
    again = it.take(3.0)
    assert again is entry
    assert (again.attempts, again.spent) == (1, set())


def test_a_registration_hastens_it_but_not_twice_in_a_moment():
    it = agenda()
    it.add(A, 0.0)
    attempt(it, 0.0)
    assert not it.hasten(A, MOMENT - 0.1)
    assert it.hasten(A, MOMENT)
    assert it.deadline == MOMENT
    assert not it.hasten(B, MOMENT)


def test_after_the_last_attempt_a_registration_changes_nothing():
    it = agenda()
    it.add(A, 0.0, attempts=ATTEMPTS - 1)
    assert not attempt(it, 0.0)
    assert not it.hasten(A, 1e6)


def test_what_was_dropped_while_it_was_told_does_not_come_back():
    it = agenda()
    it.add(A, 0.0)
    entry = it.take(0.0)
    it.drop(A)
    assert not it.done(entry, "sip", Heard.SILENT, 1.0)
    assert it.deadline is None
    assert len(it) == 0


_STEP = st.tuples(
    st.sampled_from(["add", "drop", "hasten", "take", "done"]), st.sampled_from([A, B]), st.sampled_from(list(Heard))
)


@given(st.lists(_STEP, max_size=60))
def test_any_order_of_events_keeps_it_whole(steps):
    it, now, running = agenda(at_once=2), 0.0, []
    for what, mac, heard in steps:
        now += 7.0
        if what == "add":
            it.add(mac, now)
        elif what == "drop":
            it.drop(mac)
        elif what == "hasten":
            it.hasten(mac, now)
        elif what == "take" and (entry := it.take(now)) is not None:
            running.append(entry)
        elif what == "done" and running:
            it.done(running.pop(), "sip", heard, now)
        assert len(running) <= 2
        known = [entry for entry in running if it.find(entry.mac) is entry]
        assert len({entry.mac for entry in known}) == len(known)
    for entry in running:
        it.done(entry, "sip", Heard.SILENT, now)
    for _ in range(100):
        if it.deadline is None:
            break
        now = max(now, it.deadline)
        it.done(it.take(now), "sip", Heard.SILENT, now)
    assert it.deadline is None
