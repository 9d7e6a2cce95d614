"""The live tail: facts as JSON lines for whoever watches, with a bounded queue for each."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from provd.base.facts import Fact, text_of
from provd.base.types import Mac
from provd.observe.plain import json_of, utc_text


def _nothing(_mac: Mac) -> Sequence[Fact]:
    return ()


class Tail:
    """A reader of facts with subscribers. ``past`` gives the last facts of a device, oldest first; it has to be told
    of each batch before this is, so that nothing is missing in between and nothing is told twice."""

    def __init__(self, queue: int = 1000, past: Callable[[Mac], Sequence[Fact]] = _nothing) -> None:
        self._queue = queue
        self._past = past
        self._watchers: set[Watcher] = set()

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Hand a batch to everybody who watches."""
        for watcher in self._watchers:
            watcher.put(facts)

    def watch(self, mac: Mac | None = None, *, wanted: Callable[[Fact], bool] | None = None) -> Watcher:
        """Facts from now on, of one device or of all, and of these only what is ``wanted``:
        ``async with tail.watch() as lines: async for line in lines``.

        Those of one device begin with its last ones, which have ``past`` in their line: who asks for them mostly
        wants to know what has just happened.
        """
        return Watcher(self._watchers, mac, self._queue, wanted, self._past)


class Watcher:
    """One subscriber: an asynchronous iterator of JSON lines without their line end.

    A subscriber that is too slow misses facts and finds a line with the fact ``TAIL-MISSED`` in their place.
    """

    def __init__(
        self,
        watchers: set[Watcher],
        mac: Mac | None,
        queue: int,
        wanted: Callable[[Fact], bool] | None = None,
        past: Callable[[Mac], Sequence[Fact]] = _nothing,
    ) -> None:
        self._wanted = wanted
        self._remembered = past
        self._past: deque[Fact] = deque()
        self._watchers = watchers
        self._mac = mac
        self._facts: deque[Fact] = deque()
        self._limit = queue
        self._missed = 0
        self._time = 0.0
        self._news = asyncio.Event()

    def put(self, facts: Sequence[Fact]) -> None:
        """Queue what concerns this subscriber."""
        for fact in facts:
            if self._mac is not None and fact.mac != self._mac:
                continue
            if self._wanted is not None and not self._wanted(fact):
                continue
            if len(self._facts) >= self._limit:
                self._missed += 1
            else:
                self._facts.append(fact)
        if self._facts:
            self._news.set()

    async def __aenter__(self) -> Self:
        # In one go: the next batch comes when this has returned.
        self._watchers.add(self)
        if self._mac is not None:
            self._past.extend(
                fact for fact in self._remembered(self._mac) if self._wanted is None or self._wanted(fact)
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watchers.discard(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        if self._past:
            fact = self._past.popleft()
            return json_of(fact, text=text_of(fact), past=True)
        while not self._facts and not self._missed:
            self._news.clear()
            await self._news.wait()
        if self._facts:
            fact = self._facts.popleft()
            self._time = fact.at
            return json_of(fact, text=text_of(fact))
        missed, self._missed = self._missed, 0
        line = {"time": utc_text(self._time), "level": "warning", "fact": "TAIL-MISSED"}
        return json.dumps({**line, "text": f"… {missed} facts missed", "missed": missed})
