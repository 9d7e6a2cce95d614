"""Mutants, torture and replays: nothing raises, nothing is answered that should not be, everything is counted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provd.sip.effects import Redeem, Send, Verdict
from tests.kit.mutate import Mutator, sip_messages
from tests.sip.stage import GOOD, SDP, Phone, Stage


@pytest.mark.parametrize("seed", range(8))
def test_mutants_of_everything(seed: int) -> None:
    """Unproved and proved sources, UDP and TCP, with calls and registrations going on all the time."""
    chance = random.Random(seed)
    stage = Stage()
    phones = [stage.registered(1), stage.registered(2, transport="tcp", port=50001, connection=2), stage.phone(3)]
    mutants = Mutator(seed, sip_messages())
    for number in range(2500):
        phone = chance.choice(phones)
        octets = next(mutants)
        effects = stage.endpoint.handle(octets, phone.flow, stage.now)
        for effect in effects:
            if isinstance(effect, Send):
                assert effect.flow.host == phone.host
            if isinstance(effect, Redeem):
                stage.lines(stage.endpoint.redeemed(effect.call, GOOD, stage.now))
        stage.now += 0.02
        if number % 10 == 0:
            stage.lines(stage.endpoint.expire(stage.now))
        if number % 500 == 0:
            stage(phones[0].invite(call=f"m{number}"), phones[0])
    assert stage.endpoint.stats.messages == 2500 + 4 + 5
    stage.wait(5000)
    assert stage.endpoint.idle
    assert not stage.endpoint._transactions


def test_mutants_of_an_unproved_source_never_get_more_than_they_sent() -> None:
    stage = Stage()
    mutants = Mutator(99, [octets for octets in sip_messages() if not octets.startswith(b"REGISTER")])
    for number in range(3000):
        octets = next(mutants)
        flow = Phone(number % 200 + 1).flow
        sent = [e.octets for e in stage.endpoint.handle(octets, flow, stage.now) if isinstance(e, Send)]
        if sent and b" 401 " not in sent[0][:20]:
            assert sum(map(len, sent)) <= len(octets)
        stage.now += 0.05


def test_a_registered_phone_survives_the_mutants_of_its_neighbour() -> None:
    stage = Stage()
    good = stage.registered(1)
    for octets, _ in zip(Mutator(5, sip_messages()), range(2000), strict=False):
        stage.endpoint.handle(octets, Phone(2).flow, stage.now)
    assert stage.endpoint.flow_of(good.user, stage.now) is not None
    assert stage(good.register(), good)[0] == "<< 200 OK"
    assert stage(good.invite(), good)[1:] == ["<< 100 Trying", "** redeem 1234"]


def replaced(old: bytes, new: bytes) -> bytes:
    octets = Phone(1).invite(body=SDP)
    assert old in octets
    return octets.replace(old, new, 1)


WHITESPACE = rb"""INVITE sip:1234@h SIP/2.0
TO :
 <sip:1234@h>
from   : "J. Q. \\\"" <sip:a@h>
  ;
  tag = 98
MaX-fOrWaRdS: 0068
Call-ID: wsinv.nd
l: 0
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    10.20.16.1;branch=z9hG4bK30239
s :
NewFangled:   x
 m:"Q" <sip:a@10.20.16.1>

"""
CHAIN = b"v: SIP/2.0/SCTP a;branch=z9hG4bK1, SIP/2.0/TLS b\r\nMax-Forwards"
STRANGE = b"!interesting-Method0123*%_.~+`"
TORTURE = {
    "whitespace everywhere": (WHITESPACE.replace(b"\n", b"\r\n"), 401),
    "a Via chain with every transport": (replaced(b"Max-Forwards", CHAIN), 401),
    "an unknown method with every token character": (
        replaced(b"INVITE sip", STRANGE + b" sip").replace(b" INVITE\r\n", b" " + STRANGE + b"\r\n"),
        501,
    ),
    "escaped NUL in the user": (replaced(b"sip:1234@10.20.0.1 SIP", b"sip:null-%00-null@h SIP"), 401),
    "a huge CSeq": (replaced(b"CSeq: 101", b"CSeq: 36893488147419103232"), 400),
    "a header twice": (replaced(b"Max-Forwards: 70", b"Max-Forwards: 70\r\nCSeq: 5 BYE"), 400),
    "another version": (replaced(b"SIP/2.0\r\n", b"SIP/7.0\r\n"), 505),
    "a space in the Request-URI": (replaced(b"sip:1234@10.20.0.1 SIP", b"sip:1234 @10.20.0.1 SIP"), 400),
    "brackets around the Request-URI": (replaced(b"sip:1234@10.20.0.1 SIP", b"<sip:1234@10.20.0.1> SIP"), 400),
    "a Content-Length beyond the end": (replaced(b"Content-Length: ", b"Content-Length: 9"), 400),
    "a negative Content-Length": (replaced(b"Content-Length: ", b"Content-Length: -"), 400),
    "an unclosed quote in From": (replaced(b'"Provisioning"', b'"Provisioning'), 400),
    "an unknown scheme": (replaced(b"sip:1234@10.20.0.1 SIP", b"nobodyKnowsThisScheme:opaque SIP"), 401),
    "no Call-ID": (replaced(b"Call-ID", b"Call-Id-"), 0),
    "no Via": (replaced(b"Via: ", b"X-Via: "), 0),
    "65 kilobytes": (Phone(1).invite() + b"x" * 65_000, 0),
    "NULs": (replaced(b"Provisioning", b"\0\0\0\0"), 0),
    "a thousand headers": (replaced(b"Max-Forwards", b"X: y\r\n" * 1000 + b"Max-Forwards"), 0),
    "a thousand Vias": (replaced(b"Max-Forwards", b"Via: SIP/2.0/UDP a\r\n" * 1000 + b"Max-Forwards"), 0),
    "a response without a request": (b"SIP/2.0 200 OK\r\n" + Phone(1).register().split(b"\r\n", 1)[1], 0),
    "a response of code 4294967301": (b"SIP/2.0 4294967301 X\r\n" + Phone(1).register().split(b"\r\n", 1)[1], 0),
    "an ACK of nothing": (Phone(1).request("ACK", "sip:h"), 0),
    "many quotes": (replaced(b"Provisioning", b'\\"' * 900), 401),
    "many brackets": (replaced(b'"Provisioning" <', b"<" * 900), 400),
    "many commas in Contact": (replaced(b"Contact: ", b"Contact: " + b"," * 1900), 401),
    "many parameters in Via": (replaced(b";rport", b";a=b" * 400 + b";rport"), 401),
    "an endless host in Via": (replaced(b"10.20.16.1:5060;", b"a-" * 900 + b"a;"), 401),
    "numbers in other scripts": (replaced(b"Max-Forwards: 70", "Max-Forwards: \u0667".encode()), 400),
}  # fmt: skip


@pytest.mark.parametrize("name", TORTURE)
def test_torture(name: str) -> None:
    """After RFC 4475, messages of our own making: answered or dropped as the RFC says, and at once."""
    octets, code = TORTURE[name]
    stage = Stage()
    phone = stage.phone(1)
    stage(octets, phone)
    assert (stage.last.code if stage.sent else 0) == code
    # What cannot be read by a proved source either is no different.
    stage = Stage()
    stage.registered(1)
    stage(octets)
    assert stage.endpoint.stats.messages == 3


@given(
    st.lists(
        st.sampled_from(["say", "redeem", "open", "play", "wait", "gone", "cancel", "bye", "ack", "notify"]),
        max_size=25,
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_order_of_events_the_endpoint_comes_to_rest(steps: list[str]) -> None:  # noqa: C901
    stage = Stage()
    phone = stage.registered(1, transport="tcp", port=50001, connection=1)
    invite = b""
    for step in steps:
        match step:
            case "say":
                invite = phone.invite()
                stage(invite)
            case "redeem" if stage.redeems:
                stage.redeem(Verdict(200, "x", prompt="accepted") if len(steps) % 2 else Verdict(500, "y"))
            case "open":
                stage.lines(stage.endpoint.opened(1, 4000, stage.now))
            case "play" if stage.redeems:
                stage.played()
            case "wait":
                stage.wait(7)
            case "gone":
                stage.lines(stage.endpoint.disconnected(1, stage.now))
            case "cancel" if invite:
                stage(phone.cancel(invite))
            case "bye" | "ack" if invite and stage.sent:
                stage(phone.within(step.upper(), invite, stage.last))
            case "notify":
                stage.notify(phone.user)
            case _:
                pass
    stage.wait(5000)
    assert stage.endpoint.idle
    assert stage.endpoint.calls == 0
    assert not stage.endpoint._transactions
    redeemed = [effect.call for effect in stage.redeems]
    assert len(redeemed) == len(set(redeemed))
