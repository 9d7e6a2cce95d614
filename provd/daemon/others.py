"""Other daemons on the same database: what they move is known here a moment later."""

from __future__ import annotations

import asyncio

from provd.app.regions.phones import Phones
from provd.base.errors import StorageError
from provd.storage.ear import Ear
from provd.storage.region_ledger import StoredRegions

_AGAIN = 2.0
"""Seconds until what could not be looked at is looked at again."""


class Others:
    """Looks at phones that another daemon has moved, and at all of them whenever word may have been missed."""

    def __init__(self, stored: StoredRegions, phones: Phones) -> None:
        self._stored = stored
        self._phones = phones
        self._names: set[str] = set()
        self._all = False
        self._called = asyncio.Event()
        self._ear: Ear | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen, where there can be others."""

        def heard(name: str) -> None:
            loop.call_soon_threadsafe(self._note, name)

        def begins() -> None:
            loop.call_soon_threadsafe(self._note, None)

        self._ear = self._stored.listen(heard, begins)
        if self._ear is not None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._ear is not None:
            await asyncio.to_thread(self._ear.close)

    def _note(self, name: str | None) -> None:
        if name is None:
            self._all = True
        else:
            self._names.add(name)
        self._called.set()

    async def _run(self) -> None:
        while True:
            await self._called.wait()
            self._called.clear()
            names, self._names = self._names, set()
            everything, self._all = self._all, False
            try:
                if everything:
                    await self._phones.load()
                elif names:
                    await self._phones.look(names)
            except StorageError:
                # The store has told of itself.
                self._names |= names
                self._all |= everything
                asyncio.get_running_loop().call_later(_AGAIN, self._called.set)
