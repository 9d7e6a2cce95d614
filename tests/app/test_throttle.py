"""Sources that miss too often."""

from __future__ import annotations

from provd.app.throttle import HOLD, Throttle
from tests.app.fakes import FakeBuckets


def test_a_source_is_closed_for_a_while_and_told_once():
    facts = []
    throttle = Throttle(FakeBuckets(2), facts.append)
    for _ in range(5):
        throttle.miss("10.0.0.5", "http", 100.0)
    assert throttle.closed("10.0.0.5", 101.0)
    assert not throttle.closed("10.0.0.6", 101.0)
    assert [(fact.peer, fact.misses) for fact in facts] == [("10.0.0.5", 3)]
    assert not throttle.closed("10.0.0.5", 100.0 + HOLD)


def test_a_flood_of_sources_stays_bounded():
    throttle = Throttle(FakeBuckets(1), lambda _fact: None)
    for number in range(10_500):
        throttle.miss(f"2001:db8::{number:x}", "http", 1.0)
    assert len(throttle._sources) == 10_000
