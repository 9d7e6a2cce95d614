"""Vendors, models, ranges and serials: the book that activation reads and writes within one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields, replace
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, delete, func, insert, literal_column, or_, select, tuple_, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, ColumnElement

from provd.app.activation.ports import Beside
from provd.app.ports import Change, Put
from provd.domain.activation.form import Ask
from provd.domain.activation.serials import SerialRange
from provd.domain.activation.thing import NOWHERE, Attempt, Origin, Thing, ThingModel, ThingState, ThingVendor
from provd.domain.records import MASTER_TENANT, AuditEntry
from provd.storage.batch import Planner, Prepared, Statement, Table, driver_form
from provd.storage.mapping import Codec, Row
from provd.storage.region_tables import held_here, key_held_here
from provd.storage.step import Execute
from provd.storage.tables import DEVICE
from provd.storage.thing_records import StoredRecords
from provd.storage.thing_tables import THING, THING_LOG, THING_MODEL, THING_RANGE, THING_VENDOR
from provd.storage.vault import Vault

_AT_ONCE = 500
"""Serials in one statement."""
_RANGE = tuple(field.name for field in fields(SerialRange))
_VENDOR = tuple(field.name for field in fields(ThingVendor))
_MODEL = tuple(field.name for field in fields(ThingModel))
_TRIPLE = ("vendor", "model", "sn")
_OVERDUE: ColumnElement[bool] = literal_column("state = 'pending' AND told < generation")
_UNUSED: ColumnElement[bool] = literal_column("state = 'activated' AND first_used_at = 0")
"""Word for word the conditions of the partial indexes: only so are they used."""


def _same(table: SqlTable, *names: str) -> Any:
    return and_(*(table.c[name] == bindparam(f"p_{name}") for name in names))


def _names(thing: Ask | Thing) -> dict[str, str]:
    """A device by its parameters; ``p_device`` is what other instances call it."""
    device = f"{thing.vendor}/{thing.model}/{thing.sn}"
    return {"p_vendor": thing.vendor, "p_model": thing.model, "p_sn": thing.sn, "p_device": device}


class Statements:
    """The statements of one dialect that are needed often, compiled once."""

    def __init__(self, vault: Vault, planner: Planner, dialect: Dialect) -> None:
        self.dialect = dialect
        self.planner = planner
        self._lot: Prepared | None = None
        self.codec = Codec[Any](Thing, vault)
        self.rows = Table(self.codec, dialect)
        c = THING.c
        winner = (
            update(THING)
            .where(_same(THING, *_TRIPLE), c.state == ThingState.PENDING.value)
            .where(c.enabled_at <= bindparam("now"), bindparam("now") < c.enabled_until)
            .where(held_here(bindparam("p_device")))
            .values(state=ThingState.ACTIVATED.value, activated_at=bindparam("now"), key_hash=bindparam("p_key"))
            .values(first_used_at=0.0, activated_from=bindparam("p_from"), activated_mac=bindparam("p_mac"))
            .returning(*c)
        )
        self.activate = Prepared(winner, dialect)
        # Who has used the key in the meantime keeps it, and of two that ask for another one, one gets it.
        again = (
            update(THING)
            .where(_same(THING, *_TRIPLE), c.state == ThingState.ACTIVATED.value)
            .where(c.key_hash == bindparam("p_old"), c.first_used_at == 0)
            .where(held_here(bindparam("p_device")))
            .values(activated_at=bindparam("now"), key_hash=bindparam("p_key"))
            .returning(*c)
        )
        self.reissue = Prepared(again, dialect)
        # The rows stay as they are until the transaction ends. SQLite has one writer anyway, and no such words.
        self.thing = Prepared(select(THING).where(_same(THING, *_TRIPLE)).with_for_update(), dialect)
        self.model = Prepared(select(THING_MODEL).where(_same(THING_MODEL, "vendor", "model")), dialect)
        ranges = select(*(THING_RANGE.c[name] for name in _RANGE)).where(_same(THING_RANGE, "vendor", "model"))
        self.ranges = Prepared(ranges, dialect)
        names = [field.name for field in fields(Attempt)][1:]
        line = insert(THING_LOG).values({name: bindparam(name) for name in names}).inline()
        self.note = Prepared(line, dialect)
        # The second condition says to the database that the partial index has them all.
        key = select(THING).where(c.key_hash == bindparam("p_key"), literal_column("key_hash <> ''"))
        self.by_key = Prepared(key.where(key_held_here(bindparam("p_key"))), dialect)
        used = update(THING).where(c.key_hash == bindparam("p_key"), literal_column("key_hash <> ''"))
        used = used.where(c.first_used_at == 0).values(first_used_at=bindparam("now"))
        self.used = Prepared(used.returning(c.sn), dialect)

    def some(self, vendor: str, model: str, sns: Sequence[str]) -> Statement:
        """Looks up these devices; that of a full lot is compiled once, since that takes longer than to carry it out."""
        if len(sns) < _AT_ONCE:
            return driver_form(_some(vendor, model, sns), self.dialect)
        if self._lot is None:
            self._lot = Prepared(_some("", "", [""] * _AT_ONCE), self.dialect)
        names = {f"sn_{number}": sn for number, sn in enumerate(sns)}
        return self._lot(p_vendor=vendor, p_model=model, **names)


class StoredBook(StoredRecords):
    """Implements ``Reading`` and ``Book`` by way of something that executes statements."""

    def __init__(self, statements: Statements, execute: Execute, beside: Beside | None = None) -> None:
        super().__init__(statements.planner, statements.dialect, execute)
        self._statements = statements
        self._beside = beside
        self.along: list[Change] = []
        """What was written beside."""
        self._found: set[tuple[str, str, str]] = set()

    def _add(self, changes: Sequence[Change]) -> None:
        if changes:
            self.wrote = True
            self.along += changes
            for statement in self._statements.planner.plan(changes):
                self._execute(*statement)

    def _things(self, query: Select[Any]) -> list[Thing]:
        return [self._statements.codec.record(row) for row in self._rows(query)]

    # -- reading ---------------------------------------------------------------------------------------------------

    def vendors(self) -> Sequence[ThingVendor]:
        """Every vendor, by name."""
        return [_vendor(row) for row in self._rows(select(THING_VENDOR).order_by(THING_VENDOR.c.vendor))]

    def vendor(self, vendor: str) -> ThingVendor | None:
        """One of them."""
        rows = self._rows(select(THING_VENDOR).where(THING_VENDOR.c.vendor == vendor))
        return _vendor(rows[0]) if rows else None

    def vendor_by_key(self, key_hash: str) -> ThingVendor | None:
        """The vendor whose key has this SHA-256."""
        c = THING_VENDOR.c
        rows = self._rows(select(THING_VENDOR).where(c.key_hash == key_hash, literal_column("key_hash <> ''")))
        return _vendor(rows[0]) if rows else None

    def of_tenant(self, tenant: str, vendor: str, after: tuple[str, str, str], limit: int) -> Sequence[Thing]:
        """Devices of a tenant that belong to this vendor or were enabled by it, in the order of their keys."""
        c = THING.c
        key = tuple_(c.vendor, c.model, c.sn)
        behind = tuple_(*(bindparam(f"p_{name}", text) for name, text in zip(_TRIPLE, after, strict=True)))
        theirs = select(THING).where(c.tenant == tenant, or_(c.vendor == vendor, c.via == vendor), key > behind)
        return self._things(theirs.order_by(*THING.primary_key).limit(limit))

    def ownerless(self, after: tuple[str, str, str], limit: int) -> Sequence[Thing]:
        """Devices that are the master's although their serial names another tenant, in the order of their keys."""
        c, d = THING.c, DEVICE.c
        behind = tuple_(*(bindparam(f"p_{name}", text) for name, text in zip(_TRIPLE, after, strict=True)))
        same = and_(d.vendor == c.vendor, d.model == c.model, d.serial == c.sn)
        query = select(THING).join(DEVICE, same).where(d.tenant == MASTER_TENANT)
        query = query.where(c.tenant != "", c.tenant != MASTER_TENANT, tuple_(c.vendor, c.model, c.sn) > behind)
        return self._things(query.order_by(*THING.primary_key).limit(limit))

    def models(self, vendor: str) -> Sequence[ThingModel]:
        """The vendor's models, by name."""
        query = select(THING_MODEL).where(THING_MODEL.c.vendor == vendor).order_by(THING_MODEL.c.model)
        return [_model(row) for row in self._rows(query)]

    def model(self, vendor: str, model: str) -> ThingModel | None:
        """One of them."""
        rows = self._execute(*self._statements.model(p_vendor=vendor, p_model=model))
        return _model(rows[0]) if rows else None

    def ranges(self, vendor: str, model: str) -> tuple[SerialRange, ...]:
        """The model's ranges of serials."""
        rows = self._execute(*self._statements.ranges(p_vendor=vendor, p_model=model))
        return tuple(SerialRange(*row) for row in rows)

    def things(self, vendor: str, model: str, sns: Sequence[str]) -> Mapping[str, Thing]:
        """Those of these devices that have a row, by serial, locked until the end of the transaction."""
        found: dict[str, Thing] = {}
        wanted = sorted(set(sns))
        if len(wanted) == 1:
            rows = self._execute(*self._statements.thing(p_vendor=vendor, p_model=model, p_sn=wanted[0]))
            found = {thing.sn: thing for thing in map(self._statements.codec.record, rows)}
        else:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                rows = self._execute(*self._statements.some(vendor, model, part))
                found |= {thing.sn: thing for thing in map(self._statements.codec.record, rows)}
        self._found |= {(vendor, model, sn) for sn in found}
        return found

    def page(
        self, vendor: str, model: str, *, offset: int = 0, after: str = "", limit: int = 100, via: str = ""
    ) -> Sequence[Thing]:
        """Devices of a model in the order of their serials; with ``via`` only those that this vendor has enabled."""
        query = _of(vendor, model).order_by(THING.c.sn).offset(offset).limit(limit)
        query = query.where(THING.c.via == via) if via else query
        return self._things(query.where(THING.c.sn > after) if after else query)

    def unused(self, limit: int) -> Sequence[Thing]:
        """Devices that were activated and whose key nobody has shown yet."""
        return self._things(select(THING).where(_UNUSED).order_by(THING.c.activated_at).limit(limit))

    def count(self, vendor: str, model: str) -> Mapping[str, int]:
        """How many serials of a model have a row, by stored state."""
        query = select(THING.c.state, func.count()).where(THING.c.vendor == vendor, THING.c.model == model)
        return {state: number for state, number in self._rows(query.group_by(THING.c.state))}  # noqa: C416 - rows are no pairs

    def tally(self, now: float) -> Sequence[tuple[str, str, str, int]]:
        """How many serials of each vendor and model are in which state at that moment."""
        c = THING.c
        over = and_(c.state == ThingState.PENDING.value, c.enabled_until <= now)
        state = case((over, ThingState.EXPIRED.value), else_=c.state)
        query = select(c.vendor, c.model, state.label("at_the_moment"), func.count())
        return [tuple(row) for row in self._rows(query.group_by(c.vendor, c.model, literal_column("at_the_moment")))]

    def log(self, vendor: str, model: str, sn: str, limit: int) -> Sequence[Attempt]:
        """The newest attempts of one device, oldest first."""
        c = THING_LOG.c
        query = select(THING_LOG).where(c.vendor == vendor, c.model == model, c.sn == sn)
        rows = self._rows(query.order_by(c.seq.desc()).limit(limit))
        names = [field.name for field in fields(Attempt)]
        return [Attempt(**dict(zip(names, row, strict=True))) for row in reversed(rows)]

    def by_key(self, key_hash: str) -> Thing | None:
        """The device whose key has this SHA-256."""
        rows = self._execute(*self._statements.by_key(p_key=key_hash))
        return self._statements.codec.record(rows[0]) if rows else None

    # -- writing ---------------------------------------------------------------------------------------------------

    def activate(self, ask: Ask, key_hash: str, now: float, seen: Origin = NOWHERE) -> Thing | None:
        """One statement decides, so there is one winner however many try at once, and from however many daemons."""
        names = _names(ask)
        sql = self._statements.activate(**names, p_key=key_hash, now=now, p_from=seen.peer, p_mac=seen.mac)
        return self._changed(self._execute(*sql))

    def reissue(self, thing: Thing, key_hash: str, now: float) -> Thing | None:
        """The same for another key in place of one that nobody has shown."""
        names = _names(thing)
        sql = self._statements.reissue(**names, p_old=thing.key_hash, p_key=key_hash, now=now)
        return self._changed(self._execute(*sql))

    def _changed(self, rows: Sequence[Row]) -> Thing | None:
        if not rows:
            return None
        self.wrote = True
        thing: Thing = self._statements.codec.record(rows[0])
        if self._beside is not None:
            self._add(self._beside.changed([thing]))
        return thing

    def note(self, attempt: Attempt) -> None:
        """Add a line to the log."""
        self.wrote = True
        values = {field.name: getattr(attempt, field.name) for field in fields(attempt) if field.name != "seq"}
        self._execute(*self._statements.note(**values))

    def put(self, things: Iterable[Thing]) -> None:
        """Write devices; new ones by a plain insertion, so that somebody else's new one is never overwritten."""
        things = list(things)
        self._put(things)
        if self._beside is not None:
            self._add(self._beside.changed(things))

    def hand_over(self, gone: Thing, fresh: Thing) -> None:
        """Write two devices, of which one takes the other's place with what stands beside it."""
        self._put([gone, fresh])
        if self._beside is not None:
            self._add(self._beside.handed_over(gone, fresh))

    def _put(self, things: Sequence[Thing]) -> None:
        found: list[Row] = []
        fresh: list[Row] = []
        for thing in things:
            known = (thing.vendor, thing.model, thing.sn) in self._found
            (found if known else fresh).append(self._statements.codec.row(thing))
        self.wrote = self.wrote or bool(found or fresh)
        for start in range(0, len(fresh), _AT_ONCE):
            self._execute(*self._statements.rows.insert(fresh[start : start + _AT_ONCE]))
        for start in range(0, len(found), _AT_ONCE):
            self._execute(*self._statements.rows.put(found[start : start + _AT_ONCE]))

    def drop(self, vendor: str, model: str, sns: Sequence[str]) -> None:
        """Remove devices and their logs."""
        for start in range(0, len(sns), _AT_ONCE):
            part = sns[start : start + _AT_ONCE]
            for table in (THING, THING_LOG):
                c = table.c
                self._write(delete(table).where(c.vendor == vendor, c.model == model, _among(table, part)))
        self._drop_beside(vendor, model, sns)

    def _drop_beside(self, vendor: str, model: str, sns: Sequence[str]) -> None:
        if self._beside is not None:
            self._add(self._beside.dropped(vendor, model, sns))

    def put_vendor(self, vendor: ThingVendor) -> None:
        """Add a vendor, or replace it."""
        self._write(delete(THING_VENDOR).where(THING_VENDOR.c.vendor == vendor.vendor))
        self._write(_insertion(THING_VENDOR, astuple(vendor)))

    def put_model(self, model: ThingModel) -> None:
        """Add a model, or replace it."""
        c = THING_MODEL.c
        self._write(delete(THING_MODEL).where(c.vendor == model.vendor, c.model == model.model))
        self._write(_insertion(THING_MODEL, astuple(model)))

    def drop_some(self, vendor: str, model: str, limit: int) -> int:
        """Remove some devices of a model: a million at once would hold up everybody else."""
        c = THING.c
        query = select(c.sn).where(c.vendor == vendor, c.model == model).order_by(c.sn).limit(limit)
        rows = self._rows(query)
        for table in (THING, THING_LOG) if rows else ():
            same = and_(table.c.vendor == vendor, table.c.model == model)
            self._write(delete(table).where(same, table.c.sn <= rows[-1][0]))
        self._drop_beside(vendor, model, [sn for (sn,) in rows])
        return len(rows)

    def drop_model(self, vendor: str, model: str) -> None:
        """Remove a model with its ranges."""
        for table in (THING_MODEL, THING_RANGE):
            self._write(delete(table).where(table.c.vendor == vendor, table.c.model == model))

    def drop_vendor(self, vendor: str) -> None:
        """Remove a vendor that has no models."""
        self._write(delete(THING_VENDOR).where(THING_VENDOR.c.vendor == vendor))

    def put_range(self, vendor: str, model: str, serials: SerialRange) -> None:
        """Add a range that is not there yet."""
        values = {"vendor": vendor, "model": model} | {name: getattr(serials, name) for name in _RANGE}
        self._write(insert(THING_RANGE).values(values).inline())

    def drop_range(self, vendor: str, model: str, serials: SerialRange) -> None:
        """Remove a range."""
        c = THING_RANGE.c
        same = and_(*(c[name] == getattr(serials, name) for name in _RANGE))
        self._write(delete(THING_RANGE).where(c.vendor == vendor, c.model == model, same))

    def used(self, key_hash: str, now: float) -> bool:
        """Note that the key was shown for the first time; whether it was."""
        rows = self._execute(*self._statements.used(p_key=key_hash, now=now))
        self.wrote = self.wrote or bool(rows)
        return bool(rows)

    def overdue(self, now: float, unused_since: float, limit: int) -> Sequence[Thing]:
        """Devices to be told of now; they count as told."""
        c = THING.c
        late = select(THING).where(_OVERDUE, c.enabled_until <= now).order_by(*THING.primary_key).limit(limit)
        unused = select(THING).where(_UNUSED, c.activated_at <= unused_since, c.told < c.generation)
        found = self._things(late.with_for_update())
        found += self._things(unused.order_by(*THING.primary_key).limit(limit - len(found)).with_for_update())
        self._found |= {(thing.vendor, thing.model, thing.sn) for thing in found}
        self.put(replace(thing, told=thing.generation) for thing in found)
        return found

    def prune_log(self, keep: int, at_once: int) -> int:
        """Remove the oldest attempts."""
        seq = THING_LOG.c.seq
        newest = self._rows(select(seq).order_by(seq.desc()).offset(keep).limit(1))
        doomed = select(seq).where(seq <= newest[0][0]).order_by(seq).limit(at_once) if newest else None
        rows = self._rows(doomed) if doomed is not None else ()
        if rows:
            self._write(delete(THING_LOG).where(seq <= rows[-1][0]))
        return len(rows)

    def audit(self, entry: AuditEntry) -> None:
        """Note who did it."""
        self.wrote = True
        for statement in self._statements.planner.plan([Put(entry)]):
            self._execute(*statement)


def _some(vendor: str, model: str, sns: Sequence[str]) -> Select[Any]:
    same = and_(THING.c.vendor == bindparam("p_vendor", vendor), THING.c.model == bindparam("p_model", model))
    return select(THING).where(same, _among(THING, sns)).order_by(THING.c.sn).with_for_update()


def _among(table: SqlTable, sns: Sequence[str]) -> ColumnElement[bool]:
    # Parameters one by one: a list of them is only spelled out when SQLAlchemy itself executes the statement.
    return table.c.sn.in_([bindparam(f"sn_{number}", sn) for number, sn in enumerate(sns)])


def _of(vendor: str, model: str) -> Select[Any]:
    return select(THING).where(THING.c.vendor == vendor, THING.c.model == model)


def _vendor(row: Row) -> ThingVendor:
    return ThingVendor(**dict(zip(_VENDOR, row, strict=True)))


def _model(row: Row) -> ThingModel:
    return ThingModel(**dict(zip(_MODEL, row, strict=True)))


def _insertion(table: SqlTable, values: tuple[Any, ...]) -> ClauseElement:
    return insert(table).values(dict(zip((column.name for column in table.columns), values, strict=True))).inline()
