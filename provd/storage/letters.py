"""Letters to webhooks in the database: looked up beside the writer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, Table, func, select

from provd.app.ports import Delete
from provd.domain.hooks import DeadLetter, Letter
from provd.storage.batch import driver_form
from provd.storage.mapping import Row, RowError
from provd.storage.store import Store
from provd.storage.tables import DEAD_LETTER, LETTER

T = TypeVar("T", Letter, DeadLetter)
_AT_ONCE = 500


class StoredLetters:
    """Implements the port ``Letters``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def waiting(self, hook: str, after: int, limit: int) -> Sequence[Letter]:
        """The oldest letters of an endpoint behind that number."""
        c = LETTER.c
        query = select(LETTER).where(c.hook == hook, c.seq > after).order_by(c.seq).limit(limit)
        return await asyncio.to_thread(self._records, Letter, query)

    async def dead(self, hook: str, limit: int) -> Sequence[DeadLetter]:
        """The letters that were given up, the newest first."""
        c = DEAD_LETTER.c
        query = select(DEAD_LETTER).order_by(c.died.desc(), c.id).limit(limit)
        return await asyncio.to_thread(self._records, DeadLetter, query.where(c.hook == hook) if hook else query)

    async def counts(self) -> Mapping[str, tuple[int, int]]:
        """How many wait and how many are dead, for each endpoint."""
        waiting, dead = [await asyncio.to_thread(self._counted, table) for table in (LETTER, DEAD_LETTER)]
        return {name: (waiting.get(name, 0), dead.get(name, 0)) for name in waiting.keys() | dead.keys()}

    async def forget(self, hooks: Sequence[str]) -> None:
        """Remove what there is of others, bit by bit."""
        for name in (await self.counts()).keys() - set(hooks):
            while letters := await self.waiting(name, 0, _AT_ONCE):
                await self._store.commit([Delete(each) for each in letters])
            while dead := await self.dead(name, _AT_ONCE):
                await self._store.commit([Delete(each) for each in dead])

    def _counted(self, table: Table) -> dict[str, int]:
        return {name: count for name, count in self._rows(select(table.c.hook, func.count()).group_by(table.c.hook))}  # noqa: C416 - rows are no pairs

    def _records(self, kind: type[T], query: Select[Any]) -> list[T]:
        codec, found = self._store.planner.codec(kind), list[T]()
        for row in self._rows(query):
            # One that is damaged must not keep those behind it.
            with contextlib.suppress(RowError):
                found.append(codec.record(row))
        return found

    def _rows(self, query: Select[Any]) -> Sequence[Row]:
        with self._store.reading() as execute:
            return execute(*driver_form(query, self._store.dialect))
