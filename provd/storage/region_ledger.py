"""The regions' way to the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provd.app.activation.ports import Beside
from provd.domain.regions.unit import Unit
from provd.storage.homes import HomeStatements, StoredHomes
from provd.storage.step import Execute
from provd.storage.store import Store
from provd.storage.things import Statements, StoredBook
from provd.storage.work import Books


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


def _nobody(_units: Sequence[Unit]) -> None:
    """Nobody has anything to do with units here."""
