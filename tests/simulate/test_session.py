"""A phone with a line and a person in front of it, in a time that passes by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import pytest

from provd.plugin.phone import (
    Account,
    Dhcp,
    Failed,
    Fetch,
    Fetched,
    LeaseGot,
    NotFound,
    Notified,
    Notify,
    Phone,
    Reaction,
    Report,
    Settled,
    Wait,
)
from provd.simulate.session import Heard, PhoneEvent, live
from tests.kit.clock import FakeClock
from tests.kit.loop import VirtualLoop, in_virtual_time
from tests.kit.phones import make_phone

MAC = "805ec0112233"


class FakeLine:
    """What is called here is answered from a table; the right code changes the files and sends a NOTIFY."""

    def __init__(self, world: World, accounts: Sequence[Account], tell: Callable[[str, str], None]) -> None:
        self.world = world
        self.accounts = accounts
        self.tell = tell
        self.closed = False
        self.busy = 0

    async def registered(self) -> None:
        await asyncio.sleep(0.1)
        self.tell("registered", self.accounts[0].username)

    async def call(self, user: str) -> Heard:
        await asyncio.sleep(3)
        if user == "1234":
            self.world.claimed = True
            asyncio.get_running_loop().call_later(1, self.world.obeyed, "check-sync")
            return Heard(200, "Welcome", 54, "accepted")
        self.busy += 1
        return Heard(486, "Busy Here") if self.busy == 1 else Heard(200, "OK", 64, "wrong")

    def close(self) -> None:
        self.closed = True


class World:
    """The transport of one phone."""

    def __init__(self) -> None:
        self.claimed = False
        self.asked: list[str] = []
        self.lines: list[FakeLine] = []
        self.obeyed: Callable[[str], None] = lambda _event: None

    async def dhcp(self, _mac: str, _step: Dhcp) -> LeaseGot | Failed:
        return LeaseGot("10.20.16.5", {66: b"http://10.20.0.1"}, "10.20.0.1")

    async def fetch(self, _ip: str, step: Fetch) -> Fetched | NotFound | Failed:
        name = step.url.rpartition("/")[2]
        self.asked.append(name)
        if name != f"{MAC}.cfg":
            return NotFound()
        user = "u100" if self.claimed else f"ap{MAC}"
        values = {"enable": 1, "user_name": user, "sip_server.1.address": "10.20.0.1"}
        lines = "".join(f"account.1.{key} = {value}\n" for key, value in values.items())
        return Fetched(f"#!version:1.0.0.1\n{lines}sip.notify_reboot_enable = 0\n".encode())

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def telephone(
        self,
        _phone: Phone,
        _ip: str,
        accounts: Sequence[Account],
        tell: Callable[[str, str], None],
        obeyed: Callable[[str], None],
    ) -> FakeLine:
        self.obeyed = obeyed
        self.lines.append(FakeLine(self, accounts, tell))
        return self.lines[-1]


def lives(world: World, codes: Sequence[str], *, seconds: float = 60) -> list[str]:
    async def life(_loop: VirtualLoop) -> list[str]:
        told: list[str] = []

        def tell(event: PhoneEvent) -> None:
            if event.kind not in {"missing", "wait", "start"}:
                told.append(f"{event.kind} {event.text}")

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await live(make_phone("yealink", "T27P", mac=MAC), world, FakeClock(), tell, codes=codes)
        return told

    return in_virtual_time(life)


def test_the_user_dials_until_it_works_and_the_phone_comes_back_with_the_account() -> None:
    world = World()
    told = lives(world, ["9999", "1234", "5555"])
    assert [line for line in told if not line.startswith(("file", "report applied"))] == [
        "address 10.20.16.5",
        f"settled ap{MAC}",
        f"registered ap{MAC}",
        "dialed 9999",
        "heard 486 Busy Here",
        "heard wrong (200 OK, 64 packets of audio)",
        "dialed 1234",
        "heard accepted (200 Welcome, 54 packets of audio)",
        "report fetches its files again: NOTIFY check-sync",
        "settled u100",
    ]
    assert [line.closed for line in world.lines] == [True, True], "the other account, and the plug"
    assert world.asked.count(f"{MAC}.cfg") == 2


def test_nobody_dials_a_code_on_an_account_of_ones_own() -> None:
    world = World()
    world.claimed = True
    told = lives(world, ["1234"])
    assert "settled u100" in told
    assert not [line for line in told if line.startswith("dialed")]


def test_a_notify_that_comes_while_the_phone_is_busy_is_not_forgotten() -> None:
    world = World()
    fetch = world.fetch

    async def slowly(ip: str, step: Fetch) -> Fetched | NotFound | Failed:
        if world.lines and len(world.asked) == 4:
            world.obeyed("check-sync;reboot=true")
        return await fetch(ip, step)

    world.fetch = slowly  # type: ignore[method-assign]

    async def life(_loop: VirtualLoop) -> None:
        told: list[str] = []
        task = asyncio.ensure_future(
            live(make_phone("yealink", "T27P", mac=MAC), world, FakeClock(), lambda event: told.append(event.text))
        )
        await asyncio.sleep(1)
        world.obeyed("check-sync")
        await asyncio.sleep(1)
        task.cancel()
        assert "restart: NOTIFY check-sync;reboot=true" in told
        assert told.count("10.20.16.5") == 2, "it asked for its address again"

    in_virtual_time(life)


def yealink(**settings: str) -> Phone:
    phone = make_phone("yealink", "T27P")
    phone.settings.update(settings)
    return phone


def spa(**settings: str) -> Phone:
    phone = make_phone("cisco_spa", "SPA504G")
    phone.settings.update(settings)
    return phone


HOME = "10.20.0.1"


@pytest.mark.parametrize(
    ("phone", "notify", "reaction"),
    [
        (yealink(), Notify(1, "check-sync", HOME, HOME), Reaction(200, obeys=True)),
        (yealink(), Notify(1, "Check-Sync; reboot=false", HOME, HOME), Reaction(200, obeys=True)),
        (yealink(), Notify(1, "resync", HOME, HOME), Reaction(489)),
        (yealink(**{"sip.notify_reboot_enable": "2"}), Notify(1, "check-sync", HOME, HOME), Reaction(200)),
        (yealink(**{"sip.trust_ctrl": "1"}), Notify(1, "check-sync", HOME, HOME), Reaction(200, obeys=True)),
        (yealink(**{"sip.trust_ctrl": "1"}), Notify(1, "check-sync", "10.20.9.9", HOME), Reaction(0)),
        (yealink(**{"account.1.sip_trust_ctrl": "1"}), Notify(1, "check-sync", "10.20.9.9", HOME), Reaction(0)),
        (
            yealink(**{"account.2.sip_trust_ctrl": "1"}),
            Notify(1, "check-sync", "10.9.9.9", HOME),
            Reaction(200, obeys=True),
        ),
        (spa(), Notify(1, "check-sync", HOME, HOME), Reaction(401)),
        (spa(), Notify(1, "check-sync", HOME, HOME, authenticated=True), Reaction(200, obeys=True)),
        (spa(**{"Auth_Resync-Reboot_1_": "No"}), Notify(1, "resync", HOME, HOME), Reaction(200, obeys=True)),
        (spa(**{"Auth_Resync-Reboot_2_": "No"}), Notify(1, "resync", HOME, HOME), Reaction(401)),
        (
            spa(**{"Auth_Resync-Reboot_1_": "No", "Resync_From_SIP": "No"}),
            Notify(1, "resync", HOME, HOME),
            Reaction(200),
        ),
        (spa(), Notify(1, "message-summary", HOME, HOME), Reaction(489)),
    ],
)
def test_what_each_vendor_makes_of_a_notify(phone: Phone, notify: Notify, reaction: Reaction) -> None:
    assert phone.notified(notify) == reaction


def test_names_in_sip_carry_no_mac() -> None:
    assert yealink().sip_user_agent == "Yealink SIP-T27P 45.83.0.35"
    assert spa().sip_user_agent == "Cisco/SPA504G-7.5.5"


def test_a_spa_that_is_told_to_reboot_starts_over() -> None:
    phone = make_phone("cisco_spa", "SPA504G")
    script = phone.run()
    script.send(None)
    script.send(None)  # network start-up, DHCP
    lease = LeaseGot("10.20.16.5", {66: b"http://10.20.0.1/spa$PSN.cfg"}, HOME)
    script.send(lease)  # random delay
    script.send(None)  # the file
    assert isinstance(script.send(Fetched(b"<flat-profile></flat-profile>")), Settled)
    pause = script.send(None)
    assert isinstance(pause, Wait)
    assert pause.wakes
    assert script.send(Notified("check-sync")) == Report("NOTIFY check-sync")
    assert isinstance(script.send(None), Fetch)
    script.send(Fetched(b"<flat-profile></flat-profile>"))
    script.send(None)
    assert script.send(Notified("reboot_now")) == Report("NOTIFY reboot_now")
    assert script.send(None) == Wait(3, "network start-up")
