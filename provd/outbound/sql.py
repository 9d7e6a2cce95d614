"""Databases of others, by SQLAlchemy: one statement at a time, in a thread, with an end to its patience."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import decimal
import math
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from provd.app.tasks.ports import SqlCall
from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError
from provd.base.secrets import Secret
from provd.domain.tasks import Done, Failed, NotYet, Outcome, Retry
from provd.outbound.sql_line import Line, Worker

AT_ONCE = 4
"""Statements at a time on one database."""
LONGEST = 4000
"""Characters of one value that are kept."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A database by its SQLAlchemy URL; ``password`` outranks the one in it."""

    name: str
    url: str
    password: Secret
    read_only: bool
    seconds: float = 10.0


class Database:
    """One database, with a thread and a connection for each statement at a time."""

    def __init__(self, reach: Reach) -> None:
        self.name = reach.name
        self._reach = reach
        self._url = url_of(reach)
        self._engine = _engine(self._url, reach)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._free: list[Worker] = []
        self._known: dict[str, TextClause] = {}
        self._closed = False

    async def do(self, call: SqlCall) -> Outcome:
        """One statement. Gives up after the database's time, whatever its driver does."""
        if call.write and self._reach.read_only:
            return Failed(f"database {self.name} is read only here")
        try:
            # The driver has its own limit; this one is for drivers that know none.
            async with asyncio.timeout(self._reach.seconds * 2):
                await self._room.acquire()
                return await self._in_thread(call)
        except TimeoutError:
            return Retry(f"database {self.name} does not answer")

    def close(self) -> None:
        """Let go. A statement that is still at work ends by itself."""
        self._closed = True
        for worker in self._free:
            worker.end()
        self._free.clear()

    def _in_thread(self, call: SqlCall) -> asyncio.Future[Outcome]:
        """The outcome of a statement. Its place is free again when the driver has come back, not before."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        worker = self._free.pop() if self._free else Worker(f"sql-{self.name}", Line(self._engine, self._reach.seconds))

        def finish(outcome: Outcome) -> None:
            self._room.release()
            if self._closed:
                worker.end()
            else:
                self._free.append(worker)
            if not answer.done():
                answer.set_result(outcome)

        def work(line: Line) -> None:
            try:
                outcome = self._performed(line, call)
            except Exception as error:  # noqa: BLE001 - whatever a driver raises is its outcome
                # Its connection may be in the middle of a transaction that it was told is for reading only.
                outcome = self._failed(line, Failed(f"database {self.name}: {type(error).__name__}"))
            # Nobody waits for it any more when the daemon has ended.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(finish, outcome)

        worker.give(work)
        return answer

    def _performed(self, line: Line, call: SqlCall) -> Outcome:
        try:
            used = line.kept
            try:
                return self._executed(line.connection(), call)
            except DBAPIError as error:
                if not (used and error.connection_invalidated):
                    raise
            # The server has ended what was kept open since: that is not its answer.
            line.close()
            return self._executed(line.connection(), call)
        except FileNotFoundError as error:
            return self._failed(line, Retry(str(error)))
        except (OperationalError, InterfaceError) as error:
            return self._failed(line, Retry(f"database {self.name}: {_said(error)}"))
        except SQLAlchemyError as error:
            return self._failed(line, Failed(f"database {self.name}: {_said(error)}"))

    def _told(self, statement: str) -> TextClause:
        """The statement with its parameters found; there are as many as there are steps in the configuration."""
        known = self._known.get(statement)
        if known is None:
            known = self._known[statement] = text(statement)
        return known

    @staticmethod
    def _failed(line: Line, outcome: Outcome) -> Outcome:
        """The outcome of a statement after which nobody knows what its connection still believes."""
        line.close()
        return outcome

    def _executed(self, connection: Connection, call: SqlCall) -> Outcome:
        _only_read(connection, not call.write)
        done = connection.execute(self._told(call.statement), dict(call.params))
        if call.write:
            # All of them: SQLite commits nothing while a statement still has some to give.
            rows = done.fetchall() if done.returns_rows else []
            row = _plain(list(done.keys()), rows[0]) if rows else {}
            connection.commit()
            return Done({"rows": done.rowcount, **row})
        found = done.fetchmany(2) if done.returns_rows else []
        names = list(done.keys()) if done.returns_rows else []
        # Rows that nobody reads hold a lock, in SQLite.
        done.close()
        connection.rollback()
        if len(found) > 1:
            return Failed(f"database {self.name}: more than one row; let the statement name one")
        return Done(_plain(names, found[0])) if found else NotYet(call.what)


def url_of(reach: Reach) -> URL:
    """The URL with its password. Raises ConfigError."""
    try:
        url = make_url(reach.url)
    except ArgumentError:
        raise ConfigError(f"tasks.database {reach.name}: not a database URL") from None
    return url.set(password=reach.password.reveal()) if reach.password else url


def _engine(url: URL, reach: Reach) -> Engine:
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql" and url.get_driver_name() in {"psycopg", "psycopg2"}:
        limit = f"-c statement_timeout={int(reach.seconds * 1000)}"
        arguments = {"connect_timeout": max(2, int(reach.seconds)), "options": limit}
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": reach.seconds, "check_same_thread": False}
    try:
        return create_engine(url, poolclass=NullPool, connect_args=arguments)
    except (NoSuchModuleError, ModuleNotFoundError, ArgumentError) as error:
        raise ConfigError(f"tasks.database {reach.name}: {error}") from None


def _only_read(connection: Connection, look_up: bool) -> None:
    """A look-up must not change anything, whatever its statement says; and it is always taken back."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA query_only = {'ON' if look_up else 'OFF'}")
    elif look_up and connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _plain(names: list[str], row: Any) -> dict[str, object]:
    return {name: plain(value) for name, value in zip(names, row, strict=True)}


def plain(value: object) -> object:
    """A value of a database as JSON has it: numbers, texts, true, false, null."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case decimal.Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()[:LONGEST]
        case _:
            return str(value)[:LONGEST]


def _said(error: SQLAlchemyError) -> str:
    """What the database says, without the statement and its parameters."""
    said = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    first = next(iter(said.strip().splitlines()), type(error).__name__)
    return "".join(each if each.isprintable() else " " for each in first)[:200]
