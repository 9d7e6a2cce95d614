"""Activation's way to the database."""

from __future__ import annotations

from functools import partial

from provd.storage.store import Store
from provd.storage.things import Statements, StoredBook
from provd.storage.work import Books


class StoredLedger(Books[StoredBook]):
    """Implements activation's port ``Ledger``."""

    def __init__(self, store: Store) -> None:
        self.statements = Statements(store.vault, store.planner, store.dialect)
        """What it says to the database."""
        super().__init__(store, partial(StoredBook, self.statements))
