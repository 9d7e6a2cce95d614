"""Work on a book of the database: changes through the one writer, look-ups beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from provd.base.errors import ProvdError, StorageError
from provd.storage.step import Execute
from provd.storage.store import Store

T = TypeVar("T")


class Written(Protocol):
    """A book says whether anything was written to it."""

    wrote: bool


B = TypeVar("B", bound=Written)


class Work(Generic[B, T]):
    """A step of the writer: keeps what the work gave, or the refusal that it raised."""

    def __init__(
        self, key: tuple[str, ...], opened: Callable[[Execute], B], work: Callable[[B], T], weight: int
    ) -> None:
        self.key = key
        self.weight = weight
        self.wrote = False
        self._opened = opened
        self._work = work
        self._given: list[T] = []
        self.book: B | None = None
        """What the last run wrote in."""
        self._refusal: ProvdError | None = None

    def run(self, execute: Execute) -> None:
        """Do the work. Its refusal concerns nobody else in the transaction."""
        self._given, self._refusal = [], None
        book = self.book = self._opened(execute)
        try:
            self._given.append(self._work(book))
        except StorageError:
            raise
        except ProvdError as error:
            self._refusal = error
        self.wrote = book.wrote

    def result(self) -> T:
        """What the work gave. Raises the ProvdError that it raised."""
        if self._refusal is not None:
            raise self._refusal
        return self._given[0]


class Books(Generic[B]):
    """Opens a book for each piece of work.

    ``opened`` makes one that executes statements with what it is given; ``kept`` hears of each that has become durable.
    """

    def __init__(self, store: Store, opened: Callable[[Execute], B], kept: Callable[[B], None] | None = None) -> None:
        self._store = store
        self._opened = opened
        self._kept = kept

    async def change(self, key: tuple[str, ...], work: Callable[[B], T], weight: int = 1) -> T:
        """What the work gives, once all that it wrote is durable."""
        step = Work(key, self._opened, work, weight)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(error: StorageError | None) -> None:
            if error is None and self._kept is not None and step.book is not None:
                self._kept(step.book)
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

    async def read(self, work: Callable[[B], T]) -> T:
        """What the work gives, read in a thread on a connection of its own."""

        def read() -> T:
            with self._store.reading() as execute:
                return work(self._opened(execute))

        return await asyncio.to_thread(read)
