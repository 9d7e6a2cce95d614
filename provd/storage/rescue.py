"""A damaged SQLite file: find out, move it aside, carry over what can still be read."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnClause, Engine, Table, column, insert, select
from sqlalchemy import table as table_named
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from provd.storage.session import lenient, reason_of
from provd.storage.tables import METADATA

CHECK_AT_OPEN = 64 * 1024 * 1024
"""Octets up to which a file is checked before it is used; a larger one is checked while the daemon works."""

_COLUMNS = "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
"""Every column of every table."""

_FILES = ("-wal", "-shm", "")
"""What is added to the name of a database. The write-ahead log first: a database without its log is older, a log
without its database would be replayed into the new one."""

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def damage_of(path: Path) -> str:
    """What is wrong with a database file, empty when it is sound, new or not there.

    Raises sqlite3.Error for what is not damage (no permission, disk full).
    """
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return reason_of(error)
        raise
    return "" if finding == "ok" else " ".join(str(finding).split())


def is_damage(error: BaseException | None) -> bool:
    """Whether this error, of SQLAlchemy or of the SQLite driver, says that the file is damaged."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(origin, sqlite3.DatabaseError) and getattr(origin, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def missing_in(engine: Engine) -> str:
    """Which table or column is not there, although the schema's revision says so; empty when all are."""
    with engine.connect() as connection:
        there = {tuple(row) for row in connection.exec_driver_sql(_COLUMNS)}
    missing = sorted({(table.name, each.name) for table in METADATA.tables.values() for each in table.columns} - there)
    return f"no such column: {missing[0][0]}.{missing[0][1]}" if missing else ""


def free_name(path: Path, word: str) -> Path:
    """The first of ``<name>.<word>-1``, ``-2``, … that is not taken."""
    number = 1
    while (target := path.with_name(f"{path.name}.{word}-{number}")).exists():
        number += 1
    return target


def left(path: Path) -> bool:
    """Whether there is anything of a database: also the log of one that somebody has removed."""
    return any(path.with_name(path.name + suffix).exists() for suffix in _FILES)


def move_aside(path: Path, word: str = "broken") -> Path:
    """Rename the database and its journal files to the first free ``.<word>-<n>``; gives the new name."""
    target = free_name(path, word)
    for suffix in _FILES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    return target


def carry_over(broken: Path, engine: Engine) -> int:
    """Copy every row that can still be read into the new database; gives their number."""
    rescued = 0
    with engine.connect() as target:
        for table in METADATA.sorted_tables:
            sql = str(insert(table).inline().prefix_with("OR IGNORE").compile(dialect=engine.dialect))
            target.exec_driver_sql("BEGIN")
            for row in readable(broken, table):
                # What the new tables do not take (a NULL, text for a number, a row read twice) is left behind.
                with contextlib.suppress(IntegrityError):
                    rescued += target.exec_driver_sql(sql, row).rowcount
            target.exec_driver_sql("COMMIT")
    return rescued


def readable(path: Path, table: Table) -> Iterator[tuple[object, ...]]:
    """The rows of a damaged file's table that can be read, some of them twice.

    Forwards until the first bad page, then backwards from the end: one bad page costs its own rows only.
    """
    columns: list[ColumnClause[Any]] = [column(each.name) for each in table.columns]
    forwards = select(*columns).select_from(table_named(table.name))
    for query in (forwards, forwards.order_by(column("rowid").desc())):
        try:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                connection.text_factory = lenient
                yield from connection.execute(str(query.compile(dialect=sqlite.dialect())))
                return
        except sqlite3.Error:
            continue
