"""What was made since the last lot is looked through, and never everything at once."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from provd.daemon.garbage import EVERY, GarbageRounds


class Node:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


class Timers:
    """Runs what is due when it is told to."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []
        self.handles: list[asyncio.TimerHandle] = []
        self.loop = asyncio.new_event_loop()

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        assert seconds == EVERY
        self.due.append(call)
        self.handles.append(self.loop.call_later(3600, call))
        return self.handles[-1]

    def tick(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


@pytest.fixture
def timers() -> Iterator[Timers]:
    before, enabled = gc.get_threshold(), gc.isenabled()
    timers = Timers()
    yield timers
    timers.loop.close()
    gc.unfreeze()
    gc.set_threshold(*before)
    (gc.enable if enabled else gc.disable)()


def test_a_cycle_is_found_in_the_next_lot_and_old_ones_are_not_looked_at(timers):
    rounds = GarbageRounds(timers.later)
    rounds.begin()
    lots: list[int] = []
    watch = lambda phase, info: lots.append(info["generation"]) if phase == "start" else None  # noqa: E731
    gc.callbacks.append(watch)
    try:
        node = Node()
        gone = weakref.ref(node)
        del node
        timers.tick()
        assert gone() is None
        old = [Node() for _ in range(10)]
        timers.tick()
        assert not [each for each in old if any(each is young for young in gc.get_objects(0) + gc.get_objects(1))]
    finally:
        gc.callbacks.remove(watch)
    assert set(lots) == {1}
    rounds.end()
    assert timers.handles[-1].cancelled()
    rounds.end()
