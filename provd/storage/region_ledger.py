"""The regions' way to the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from provd.app.activation.ports import Beside
from provd.base.errors import ClashError
from provd.domain.regions.unit import Unit
from provd.storage.ear import Ear
from provd.storage.homes import HomeStatements, StoredHomes
from provd.storage.step import Execute
from provd.storage.store import Store
from provd.storage.things import Statements, StoredBook
from provd.storage.work import Books

T = TypeVar("T")


class StoredRegions(Books[StoredHomes]):
    """Implements the regions' port ``Ledger``. ``things`` and ``beside`` are those of activation's ledger.

    ``departed`` is called with the units of devices that have gone.
    """

    def __init__(self, store: Store, things: Statements, beside: Beside) -> None:
        statements = HomeStatements(store.vault, store.planner, store.dialect)

        def opened(execute: Execute) -> StoredHomes:
            return StoredHomes(statements, execute, StoredBook(things, execute, beside))

        self.departed: Callable[[Sequence[Unit]], None] = _nobody

        def kept(book: StoredHomes) -> None:
            if book.departed:
                self.departed(book.departed)
            if book.along:
                beside.kept(book.along)

        super().__init__(store, opened, kept)

    def listen(self, heard: Callable[[str], None], begins: Callable[[], None]) -> Ear | None:
        """Hear of what other daemons have moved, in a thread; None where there can be no others."""
        return self._store.listen(heard, begins)

    async def change(self, key: tuple[str, ...], work: Callable[[StoredHomes], T], weight: int = 1) -> T:
        """What the work gives. When another daemon on the same database was quicker, what is there now decides."""
        try:
            return await super().change(key, work, weight)
        except ClashError:
            return await super().change(key, work, weight)


def _nobody(_units: Sequence[Unit]) -> None:
    """Nobody has anything to do with units here."""
