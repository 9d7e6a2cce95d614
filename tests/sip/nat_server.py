"""A SIP server for a namespace: when so many phones have registered, each is told, and what came of it is printed."""

from __future__ import annotations

import asyncio
import json
import sys

from provd.app.resyncing import Order
from provd.domain.records import Device
from tests.sip.edge import serving
from tests.sip.stage import accounts


async def main(host: str, phones: int) -> None:
    async with serving(listen=[(host, 5060)]) as world:
        print("ready", flush=True)
        while len(set(world.knocks)) < phones:  # noqa: ASYNC110 - it is the registrations that are waited for
            await asyncio.sleep(0.01)
        told = {}
        for account in list(accounts())[:phones]:
            flow = world.server.flow_of(account)
            assert flow is not None
            answer = await world.server.tell(Device(mac=accounts()[account].mac), Order(event="check-sync"))
            told[account] = [answer.heard, flow.host, flow.port, flow.contact]
        print(json.dumps(told), flush=True)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
