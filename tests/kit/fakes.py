"""Journals for tests, each good at one thing: remembering, never changing, being empty, refusing, taking its time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from provd.app.ports import Change, Delete, Done, Put, R
from provd.base.errors import StorageError
from provd.dhcp.lease import Lease
from provd.domain.records import AuditEntry, Device, Metadata, PendingResync, Record, Redemption, StoredFact, TaskStep
from provd.domain.rollouts import RolloutDevice


def key_of(record: Record | Lease) -> object:
    """What makes two records of a kind the same one."""
    match record:
        case Device() | PendingResync() | Metadata():
            return record.mac
        case Redemption():
            return record.code, record.number
        case TaskStep(run=of, name=each) | RolloutDevice(rollout=of, mac=each):
            return of, each
        case Lease():
            return record.ip
        case StoredFact() | AuditEntry():
            return record.seq
        case _:
            return record.id


def _answer(done: Done | None, error: StorageError | None) -> None:
    """Call ``done`` as the real store does: later, by the event loop; at once where a test has no loop."""
    if done is None:
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        done(error)
    else:
        loop.call_soon(done, error)


async def _committed(journal: MemoryJournal | FixedJournal | BrokenJournal, changes: Sequence[Change]) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: StorageError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    journal.submit(changes, done)
    await future


class MemoryJournal:
    """Keeps what it is given, in memory; everything is durable at once."""

    degraded = False

    def __init__(self, *records: Record | Lease) -> None:
        self._rows: dict[type, dict[object, Record | Lease]] = {}
        self._seq = 0
        self.submitted: list[Change] = []
        """Every change so far, in order."""
        self._apply([Put(record) for record in records])

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            record = change.record
            rows = self._rows.setdefault(type(record), {})
            if isinstance(change, Delete):
                rows.pop(key_of(record), None)
            elif isinstance(record, StoredFact | AuditEntry):
                self._seq += 1
                rows[self._seq] = replace(record, seq=self._seq)
            else:
                rows[key_of(record)] = record

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        """Keep the changes; ``done`` hears so when the loop turns next."""
        self.submitted += changes
        self._apply(changes)
        _answer(done, None)

    async def commit(self, changes: Sequence[Change]) -> None:
        """The same, awaited."""
        await _committed(self, changes)

    def load(self, kind: type[R]) -> list[R]:
        """Every record of that kind in the order they came."""
        return [record for record in self._rows.get(kind, {}).values() if isinstance(record, kind)]


class FixedJournal:
    """Always loads the same records; accepts changes, lists them in ``submitted`` and forgets them otherwise."""

    degraded = False

    def __init__(self, *records: Record | Lease) -> None:
        self._records = records
        self.submitted: list[Change] = []

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        """Note the changes and say that they are durable."""
        self.submitted += changes
        _answer(done, None)

    async def commit(self, changes: Sequence[Change]) -> None:
        """The same, awaited."""
        await _committed(self, changes)

    def load(self, kind: type[R]) -> list[R]:
        """Those of the fixed records that are of that kind."""
        return [record for record in self._records if isinstance(record, kind)]


class EmptyJournal(FixedJournal):
    """A store on its first day, every day."""

    def __init__(self) -> None:
        super().__init__()


class BrokenJournal:
    """Refuses everything: the disk is full. ``mend`` makes it work from then on."""

    def __init__(self, reason: str = "database or disk is full", *, loads: bool = True) -> None:
        self._reason = reason
        self._loads = loads
        self._mended: MemoryJournal | None = None
        self.refused: list[Change] = []

    @property
    def degraded(self) -> bool:
        """Until it is mended."""
        return self._mended is None

    def mend(self) -> None:
        """Room was made."""
        self._mended = MemoryJournal()

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        """Refuse the changes with a StorageError to ``done``."""
        if self._mended is not None:
            self._mended.submit(changes, done)
            return
        self.refused += changes
        _answer(done, StorageError(self._reason))

    async def commit(self, changes: Sequence[Change]) -> None:
        """The same, awaited."""
        await _committed(self, changes)

    def load(self, kind: type[R]) -> list[R]:
        """Nothing; or a StorageError when made with ``loads=False``."""
        if self._mended is not None:
            return self._mended.load(kind)
        if not self._loads:
            raise StorageError(self._reason)
        return []


class SlowJournal(MemoryJournal):
    """Makes nothing durable before ``release`` is called: what happens between submit and done can be looked at."""

    def __init__(self, *records: Record | Lease) -> None:
        super().__init__(*records)
        self._waiting: deque[tuple[Sequence[Change], Done | None]] = deque()

    @property
    def waiting(self) -> int:
        """Submissions that are not durable yet."""
        return len(self._waiting)

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        """Queue the changes until ``release`` or ``refuse``."""
        self.submitted += changes
        self._waiting.append((changes, done))

    def release(self, count: int | None = None) -> None:
        """Make the oldest ``count`` submissions (all without a number) durable."""
        for _ in range(len(self._waiting) if count is None else min(count, len(self._waiting))):
            changes, done = self._waiting.popleft()
            self._apply(changes)
            _answer(done, None)

    def refuse(self, reason: str = "disk I/O error") -> None:
        """Refuse everything that waits."""
        while self._waiting:
            _, done = self._waiting.popleft()
            _answer(done, StorageError(reason))
