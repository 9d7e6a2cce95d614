"""A database as one SQLite file, whatever it lives in, and back: what backups are made of.

The file has the tables of the database that it was made from. Sealed values stay sealed.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, func, insert, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from provd.base.errors import ConflictError, StorageError
from provd.domain.records import MASTER_TENANT
from provd.storage import migrations, rescue
from provd.storage.batch import ROWS_PER_STATEMENT, driver_form
from provd.storage.lock import FileLock
from provd.storage.mapping import TABLES, Codec, Row, RowError
from provd.storage.session import make_engine, parse_url, reason_of
from provd.storage.tables import METADATA, TENANT
from provd.storage.vault import Vault

_READ_AT_ONCE = 1000


def take(url: str, state_dir: Path, target: Path) -> dict[str, int]:
    """Write the database, as it is at one moment, to the new file ``target``; gives the rows of each table.

    A daemon may be at work meanwhile. Raises StorageError.
    """
    place = parse_url(url, state_dir)
    with _said(place):
        if place.get_backend_name() == "sqlite":
            _take_file(Path(place.database or ""), target)
        else:
            _take_rows(place, target)
    return counts(target)


def _take_file(source: Path, target: Path) -> None:
    if not source.exists():
        raise StorageError(f"{source}: there is no such database")
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reader,
        contextlib.closing(sqlite3.connect(target)) as writer,
    ):
        reader.backup(writer)
        # One file, without a log beside it.
        writer.execute("PRAGMA journal_mode=DELETE").fetchall()
    if damage := rescue.damage_of(target):
        raise StorageError(f"{source}: damaged, {damage}; restart the daemon, which keeps what can be read")


def _take_rows(place: URL, target: Path) -> None:
    source, copy = make_engine(place), make_engine(URL.create("sqlite", database=str(target)))
    try:
        with source.connect() as reader:
            reader.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found = migrations.revision_of(reader)
            if found != migrations.HEAD:
                raise StorageError(
                    f"schema {found or 'none'} instead of {migrations.HEAD}: provd db upgrade comes first"
                )
            migrations.upgrade(copy)
            with copy.connect() as writer:
                _copy(reader, writer)
                writer.exec_driver_sql("PRAGMA journal_mode=DELETE").all()
    finally:
        source.dispose()
        copy.dispose()


def _copy(reader: Connection, writer: Connection) -> None:
    """All rows of all tables, in one transaction; what was there is gone."""
    writer.exec_driver_sql("BEGIN")
    for table in METADATA.sorted_tables:
        writer.execute(delete(table))
        rows = reader.exec_driver_sql(*driver_form(select(table), reader.dialect))
        while some := rows.fetchmany(_READ_AT_ONCE):
            for start in range(0, len(some), ROWS_PER_STATEMENT):
                writer.exec_driver_sql(*_inserted(table, some[start : start + ROWS_PER_STATEMENT], writer))
        if writer.dialect.name == "postgresql":
            _count_on(table, writer)
    writer.exec_driver_sql("COMMIT")


def _inserted(table: Table, rows: Sequence[Any], writer: Connection) -> tuple[str, Row]:
    values = {column.name: None for column in table.columns}
    head, _, row = str(insert(table).values(values).inline().compile(dialect=writer.dialect)).partition(" VALUES ")
    # SQLite knows no true and false, PostgreSQL takes nothing else.
    flags = [column.type.python_type is bool for column in table.columns]
    typed = (
        tuple(bool(value) if flag and value is not None else value for flag, value in zip(flags, each, strict=True))
        for each in rows
    )
    return f"{head} VALUES " + ", ".join([row] * len(rows)), tuple(chain.from_iterable(typed))


def _count_on(table: Table, writer: Connection) -> None:
    """Let the numbers that the server gives go on behind those that were written."""
    for column in table.primary_key.columns:
        sequence = writer.exec_driver_sql("SELECT pg_get_serial_sequence(%s, %s)", (table.name, column.name)).scalar()
        if sequence:
            highest = f"SELECT coalesce(max({column.name}), 0) + 1 FROM {table.name}"  # noqa: S608 - our own names
            writer.exec_driver_sql(f"SELECT setval(%s, ({highest}), false)", (sequence,))


def counts(file: Path) -> dict[str, int]:
    """The rows of each table in a snapshot. Raises StorageError when it is none."""
    with _reading(file) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        wanted = [name for (name,) in names if not name.startswith("sqlite_") and name != "alembic_version"]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - read from the file itself
            for name in wanted
        }


def schema_of(file: Path) -> str:
    """The schema of a snapshot. Raises StorageError when it is none."""
    with _reading(file) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StorageError(f"the snapshot cannot be read: {reason_of(error)}") from error


def upgrade(url: str, state_dir: Path) -> tuple[str, str]:
    """Bring a database to this version's tables; gives the schema before (empty: a new database) and now.

    Raises StorageError, also when another daemon uses the file.
    """
    place = parse_url(url, state_dir)
    with _said(place):
        if place.get_backend_name() == "sqlite":
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(place), _engine(place) as engine:
            if place.get_backend_name() == "sqlite":
                Path(place.database or "").touch(mode=0o600)
            return migrations.upgrade(engine), migrations.HEAD


def put_back(file: Path, url: str, state_dir: Path, *, replace: bool) -> dict[str, int]:
    """Fill a database from a snapshot (which is brought to this version's tables); gives the rows of each table.

    Raises ConflictError when the database holds anything and ``replace`` does not allow that to go (a file is moved
    aside), StorageError when a daemon uses it or it cannot be written; it is then what it was.
    """
    place = parse_url(url, state_dir)
    _modernise(file)
    with _said(place), _locked(place):
        path = Path(place.database or "") if place.get_backend_name() == "sqlite" else None
        if not replace and (path is None or path.exists()):
            _refuse_if_used(place)
        if path is None:
            return _fill(place, file)
        fresh = path.with_name(f"{path.name}.restoring")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        try:
            filled = _fill(URL.create("sqlite", database=str(fresh)), file)
            if rescue.left(path):
                rescue.move_aside(path, "replaced")
            fresh.rename(path)
        finally:
            fresh.unlink(missing_ok=True)
        return filled


def _refuse_if_used(place: URL) -> None:
    with _engine(place) as engine:
        if _holds_anything(engine):
            raise ConflictError(f"{place.render_as_string()} is not empty; --replace puts the backup in its place")


def _fill(place: URL, file: Path) -> dict[str, int]:
    with _engine(place) as engine, _engine(URL.create("sqlite", database=str(file))) as source:
        migrations.upgrade(engine)
        with source.connect() as reader, engine.connect() as writer:
            _copy(reader, writer)
            if engine.dialect.name == "sqlite":
                writer.exec_driver_sql("PRAGMA journal_mode=DELETE").all()
            return {
                table.name: writer.execute(select(func.count()).select_from(table)).scalar_one()
                for table in METADATA.sorted_tables
            }


def _modernise(file: Path) -> None:
    with _said(URL.create("sqlite", database=str(file))), _engine(URL.create("sqlite", database=str(file))) as engine:
        migrations.upgrade(engine)
        if missing := rescue.missing_in(engine):
            raise StorageError(f"the snapshot is not one of provd: {missing}")


def _holds_anything(engine: Engine) -> bool:
    with engine.connect() as connection:
        there = set(inspect(connection).get_table_names())
        for table in METADATA.sorted_tables:
            if table.name in there:
                query = select(func.count()).select_from(table)
                if table is TENANT:
                    query = query.where(table.c.id != MASTER_TENANT)
                if connection.execute(query).scalar_one():
                    return True
    return False


def unreadable(file: Path, vault: Vault) -> Mapping[str, tuple[int, str]]:
    """Rows of a snapshot that this version and these keys cannot read: their number and a reason, by table."""
    _modernise(file)
    found: dict[str, tuple[int, str]] = {}
    for kind in TABLES:
        codec: Codec[Any] = Codec(kind, vault)
        with _engine(URL.create("sqlite", database=str(file))) as engine, engine.connect() as connection:
            for row in connection.exec_driver_sql(*driver_form(select(codec.table), engine.dialect)).all():
                try:
                    codec.record(tuple(row))
                except RowError as error:
                    found[codec.table.name] = (found.get(codec.table.name, (0, ""))[0] + 1, str(error))
    return found


@contextlib.contextmanager
def _engine(place: URL) -> Iterator[Engine]:
    engine = make_engine(place)
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def _locked(place: URL) -> Iterator[None]:
    """Nobody else writes to the file meanwhile."""
    if place.get_backend_name() != "sqlite":
        yield
        return
    lock = FileLock(Path(place.database or ""))
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _said(place: URL) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StorageError(f"{place.render_as_string()}: {reason_of(error)}") from error
    except OSError as error:
        raise StorageError(f"{error.filename or place.database}: {error.strerror}") from error
