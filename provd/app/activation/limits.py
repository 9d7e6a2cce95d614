"""Who guesses serials is slowed down; who is only refused what is his is not.

The answers tell serials apart by contract (403, 404, 409), so failures are counted per source, and per pair of vendor
and model over all sources. A pair that many guess at is closed only to sources that have failed themselves: nobody can
lock out the honest devices of a model. Of IPv6 a whole /64 is one source: who has one address has them all.
"""

from __future__ import annotations

import math

from provd.base.facts import FactSink
from provd.base.facts.activation import ThingThrottled
from provd.guard.bucket import KeyedBuckets
from provd.guard.source import source_of
from provd.guard.tally import Tally

AT_ONCE = 30
PAUSE = 30.0
"""A source may fail so often at once, and once in so many seconds after that."""
PAIR_AT_ONCE = 300
PAIR_PAUSE = 3.0
"""The same for one vendor and model, whoever asks."""


class Failures:
    """Counts failures. Times are seconds."""

    def __init__(self, emit: FactSink) -> None:
        self._emit = emit
        self._sources: KeyedBuckets[str] = KeyedBuckets(1 / PAUSE, AT_ONCE, 10_000)
        self._pairs: KeyedBuckets[tuple[str, str]] = KeyedBuckets(1 / PAIR_PAUSE, PAIR_AT_ONCE, 1_000)
        self._tally: Tally[str] = Tally()

    def wait(self, peer: str, now: float, pair: tuple[str, str]) -> int:
        """Whole seconds that this source has to wait, 0 when it is heard."""
        source = source_of(peer)
        left = self._sources.left(source, now)
        wait = (1 - left) * PAUSE if left < 1 else 0.0
        if left <= AT_ONCE - 1:
            pair_left = self._pairs.left(pair, now)
            wait = max(wait, (1 - pair_left) * PAIR_PAUSE)
        if wait <= 0:
            return 0
        count = self._tally.add(source, now)
        if count:
            self._emit(ThingThrottled(at=now, peer=peer, count=count))
        return math.ceil(wait)

    def count(self, peer: str, now: float, pair: tuple[str, str]) -> None:
        """One more failure."""
        self._sources.allow(source_of(peer), now)
        self._pairs.allow(pair, now)
