"""The edge: real sockets around the endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from provd.app.dialing import Answer, Outcome
from provd.app.resyncing import Heard as Reaction
from provd.app.resyncing import Order
from provd.base.clock import SystemClock
from provd.base.errors import ConfigError
from provd.domain.records import Device
from provd.sip.connections import TcpLimits
from provd.sip.player import Player
from provd.sip.server import SipServer
from provd.sip.verdict import verdict_of
from tests.kit.loop import VirtualLoop, in_virtual_time
from tests.kit.patience import PATIENCE
from tests.sip.edge import Book, Desk, World, serving
from tests.sip.stage import KEY, SDP, Heard, Phone, accounts, heard

ORDER = Order(event="check-sync")


class Udp(asyncio.DatagramProtocol):
    """A phone on a socket of its own, at an address of its own."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.inbox: asyncio.Queue[Heard] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data.strip():
            self.inbox.put_nowait(heard(data))

    def say(self, octets: bytes) -> None:
        self.transport.sendto(octets)

    async def hear(self) -> Heard:
        message = await asyncio.wait_for(self.inbox.get(), PATIENCE)
        self.phone.take(message)
        return message


class Tcp:
    def __init__(self, phone: Phone, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.phone, self.reader, self.writer = phone, reader, writer

    def say(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def hear(self) -> Heard:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        message = heard(head + await self.reader.readexactly(length))
        self.phone.take(message)
        return message


@contextlib.asynccontextmanager
async def udp(world: World, number: int = 1, host: str = "127.0.0.1") -> AsyncIterator[Udp]:
    loop = asyncio.get_running_loop()
    transport, line = await loop.create_datagram_endpoint(
        lambda: Udp(Phone(number, host=host)), local_addr=(host, 0), remote_addr=("127.0.0.1", world.port)
    )
    line.phone.port = transport.get_extra_info("sockname")[1]
    line.phone.contact = f"{host}:{line.phone.port}"
    try:
        yield line
    finally:
        transport.close()


@contextlib.asynccontextmanager
async def tcp(world: World, number: int = 1) -> AsyncIterator[Tcp]:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    host, port = writer.get_extra_info("sockname")
    try:
        yield Tcp(Phone(number, host=host, port=port, transport="tcp"), reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def registered(line: Udp | Tcp) -> Heard:
    line.say(line.phone.register())
    assert (await line.hear()).code == 401
    line.say(line.phone.register())
    answer = await line.hear()
    assert answer.code == 200
    return answer


LINES = pytest.mark.parametrize("over", [udp, tcp])
Over = Callable[..., contextlib.AbstractAsyncContextManager[Udp | Tcp]]


@LINES
async def test_a_whole_story(over: Over) -> None:
    async with serving(player=Player(range(1), print, SystemClock())) as world, over(world) as line:
        await registered(line)
        assert world.knocks == [line.phone.user.removeprefix("ap")]
        device = Device(mac=accounts()[line.phone.user].mac)
        invite = line.phone.invite("1234")
        line.say(invite)
        assert (await line.hear()).code == 100
        answer = await line.hear()
        assert answer.code == 200
        assert f"<sip:provd@127.0.0.1:{world.port}" in answer.get("contact")
        dial = world.desk.dials[0]
        assert (dial.digits, dial.via, dial.account, dial.peer) == ("1234", "sip", line.phone.user, "127.0.0.1")
        line.say(line.phone.ack(invite, answer))
        bye = await line.hear()
        assert (bye.method, bye.get("reason")) == ("BYE", 'SIP ;cause=200 ;text="Line 101"')
        line.say(line.phone.answer(bye))
        telling = asyncio.create_task(world.server.tell(device, ORDER))
        notify = await line.hear()
        assert (notify.method, notify.get("event")) == ("NOTIFY", "check-sync")
        line.say(line.phone.answer(notify))
        told = await telling
        assert (told.way, told.heard, told.detail) == ("sip", Reaction.ACCEPTED, "200 OK")
        assert world.ids() == ["AUTOPROV-REGISTERED", "SIP-CALL", "SIP-CALL-ENDED"]


async def test_the_prompt_is_heard_over_rtp() -> None:
    player = Player(range(42000, 42020), print, SystemClock())
    async with serving(player=player) as world, udp(world) as line:
        await registered(line)
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with ear:
            ear.settimeout(0)
            ear.bind(("127.0.0.1", 0))
            body = SDP.replace(b"10.20.16.1", b"127.0.0.1").replace(b"11800", str(ear.getsockname()[1]).encode())
            invite = line.phone.invite("1234", body=body)
            line.say(invite)
            await line.hear()
            answer = await line.hear()
            assert player.active == 1
            line.say(line.phone.ack(invite, answer))
            packet = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ear, 2000), PATIENCE)
            assert (len(packet), packet[1] & 0x7F) == (172, 0)
            line.say(line.phone.within("BYE", invite, answer))
            assert (await line.hear()).code == 200
        assert player.active == 0


async def test_a_defect_of_the_desk_is_told_and_refused() -> None:
    async with serving() as world, udp(world) as line:
        await registered(line)
        world.desk.fails = True
        line.say(line.phone.invite("1234"))
        assert [(await line.hear()).code for _ in range(2)] == [100, 500]
        assert "INTERNAL-ERROR" in world.ids()
        line.say(line.phone.register())
        assert (await line.hear()).code in {200, 500}


async def test_the_answer_comes_from_the_address_that_was_asked() -> None:
    async with serving(listen=[("0.0.0.0", 0)]) as world:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.settimeout(0)
            sock.bind(("127.0.0.1", 0))
            phone = Phone(1, host="127.0.0.1", port=sock.getsockname()[1])
            for ours in ("127.0.0.1", "127.0.0.5"):
                await loop.sock_sendto(sock, phone.register(), (ours, world.port))
                octets, source = await asyncio.wait_for(loop.sock_recvfrom(sock, 4000), PATIENCE)
                phone.take(heard(octets))
                assert source == (ours, world.port)
                await loop.sock_sendto(sock, phone.register(), (ours, world.port))
                await asyncio.wait_for(loop.sock_recvfrom(sock, 4000), PATIENCE)
                assert world.server.flow_of(phone.user).local == ours


async def test_a_remembered_flow_after_a_restart() -> None:
    async with serving() as first, udp(first) as line:
        await registered(line)
        flow = first.server.flow_of(line.phone.user)
        port = first.port
        await first.server.close()
        async with serving(listen=[("127.0.0.1", port)]) as second:
            device = Device(mac=accounts()[line.phone.user].mac)
            assert (await second.server.tell(device, ORDER)).heard is Reaction.NO_WAY
            telling = asyncio.create_task(second.server.tell(device, replace(ORDER, flow=flow)))
            line.say(line.phone.answer(await line.hear()))
            assert (await telling).heard is Reaction.ACCEPTED
            elsewhere = replace(flow, local="127.0.0.9")
            assert (await second.server.tell(device, replace(ORDER, flow=elsewhere))).heard is Reaction.NO_WAY
            closed = replace(flow, transport="tcp")
            assert (await second.server.tell(device, replace(ORDER, flow=closed))).heard is Reaction.NO_WAY
        assert (await second.server.tell(device, ORDER)).heard is Reaction.NO_WAY


class LoopClock:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time


def test_one_timer_for_everything_that_is_due() -> None:
    """In virtual time: a NOTIFY is repeated and given up, and with it goes the registration."""

    async def story(loop: VirtualLoop) -> None:
        async with serving(LoopClock(loop)) as world, udp(world) as line:
            await registered(line)
            began = loop.time()
            told = await world.server.tell(Device(mac=accounts()[line.phone.user].mac), ORDER)
            assert told.heard is Reaction.SILENT
            assert loop.time() - began == pytest.approx(32, abs=0.1)
            assert line.inbox.qsize() == 11
            assert world.facts[-1].reason == "silent"
            while not line.inbox.empty():
                line.inbox.get_nowait()
            line.say(line.phone.register())
            assert (await line.hear()).code == 200
            await asyncio.sleep(3601)
            assert world.facts[-1].reason == "expired"

    in_virtual_time(story)


async def test_a_registration_over_tcp_ends_with_its_connection() -> None:
    async with serving() as world:
        async with tcp(world) as line:
            await registered(line)
            assert world.server.connections == 1
        await until(lambda: world.server.flow_of(line.phone.user) is None)
        assert world.ids()[-1] == "SIP-REGISTRATION-ENDED"
        assert world.server.connections == 0


async def until(condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 - somebody else's event
            await asyncio.sleep(0)

    await asyncio.wait_for(wait(), PATIENCE)


async def test_torn_and_glued_and_pinged() -> None:
    async with serving() as world, tcp(world) as line:
        octets = line.phone.request("OPTIONS", "sip:h")
        for at in range(0, len(octets), 50):
            line.say(octets[at : at + 50])
            await asyncio.sleep(0)
        assert (await line.hear()).code == 200
        line.say(octets + b"\r\n\r\n" + line.phone.request("OPTIONS", "sip:h"))
        assert (await line.hear()).code == 200
        assert await line.reader.readexactly(2) == b"\r\n"
        assert (await line.hear()).code == 200


@pytest.mark.parametrize(
    "rubbish", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * 20_000, b"\x16\x03\x01" + b"\0" * 300 + b"\r\n\r\n"]
)
async def test_rubbish_over_tcp_closes_the_connection(rubbish: bytes) -> None:
    async with serving() as world, tcp(world) as line:
        line.say(rubbish)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(line.reader.read(), PATIENCE) == b""
        assert world.ids() == ["SIP-MALFORMED"]


async def test_too_many_connections() -> None:
    async with serving(tcp=TcpLimits(total=3, per_host=2)) as world, tcp(world) as one, tcp(world, 2):
        async with tcp(world, 3) as three:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(three.reader.read(), PATIENCE) == b""
        one.say(one.phone.request("OPTIONS", "sip:h"))
        assert (await one.hear()).code == 200


@pytest.mark.parametrize("said", [b"", b"REGISTER sip:h SIP/2.0\r\n"])
async def test_who_says_nothing_or_does_not_finish_is_closed(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provd.sip.connections._CHECK", 0.02)
    async with serving(tcp=TcpLimits(idle=0.1, message=0.05)) as world, tcp(world, 1) as quiet, tcp(world, 2) as good:
        await registered(good)
        quiet.say(said)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(quiet.reader.read(), PATIENCE) == b""
        # A registration keeps its connection, however silent.
        assert world.server.connections == 1
        good.say(good.phone.register())
        assert (await good.hear()).code == 200


async def test_a_connection_outlives_a_clock_that_is_set_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provd.sip.connections._CHECK", 0.02)
    clock = SystemClock()
    async with serving(clock, tcp=TcpLimits(idle=0.1)) as world, tcp(world, 1) as quiet, tcp(world, 2) as good:
        await registered(good)
        clock.advance(86400)
        world.server.leapt(86400)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(quiet.reader.read(), PATIENCE) == b""
        assert (world.server.connections, world.server.endpoint.registrations) == (1, 1)
        good.say(good.phone.request("OPTIONS", "sip:h"))
        assert (await good.hear()).code == 200


async def test_who_does_not_read_is_closed() -> None:
    async with serving() as world, tcp(world) as line:
        line.say(line.phone.request("OPTIONS", "sip:h"))
        await line.hear()
        line.reader._transport.pause_reading()

        async def pour() -> None:
            while world.server.connections:
                world.server._connections.send(1, b"x" * 100_000)
                await asyncio.sleep(0)

        await asyncio.wait_for(pour(), PATIENCE)


async def test_a_multicast_or_our_own_datagram_is_nobodys() -> None:
    async with serving() as world:
        sock = next(iter(world.server._udp.values()))
        sock.sendto(Phone(1).register(), ("127.0.0.1", world.port))
        async with udp(world) as line:
            await registered(line)
        assert world.server.endpoint.stats.messages == 2


async def test_the_port_is_ours_alone() -> None:
    async with serving() as world:
        other = SipServer(Book(), Desk(), print, SystemClock(), key=KEY, listen=[("127.0.0.1", world.port)])
        with pytest.raises(ConfigError, match="another program has this port"):
            other.open()
        assert other.addresses == []


async def test_a_socket_for_a_multicast_group_may_stand_beside_ours() -> None:
    async with serving(listen=[("0.0.0.0", 0)]) as world:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as group:
            group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            group.bind(("224.0.1.75", world.port))


async def test_closing_ends_calls_and_answers_those_who_wait() -> None:
    async with serving() as world, udp(world) as line:
        await registered(line)
        invite = line.phone.invite("1234")
        line.say(invite)
        await line.hear()
        answer = await line.hear()
        line.say(line.phone.ack(invite, answer))
        bye = await line.hear()
        telling = asyncio.create_task(world.server.tell(Device(mac=accounts()[line.phone.user].mac), ORDER))
        await line.hear()
        closing = asyncio.create_task(world.server.close(0.2))
        await closing
        assert bye.method == "BYE"
        assert (await telling).heard is Reaction.SILENT
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                assert line.inbox.get_nowait().method in {"BYE", "NOTIFY"}


async def test_who_has_just_dialed_is_told_what_became_of_it_before_we_close() -> None:
    async with serving() as world, udp(world) as line, tcp(world, 2) as other:
        await registered(line)
        await registered(other)
        world.desk.gate = asyncio.Event()
        line.say(line.phone.invite("1234"))
        assert (await line.hear()).code == 100
        closing = asyncio.create_task(world.server.close(PATIENCE))
        await asyncio.sleep(0)
        world.desk.gate.set()
        assert (await line.hear()).code == 200
        bye = await line.hear()
        assert bye.method == "BYE"
        line.say(line.phone.answer(bye))
        await closing
        assert world.ids()[-1] == "SIP-CALL-ENDED"  # and nothing of the connections that we closed


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_verdict(outcome: Outcome) -> None:
    verdict = verdict_of(Answer(outcome=outcome, text="words", wait=3))
    assert (verdict.text, verdict.wait) == ("words", 3)
    good = outcome in {Outcome.ACCEPTED, Outcome.RESET}
    assert (verdict.code == 200 and verdict.cause == 200) is good
    assert bool(verdict.prompt) is (verdict.code == 200)
