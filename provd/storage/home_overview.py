"""What is asked of homes now and then, in statements that are made when they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, ColumnElement

from provd.app.ports import Change
from provd.domain.activation.thing import Thing, ThingModel, ThingState, ThingVendor
from provd.domain.records import MASTER_TENANT
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.home import HERE, Home, HomeState, Outgoing, Region
from provd.domain.regions.unit import Unit, UnitState
from provd.storage.batch import Table, driver_form
from provd.storage.ear import notice
from provd.storage.mapping import Codec, Row
from provd.storage.region_tables import ENROLMENT, HOME, HOME_TABLE, HOME_UNIT, OUTGOING, REGION, TOMBSTONE
from provd.storage.step import Execute
from provd.storage.thing_tables import THING
from provd.storage.things import StoredBook

R = TypeVar("R")
_UNDER_WAY = (HomeState.REHOMING, HomeState.REGIONAL, HomeState.QRY_FAIL, HomeState.PROV_PEN, HomeState.PROV_FAIL)
_AT_ONCE = 128
_OWNER: ColumnElement[str] = func.coalesce(THING.c.tenant, HOME.c.tenant)
"""Whose a device is: its serial knows better than what came with the hand-over."""


def _owned(query: Select[Any]) -> Select[Any]:
    """The query, of the devices that were handed over to this instance."""
    t, h = THING.c, HOME.c
    same = and_(h.sn != "", t.vendor == h.vendor, t.model == h.model, t.sn == h.sn)
    here = or_(*(h.state == state.value for state in sorted(HERE)))
    return query.select_from(HOME.outerjoin(THING, same)).where(here)


class Overview:
    """The half of the book that is for people and for what happens once in a device's life.

    ``things`` is the book of devices that fetch a key, in the same transaction.
    """

    def __init__(
        self,
        codecs: Mapping[type, Codec[Any]],
        tables: Mapping[type, Table],
        dialect: Dialect,
        execute: Execute,
        things: StoredBook,
    ) -> None:
        self._things = things
        self._codecs = codecs
        self._tables = tables
        self._dialect = dialect
        self._execute = execute
        self.wrote = False

    @property
    def along(self) -> Sequence[Change]:
        """What was written beside devices that fetch a key."""
        return self._things.along

    def records(self, kind: type[R], rows: Sequence[Row]) -> list[R]:
        """The records of these rows."""
        codec = self._codecs[kind]
        return [codec.record(tuple(row)) for row in rows]

    def one(self, kind: type[R], rows: Sequence[Row]) -> R | None:
        """The record of the first of them."""
        found = self.records(kind, rows)
        return found[0] if found else None

    def rows(self, query: ClauseElement) -> Sequence[Row]:
        """What a statement gives."""
        return self._execute(*driver_form(query, self._dialect))

    def write(self, statement: ClauseElement) -> None:
        """Carry out one that changes something."""
        self.wrote = True
        self.rows(statement)

    def put(self, *records: Any) -> None:
        """Write records of one kind, in place of those with the same keys."""
        for start in range(0, len(records), _AT_ONCE):
            self.wrote = True
            table = self._tables[type(records[0])]
            self._execute(*table.put([table.codec.row(record) for record in records[start : start + _AT_ONCE]]))

    def saying(self, device_id: str) -> Sequence[Outgoing]:
        """Everything that waits to be said about a device."""
        query = select(OUTGOING).where(OUTGOING.c.device_id == device_id).order_by(OUTGOING.c.id)
        return self.records(Outgoing, self.rows(query))

    def counts(self) -> Sequence[tuple[str, str, int]]:
        """How many devices are in which state, by region."""
        c = HOME.c
        there = select(c.state, c.region, func.count()).where(c.state != HomeState.GONE.value)
        gone = select(TOMBSTONE.c.region, func.count()).group_by(TOMBSTONE.c.region)
        found = [(str(row[0]), str(row[1]), int(row[2])) for row in self.rows(there.group_by(c.state, c.region))]
        return found + [(HomeState.GONE.value, str(row[0]), int(row[1])) for row in self.rows(gone)]

    def stuck(self, before: float, limit: int) -> Sequence[Home]:
        """Devices on their way since before that time."""
        late = or_(*(HOME.c.state == state.value for state in _UNDER_WAY))
        query = select(HOME).where(late, HOME.c.since < before).order_by(HOME.c.since).limit(limit)
        return self.records(Home, self.rows(query))

    def waiting(self, limit: int) -> Sequence[Outgoing]:
        """What waits to be said, the oldest first."""
        return self.records(Outgoing, self.rows(select(OUTGOING).order_by(OUTGOING.c.created).limit(limit)))

    def named(self, lengths: Sequence[int], after: str, limit: int) -> Sequence[str]:
        """Ids of so many characters, of devices that are here or were."""
        found: set[str] = set()
        for column in (HOME.c.device_id, TOMBSTONE.c.device_id):
            fits = or_(*(func.length(column) == length for length in lengths))
            query = select(column).where(column > after, fits).order_by(column).limit(limit)
            found.update(str(row[0]) for row in self.rows(query))
        return sorted(found)[:limit]

    def free(self) -> None:
        """Nothing that waits to be said is in anybody's hands."""
        self.write(update(OUTGOING).where(OUTGOING.c.lease > 0).values(lease=0.0, owner=""))

    def enrolment(self, name: str) -> Enrolment | None:
        """A request of many devices."""
        return self.one(Enrolment, self.rows(select(ENROLMENT).where(ENROLMENT.c.id == name)))

    def unfinished(self) -> Enrolment | None:
        """The oldest request of many devices that is not finished."""
        query = select(ENROLMENT).where(ENROLMENT.c.finished == 0).order_by(ENROLMENT.c.created).limit(1)
        return self.one(Enrolment, self.rows(query.with_for_update(skip_locked=True)))

    def put_enrolment(self, enrolment: Enrolment) -> None:
        """Write such a request."""
        self.put(enrolment)

    def prune_enrolments(self, before: float) -> None:
        """Remove those that were finished before that time."""
        c = ENROLMENT.c
        if self.rows(select(c.id).where(c.finished > 0, c.finished < before).limit(1)):
            self.write(delete(ENROLMENT).where(c.finished > 0, c.finished < before))

    def list_homes(self, regions: Mapping[str, str]) -> None:
        """Write rows of the table of devices and their regions."""
        for device_id, region in regions.items():
            self.write(delete(HOME_TABLE).where(HOME_TABLE.c.device_id == device_id))
            if region:
                self.write(insert(HOME_TABLE).values(device_id=device_id, region=region).inline())

    def announce(self, names: Sequence[str]) -> None:
        """Tell other daemons on the same database of these devices, once this is durable."""
        for name in names:
            statement = notice(name, self._dialect)
            if statement is not None:
                self._execute(*statement)

    def living(self, region: str, limit: int) -> Sequence[str]:
        """Devices that are at home in that region, or on their way there."""
        away = or_(*(HOME.c.state == state.value for state in (HomeState.REHOMING, HomeState.REGIONAL)))
        here = select(HOME.c.device_id).where(HOME.c.device_id == TOMBSTONE.c.device_id)
        here = here.where(HOME.c.state != HomeState.GONE.value)
        there = select(TOMBSTONE.c.device_id).where(TOMBSTONE.c.region == region, ~here.exists())
        going = select(HOME.c.device_id).where(HOME.c.region == region, away)
        return [str(row[0]) for row in self.rows(there.union(going).order_by("device_id").limit(limit))]

    def coming_from(self, region: str) -> int:
        """How many devices that region has given to this instance which have not come yet."""
        c = HOME.c
        expected = or_(*(c.state == state.value for state in (HomeState.PROV_PEN, HomeState.PROV_FAIL)))
        return int(self.rows(select(func.count()).select_from(HOME).where(c.source == region, expected))[0][0])

    def owed_to(self, region: str) -> int:
        """How much waits to be said to that region."""
        return int(self.rows(select(func.count()).select_from(OUTGOING).where(OUTGOING.c.peer == region))[0][0])

    def drop_region(self, name: str, then: str) -> None:
        """Remove a region, with what waits to be said to it."""
        listed = HOME_TABLE.c.region == name
        self.write(update(HOME_TABLE).where(listed).values(region=then) if then else delete(HOME_TABLE).where(listed))
        self.write(delete(OUTGOING).where(OUTGOING.c.peer == name))
        self.write(delete(REGION).where(REGION.c.name == name))

    def registered(self, limit: int) -> Sequence[Unit]:
        """Units that have proved themselves and are not active, the newest first."""
        query = select(HOME_UNIT).where(HOME_UNIT.c.state == UnitState.REGISTERED.value)
        return self.records(Unit, self.rows(query.order_by(HOME_UNIT.c.since.desc()).limit(limit)))

    def unready(self, after: tuple[str, str], limit: int) -> Sequence[Unit]:
        """Units that have proved themselves and are not active, or failed, in the order of their keys."""
        c = HOME_UNIT.c
        waiting = or_(c.state == UnitState.REGISTERED.value, c.state == UnitState.FAILED.value)
        behind = or_(c.device_id > after[0], and_(c.device_id == after[0], c.unit_id > after[1]))
        query = select(HOME_UNIT).where(waiting, behind).order_by(c.device_id, c.unit_id).limit(limit)
        return self.records(Unit, self.rows(query))

    def hold_region(self, name: str, *, alone: bool = False) -> bool:
        """Nobody removes this region until the end of the transaction; ``alone``: nor does anybody else hold it so."""
        # Several may hold it, also while what is known of it changes. SQLite has one writer anyway, and no such words.
        shared = not alone
        held = select(REGION.c.name).where(REGION.c.name == name).with_for_update(read=shared, key_share=shared)
        return bool(self.rows(held))

    def put_region(self, region: Region) -> None:
        """Write a region."""
        self.put(region)

    def claimed(self, home: Home) -> str | None:
        """The tenant of a device whose serial is known here, empty when nobody has it; None when it is not known."""
        if not home.sn or home.device_id != f"{home.vendor}/{home.model}/{home.sn}":
            return None  # whoever has such a serial has not therefore this device
        thing = self._things.things(home.vendor, home.model, [home.sn]).get(home.sn)
        return None if thing is None else thing.tenant

    def owners(self) -> Sequence[str]:
        """The tenants of the devices that are at home here, or expected."""
        return [str(row[0]) for row in self.rows(_owned(select(_OWNER)).distinct().order_by(_OWNER))]

    def owned(self, tenant: str, limit: int) -> Sequence[str]:
        """Such devices of one tenant."""
        query = _owned(select(HOME.c.device_id)).where(_OWNER == tenant)  # noqa: SIM300 - SQLAlchemy's
        return [str(row[0]) for row in self.rows(query.order_by(HOME.c.device_id).limit(limit))]

    def units_owned(self, tenant: str, after: tuple[str, str], limit: int) -> Sequence[Unit]:
        """Units of such devices."""
        c = HOME_UNIT.c
        behind = or_(c.device_id > after[0], and_(c.device_id == after[0], c.unit_id > after[1]))
        theirs = _owned(select(HOME.c.device_id)).where(_OWNER == tenant)  # noqa: SIM300 - SQLAlchemy's
        query = select(HOME_UNIT).where(c.device_id.in_(theirs), behind)
        return self.records(Unit, self.rows(query.order_by(c.device_id, c.unit_id).limit(limit)))

    def ownerless(self, after: tuple[str, str, str], limit: int) -> Sequence[Thing]:
        """Devices that fetch a key which are the master's although their serial names a tenant."""
        return self._things.ownerless(after, limit)

    def reunite(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """Give these devices to the tenants that their serials name."""
        given: list[Thing] = []
        for vendor, model in sorted({(thing.vendor, thing.model) for thing in things}):
            theirs = {each.sn: each.tenant for each in things if (each.vendor, each.model) == (vendor, model)}
            present = self._things.things(vendor, model, list(theirs))
            given += [thing for thing in present.values() if thing.tenant == theirs[thing.sn]]
        self._things.put(given)
        self.wrote = self.wrote or bool(given)
        return given

    def adopt(self, home: Home, now: float) -> None:
        """A device that was activated elsewhere counts as activated here, with its vendor and model."""
        if not (home.vendor and home.model and home.sn and home.key_hash):
            return
        present = self._things.things(home.vendor, home.model, [home.sn]).get(home.sn)
        if self._things.vendor(home.vendor) is None:
            self._things.put_vendor(ThingVendor(vendor=home.vendor, tenant=home.tenant or MASTER_TENANT, created=now))
        if self._things.model(home.vendor, home.model) is None:
            self._things.put_model(ThingModel(vendor=home.vendor, model=home.model, created=now))
        before = present or Thing(vendor=home.vendor, model=home.model, sn=home.sn)
        generation = before.generation + 1
        self._things.put(
            [
                replace(
                    before,
                    state=ThingState.ACTIVATED,
                    tenant=home.tenant,
                    generation=generation,
                    enabled_at=now,
                    enabled_until=now,
                    activated_at=now,
                    first_used_at=now,
                    key_hash=home.key_hash,
                    told=generation,
                )
            ]
        )
        self.wrote = True
