"""Counting what is told seldom: once per key and period, with how often it happened since."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class Tally:
    """Remembers at most ``keys`` keys; the one not told for longest gives way."""

    def __init__(self, period: float, keys: int = 1024) -> None:
        self._period = period
        self._keys = keys
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def told(self, key: Hashable, now: float) -> int:
        """Count one. Returns how many there are to tell of now, 0 to keep quiet."""
        until, count = self._seen.get(key, (0.0, 0))
        count += 1
        if now < until:
            self._seen[key] = (until, count)
            return 0
        self._seen[key] = (now + self._period, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > self._keys:
            self._seen.popitem(last=False)
        return count
