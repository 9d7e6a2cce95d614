"""The outbox: reads facts, keeps those for which there is an endpoint, and sends each endpoint its own, in order.

At least once: a letter is removed when the endpoint has taken it and not before, so a crash in between repeats it,
under the same id. Every endpoint has a worker and a count of its own: one that is dead delays nobody else, and no more
wait for it than it is allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field

from provd.app.hooks.ports import Letters, Sender
from provd.app.ports import Change, Delete, Journal, Put
from provd.app.turns import pause_for
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import StorageError
from provd.base.facts import Fact, FactSink
from provd.base.facts.hooks import WebhookDead, WebhookFailing, WebhookOverflow, WebhookRecovered
from provd.domain.hooks import DeadLetter, Heard, Hook, Letter, is_given_up, pause_after

AT_ONCE = 50
"""Letters that are read at a time."""
MOST_DEAD = 1000
"""Dead letters of one endpoint that are kept; the oldest go."""
AFTER_STORAGE = 5.0
_TOLD_AGAIN = 60.0

Pause = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits so many seconds, or until the event."""
Write = Callable[[Fact], str]
"""A fact as JSON."""
Owner = Callable[[Fact], str]
"""The tenant that a fact is about, empty for none."""


@dataclass(slots=True)
class Box:
    """An endpoint and how it is. ``after`` is the number of the last letter that is done with."""

    hook: Hook
    waiting: int = 0
    dead: int = 0
    after: int = 0
    failures: int = 0
    reason: str = ""
    last: float = 0.0
    """When it took something."""
    lost: int = 0
    told: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    worker: asyncio.Task[None] | None = None
    attempts: int = 0
    """Tries of the letter at its head."""


class Outbox:
    """A reader of facts. ``octets`` gives so many random octets, ``write`` makes the text of a fact."""

    def __init__(
        self,
        *,
        journal: Journal,
        letters: Letters,
        sender: Sender,
        clock: Clock,
        emit: FactSink,
        write: Write,
        owner: Owner,
        octets: Callable[[int], bytes],
        pause: Pause = pause_for,
    ) -> None:
        self._journal = journal
        self._letters = letters
        self._sender = sender
        self._clock = clock
        self._emit = emit
        self._write = write
        self._owner = owner
        self._octets = octets
        self._pause = pause
        self._boxes: dict[str, Box] = {}
        self._by_fact: dict[str, tuple[Box, ...]] = {}
        self._changing = asyncio.Lock()

    # --- endpoints

    @property
    def boxes(self) -> Mapping[str, Box]:
        """The endpoints by name."""
        return self._boxes

    async def change(self, hooks: Iterable[Hook]) -> None:
        """Serve these endpoints from now on. What waits for one that is no more is removed. Raises StorageError."""
        async with self._changing:
            wanted = {hook.name: hook for hook in hooks}
            await self._stop(box for name, box in self._boxes.items() if wanted.get(name) != box.hook)
            await self._letters.forget(list(wanted))
            counts = await self._letters.counts()
            for name, hook in wanted.items():
                if name not in self._boxes:
                    waiting, dead = counts.get(name, (0, 0))
                    self._boxes[name] = Box(hook, waiting=waiting, dead=dead)
            self._by_fact.clear()
            for box in self._boxes.values():
                if box.worker is None:
                    box.worker = asyncio.create_task(self._serve(box))

    async def close(self) -> None:
        """Stop; what waits goes on waiting."""
        async with self._changing:
            await self._stop(list(self._boxes.values()))

    async def _stop(self, boxes: Iterable[Box]) -> None:
        gone = list(boxes)
        for box in gone:
            del self._boxes[box.hook.name]
            if box.worker is not None:
                box.worker.cancel()
        self._by_fact.clear()
        await asyncio.gather(*(box.worker for box in gone if box.worker is not None), return_exceptions=True)

    # --- facts

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Keep those for which there is an endpoint."""
        if not self._boxes:
            return
        kept: list[tuple[Box, Letter]] = []
        for fact in facts:
            boxes = self._by_fact.get(fact.ID)
            if boxes is None:
                boxes = self._by_fact[fact.ID] = tuple(box for box in self._boxes.values() if box.hook.hears(fact.ID))
            for box in boxes:
                if box.hook.tenant and self._owner(fact) != box.hook.tenant:
                    continue
                if box.waiting >= box.hook.most:
                    self._lose(box, 1)
                    continue
                box.waiting += 1
                kept.append((box, self._letter(box.hook.name, fact)))
        if kept:
            self._journal.submit([Put(letter) for _, letter in kept], lambda error: self._stored(kept, error))

    def _letter(self, hook: str, fact: Fact) -> Letter:
        return Letter(hook=hook, id=self._octets(12).hex(), fact=fact.ID, at=fact.at, body=self._write(fact))

    def post(self, hook: str, letter: Letter) -> Change:
        """What keeps a letter together with other changes. Raises LookupError when there is no such endpoint.

        Call :meth:`posted` when they are durable.
        """
        box = self._boxes[hook]
        if box.waiting >= box.hook.most:
            raise OverflowError(f"{box.waiting} letters wait for webhook {hook}")
        return Put(letter)

    def posted(self, hook: str) -> None:
        """A letter of :meth:`post` is durable."""
        box = self._boxes.get(hook)
        if box is not None:
            box.waiting += 1
            box.news.set()

    def _stored(self, kept: Sequence[tuple[Box, Letter]], error: StorageError | None) -> None:
        for box, _ in kept:
            if error is None:
                box.news.set()
            else:
                box.waiting -= 1
                self._lose(box, 1)

    def _lose(self, box: Box, count: int) -> None:
        box.lost += count
        now = self._clock.now()
        if now - box.told >= _TOLD_AGAIN:
            self._emit(WebhookOverflow(at=now, hook=box.hook.name, count=box.lost))
            box.told, box.lost = now, 0

    # --- one endpoint

    async def _serve(self, box: Box) -> None:
        while True:
            try:
                box.news.clear()
                letters = await self._letters.waiting(box.hook.name, box.after, AT_ONCE)
                if not letters:
                    await box.news.wait()
                for letter in letters:
                    await self._deliver(box, letter)
            except StorageError:
                # The store has told of itself as degraded.
                box.again.clear()
                await self._pause(box.again, AFTER_STORAGE)

    async def _deliver(self, box: Box, letter: Letter) -> None:
        """Send a letter until it is taken or given up."""
        box.attempts = 0
        while True:
            heard = await self._sender.send(box.hook.name, letter)
            box.attempts += 1
            now = self._clock.now()
            if heard.delivered:
                self._took(box, letter, now)
                return
            box.failures += 1
            box.reason = heard.reason
            if box.failures == 1:
                self._emit(WebhookFailing(at=now, hook=box.hook.name, reason=heard.reason))
            if is_given_up(box.hook, letter, heard, now):
                await self._bury(box, letter, heard, now)
                return
            box.again.clear()
            await self._pause(box.again, pause_after(box.failures, heard))

    def _took(self, box: Box, letter: Letter, now: float) -> None:
        box.waiting = max(0, box.waiting - 1)
        box.after, box.last = letter.seq, now
        # Not awaited: when it is lost with a crash, the letter is sent twice, under its id.
        self._journal.submit([Delete(letter)])
        if box.failures:
            self._emit(WebhookRecovered(at=now, hook=box.hook.name, waiting=box.waiting))
            box.failures, box.reason = 0, ""

    async def _bury(self, box: Box, letter: Letter, heard: Heard, now: float) -> None:
        dead = DeadLetter(
            id=letter.id,
            hook=letter.hook,
            fact=letter.fact,
            at=letter.at,
            body=letter.body,
            died=now,
            attempts=box.attempts,
            reason=heard.reason,
        )
        changes: list[Change] = [Delete(letter), Put(dead)]
        if box.dead >= MOST_DEAD:
            changes += [
                Delete(old) for old in (await self._letters.dead(box.hook.name, 2 * MOST_DEAD))[MOST_DEAD - 1 :]
            ]
        await self._journal.commit(changes)
        box.dead = min(box.dead + 1, MOST_DEAD)
        box.waiting = max(0, box.waiting - 1)
        box.after = letter.seq
        if heard.hopeless:
            # It has answered: nothing is wrong with the endpoint.
            box.failures = 0
        self._emit(
            WebhookDead(
                at=now, hook=dead.hook, letter=dead.id, fact=dead.fact, reason=dead.reason, attempts=dead.attempts
            )
        )

    # --- by hand

    async def dead(self, hook: str, limit: int) -> Sequence[DeadLetter]:
        """Letters of an endpoint that were given up, the newest first. Raises StorageError."""
        return await self._letters.dead(hook, limit)

    async def replay(self, hook: str, ids: Sequence[str] = ()) -> int:
        """Send dead letters again, these or all of the endpoint, oldest first; gives how many. Raises StorageError."""
        box = self._boxes[hook]
        found = [each for each in await self._letters.dead(hook, 2 * MOST_DEAD) if not ids or each.id in ids]
        now = self._clock.now()
        found = found[: max(0, box.hook.most - box.waiting)]
        changes: list[Change] = []
        for dead in sorted(found, key=lambda each: (each.at, each.died)):
            letter = Letter(hook=dead.hook, id=dead.id, fact=dead.fact, at=now, body=dead.body)
            changes += [Delete(dead), Put(letter)]
        if changes:
            await self._journal.commit(changes)
            box.waiting += len(found)
            box.dead = max(0, box.dead - len(found))
        box.news.set()
        # Whoever replays says that the endpoint is in order: it is tried now.
        box.again.set()
        return len(found)
