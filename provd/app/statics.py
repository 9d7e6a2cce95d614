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

Place = tuple[str, str, str]
"""Plugin, name, and which plugin is looked at first where the plugin is empty: then it is whichever has the file."""


class Statics:
    """The files below the plugins' and the operator's folders; ``etag`` gives the ETag of octets."""

    def __init__(self, knowledge: Knowledge, etag: Callable[[bytes | memoryview], str]) -> None:
        self._knowledge = knowledge
        self._etag = etag
        self._kept: dict[tuple[str, str], Static] = {}
        self._looked: dict[Place, tuple[tuple[int, float], Static]] = {}
        self._looking: dict[Place, asyncio.Task[Static | None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def forget(self) -> None:
        """Hold none of them: they are looked for again when somebody asks. Answers under way keep what they have."""
        self._kept.clear()
        self._looked.clear()

    def seen(self, place: Place, now: float) -> Static | None:
        """A file that was looked for a moment ago: many phones ask for it in the same second."""
        found = self._looked.get(place)
        if found is None:
            return None
        (revision, at), kept = found
        fresh = revision == self._knowledge.revision and 0 <= now - at < LOOK_AGAIN
        return kept if fresh else None

    async def file(self, place: Place, now: float) -> Static | None:
        """The file, or None."""
        # A hundred phones ask for their firmware in the same moment: it is read and hashed once for all of them.
        task = self._looking.get(place)
        if task is None:
            task = self._looking[place] = asyncio.ensure_future(self._look(place, now))
            task.add_done_callback(lambda _: self._looking.pop(place, None))
        return await asyncio.shield(task)

    async def _look(self, place: Place, now: float) -> Static | None:
        # Read in a thread: firmware is large and lies on a disk.
        seen = (self._knowledge.revision, now)
        key, kept = await asyncio.to_thread(self._find, place)
        if kept is None:
            return None
        if self._kept.get(key) is not kept:
            if key not in self._kept and len(self._kept) >= _MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = kept
        if len(self._looked) >= _MOST:
            self._looked.clear()
        self._looked[place] = (seen, kept)
        return kept

    def _find(self, place: Place) -> tuple[tuple[str, str], Static | None]:
        """Which file that is, by plugin and name, and what is in it. In a thread."""
        plugin, name, near = place
        catalogue = self._knowledge.catalogue
        ids = (manifest.id for manifest in catalogue.manifests)
        for each in (plugin,) if plugin else sorted(ids, key=lambda each: each != near):
            body = catalogue.static(each, name)
            if body is not None:
                key = (each, name.lower())
                kept = self._kept.get(key)
                # Hashed anew where it may be another one: to compare two images would keep everybody waiting, for
                # Python does nothing else meanwhile, and a hash lets go of it.
                return key, kept if kept is not None and kept[0] is body else (body, self._etag(body))
        return ("", name), None
