"""What the demonstration of devices that are not phones is played with: daemons, a customer's databases, a device."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any

import click

from provd.base.dataclass import dataclass
from provd.base.errors import ProvdError
from provd.cli.client import call
from provd.cli.processes import end, lines_of, of_the_story, provd, started

PATIENCE = 300.0
"""Seconds until a step of the story counts as failed."""
VENDOR, MODEL, SERIAL, SERIALS = "acme", "sensor-2", "S0001", 20
REGION = "eu"
TICK = 0.1
"""Seconds that a second of the device's waiting takes: it asks again after one second instead of ten."""
DEVICE = f"{VENDOR}/{MODEL}/{SERIAL}"
SAID = {
    "start": "is switched on",
    "refused": "asks for its key: {}, for nobody has enabled it; it will ask again",
    "activated": "has its key",
    "recognised": "is recognised by its key",
    "pending": "asks where its home is, and is to ask again ({})",
    "directed": "is told where its home is: {}",
    "arrived": "has come home, and is {} there",
    "remembered": "asks the global instance once more, and is told: {}",
    "done": "is content",
}
"""What a device does, in words, by the kind of the event."""

_CONFIG = """
[server]
state_dir = "{state}"
[tftp]
listen = []
[phones]
listen = ["127.0.0.1:{port}"]
[sip]
listen = []
[api]
listen = {pages}
[region]
role = "{role}"
name = "{name}"
endpoint = "http://127.0.0.1:{port}"
plain = true
allow = ["127.0.0.0/8"]
"""
TENANTS = ("aurora", "borealis")
RULE = "".join(f'\n[[region.rule]]\nby = "tenant"\nvalue = "{tenant}"\nregion = "{REGION}"\n' for tenant in TENANTS)
"""A device goes home once its customer is known, and not before."""
_FIRST_BOOT = """
[[tasks.database]]
name = "crm"
url = "sqlite:///{crm}"
read_only = true
[[tasks.database]]
name = "assets"
url = "sqlite:///{assets}"
[[tasks.template]]
id = "first-boot"
begins = "seen"
[[tasks.template.step]]
id = "crm"
do = "sql"
database = "crm"
statement = "SELECT customer, tenant FROM delivery WHERE device = :device"
params = {{ device = "{{device.name}}" }}
waiting_for = "the delivery of {{device.name}} in the CRM"
[[tasks.template.step]]
id = "asset"
do = "sql"
database = "assets"
statement = "SELECT number, class FROM asset WHERE device = :device"
params = {{ device = "{{device.name}}" }}
waiting_for = "{{device.name}} in the asset register"
[[tasks.template.step]]
id = "first-seen"
do = "sql"
database = "assets"
write = true
statement = "UPDATE asset SET first_seen = :at WHERE device = :device AND first_seen IS NULL"
params = {{ device = "{{device.name}}", at = "{{device.first_seen}}" }}
[[tasks.template.step]]
id = "customer"
do = "set"
tenant = "{{crm.tenant}}"
metadata = {{ customer = "{{crm.customer}}", asset = "{{asset.number}}", class = "{{asset.class}}" }}
"""


def say(text: str) -> None:
    """A line of the story."""
    click.secho(f"demo: {text}", fg="cyan")


@dataclass
class Customer:
    """The customer's two databases: who a device was sold to, and what it is in the register of assets."""

    crm: Path
    assets: Path

    def make(self) -> None:
        """Create the tables and fill them with as many devices as there are serials."""
        rows = [(f"{VENDOR}/{MODEL}/S{number:04d}", number) for number in range(1, SERIALS + 1)]
        with _database(self.crm) as crm, _database(self.assets) as assets:
            crm.execute("CREATE TABLE delivery (device TEXT PRIMARY KEY, customer TEXT, tenant TEXT)")
            assets.execute("CREATE TABLE asset (device TEXT PRIMARY KEY, number INT, class TEXT, first_seen TEXT)")
            crm.executemany(
                "INSERT INTO delivery VALUES (?, ?, ?)",
                [
                    (device, *(("Northern Lights", "borealis") if number % 2 else ("Dawn Ltd", "aurora")))
                    for device, number in rows
                ],
            )
            assets.executemany("INSERT INTO asset VALUES (?, ?, 'meter', NULL)", [(d, 4710 + n) for d, n in rows])

    def first_seen(self) -> str:
        """What is written back about the device, empty while there is nothing."""
        with _database(self.assets) as assets:
            found = assets.execute("SELECT first_seen FROM asset WHERE device = ?", (DEVICE,)).fetchone()
        return str(found[0] or "")


@contextmanager
def _database(file: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        yield connection


@dataclass
class Instance:
    """A daemon of the demonstration. ``heard`` are its lines so far."""

    name: str
    config: Path
    port: int
    process: asyncio.subprocess.Process
    heard: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    @property
    def url(self) -> str:
        """Where devices find it."""
        return f"http://127.0.0.1:{self.port}"

    async def do(self, operation: str, **params: object) -> Any:
        """An operation, as on its command line. Raises ProvdError."""
        return await asyncio.to_thread(call, str(self.config), operation, **params)

    async def listen(self) -> None:
        """Pass on what it tells."""
        async for line in lines_of(self.process):
            if of_the_story(line):
                click.echo(f"{self.name:>6}: {line}")
            self.heard.append(line)
            self.news.set()
        self.ended = True
        self.news.set()

    async def wait_for(self, *texts: str) -> str:
        """The first line that holds all of these. Raises ProvdError when none comes."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for line in self.heard:
                        if all(text in line for text in texts):
                            return line
                    if self.ended:
                        raise ProvdError(f"the {self.name} daemon has ended; its last lines are above")
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise ProvdError(
                f"the {self.name} daemon did not tell of {' '.join(texts)} within {PATIENCE:.0f} s"
            ) from None


@asynccontextmanager
async def instance(name: str, folder: Path, more: str, pages: Sequence[str] = ()) -> AsyncIterator[Instance]:
    """A daemon that is ready, and is ended whatever happens. Raises ProvdError."""
    home, port = folder / name, free_port()
    home.mkdir()
    config = home / "provd.toml"
    role = "regional" if name == REGION else "global"
    text = _CONFIG.format(state=home / "state", port=port, pages=json.dumps(list(pages)), role=role, name=name)
    config.write_text(text + more, encoding="utf-8")
    made = Instance(name, config, port, await started(provd("--config", str(config), "serve")))
    listening = asyncio.create_task(made.listen())
    try:
        await made.wait_for(" READY ")
        yield made
    finally:
        await end(made.process)
        await listening


def free_port() -> int:
    """A TCP port that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def first_boot(crm: Path, assets: Path) -> str:
    """The task that looks a device up in these two files."""
    return _FIRST_BOOT.format(crm=crm, assets=assets)


async def things(world: Instance, *more: str) -> AsyncGenerator[dict[str, Any], None]:
    """Switch a device on and hear what happens to it. Raises ProvdError when it does not get where it wants."""
    label = ("--vendor", VENDOR, "--model", MODEL, "--serial", SERIAL)
    process = await started(provd("simulate", "--thing", world.url, *label, "--events", "--tick", str(TICK), *more))
    try:
        async for line in lines_of(process):
            if line.startswith("{"):
                yield json.loads(line)
            else:
                click.echo(line)
        if await process.wait():
            raise ProvdError(f"{DEVICE} did not arrive; what it met is above")
    finally:
        await end(process)
