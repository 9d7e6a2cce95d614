"""A house whose telephones work: the real SIP endpoint and the real redeeming of codes, in memory.

with SipHouse() as house:
    plugged = house.boots(house.phone("yealink", "T27P"))
    code = house.code("101")
    assert plugged.dial(code) == "200 OK"
    plugged.live()                       # NOTIFY, the files again, its user's account
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from provd.app.codes.office import Office
from provd.app.codes.terms import Terms
from provd.app.ports import Put
from provd.app.resyncing import Order
from provd.app.tokens import ACCOUNT_PREFIX
from provd.domain.records import Device
from provd.simulate.memory import Peer
from provd.sip.effects import Account, Effect, Emit, Flow, OpenMedia, Play, Redeem, Report, Send
from provd.sip.endpoint import Endpoint, SipSettings
from provd.sip.server import dial_of
from provd.sip.verdict import verdict_of
from tests.e2e.world import KEY, House

MEDIA_PORT = 16384


class Exchange:
    """The SIP endpoint, performed on the spot: audio has no length, and a code is redeemed before the next datagram."""

    def __init__(self, house: SipHouse) -> None:
        self._house = house
        self.office = Office(
            station=house.boot.station, key=KEY, terms=Terms(), clock=house.clock, emit=house.facts.append
        )
        self.office.desk.resync = self
        numbers = iter(range(1, 1_000_000))
        self.endpoint = Endpoint(SipSettings(), self._find, KEY, lambda count: next(numbers).to_bytes(count, "big"))
        self.played: list[str] = []
        """The prompts that callers heard."""
        self.reports: list[str] = []
        """What phones made of NOTIFYs."""
        self._effects: deque[Effect] = deque()
        self._busy = False

    @property
    def deadline(self) -> float:
        due = self.endpoint.deadline
        return due - self._house.start if due < math.inf else math.inf

    def receive(self, octets: bytes, source: Peer, to: Peer) -> None:
        flow = Flow("udp", source[0], source[1], to[0], to[1])
        self._perform(self.endpoint.handle(octets, flow, self._now()))

    def wake(self) -> None:
        self._perform(self.endpoint.expire(self._now()))

    def wanted(self, device: Device, _reason: str) -> None:
        """The way of the daemon's resync that leads over the registration."""
        manifest = self._house.boot.station.knowledge.manifest(device.plugin)
        assert manifest is not None
        assert manifest.resync is not None
        order = Order(event=manifest.resync.event, body=manifest.resync.body)
        told = self.endpoint.notify(1, ACCOUNT_PREFIX + device.mac, order.event, self._now(), body=order.body)
        self._perform(told)

    def _now(self) -> float:
        self._house.clock.run_until(self._house.start + self._house.lan.now)
        return self._house.clock.now()

    def _find(self, username: str) -> Account | None:
        known = self.office.accounts.find(username)
        return None if known is None else Account(known.account.username, known.account.password, known.mac)

    def _perform(self, effects: list[Effect]) -> None:
        self._effects += effects
        if self._busy:
            return
        self._busy = True
        while self._effects:
            self._one(self._effects.popleft())
        self._busy = False

    def _one(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._house.lan.deliver(effect.octets, effect.flow.source)
            case Emit():
                self._house.facts.append(effect.fact)
            case Redeem():
                answer = self._house.loop.run_until_complete(self._redeemed(effect))
                self._perform(self.endpoint.redeemed(effect.call, verdict_of(answer), self._now()))
            case OpenMedia():
                self._perform(self.endpoint.opened(effect.call, MEDIA_PORT, self._now()))
            case Play():
                self.played.append(effect.prompt)
                self._perform(self.endpoint.played(effect.call, self._now()))
            case Report():
                self.reports.append(f"{effect.told.value} {effect.detail}".strip())

    async def _redeemed(self, effect: Redeem) -> Any:
        return await self.office.desk.dial(dial_of(effect.dialed))


class SipHouse(House):
    """A house with an exchange."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.exchange = Exchange(self)
        self.lan.sip = self.exchange

    def code(self, line: str, **terms: Any) -> str:
        """A new code for that line."""
        found = self.fleet.tables.line(line)
        assert found is not None
        (code,) = self.exchange.office.issue(
            [found], by="test", uses=terms.get("uses", 1), life=terms.get("life", 86400.0)
        )
        self.fleet.keep(Put(code))
        return code.code.reveal()
