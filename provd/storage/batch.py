"""Many changes become few statements: the last change of a key wins, one statement carries many rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, and_, bindparam, delete, insert, literal_column, or_, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from provd.app.ports import Change, Delete, Put
from provd.base.errors import StorageError
from provd.dhcp.lease import Lease
from provd.domain.records import MASTER_TENANT, Record, ThingOwner
from provd.storage.mapping import TABLES, Codec, Row
from provd.storage.tables import LEASE, TASK_RUN, TENANT
from provd.storage.thing_tables import THING
from provd.storage.vault import Vault

Statement = tuple[str, Row]
"""SQL and its positional parameters."""


class Extension(NamedTuple):
    """A statement that has to find its rows: when it changes fewer than ``rows``, ``otherwise`` writes all of them."""

    sql: str
    parameters: Row
    rows: int
    otherwise: Callable[[], Statement]


ROWS_PER_STATEMENT = 128
"""Bounds the size of one statement: SQLite allows expressions 1000 deep and 32766 parameters."""
_WORTH_IT = 4
"""Leases that are extended to the same time, from so many on, have a statement of their own."""


def driver_form(statement: ClauseElement, dialect: Dialect) -> Statement:
    """The statement as the driver takes it."""
    compiled = statement.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError("only statements with parameters have a driver form")
    values = compiled.params
    return str(compiled), tuple(values[name] for name in compiled.positiontup or ())


class Prepared:
    """A statement compiled once, when it is first wanted; calling it with the values of its parameters gives the
    driver's form."""

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        self._statement = statement
        self._dialect = dialect

    @cached_property
    def _form(self) -> tuple[str, tuple[str, ...], Mapping[str, object]]:
        compiled = self._statement.compile(dialect=self._dialect)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("only statements with parameters have a driver form")
        return str(compiled), tuple(compiled.positiontup or ()), compiled.params

    def __call__(self, **values: object) -> Statement:
        """Raises KeyError for a parameter that the statement does not have."""
        sql, names, fixed = self._form
        merged = {**fixed, **values}
        if len(merged) != len(fixed):
            raise KeyError(f"not in the statement: {set(values) - set(fixed)}")
        return sql, tuple([merged[name] for name in names])


class Table:
    """The two statements that a kind of record needs, for any number of rows.

    One statement with many rows, not executemany: the driver of SQLite gives up the interpreter lock at every row, and
    waits for it again while the event loop is busy.
    """

    def __init__(self, codec: Codec[Any], dialect: Dialect) -> None:
        self.codec = codec
        self._dialect = dialect
        self._columns = slice(1 if codec.appends else 0, None)
        self._put_sql: dict[int, str] = {}
        self._extend_sql: dict[int, str] = {}
        self._delete_sql: dict[int, str] = {}

    # Made when the first record of that kind is written: many kinds never are.

    @cached_property
    def _put(self) -> tuple[str, str, str]:
        return _upsert_parts(self.codec, self._dialect)

    @cached_property
    def _delete(self) -> tuple[str, str]:
        return _delete_parts(self.codec, self._dialect)

    @cached_property
    def _extend(self) -> tuple[str, str]:
        return _extend_parts(self._dialect)

    def row(self, record: Record | Lease) -> Row:
        """The parameters of one row to be put."""
        return self.codec.row(record)[self._columns]

    def put(self, rows: Sequence[Row]) -> Statement:
        """Inserts these rows or replaces those with the same keys; no key may occur twice."""
        count = len(rows)
        sql = self._put_sql.get(count)
        if sql is None:
            head, row, tail = self._put
            sql = self._put_sql[count] = head + ", ".join([row] * count) + tail
        return sql, tuple(chain.from_iterable(rows))

    def extend(self, starts: int, expires: int, leases: Sequence[Lease]) -> Extension:
        """Sets the times of these leases, which takes a third of what writing them as a whole does."""
        count = len(leases)
        sql = self._extend_sql.get(count)
        if sql is None:
            head, mark = self._extend
            sql = self._extend_sql[count] = head + ", ".join([mark] * count) + ")"
        parameters = (starts, expires, *[lease.ip for lease in leases])
        return Extension(sql, parameters, count, lambda: self.put([self.row(lease) for lease in leases]))

    def insert(self, rows: Sequence[Row]) -> Statement:
        """Inserts these rows, and fails where one of the keys is there already."""
        head, row, _ = self._put
        return head + ", ".join([row] * len(rows)), tuple(chain.from_iterable(rows))

    def delete(self, keys: Sequence[Row]) -> Statement:
        """Removes the rows with these keys."""
        count = len(keys)
        sql = self._delete_sql.get(count)
        if sql is None:
            head, row = self._delete
            sql = self._delete_sql[count] = head + " OR ".join([row] * count)
        return sql, tuple(chain.from_iterable(keys))


def _upsert_parts(codec: Codec[Any], dialect: Dialect) -> tuple[str, str, str]:
    columns = list(codec.table.columns)[1 if codec.appends else 0 :]
    key = codec.table.primary_key.columns
    values = {column.name: bindparam(column.name, type_=column.type) for column in columns}
    if codec.appends:
        # inline: without it SQLAlchemy adds RETURNING for the number that the database gives.
        return _split(str(insert(codec.table).values(values).inline().compile(dialect=dialect)))
    # An upsert is each dialect's own; the other one's is not worth its import.
    flavour = importlib.import_module(f"sqlalchemy.dialects.{dialect.name}")
    statement = flavour.insert(codec.table).values(values)
    kept = {name: statement.excluded[name] for name in values if name not in key}
    unless = None
    if codec.table is TASK_RUN:
        # Another daemon may have discovered the same device, and begun its run.
        none: ColumnElement[float] = literal_column("0")
        unless = or_(statement.excluded.began > none, TASK_RUN.c.began == none)
    index = list(key)
    if kept:
        upsert = statement.on_conflict_do_update(index_elements=index, set_=kept, where=unless)
    else:
        # A record that is nothing but its name.
        upsert = statement.on_conflict_do_nothing(index_elements=index)
    return _split(str(upsert.compile(dialect=dialect)))


def _split(sql: str) -> tuple[str, str, str]:
    head, _, rest = sql.partition(" VALUES ")
    row, conflict, tail = rest.partition(" ON CONFLICT ")
    return f"{head} VALUES ", row, conflict + tail


def _extend_parts(dialect: Dialect) -> tuple[str, str]:
    times: dict[str, Any] = {name: bindparam(name) for name in ("starts", "expires")}
    statement = update(LEASE).where(LEASE.c.ip == bindparam("key")).values(times)
    head, _, mark = str(statement.compile(dialect=dialect)).rpartition(" = ")
    return f"{head} IN (", mark


def _delete_parts(codec: Codec[Any], dialect: Dialect) -> tuple[str, str]:
    key = codec.table.primary_key.columns
    condition = and_(*(column == bindparam(column.name, type_=column.type) for column in key))
    head, _, row = str(delete(codec.table).where(condition).compile(dialect=dialect)).partition(" WHERE ")
    return f"{head} WHERE ", f"({row})"


class Planner:
    """Turns changes into statements of one dialect."""

    def __init__(self, vault: Vault, dialect: Dialect) -> None:
        # Changes no value, and still has to write a page and commit it.
        same = update(TENANT).where(TENANT.c.id == MASTER_TENANT).values(revision=TENANT.c.revision)
        self.probe = driver_form(same, dialect)
        """A statement that tells whether the database can be written."""
        self._tables: dict[type, Table] = {kind: Table(Codec(kind, vault), dialect) for kind in TABLES}
        c = THING.c
        same_thing = and_(*(c[name] == bindparam(f"p_{name}") for name in ("vendor", "model", "sn")))
        self._owner = Prepared(update(THING).where(same_thing).values(tenant=bindparam("p_tenant")), dialect)

    def codec(self, kind: type[Any]) -> Codec[Any]:
        """The codec of that kind of record."""
        return self._tables[kind].codec

    def table(self, kind: type[Any]) -> Table:
        """The statements of that kind of record."""
        return self._tables[kind]

    def plan(self, changes: Iterable[Change]) -> list[Statement | Extension]:
        """The statements that bring these changes about, one after the other in one transaction.

        Every key is named by one statement at most, so their order does not matter but for unique columns: what gives
        up a value comes before what takes it. Raises StorageError when a record has no form in the database.
        """
        last: dict[type, dict[object, Change]] = {}
        kind: type = type(None)
        by_key: dict[object, Change] = {}
        owners: dict[object, ThingOwner] = {}
        for number, change in enumerate(changes):
            record = change.record
            if type(record) is not kind:
                if isinstance(record, ThingOwner):
                    owners[record.vendor, record.model, record.sn] = record
                    continue
                kind = type(record)
                if kind not in self._tables:
                    raise StorageError(f"{kind.__name__} is not a durable record")
                codec = self._tables[kind].codec
                by_key = last.setdefault(kind, {})
                identity, appends = codec.identity, codec.appends
            place = number if appends and type(change) is Put else identity(record)
            # What a lease extends that is not durable yet is not on the disk: it is written as a whole.
            owed = type(change) is Put and change.extends and place in by_key
            by_key[place] = Put(record) if owed else change
        statements: list[Statement | Extension] = []
        for kind, by_key in last.items():
            statements += _statements(self._tables[kind], by_key.values())
        for owner in owners.values():
            # One column of a row that belongs to somebody else: put as a whole it would undo what he did meanwhile.
            key = {"p_vendor": owner.vendor, "p_model": owner.model, "p_sn": owner.sn}
            statements.append(self._owner(**key, p_tenant=owner.tenant))
        return statements


def _statements(table: Table, changes: Iterable[Change]) -> Iterator[Statement | Extension]:
    keys: list[Row] = []
    whole: list[Record | Lease] = []
    # In one second and one subnet the times are the same for everybody.
    extended: dict[tuple[int, int], list[Lease]] = {}
    for change in changes:
        if isinstance(change, Delete):
            keys.append(table.codec.key(change.record))
        elif change.extends:
            lease = cast("Lease", change.record)
            extended.setdefault((lease.starts, lease.expires), []).append(lease)
        else:
            whole.append(change.record)
    for start in range(0, len(keys), ROWS_PER_STATEMENT):
        yield table.delete(keys[start : start + ROWS_PER_STATEMENT])
    for (starts, expires), leases in extended.items():
        if len(leases) < _WORTH_IT:
            whole += leases
            continue
        for start in range(0, len(leases), ROWS_PER_STATEMENT):
            yield table.extend(starts, expires, leases[start : start + ROWS_PER_STATEMENT])
    rows = [table.row(record) for record in whole]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield table.put(rows[start : start + ROWS_PER_STATEMENT])
