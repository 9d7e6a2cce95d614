"""Regions, homes and what waits to be said: the book that they are read from and written to within one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, and_, bindparam, delete, exists, literal_column, select, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, ColumnElement

from provd.app.ports import Put
from provd.app.regions.ports import Given
from provd.base.errors import ClashError
from provd.domain.activation.thing import Thing, ThingState, disabled
from provd.domain.records import AuditEntry
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.home import Home, HomeState, Outgoing, Region, Tombstone
from provd.domain.regions.unit import Unit, UnitState
from provd.storage.batch import Planner, Prepared, Table
from provd.storage.home_overview import Overview
from provd.storage.mapping import Codec
from provd.storage.region_tables import HOME, HOME_GIVEN, HOME_TABLE, HOME_UNIT, OUTGOING, REGION, TOMBSTONE
from provd.storage.step import Execute
from provd.storage.thing_tables import THING
from provd.storage.things import StoredBook
from provd.storage.vault import Vault

R = TypeVar("R")
_AS_IT_WAS = ("device_id", "state", "epoch", "transfer")
"""What tells that nobody else has moved a device meanwhile."""
_KEYED: ColumnElement[bool] = literal_column("key_hash <> ''")
_PROVISIONED = HomeState.PROVISIONED.value


def _is(table: SqlTable, *names: str) -> Any:
    return and_(*(table.c[name] == bindparam(f"p_{name}") for name in names))


class HomeStatements:
    """The statements of one dialect, compiled once."""

    def __init__(self, vault: Vault, planner: Planner, dialect: Dialect) -> None:
        self.dialect = dialect
        self.planner = planner
        kinds = (Region, Home, Unit, Tombstone, Outgoing, Given, Enrolment, Thing)
        self.codecs: dict[type, Codec[Any]] = {kind: Codec(kind, vault) for kind in kinds}
        self.tables: dict[type, Table] = {kind: Table(codec, dialect) for kind, codec in self.codecs.items()}

        def prepared(statement: ClauseElement) -> Prepared:
            return Prepared(statement, dialect)

        home = select(HOME)
        # The rows stay as they are until the transaction ends. SQLite has one writer anyway, and no such words.
        self.home = prepared(home.where(_is(HOME, "device_id")).with_for_update())
        self.home_by_key = prepared(home.where(_is(HOME, "key_hash"), _KEYED))
        mates = home.where(_is(HOME, "system_id"), literal_column("system_id <> ''"))
        self.mates = prepared(mates.order_by(HOME.c.device_id).with_for_update())
        vin = select(HOME.c.system_id).where(_is(HOME, "vin"), literal_column("vin <> ''"))
        self.systems = prepared(vin.where(HOME.c.state.in_(_literals(("PROVISIONED", "ACTIVE")))))
        kept = [column.name for column in HOME.columns if column.name != "device_id"]
        moved = update(HOME).where(_is(HOME, *_AS_IT_WAS)).values({name: bindparam(name) for name in kept})
        self.move = prepared(moved.returning(HOME.c.device_id))
        self.drop = prepared(delete(HOME).where(_is(HOME, *_AS_IT_WAS)).returning(HOME.c.device_id))
        self.tombstone = prepared(select(TOMBSTONE).where(_is(TOMBSTONE, "device_id")))
        self.dig = prepared(delete(TOMBSTONE).where(_is(TOMBSTONE, "device_id")))
        self.said = prepared(select(OUTGOING).where(_is(OUTGOING, "id")).with_for_update())
        self.hush = prepared(delete(OUTGOING).where(_is(OUTGOING, "id")))
        # What another daemon is just looking at is its own.
        due = select(OUTGOING).where(OUTGOING.c.due <= bindparam("now"), OUTGOING.c.lease <= bindparam("now"))
        due = due.order_by(OUTGOING.c.due).limit(bindparam("most"))
        self.due = prepared(due.with_for_update(skip_locked=True))
        self.given = prepared(select(HOME_GIVEN).where(_is(HOME_GIVEN, "device_id", "type")))
        self.units = prepared(select(HOME_UNIT).where(_is(HOME_UNIT, "device_id")).order_by(HOME_UNIT.c.unit_id))
        self.drop_units = prepared(delete(HOME_UNIT).where(_is(HOME_UNIT, "device_id")))
        self.regions = prepared(select(REGION).order_by(REGION.c.name))
        self.region = prepared(select(REGION).where(_is(REGION, "name")))
        self.listed = prepared(select(HOME_TABLE.c.region).where(_is(HOME_TABLE, "device_id")))
        self.thing = prepared(select(THING).where(_is(THING, "key_hash"), _KEYED))
        self.settled = prepared(_settled())


def _literals(values: Iterable[str]) -> list[Any]:
    return [bindparam(f"v_{value}", value) for value in values]


def _settled() -> Select[Any]:
    c = HOME_UNIT.c
    unready = exists().where(c.device_id == HOME.c.device_id, c.state != bindparam("active", UnitState.ACTIVE.value))
    found = select(HOME).where(HOME.c.state == bindparam("provisioned", _PROVISIONED), ~unready)
    return found.order_by(HOME.c.since).limit(bindparam("most")).with_for_update(of=HOME, skip_locked=True)


class StoredHomes(Overview):
    """Implements ``Reading`` and ``Book`` of regions by way of something that executes statements."""

    def __init__(self, statements: HomeStatements, execute: Execute, things: StoredBook) -> None:
        super().__init__(statements.codecs, statements.tables, statements.dialect, execute, things)
        self.statements = statements
        self.departed: list[Unit] = []
        """Units whose device has gone."""

    # -- reading ---------------------------------------------------------------------------------------------------

    def regions(self) -> Sequence[Region]:
        """Every region, by name."""
        return self.records(Region, self._execute(*self.statements.regions()))

    def region(self, name: str) -> Region | None:
        """One of them."""
        return self.one(Region, self._execute(*self.statements.region(p_name=name)))

    def home(self, device_id: str) -> Home | None:
        """A device, locked until the end of the transaction."""
        return self.one(Home, self._execute(*self.statements.home(p_device_id=device_id)))

    def home_by_key(self, key_hash: str) -> Home | None:
        """The device whose key has this SHA-256."""
        return self.one(Home, self._execute(*self.statements.home_by_key(p_key_hash=key_hash)))

    def mates(self, system_id: str) -> Sequence[Home]:
        """The devices of a vehicle or site, by id."""
        return self.records(Home, self._execute(*self.statements.mates(p_system_id=system_id)))

    def systems(self, vin: str) -> frozenset[str]:
        """The vehicles at home here that claim to have this VIN."""
        return frozenset(row[0] for row in self._execute(*self.statements.systems(p_vin=vin)))

    def tombstone(self, device_id: str) -> Tombstone | None:
        """Where a device is that is not here."""
        return self.one(Tombstone, self._execute(*self.statements.tombstone(p_device_id=device_id)))

    def units(self, device_id: str) -> Sequence[Unit]:
        """The units of a device, by id."""
        return self.records(Unit, self._execute(*self.statements.units(p_device_id=device_id)))

    def listed(self, device_id: str) -> str:
        """The region that the table has for a device."""
        rows = self._execute(*self.statements.listed(p_device_id=device_id))
        return str(rows[0][0]) if rows else ""

    def given(self, device_id: str, kind: str) -> Given | None:
        """The last answer to a message of this type."""
        return self.one(Given, self._execute(*self.statements.given(p_device_id=device_id, p_type=kind)))

    def said(self, name: str) -> Outgoing | None:
        """What waits to be said under this id."""
        return self.one(Outgoing, self._execute(*self.statements.said(p_id=name)))

    def activated(self, key_hash: str) -> Home | None:
        """A device that was activated here and has this key, as a home that is not stored."""
        thing = self.one(Thing, self._execute(*self.statements.thing(p_key_hash=key_hash)))
        if thing is None or thing.state is not ThingState.ACTIVATED:
            return None
        return Home(
            device_id=f"{thing.vendor}/{thing.model}/{thing.sn}",
            tenant=thing.tenant,
            vendor=thing.vendor,
            model=thing.model,
            sn=thing.sn,
        )

    # -- writing ---------------------------------------------------------------------------------------------------

    def save(self, before: Home | None, after: Home) -> None:
        """One statement decides whether the device is still as it was, from however many daemons. Raises ClashError."""
        self.wrote = True
        codec = self.statements.codecs[Home]
        if before is None:
            self._execute(*self.statements.tables[Home].insert([codec.row(after)]))
            return
        values = dict(zip(codec.columns, codec.row(after), strict=True))
        del values["device_id"]
        if not self._execute(*self.statements.move(**values, **_was(before))):
            raise ClashError(f"{before.device_id} was moved by somebody else")

    def drop(self, home: Home) -> None:
        """Remove a device with its units. Raises ClashError where somebody else has moved it."""
        self.wrote = True
        if not self._execute(*self.statements.drop(**_was(home))):
            raise ClashError(f"{home.device_id} was moved by somebody else")
        self.drop_units(home.device_id)

    def depart(self, device_id: str) -> None:
        """The units of this device are not here any more."""
        self.departed += self.units(device_id)

    def bury(self, stone: Tombstone) -> None:
        """Write a tombstone."""
        self.put(stone)

    def dig(self, device_id: str) -> None:
        """Remove a tombstone."""
        self.wrote = True
        self._execute(*self.statements.dig(p_device_id=device_id))

    def say(self, outgoing: Outgoing) -> None:
        """Say something from now on, in place of what has the same id."""
        self.put(outgoing)

    def hush(self, name: str) -> None:
        """Say it no more."""
        self.wrote = True
        self._execute(*self.statements.hush(p_id=name))

    def put_units(self, units: Sequence[Unit]) -> None:
        """Write units."""
        self.put(*units)

    def drop_units(self, device_id: str) -> None:
        """Remove the units of a device."""
        self.wrote = True
        self._execute(*self.statements.drop_units(p_device_id=device_id))

    def give(self, given: Given) -> None:
        """Keep an answer."""
        self.put(given)

    def end_key(self, key_hash: str) -> None:
        """A device that was activated here has no key here any more, and gets none."""
        for thing in self.records(Thing, self._execute(*self.statements.thing(p_key_hash=key_hash))):
            there = self._things.things(thing.vendor, thing.model, [thing.sn])
            self._things.put([disabled(each) for each in there.values()])
            self.wrote = True

    def due(self, now: float, limit: int) -> Sequence[Outgoing]:
        """What is to be said now and is in nobody's hands, the longest waiting ones first."""
        return self.records(Outgoing, self._execute(*self.statements.due(now=now, most=limit)))

    def settled(self, limit: int) -> Sequence[Home]:
        """Devices that are provisioned and all of whose units are active."""
        return self.records(Home, self._execute(*self.statements.settled(most=limit)))

    def audit(self, entry: AuditEntry) -> None:
        """Note who did it."""
        self.wrote = True
        for statement in self.statements.planner.plan([Put(entry)]):
            self._execute(*statement)


def _was(home: Home) -> dict[str, object]:
    values = {name: getattr(home, name) for name in _AS_IT_WAS}
    return {f"p_{name}": value.value if isinstance(value, HomeState) else value for name, value in values.items()}
