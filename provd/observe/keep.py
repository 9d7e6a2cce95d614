"""Facts on their way into the store: behind the event, at a bounded rate, and never in the way of the leases."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from provd.app.ports import Journal, Put
from provd.base.errors import StorageError
from provd.base.facts import Fact, FactSink, Level, kinds_of
from provd.base.facts.observe import FactsNotKept
from provd.domain.records import StoredFact
from provd.observe.plain import data_of

_TOLD_AGAIN = 60.0


class FactKeeper:
    """A reader of facts that stores them.

    ``at_once`` facts are stored together, one such batch after the other with ``pause`` seconds between them at least:
    two thousand a second, and none of it holds up a lease for long. At most ``queue`` wait for that. The store
    numbers them. ``call_later(seconds, callback)`` is the event loop's.
    """

    def __init__(
        self,
        journal: Journal,
        call_later: Callable[[float, Callable[[], None]], object],
        emit: FactSink,
        *,
        at_once: int = 100,
        pause: float = 0.05,
        queue: int = 20_000,
        level: Level = Level.INFO,
    ) -> None:
        self._journal = journal
        self._call_later = call_later
        self._emit = emit
        self._at_once = at_once
        self._pause = pause
        self._queue = queue
        self._level = level
        self._waiting: deque[Fact] = deque()
        self._resting = False
        self._writing = 0
        self._told = 0.0
        self._untold = 0
        self.dropped = 0
        """Facts that were not kept, since the start."""

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Queue a batch."""
        passed_over = {kind for kind in kinds_of(facts) if self._level > kind.LEVEL or kind is FactsNotKept}
        kept = [fact for fact in facts if type(fact) not in passed_over] if passed_over else facts
        room = max(0, self._queue - len(self._waiting))
        if len(kept) > room:
            self._drop(len(kept) - room, kept[-1].at)
        self._waiting.extend(kept[:room])
        self._go_on()

    def finish(self) -> None:
        """Hand everything that waits to the journal. Called when the daemon ends, before the journal closes."""
        self._submit(len(self._waiting))

    def _go_on(self) -> None:
        if self._waiting and not self._resting and not self._writing:
            self._resting = True
            self._call_later(self._pause, self._rested)
            self._submit(self._at_once)

    def _rested(self) -> None:
        self._resting = False
        self._go_on()

    def _submit(self, count: int) -> None:
        facts = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        if not facts:
            return
        self._writing += 1
        self._journal.submit(
            [Put(_stored(fact)) for fact in facts], lambda error: self._done(error, len(facts), facts[-1].at)
        )

    def _done(self, error: StorageError | None, count: int, at: float) -> None:
        self._writing -= 1
        if error is not None:
            self._drop(count, at)
        self._go_on()

    def _drop(self, count: int, at: float) -> None:
        self.dropped += count
        self._untold += count
        if at - self._told >= _TOLD_AGAIN:
            self._emit(FactsNotKept(at=at, count=self._untold))
            self._told, self._untold = at, 0


def _stored(fact: Fact) -> StoredFact:
    return StoredFact(fact=fact.ID, at=fact.at, mac=fact.mac or "", boot=fact.boot, data=data_of(fact))
