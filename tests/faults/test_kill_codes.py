"""kill -9 while codes are dialed: who heard "accepted" has the line, no code is used twice, and everybody is told."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from provd.base.clock import SystemClock
from provd.domain.records import Code, Device, PendingResync, Redemption
from provd.storage.store import Store
from tests.daemon.test_telling import site
from tests.kit.codes import dial, furnish, mac_of
from tests.kit.daemon import Daemon
from tests.kit.ports import free_port

pytestmark = pytest.mark.fault

PHONES, KILLS = 160, 6


async def rush(agi: int, wanted: dict[int, list[str]], accepted: dict[int, str]) -> None:
    """Every phone that has no line yet tries its codes, in turn, until one is good or the daemon is gone."""

    async def one(number: int) -> None:
        for digits in wanted[number]:
            outcome = await dial(agi, number, digits)
            if outcome == "accepted":
                accepted[number] = digits
            if outcome in {"accepted", ""}:
                return

    await asyncio.gather(*(one(number) for number in wanted if number not in accepted))


def test_no_code_is_lost_or_used_twice_when_the_daemon_is_killed(tmp_path: Path) -> None:
    agi, chance = free_port(), random.Random(7)
    sections = (
        '[codes]\ndelay = "0s"\ntries = 100\nsite_tries = 100000\n'
        f'[sip]\nlisten = []\nagi_listen = ["127.0.0.1:{agi}"]\n'
    )
    config, _ = site(tmp_path / "state", sections)
    daemon = Daemon(config, tmp_path)
    codes = furnish(daemon.config, PHONES)
    # Two phones dial each code, one of them first.
    wanted = {
        number: [codes[number // 2 * 2], codes[number // 2 * 2 + 1]][:: 1 if number % 2 else -1]
        for number in range(PHONES)
    }
    accepted: dict[int, str] = {}
    try:
        for _ in range(KILLS):
            daemon.start()

            async def until_killed() -> None:
                rushing = asyncio.ensure_future(rush(agi, wanted, accepted))
                await asyncio.wait({rushing}, timeout=chance.uniform(0.02, 0.25))
                daemon.kill()
                await rushing

            asyncio.run(until_killed())
        daemon.start()
        asyncio.run(rush(agi, wanted, accepted))
    finally:
        daemon.kill()
    assert 0 < len(accepted) <= PHONES
    store = Store.open("sqlite", tmp_path / "state", SystemClock(), lambda _fact: None)
    devices = {device.mac: device for device in store.load(Device)}
    uses = store.load(Redemption)
    told = {note.mac for note in store.load(PendingResync)}
    used = {code.id: code for code in store.load(Code)}
    audited = [entry.object for entry in store.audit(kind="device", limit=10_000)]
    store.close()
    assert len({use.code for use in uses}) == len(uses), "no code twice"
    assert all(
        (code.uses, code.used) == ((0, 1) if any(use.code == key for use in uses) else (1, 0))
        for key, code in used.items()
    )
    holders = {use.mac for use in uses}
    assert {mac for mac, device in devices.items() if device.lines} == holders
    assert all(devices[mac_of(number)].lines for number in accepted), "what was answered was on disk"
    assert holders <= told, "nobody of them has fetched its file: everybody is still to be told"
    assert sorted(audited) == sorted(holders)
