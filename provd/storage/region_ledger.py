"""The regions' way to the database."""

from __future__ import annotations

from functools import partial

from provd.storage.homes import HomeStatements, StoredHomes
from provd.storage.store import Store
from provd.storage.work import Books


class StoredRegions(Books[StoredHomes]):
    """Implements the regions' port ``Ledger``."""

    def __init__(self, store: Store) -> None:
        self.statements = HomeStatements(store.vault, store.planner, store.dialect)
        super().__init__(store, partial(StoredHomes, self.statements))
