"""Activation's way to the database: changes through the one writer, look-ups beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from provd.app.activation.ports import Beside, Book, Reading
from provd.app.ports import Change
from provd.base.errors import ProvdError, StorageError
from provd.storage.step import Execute
from provd.storage.store import Store
from provd.storage.things import Statements, StoredBook

T = TypeVar("T")


class _Work(Generic[T]):
    """A step of the writer: keeps what the work gave, or the refusal that it raised."""

    def __init__(
        self,
        key: tuple[str, ...],
        statements: Statements,
        work: Callable[[Book], T],
        weight: int,
        beside: Beside | None,
    ) -> None:
        self.key = key
        self.weight = weight
        self.wrote = False
        self._statements = statements
        self._work = work
        self._beside = beside
        self._along: list[Change] = []
        self._given: list[T] = []
        self._refusal: ProvdError | None = None

    def run(self, execute: Execute) -> None:
        """Do the work. Its refusal concerns nobody else in the transaction."""
        self._given, self._refusal = [], None
        book = StoredBook(self._statements, execute, self._beside)
        try:
            self._given.append(self._work(book))
        except StorageError:
            raise
        except ProvdError as error:
            self._refusal = error
        self.wrote, self._along = book.wrote, book.along

    def kept(self) -> None:
        """What was written is durable."""
        if self._beside is not None and self._along:
            self._beside.kept(self._along)

    def result(self) -> T:
        """What the work gave. Raises the ProvdError that it raised."""
        if self._refusal is not None:
            raise self._refusal
        return self._given[0]


class StoredLedger:
    """Implements the port ``Ledger``. ``beside`` adds to every transaction what its changes bring with them."""

    def __init__(self, store: Store, beside: Beside | None = None) -> None:
        self._store = store
        self._beside = beside
        self.statements = Statements(store.vault, store.planner, store.dialect)
        """What it says to the database."""

    async def change(self, key: tuple[str, ...], work: Callable[[Book], T], weight: int = 1) -> T:
        """What the work gives, once all that it wrote is durable."""
        step = _Work(key, self.statements, work, weight, self._beside)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(error: StorageError | None) -> None:
            if error is None:
                step.kept()
            if future.done():
                return  # its waiter was cancelled; what was written stays written
            try:
                if error is not None:
                    raise error
                future.set_result(step.result())
            except ProvdError as refusal:
                future.set_exception(refusal)

        self._store.perform(step, done)
        return await future

    async def read(self, work: Callable[[Reading], T]) -> T:
        """What the work gives, read in a thread on a connection of its own."""

        def read() -> T:
            with self._store.reading() as execute:
                return work(StoredBook(self.statements, execute))

        return await asyncio.to_thread(read)
