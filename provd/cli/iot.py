"""The demonstration of devices that are not phones: imported, activated, looked up in two databases, and sent home.

Real daemons on loopback ports, real SQLite files as the customer's databases, and a simulated device. This process is
the operator: it imports, enables, looks, and tells what happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from provd.base.errors import ProvdError
from provd.cli.client import call
from provd.cli.processes import end, lines_of, provd, started

PATIENCE = 30.0
"""Seconds until a step of the story counts as failed."""
VENDOR, MODEL, SERIAL, SERIALS = "acme", "sensor-2", "S0001", 20
TICK = 0.1
"""Seconds that a second of the device's waiting takes: it asks again after one second instead of ten."""
DEVICE = f"{VENDOR}/{MODEL}/{SERIAL}"

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
{more}
"""
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
async def instance(name: str, folder: Path, port: int, more: str, pages: Sequence[str] = ()) -> AsyncIterator[Instance]:
    """A daemon that is ready, and is ended whatever happens. Raises ProvdError."""
    home = folder / name
    home.mkdir()
    config = home / "provd.toml"
    text = _CONFIG.format(state=home / "state", port=port, pages=json.dumps(list(pages)), more=more)
    config.write_text(text, encoding="utf-8")
    made = Instance(name, config, port, await started(provd("--config", str(config), "serve")))
    listening = asyncio.create_task(made.listen())
    try:
        await made.wait_for(" READY ")
        yield made
    finally:
        await end(made.process)
        await listening


def free_ports(count: int) -> list[int]:
    """So many TCP ports that nobody uses at this moment."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


class IotDemonstration:
    """One run. ``run`` gives the exit code."""

    def __init__(self, *, page_port: int, once: bool) -> None:
        self._page_port = page_port
        self._once = once
        self._summary: list[tuple[str, str]] = []

    def run(self) -> int:
        """Start everything, tell the story, take it down again. Raises ProvdError where the story breaks off."""
        with tempfile.TemporaryDirectory(prefix="provd-demo-") as folder:
            try:
                return asyncio.run(self._main(Path(folder)))
            except KeyboardInterrupt:
                return 0

    async def _main(self, folder: Path) -> int:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        story = asyncio.create_task(self._story(folder, stopped))
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait((story, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if not story.done():
                story.cancel()
            await asyncio.gather(story, return_exceptions=True)
        if not story.cancelled():
            story.result()
        return 0

    async def _story(self, folder: Path, stopped: asyncio.Event) -> None:
        customer = Customer(folder / "crm.db", folder / "assets.db")
        customer.make()
        say("the customer has a CRM and a register of assets: two SQLite files")
        (port,) = free_ports(1)
        first_boot = _FIRST_BOOT.format(crm=customer.crm, assets=customer.assets)
        pages = [f"127.0.0.1:{self._page_port}"]
        async with instance("global", folder, port, first_boot, pages) as world:
            say(f"the page is on http://{pages[0]}")
            await self._import(world)
            await self._activate(world)
            await self._looked_up(world, customer)
            self._sum_up()
            if not self._once:
                say("Ctrl-C ends the demonstration")
                await stopped.wait()

    async def _import(self, world: Instance) -> None:
        """What an operator does before the crates are opened."""
        for tenant in ("aurora", "borealis"):
            await world.do("tenant.add", id=tenant, name=tenant.title())
        await world.do("activation.model_add", vendor=VENDOR, model=MODEL)
        text = "sn\n" + "".join(f"S{number:04d}\n" for number in range(1, SERIALS + 1))
        result = await world.do("activation.serial_import", vendor=VENDOR, model=MODEL, csv=text)
        say(f"{result['added']} serials of {VENDOR}/{MODEL} are imported; nobody has any of them yet")
        self._note("serials imported", str(result["added"]))

    async def _activate(self, world: Instance) -> None:
        """The device is switched on before anybody has enabled it, and gets its key once somebody has."""
        enabled = False
        async with contextlib.aclosing(things(world, SERIAL, "--timeout", str(PATIENCE))) as events:
            async for event in events:
                match event["kind"]:
                    case "refused" if not enabled:
                        enabled = True
                        say(f"{DEVICE} asks for its key: {event['text']}, nobody has enabled it; it will ask again")
                        shown = await world.do("activation.enable", vendor=VENDOR, model=MODEL, sn=SERIAL)
                        say(f"the operator enables it; its window is open until {shown['until']}")
                    case "activated":
                        say(f"{DEVICE} has its key")
                    case "recognised":
                        say(f"{DEVICE} is recognised by its key")
                    case "complaint" | "failed":
                        raise ProvdError(f"{DEVICE} complains: {event['text']}")
        shown = await world.do("activation.show", vendor=VENDOR, model=MODEL, sn=SERIAL)
        if shown["state"] != "activated" or not shown["first_used"]:
            raise ProvdError(f"{DEVICE} is {shown['state']}, and was to be activated and to have shown its key")
        self._note("activated", f"{DEVICE} at {shown['activated']}")

    async def _looked_up(self, world: Instance, customer: Customer) -> None:
        """The task of its first boot has found it in both databases, and has written back."""
        await world.wait_for("TASK-DONE", SERIAL)
        device = await world.do("device.show", mac=DEVICE)
        known = (await world.do("task.metadata", mac=DEVICE))["metadata"]
        say(f"the CRM knows it: {known['customer']}, tenant {device['tenant']}; the register: asset {known['asset']}")
        seen = customer.first_seen()
        if seen != device["first_seen"] or not seen:
            raise ProvdError(f"the register says first seen {seen!r}, the device {device['first_seen']!r}")
        say(f"written back to the register: first seen {seen}")
        self._note("customer", f"{known['customer']} (tenant {device['tenant']}), asset {known['asset']}")
        self._note("first seen", f"{seen}, in the register too")

    def _note(self, title: str, text: str) -> None:
        self._summary.append((title, text))

    def _sum_up(self) -> None:
        width = max(len(title) for title, _ in self._summary)
        say("this is what has happened:")
        for title, text in self._summary:
            say(f"  {title:<{width}}  {text}")


async def things(world: Instance, serial: str, *more: str) -> AsyncGenerator[dict[str, Any], None]:
    """Switch a device on and hear what happens to it. Raises ProvdError when it does not get where it wants."""
    label = ("--vendor", VENDOR, "--model", MODEL, "--serial", serial)
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
