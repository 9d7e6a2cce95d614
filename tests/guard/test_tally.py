"""Told once, counted always."""

from __future__ import annotations

from provd.guard.tally import Tally


def test_the_first_at_once_the_others_as_a_count() -> None:
    tally: Tally[str] = Tally(interval=60)
    assert tally.add("a", 0.0) == 1
    assert [tally.add("a", t) for t in (0.0, 10.0, 59.9)] == [0, 0, 0]
    assert tally.add("b", 59.9) == 1
    assert tally.add("a", 60.0) == 4
    assert tally.add("a", 61.0) == 0
    assert tally.add("a", 130.0) == 2


def test_memory_is_bounded() -> None:
    tally: Tally[int] = Tally(interval=60, capacity=2)
    assert [tally.add(key, 0.0) for key in (1, 2, 1, 3)] == [1, 1, 0, 1]
    assert len(tally) == 2
    assert tally.add(1, 1.0) == 0
    assert tally.add(2, 1.0) == 1  # forgotten
