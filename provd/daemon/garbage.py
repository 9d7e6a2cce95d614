"""The garbage collector in small lots, so that no phone waits for it.

Python begins to look for cycles when so many more objects were made than freed. Where each new object takes the place
of an old one, as the files of a fleet do after a change that all of them share, it begins late and then with everything
at once: 140 ms. Here it is called again and again, each time with what was made since.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

EVERY = 0.1
"""Seconds between two lots. At five thousand files a second that is a lot of four milliseconds."""

_THRESHOLDS = 100_000, 100, 6_000
"""For what comes between two lots (an import, say). Everything is looked through at most every ten minutes: hardly
anything of ours is cyclic garbage, and a full collection stops everybody for its time."""


class GarbageRounds:
    """Lots from :meth:`begin` on until :meth:`end`."""

    def __init__(self, call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle]) -> None:
        self._call_later = call_later
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """What was loaded stays: the collector need not walk ten thousand devices again and again."""
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.enable()
        self._next = self._call_later(EVERY, self._round)

    def _round(self) -> None:
        # What is left of the young ones is old from now on, and not looked at again until everything is.
        gc.collect(1)
        self._next = self._call_later(EVERY, self._round)

    def end(self) -> None:
        """No more lots."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
