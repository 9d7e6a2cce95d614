"""The demonstration: a LAN of its own, the real daemon, and phones on which people dial their codes.

Three kinds of processes: ``provd serve`` at one end of the LAN, ``provd simulate`` for each vendor at the other, and
this one, which makes the codes, hands them out, and tells what happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from provd.base.errors import ProvdError
from provd.base.types import mac_text
from provd.cli.client import call
from provd.cli.processes import end, lines_of, of_the_story, provd, started
from provd.simulate.forward import Forward
from provd.simulate.lan import LOOPBACK, Lan, private_lan
from provd.simulate.load import phone_class

TENANTS = ("aurora", "borealis")
NAMES = ("Ada", "Björn", "Chloé", "Dmitri", "Eva & Co", "Fátima", "Grace", "Hanako", "Ivo", "Jürgen", "Kwame", "Lena")
TICK = 0.1
"""Seconds that a second of a phone's waiting takes: a poll every minute comes every six seconds."""

_CONFIG = """
[server]
state_dir = "{state}"
[dhcp]
mode = "full"
interfaces = ["{interface}"]
server_port = {dhcp_port}
client_port = {client_port}
[[dhcp.subnet]]
network = "{network}"
pools = ["{first}-{last}"]
routers = ["{server}"]
ntp = ["{server}"]
probe = false
[tftp]
listen = ["{server}:{tftp_port}"]
[phones]
listen = ["{server}:8667"]
[sip]
listen = ["{server}:{sip_port}"]
[api]
listen = ["127.0.0.1:{page_port}"]
[policy]
secrets = "bound"
"""


class Demonstration:
    """One run. ``run`` gives the exit code."""

    def __init__(self, *, phones: int, page_port: int, once: bool, loopback: bool) -> None:
        self._count = phones
        self._page_port = page_port
        self._once = once
        self._loopback = loopback or os.geteuid() != 0
        self._codes: list[tuple[str, str]] = []
        self._people: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._done: set[str] = set()
        self._slipped = False

    def run(self) -> int:
        """Build the LAN, run everything, take it down again."""
        with tempfile.TemporaryDirectory(prefix="provd-demo-") as folder, contextlib.ExitStack() as stack:
            lan = LOOPBACK if self._loopback else stack.enter_context(private_lan())
            config = Path(folder) / "provd.toml"
            config.write_text(self._config(lan, Path(folder)), encoding="utf-8")
            try:
                return asyncio.run(self._main(lan, config))
            except KeyboardInterrupt:
                return 0

    def _config(self, lan: Lan, folder: Path) -> str:
        first, last = lan.pool_first, lan.pool_last
        return _CONFIG.format(
            state=folder / "state",
            interface=lan.server_interface or lan.server_ip,
            dhcp_port=6767 if self._loopback else 67,
            client_port=6768 if self._loopback else 68,
            tftp_port=6969 if self._loopback else 69,
            sip_port=5066 if self._loopback else 5060,
            network=lan.network,
            first=first,
            last=last,
            server=lan.server_ip,
            page_port=self._page_port,
        )

    async def _main(self, lan: Lan, config: Path) -> int:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        daemon = await started(lan.at_server(*provd("--config", str(config), "serve")))
        relay = None
        try:
            await self._until_ready(daemon)
            story = loop.create_task(self._tell(daemon))
            if lan.server_namespace:
                relay = Forward("127.0.0.1", self._page_port, lan.server_namespace, ("127.0.0.1", self._page_port))
                await relay.open()
            self._say(f"the page is on http://127.0.0.1:{self._page_port}")
            self._prepare(str(config), lan)
            crowds = [loop.create_task(self._crowd(lan, config, *crowd)) for crowd in self._crowds(config)]
            stopped = loop.create_task(ended.wait())
            codes = loop.create_task(_all(crowds))
            await asyncio.wait((codes, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not codes.done():
                codes.cancel()
                return 0
            ok = not any(codes.result()) and len(self._done) == self._count
            self._say(f"{len(self._done)} of {self._count} phones are provisioned")
            if ok and not self._once:
                self._say("Ctrl-C ends the demonstration")
                await stopped
            story.cancel()
            return 0 if ok else 1
        finally:
            if relay is not None:
                await relay.close()
            await end(daemon)

    async def _until_ready(self, daemon: asyncio.subprocess.Process) -> None:
        async for line in lines_of(daemon):
            _pass_on(line)
            if " READY " in line:
                return
        raise ProvdError("the daemon did not start; its last lines are above")

    async def _tell(self, daemon: asyncio.subprocess.Process) -> None:
        async for line in lines_of(daemon):
            _pass_on(line)

    def _prepare(self, config: str, lan: Lan) -> None:
        """Two tenants with a line and a code for every phone, as an administrator would make them."""
        for tenant, language in zip(TENANTS, ("en", "fr"), strict=True):
            settings = {"sip.server": lan.server_ip, "locale.language": language, "time.zone": "Europe/Madrid"}
            call(config, "tenant.add", id=tenant, name=tenant.title(), settings=settings)
        for i in range(self._count):
            name = NAMES[i % len(NAMES)]
            number = str(100 + i)
            tenant = TENANTS[i % len(TENANTS)]
            call(config, "line.add", id=number, tenant=tenant, number=number, username=f"u{number}", display_name=name)
            code = str(call(config, "code.add", line=[number])["code"])
            self._codes.append((code, name))
            self._people[code] = name
        self._say(f"{self._count} lines of {' and '.join(map(str.title, TENANTS))}, and a code for each of them")

    def _handed_out(self, count: int) -> list[str]:
        """What the users of the next phones dial, one line for each. The very first one mistypes the last digit."""
        lines = [code for code, _ in self._codes[:count]]
        if not self._slipped:
            self._slipped = True
            code, name = self._codes[0]
            slip = code[:-1] + str((int(code[-1]) + 5) % 10)
            self._people.setdefault(slip, name)
            lines[0] = f"{slip} {code}"
        del self._codes[:count]
        return lines

    def _crowds(self, config: Path) -> list[tuple[str, str, int]]:
        """Vendor, models and number of phones, one at least: they are shared out among the plugins that have some to
        simulate."""
        from provd.cli.offline import catalogue

        plugins = catalogue(str(config))
        playable = [m for m in plugins.manifests if m.dhcp and phone_class(plugins.folder(m.id)) is not None]
        playable = playable[: self._count]
        share, rest = divmod(self._count, len(playable))
        return [
            (manifest.id, ",".join(manifest.showcase), share + (1 if i < rest else 0))
            for i, manifest in enumerate(playable)
        ]

    async def _crowd(self, lan: Lan, config: Path, vendor: str, models: str, count: int) -> int:
        where = (
            ("--interface", lan.phones_interface)
            if lan.phones_interface
            else ("--relay", lan.relay, "--server", lan.server_ip, "--server-port", "6767", "--client-port", "6768")
        )
        codes = config.with_name(f"{vendor}-codes.txt")
        codes.write_text("\n".join(self._handed_out(count)), encoding="utf-8")
        command = provd(
            *("--config", str(config), "simulate", "--vendor", vendor, "--model", models, "--count", str(count)),
            *("--dial", str(codes), "--claimed", "--events", "--spread", "1", "--tick", str(TICK), "--timeout", "600"),
            *where,
        )
        process = await started(lan.at_phones(*command))
        try:
            async for line in lines_of(process):
                if line.startswith("{"):
                    self._hear(json.loads(line))
                else:
                    click.echo(line, err=True)
            return await process.wait()
        finally:
            await end(process)

    def _hear(self, event: Mapping[str, Any]) -> None:
        """What the people in front of the phones see, do and hear."""
        mac, text, accounts = event["mac"], event["text"], event["accounts"]
        user = self._users.get(mac, "somebody")
        match event["kind"]:
            case "complaint":
                self._say(f"{mac_text(mac)} complains: {text}")
            case "registered":
                self._say(f"{mac_text(mac)} has registered {text} and waits for a code")
            case "unregistered":
                self._say(f"{mac_text(mac)} cannot register {text}")
            case "dialed":
                user = self._users[mac] = self._people.get(text, user)
                self._say(f"{user} dials {text} on {mac_text(mac)}")
            case "heard":
                self._say(f"{user} hears {text}")
            case "notified":
                self._say(f"{mac_text(mac)} is told to fetch its files (NOTIFY {text})")
            case "settled" if any(account.startswith("u") for account in accounts) and mac not in self._done:
                self._done.add(mac)
                self._say(f"{mac_text(mac)} is back as {accounts[0]}: {user} can talk")

    def _say(self, text: str) -> None:
        click.secho(f"demo: {text}", fg="cyan")


async def _all(tasks: Sequence[asyncio.Task[int]]) -> list[int]:
    return list(await asyncio.gather(*tasks))


def _pass_on(line: str) -> None:
    if of_the_story(line):
        click.echo(line)
