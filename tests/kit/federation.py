"""Instances on databases in memory, their clock and the network between them: real code, driven step by step.

Nothing here waits for anything, so coroutines of the product are run to their end by hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from provd.app.regions.courier import Courier
from provd.app.regions.desk import HomeDesk, Reply
from provd.app.regions.neighbour import Neighbour
from provd.app.regions.ports import Unreached
from provd.app.regions.turns import Terms
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.domain.regions.home import SERVED, Home, HomeState, Outgoing, Region, Role
from provd.domain.regions.rules import By, Rule
from provd.domain.regions.speech import Heard, Said, heard_octets, heard_of, said_octets, said_of
from provd.storage.batch import Planner
from provd.storage.homes import HomeStatements, StoredHomes
from provd.storage.mapping import Row
from provd.storage.session import Session, make_engine
from provd.storage.step import Execute
from provd.storage.tables import METADATA
from provd.storage.things import Statements, StoredBook
from provd.storage.vault import Vault
from provd.storage.work import Work

T = TypeVar("T")
VAULT = Vault({"k1": bytes(32)})


class CrashError(Exception):
    """The process is gone, and with it everything that is not in the database."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise AssertionError("it waits for something")


def key_of(device_id: str) -> str:
    return f"key of {device_id}"


def key_hash(device_id: str) -> str:
    return hashlib.sha256(key_of(device_id).encode()).hexdigest()


class Seen(NamedTuple):
    """A device as it lies on a disk."""

    state: HomeState
    agreed: bool
    epoch: int

    @property
    def served(self) -> bool:
        return self.state in SERVED and not (self.state is HomeState.REHOMING and self.agreed)


@cache
def _schema() -> str:
    """What makes the tables. SQLAlchemy takes longer to write it than most tests need for all the rest."""
    with contextlib.closing(sqlite3.connect(":memory:")) as driver:
        engine = create_engine("sqlite://", creator=lambda: driver)
        METADATA.create_all(engine)
        made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        rows = driver.execute(f"{made} ORDER BY rowid").fetchall()
    return ";\n".join(sql for (sql,) in rows)


@cache
def _statements() -> tuple[HomeStatements, Statements]:
    """Texts, the same for every database of that kind."""
    engine = make_engine(URL.create("sqlite"))
    engine.connect().close()
    planner = Planner(VAULT, engine.dialect)
    found = HomeStatements(VAULT, planner, engine.dialect), Statements(VAULT, planner, engine.dialect)
    engine.dispose()
    return found


class Disk:
    """A database in memory that outlives its process."""

    def __init__(self) -> None:
        self.engine = make_engine(URL.create("sqlite"))
        self.connection = self.engine.connect()
        driver: Any = self.connection.connection.driver_connection
        driver.executescript(_schema())
        self.session = Session(self.engine)
        self.statements, self._things = _statements()

    def wipe(self) -> None:
        for table in ("region", "home", "home_unit", "home_table", "tombstone", "outgoing", "home_given"):
            self.connection.exec_driver_sql(f"DELETE FROM {table}")

    def look(self, work: Callable[[StoredHomes], T]) -> T:
        return work(self.opened(self._execute))

    def opened(self, execute: Execute) -> StoredHomes:
        return StoredHomes(self.statements, execute, StoredBook(self._things, execute))

    def _execute(self, sql: str, values: Row) -> Sequence[Row]:
        result = self.connection.exec_driver_sql(sql, values)
        return result.all() if result.returns_rows else ()

    def know(self, *others: str) -> None:
        for name in others:
            self.look(lambda book, name=name: book.put_region(_region(name)))

    def homes(self) -> dict[str, Seen]:
        """Every device, read past everything that is tested."""
        driver: Any = self.connection.connection.driver_connection
        rows = driver.execute("SELECT device_id, state, agreed, epoch FROM home").fetchall()
        return {device: Seen(HomeState(state), bool(agreed), epoch) for device, state, agreed, epoch in rows}

    def close(self) -> None:
        self.session.close()
        self.connection.close()
        self.engine.dispose()


class DiskLedger:
    """The regions' port to the store. ``fault`` is asked before and after every commit, and may raise CrashError."""

    def __init__(self, disk: Disk, fault: Callable[[str], None]) -> None:
        self._disk = disk
        self._fault = fault

    async def change(self, key: tuple[str, ...], work: Callable[[StoredHomes], T], weight: int = 1) -> T:
        step = Work(key, self._disk.opened, work, weight)
        self._fault("before")
        self._disk.session.write([], [step])
        self._fault("after")
        return step.result()

    async def read(self, work: Callable[[StoredHomes], T]) -> T:
        return self._disk.look(work)


class Silent:
    """Nobody is asked and nobody is told: the simulation carries what is said by itself."""

    async def ask(self, server: str, home: Home) -> str:
        raise Unreached("there is no such server here")

    async def say(self, region: Region, said: Said) -> Heard:
        raise Unreached("the simulation carries it")


@dataclass
class Instance:
    """One provd. ``life`` counts its processes: an answer to a former one reaches nobody."""

    name: str
    role: Role
    disk: Disk
    now: Callable[[], float]
    fault: Callable[[str], None] = lambda _when: None
    fresh: Callable[[], str] = lambda: ""
    rules: Callable[[], tuple[Rule, ...]] = tuple
    delete: bool = True
    life: int = 0
    facts: list[Fact] = field(default_factory=list)

    def start(self) -> None:
        self.life += 1
        ledger = DiskLedger(self.disk, self.fault)
        silent = Silent()
        self.desk = HomeDesk(
            ledger, self.terms, self.now, self.facts.append, fresh=self.fresh, advice=silent, spoke=lambda: None
        )
        self.neighbour = Neighbour(ledger, self.terms, self.now, self.facts.append, self.fresh)
        self.courier = Courier(
            ledger,
            silent,
            self.terms,
            self.now,
            self.facts.append,
            transfer=self.fresh,
            owner=f"{self.name}.{self.life}",
        )

    def terms(self) -> Terms:
        return Terms(name=self.name, role=self.role, endpoint=f"at {self.name}", rules=self.rules(), delete=self.delete)

    def home(self, device_id: str) -> Home | None:
        return self.disk.look(lambda book: book.home(device_id))

    def register(self, home: Home) -> None:
        self.disk.look(lambda book: book.save(None, home))

    def owed(self) -> int:
        return int(self.disk.connection.exec_driver_sql("SELECT count(*) FROM outgoing").scalar() or 0)


def _region(name: str) -> Region:
    return Region(name=name, url=f"https://{name}.example", endpoint=f"at {name}", secret=Secret("s"))


def everybody_to(region: str) -> tuple[Rule, ...]:
    return (Rule(by=By.ALL, region=region),)


def envelope(device_id: str, kind: str, body: dict[str, Any], *, number: str, **header: Any) -> bytes:
    """A message as a device sends it."""
    same = {"system_id": "", "sub_system_id": "", "vin": "", "device_id": device_id, "ecu_type": "UNIT"}
    same |= {name: header.pop(name) for name in list(header) if name in same}
    whole = {
        "message_id": number,
        "correlation_id": "",
        "version": "1",
        "source_id": device_id,
        "target_id": "",
        "message_type": kind,
        "time": 0,
        "ttl": -1,
        "status": 0,
        "property_bag": {"body_encoding_type": 0},
        **same,
        "body": json.dumps(same | body),
    } | header
    return json.dumps(whole).encode()


def query(device_id: str, number: str, *, primary: bool = True, country: str = "", **header: Any) -> bytes:
    body = {"primary": primary, "region_info": {"region_code": "", "country_code": country}}
    return envelope(device_id, "PROVISION_QUERY", body, number=number, **header)


def provision(
    device_id: str, number: str, *, primary: bool = True, chipsets: Sequence[dict[str, Any]] = (), **header: Any
) -> bytes:
    body = {
        "vehicle_info": {"class": "car", "style": "van", "model": "m", "year": "2026"},
        "device_info": {"ecu_model": "e", "make": "m", "type": "t", "primary": primary},
        "region_info": {"region_code": "", "country_code": "DE"},
        "chipsets_count": len(chipsets),
        "chipsets": list(chipsets),
    }
    return envelope(device_id, "DEVICE_PROVISION", body, number=number, **header)


def body_of(reply: Reply) -> dict[str, Any]:
    found = json.loads(reply.octets)
    return dict(json.loads(found["body"])) if "body" in found else dict(found)


@dataclass
class Packet:
    """A request (``heard`` is None) or an answer on its way, as octets."""

    sender: str
    target: str
    life: int
    outgoing: Outgoing
    said: bytes
    heard: bytes | None = None


class Network:
    """Packets on their way, to be delivered in any order, more than once, or never."""

    def __init__(self, instances: dict[str, Instance], chance: random.Random) -> None:
        self.instances = instances
        self.chance = chance
        self.packets: list[Packet] = []

    def send_from(self, instance: Instance) -> None:
        for outgoing, region, said in run(instance.courier.take()):
            packet = Packet(instance.name, region.name, instance.life, outgoing, said_octets(said))
            self.packets.append(packet)

    def deliver(self, packet: Packet) -> None:
        if packet.heard is None:
            target = self.instances[packet.target]
            heard = run(target.neighbour.hear(said_of(packet.said), packet.sender))
            self.packets.append(
                Packet(packet.sender, packet.target, packet.life, packet.outgoing, packet.said, heard_octets(heard))
            )
            return
        sender = self.instances[packet.sender]
        if sender.life == packet.life:
            run(sender.courier.settle(packet.outgoing, heard_of(packet.heard)))
