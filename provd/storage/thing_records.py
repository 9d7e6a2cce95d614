"""Records around models of devices, found by any of their fields; and the pieces of contents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, select, true, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from provd.app.activation.ports import K, Kept
from provd.storage.batch import Planner, driver_form
from provd.storage.mapping import Row
from provd.storage.step import Execute
from provd.storage.thing_tables import THING_CONTENT, THING_PIECE


class StoredRecords:
    """The part of a ``Book`` that is the same for every kind of record."""

    def __init__(self, planner: Planner, dialect: Dialect, execute: Execute) -> None:
        self._planner = planner
        self._dialect = dialect
        self._execute = execute
        self.wrote = False

    def _rows(self, query: ClauseElement) -> Sequence[Row]:
        return self._execute(*driver_form(query, self._dialect))

    def _write(self, statement: ClauseElement) -> None:
        self.wrote = True
        self._rows(statement)

    def find(self, kind: type[K], *, offset: int = 0, limit: int = 0, **same: object) -> list[K]:
        """Records of that kind whose fields have these values, in the order of their keys; all without a limit."""
        codec = self._planner.codec(kind)
        query = select(codec.table).where(_with(codec.table, same)).order_by(*codec.table.primary_key)
        if limit:
            query = query.offset(offset).limit(limit)
        return [cast("K", codec.record(row)) for row in self._rows(query)]

    def keep(self, *records: Kept) -> None:
        """Add these records, or replace those with the same keys."""
        for record in records:
            self.wrote = True
            table = self._planner.table(type(record))
            self._execute(*table.put([table.codec.row(record)]))

    def forget(self, kind: type[K], **same: object) -> None:
        """Remove the records of that kind whose fields have these values."""
        table = self._planner.codec(kind).table
        self._write(delete(table).where(_with(table, same)))

    def let_go(self, blob: str, now: float) -> None:
        """Note that no content has this blob from now on; who is reading it may go on for a while."""
        c = THING_PIECE.c
        self._write(update(THING_PIECE).where(c.blob == blob, c.number == 0).values(at=now))

    def stale_blobs(self, before: float, limit: int) -> Sequence[str]:
        """Blobs that no content has and that were not needed since ``before``."""
        c, used = THING_PIECE.c, THING_CONTENT.c
        query = select(c.blob).group_by(c.blob).having(func.max(c.at) < before).limit(limit)
        return [blob for (blob,) in self._rows(query.where(c.blob.not_in(select(used.blob).where(used.blob != ""))))]

    def drop_pieces(self, blob: str, limit: int) -> int:
        """Remove up to so many pieces of a blob; gives how many went."""
        c = THING_PIECE.c
        rows = self._rows(select(c.number).where(c.blob == blob).order_by(c.number.desc()).limit(limit))
        if rows:
            self._write(delete(THING_PIECE).where(c.blob == blob, c.number >= rows[-1][0]))
        return len(rows)


def _with(table: SqlTable, same: dict[str, object]) -> ColumnElement[bool]:
    return and_(true(), *(table.c[name] == bindparam(f"p_{name}", value) for name, value in same.items()))
