"""Lets a browser on this machine reach a server inside a network namespace."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, suppress

from provd.base.errors import ConfigError
from provd.simulate.lan import entered

_PIECE = 65536


class Forward:
    """Accepts TCP connections on ``host``:``port`` here and continues each to ``target`` inside ``namespace``."""

    def __init__(self, host: str, port: int, namespace: str, target: tuple[str, int]) -> None:
        self._here = (host, port)
        self._namespace = namespace
        self._target = target
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Begin to accept; gives the port (useful when 0 was asked for). Raises ConfigError."""
        try:
            self._server = await asyncio.start_server(self._accepted, *self._here)
        except OSError as error:
            raise ConfigError(f"cannot listen on {self._here[0]}:{self._here[1]}: {error.strerror or error}") from error
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop accepting and cut what is open."""
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            with suppress(OSError, ConfigError):
                await self._connect(reader, writer)
        finally:
            await _hang_up(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with ExitStack() as opened:
            with entered(self._namespace):  # a socket belongs to where it was made
                sock = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            sock.settimeout(0)
            await asyncio.get_running_loop().sock_connect(sock, self._target)
            far_reader, far_writer = await asyncio.open_connection(sock=sock)
            opened.pop_all()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer))
                group.create_task(_pump(far_reader, writer))
        finally:
            await _hang_up(far_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
