"""The demonstration of devices that are not phones: imported, activated, looked up in two databases, and sent home.

Real daemons on loopback ports, real SQLite files as the customer's databases, and a simulated device. This process is
the operator: it imports, enables, looks, and tells what happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import tempfile
from pathlib import Path

from provd.base.errors import ProvdError
from provd.cli.iot_parts import (
    DEVICE,
    MODEL,
    PATIENCE,
    REGION,
    RULE,
    SAID,
    SERIAL,
    SERIALS,
    TENANTS,
    VENDOR,
    Customer,
    Instance,
    first_boot,
    instance,
    say,
    things,
)


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
        pages = [f"127.0.0.1:{self._page_port}"]
        async with (
            instance("global", folder, RULE + first_boot(customer.crm, customer.assets), pages) as world,
            instance(REGION, folder, "") as region,
        ):
            say(f"the page is on http://{pages[0]}")
            await self._acquaint(world, region)
            await self._import(world)
            await self._live(world, customer)
            await self._at_home(world, region)
            self._sum_up()
            if not self._once:
                say("Ctrl-C ends the demonstration")
                await stopped.wait()

    async def _import(self, world: Instance) -> None:
        """What an operator does before the crates are opened."""
        await world.do("activation.model_add", vendor=VENDOR, model=MODEL)
        text = "sn\n" + "".join(f"S{number:04d}\n" for number in range(1, SERIALS + 1))
        result = await world.do("activation.serial_import", vendor=VENDOR, model=MODEL, csv=text)
        say(f"{result['added']} serials of {VENDOR}/{MODEL} are imported; nobody has any of them yet")
        self._note("serials imported", str(result["added"]))

    async def _acquaint(self, world: Instance, region: Instance) -> None:
        """The two instances know each other by a secret that they share, and have the same tenants."""
        secret = secrets.token_hex(16)
        for one, other in ((world, region), (region, world)):
            await one.do("region.add", name=other.name, url=other.url, endpoint=other.url, secret=secret)
        for tenant in TENANTS:
            for each in (world, region):
                await each.do("tenant.add", id=tenant, name=tenant.title())
        say(f"there are two instances: global at {world.url}, and {REGION} at {region.url}, the home of every device")

    async def _live(self, world: Instance, customer: Customer) -> None:
        """The device is switched on before anybody has enabled it, gets its key once somebody has, and goes home."""
        recognised = False
        async with contextlib.aclosing(things(world, "--travels", "--timeout", str(PATIENCE))) as events:
            async for event in events:
                kind, text = event["kind"], event["text"]
                if kind in {"complaint", "failed"}:
                    raise ProvdError(f"{DEVICE} complains: {text}")
                say(f"{DEVICE} {SAID[kind].format(text)}")
                if kind == "refused":
                    shown = await world.do("activation.enable", vendor=VENDOR, model=MODEL, sn=SERIAL)
                    say(f"the operator enables it; its window is open until {shown['until']}")
                elif kind == "recognised" and not recognised:
                    recognised = True
                    await self._activated(world)
                    await self._looked_up(world, customer)

    async def _activated(self, world: Instance) -> None:
        await world.wait_for("THING-KEY-USED", SERIAL)
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

    async def _at_home(self, world: Instance, region: Instance) -> None:
        """The global instance has forgotten it but for its home; the region serves it."""
        await world.wait_for("DEVICE-REHOMED", DEVICE)
        there = await region.do("region.device", device=DEVICE)
        stone = await world.do("region.device", device=DEVICE)
        if (stone["state"], stone["region"]) != ("GONE", REGION) or not there["served"]:
            raise ProvdError(f"{DEVICE} is {stone['state']} at global and {there['state']} at {REGION}")
        device = await region.do("device.show", mac=DEVICE)
        self._note("home", f"{REGION}: {there['state']}, epoch {there['epoch']}, tenant {device['tenant']}")
        self._note("at global", f"{stone['state']}: only where it is is known, {stone['region']}")

    def _note(self, title: str, text: str) -> None:
        self._summary.append((title, text))

    def _sum_up(self) -> None:
        width = max(len(title) for title, _ in self._summary)
        say("this is what has happened:")
        for title, text in self._summary:
            say(f"  {title:<{width}}  {text}")
