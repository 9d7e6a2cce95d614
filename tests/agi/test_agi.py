"""Calls that a PBX hands over: what is asked of it, what is believed, what it is told, and who is turned away."""

import asyncio
import ipaddress
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.agi import wire
from provd.agi.server import AgiServer, AgiTerms, host_of
from provd.app.dialing import Answer, Dial, Outcome
from provd.base.errors import UsageError, WireError
from provd.base.types import Mac
from provd.config.pbx import PbxSection
from tests.kit.agi import AgiCall
from tests.kit.clock import FakeClock
from tests.kit.patience import PATIENCE

PHONE = Mac("02aaaa000001")
LOCAL = (ipaddress.ip_network("127.0.0.0/8"),)
WELCOME = Answer(outcome=Outcome.ACCEPTED, text='Welcome "Ann" \\o/', mac=PHONE, tenant="north", line="101")
WRONG = Answer(outcome=Outcome.UNKNOWN, text="No such code", wait=2.4)
DEFAULT_EVIDENCE = {str(kind): value for kind, value in PbxSection().agi_evidence.items()}
REMOTE = DEFAULT_EVIDENCE["ip"]
CONTACT = DEFAULT_EVIDENCE["contact"]


class FakeDesk:
    def __init__(self, answer=WELCOME):
        self.answer = answer
        self.dials = []
        self.heard = asyncio.Semaphore(0)
        self.gate = None

    async def dial(self, dial):
        self.dials.append(dial)
        self.heard.release()
        if self.gate is not None:
            await self.gate.wait()
        return self.answer


@asynccontextmanager
async def serving(desk, *, trusted=LOCAL, patience=PATIENCE, calls=200, **terms):
    facts = []
    server = AgiServer(
        desk,
        terms=AgiTerms(trusted=trusted, **{"evidence": DEFAULT_EVIDENCE, **terms}),
        clock=FakeClock(),
        emit=facts.append,
        patience=patience,
        calls=calls,
    )
    host, port = await server.listen("127.0.0.1", 0)
    try:
        yield lambda call: call.run(host, port), facts, port
    finally:
        await server.close(0)


async def talk(port, octets, *, then=b""):
    """What a stranger sends and gets."""
    stream, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    if then:
        await stream.readline()
        writer.write(then)
    try:
        return await stream.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_call_from_its_beginning_to_its_end():
    desk = FakeDesk()
    call = AgiCall(arguments=("12345678",), known={REMOTE: "10.0.0.9:5060", CONTACT: "<sip:ap@10.0.0.9:5060;ob>"})
    async with serving(desk) as (run, facts, _):
        await run(call)
    assert desk.dials == [
        Dial(
            digits="12345678",
            via="agi",
            account="ap02aaaa000001",
            ip="10.0.0.9",
            peer="127.0.0.1",
            contact="10.0.0.9",
        )
    ]
    assert call.variables == {
        "PROVD_RESULT": "accepted",
        "PROVD_REASON": 'Welcome "Ann" \\o/',
        "PROVD_MAC": PHONE,
        "PROVD_TENANT": "north",
        "PROVD_LINE": "101",
        "PROVD_WAIT": "0",
    }
    (fact,) = facts
    assert (fact.ID, fact.outcome, fact.digits, fact.account) == ("AGI-CALL", "accepted", 8, "ap02aaaa000001")


async def test_a_refusal_is_told_and_can_be_heard():
    call = AgiCall(extension="*999", known={})
    async with serving(FakeDesk(WRONG), prompts={"refused": "auth-incorrect"}) as (run, *_):
        await run(call)
    assert (call.variables["PROVD_RESULT"], call.variables["PROVD_WAIT"]) == ("unknown", "2")
    assert call.played == ["auth-incorrect"]


@pytest.mark.parametrize(
    ("call", "digits"),
    [
        (AgiCall(arguments=("1234",), extension="s"), "1234"),
        (AgiCall(extension="*5678#"), "*5678#"),
        (AgiCall(script="dial?code=4711", extension="s"), "4711"),
        (AgiCall(script="", extension="77"), "77"),
        (AgiCall(script="/dial/", extension="77"), "77"),
    ],
)
async def test_where_the_digits_stand(call, digits):
    desk = FakeDesk()
    async with serving(desk) as (run, *_):
        await run(call)
    assert desk.dials[0].digits == digits


async def test_a_header_that_any_caller_can_set_is_not_asked_for_unless_the_operator_wants_it():
    asked = " ".join(DEFAULT_EVIDENCE.values())
    assert "X-" not in asked
    assert "User-Agent" not in asked


async def test_what_the_dialplan_says_is_not_asked_for():
    desk = FakeDesk()
    said = ("1", "mac=02-AA-AA-00-00-01", "ip=192.0.2.7", "account=101", "user_agent=Acme A1")
    call = AgiCall(arguments=said)
    async with serving(desk) as (run, *_):
        await run(call)
    (dial,) = desk.dials
    assert (dial.mac, dial.ip, dial.account, dial.user_agent) == (PHONE, "192.0.2.7", "101", "Acme A1")
    assert [command for command in call.commands if command.startswith("GET")] == [
        f'GET FULL VARIABLE "{DEFAULT_EVIDENCE["contact"]}"'
    ]


async def test_behind_a_nat_the_address_is_nobodys():
    desk = FakeDesk()
    call = AgiCall(arguments=("1",), known={REMOTE: "198.51.100.7:40001", CONTACT: "<sip:x@192.168.1.7:5060>"})
    async with serving(desk) as (run, *_):
        await run(call)
    assert (desk.dials[0].ip, desk.dials[0].contact) == ("", "192.168.1.7")


async def test_a_channel_of_another_kind_is_not_asked_for_what_it_has_not():
    desk = FakeDesk()
    call = AgiCall(arguments=("1",), channel="SIP/101-0000002a")
    async with serving(desk) as (run, *_):
        await run(call)
    assert not any("PJSIP" in command.upper() for command in call.commands if command.startswith("GET"))
    assert desk.dials[0].account == "101"


async def test_the_expressions_are_the_operators():
    desk = FakeDesk()
    call = AgiCall(arguments=("1",), channel="SIP/101-0000002a", known={"${X_MAC}": "02aaaa000001"})
    async with serving(desk, evidence={"mac": "${X_MAC}", "ip": ""}) as (run, *_):
        await run(call)
    assert desk.dials[0].mac == PHONE


async def test_a_pbx_that_does_not_know_the_command_is_served_all_the_same():
    desk = FakeDesk()
    call = AgiCall(arguments=("1",), unknown=("GET",))
    async with serving(desk) as (run, *_):
        await run(call)
    assert call.variables["PROVD_RESULT"] == "accepted"


async def test_who_hangs_up_has_dialed_all_the_same():
    desk = FakeDesk()
    call = AgiCall(arguments=("1",), hang_up_after=1)
    async with serving(desk) as (run, facts, _):
        await run(call)
    assert len(desk.dials) == 1
    assert call.variables["PROVD_RESULT"] == "accepted"
    assert [fact.ID for fact in facts] == ["AGI-CALL"]


async def test_a_dead_channel_ends_the_conversation():
    call = AgiCall(arguments=("1",), hang_up_after=5, dead=True)
    async with serving(FakeDesk()) as (run, facts, _):
        await run(call)
    assert len(call.commands) == 5
    assert [fact.ID for fact in facts] == ["AGI-CALL"]


async def test_a_stranger_is_told_nothing():
    desk = FakeDesk()
    async with serving(desk, trusted=(ipaddress.ip_network("10.0.0.0/8"),)) as (_, facts, port):
        for _ in range(3):
            assert await talk(port, AgiCall(arguments=("1",)).environment()) == b""
    assert desk.dials == []
    assert [(fact.ID, fact.reason) for fact in facts] == [("AGI-REFUSED", "untrusted")]


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"agi_network: yes\n" * 200 + b"\n",
        b"agi_network: " + b"x" * 5000 + b"\n\n",
        b"\n",
        b"agi_channel: PJSIP/1-0000002a\n\n",
        b"\x00\xff\xfe\n\n",
        b"agi_network: yes\nagi_network_script: shell\n\n",
        b"agi_network: yes\nagi_x: \x1b[31m\n\n",
    ],
)
async def test_what_is_no_call_is_turned_away(octets):
    desk = FakeDesk()
    async with serving(desk) as (_, facts, port):
        assert await talk(port, octets) == b""
    assert desk.dials == []
    assert [(fact.ID, fact.reason) for fact in facts] == [("AGI-REFUSED", "protocol")]


@pytest.mark.parametrize("answer", [b"what?\n", b"x" * 5000 + b"\n", b"520-Usage\n" * 200, b"2000 result=1\n"])
async def test_an_answer_that_is_none_ends_the_call(answer):
    desk = FakeDesk()
    async with serving(desk) as (_, facts, port):
        await talk(port, AgiCall(arguments=("1",)).environment(), then=answer)
    assert desk.dials == []
    assert [fact.reason for fact in facts] == ["protocol"]


async def test_who_says_nothing_is_not_waited_for():
    async with serving(FakeDesk(), patience=0.05) as (_, facts, port):
        assert await talk(port, b"agi_network: yes\n") == b""
        await talk(port, AgiCall(arguments=("1",)).environment())
    assert [fact.reason for fact in facts] == ["slow"]


async def test_who_leaves_in_the_middle():
    async with serving(FakeDesk()) as (_, facts, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"agi_network: yes\nagi_")
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(AgiCall(arguments=("1",)).run("127.0.0.1", port), PATIENCE)
    assert [fact.ID for fact in facts] == ["AGI-CALL"]


async def test_a_slow_store_does_not_keep_others_waiting():
    desk = FakeDesk()
    desk.gate = asyncio.Event()
    async with serving(desk, calls=3) as (run, facts, port):
        calls = [AgiCall(arguments=(str(number),)) for number in range(3)]
        running = [asyncio.create_task(run(call)) for call in calls]
        for _ in calls:
            await asyncio.wait_for(desk.heard.acquire(), PATIENCE)
        assert await talk(port, AgiCall().environment()) == b""
        desk.gate.set()
        await asyncio.gather(*running)
    assert all(call.variables["PROVD_RESULT"] == "accepted" for call in calls)
    assert [fact.reason for fact in facts if fact.ID == "AGI-REFUSED"] == ["full"]


async def test_calls_in_hand_end_with_the_server():
    desk = FakeDesk()
    desk.gate = asyncio.Event()
    async with serving(desk) as (run, *_):
        call = asyncio.create_task(run(AgiCall(arguments=("1",))))
        await asyncio.wait_for(desk.heard.acquire(), PATIENCE)
    await asyncio.wait_for(call, PATIENCE)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("192.0.2.7:5060", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::1]:5060", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ('"Ann" <sip:101@192.0.2.7:5060;transport=udp;ob>;expires=60', "192.0.2.7"),
        ("<sips:101@[2001:db8::1]>", "2001:db8::1"),
        ("sip:192.0.2.7", "192.0.2.7"),
        ("<sip:101@phone.example>", ""),
        ("", ""),
        ("999.1.1.1:5060", ""),
        ("<" * 5000, ""),
    ],
)
def test_the_host_in_an_address(text, host):
    assert host_of(text) == host


@given(st.text(max_size=200))
def test_a_value_stays_in_its_quotes(text):
    line = wire.set_variable("PROVD_REASON", text).decode()
    assert line.count("\n") == 1
    inner = line.removeprefix('SET VARIABLE PROVD_REASON "').removesuffix('"\n')
    assert '"' not in inner.replace("\\\\", "").replace('\\"', "")


@given(st.lists(st.text(max_size=60), max_size=20))
def test_no_lines_do_harm(lines):
    try:
        found = wire.environment(lines)
    except WireError:
        return
    assert all(value.isprintable() for value in found.fields.values())


def test_names_of_variables():
    for name in ("", "A B", 'A"', "A\nEXEC System", "1A", "x" * 81):
        with pytest.raises(UsageError):
            wire.set_variable(name, "x")


def test_answers():
    assert wire.answer(["200 result=1 (a (b) c)"]).given == "a (b) c"
    assert wire.answer(["200 result=0"]).given == ""
    assert wire.answer(["200 result=-1 endpos=8000"]).result == "-1"
    assert wire.answer(["511 Command Not Permitted on a dead channel or intercept routine"]).code == 511
    assert wire.answer(["520-Invalid command syntax.  Proper usage follows:", "x", "520 End"]).code == 520
