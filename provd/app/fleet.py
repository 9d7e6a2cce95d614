"""The fleet: every device, tenant, line and profile in memory, and the one way to change them.

The journal is the durable truth; memory runs ahead of it. An administrative change is awaited and taken back when the
journal refuses it. A sighting is written behind, and again later when that failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, TypeVar

from provd.app import consistency
from provd.app.keeping import ASIDE, IN_FILES, PLAIN, Revised, decides_tasks, free_names, restored, with_secrets
from provd.app.ports import Change, Delete, Journal, Put
from provd.app.tables import Tables
from provd.base.drafts import altering
from provd.base.errors import StorageError, UsageError
from provd.base.types import Mac
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.overrides import Override
from provd.domain.records import (
    MASTER_TENANT,
    Device,
    FreeParameter,
    Kept,
    Line,
    Metadata,
    Profile,
    Tenant,
)
from provd.domain.site_models import SiteModel

WRITE_EVERY = 5.0
"""Seconds between two writes of one device that was merely seen."""

_MOST_OWED = 10_000

Plan = Callable[[], Sequence[Change]]
"""Reads the fleet and says what is to change. Raises UsageError to change nothing."""

Watcher = Callable[[Device | None, Device | None], None]
"""Hears every change of a device: before and after."""

Companion = Callable[[Device | None, Device | None, Sequence[Change]], Sequence[Change]]
"""Says what is to be written in the same transaction as a change of a device: before, after, and the whole plan."""

Arrival = Callable[[Device | None, Device], Sequence[Change]]
"""Says what is to be written in the same transaction as a device that was seen and is new, another model than it was
taken for, or announced and here for the first time: before and after. Only plain records."""

Settled = Callable[[Sequence[Change]], None]
"""Hears how each plan ended that changed something: its changes once they are durable, or what took them back."""

_altered = altering(Device)

R = TypeVar("R", Device, Tenant, Line, Profile)


class _Step(NamedTuple):
    before: Kept | None
    after: Kept | None

    @property
    def change(self) -> Change | None:
        if self.after is not None:
            return Put(self.after)
        return None if self.before is None else Delete(self.before)


class Fleet:
    """All records, kept in memory and in the journal.

    ``generation`` rises with every change that may concern the files of more than one device, so that "nothing has
    changed since" is one comparison.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.tables = Tables()
        self.generation = 1
        self._floor = 0
        self._lock = asyncio.Lock()
        self._watchers: list[Watcher] = []
        self._companions: list[Companion] = []
        self._afterwards: list[Watcher] = []
        self._arrivals: list[Arrival] = []
        self._settled: list[Settled] = []
        self._written: dict[Mac, float] = {}
        self._dirty: dict[Mac, None] = {}
        self._owed: list[Kept] = []

    def load(self) -> None:
        """Read every record from the journal; called once, before anything is served."""
        load, put = self._journal.load, self.tables.put
        for tenant in load(Tenant):
            put(with_secrets(tenant))
        for line in load(Line):
            put(with_secrets(line))
        for profile in load(Profile):
            put(with_secrets(profile))
        for device_type in load(DeviceType):
            put(with_secrets(device_type))
        for constraint in load(Constraint):
            put(constraint)
        for device in load(Device):
            put(with_secrets(device))
        self._load_plain()
        if MASTER_TENANT not in self.tables.tenants:
            master = Tenant(id=MASTER_TENANT, name="Nobody yet")
            self.tables.put(master)
            self._journal.submit([Put(master)])

    def _load_plain(self) -> None:
        for plain in PLAIN:
            for record in self._journal.load(plain):
                # The tuple's common type is wider than what is in it.
                if isinstance(record, PLAIN):
                    self.tables.put(record)

    def watch(self, watcher: Watcher) -> None:
        """Tell this watcher of every change of a device from now on, and of every device there is."""
        self._watchers.append(watcher)
        for device in self.tables.devices.values():
            watcher(None, device)

    def accompany(self, companion: Companion) -> None:
        """Let this companion add to every planned change of a device, but not to what is merely seen of it."""
        self._companions.append(companion)

    def arriving(self, arrival: Arrival) -> None:
        """Let this one add to what is written of a device that was seen for the first time, or known better."""
        self._arrivals.append(arrival)

    def afterwards(self, watcher: Watcher) -> None:
        """Tell this watcher of every planned change of a device once it is durable."""
        self._afterwards.append(watcher)

    def settled(self, listener: Settled) -> None:
        """Tell this one of the end of every plan that changed something."""
        self._settled.append(listener)

    async def change(self, plan: Plan) -> None:
        """Carry out an administrative change as a whole; it is durable when this returns.

        An ``AuditEntry`` among the changes is written with them and not kept in memory, nor is a ``ThingOwner``. Raises
        UsageError (nothing was changed) or StorageError (it was taken back).
        """
        # One at a time: a refused change is taken back without anything built upon it.
        async with self._lock:
            planned = self._accompanied(plan())
            entries = [change for change in planned if isinstance(change.record, ASIDE)]
            steps = self._apply(change for change in planned if not isinstance(change.record, ASIDE))
            changes = [*(change for step in steps if (change := step.change) is not None), *entries]
            if not changes:
                return
            try:
                await self._journal.commit(changes)
            except StorageError:
                self._take_back(steps)
                raise
            except asyncio.CancelledError:
                self._tell(changes)  # Nobody waits for it any more; the journal has it all the same.
                raise
            self._tell(changes)
        for before, after in steps:
            if isinstance(after or before, Device):
                for watcher in self._afterwards:
                    watcher(_device(before), _device(after))

    def _accompanied(self, planned: Sequence[Change]) -> list[Change]:
        """The planned changes, and what companions add to those of a device."""
        added: list[Change] = []
        for change in planned:
            if isinstance(change.record, Device):
                before = self.tables.get(change.record)
                after = self.revised(before, change.record) if isinstance(change, Put) else None
                for companion in self._companions:
                    added += companion(_device(before), _device(after), planned)
        known = self.tables.free_parameters
        fresh = {name for change in planned for name in free_names(change.record) if name not in known}
        return [*planned, *added, *(Put(FreeParameter(id=name)) for name in sorted(fresh))]

    def _apply(self, changes: Iterable[Change]) -> list[_Step]:
        steps: list[_Step] = []
        for change in changes:
            if not isinstance(change.record, Kept):
                raise UsageError(f"{type(change.record).__name__} is not kept in the fleet")
            before = self.tables.get(change.record)
            after = self.revised(before, change.record) if isinstance(change, Put) else None
            self._set(before, after)
            steps.append(_Step(before, after))
        try:
            for before, after in steps:
                if after is None or self.tables.get(after) is after:
                    consistency.check(self.tables, before, after)
        except UsageError:
            for before, after in reversed(steps):
                self._set(after, before)
            raise
        self._announce(steps)
        return steps

    def _set(self, before: Kept | None, after: Kept | None) -> None:
        if after is not None:
            self.tables.put(after)
        elif before is not None:
            self.tables.remove(before)

    def revised(self, before: Kept | None, record: Kept) -> Kept:
        """The record with the revision it is due.

        A record that takes the key of a deleted one starts above it: a cached file never fits by accident.
        """
        if not isinstance(record, Revised):
            return record
        if before is None:
            return replace(record, revision=self._floor + 1)
        if not isinstance(before, Revised):
            return record
        if not isinstance(record, Device) and replace(record, revision=before.revision) == before:
            return before
        if isinstance(record, Device) and IN_FILES(before) == IN_FILES(record):
            return record if record.revision == before.revision else _altered(record, revision=before.revision)
        return replace(record, revision=before.revision + 1)

    def _announce(self, steps: Iterable[_Step]) -> None:
        for before, after in steps:
            if after is None and isinstance(before, Revised):
                self._floor = max(self._floor, before.revision)
            record = after or before
            if isinstance(record, Tenant | Line | Profile | FreeParameter | Override | SiteModel | DeviceType):
                self.generation += 1
            if isinstance(record, Device):
                if after is None:
                    self._written.pop(record.mac, None)
                    self._dirty.pop(record.mac, None)
                for watcher in self._watchers:
                    watcher(_device(before), _device(after))

    def _take_back(self, steps: Sequence[_Step]) -> None:
        """Restore what the journal has refused, but keep what sightings have added meanwhile."""
        undone: list[_Step] = []
        for before, after in reversed(steps):
            record = after or before
            present = None if record is None else self.tables.get(record)
            back = restored(before, after, present)
            self._set(present, back)
            undone.append(_Step(present, back))
            if isinstance(back, Device):
                self._dirty[back.mac] = None
        self._announce(undone)
        self.generation += 1
        self._tell([change for step in undone if (change := step.change) is not None])

    def _tell(self, changes: Sequence[Change]) -> None:
        for listener in self._settled:
            listener(changes)

    def note(self, device: Device, now: float, *, urgent: bool = False) -> Device:
        """Take over what was seen of a device and write it behind; gives the device as it is kept.

        A device that is merely seen again is written at most every few seconds.
        """
        before = self.tables.device(device.mac)
        kept = self.revised(before, device)
        if not isinstance(kept, Device):
            raise UsageError("only devices are noted")
        if before is not None and before.lines is kept.lines:
            self.tables.refresh(kept)
        else:
            self.tables.put(kept)
        if before is None or before.revision != kept.revision:
            for watcher in self._watchers:
                watcher(before, kept)
        added: list[Change] = []
        if before is None or decides_tasks(before) != decides_tasks(kept):
            added = [change for arrival in self._arrivals for change in arrival(before, kept)]
            self._put_plain(added)
        if urgent or added or before is None or now - self._written.get(kept.mac, 0.0) >= WRITE_EVERY:
            self._write([kept.mac], now, added)
        else:
            self._dirty[kept.mac] = None
        return kept

    @property
    def unwritten(self) -> int:
        """Devices whose last sighting still waits to be written."""
        return len(self._dirty)

    def flush(self, now: float, *, most: int | None = None) -> None:
        """Write what still waits, of up to ``most`` devices; called every few seconds and before the daemon stops."""
        self._write(list(islice(self._dirty, most)), now)
        owed, self._owed = self._owed, []
        if owed:
            # As they are now: what has changed again meanwhile may have been written already.
            present = ((record, self.tables.get(record)) for record in owed)
            self._submit([Delete(record) if kept is None else Put(kept) for record, kept in present])

    def keep(self, *changes: Change) -> None:
        """Take over changes of records that no file depends on and write them behind, until the journal has them."""
        self._put_plain(changes)
        self._submit(changes)

    async def settle(self, *changes: Change) -> None:
        """The same, durable when this returns. Raises StorageError: what nobody has changed since is taken back.

        Unlike :meth:`change` many of these share a commit.
        """
        plain = [change for change in changes if not isinstance(change.record, ASIDE)]
        before = [self.tables.get(change.record) for change in plain if isinstance(change.record, PLAIN)]
        self._put_plain(plain)
        try:
            await self._journal.commit(changes)
        except StorageError:
            for change, was in reversed(list(zip(plain, before, strict=True))):
                record = change.record
                present = self.tables.get(record) if isinstance(record, PLAIN) else None
                if present is (record if isinstance(change, Put) else None):
                    self._set(present, was)
            raise

    async def follow(self, read: Callable[[], Awaitable[Iterable[DeviceType | Constraint]]]) -> bool:
        """Take over types and constraints as another daemon may have left them; says whether that was news. The runs of
        devices are its own affair: it has written them with the change."""
        # No change of ours is half done meanwhile.
        async with self._lock:
            found = {(type(each), each.id): each for each in await read()}
            kinds = self.tables.kinds
            present: list[DeviceType | Constraint] = [*kinds.types.values(), *kinds.constraints.values()]
            known = {(type(each), each.id): each for each in present}
            fresh = {key: with_secrets(each) if isinstance(each, DeviceType) else each for key, each in found.items()}
            if fresh == known:
                return False
            for key, record in known.items():
                if key not in fresh:
                    self.tables.remove(record)
            for record in fresh.values():
                self.tables.put(record)
            self.generation += 1
        return True

    def learn(self, *records: Kept) -> None:
        """Take over plain records as another daemon has written them."""
        self._put_plain([Put(record) for record in records])

    def adopt(self, changes: Sequence[Change], merged: Callable[[Device, Device], Device]) -> list[Change]:
        """Take over what somebody has decided and written within the writer's transaction; gives what was news.

        The device may have changed in memory meanwhile: ``merged`` makes one of what was written and what is here, in
        this order. A run or a step that is here already has gone on since, and stays; metadata is as it was written.
        """
        news: list[Change] = []
        for change in changes:
            record = change.record
            if isinstance(record, Device):
                self._adopt_device(change, record, merged)
            elif isinstance(record, PLAIN) and (
                isinstance(change, Delete) or isinstance(record, Metadata) or self.tables.get(record) is None
            ):
                self._put_plain([change])
                news.append(change)
        return news

    def _adopt_device(self, change: Change, written: Device, merged: Callable[[Device, Device], Device]) -> None:
        before = self.tables.device(written.mac)
        if isinstance(change, Delete):
            self._set(before, None)
            self._announce([_Step(before, None)])
            return
        after = _device(written if before is None else self.revised(before, merged(written, before)))
        self._set(before, after)
        self._announce([_Step(before, after)])
        if after != written:
            self._dirty[written.mac] = None

    def _put_plain(self, changes: Iterable[Change]) -> None:
        for change in changes:
            record = change.record
            if not isinstance(record, PLAIN):
                raise UsageError(f"{type(record).__name__} is not written behind")
            if isinstance(change, Put):
                self.tables.put(record)
            else:
                self.tables.remove(record)

    def _submit(self, changes: Sequence[Change]) -> None:
        def done(error: StorageError | None) -> None:
            if error is not None:
                records = [change.record for change in changes]
                owed = [record for record in records if isinstance(record, PLAIN)]
                self._owed = [*self._owed, *owed][-_MOST_OWED:]

        self._journal.submit(changes, done)

    def _write(self, macs: Sequence[Mac], now: float, added: Sequence[Change] = ()) -> None:
        present = [device for mac in macs if (device := self.tables.device(mac)) is not None]
        for mac in macs:
            self._dirty.pop(mac, None)
            self._written[mac] = now
        if not present:
            return

        def done(error: StorageError | None) -> None:
            if error is not None:
                self._dirty.update(dict.fromkeys(device.mac for device in present))
                owed = [record for change in added if isinstance(record := change.record, PLAIN)]
                self._owed = [*self._owed, *owed][-_MOST_OWED:]

        self._journal.submit([*(Put(device) for device in present), *added], done)


def _device(record: Kept | None) -> Device | None:
    return record if isinstance(record, Device) else None
