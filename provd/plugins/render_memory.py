"""The port ``RenderMemory``: names jobs by everything that their file is made from, and keeps files in a store.

A name stands for the whole request that a renderer would get, for the templates (their digest) and for this version of
provd. Rendering depends on nothing else (no clock, no chance), so a file that is found is the one that would be made.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Protocol

from provd import __version__
from provd.app.ports import RenderJob
from provd.base.errors import PluginError
from provd.plugins.render_wire import RequestEncoder, request_of

MOST_WAITING = 10_000
NAME_OCTETS = 16


class Shelf(Protocol):
    """Where files lie, sealed, by names of 16 octets."""

    def __len__(self) -> int: ...

    def find(self, name: bytes) -> bytes | None:
        """The file of that name, if it is there and sound."""
        ...

    def seal(self, name: bytes, body: bytes) -> bytes:
        """An entry for :meth:`write`."""
        ...

    def write(self, entries: Iterable[bytes]) -> None:
        """Append entries. Blocks, never raises."""
        ...


class KeptFiles:
    """Recalls while the fleet comes back after a start; remembers all the time.

    ``digest`` gives the digest of a plugin's templates and raises PluginError. ``key`` keys the names, so that they do
    not tell what is in a file.
    """

    def __init__(self, shelf: Shelf, digest: Callable[[str], str], key: bytes) -> None:
        self._shelf = shelf
        self._digest = digest
        self._key = key
        self._encoder = RequestEncoder()
        self._waiting: deque[tuple[RenderJob, bytes]] = deque(maxlen=MOST_WAITING)
        self._salt = [__version__, version("jinja2")]

    def __bool__(self) -> bool:
        return len(self._shelf) > 0

    def recall(self, job: RenderJob) -> bytes | None:
        """The file that this very job gave, if it is at hand."""
        name = self._name(job)
        return None if name is None else self._shelf.find(name)

    def remember(self, job: RenderJob, body: bytes) -> None:
        """Keep the file: :meth:`sealed` does the work when there is time for it."""
        self._waiting.append((job, body))

    @property
    def waiting(self) -> int:
        """Files that wait to be written."""
        return len(self._waiting)

    def sealed(self, most: int) -> Sequence[bytes]:
        """Up to so many entries that wait to be written."""
        entries = []
        for _ in range(min(most, len(self._waiting))):
            job, body = self._waiting.popleft()
            name = self._name(job)
            if name is not None:
                entries.append(self._shelf.seal(name, body))
        return entries

    def write(self, entries: Sequence[bytes]) -> None:
        """Write such entries. Blocks: for a thread, or for the end of the daemon."""
        self._shelf.write(entries)

    def _name(self, job: RenderJob) -> bytes | None:
        try:
            folders = [*self._salt, job.plugin, self._digest(job.plugin)]
            message = self._encoder.encode(request_of(job, folders, 0))
        except (PluginError, TypeError, ValueError):
            return None
        return hashlib.blake2b(message, digest_size=NAME_OCTETS, key=self._key).digest()
