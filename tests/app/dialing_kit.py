"""A site with lines and codes, and people who dial them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from provd.app.codes.office import Office
from provd.app.codes.terms import Terms
from provd.app.dialing import Answer, Dial
from provd.app.ports import Put
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.reckoning import Leap
from provd.domain.records import Code, Device, DeviceState
from provd.plugin import Manifest, Match, Model
from tests.app.fakes import ACME, BOLTS, MemoryJournal, World, line, tenant

KEY = b"key-of-codes-for-tests-012345678"
TERMS = Terms(reset_number="*44832225", reset_pin=Secret("4711"))

PORTS = Manifest(
    id="gate",
    version="1.0.0",
    contract=1,
    vendor="Gate",
    license="Apache-2.0",
    description="Invented gateways.",
    models=(Model("G4", lines=4, ports=True),),
    matches=(Match("user_agent", ("gate ",), r"Gate (?P<model>\w+)", 90),),
    star_codes=("*69", "*017110", "23"),
)


class FakeResync:
    """Notes who is to be told."""

    def __init__(self) -> None:
        self.asked: list[tuple[Mac, str]] = []

    def wanted(self, device: Device, reason: str) -> None:
        self.asked.append((device.mac, reason))


def phone(number: int, **more: object) -> Device:
    """A phone that nobody has claimed yet; the number is the end of its MAC."""
    known: dict[str, object] = {"vendor": "Acme", "model": "A1", "plugin": "acme", "confidence": 90}
    state = {"state": DeviceState.UNCLAIMED, "first_seen": 500_000.0}
    return Device(**{"mac": Mac(f"02aaaa{number:06x}"), **known, **state, **more})


def gateway(number: int = 1, **more: object) -> Device:
    return replace(phone(number), mac=Mac(f"02cccc{number:06x}"), vendor="Gate", model="G4", plugin="gate", **more)


class Floor:
    """An office of codes over an invented site: tenants north (lines n1, n2, n3) and south (s1)."""

    def __init__(
        self,
        *records: object,
        journal: MemoryJournal | None = None,
        terms: Terms = TERMS,
        leap: Leap | None = None,
        world: World | None = None,
    ) -> None:
        journal = journal or MemoryJournal()
        broken, journal.broken = getattr(journal, "broken", False), False
        lines = (line("n1", display_name="Ann"), line("n2", number="22"), line("n3"), line("s1", "south"))
        journal.keep([Put(record) for record in (tenant(), tenant("south"), *lines, *records)])
        journal.batches.clear()
        journal.broken = broken
        self.world = world or World(journal)
        self.world.catalogue.manifests = (ACME, BOLTS, PORTS)
        self.world.catalogue.revision += 1
        self.world.boot.station.refresh()
        self.journal = journal
        self.clock = self.world.clock
        self.fleet = self.world.fleet
        self.office = self.open(terms, leap)
        self.journal.batches.clear()

    @property
    def tables(self):
        return self.fleet.tables

    @property
    def facts(self) -> list[Fact]:
        return self.world.facts

    def open(self, terms: Terms = TERMS, leap: Leap | None = None) -> Office:
        office = Office(
            station=self.world.boot.station, key=KEY, terms=terms, clock=self.clock, emit=self.facts.append, leap=leap
        )
        self.resync = office.desk.resync = FakeResync()
        return office

    def code(self, owner: str = "n1", **more: object) -> tuple[Code, str]:
        """A code of that line, kept without a word, and its digits."""
        found = self.tables.line(owner)
        assert found is not None
        (made,) = self.office.issue([found], by="test", uses=None, life=None)
        made = replace(made, **more)
        self.fleet.keep(Put(made))
        self.journal.batches.clear()
        return made, made.code.reveal()

    async def dials(self, device: Device | None, digits: str, **more: object) -> Answer:
        """Somebody dials on the device, which has registered with its temporary account."""
        account = "" if device is None else self.world.tokens.account(device.mac, device.token_epoch).username
        said = {"digits": digits, "via": "sip", "account": account, "peer": "10.0.0.9", **more}
        return await self.office.desk.dial(Dial(**said))

    async def guesses(self, device: Device | None, times: int, **more: object) -> list[str]:
        """Wrong codes, as soon as each is heard; what was answered."""
        answers = []
        for _ in range(times):
            answer = await self.dials(device, "00000000", **more)
            answers.append(answer.outcome.value)
            self.clock.pass_(answer.wait if answer.wait < 100 else 0.0)
        return answers

    def told(self, ident: str) -> list[Fact]:
        return [fact for fact in self.facts if ident == fact.ID]

    def ids(self) -> list[str]:
        return self.world.ids()

    def device(self, device: Device) -> Device:
        return self.world.device(device.mac)

    def kinds(self) -> list[str]:
        """What the last transaction holds."""
        return sorted(type(change.record).__name__ for change in self.journal.batches[-1])


def macs(devices: Sequence[Device]) -> list[Mac]:
    return [device.mac for device in devices]
