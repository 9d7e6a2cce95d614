"""Rendered files in memory, bounded by octets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from provd.app.files import FileReply
from provd.base.dataclass import dataclass

_OVERHEAD = 1024
"""What an entry costs beside its body."""


Quick = tuple[int, int, int, str]
"""Generation of the fleet, revision of the device, revision of the plugins, key that the device has."""


@dataclass(slots=True)
class Entry:
    """A rendered file. ``quick`` is the state of the whole fleet when it was last found fresh, ``revisions`` what it
    was made from, ``owner`` whose secrets are in it: a stale file is never given to another owner."""

    reply: FileReply
    quick: Quick
    revisions: Hashable
    owner: Hashable

    @property
    def size(self) -> int:
        """Octets that the entry counts for."""
        return len(self.reply.body) + _OVERHEAD


class Cache:
    """Least recently used entries go first. An entry larger than the limit is not kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self.octets = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Entry | None:
        """The entry, which counts as used now."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def newest(self, wanted: Callable[[Any], bool]) -> tuple[Any, Entry] | None:
        """The entry that was used last among those with such a key, and its key; looks through all of them."""
        return next(((key, self._entries[key]) for key in reversed(self._entries) if wanted(key)), None)

    def put(self, key: Hashable, entry: Entry) -> None:
        """Keep the entry in place of an older one."""
        old = self._entries.pop(key, None)
        if old is not None:
            self.octets -= old.size
        if entry.size > self._limit:
            return
        self._entries[key] = entry
        self.octets += entry.size
        while self.octets > self._limit:
            _, oldest = self._entries.popitem(last=False)
            self.octets -= oldest.size

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.octets = 0
