"""Engines for the two databases and the writer's own connection: one transaction at a time, errors in our words."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from provd.base.errors import ClashError, StorageError
from provd.storage.batch import Extension, Statement
from provd.storage.mapping import Row
from provd.storage.step import Step

_CONNECT_SECONDS = 2
_BUSY_MILLISECONDS = 5000
_BRIEFLY_MILLISECONDS = 10
# A statement text per number of rows; the driver keeps this many of them prepared.
_PREPARED = 512
_LOG_PAGES = 256
"""Pages of the log (1 MB) after which a commit brings them into the file and the log begins anew. Bringing them over
takes 2 ms on a disk that answers in a quarter of one."""
_LOG_OCTETS = 32 + (_LOG_PAGES + 64) * (24 + 4096)
"""What the log then takes with the last commit before that (sqlite.org/fileformat2.html section 4: header, frames)."""
_UNIQUE_VIOLATION = "23505"
"""SQLSTATE (PostgreSQL, appendix A)."""


class RefusedError(StorageError):
    """The database refuses these values; others will do."""


class TakenError(RefusedError, ClashError):
    """A unique value is taken."""


class UnavailableError(StorageError):
    """The database cannot be written now: disk full, input/output error, connection lost."""

    def __init__(self, message: str, *, disconnected: bool = False) -> None:
        super().__init__(message)
        self.disconnected = disconnected


class BusyError(UnavailableError):
    """Somebody else has the file of SQLite locked."""


def parse_url(text: str, state_dir: Path) -> URL:
    """The database URL of the configuration: ``sqlite`` is ``provd.db`` in the state directory. Raises StorageError."""
    if text == "sqlite":
        return URL.create("sqlite", database=str(state_dir / "provd.db"))
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise StorageError("the database URL is neither sqlite nor postgresql://…") from error
    if url.get_backend_name() not in {"sqlite", "postgresql"} or not url.database:
        raise StorageError(f"database {url.render_as_string()}: neither sqlite:///FILE nor postgresql://HOST/NAME")
    return url


def make_engine(url: URL) -> Engine:
    """An engine in autocommit mode: a single statement is its own transaction, several are bracketed by hand.

    Raises StorageError where the driver of PostgreSQL is not installed.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={"cached_statements": _PREPARED, "timeout": _BUSY_MILLISECONDS / 1000},
        )
        event.listen(engine, "connect", _durable)
        return engine
    try:
        return create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            paramstyle="format",
            # Readers are rare and take a new connection each: one kept over a restart of the server would be dead.
            poolclass=NullPool,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "provd"},
        )
    except ImportError as error:
        raise StorageError(f"PostgreSQL needs the psycopg driver: install provd[postgres] ({error})") from error


def _durable(connection: sqlite3.Connection, _record: object) -> None:
    # WAL with FULL: a commit that has returned survives a power cut. NORMAL loses acknowledged leases.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
    connection.text_factory = lenient
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")


@contextlib.contextmanager
def quick_text(connection: Connection) -> Iterator[None]:
    """Meanwhile SQLite's driver decodes text by itself, which is much quicker than :func:`lenient` for each value; text
    that is none is an error of the whole query then."""
    driver: Any = connection.connection.driver_connection
    driver.text_factory = str
    try:
        yield
    finally:
        driver.text_factory = lenient


def lenient(octets: bytes) -> object:
    """Text of a row that may be damaged: octets that are no text stay octets, and only that row is refused."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets


def reason_of(error: SQLAlchemyError | sqlite3.Error) -> str:
    """The driver's own words, first line only: what follows may quote values."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    lines = str(origin).strip().splitlines()
    return lines[0] if lines else type(origin).__name__


def translated(error: SQLAlchemyError) -> StorageError:
    """Our error for one of the database's."""
    if isinstance(error, IntegrityError) and _is_clash(error.orig):
        return TakenError(reason_of(error))
    if isinstance(error, IntegrityError | DataError | ProgrammingError) or (
        isinstance(error, InterfaceError) and not error.connection_invalidated
    ):
        return RefusedError(reason_of(error))
    disconnected = isinstance(error, DBAPIError) and error.connection_invalidated
    # SQLite's extended codes have their kind in the low octet.
    if isinstance(origin := getattr(error, "orig", None), sqlite3.OperationalError) and (
        getattr(origin, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    ):
        return BusyError(reason_of(error))
    return UnavailableError(reason_of(error), disconnected=disconnected)


def _is_clash(origin: BaseException | None) -> bool:
    if isinstance(origin, sqlite3.IntegrityError):
        return origin.sqlite_errorcode in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
    return getattr(origin, "sqlstate", "") == _UNIQUE_VIOLATION


class Session:
    """The one connection that writes. Used by one thread at a time; only ``interrupt`` may be called meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self.heard = 0.0
        """When the database has last answered a statement of several (a monotonic clock's time)."""
        self._engine = engine
        self._connection: Connection | None = None
        self._suspect = False
        self._long = False
        self._waits = self._waiting = _BUSY_MILLISECONDS

    def wait(self, *, long: bool) -> None:
        """How long writes from now on wait for somebody else's lock: some seconds, or hardly at all."""
        self._waits = _BUSY_MILLISECONDS if long else _BRIEFLY_MILLISECONDS

    def write(self, statements: Sequence[Statement | Extension], steps: Sequence[Step] = ()) -> None:
        """Execute the statements and then the steps as one transaction; when this returns they are on the disk.

        Raises RefusedError for values that the database does not take, UnavailableError (after which the connection
        is a new one at the next call) for everything that says nothing about the values.
        """
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._engine.connect()
                self._waiting = _BUSY_MILLISECONDS
                self._settle(connection)
            self._be_patient(connection)
            if len(statements) == 1 and not steps:
                _execute(connection, statements[0])
            else:
                self._bracketed(connection, statements, steps)
            if not self._long:
                self._lengthen_log(connection)
        except SQLAlchemyError as error:
            mine = translated(error)
            if isinstance(mine, UnavailableError) and not isinstance(mine, BusyError):
                self._suspect = True
                self.close()
            raise mine from error
        except (ValueError, OverflowError) as error:
            # The drivers let these pass untranslated: a number of more than 64 bits, a NUL.
            raise RefusedError(str(error)) from error

    def _be_patient(self, connection: Connection) -> None:
        if self._waiting != self._waits and self._engine.dialect.name == "sqlite":
            self._waiting = self._waits
            _told(connection, f"PRAGMA busy_timeout={self._waits}", ())

    def _settle(self, connection: Connection) -> None:
        """After a failed write: bring what the log still holds of it to the disk, or fail again.

        A new connection takes the refused rows over from the log. The same rows written once more change nothing
        then, and a commit that changes nothing does not sync: it would promise what is not on the disk.
        """
        if self._suspect and self._engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)").all()
        self._suspect = False

    def _lengthen_log(self, connection: Connection) -> None:
        """Give SQLite's log the length that it will come to have.

        A commit that makes it longer waits for the file system to note that, and for whatever others have written to
        the same disk meanwhile. What is no frame of the log's present salt is not read: it ends at the first zeros.
        Only whoever holds SQLite's lock for writing knows where the log ends: somebody else's commit between the look
        and the zeros would become zeros.
        """
        path = self._engine.url.database
        if self._engine.dialect.name != "sqlite" or not path:
            self._long = True
            return
        try:
            self._waiting = 0  # What was asked for is on the disk: nobody waits for this. The next write has its time.
            _told(connection, "PRAGMA busy_timeout=0", ())
            _told(connection, "BEGIN IMMEDIATE", ())
        except SQLAlchemyError:
            return  # Somebody else writes: after the next commit, then.
        self._long = True
        try:
            # Best effort: without room for it every commit says so itself.
            with contextlib.suppress(OSError):
                _lengthen(Path(f"{path}-wal"))
        finally:
            try:
                _told(connection, "COMMIT", ())
            except SQLAlchemyError:
                self.close()  # The commit before is on the disk; this connection does not leave its transaction.

    def _bracketed(
        self, connection: Connection, statements: Sequence[Statement | Extension], steps: Sequence[Step]
    ) -> None:
        def execute(sql: str, parameters: Row) -> Sequence[Row]:
            rows = _told(connection, sql, parameters)[1]
            self.heard = time.monotonic()
            return rows

        execute("BEGIN", ())
        try:
            for statement in statements:
                _execute(connection, statement)
                self.heard = time.monotonic()
            for step in steps:
                step.run(execute)
            execute("COMMIT", ())
        except BaseException:
            # A full disk may already have ended the transaction, a lost connection certainly has.
            with contextlib.suppress(SQLAlchemyError):
                connection.exec_driver_sql("ROLLBACK")
            raise

    def interrupt(self) -> None:
        """Make a write that waits for a silent database server fail now. A slow disk is waited for."""
        connection = self._connection
        if connection is None or self._engine.dialect.name != "postgresql":
            return
        with contextlib.suppress(OSError, SQLAlchemyError, AttributeError):
            driver: Any = connection.connection.driver_connection
            # The server may be stopped and hear no cancel request; without its socket the driver gives up at once.
            with socket.socket(fileno=os.dup(driver.pgconn.socket)) as wire:
                wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Drop the connection; nothing of an unfinished transaction remains."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(SQLAlchemyError):
            # After an error nobody knows what this connection still believes: it does not go back to the pool.
            connection.invalidate()
            connection.close()


def _lengthen(path: Path) -> None:
    with path.open("r+b", buffering=0) as log:
        length = log.seek(0, os.SEEK_END)
        if length < _LOG_OCTETS:
            log.write(bytes(_LOG_OCTETS - length))
            os.fsync(log.fileno())


def _execute(connection: Connection, statement: Statement | Extension) -> None:
    changed, _ = _told(connection, statement[0], statement[1])
    if isinstance(statement, Extension) and changed != statement.rows:
        _told(connection, *statement.otherwise())


def _told(connection: Connection, sql: str, parameters: Row) -> tuple[int, Sequence[Row]]:
    """Execute the statement and tell how many rows it changed, and the rows that it gives.

    Into SQLite directly: what SQLAlchemy notes about each statement takes as long as writing a dozen leases. The errors
    are SQLAlchemy's all the same.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        result = connection.exec_driver_sql(sql, parameters)
        return result.rowcount, result.all() if result.returns_rows else ()
    try:
        cursor = driver.execute(sql, parameters)
        return cursor.rowcount, cursor.fetchall() if cursor.description else ()
    except sqlite3.Error as error:
        raise DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True) from error
