"""Prompts on real sockets, in a time that passes by itself."""

from __future__ import annotations

import asyncio
import itertools
import random
import resource
import socket
from collections.abc import Iterator

import pytest

from provd.base.facts import Fact
from provd.base.facts.media import MediaExhausted, MediaLatched, MediaRefused
from provd.sip.player import Player, sendable
from provd.sip.prompts import Prompt, frames
from provd.sip.rtp import RtpPacket, RtpSender, decode
from provd.sip.sdp import PCMA, PCMU
from tests.kit.clock import FakeClock
from tests.kit.loop import VirtualLoop, in_virtual_time
from tests.kit.ports import free_ports

HERE = "127.0.0.1"
LENGTH = len(frames(Prompt.ACCEPTED, PCMA))


class Caller:
    """A telephone's audio socket."""

    def __init__(self, host: str = HERE) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.settimeout(0)
        self.address: tuple[str, int] = self.sock.getsockname()

    def heard(self) -> list[RtpPacket]:
        packets = []
        while True:
            try:
                packets.append(decode(self.sock.recv(2048)))
            except BlockingIOError:
                return packets

    def speak(self, port: int) -> None:
        self.sock.sendto(RtpSender(8, ssrc=1, sequence=1, timestamp=1).packet(bytes(160)), (HERE, port))


@pytest.fixture
def caller() -> Iterator[Caller]:
    made = Caller()
    yield made
    made.sock.close()


@pytest.fixture
def elsewhere() -> Iterator[Caller]:
    made = Caller("127.0.0.9")
    yield made
    made.sock.close()


@pytest.fixture
def ports() -> range:
    """Four ports, two of them even, that nobody has."""
    return free_ports(4)


class Bench:
    def __init__(self, ports: range) -> None:
        self.facts: list[Fact] = []
        self.clock = FakeClock()
        self.player = Player(ports, self.facts.append, self.clock, rng=random.Random(1))

    def told(self) -> list[type[Fact]]:
        return [type(fact) for fact in self.facts]


def test_a_prompt_arrives_whole_and_in_real_time(ports: range, caller: Caller) -> None:
    async def call(loop: VirtualLoop) -> tuple[float, int]:
        player = Bench(ports).player
        session = player.open(HERE)
        assert session is not None
        assert session.port in ports
        assert session.port % 2 == 0
        done = asyncio.Event()
        began = loop.time()
        session.play(Prompt.ACCEPTED, PCMA, caller.address, done.set, peer=HERE)
        await done.wait()
        took = loop.time() - began
        session.close()
        assert player.active == 0
        return took, session.sent

    took, sent = in_virtual_time(call)
    heard = caller.heard()
    assert [packet.payload for packet in heard] == list(frames(Prompt.ACCEPTED, PCMA))
    assert sent == LENGTH
    assert took == pytest.approx(LENGTH * 0.02 + 0.2)
    assert [packet.marker for packet in heard] == [True] + [False] * (LENGTH - 1)
    assert {packet.payload_type for packet in heard} == {PCMA}
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(heard)} == {1}
    assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(heard)} == {160}


def test_a_loop_that_is_late_catches_up_and_does_not_drift(ports: range, caller: Caller) -> None:
    async def call(loop: VirtualLoop) -> list[int]:
        session = Bench(ports).player.open(HERE)
        assert session is not None
        done = asyncio.Event()
        session.play(Prompt.LOCKED, PCMU, caller.address, done.set, peer=HERE)
        counts = [len(caller.heard())]
        for late in (0.005, 0.013, 0.09, 5.0):
            loop.hold(late)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            counts.append(len(caller.heard()))
        await asyncio.sleep(0.1)
        counts.append(len(caller.heard()))
        session.close()
        return counts

    # 18 ms: none is due; 108 ms: those at 20 to 100; five seconds later: one, which begins a new schedule.
    assert in_virtual_time(call) == [1, 0, 0, 5, 1, 5]


def test_ports_are_taken_in_turn_and_when_there_is_none_that_is_said_once(ports: range) -> None:
    async def calls(_loop: VirtualLoop) -> None:
        bench = Bench(ports)
        player = bench.player
        first, second = player.open(HERE), player.open(HERE)
        assert first is not None
        assert second is not None
        assert (player.open(HERE), player.open(HERE)) == (None, None)
        assert player.stats.exhausted == 2
        (fact,) = bench.facts
        assert isinstance(fact, MediaExhausted)
        assert (fact.ports, fact.count) == (f"{ports.start}-{ports.stop - 1}", 1)
        bench.clock.advance(61)
        assert player.open(HERE) is None
        assert getattr(bench.facts[-1], "count", 0) == 2
        second.close()
        second.close()
        again = player.open(HERE)
        assert again is not None
        assert again.port == second.port
        player.close()
        assert player.active == 0
        assert player.open("192.0.2.55") is None, "not an address of this host"

    in_virtual_time(calls)


def test_without_a_descriptor_for_its_audio_a_call_goes_on_in_silence(ports: range) -> None:
    bench = Bench(ports)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        session = bench.player.open(HERE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert session is None
    assert bench.told() == [MediaExhausted]


def test_a_port_of_another_program_is_left_alone(ports: range) -> None:
    async def calls(_loop: VirtualLoop) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HERE, ports.start))
            session = Bench(ports).player.open(HERE)
            assert session is not None
            assert session.port == ports.start + 2
            session.close()

    in_virtual_time(calls)


def test_audio_goes_where_the_callers_comes_from(ports: range, caller: Caller, elsewhere: Caller) -> None:
    """Behind a NAT the call says 127.0.0.9, the host that signals is 127.0.0.1."""

    async def call(_loop: VirtualLoop) -> Bench:
        bench = Bench(ports)
        session = bench.player.open(HERE)
        assert session is not None
        done = asyncio.Event()
        session.play(Prompt.WRONG, PCMU, elsewhere.address, done.set, peer=HERE)
        await asyncio.sleep(0.03)
        caller.speak(session.port)
        await done.wait()
        session.close()
        return bench

    bench = in_virtual_time(call)
    assert len(elsewhere.heard()) == 2
    assert len(caller.heard()) == len(frames(Prompt.WRONG, PCMU)) - 2
    assert bench.told() == [MediaLatched]


def test_nobody_else_can_draw_the_audio_and_nobody_twice(ports: range, caller: Caller, elsewhere: Caller) -> None:
    async def call(_loop: VirtualLoop) -> Bench:
        bench = Bench(ports)
        session = bench.player.open(HERE)
        assert session is not None
        done = asyncio.Event()
        session.play(Prompt.WRONG, PCMU, caller.address, done.set, peer=HERE)
        elsewhere.speak(session.port)  # another host
        caller.sock.sendto(b"no rtp at all", (HERE, session.port))
        await asyncio.sleep(0.05)
        caller.speak(session.port)  # from where it said: settled now
        await asyncio.sleep(0.05)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as third:
            third.bind((HERE, 0))
            third.sendto(RtpSender(0, ssrc=1, sequence=1, timestamp=1).packet(b""), (HERE, session.port))
            await done.wait()
        session.close()
        return bench

    bench = in_virtual_time(call)
    assert (len(caller.heard()), elsewhere.heard()) == (len(frames(Prompt.WRONG, PCMU)), [])
    assert (bench.facts, bench.player.stats.latched) == ([], 0)


def test_nothing_is_sent_to_what_is_not_one_host_and_the_call_goes_on(ports: range) -> None:
    async def call(_loop: VirtualLoop) -> Bench:
        bench = Bench(ports)
        session = bench.player.open(HERE)
        assert session is not None
        for address in ("224.0.1.75", "0.0.0.0", ""):
            done = asyncio.Event()
            session.play(Prompt.WRONG, PCMU, (address, 4000), done.set, peer="10.0.0.9")
            await done.wait()
        assert session.sent == 0
        session.close()
        return bench

    bench = in_virtual_time(call)
    assert bench.told() == [MediaRefused]


def test_a_closed_session_is_silent_and_says_nothing_more(ports: range, caller: Caller) -> None:
    async def call(_loop: VirtualLoop) -> None:
        session = Bench(ports).player.open(HERE)
        assert session is not None
        called: list[str] = []
        session.play(Prompt.WRONG, PCMU, caller.address, lambda: called.append("done"), peer=HERE)
        await asyncio.sleep(0.05)
        session.close()
        await asyncio.sleep(5)
        assert called == []

    in_virtual_time(call)
    assert len(caller.heard()) == 3


@pytest.mark.parametrize(
    ("remote", "peer", "allowed"),
    [
        (("10.0.0.9", 4000), "10.0.0.9", True),
        (("10.0.0.9", 4000), "192.0.2.1", True),
        (("10.0.0.9", 53), "10.0.0.9", False),
        (("127.0.0.1", 4000), "10.0.0.9", False),
        (("127.0.0.1", 4000), "127.0.0.1", True),
        (("0.0.0.0", 4000), "10.0.0.9", False),
        (("255.255.255.255", 4000), "10.0.0.9", False),
        (("239.0.0.1", 4000), "10.0.0.9", False),
        (("phone", 4000), "10.0.0.9", False),
    ],
)
def test_where_audio_may_go(remote: tuple[str, int], peer: str, *, allowed: bool) -> None:
    assert sendable(remote, peer) is allowed
