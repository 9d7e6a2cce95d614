"""One daemon per database file: an advisory lock that the kernel gives back however the process ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from provd.base.errors import StorageError

_EVERY = 0.05
"""Seconds until it is tried again."""


class FileLock:
    """Holds ``<database>.lock`` from construction to ``release``. Raises StorageError naming the holder.

    ``patience`` is how many seconds another holder is waited for: a command that works on the database is soon over.
    """

    def __init__(self, database: Path, patience: float = 0.0, pause: Callable[[float], object] = time.sleep) -> None:
        path = database.with_name(f"{database.name}.lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from error
        try:
            self._take(patience, pause)
        except OSError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StorageError(f"another provd (pid {holder}) uses {database}") from error
        # The number is for people; a disk too full for it must not keep the daemon from starting.
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.ftruncate(self._descriptor, 0)

    def _take(self, patience: float, pause: Callable[[float], object]) -> None:
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if patience <= 0:
                    raise
            else:
                return
            pause(_EVERY)
            patience -= _EVERY

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would race with the next holder."""
        os.close(self._descriptor)
