"""A daemon whose database was furnished beforehand, and PBXs that hand it what was dialed."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from provd.app.ports import Put
from provd.base.clock import SystemClock
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.config.load import load
from provd.daemon.core import Core
from provd.domain.records import Device, DeviceState, Line, Tenant
from tests.kit.agi import AgiCall
from tests.kit.patience import PATIENCE


def mac_of(number: int) -> Mac:
    """The phone of that number."""
    return Mac(f"02aaaa{number:06x}")


def furnish(config: Path, phones: int) -> list[str]:
    """So many unclaimed phones, a line for each, and a code for each line, put into the database; the codes."""

    def deaf(_fact: Fact) -> None:
        """Nobody listens."""

    async def run() -> list[str]:
        core = Core(load(config), SystemClock(), deaf)
        lines = [
            Line(id=f"n{number}", tenant="north", username=f"u{number}", password=Secret("s"), server="pbx")
            for number in range(phones)
        ]
        devices = [
            Device(
                mac=mac_of(number),
                plugin="acme",
                vendor="Acme",
                model="A1",
                state=DeviceState.UNCLAIMED,
                first_seen=1.0,
            )
            for number in range(phones)
        ]
        await core.fleet.change(lambda: [Put(each) for each in (Tenant(id="north", name="North"), *lines, *devices)])
        codes = core.codes.issue(lines, by="test", uses=None, life=None)
        await core.fleet.change(lambda: [Put(code) for code in codes])
        await core.close()
        return [code.code.reveal() for code in codes]

    return asyncio.run(run())


async def dial(port: int, number: int, digits: str) -> str:
    """What became of these digits on the phone of that number, empty when the daemon did not say."""
    call = AgiCall(arguments=(digits,), channel=f"PJSIP/ap{mac_of(number)}-0000002a")
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await asyncio.wait_for(call.run("127.0.0.1", port), PATIENCE)
    return call.variables.get("PROVD_RESULT", "")
