"""One address in every phone: a global instance, two regions, phones of both families that find home and follow."""

from __future__ import annotations

import asyncio
import itertools
import random
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from provd.base.clock import SystemClock
from provd.base.types import mac_text
from provd.cli.client import call
from provd.plugin.phone import Phone
from provd.simulate.link import RelayLink
from provd.simulate.session import PhoneEvent, live
from provd.simulate.wire import WireTransport
from tests.kit.instances import SECRET, Member
from tests.kit.patience import PATIENCE
from tests.kit.phones import make_phone
from tests.kit.ports import free_port

TABLE = '[[region.rule]]\nby = "table"\n'
RELAY = "127.21.0.1"


class Site(Member):
    """An instance; the global one is the DHCP server of all phones as well."""

    def __init__(self, name: str, folder: Path, *, dhcp: tuple[int, int] | None = None, **more: str) -> None:
        super().__init__(name, folder, **more)
        text = self.config.read_text().replace('secrets = "open"', 'secrets = "token"')
        text = text.replace(f'endpoint = "at {name}"', f'endpoint = "http://127.0.0.1:{self.port}"')
        if dhcp is not None:
            text = text.replace('secrets = "token"', 'secrets = "bound"').replace(
                'mode = "off"',
                f'mode = "full"\ninterfaces = ["127.0.0.1"]\nserver_port = {dhcp[0]}\nclient_port = {dhcp[1]}\n'
                '[[dhcp.subnet]]\nnetwork = "127.21.0.0/16"\npools = ["127.21.16.0-127.21.16.254"]\nprobe = false',
            )
        self.config.write_text(text)

    def do(self, operation: str, **params: object) -> Any:
        """An operation, as the command line asks for it."""
        return call(str(self.config), operation, **params)

    def meet(self, other: Site) -> None:
        """Know another one."""
        url = f"http://127.0.0.1:{other.port}"
        self.do("region.add", name=other.name, url=url, endpoint=url, secret=SECRET)

    def expect(self, mac: str, model: str, number: str) -> None:
        """Somebody has ordered this phone here: it is to have a line."""
        user = f"{self.name}{number}"
        self.do("line.add", id=number, tenant="office", number=number, username=user)
        self.do("device.add", mac=mac, model=model, tenant="office")
        self.do("device.assign", mac=mac, line=[number])

    def stands(self, mac: str) -> str:
        """How the phone stands here."""
        return str(self.do("region.device", device=mac_text(mac))["state"])

    def devices(self) -> list[str]:
        return [device["mac"] for device in self.do("device.list")["items"]]


class Crowd:
    """Simulated phones, and what they are registered as by now."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}
        self.complaints: list[str] = []
        self.story: list[str] = []
        self._news = asyncio.Event()

    def hear(self, event: PhoneEvent) -> None:
        self.story.append(f"{event.mac} {event.kind} {event.text}")
        if event.kind == "settled":
            self.users[event.mac] = event.accounts[0].username if event.accounts else ""
        elif event.kind == "complaint":
            self.complaints.append(f"{event.mac} {event.text}")
        self._news.set()

    async def until(self, done: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError("\n".join([str(self.users), *self.story[-60:]])) from None


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


async def test_phones_find_home_from_one_address_and_follow_when_it_moves(tmp_path: Path) -> None:
    ports = (free_port(), free_port())
    spa, yealink, lost = (
        make_phone("cisco_spa", "SPA504G", mac="0026990a0b01"),
        make_phone("yealink", "T27P", mac="0015650a0b02"),
        make_phone("yealink", "T23P", mac="0015650a0b03"),
    )
    world = Site("world", tmp_path / "world", role="global", rules=TABLE, dhcp=ports)
    north, south = Site("north", tmp_path / "north"), Site("south", tmp_path / "south")
    with ExitStack() as stack:
        for each in (world, north, south):
            stack.enter_context(each)
        for one, other in itertools.permutations((world, north, south), 2):
            one.meet(other)
        often = {"sip.server": "127.0.0.1", "resync.minutes": 3}
        for site in (north, south):
            site.do("tenant.add", id="office", name="Office", settings=often)
        north.expect(spa.mac, "SPA504G", "101")
        south.expect(yealink.mac, "T27P", "202")
        south.expect(spa.mac, "SPA504G", "201")
        homes = f"{mac_text(spa.mac)},north\n{mac_text(yealink.mac)},south\n"
        world.do("region.import", csv=homes)
        world.do("region.register", devices=[{"device_id": mac_text(phone.mac)} for phone in (spa, yealink)])
        await _lives([spa, yealink, lost], ports, (world, north, south))


async def _lives(phones: list[Phone], ports: tuple[int, int], sites: tuple[Site, Site, Site]) -> None:
    world, north, south = sites
    spa, yealink, lost = (phone.mac for phone in phones)
    crowd = Crowd()
    transport = WireTransport(RelayLink(RELAY, "127.0.0.1", server_port=ports[0]), random.Random(1), tick=0.02)
    transport.open()
    living = [asyncio.create_task(live(phone, transport, SystemClock(), crowd.hear)) for phone in phones]
    try:
        await crowd.until(lambda: crowd.users.get(spa) == "north101" and crowd.users.get(yealink) == "south202")
        await crowd.until(lambda: crowd.users.get(lost) == f"ap{lost}")
        for mac in (spa, yealink):
            await asyncio.to_thread(world.until, lambda mac=mac: world.stands(mac) == "GONE")
        assert await asyncio.to_thread(world.devices) == [mac_text(lost)], "the others are nobody's here"

        # To a stranger the global instance says where the phone is, and shows nothing that would open its file there.
        told = await asyncio.to_thread(read, f"http://127.0.0.1:{world.port}/{spa}.cfg")
        assert f"<Profile_Rule_C>http://127.0.0.1:{north.port}/$MA.cfg</Profile_Rule_C>" in told

        await asyncio.to_thread(world.do, "region.move", device=mac_text(spa), to="south")
        await crowd.until(lambda: crowd.users.get(spa) == "south201")
        await asyncio.to_thread(world.until, lambda: north.stands(spa) == "GONE")
        assert await asyncio.to_thread(north.devices) == [], "it has nothing here any more"
        left = await asyncio.to_thread(read, f"http://127.0.0.1:{north.port}/{spa}.cfg")
        assert (f"127.0.0.1:{south.port}/$MA.cfg" in left, "north101" in left) == (True, False)
        assert crowd.users[yealink] == "south202"
        assert crowd.complaints == []
    finally:
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
        transport.close()
