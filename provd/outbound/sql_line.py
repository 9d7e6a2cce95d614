"""A thread with a connection to somebody else's database, kept open while one statement follows another."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine

KEPT = 2.0
"""Seconds without a statement after which a connection is closed: what is kept longer goes stale, or is in the way."""
OLDEST = 30.0
"""Seconds after which a busy one is, too: names may lead elsewhere by then."""
_STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the time: some milliseconds."""


class Line:
    """At most one connection. Used by one thread at a time."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._file = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
        self._connection: Connection | None = None
        self._opened = 0.0
        self._identity: tuple[int, int] = (0, 0)
        self._deadline = 0.0

    @property
    def kept(self) -> bool:
        """Whether the next statement has a connection that was used before."""
        return self._connection is not None

    def connection(self) -> Connection:
        """A connection for one statement, from now on. Raises SQLAlchemyError, FileNotFoundError."""
        now = time.monotonic()
        identity = self._looked_up()
        if identity != self._identity or now - self._opened > OLDEST:
            self.close()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._opened, self._identity = now, identity
            self._limit(self._connection)
        self._deadline = now + self._seconds
        return self._connection

    def close(self) -> None:
        """Close it, and with it whatever is left of an unfinished statement."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Whatever a driver raises: the thread goes on with another one.
            with contextlib.suppress(Exception):
                connection.close()

    def _looked_up(self) -> tuple[int, int]:
        """Which file it is: another one may have taken its name."""
        if self._file is None:
            return 0, 0
        try:
            found = self._file.stat()
        except OSError:
            # SQLite would make an empty one.
            raise FileNotFoundError(f"{self._file}: there is no such file") from None
        return found.st_dev, found.st_ino

    def _limit(self, connection: Connection) -> None:
        """SQLite knows no time limit for a statement; it asks now and then whether to go on."""
        if self._file is None:
            return
        ask = getattr(connection.connection.driver_connection, "set_progress_handler", None)
        if ask is not None:
            ask(lambda: time.monotonic() > self._deadline, _STEPS)


class Worker:
    """Carries out one piece of work after the other in a thread of its own.

    A driver that hangs must not keep the daemon from its end, as the threads of an executor do.
    """

    def __init__(self, name: str, line: Line) -> None:
        self._line = line
        self._given: queue.SimpleQueue[Callable[[Line], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def give(self, work: Callable[[Line], None]) -> None:
        """Work that raises nothing, for a worker that has none."""
        self._given.put(work)

    def end(self) -> None:
        """No more of it: the connection is closed and the thread ends."""
        self._given.put(None)

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            work(self._line)
        self._line.close()

    def _next(self) -> Callable[[Line], None] | None:
        if self._line.kept:
            try:
                return self._given.get(timeout=KEPT)
            except queue.Empty:
                self._line.close()
        return self._given.get()
