"""Devices that fetch a key, among all devices: what becomes of a serial becomes of its device in the same transaction.

A device is there from when a tenant has its serial, and before that where a task is for it as soon as it is known. Its
record is the one that phones have: settings, profile, metadata, tasks and its place at a tenant come with it. The
serial's row stays the truth about its life and its key; the record, once it is there, about whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from provd.app.fleet import Fleet
from provd.app.ports import Change, Delete, Put
from provd.app.tasks.book import TaskBook
from provd.base.clock import Clock
from provd.base.drafts import altering
from provd.base.types import Mac, is_thing, thing_key, thing_names
from provd.domain.activation.thing import Thing, ThingState
from provd.domain.overrides import Place, override_id
from provd.domain.records import MASTER_TENANT, Device, DeviceState, Metadata, ThingOwner

_STATES = {state: DeviceState(state.value) for state in ThingState}
_altered = altering(Device)
SURE = 100
"""The maker of a serial's list says what it is."""


class ThingDevices:
    """Implements :class:`~provd.app.activation.ports.Beside`."""

    def __init__(self, fleet: Fleet, tasks: TaskBook, clock: Clock) -> None:
        self._fleet = fleet
        self._tables = fleet.tables
        self._tasks = tasks
        self._clock = clock
        fleet.accompany(lambda before, after, _planned: self._owner(before, after))

    def changed(self, things: Iterable[Thing]) -> list[Change]:
        """What is written with these serials, which are as they will be."""
        changes: list[Change] = []
        for thing in things:
            before = self._tables.device(thing_key(thing.vendor, thing.model, thing.sn))
            after = self._after(thing, before)
            if after == before:
                continue
            if after is None:
                changes += [] if before is None else [Delete(before)]
            else:
                changes.append(Put(after))
            changes += self._tasks.owed(before, after)
        return changes

    def handed_over(self, gone: Thing, fresh: Thing) -> list[Change]:
        """One takes the other's place: owner, settings, profile, description, metadata and templates go along; its runs
        are its own, for it is another device that nobody has seen."""
        old, new = (self._tables.device(thing_key(thing.vendor, thing.model, thing.sn)) for thing in (gone, fresh))
        after = self._after(fresh, new)
        if old is None or after is None:
            return self.changed([gone, fresh])
        after = _altered(
            after,
            tenant=old.tenant,
            profile=old.profile or after.profile,
            settings={**after.settings, **old.settings},
            description=old.description or after.description,
        )
        after = self._revised(new, after)
        # Deleted first, so that in memory it is taken over as it is written and not merged with what it was.
        changes = [*self.changed([gone]), *([] if new is None else [Delete(new)]), Put(after)]
        known, own = self._tables.metadata(old.mac), self._tables.metadata(after.mac)
        if known is not None:
            changes.append(Put(Metadata(mac=after.mac, data={**({} if own is None else own.data), **known.data})))
        return [*changes, *self._overrides(old.mac, after.mac), *self._tasks.owed(new, after)]

    def _overrides(self, old: Mac, new: Mac) -> Iterable[Change]:
        for each in self._tables.overrides.values():
            if (each.place, each.applies_to) == (Place.DEVICE, old):
                yield Delete(each)
                name = override_id(each.plugin, each.template, Place.DEVICE, new)
                yield Put(replace(each, id=name, applies_to=new))

    def dropped(self, vendor: str, model: str, sns: Iterable[str]) -> list[Change]:
        """What goes with these serials."""
        keys = (thing_key(vendor, model, sn) for sn in sns)
        gone = [device for key in keys if (device := self._tables.device(key)) is not None]
        return [change for device in gone for change in (Delete(device), *self._tasks.owed(device, None))]

    def kept(self, changes: Sequence[Change]) -> None:
        """They are durable: the fleet has them, too."""
        self._tasks.expect(self._fleet.adopt(changes, _merged))

    def _after(self, thing: Thing, before: Device | None) -> Device | None:
        if thing.state is ThingState.UNCLAIMED:
            if before is not None:
                # It was somebody's, and who has it next must find nothing of his.
                return before if before.state is DeviceState.UNCLAIMED else None
            if next(iter(self._tasks.rules), None) is None:
                return None  # at once: a list of serials may have a million of them
            fresh = self._fresh(thing)
            return fresh if self._tasks.rules.of(fresh) else None
        if before is None:
            return self._fresh(thing)
        seen = max(thing.activated_at, thing.first_used_at)
        moved = _moved(before, self._state(thing), self._tenant(thing), thing.activated_at, seen)
        return self._revised(before, moved)

    def _fresh(self, thing: Thing) -> Device:
        device = Device(
            mac=thing_key(thing.vendor, thing.model, thing.sn),
            vendor=thing.vendor,
            model=thing.model,
            serial=thing.sn,
            confidence=SURE,
            state=self._state(thing),
            tenant=self._tenant(thing),
            first_seen=thing.activated_at,
            last_seen=max(thing.activated_at, thing.first_used_at),
        )
        return self._revised(None, device)

    def _state(self, thing: Thing) -> DeviceState:
        return _STATES[thing.state_at(self._clock.now())]

    def _tenant(self, thing: Thing) -> str:
        return thing.tenant if self._tables.tenant(thing.tenant) is not None else MASTER_TENANT

    def _revised(self, before: Device | None, after: Device) -> Device:
        revised = self._fleet.revised(before, after)
        return revised if isinstance(revised, Device) else after

    def _owner(self, before: Device | None, after: Device | None) -> Sequence[Change]:
        """A device that changes hands takes its serial with it."""
        if before is None or after is None or before.tenant == after.tenant or not is_thing(after.mac):
            return ()
        vendor, model, sn = thing_names(after.mac)
        return (Put(ThingOwner(vendor=vendor, model=model, sn=sn, tenant=after.tenant)),)


def _moved(device: Device, state: DeviceState, tenant: str, first: float, last: float) -> Device:
    """The device with what its serial's row knows better. Whose it is stands there only until somebody has it."""
    return _altered(
        device,
        state=state,
        tenant=tenant if device.tenant == MASTER_TENANT else device.tenant,
        first_seen=device.first_seen or first,
        last_seen=max(device.last_seen, last),
    )


def _merged(written: Device, present: Device) -> Device:
    return _moved(present, written.state, written.tenant, written.first_seen, written.last_seen)
