"""Telling often without telling much: the first of a kind at once, the others as a count later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Tally(Generic[K]):
    """Counts events per key and says when a key may be told again: every ``interval`` seconds at most.

    Holds at most ``capacity`` keys; the longest unused one is forgotten together with its count.
    """

    __slots__ = ("_capacity", "_interval", "_keys")

    def __init__(self, interval: float = 60.0, capacity: int = 1024) -> None:
        self._interval = interval
        self._capacity = capacity
        self._keys: OrderedDict[K, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: K, now: float) -> int:
        """Count one event. How many to tell now (this one included), or 0 while the key has to stay quiet."""
        told_at, untold = self._keys.pop(key, (None, 0))
        if told_at is not None and now - told_at < self._interval:
            self._keys[key] = (told_at, untold + 1)
            return 0
        self._keys[key] = (now, 0)
        if len(self._keys) > self._capacity:
            self._keys.popitem(last=False)
        return untold + 1
