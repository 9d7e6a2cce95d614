"""Activation's way to the database: changes through the one writer, look-ups beside it."""

from __future__ import annotations

from functools import partial

from provd.app.activation.ports import Beside
from provd.storage.store import Store
from provd.storage.things import Statements, StoredBook
from provd.storage.work import Books


class StoredLedger(Books[StoredBook]):
    """Implements the port ``Ledger``. ``beside`` adds to every transaction what its changes bring with them."""

    def __init__(self, store: Store, beside: Beside | None = None) -> None:
        self.statements = Statements(store.vault, store.planner, store.dialect)
        """What it says to the database."""

        def kept(book: StoredBook) -> None:
            if beside is not None and book.along:
                beside.kept(book.along)

        super().__init__(store, partial(StoredBook, self.statements, beside=beside), kept)
