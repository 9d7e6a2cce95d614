"""The REST interface on a free port, over a world of two tenants, with a token of every kind."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from yarl import URL

from provd.app.activation.badges import Badges
from provd.app.activation.contents import Bounds, Contents
from provd.app.activation.groups import Groups, Shares
from provd.app.activation.office import VendorOffice
from provd.app.activation.registry import Registry
from provd.app.admin import Admin, Caller
from provd.app.bearer import Authority
from provd.app.codes.office import Office as Codes
from provd.app.dialing import Answer, Dial, Outcome
from provd.app.firmware.choosing import Images
from provd.app.firmware.rollouts import Rollouts
from provd.app.regions.register import Regions
from provd.app.regions.turns import Terms, carry_out
from provd.app.resync.notes import Notes
from provd.base.errors import ConfigError
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.overrides import Override, Place
from provd.domain.records import (
    AuditEntry,
    Device,
    Level,
    Line,
    Lock,
    Metadata,
    Profile,
    Reservation,
    RunState,
    TaskRun,
    TaskStep,
    Work,
    WorkState,
)
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.handover import begun
from provd.domain.regions.home import Home, Role
from provd.domain.rollouts import Rollout, RolloutState
from provd.domain.rulebook import Rulebook
from provd.domain.site_models import SiteModel
from provd.domain.tasks import Kind, Template, WaitStep
from provd.http.api.interface import Api
from provd.http.page import PageServer
from provd.observe.tail import Tail
from provd.observe.timeline import Timeline
from provd.storage.ledger import StoredLedger
from provd.storage.store import Store
from tests.app.dialing_kit import KEY, TERMS
from tests.app.fakes import BOLT, OTHER, PHONE, MemoryJournal, World, claimed, tenant
from tests.app.firmware.depot import held
from tests.app.packages.shelf import acme_shelf, shop_of
from tests.app.test_admin import Office
from tests.http.kit import port_of
from tests.http.show import Site as ShownSite
from tests.kit import databases
from tests.kit.federation import Disk, DiskLedger
from tests.kit.patience import PATIENCE

SITE = Caller(name="test")
NORTHS = "north's secret"
NORTHS_CUSTOMER = "customer 7 of the north"
"""No secret, but nobody else's business."""
SOUTHS = "south's secret"
RUN = f"greet:1:{PHONE}:1"
RULES = Rulebook(
    (Template(id="greet", version=1, kind=Kind.ONETIME, devices=("*",), steps=(WaitStep(id="rest", seconds=60.0),)),)
)


class FakeDaemon:
    """Implements the interface's port on a world of the tests."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.timeline = Timeline()
        self.tail = Tail()
        self.dialed: list[Dial] = []
        self.dial: FakeDesk | None = FakeDesk(self)
        self.outcome = Outcome.ACCEPTED
        self.broken_config = False

    def status(self) -> Mapping[str, Any]:
        return {"version": "1"}

    def subnets(self) -> Sequence[Mapping[str, Any]]:
        return [{"id": "10.0.0.0/24", "network": "10.0.0.0/24", "pools": [], "free": 5, "size": 10}]

    def reload(self) -> Mapping[str, Any]:
        if self.broken_config:
            raise ConfigError("dhcp.mode: must be off, observe …", "provd.toml:3")
        return {"changed": [], "restart_needed": []}

    def boots(self, mac: Mac) -> Sequence[tuple[str, Sequence[Fact]]]:
        return [(boot.id, [step.fact for step in boot.steps]) for boot in self.timeline.boots(mac)]

    async def audit(self, owner, kind, subject, before, limit) -> Sequence[AuditEntry]:
        puts = [change.record for batch in self.office.world.journal.batches for change in batch]
        entries = [record for record in puts if isinstance(record, AuditEntry)]
        numbered = [AuditEntry(**{**_fields(entry), "seq": seq}) for seq, entry in enumerate(entries, 1)]
        fitting = [
            entry
            for entry in reversed(numbered)
            if owner in (None, entry.tenant) and kind in (None, entry.kind) and subject in (None, entry.object)
        ]
        return [entry for entry in fitting if before is None or entry.seq < before][:limit]

    def watch(self, wanted: Callable[[Fact], bool]):
        return self.tail.watch(wanted=wanted)

    async def redeem(self, dial: Dial) -> Answer:
        self.dialed.append(dial)
        return Answer(outcome=self.outcome, text=self.outcome.value, mac=dial.mac, tenant="north", line="n1")


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.__dataclass_fields__}


class FakeDesk:
    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon

    async def dial(self, dial: Dial) -> Answer:
        return await self._daemon.redeem(dial)


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    octets: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.octets)

    @property
    def text(self) -> str:
        return self.octets.decode()


@dataclass
class House:
    """A running interface. ``ask("GET", "/devices", token="north.read")`` with the tokens of ``tokens``."""

    office: Office
    api: Api
    daemon: FakeDaemon
    page: PageServer
    port: int
    session: ClientSession
    facts: list[Fact]
    tokens: dict[str, str] = field(default_factory=dict)
    code: str = ""
    """Id of a code of the north's."""

    async def ask(
        self,
        method: str,
        path: str,
        token: str = "all.admin",
        *,
        body: object = None,
        data: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        sent = dict(headers or {})
        if token:
            sent.setdefault("Authorization", f"Bearer {self.tokens.get(token, token)}")
        if body is not None:
            data = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        if isinstance(data, str):
            data = data.encode()
        # As it is: the client's own tidying of paths would hide what a stranger may send.
        url = URL(f"http://127.0.0.1:{self.port}/api/v1{path}", encoded=True)
        async with self.session.request(method, url, data=io.BytesIO(data) if data else None, headers=sent) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, token: str = "all.admin", **headers: str) -> Reply:
        return await self.ask("GET", path, token, headers={k.replace("_", "-"): v for k, v in headers.items()})


def furniture() -> list[object]:
    """A phone and a line of each of two tenants, and one that nobody has claimed."""
    return [
        tenant(),
        tenant("south"),
        Line(id="n1", tenant="north", username="n1", password=Secret(NORTHS)),
        Line(id="n2", tenant="north", username="n2", password=Secret(NORTHS)),
        Line(id="s1", tenant="south", username="s1", password=Secret(SOUTHS)),
        claimed(PHONE, "n1", description="north's phone"),
        Device(mac=OTHER, tenant="south", lines=("s1",), plugin="acme", model="A1", vendor="Acme"),
        Device(mac=BOLT),
        Profile(id="north:desk", settings={"admin.password": Secret(NORTHS)}),
        Profile(id="south:desk"),
        Profile(id="site", level=Level.SITE),
        Constraint(id="north:asset", attributes={"asset": {"type": "string", "required": True}}),
        DeviceType(id="north:sensor", devices=("acme/sensor",), settings={"admin.password": Secret(NORTHS)}),
        Lock(id=f"device:{PHONE}", kind="device", subject=PHONE, tenant="north", wrong=1),
        Reservation(id="kept", ip="10.0.0.77", mac=PHONE),
        TaskRun(id=RUN, template="greet", version=1, mac=PHONE, state=RunState.FAILED, began=5.0, finished=9.0),
        Work(id="w1", kind="plugin.try", state=WorkState.DONE, started=5.0, finished=9.0),
        TaskStep(run=RUN, name="crm", result={"customer": NORTHS_CUSTOMER}, at=8.0),
        Metadata(mac=PHONE, data={"customer": NORTHS_CUSTOMER}),
        *(rollout(f"{state}", RolloutState(state)) for state in ("planned", "running", "paused", "done")),
        SiteModel(id="x1", vendor="Zeta", model="X1", generic=("zeta-x1.cfg",)),
        Override(
            id="acme/device.j2@tenant:north",
            plugin="acme",
            template="device.j2",
            place=Place.TENANT,
            applies_to="north",
            text="north's",
            base="the default",
        ),
    ]


def rollout(name: str, state: RolloutState) -> Rollout:
    """One of the north's, in that state."""
    return Rollout(
        id=f"north:{name}",
        plugin="acme",
        package="acme-a1",
        version="1.9b",
        models=("A1",),
        tenant="north",
        state=state,
        ring=int(state is not RolloutState.PLANNED),
    )


def _notes(world: World) -> Notes:
    return Notes(world.fleet, world.boot.station.knowledge, world.clock)


def regions_of(disk: Disk, now: Callable[[], float], emit: Callable[[Fact], None]) -> Regions:
    """Two regions, a device that has asked for its home, and one that is on its way."""
    disk.know("eu", "us")
    disk.look(lambda book: book.save(None, Home(device_id="sensor-1", key_hash="a" * 64, tenant="north")))
    leaving = begun(Home(device_id="acme/s2/S1", key_hash="b" * 64, tenant="north"), "eu", "t1", 1_700_000_000.0)
    disk.look(lambda book: carry_out(book, None, leaving, delete=True))
    request = Enrolment(id="r1", by="ann", total=3, done=1, devices={"items": []})
    disk.look(lambda book: book.put_enrolment(request))
    terms = Terms(name="world", role=Role.GLOBAL)
    return Regions(DiskLedger(disk, lambda _when: None), lambda: terms, now, emit, lambda: secrets.token_hex(8))


async def give(office: Office, name: str, **params: object) -> str:
    made = await office.admin.call("token.add", {"name": name, **params}, SITE)
    return str(made["token"])


def vendors_in(folder: Path, office: Office) -> VendorOffice:
    world = office.world
    databases.lay_out(folder)
    store = Store.open("sqlite", folder, world.clock, world.facts.append)
    audited = (StoredLedger(store), world.clock.now, world.facts.append)
    return VendorOffice(
        registry=Registry(*audited, 86400),
        contents=Contents(*audited, Bounds(one=4 << 20, all=8 << 20)),
        groups=Groups(*audited),
        shares=Shares(*audited),
        badges=Badges(*audited, lambda _token, _peer: None, lambda _tenant: True),
    )


@asynccontextmanager
async def house(
    *records: object, journal: type[MemoryJournal] = MemoryJournal, things: Path | None = None
) -> AsyncIterator[House]:
    """Everything, with tokens ``north.read`` … ``south.admin``, ``all.read`` …, ``expired`` and ``revoked``.

    With ``things`` also vendors and devices that are no phones, in a database in that folder.
    """
    office, disk = Office(*(records or furniture()), journal=journal), Disk()
    world = office.world
    broken, world.journal.broken = getattr(world.journal, "broken", False), False
    list(world.tasks.change(RULES))
    world.depot.here.append(held("1.9b"))
    codes = Codes(station=world.boot.station, key=KEY, terms=TERMS, clock=world.clock, emit=world.facts.append)
    vendors = None if things is None else vendors_in(things, office)
    office.admin = Admin(
        fleet=world.fleet,
        boot=world.boot,
        clock=world.clock,
        emit=world.facts.append,
        zone=lambda name: {"name": name} if name == "Europe/Madrid" else None,
        addresses=office.addresses,
        codes=codes,
        tasks=world.tasks,
        shop=shop_of(world, acme_shelf()),
        rollouts=Rollouts(world.fleet, Images(world.depot), _notes(world), world.clock, world.facts.append),
        regions=regions_of(disk, world.clock.now, world.facts.append),
        vendors=vendors,
    )
    code = await office.admin.call("code.add", {"line": ["n2"]}, SITE) if world.fleet.tables.line("n2") else {"id": ""}
    office.addresses.reserved.append("10.0.0.77")
    facts: list[Fact] = []
    daemon = FakeDaemon(office)

    def emit(fact: Fact) -> None:
        facts.append(fact)
        daemon.timeline([fact])
        daemon.tail([fact])

    office.admin.desk.emit = emit
    known = Authority(office.world.fleet, office.world.clock).caller
    api = Api(office.admin, known, daemon, emit=emit, clock=office.world.clock)
    page = PageServer(ShownSite(3, 1.0), lambda: b"", emit=emit, clock=office.world.clock, api=api)
    port = await port_of(page)
    tokens = {}
    for owner in ("north", "south", "all"):
        for scope in ("read", "write", "admin"):
            bound = {} if owner == "all" else {"tenant": owner}
            tokens[f"{owner}.{scope}"] = await give(office, f"{owner}.{scope}", scopes=[scope], **bound)
    tokens["expired"] = await give(office, "expired", scopes=["admin"], expires="1s")
    revoked = await office.admin.call("token.add", {"name": "revoked", "scopes": ["admin"]}, SITE)
    await office.admin.call("token.revoke", {"id": revoked["id"]}, SITE)
    tokens["revoked"] = str(revoked["token"])
    tokens["wrong"] = tokens["all.admin"][:-8] + "A" * 8
    office.world.clock.pass_(2)
    office.world.journal.batches.clear()
    facts.clear()
    world.journal.broken = broken
    async with ClientSession(timeout=ClientTimeout(total=PATIENCE)) as session:
        yield House(office, api, daemon, page, port, session, facts, tokens, code["id"])
    await page.close()
    if vendors is not None:
        vendors.registry._ledger._store.close()
    disk.close()
