"""Static files and firmware images as they are served: small ones as bytes, large ones mapped."""

from __future__ import annotations

import mmap
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from provd.base.dataclass import dataclass

MAPPED_FROM = 1 << 20
"""Files of this size and more are mapped instead of read."""

LARGEST = 1 << 30

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Blob:
    stamp: Stamp
    content: bytes | memoryview


@dataclass(frozen=True, slots=True)
class _Listing:
    stamp: int
    paths: dict[str, Path]


class Blobs:
    """The regular files directly in some folders, by name without regard to case; earlier folders win.

    A large file is mapped from a private, nameless copy in ``spool``: writing over the original, as an operator does
    who copies a newer image to the same name, would otherwise pull the pages from under a running transfer and end
    the daemon with a bus error.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._listings: dict[Path, _Listing] = {}
        self._blobs: dict[Path, _Blob] = {}

    def find(self, folders: tuple[Path, ...], name: str) -> bytes | memoryview | None:
        """The content of that file, or None. Only names that a listing has are ever opened."""
        wanted = name.lower()
        for folder in folders:
            path = self._listed(folder).get(wanted)
            if path is not None:
                content = self._content(path)
                if content is not None:
                    return content
        return None

    def own(self, path: Path) -> bytes | memoryview | None:
        """The content of a file that nobody writes over, or None: a large one is mapped as it lies there."""
        return self._content(path, copied=False)

    def forget(self) -> None:
        """Read everything anew when it is asked for. Transfers that are under way keep what they have."""
        self._listings.clear()
        self._blobs.clear()

    def forget_gone(self) -> None:
        """Let go of files that are not there any more or are others by now."""
        for path, blob in list(self._blobs.items()):
            try:
                same = blob.stamp == _stamp(path.stat(follow_symlinks=False))
            except OSError:
                same = False
            if not same:
                self._blobs.pop(path, None)

    def _listed(self, folder: Path) -> dict[str, Path]:
        try:
            stamp = folder.stat().st_mtime_ns
            known = self._listings.get(folder)
            if known is None or known.stamp != stamp:
                known = self._listings[folder] = _Listing(stamp, dict(_regular_files(folder)))
        except OSError:
            return {}
        return known.paths

    def _content(self, path: Path, *, copied: bool = True) -> bytes | memoryview | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                return None
            stamp = _stamp(status)
            known = self._blobs.get(path)
            if known is not None and known.stamp == stamp:
                return known.content
            if status.st_size < MAPPED_FROM:
                content: bytes | memoryview = file.read()
            else:
                content = self._mapped(file) if copied else memoryview(_map(file))
            self._blobs[path] = _Blob(stamp, content)
            return content

    def _mapped(self, original: BinaryIO) -> bytes | memoryview:
        try:
            with tempfile.TemporaryFile(dir=self._spool) as copy:
                shutil.copyfileobj(original, copy, 1 << 20)
                copy.flush()
                return memoryview(_map(copy))
        except OSError:
            # No room for the copy, or nowhere to put it: then it costs memory.
            original.seek(0)
            return original.read()


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _map(file: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _regular_files(folder: Path) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                yield entry.name.lower(), folder / entry.name
