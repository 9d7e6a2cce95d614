"""The machines of RFC 3261 section 17, timer by timer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from provd.sip.effects import Flow
from provd.sip.message import Request, Response, parse
from provd.sip.timers import T1, Timers
from provd.sip.transaction import ClientTransaction, ServerTransaction, server_key
from tests.sip.stage import Phone

UDP = Flow("udp", "10.20.16.1", 5060, "10.20.0.1", 5060)
TCP = replace(UDP, transport="tcp", connection=1)
PHONE = Phone(1)


class Bench:
    def __init__(self) -> None:
        self.timers = Timers()
        self.now = 0.0
        self.sent: list[tuple[float, bytes]] = []
        self.gone: list[float] = []

    def send(self, _flow: Flow, octets: bytes) -> None:
        self.sent.append((self.now, octets))

    def wait(self, seconds: float) -> list[float]:
        """When something was sent meanwhile."""
        self.sent.clear()
        until = self.now + seconds
        while self.timers.deadline <= until:
            self.now = self.timers.deadline
            self.timers.expire(self.now)
        self.now = until
        return [at for at, _ in self.sent]

    def server(self, octets: bytes, flow: Flow = UDP) -> ServerTransaction:
        request = parse(octets)
        assert isinstance(request, Request)
        transaction = ServerTransaction(server_key(request), request, flow, self.timers, self.send)
        transaction.gone = lambda _: self.gone.append(self.now)
        return transaction

    def client(self, flow: Flow = UDP) -> tuple[ClientTransaction, list[Response | None]]:
        transaction = ClientTransaction("z9hG4bK1", "NOTIFY", b"NOTIFY", flow, self.timers, self.send)
        transaction.gone = lambda _: self.gone.append(self.now)
        done: list[Response | None] = []
        transaction.start(self.now, lambda response, _now: done.append(response))
        return transaction, done


def reply(code: int) -> Response:
    octets = PHONE.register().replace(b"REGISTER sip:10.20.0.1 SIP/2.0", b"SIP/2.0 %d X" % code)
    response = parse(octets)
    assert isinstance(response, Response)
    return response


def test_timer_j() -> None:
    bench = Bench()
    transaction = bench.server(PHONE.register())
    transaction.repeated()
    assert bench.sent == []
    transaction.respond(200, b"OK", 0.0)
    transaction.repeated()
    assert [octets for _, octets in bench.sent] == [b"OK", b"OK"]
    transaction.respond(500, b"NO", 0.0)
    assert bench.wait(31.9) == []
    assert bench.gone == []
    bench.wait(0.2)
    assert bench.gone == [32.0]


def test_without_timer_j_over_tcp() -> None:
    bench = Bench()
    bench.server(PHONE.register(), TCP).respond(200, b"OK", 0.0)
    assert bench.gone == [0.0]


def test_timers_g_and_h() -> None:
    bench = Bench()
    bench.server(PHONE.invite()).respond(404, b"NO", 0.0)
    assert bench.wait(31.9) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    bench.wait(0.2)
    assert bench.gone == [32.0]
    assert bench.wait(100) == []


def test_timer_h_without_g_over_tcp() -> None:
    bench = Bench()
    bench.server(PHONE.invite(), TCP).respond(404, b"NO", 0.0)
    assert bench.wait(40) == []
    assert bench.gone == [32.0]


@pytest.mark.parametrize(("flow", "after"), [(UDP, 5.0), (TCP, 0.0)])
def test_timer_i(flow: Flow, after: float) -> None:
    bench = Bench()
    transaction = bench.server(PHONE.invite(), flow)
    transaction.respond(404, b"NO", 0.0)
    bench.wait(1)
    transaction.acknowledged(bench.now)
    transaction.acknowledged(bench.now)
    transaction.repeated()
    assert bench.wait(20) == []
    assert bench.gone[0] == 1.0 + after


def test_timer_l_absorbs_repeated_invites_after_a_2xx() -> None:
    """RFC 6026: the call repeats its 200, the transaction only keeps the INVITE from being a new one."""
    bench = Bench()
    transaction = bench.server(PHONE.invite())
    transaction.respond(100, b"TRY", 0.0)
    transaction.repeated()
    transaction.respond(200, b"OK", 0.0)
    transaction.repeated()
    assert [octets for _, octets in bench.sent] == [b"TRY", b"TRY", b"OK"]
    transaction.acknowledged(0.0)
    assert bench.wait(31.9) == []
    assert bench.gone == []
    bench.wait(1)
    assert bench.gone == [32.0]


def test_timers_e_and_f() -> None:
    bench = Bench()
    transaction, done = bench.client()
    assert bench.wait(40) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert done == [None]
    assert bench.gone == [32.0]
    assert transaction.sent == 11


def test_timer_f_alone_over_tcp() -> None:
    bench = Bench()
    _, done = bench.client(TCP)
    assert bench.wait(40) == []
    assert done == [None]


@pytest.mark.parametrize(("flow", "after"), [(UDP, 5.0), (TCP, 0.0)])
def test_timer_k(flow: Flow, after: float) -> None:
    bench = Bench()
    transaction, done = bench.client(flow)
    bench.wait(0.7)
    transaction.receive(reply(200), bench.now)
    transaction.receive(reply(200), bench.now)
    assert bench.wait(40) == []
    assert len(done) == 1
    assert bench.gone == [0.7 + after]


def test_a_provisional_answer_makes_e_t2() -> None:
    bench = Bench()
    transaction, done = bench.client()
    transaction.receive(reply(183), 0.0)
    assert bench.wait(13) == [0.5, 4.5, 8.5, 12.5]
    assert done == []


def test_an_abandoned_request_is_done_once() -> None:
    bench = Bench()
    transaction, done = bench.client(TCP)
    transaction.abandon(1.0)
    transaction.abandon(1.0)
    bench.wait(100)
    assert done == [None]


def test_what_belongs_together() -> None:
    invite = PHONE.invite()

    def key(octets: bytes) -> tuple[str, ...]:
        request = parse(octets)
        assert isinstance(request, Request)
        return server_key(request)

    assert key(invite) == key(PHONE.cancel(invite))
    assert key(invite) == key(invite.replace(b"INVITE sip", b"ACK sip").replace(b" INVITE\r\n", b" ACK\r\n"))
    assert key(invite) != key(PHONE.invite())
    assert key(invite) != key(invite.replace(b"UDP 10.20.16.1", b"UDP 10.20.16.2"))
    assert key(PHONE.register(branch="z9hG4bKx")) != key(PHONE.request("OPTIONS", "sip:h", branch="z9hG4bKx"))


def test_what_belongs_together_as_of_rfc_2543() -> None:
    old = Phone(1, rport=False)
    octets = old.register(cseq=7).replace(b"branch=z9hG4bK", b"branch=")

    def key(octets: bytes) -> tuple[str, ...]:
        request = parse(octets)
        assert isinstance(request, Request)
        return server_key(request)

    assert key(octets) == key(octets)
    assert key(octets) != key(octets.replace(b"CSeq: 7", b"CSeq: 8"))
    assert key(octets) != key(octets.replace(b"Call-ID: reg", b"Call-ID: gre"))


def test_timers_fire_in_order_and_forget_the_cancelled() -> None:
    timers, fired = Timers(), []
    for due in (3.0, 1.0, 2.0):
        timers.at(due, lambda _now, due=due: fired.append(due))
    timers.at(1.0, lambda _now: fired.append(1.5))
    gone = timers.at(0.5, lambda _now: fired.append(0.5))
    gone.cancel()
    gone.cancel()
    assert timers.deadline == 1.0
    timers.expire(2.5)
    assert fired == [1.0, 1.5, 2.0]
    timers.expire(9)
    assert timers.deadline == math.inf


def test_cancelled_timers_do_not_gather() -> None:
    timers = Timers()
    for _ in range(10_000):
        timers.at(T1, lambda _now: None).cancel()
    assert len(timers) < 2000
