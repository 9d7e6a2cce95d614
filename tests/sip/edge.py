"""The SIP server on real sockets, with the use cases behind it simulated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from provd.app.dialing import Answer, Dial, KnownAccount, Outcome
from provd.app.tokens import TemporaryAccount
from provd.base.clock import Clock, SystemClock
from provd.base.facts import Fact
from provd.sip.server import SipServer
from tests.sip.stage import KEY, accounts


class Book:
    def find(self, username: str) -> KnownAccount | None:
        account = accounts().get(username)
        return account and KnownAccount(account.mac, TemporaryAccount(account.username, account.password))


@dataclass
class Desk:
    """Knows the code 1234."""

    dials: list[Dial] = field(default_factory=list)
    fails: bool = False
    gate: asyncio.Event | None = None

    async def dial(self, dial: Dial) -> Answer:
        self.dials.append(dial)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise RuntimeError("boom")
        good = dial.digits == "1234"
        return Answer(
            outcome=Outcome.ACCEPTED if good else Outcome.UNKNOWN, text="Line 101" if good else "No such code"
        )


@dataclass
class World:
    server: SipServer
    desk: Desk
    facts: list[Fact]
    knocks: list[str]

    @property
    def port(self) -> int:
        return self.server.addresses[0][1]

    def ids(self) -> list[str]:
        return [fact.ID for fact in self.facts]


@contextlib.asynccontextmanager
async def serving(clock: Clock | None = None, **more: object) -> AsyncIterator[World]:
    facts: list[Fact] = []
    knocks: list[str] = []
    desk = Desk()
    server = SipServer(
        Book(),
        desk,
        facts.append,
        clock or SystemClock(),
        key=KEY,
        registered=knocks.append,
        **{"listen": [("127.0.0.1", 0)], **more},
    )
    await server.start()
    try:
        yield World(server, desk, facts, knocks)
    finally:
        await server.close()
