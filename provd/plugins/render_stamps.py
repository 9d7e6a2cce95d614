"""Whether folders of templates are as they were when something was compiled from them first.

A folder that once held a version of a plugin may come to hold other templates: the version was discarded and a
corrected package of the same version put in its place, or the operator's own folder was edited while nobody used it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class Stamps:
    """What the folders held that have been looked at. Reads no contents: whatever writes a file changes its ctime."""

    def __init__(self) -> None:
        self._seen: dict[Path, object] = {}

    def clear(self) -> None:
        """Nothing is compiled any more."""
        self._seen.clear()

    def changed(self, folders: Iterable[Path]) -> bool:
        """Whether one of them holds something else than when it was looked at first."""
        differ = False
        for folder in folders:
            stamp = _stamp(folder)
            differ |= self._seen.setdefault(folder, stamp) != stamp
        return differ


def _stamp(folder: Path) -> object:
    try:
        found = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    except OSError:
        return object()  # like no other: it is being changed
    return [(str(path), status.st_ino, status.st_size, status.st_ctime_ns) for path, status in found]
