"""Slots and queues, without sockets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.tftp.admission import Admission, Entry


def admission(per_client: int = 2, total: int = 3, waiting: int = 2) -> Admission[str]:
    return Admission(per_client=per_client, total=total, waiting=waiting, patience=10)


def enter(machine: Admission[str], *peers: tuple[str, int], now: float = 0.0) -> list[Entry]:
    return [machine.enter(peer, f"{peer[0]}:{peer[1]}", now) for peer in peers]


def test_slots_then_the_queue_then_busy() -> None:
    machine = admission()
    peers = [("a", port) for port in range(5)]
    assert enter(machine, *peers) == [Entry.STARTED] * 2 + [Entry.WAITING] * 2 + [Entry.BUSY]
    assert enter(machine, ("a", 2)) == [Entry.WAITING]  # asked again: still one place
    assert machine.queued == 2
    assert [machine.leave("a", 1.0) for _ in range(4)] == ["a:2", "a:3", None, None]
    assert machine.active == machine.queued == 0


def test_all_slots_together() -> None:
    machine = admission()
    assert enter(machine, ("a", 1), ("b", 1), ("c", 1), ("d", 1)) == [Entry.STARTED] * 3 + [Entry.BUSY]
    assert enter(machine, ("a", 2)) == [Entry.WAITING]
    assert machine.leave("a", 0.0) == "a:2"
    assert machine.leave("b", 0.0) is None
    assert enter(machine, ("d", 1)) == [Entry.STARTED]


def test_who_gets_a_free_slot_by_asking_again_waits_no_more() -> None:
    machine = admission()
    enter(machine, ("a", 1), ("b", 1), ("c", 1))
    assert enter(machine, ("a", 2)) == [Entry.WAITING]
    assert machine.leave("b", 0.0) is None
    assert enter(machine, ("a", 2)) == [Entry.STARTED]
    assert machine.queued == 0
    assert machine.leave("a", 0.0) is None, "a slot of its own it has already"


def test_who_did_not_ask_again_for_long_is_passed_over() -> None:
    machine = admission(per_client=1)
    enter(machine, ("a", 1), ("a", 2), ("a", 3))
    enter(machine, ("a", 3), now=8.0)
    assert machine.leave("a", 11.0) == "a:3"
    assert machine.leave("a", 11.0) is None
    assert machine.active == 0


@pytest.mark.parametrize("total", [1, 3])
@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(0, 5)), max_size=80))
def test_never_more_than_allowed(total: int, steps: list[tuple[bool, str, int]]) -> None:
    machine = admission(total=total)
    active = dict.fromkeys("abc", 0)
    for now, (asks, address, port) in enumerate(steps):
        if asks:
            active[address] += machine.enter((address, port), address, now) is Entry.STARTED
        elif active[address]:
            active[address] -= machine.leave(address, now) is None
        assert machine.active == sum(active.values()) <= total
        assert max(active.values()) <= 2
        assert machine.queued <= total
