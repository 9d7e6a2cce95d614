"""The sockets of the administration: open when the daemon is READY, answered a moment later.

Who connects in between waits in the kernel's queue. A port that cannot be had ends the start, as everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import NamedTuple

from provd.config.settings import Settings
from provd.http.listening import control_socket, page_socket


class Opened(NamedTuple):
    """Listening sockets: the command line's, and those of ``[api]``."""

    control: socket.socket
    pages: tuple[socket.socket, ...]


class Doors:
    """Opened once, and taken once by whoever answers."""

    def __init__(self) -> None:
        self._opened: Opened | None = None
        self._path: Path | None = None
        self.addresses: tuple[str, ...] = ()
        """Where ``[api]`` is, as ``address:port``."""

    def open(self, settings: Settings) -> None:
        """Listen. Raises ConfigError, and leaves nothing open then."""
        path = settings.server.control_path
        with contextlib.ExitStack() as undo:
            control = undo.enter_context(control_socket(path))
            undo.callback(path.unlink, missing_ok=True)
            pages = [undo.enter_context(page_socket(at.host, at.port)) for at in settings.api.listen]
            undo.pop_all()
        self._path, self._opened = path, Opened(control, tuple(pages))
        names = [listener.getsockname() for listener in pages]
        self.addresses = tuple(f"{name[0]}:{name[1]}" for name in names)

    async def knocked(self) -> None:
        """Wait until somebody connects."""
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        listeners = self._listeners()
        for listener in listeners:
            loop.add_reader(listener, heard.set)
        try:
            await heard.wait()
        finally:
            for listener in listeners:
                loop.remove_reader(listener)

    def take(self) -> Opened:
        """The sockets, which are the caller's from now on."""
        if self._opened is None:
            raise RuntimeError("not open")
        opened, self._opened = self._opened, None
        return opened

    def close(self) -> None:
        """Close what nobody took."""
        listeners = self._listeners()
        self._opened = None
        for listener in listeners:
            listener.close()
        if listeners and self._path is not None:
            self._path.unlink(missing_ok=True)

    def _listeners(self) -> list[socket.socket]:
        return [] if self._opened is None else [self._opened.control, *self._opened.pages]
