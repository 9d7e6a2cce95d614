"""Word between daemons on one PostgreSQL: what one of them has committed, the others hear of (LISTEN and NOTIFY).

A notice leaves with the transaction that it is part of, or not at all. On SQLite there is one daemon and nothing to
hear.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError

from provd.storage.batch import Statement, driver_form

CHANNEL = "provd_homes"
_PATIENCE = 0.5
"""Seconds after which the thread looks whether it is to end."""
_AGAIN = 2.0
"""Seconds until a lost connection is made anew."""


def notice(name: str, dialect: Dialect) -> Statement | None:
    """What tells the others of this name; None where there are none."""
    if dialect.name != "postgresql":
        return None
    return driver_form(select(func.pg_notify(CHANNEL, name)), dialect)


class Ear:
    """Listens in a thread, on a connection of its own. ``heard`` is called there with each name; ``begins`` whenever
    it begins to listen: what was said before was not heard."""

    def __init__(self, engine: Engine, heard: Callable[[str], None], begins: Callable[[], None]) -> None:
        self._engine = engine
        self._heard = heard
        self._begins = begins
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="homes-ear", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more. Blocks for a moment."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        import psycopg  # noqa: PLC0415 - an extra, and there is an ear only where it is installed

        while not self._closed.is_set():
            try:
                self._listen()
            except (SQLAlchemyError, psycopg.Error):
                # The writer tells of a database that is away.
                self._closed.wait(_AGAIN)

    def _listen(self) -> None:
        with self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute(f"LISTEN {CHANNEL}")
            self._begins()
            while not self._closed.is_set():
                for each in driver.notifies(timeout=_PATIENCE):
                    self._heard(str(each.payload))
