"""An event loop whose time passes only while nobody has anything to do: an hour of waiting takes no time at all."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Impatient(selectors.DefaultSelector):
    """Instead of waiting it tells how long it would have waited. Datagrams on loopback are there at once."""

    waited: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everybody waits for something that never comes")
        if not ready and timeout:
            self.waited(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """``hold`` makes one turn of the loop late by so many seconds: the machine was busy elsewhere."""

    def __init__(self) -> None:
        selector = _Impatient()
        selector.waited = self.hold
        self._moment = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self._moment

    def hold(self, seconds: float) -> None:
        self._moment += seconds


def in_virtual_time(make: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run the coroutine that ``make`` gives for the loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(make(loop))
