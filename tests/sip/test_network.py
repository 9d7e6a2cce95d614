"""Whole stories over a network that loses, doubles, delays and reorders: exactly once, and always an end."""

from __future__ import annotations

import pytest

from provd.sip.effects import Flow
from tests.sip.stage import GOOD, Heard, Network, Phone, Stage


class Caller:
    """A phone that registers, dials and hangs up when told to, repeating what RFC 3261 has it repeat."""

    def __init__(self, stage: Stage, network: Network, number: int) -> None:
        self.stage = stage
        self.network = network
        self.phone: Phone = stage.phone(number)
        self.pending: dict[str, tuple[bytes, float]] = {}
        self.registered = False
        self.refused = 0
        self.invite = b""
        self.acked = 0
        self.byes: set[str] = set()
        self.notifies: set[str] = set()

    def say(self, octets: bytes) -> None:
        self.network.post(lambda: self.stage.lines(self.stage.endpoint.handle(octets, self.phone.flow, self.stage.now)))

    def ask(self, octets: bytes) -> None:
        """Send and repeat until something final comes (timers A and E)."""
        branch = self._branch(octets.decode())
        self.pending[branch] = (octets, 0.5)
        self._repeat(branch)

    def _repeat(self, branch: str) -> None:
        if branch in self.pending:
            octets, interval = self.pending[branch]
            self.say(octets)
            self.pending[branch] = (octets, min(2 * interval, 4.0))
            self.network.later(interval, lambda: self._repeat(branch))

    @staticmethod
    def _branch(text: str) -> str:
        return text.partition("branch=")[2].partition(";")[0].partition("\r")[0]

    def hear(self, message: Heard) -> None:
        if message.method:
            seen = self.byes if message.method == "BYE" else self.notifies
            seen.add(message.get("call-id") + message.get("cseq"))
            self.say(self.phone.answer(message))
            return
        method = message.get("cseq").split()[1]
        asked = self.pending.get(self._branch(message.get("via")))
        if message.code < 200:
            return
        if method == "INVITE" and message.code == 200:
            self.acked += 1
            self.say(self.phone.ack(self.invite, message))
        elif method == "INVITE" and asked is not None:
            self.say(self.phone.ack_refusal(asked[0], message))
        if asked is None:
            return
        del self.pending[self._branch(message.get("via"))]
        if message.code == 401:
            self._again(method)
        elif method == "REGISTER":
            self.registered = message.code == 200
        elif message.code >= 300:
            self.refused = message.code

    def _again(self, method: str) -> None:
        if method == "REGISTER":
            self.ask(self.phone.register())
        else:
            self.dial()

    def dial(self) -> None:
        self.invite = self.phone.invite("1234", call="story")
        self.ask(self.invite)


@pytest.mark.parametrize("seed", range(40))
def test_a_code_is_redeemed_exactly_once_and_everything_ends(seed: int) -> None:
    stage = Stage()
    network = Network(stage, seed)
    callers = [Caller(stage, network, number) for number in (1, 2, 3)]
    by_host = {caller.phone.host: caller for caller in callers}
    told: set[int] = set()

    def hear(flow: Flow, message: Heard) -> None:
        by_host[flow.host].hear(message)
        act()

    def act() -> None:
        for effect in stage.redeems:
            if effect.call not in told:
                told.add(effect.call)
                network.later(0.05, lambda call=effect.call: stage.redeem(GOOD, call))
                network.later(4.0, lambda call=effect.call: stage.lines(stage.endpoint.played(call, stage.now)))

    for caller in callers:
        caller.ask(caller.phone.register())
    network.run(stage.now + 30, hear)
    assert all(caller.registered for caller in callers)
    for caller in callers:
        caller.dial()
    network.run(stage.now + 120, hear)
    redeemed = [effect.dialed.account.username for effect in stage.redeems]
    assert sorted(redeemed) == sorted(caller.phone.user for caller in callers)
    for caller in callers:
        stage.notify(caller.phone.user)
    network.run(stage.now + 60, hear)
    assert stage.endpoint.calls == 0
    assert stage.endpoint.idle
    assert not stage.endpoint._transactions
    assert [report.told for report in stage.reports] == ["accepted"] * 3
    assert all(len(caller.notifies) == 1 for caller in callers)
    assert all(caller.acked >= 1 for caller in callers)


@pytest.mark.parametrize("seed", range(5))
def test_when_nothing_of_ours_arrives_any_more_everything_still_ends(seed: int) -> None:
    stage = Stage()
    phones = [stage.registered(number) for number in range(1, 6)]
    for phone in phones:
        stage(phone.invite(), phone)
        stage.redeem(GOOD)
        stage.notify(phone.user)
    network = Network(stage, seed, loss=1.0)
    network.run(stage.now + 300, lambda _flow, _message: None)
    assert stage.endpoint.idle
    assert stage.endpoint.calls == 0
    assert [report.told for report in stage.reports] == ["silent"] * 5
    assert not stage.endpoint._transactions
    stage.wait(4000)
    assert stage.endpoint.registrations == 0
    assert stage.endpoint.deadline == float("inf")
    assert len(stage.endpoint._wire.timers) == 0
