"""Which run is due when. Knows no clock and starts nothing."""

from __future__ import annotations

import heapq
from itertools import count

from provd.domain.records import RunState, TaskRun

_TIMED = frozenset({RunState.PENDING, RunState.WAITING, RunState.RETRYING})


class Schedule:
    """Runs by the time at which they are due; of each the last word counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._due: dict[str, tuple[float, int]] = {}
        self._order = count()
        self._out: dict[str, bool] = {}

    def put(self, run: TaskRun) -> None:
        """This run as it is now. One that is carried out is looked at again when its lease is over."""
        if run.state in _TIMED:
            self._at(run.id, run.due)
        elif run.state is RunState.RUNNING:
            self._at(run.id, run.lease)
        else:
            self._due.pop(run.id, None)

    def _at(self, key: str, due: float) -> None:
        known = self._due.get(key)
        if known is not None and known[0] == due:
            return
        entry = (due, next(self._order))
        self._due[key] = entry
        heapq.heappush(self._heap, (*entry, key))

    def drop(self, key: str) -> None:
        """This run is no more."""
        self._due.pop(key, None)

    def take(self, now: float) -> str | None:
        """The run that is due first, if one is due now. It is not given again until it is put again; whoever takes it
        says when it is :meth:`over`."""
        self._clean()
        if not self._heap or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._due[key]
        self._out.setdefault(key, False)
        return key

    def again(self, run: TaskRun) -> None:
        """A plan has set this run, or has set it back: it is put, but not beside somebody who is at it. Who is at it
        may have seen another state meanwhile, and have left it: then it is asked for when that is over."""
        if run.id in self._out:
            self._out[run.id] = True
        else:
            self.put(run)

    def over(self, key: str) -> bool:
        """Nobody is at it any more. Whether it has to be put as it is now, because nobody else will do so."""
        return self._out.pop(key, False) and key not in self._due

    @property
    def deadline(self) -> float | None:
        """When the next run is due."""
        self._clean()
        return self._heap[0][0] if self._heap else None

    def _clean(self) -> None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)

    def __len__(self) -> int:
        return len(self._due)
