"""Sources that ask for files they may not have are closed out for a while."""

from __future__ import annotations

from collections import OrderedDict

from provd.app.roster import Bucket
from provd.base.dataclass import dataclass
from provd.base.facts import FactSink
from provd.base.facts.files import FileThrottled

HOLD = 180.0
"""Seconds that a source stays closed: the pace of twenty misses an hour."""

_SOURCES = 10_000


@dataclass(slots=True)
class _Source:
    misses: int = 0
    until: float = 0.0


class Throttle:
    """Counts refusals for each source address, in a table of bounded size."""

    def __init__(self, misses: Bucket, emit: FactSink) -> None:
        self._bucket = misses
        self._emit = emit
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def closed(self, peer: str, now: float) -> bool:
        """Whether this source has missed too often lately."""
        source = self._sources.get(peer)
        return source is not None and source.until > now

    def miss(self, peer: str, via: str, now: float) -> None:
        """Count a refusal, and close the source when it was one too many."""
        source = self._sources.get(peer)
        if source is None:
            source = self._sources[peer] = _Source()
            if len(self._sources) > _SOURCES:
                self._sources.popitem(last=False)
        source.misses += 1
        self._sources.move_to_end(peer)
        if source.until <= now and not self._bucket.allow(peer, now):
            source.until = now + HOLD
            self._emit(FileThrottled(at=now, via=via, peer=peer, misses=source.misses))
