"""A whole DHCP server for one interface of a network namespace; facts go to stdout, leases nowhere.

python -m tests.dhcp.lan_server INTERFACE
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from provd.app.ports import Change, Done
from provd.base.clock import SystemClock
from provd.base.facts import Fact, text_of
from provd.base.types import ip_int
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.server import DhcpServer
from provd.dhcp.subnet import DhcpSettings, Mode, Subnet
from tests.dhcp.playbook import Switchboard


class Instantly:
    """A journal that forgets at once."""

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        del changes
        if done is not None:
            done(None)


def tell(fact: Fact) -> None:
    print(text_of(fact), flush=True)


async def main(interface: str) -> None:
    network = ip_int("10.77.0.0")
    pools = ((network + 16, network + 99),)
    subnet = Subnet(
        name="lan", network=network, prefixlen=24, pools=pools, routers=(network + 1,), domain="lan.example"
    )
    settings = DhcpSettings(mode=Mode.FULL, interfaces=(interface,), subnets=(subnet,))
    clock = SystemClock()
    server = DhcpServer(settings, DhcpEngine(settings, Switchboard(), now=clock.now()), Instantly(), tell, clock)
    server.open()
    print("READY", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
