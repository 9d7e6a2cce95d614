"""Types of devices and constraints as they stand in the database: another daemon may have changed them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import select

from provd.domain.device_types import Constraint, DeviceType
from provd.storage.batch import driver_form
from provd.storage.store import Store


class StoredKinds:
    """Reads them beside the writer, in a thread. ``alone``: nobody else can have changed any."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.alone = store.dialect.name == "sqlite"

    async def read(self) -> Sequence[DeviceType | Constraint]:
        """All of them. Raises StorageError."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Sequence[DeviceType | Constraint]:
        found: list[DeviceType | Constraint] = []
        with self._store.reading() as execute:
            for kind in (DeviceType, Constraint):
                codec = self._store.planner.codec(kind)
                rows = execute(*driver_form(select(codec.table), self._store.dialect))
                found += [codec.record(tuple(row)) for row in rows]
        return found
