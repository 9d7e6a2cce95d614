"""Token buckets: so many at once, so many per second after that. Pure machines with bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class TokenBucket:
    """``burst`` tokens to begin with, refilled by ``rate`` per second up to ``burst``."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def left(self, now: float) -> float:
        """Tokens in the bucket at this moment; takes none."""
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
        return self._tokens

    def allow(self, now: float, tokens: float = 1) -> bool:
        """Take one token, or so many; False when there are not as many, and then nothing is taken."""
        if self.left(now) < tokens:
            return False
        self._tokens -= tokens
        return True


class KeyedBuckets(Generic[K]):
    """One bucket per key (an address, a device). Holds at most ``capacity`` keys; the longest unused one is forgotten.

    A forgotten key starts with a full bucket again, so ``capacity`` should exceed the number of honest keys.
    """

    __slots__ = ("_buckets", "_burst", "_capacity", "_rate")

    def __init__(self, rate: float, burst: float, capacity: int = 4096) -> None:
        self._rate = rate
        self._burst = burst
        self._capacity = capacity
        self._buckets: OrderedDict[K, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, key: K, now: float, tokens: float = 1) -> bool:
        """Take one token of this key, or so many; False when it has not as many left."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.allow(now, tokens)

    def left(self, key: K, now: float) -> float:
        """Tokens this key has; asking neither takes one nor makes the key known."""
        bucket = self._buckets.get(key)
        return self._burst if bucket is None else bucket.left(now)
