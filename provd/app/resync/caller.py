"""The use case: tells devices, one way after the other, until they have fetched what they should."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import field, replace

from provd.app.fleet import Fleet
from provd.app.knowledge import Knowledge
from provd.app.ports import Delete, Put
from provd.app.resync.agenda import ATTEMPTS, URGENT, Agenda, Entry
from provd.app.resync.notes import Notes
from provd.app.resync.orders import order_for
from provd.app.resyncing import Heard, Told, Way
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.facts import FactSink
from provd.base.facts.resync import ResyncAccepted, ResyncDone, ResyncSent, ResyncUnanswered
from provd.base.types import Mac
from provd.domain.records import Device, PendingResync

_GOOD = {Heard.ACCEPTED, Heard.PASSED_ON}
_KEPT_CAMPAIGNS = 20
_AT_A_TIME = 100
_AFTER_START = 2.0
"""Seconds in which the ways open that take a moment: the PBX."""
PATIENCE = 45.0
"""Seconds that somebody who asks waits for the outcome; a NOTIFY without an answer takes 32, a web server 8."""


@dataclass(slots=True)
class Campaign:
    """Many devices that somebody wanted told: how far it is."""

    number: int
    total: int
    per_second: float
    began: float
    owner: str = ""
    """The tenant whose it is; empty: the site's."""
    fetched: int = 0
    unanswered: int = 0
    heard: set[Mac] = field(default_factory=set)
    """Devices that were told, or have come before."""


class Resyncer:
    """Implements :class:`~provd.app.resyncing.Resync`. ``ways`` in the order in which they are tried.

    Everything that it owes is in the fleet's tables: after a crash it goes on where it was.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        knowledge: Knowledge,
        notes: Notes,
        clock: Clock,
        emit: FactSink,
        ways: Sequence[Way] = (),
        agenda: Agenda | None = None,
    ) -> None:
        self.ways: tuple[Way, ...] = tuple(ways)
        self.campaigns: dict[int, Campaign] = {}
        self._fleet = fleet
        self._knowledge = knowledge
        self._notes = notes
        self._clock = clock
        self._emit = emit
        self._agenda = agenda or Agenda()
        self._changed = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._listeners: dict[Mac, asyncio.Future[tuple[Told, ...]]] = {}
        self._campaign_of: dict[Mac, Campaign] = {}
        fleet.afterwards(self._changed_device)

    # --- what is wanted

    def wanted(self, device: Device, reason: str) -> None:
        """This device's files have changed, and somebody in front of it waits for it. Returns at once."""
        note = self._fleet.tables.resync(device.mac)
        entry = self._agenda.find(device.mac)
        if note is None or note.revision < device.revision:
            self._fleet.keep(Put(self._notes.note(device, reason)))
        elif entry is not None and (entry.running or entry.attempts):
            return
        self._add(device.mac, URGENT)

    def _changed_device(self, before: Device | None, after: Device | None) -> None:
        """A change is durable, and so is the note that was written with it."""
        device = after or before
        if device is None:
            return
        note = self._fleet.tables.resync(device.mac)
        if note is None:
            self._agenda.drop(device.mac)
            self._release(device.mac, ())
            campaign = self._campaign_of.pop(device.mac, None)
            if campaign is not None:
                campaign.heard.add(device.mac)
        elif after is not None and note.revision == after.revision and not note.attempts:
            self._add(device.mac, self._clock.now())

    def registered(self, mac: Mac) -> None:
        """Its temporary account has registered: there is a way to it now."""
        if self._agenda.hasten(mac, self._clock.now()):
            self._changed.set()

    def fetched(self, device: Device, revision: int, now: float) -> None:
        """The device has its own file, made from that revision."""
        note = self._fleet.tables.resync(device.mac)
        if note is None or revision < note.revision:
            return
        self._fleet.keep(Delete(note))
        self._agenda.drop(device.mac)
        self._notes.forget(device.mac)
        campaign = self._campaign_of.pop(device.mac, None)
        if campaign is not None:
            campaign.fetched += 1
            campaign.heard.add(device.mac)
        self._release(device.mac, ())
        self._emit(
            ResyncDone(
                at=now,
                mac=device.mac,
                reason=note.reason,
                seconds=round(max(0.0, now - note.since), 3),
                attempts=note.attempts,
            )
        )

    async def sync(self, device: Device, reason: str = "sync") -> tuple[Told, ...]:
        """Tell it now and hear what each way said; further attempts follow by themselves. Nothing was heard when it
        came before it was told, or when it takes too long."""
        self._fleet.keep(Put(self._notes.note(device, reason)))
        heard = self._listeners.get(device.mac)
        if heard is None:
            heard = self._listeners[device.mac] = asyncio.get_running_loop().create_future()
        self._add(device.mac, URGENT)
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(heard)
        except TimeoutError:
            return ()

    async def sync_many(
        self, devices: Iterable[Device], per_second: float, reason: str = "sync", *, owner: str = ""
    ) -> Campaign:
        """Tell them one after the other, so many in a second. Returns when that is written down for all."""
        now, chosen = self._clock.now(), list(devices)
        number = max(self.campaigns, default=0) + 1
        campaign = self.campaigns[number] = Campaign(number, len(chosen), per_second, now, owner)
        if len(self.campaigns) > _KEPT_CAMPAIGNS:
            del self.campaigns[min(self.campaigns)]
        for start in range(0, len(chosen), _AT_A_TIME):
            self._join(campaign, chosen[start : start + _AT_A_TIME], now + start / per_second, reason)
            # Phones that ask for files meanwhile are not kept waiting.
            await asyncio.sleep(0)
        return campaign

    def _join(self, campaign: Campaign, devices: Sequence[Device], begin: float, reason: str) -> None:
        for place, each in enumerate(devices):
            device = self._fleet.tables.device(each.mac)
            earlier = self._campaign_of.pop(each.mac, None)
            if earlier is not None:
                # This campaign goes on with it; the earlier one does not wait for it any more.
                earlier.heard.add(each.mac)
            if device is None:
                campaign.heard.add(each.mac)
                continue
            self._campaign_of[device.mac] = campaign
            self._fleet.keep(Put(self._notes.note(device, reason)))
            self._add(device.mac, begin + place / campaign.per_second)

    @property
    def pending(self) -> int:
        """Devices that have not fetched what they should."""
        return len(self._fleet.tables.resyncs)

    def pace(self, per_second: float) -> None:
        """How many devices are told in a second from now on."""
        self._agenda.pace = per_second

    def comes(self, device: Device) -> str:
        """When the device comes by itself, for people; empty when nothing is owed."""
        return self._notes.comes(device)

    def _add(self, mac: Mac, due: float) -> None:
        self._agenda.add(mac, due)
        self._changed.set()

    # --- telling

    def start(self) -> None:
        """Go on with what is owed from an earlier run, and serve."""
        now = self._clock.now()
        for note in self._fleet.tables.resyncs.values():
            if note.attempts < ATTEMPTS:
                self._agenda.add(note.mac, now + _AFTER_START, attempts=note.attempts)
        self._serving = asyncio.create_task(self._serve())

    async def close(self) -> None:
        """Stop; what is owed stays written down."""
        tasks = [*self._attempts, *([self._serving] if self._serving else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for heard in self._listeners.values():
            heard.cancel()

    async def _serve(self) -> None:
        while True:
            self._changed.clear()
            while (entry := self._agenda.take(self._clock.now())) is not None:
                task = asyncio.create_task(self._attempt(entry))
                self._attempts.add(task)
                task.add_done_callback(self._attempts.discard)
            deadline = self._agenda.deadline
            wait = None if deadline is None else max(0.0, deadline - self._clock.now())
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _attempt(self, entry: Entry) -> None:
        tables = self._fleet.tables
        device, note = tables.device(entry.mac), tables.resync(entry.mac)
        told: tuple[Told, ...] = ()
        last = Told(way="", heard=Heard.NO_WAY)
        try:
            if device is not None and note is not None:
                told = await self._tell(device, note, entry)
                last = told[-1] if told else last
        finally:
            again = self._agenda.done(entry, last.way, last.heard, self._clock.now())
            self._changed.set()
        if device is not None and note is not None:
            self._conclude(device, note, entry, told, again=again)
        self._release(entry.mac, told)

    def _release(self, mac: Mac, told: tuple[Told, ...]) -> None:
        heard = self._listeners.pop(mac, None)
        if heard is not None and not heard.done():
            heard.set_result(told)

    async def _tell(self, device: Device, note: PendingResync, entry: Entry) -> tuple[Told, ...]:
        """Each way in turn until one promises something. A way that has promised before comes after the others."""
        told: list[Told] = []
        for way in sorted(self.ways, key=lambda way: way.name in entry.spent):
            order = order_for(way.name, device, note, self._notes, self._knowledge)
            if order is None:
                return (Told(way="", heard=Heard.NO_WAY, detail="devices of this vendor cannot be told"),)
            heard = await way.tell(device, order)
            told.append(heard)
            if heard.heard is not Heard.NO_WAY:
                self._say(device, note, entry, heard)
            if heard.heard in _GOOD or self._fleet.tables.resync(device.mac) is None:
                break
        return tuple(told)

    def _say(self, device: Device, note: PendingResync, entry: Entry, told: Told) -> None:
        now = self._clock.now()
        self._emit(
            ResyncSent(
                at=now,
                mac=device.mac,
                way=told.way,
                heard=told.heard,
                reason=note.reason,
                attempt=entry.attempts,
                detail=told.detail,
            )
        )
        if told.heard is Heard.ACCEPTED:
            self._emit(ResyncAccepted(at=now, mac=device.mac, way=told.way, detail=told.detail))

    def _conclude(
        self, device: Device, note: PendingResync, entry: Entry, told: tuple[Told, ...], *, again: bool
    ) -> None:
        present = self._fleet.tables.resync(device.mac)
        if present is None or (present.revision, present.since) != (note.revision, note.since):
            return
        good = bool(told) and told[-1].heard in _GOOD
        self._fleet.keep(Put(replace(present, attempts=entry.attempts)))
        campaign = self._campaign_of.get(device.mac)
        if campaign is not None and device.mac not in campaign.heard:
            campaign.heard.add(device.mac)
            campaign.unanswered += not good
        if (good and again) or not (again is False or entry.attempts == 1):
            return
        self._emit(
            ResyncUnanswered(
                at=self._clock.now(),
                mac=device.mac,
                reason=note.reason,
                comes=self.comes(device),
                tried="; ".join(_said(each) for each in told),
                last=not again,
            )
        )


def _said(told: Told) -> str:
    return f"{told.way}: {told.detail or told.heard}" if told.way else told.detail
