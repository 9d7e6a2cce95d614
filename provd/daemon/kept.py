"""Files that were rendered before the last start: read when the daemon starts, written while it has time."""

from __future__ import annotations

import asyncio

from provd.plugins.catalogue import PluginCatalogue
from provd.plugins.render_memory import MOST_WAITING, KeptFiles
from provd.storage.rendered import RenderedFiles

RECALLED_FOR = 900.0
"""A site that gets power boots within minutes."""
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
        while True:
            await asyncio.sleep(self._every)
            for _ in range(_EACH_TIME):
                entries = self.memory.sealed(_AT_ONCE)
                if not entries:
                    break
                await asyncio.to_thread(self.memory.write, entries)
            if loop.time() >= forget_at:
                self._files.forget()

    def close(self) -> None:
        """Write what still waits. Called after :meth:`run` was cancelled."""
        self.memory.write(self.memory.sealed(MOST_WAITING))
        self._files.forget()
