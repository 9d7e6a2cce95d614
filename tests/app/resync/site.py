"""A site whose devices are told by ways that a test makes, on the loop's own clock."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from provd.app import ownership
from provd.app.dialing import Flow
from provd.app.resync.agenda import Agenda
from provd.app.resync.caller import Resyncer
from provd.app.resync.notes import Notes
from provd.app.resyncing import Told
from provd.domain.records import Tenant
from provd.plugin import ActionUri, ResyncAdvice, Writes
from tests.app.fakes import ACME, BOLTS, PHONE, MemoryJournal, World, claimed, line, tenant
from tests.kit.loop import in_virtual_time

ADVICE = ResyncAdvice("check-sync", "resync", daily=True, spread=600, action=ActionUri(("/go",), password="acme"))
FLOW = Flow(transport="udp", host="192.0.2.1", port=40001, local="10.0.0.1", contact="sip:ap1@192.168.1.7")
MASTER = Tenant(id="master", name="Nobody yet")
SEEN = {"last_seen": 1_000_990.0, "ip": "10.0.0.9"}


class FakeWay:
    """``heard`` answers in turn, the last one for ever; ``takes`` seconds each."""

    def __init__(self, name, *heard, takes=0.0):
        self.name = name
        self.heard = list(heard)
        self.takes = takes
        self.told = []
        self.called = None

    async def tell(self, device, order):
        self.told.append((device.mac, order))
        if self.called is not None:
            self.called(device)
        await asyncio.sleep(self.takes)
        heard = self.heard.pop(0) if len(self.heard) > 1 else self.heard[0]
        return Told(way=self.name, heard=heard, detail=heard.value)


class LoopClock:
    def now(self):
        return 1_000_000.0 + asyncio.get_running_loop().time()


class Site(World):
    """A world with a resyncer, its clock the loop's."""

    def __init__(self, journal, *ways, advice=ADVICE, writes=("resync",)):
        super().__init__(journal=journal)
        self.clock = LoopClock()
        self.catalogue.manifests = (replace(ACME, resync=advice, writes=(Writes(writes),)), BOLTS)
        self.catalogue.revision += 1
        self.boot.station.refresh()
        knowledge = self.boot.station.knowledge
        self.notes = Notes(self.fleet, knowledge, self.clock)
        self.resync = Resyncer(
            fleet=self.fleet,
            knowledge=knowledge,
            notes=self.notes,
            clock=self.clock,
            emit=self.facts.append,
            ways=ways,
            agenda=Agenda(pace=20.0),
        )
        self.boot.station.fetched = self.resync.fetched

    async def __aenter__(self):
        self.resync.start()
        return self

    async def __aexit__(self, *_):
        await self.resync.close()

    def note(self, mac=PHONE):
        return self.fleet.tables.resync(mac)

    async def assign(self, key="n1", mac=PHONE):
        await self.fleet.change(lambda: ownership.assign(self.fleet.tables, mac, [key]))

    def has_fetched(self, mac=PHONE):
        device = self.device(mac)
        self.resync.fetched(device, device.revision, self.clock.now())

    def told(self):
        return [(fact.ID, getattr(fact, "way", "")) for fact in self.facts if fact.ID.startswith("RESYNC")]


def journal(*more, **changes):
    unclaimed = replace(claimed(PHONE), tenant="master", **{**SEEN, **changes})
    return MemoryJournal(MASTER, tenant(), line(), line("n2"), unclaimed, *more)


def virtual(test):
    def run():
        in_virtual_time(lambda _: test())

    run.__name__ = test.__name__
    return run
