"""Files that were rendered before the last start: read when the daemon starts, written while it has time."""

from __future__ import annotations

import asyncio

from provd.plugins.catalogue import PluginCatalogue
from provd.plugins.render_memory import MOST_WAITING, KeptFiles
from provd.storage.rendered import RenderedFiles

RECALLED_FOR = 900.0
"""A site that gets power boots within minutes."""
_PATIENCE = 10
"""Looks for which writing is put off while files are still being rendered: those who wait for them come first."""
_AT_ONCE = 20
_EACH_TIME = 10


class RenderKeeper:
    """Owns the cache of rendered files on disk. ``memory`` is what the use cases ask.

    ``every`` are the seconds between two looks for what is to be written, ``recalled_for`` those after the start for
    which files of the last run are looked for.
    """

    def __init__(
        self,
        files: RenderedFiles,
        catalogue: PluginCatalogue,
        key: bytes,
        *,
        every: float = 1.0,
        recalled_for: float = RECALLED_FOR,
    ) -> None:
        self._files = files
        self._every = every
        self._recalled_for = recalled_for
        self.memory = KeptFiles(files, catalogue.digest, key)

    async def run(self) -> None:
        """Read, then write little by little for as long as the daemon lives."""
        await asyncio.to_thread(self._files.load)
        loop = asyncio.get_running_loop()
        forget_at = loop.time() + self._recalled_for
        seen = put_off = 0
        while True:
            await asyncio.sleep(self._every)
            busy = self.memory.waiting > seen and put_off < _PATIENCE
            put_off = put_off + 1 if busy else 0
            seen = self.memory.waiting
            for _ in range(0 if busy else _EACH_TIME):
                entries = self.memory.sealed(_AT_ONCE)
                if not entries:
                    break
                await asyncio.to_thread(self.memory.write, entries)
            seen = self.memory.waiting
            if loop.time() >= forget_at:
                self._files.forget()

    def close(self) -> None:
        """Write what still waits. Called after :meth:`run` was cancelled."""
        self.memory.write(self.memory.sealed(MOST_WAITING))
        self._files.forget()
