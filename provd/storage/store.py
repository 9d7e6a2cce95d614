"""The durable store: opens the database whatever state it is in, loads it, hands changes to the writer."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, Table, select
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from provd.app.ports import Change, Delete, Done, Put, R
from provd.base.clock import Clock
from provd.base.errors import StorageError
from provd.base.facts import FactSink
from provd.base.facts.storage import StoreDamaged, StoreKeyMade, StoreReplaced, StoreRowSkipped, StoreUpgraded
from provd.base.types import Mac
from provd.domain.records import MASTER_TENANT, AuditEntry, StoredFact, Tenant
from provd.storage import migrations, rescue
from provd.storage.batch import Planner, driver_form
from provd.storage.ear import Ear
from provd.storage.lock import FileLock
from provd.storage.mapping import Codec, Row, RowError
from provd.storage.pace import Pace
from provd.storage.session import Session, make_engine, parse_url, quick_text, reason_of, translated
from provd.storage.step import Execute, Step
from provd.storage.tables import AUDIT, DEVICE, FACT, LINE, TENANT
from provd.storage.vault import Vault
from provd.storage.writer import Limits, Writer

_KEYS_SHOWN = 5
_PRUNED_AT_ONCE = 500
_READ_AT_ONCE = 500

_Decoded = tuple[list[R], list[tuple[str, str]]]
"""Records, and the rows that are none: each by its key, and why."""


class Store:
    """Implements the port ``Journal``. ``open`` makes one; ``close`` when done."""

    def __init__(
        self, engine: Engine, vault: Vault, clock: Clock, emit: FactSink, limits: Limits, *, lock: FileLock | None
    ) -> None:
        self.vault = vault
        """Seals secrets and derives keys; see ``Vault.derive``."""
        self._engine = engine
        self._clock = clock
        self._emit = emit
        self._planner = Planner(vault, engine.dialect)
        self._session = Session(engine)
        self._path = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
        self._lock = lock
        self._closed = False
        large = self._path is not None and self._path.stat().st_size > rescue.CHECK_AT_OPEN
        self._ensure_master()
        # A file is written where it is wanted, as long as the disk is quick; a server elsewhere, by the thread.
        pace = Pace() if engine.dialect.name == "sqlite" else None
        self._writer = Writer(self._session, self._planner, clock, emit, limits, pace)
        if self._path and large:
            self._check_behind(self._path)

    @classmethod
    def open(
        cls,
        url: str,
        state_dir: Path,
        clock: Clock,
        emit: FactSink,
        *,
        limits: Limits | None = None,
        patience: float = 0.0,
    ) -> Store:
        """Open (and if need be make, upgrade or replace) the database.

        ``url`` is ``sqlite`` (``provd.db`` in ``state_dir``), ``sqlite:///FILE`` or ``postgresql://…``; the key file
        ``master.key`` lies in ``state_dir``. ``emit`` is called here while opening and later on the event loop's
        thread. Whoever else has the file is waited for ``patience`` seconds. Raises StorageError: another daemon uses
        the file, the server is out of reach, the key is unusable.
        """
        place = parse_url(url, state_dir)
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{state_dir}: {error.strerror}") from error
        with contextlib.ExitStack() as undo, _our_errors(place):
            lock = FileLock(Path(place.database or ""), patience) if place.get_backend_name() == "sqlite" else None
            if lock:
                undo.callback(lock.release)
            key = state_dir / "master.key"
            made = not key.exists()
            vault = Vault.open(key)
            engine = _sound_engine(place, clock, emit)
            undo.callback(engine.dispose)
            store = cls(engine, vault, clock, emit, limits or Limits(), lock=lock)
            undo.pop_all()
        if made and store._has_secrets():
            emit(StoreKeyMade(at=clock.now(), file=str(key)))
        return store

    def _has_secrets(self) -> bool:
        # A device has a token, a line a password.
        return any(self._rows(select(table).limit(1)) for table in (DEVICE, LINE))

    def _ensure_master(self) -> None:
        if not self._rows(select(TENANT.c.id).where(TENANT.c.id == MASTER_TENANT)):
            self._session.write(self._planner.plan([Put(Tenant(id=MASTER_TENANT, name="Master"))]))

    @property
    def planner(self) -> Planner:
        """Makes statements of changes."""
        return self._planner

    @property
    def dialect(self) -> Dialect:
        """The database's own SQL."""
        return self._engine.dialect

    @property
    def degraded(self) -> bool:
        """Whether the last write failed for a reason that lies in the store (``DEGRADED`` was told)."""
        return self._writer.degraded

    @property
    def refused(self) -> int:
        """How many submissions were refused because too many waited."""
        return self._writer.refused

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        """Queue changes; ``done`` hears when they are durable or refused.

        Order is kept, except that submissions of nothing but facts wait in a lane of their own, which never holds up
        the others. ``StoredFact.seq`` is given by the store: a Put always adds one.
        """
        low = (not changes or type(changes[0].record) is StoredFact) and all(
            type(change.record) is StoredFact for change in changes
        )
        self._writer.submit(changes, done, low=low)

    def perform(self, step: Step, done: Done | None = None) -> None:
        """Queue a step that reads and decides inside the transaction; what it found is with it when ``done`` hears."""
        self._writer.submit((), done, step=step)

    async def commit(self, changes: Sequence[Change]) -> None:
        """The same, awaited. Raises StorageError."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.submit(changes, partial(_resolve, future))
        await future

    def load(self, kind: type[R]) -> list[R]:
        """Every record of that kind, in the order of their keys. Blocks: meant for the start.

        Rows that do not load are left out and told in one STORE-ROW-SKIPPED.
        """
        codec = self._planner.codec(kind)
        query = select(codec.table).order_by(*codec.table.primary_key.columns)
        try:
            records, skipped = self._whole(codec, query)
        except StorageError as error:
            if self._path is None or not rescue.is_damage(error.__cause__):
                raise
            # Too large a file to be checked at open. What can be read is more than nothing.
            self._emit(StoreDamaged(at=self._clock.now(), reason=str(error)))
            rows = list({codec.key_of_row(row): row for row in rescue.readable(self._path, codec.table)}.values())
            records, skipped = _decoded(codec, rows)
        if skipped:
            self._emit(_skipped_fact(codec.table.name, skipped, self._clock.now()))
        return records

    def facts(
        self, mac: Mac | None = None, *, fact: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[StoredFact]:
        """Stored facts, the newest first; ``before`` is the ``seq`` to go on from.

        Blocks for a query: from the event loop call it through ``asyncio.to_thread``.
        """
        query = select(FACT).order_by(FACT.c.seq.desc()).limit(limit)
        for column, value in ((FACT.c.mac, mac), (FACT.c.fact, fact)):
            if value is not None:
                query = query.where(column == value)
        if before is not None:
            query = query.where(FACT.c.seq < before)
        records, _ = _decoded(self._planner.codec(StoredFact), self._rows(query))
        return records

    def audit(
        self,
        *,
        tenant: str | None = None,
        kind: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """The audit, the newest first; ``subject`` is the object's id, ``before`` the ``seq`` to go on from.

        Blocks for a query: from the event loop call it through ``asyncio.to_thread``.
        """
        query = select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
        for column, value in ((AUDIT.c.tenant, tenant), (AUDIT.c.kind, kind), (AUDIT.c.object, subject)):
            if value is not None:
                query = query.where(column == value)
        if before is not None:
            query = query.where(AUDIT.c.seq < before)
        records, _ = _decoded(self._planner.codec(AuditEntry), self._rows(query))
        return records

    async def prune_facts(self, keep: int) -> int:
        """Remove all but the newest ``keep`` facts, a few at a time beside other work; gives how many went."""
        return await self._prune(FACT, keep, lambda seq: StoredFact(seq=seq, fact="", at=0.0))

    async def prune_audit(self, keep: int) -> int:
        """The same for the audit."""
        blank = AuditEntry(at=0.0, by="", action="", kind="", object="")
        return await self._prune(AUDIT, keep, lambda seq: replace(blank, seq=seq))

    async def _prune(self, table: Table, keep: int, named: Callable[[int], StoredFact | AuditEntry]) -> int:
        number = table.c.seq
        found = await asyncio.to_thread(self._rows, select(number).order_by(number.desc()).offset(keep).limit(1))
        pruned = 0
        while found:
            oldest = select(number).where(number <= found[0][0]).order_by(number).limit(_PRUNED_AT_ONCE)
            doomed = await asyncio.to_thread(self._rows, oldest)
            if not doomed:
                break
            await self.commit([Delete(named(seq)) for (seq,) in doomed])
            pruned += len(doomed)
        return pruned

    def _whole(self, codec: Codec[R], query: Select[Any]) -> _Decoded[R]:
        """The records of a whole table: quickly as long as all of their text is text."""
        if self._path is not None:
            with contextlib.suppress(SQLAlchemyError), self._engine.connect() as connection, quick_text(connection):
                result = connection.exec_driver_sql(*driver_form(query, self._engine.dialect))
                records, skipped = list[R](), list[tuple[str, str]]()
                # Some at a time: what is not kept of one lot makes room for the next.
                for lot in result.partitions(_READ_AT_ONCE):
                    usual = codec.records(lot)
                    found, odd = _decoded(codec, lot) if usual is None else (usual, [])
                    records += found
                    skipped += odd
                connection.exec_driver_sql("PRAGMA shrink_memory")
                return records, skipped
        return _decoded(codec, self._rows(query))

    def _rows(self, query: Select[Any]) -> Sequence[Row]:
        with self.reading() as execute:
            # Past SQLAlchemy's conversions: they end the whole reading at one odd value.
            return execute(*driver_form(query, self._engine.dialect))

    @contextlib.contextmanager
    def reading(self) -> Iterator[Execute]:
        """A connection for queries, beside the one that writes. Blocks. Raises StorageError."""
        try:
            with self._engine.connect() as connection:
                yield lambda sql, parameters: connection.exec_driver_sql(sql, parameters).all()
        except SQLAlchemyError as error:
            raise translated(error) from error

    def listen(self, heard: Callable[[str], None], begins: Callable[[], None]) -> Ear | None:
        """Hear what other daemons on the same database announce; None where there can be no others."""
        return None if self._engine.dialect.name == "sqlite" else Ear(self._engine, heard, begins)

    def _check_behind(self, path: Path) -> None:
        def check() -> None:
            try:
                damage = rescue.damage_of(path)
            except sqlite3.Error as error:
                damage = reason_of(error)
            if damage and not self._closed:
                self._writer.tell(StoreDamaged(at=self._clock.now(), reason=damage))

        threading.Thread(target=check, name="store-check", daemon=True).start()

    def close(self, *, drain: bool = True) -> None:
        """Write what is queued (or with ``drain=False`` refuse it), then let go of the database. Blocks.

        Each ``done`` that is still owed runs when the event loop turns next.
        """
        if self._closed:
            return
        self._closed = True
        self._writer.close(drain=drain)
        self._engine.dispose()
        if self._lock:
            self._lock.release()


@contextlib.contextmanager
def _our_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StorageError(f"{url.render_as_string()}: {reason_of(error)}") from error
    except sqlite3.Error as error:
        raise StorageError(f"{url.database}: {reason_of(error)}") from error
    except OSError as error:
        raise StorageError(f"{url.database}: {error.strerror}") from error


def _resolve(future: asyncio.Future[None], error: StorageError | None) -> None:
    if future.done():
        return  # its waiter was cancelled
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _decoded(codec: Codec[R], rows: Iterable[Row]) -> _Decoded[R]:
    records: list[R] = []
    skipped: list[tuple[str, str]] = []
    for row in rows:
        try:
            records.append(codec.record(row))
        except RowError as error:
            skipped.append((codec.key_text(codec.key_of_row(row)), str(error)))
    return records, skipped


def _skipped_fact(kind: str, skipped: list[tuple[str, str]], now: float) -> StoreRowSkipped:
    keys = ", ".join(key for key, _ in skipped[:_KEYS_SHOWN]) + (", …" if len(skipped) > _KEYS_SHOWN else "")
    return StoreRowSkipped(at=now, kind=kind, rows=len(skipped), keys=keys, reason=skipped[0][1])


def _sound_engine(url: URL, clock: Clock, emit: FactSink) -> Engine:
    """An engine whose database has the tables of this version, replaced if the file was damaged."""
    engine = make_engine(url)
    path = Path(url.database or "") if engine.dialect.name == "sqlite" else None
    damage = ""
    if path:
        path.touch(mode=0o600)
        damage = rescue.damage_of(path) if path.stat().st_size <= rescue.CHECK_AT_OPEN else ""
    if not damage:
        try:
            _upgrade(engine, clock, emit)
            damage = rescue.missing_in(engine) if path else ""
        except DBAPIError as error:
            engine.dispose()
            if not rescue.is_damage(error):
                raise
            damage = reason_of(error)
        except BaseException:
            engine.dispose()
            raise
    if path and damage:
        engine.dispose()
        broken = rescue.move_aside(path)
        path.touch(mode=0o600)
        engine = make_engine(url)
        _upgrade(engine, clock, emit)
        rescued = rescue.carry_over(broken, engine)
        emit(StoreReplaced(at=clock.now(), moved_to=str(broken), reason=damage, rescued=rescued))
    return engine


def _upgrade(engine: Engine, clock: Clock, emit: FactSink) -> None:
    was = migrations.upgrade(engine)
    if was != migrations.HEAD:
        emit(StoreUpgraded(at=clock.now(), was=was, now=migrations.HEAD))
