"""Static files: looked for at most once in a moment, however many ask for them, and read in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from provd.app.knowledge import Knowledge

LOOK_AGAIN = 1.0
"""Seconds after which a static file is looked for on the disk again."""

_MOST = 8

Static = tuple[bytes | memoryview, str]
"""Octets and ETag."""


class Statics:
    """The files below the plugins' and the operator's folders; ``etag`` gives the ETag of octets."""

    def __init__(self, knowledge: Knowledge, etag: Callable[[bytes | memoryview], str]) -> None:
        self._knowledge = knowledge
        self._etag = etag
        self._kept: dict[tuple[str, str], Static] = {}
        self._looked: dict[tuple[str, str], tuple[tuple[int, float], Static]] = {}
        self._looking: dict[tuple[str, str], asyncio.Task[Static | None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def seen(self, plugin: str, name: str, now: float) -> Static | None:
        """A file that was looked for a moment ago: many phones ask for it in the same second."""
        found = self._looked.get((plugin, name))
        if found is None:
            return None
        (revision, at), kept = found
        fresh = revision == self._knowledge.revision and 0 <= now - at < LOOK_AGAIN
        return kept if fresh else None

    async def file(self, plugin: str, name: str, now: float) -> Static | None:
        """The file; an empty ``plugin`` is whichever has it."""
        # A hundred phones ask for their firmware in the same moment: it is read and hashed once for all of them.
        key = (plugin, name)
        task = self._looking.get(key)
        if task is None:
            task = self._looking[key] = asyncio.ensure_future(self._look(plugin, name, now))
            task.add_done_callback(lambda _: self._looking.pop(key, None))
        return await asyncio.shield(task)

    async def _look(self, plugin: str, name: str, now: float) -> Static | None:
        # Read in a thread: firmware is large and lies on a disk.
        seen = (self._knowledge.revision, now)
        found, body = await asyncio.to_thread(self._find, plugin, name)
        if body is None:
            return None
        key = (found, name.lower())
        kept = self._kept.get(key)
        if kept is None or (kept[0] is not body and kept[0] != body):
            if len(self._kept) >= _MOST:
                del self._kept[next(iter(self._kept))]
            kept = self._kept[key] = (body, await asyncio.to_thread(self._etag, body))
        if len(self._looked) >= _MOST:
            self._looked.clear()
        self._looked[plugin, name] = (seen, kept)
        return kept

    def _find(self, plugin: str, name: str) -> tuple[str, bytes | memoryview | None]:
        catalogue = self._knowledge.catalogue
        for each in (plugin,) if plugin else tuple(manifest.id for manifest in catalogue.manifests):
            body = catalogue.static(each, name)
            if body is not None:
                return each, body
        return "", None
