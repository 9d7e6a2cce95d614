"""Stand-ins for what lies outside the use cases, and a small world of two invented vendors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from provd.app.boot import Boot
from provd.app.files import FileReply, FileRequest
from provd.app.firmware.choosing import Images
from provd.app.fleet import Fleet
from provd.app.ports import Change, Delete, Done, Put, RenderJob
from provd.app.site import Site
from provd.app.tasks.book import TaskBook
from provd.app.tokens import Tokens
from provd.base.errors import PluginError, StorageError
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.base.types import Mac, ip_int
from provd.daemon.templates import SectionReader
from provd.dhcp.advice import ClientInfo
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import AuditEntry, Device, DeviceState, Line, Profile, Redemption, TaskRun, TaskStep, Tenant
from provd.domain.rulebook import Rulebook
from provd.plugin import DhcpAdvice, FileRule, Manifest, Match, Model, OptionValue, Writes
from provd.plugin.contract import OuiRule
from tests.app.firmware.depot import PACKAGES, FixedDepot

PHONE = Mac("02aaaa000001")
OTHER = Mac("02aaaa000002")
BOLT = Mac("02bbbb000001")
SERVER = "10.0.0.1"
KEY = b"0123456789abcdef"


def _key(record: object) -> tuple[type, str]:
    if isinstance(record, Redemption):
        return type(record), f"{record.code}/{record.number}"
    if isinstance(record, TaskRun):
        return type(record), record.id
    if isinstance(record, TaskStep):
        return type(record), f"{record.run}/{record.name}"
    if isinstance(record, AuditEntry):
        return type(record), str(id(record))
    return type(record), str(getattr(record, "mac", "") or getattr(record, "id", ""))


class MemoryJournal:
    """Durable at once."""

    degraded = False

    def __init__(self, *records: object) -> None:
        self.records = {_key(record): record for record in records}
        self.batches: list[list[Change]] = []

    def keep(self, changes: Sequence[Change]) -> None:
        self.batches.append(list(changes))
        for change in changes:
            if isinstance(change, Put):
                self.records[_key(change.record)] = change.record
            elif isinstance(change, Delete):
                self.records.pop(_key(change.record), None)

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        self.keep(changes)
        if done is not None:
            done(None)

    async def commit(self, changes: Sequence[Change]) -> None:
        self.keep(changes)

    def load(self, kind: type) -> Iterable[object]:
        return [record for record in self.records.values() if isinstance(record, kind)]

    def device(self, mac: Mac) -> Device:
        return self.records[Device, mac]


class BrokenJournal(MemoryJournal):
    """Refuses everything while ``broken``."""

    broken = True

    @property
    def degraded(self) -> bool:
        return self.broken

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        if not self.broken:
            super().submit(changes, done)
        elif done is not None:
            done(StorageError("the disk is full"))

    async def commit(self, changes: Sequence[Change]) -> None:
        if self.broken:
            raise StorageError("the disk is full")
        await super().commit(changes)


class SlowJournal(MemoryJournal):
    """Keeps awaited changes waiting until somebody sets ``open``; then they fail when ``fails``."""

    def __init__(self, *records: object) -> None:
        super().__init__(*records)
        self.open = asyncio.Event()
        self.fails = False

    async def commit(self, changes: Sequence[Change]) -> None:
        await self.open.wait()
        if self.fails:
            raise StorageError("the disk is full")
        self.keep(changes)


class FakeClock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def pass_(self, seconds: float) -> None:
        self.time += seconds


class FakeBuckets:
    """Allows ``burst`` for each key and nothing after."""

    def __init__(self, burst: int) -> None:
        self.burst = burst
        self.taken: dict[str, int] = {}

    def allow(self, key: str, now: float) -> bool:
        self.last = now
        self.taken[key] = self.taken.get(key, 0) + 1
        return self.taken[key] <= self.burst


class FakeLeases:
    def __init__(self) -> None:
        self.held: dict[str, Mac] = {}

    def holder(self, ip: str) -> Mac | None:
        return self.held.get(ip)


class FakeNeighbours:
    """Knows nobody, unless told; counts how often it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, Mac] = {}
        self.asked = 0

    def find(self, ip: str) -> Mac | None:
        self.asked += 1
        return self.known.get(ip)


class FakeCatalogue:
    def __init__(self, *manifests: Manifest) -> None:
        self.manifests = manifests
        self.revision = 1
        self.statics: dict[tuple[str, str], bytes] = {}
        self.looked: list[str] = []

    def templates(self, plugin: str) -> dict[str, str]:
        return {
            rule.template: "{{ device.mac }}\n" for each in self.manifests if each.id == plugin for rule in each.files
        }

    def static(self, plugin: str, name: str) -> bytes | None:
        self.looked.append(name)
        return self.statics.get((plugin, name))


class FakeRenderer:
    """Writes the context down as JSON, so that a test can read it back from the file."""

    def __init__(self) -> None:
        self.jobs: list[RenderJob] = []
        self.fails = False
        self.knows = False
        """Has every file at hand."""
        self.gate: asyncio.Event | None = None

    async def render(self, job: RenderJob) -> bytes:
        self.jobs.append(job)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise PluginError("line 3: 'nope' is undefined")
        return self._written(job)

    @staticmethod
    def _written(job: RenderJob) -> bytes:
        return json.dumps(job.context, sort_keys=True).encode()

    def at_hand(self, job: RenderJob) -> bytes | None:
        return self._written(job) if self.knows else None


def option(text: str, encoding: str = "text") -> OptionValue:
    return OptionValue(encoding=encoding, text=text)


ACME = Manifest(
    id="acme",
    version="1.0.0",
    contract=1,
    vendor="Acme",
    license="Apache-2.0",
    description="Invented phones that fetch a common and a MAC file.",
    models=(
        Model("A1", lines=2, keys=4, common=("acme-a1.cfg",), traits={"family": "old"}),
        Model("A1G", lines=4, keys=8, common=("acme-a1g.cfg",), traits={"family": "new"}),
    ),
    matches=(
        Match("option60", ("acme",), "acme", 30),
        Match("option60", ("acme ",), r"acme (?P<model>[A-Z0-9]+)", 60),
        Match("user_agent", ("acme ",), r"Acme (?P<model>\w+)/(?P<version>[\w.]+)(?: (?P<mac>[0-9a-f]{12}))?", 90),
    ),
    ouis=(OuiRule(("02aaaa",)),),
    files=(
        FileRule("{common}", "common", "common.j2", secrets=False),
        FileRule("{mac}.boot", "absent"),
        FileRule("{mac}.cfg", "device", "device.j2", secrets=True, elsewhere="elsewhere.j2"),
        FileRule("{mac}-ring.txt", "device", "ring.j2", secrets=False),
        FileRule("acme.rom", "static", "acme.rom", secrets=False),
    ),
    dhcp=(
        DhcpAdvice({66: option("{base}"), 150: option("{address}", "ip"), 67: option("{mac}.cfg")}, force=(66,)),
        DhcpAdvice({66: option("{base}/new")}, models=("A1G",)),
    ),
    writes=(Writes(("vlan", "sip.server")), Writes(("keys",), {"keys": 1}, "has no keys", upto=("keys",))),
    names=frozenset({"colour", "key.X.tone"}),
    packages=PACKAGES,
)

BOLTS = Manifest(
    id="bolt",
    version="2.0.0",
    contract=1,
    vendor="Bolt",
    license="Apache-2.0",
    description="Invented phones that also call their file after the MAC.",
    models=(Model("B9", lines=1, common=("bolt.xml",)),),
    matches=(Match("user_agent", ("bolt",), r"Bolt (?P<model>\w+)", 90),),
    ouis=(OuiRule(("02bbbb",)),),
    files=(
        FileRule("{common}", "common", "common.j2", secrets=False),
        FileRule("{mac}.cfg", "device", "device.j2", secrets=True),
    ),
)


def tenant(name: str = "north") -> Tenant:
    return Tenant(id=name, name=name.title())


def line(name: str = "n1", owner: str = "north", **more: object) -> Line:
    return Line(id=name, tenant=owner, username=f"user-{name}", password=Secret(f"secret-{name}"), **more)


def lease(mac: Mac, ip: str, vendor_class: str = "acme", subnet: str = "10.0.0.0/24") -> Lease:
    return Lease(
        ip=ip_int(ip),
        client=bytes.fromhex("01" + mac),
        mac=mac,
        state=LeaseState.ACTIVE,
        starts=0,
        expires=9_999_999,
        subnet=subnet,
        vendor_class=vendor_class,
    )


def client(mac: Mac, vendor_class: str = "acme", *, first: bool = True, server: str = SERVER) -> ClientInfo:
    return ClientInfo(mac, vendor_class, "", server, "10.0.0.0/24", first)


class DictMemory:
    """Remembers files by everything in their jobs."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.asked = 0

    def __bool__(self) -> bool:
        return bool(self.kept)

    def recall(self, job: RenderJob) -> bytes | None:
        self.asked += 1
        return self.kept.get(self._name(job))

    def remember(self, job: RenderJob, body: bytes) -> None:
        self.kept[self._name(job)] = body

    @staticmethod
    def _name(job: RenderJob) -> str:
        return json.dumps([job.plugin, job.rule.template, job.context], sort_keys=True)


@dataclass
class World:
    """A site with its phones, leases and clock; facts are kept in the order they were told."""

    journal: MemoryJournal = field(default_factory=MemoryJournal)
    site: Site = field(default_factory=Site)
    misses: int = 10
    newcomers: int = 1000
    memory: DictMemory | None = None
    rules: Rulebook = field(default_factory=Rulebook)

    def __post_init__(self) -> None:
        self.facts: list[Fact] = []
        self.clock = FakeClock()
        self.leases = FakeLeases()
        self.neighbours = FakeNeighbours()
        self.catalogue = FakeCatalogue(ACME, BOLTS)
        self.renderer = FakeRenderer()
        self.depot = FixedDepot()
        self.tokens = Tokens(KEY)
        self.paused: list[float] = []
        self.fleet = Fleet(self.journal)
        self.fleet.load()
        self.tasks = TaskBook(self.fleet, self.clock, self.rules, SectionReader())
        self.boot = Boot(
            fleet=self.fleet,
            catalogue=self.catalogue,
            leases=self.leases,
            neighbours=self.neighbours,
            renderer=self.renderer,
            tokens=self.tokens,
            zone=lambda name: {"name": name, "offset_minutes": 60, "dst": None},
            clock=self.clock,
            emit=self.facts.append,
            site=self.site,
            misses=FakeBuckets(self.misses),
            newcomers=FakeBuckets(self.newcomers),
            prefix="t",
            pause=self._pause,
            memory=self.memory,
            images=Images(self.depot),
        )

    async def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def ids(self) -> list[str]:
        """Ids of the facts since the last call."""
        ids = [fact.ID for fact in self.facts]
        self.facts.clear()
        return ids

    def device(self, mac: Mac) -> Device:
        found = self.fleet.tables.device(mac)
        assert found is not None
        return found

    def ask(self, path: str, peer: str = "10.0.0.9", **more: object) -> FileRequest:
        return FileRequest(**{"via": "http", "path": path, "peer": peer, "local": SERVER, **more})

    async def fetch(self, path: str, peer: str = "10.0.0.9", **more: object) -> FileReply:
        """What an edge does: memory first, then a render, then the word that it was delivered."""
        request = self.ask(path, peer, **more)
        reply = self.boot.ready(request) or await self.boot.file(request)
        self.boot.served(request, reply)
        return reply

    def dhcp(self, mac: Mac, ip: str, vendor_class: str = "acme") -> None:
        """A whole DHCP exchange."""
        now = self.clock.now()
        boot = self.boot.advise(client(mac, vendor_class), now).boot
        self.boot.advise(client(mac, vendor_class, first=False), now)
        self.leases.held[ip] = mac
        self.boot.bound(lease(mac, ip, vendor_class), boot, now)


def context_of(reply: FileReply) -> dict:
    return json.loads(bytes(reply.body))


def claimed(mac: Mac = PHONE, *lines: str, **more: object) -> Device:
    """A device of tenant north, assigned when it has lines."""
    state = DeviceState.ASSIGNED if lines else DeviceState.IDENTIFIED
    known = {"vendor": "Acme", "model": "A1", "plugin": "acme", "confidence": 90}
    base = Device(mac=mac, tenant="north", state=state, lines=lines, **known)
    return replace(base, **more)


def group(name: str, *parents: str, **settings: object) -> Profile:
    flat = {key.replace("__", "."): value for key, value in settings.items()}
    return Profile(id=name, parents=parents, settings=flat)
