"""The server on loopback, and on interfaces that are not there: sockets, group commit, probes, overload."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from provd.app.ports import Change, Done
from provd.base.errors import ConfigError, ProvdError, StorageError
from provd.base.facts import Fact
from provd.base.facts.dhcp import DhcpReservationIdle
from provd.base.types import ip_int, ip_text
from provd.dhcp.effects import Send, To
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.ingress import Ingress, Link
from provd.dhcp.lease import Lease, LeaseState
from provd.dhcp.packet import decode, discover, request
from provd.dhcp.server import DhcpServer
from provd.dhcp.subnet import DhcpSettings, Mode, ReservedAddress, Subnet
from provd.dhcp.wire import Wire
from provd.net.frame import arp_reply, parse_arp, parse_udp
from provd.net.netlink import Interface
from tests.dhcp.playbook import Switchboard
from tests.kit.loop import VirtualLoop
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port

MAC = bytes.fromhex("805ec0112233")
OUR_MAC = bytes.fromhex("020000000001")
ROUTER = ip_int("10.20.0.1")
RELAY = ip_int("127.0.0.2")


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


@dataclass
class Journal:
    """Durable at once, unless ``holds`` or ``broken``."""

    batches: list[Sequence[Change]] = field(default_factory=list)
    held: list[Done] = field(default_factory=list)
    holds: bool = False
    broken: bool = False
    moved: Callable[[], None] = lambda: None

    @property
    def degraded(self) -> bool:
        return self.broken

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        assert done is not None
        self.batches.append(changes)
        self.moved()
        if self.holds:
            self.held.append(done)
        else:
            done(StorageError("disk full") if self.broken else None)

    async def commit(self, changes: Sequence[Change]) -> None:
        raise AssertionError("not asked for here")

    def load(self, kind: type) -> list[object]:
        raise AssertionError("not asked for here")


class Cable:
    """A network with interfaces that the test moves; frames and ARP go through local sockets."""

    def __init__(self, *there: Interface) -> None:
        self.there = list(there)
        self.changed: Callable[[], None] = lambda: None
        self.raw = True
        self.ends: dict[str, socket.socket] = {}
        self.opened: list[socket.socket] = []
        self.port = 0

    def interfaces(self) -> list[Interface]:
        return self.there

    def watch(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> "Cable":
        del loop
        self.changed = callback
        return self

    def close(self) -> None:
        self.changed = lambda: None
        for end in self.opened:
            end.close()

    def udp(self, interface: str | None, address: str, port: int) -> socket.socket:
        del port
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(0)
        sock.bind(("127.0.0.1" if interface else address, 0))
        self.port = sock.getsockname()[1]
        return sock

    def frames(self, interface: str) -> socket.socket:
        return self._pair(f"frames {interface}")

    def arp(self, interface: str) -> socket.socket:
        return self._pair(f"arp {interface}")

    def _pair(self, name: str) -> socket.socket:
        if not self.raw:
            raise ConfigError("raw frames: not permitted")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.settimeout(0)
        theirs.settimeout(0)
        self.ends[name] = theirs
        self.opened.append(theirs)
        return ours


@dataclass
class Bench:
    server: DhcpServer
    engine: DhcpEngine
    journal: Journal
    facts: list[Fact]
    clock: Clock
    something: asyncio.Event

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait while facts and commits come in until the condition holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.something.clear()
                await self.something.wait()

    def told(self) -> list[str]:
        return [fact.ID for fact in self.facts]


def bench(settings: DhcpSettings, network: object = None, leases: Sequence[Lease] = ()) -> Bench:
    clock, facts, something = Clock(), list[Fact](), asyncio.Event()
    journal = Journal(moved=something.set)

    def sink(fact: Fact) -> None:
        facts.append(fact)
        something.set()

    engine = DhcpEngine(settings, Switchboard(), leases=leases, now=clock.now())
    server = DhcpServer(settings, engine, journal, sink, clock, network=network)
    return Bench(server, engine, journal, facts, clock, something)


def loopback(port: int, **more: object) -> DhcpSettings:
    subnet = Subnet(
        name="demo",
        network=ip_int("127.0.0.0"),
        prefixlen=8,
        pools=((ip_int("127.77.0.10"), ip_int("127.77.255.250")),),
    )
    settings = DhcpSettings(
        mode=Mode.FULL, interfaces=("127.0.0.1",), server_port=port, client_port=port, subnets=(subnet,)
    )
    return replace(settings, **more)


def ethernet(probe_time: float = 0.02, **more: object) -> DhcpSettings:
    pools = ((ip_int("10.20.0.10"), ip_int("10.20.0.99")),)
    subnet = Subnet(name="lan", network=ip_int("10.20.0.0"), prefixlen=16, pools=pools, **more)
    return DhcpSettings(mode=Mode.FULL, interfaces=("eth1",), subnets=(subnet,), probe_time=probe_time)


def eth1(**changes: object) -> Interface:
    base = Interface(name="eth1", index=7, mac=OUR_MAC, up=True, addresses=((ROUTER, 16),))
    return replace(base, **changes)


@pytest.fixture
def relay():
    """A relay's socket on 127.0.0.2, on a port that 127.0.0.1 has free as well."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0)
    sock.bind(("127.0.0.2", free_port()))
    yield sock
    sock.close()


async def heard(sock: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 2048), PATIENCE)


async def test_a_whole_exchange_through_a_relay_without_root(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port))
    play.server.open()
    relay.sendto(discover(1, MAC, giaddr=RELAY), ("127.0.0.1", port))
    offer = decode(await heard(relay))
    assert offer.type_name == "OFFER"
    server = offer.address(54)
    assert server == ip_int("127.0.0.1")
    relay.sendto(request(2, MAC, server=server, address=offer.yiaddr, giaddr=RELAY), ("127.0.0.1", port))
    ack = decode(await heard(relay))
    assert (ack.type_name, ack.yiaddr) == ("ACK", ip_int("127.77.0.10"))
    assert play.server.holder("127.77.0.10") == "805ec0112233"
    assert play.server.holder("127.77.0.11") is None
    assert play.server.holder("nonsense") is None
    assert [lease.mac for lease in play.server.leases()] == ["805ec0112233"]
    assert play.server.usage() == {"demo": (65520, 65521)}
    assert play.server.release("127.77.0.10")
    assert not play.server.release("127.77.0.10")
    assert play.told() == ["DHCP-OFFER", "DHCP-ACK", "DHCP-RELEASE"]
    stats = play.server.stats
    assert (stats.received, stats.sent, stats.commits, stats.leases_written) == (2, 2, 2, 2)
    play.server.close()


async def test_a_direct_client_on_loopback_gets_its_answer_at_its_new_address(relay):
    port = relay.getsockname()[1]
    settings = loopback(port)
    play = bench(settings)
    play.server.open()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(0)
    client.bind(("127.77.0.10", port))
    client.sendto(discover(1, MAC), ("127.0.0.1", port))
    assert decode(await heard(client)).yiaddr == ip_int("127.77.0.10")
    client.close()
    play.server.close()


async def test_acks_of_a_burst_leave_after_one_commit(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port))
    play.journal.holds = True
    play.server.open()
    macs = [MAC[:5] + bytes([n]) for n in range(50)]
    for mac in macs:
        relay.sendto(discover(1, mac, giaddr=RELAY), ("127.0.0.1", port))
    offers = [decode(await heard(relay)) for _ in macs]
    for offer in offers:
        packet = request(2, offer.chaddr[:6], server=offer.address(54), address=offer.yiaddr, giaddr=RELAY)
        relay.sendto(packet, ("127.0.0.1", port))
    await play.until(lambda: sum(map(len, play.journal.batches)) == 50)
    assert len(play.journal.batches) < 10
    with pytest.raises(BlockingIOError):
        relay.recv(2048)
    for done in play.journal.held:
        done(None)
    assert {decode(await heard(relay)).type_name for _ in macs} == {"ACK"}
    play.server.close()


async def test_a_broken_store_means_no_ack(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port))
    play.journal.broken = True
    play.server.open()
    relay.sendto(discover(1, MAC, giaddr=RELAY), ("127.0.0.1", port))
    offer = decode(await heard(relay))
    packet = request(2, MAC, server=offer.address(54), address=offer.yiaddr, giaddr=RELAY)
    relay.sendto(packet, ("127.0.0.1", port))
    await play.until(lambda: "DHCP-NOT-STORED" in play.told())
    assert play.server.stats.sent == 1
    assert not list(play.server.leases())
    play.server.close()


async def test_once_the_store_has_recovered_nobody_is_put_off_with_the_rest_of_a_lease(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port))
    play.server.open()
    relay.sendto(discover(1, MAC, giaddr=RELAY), ("127.0.0.1", port))
    offer = decode(await heard(relay))

    async def seconds(xid: int) -> int:
        packet = request(xid, MAC, server=offer.address(54), address=offer.yiaddr, giaddr=RELAY)
        relay.sendto(packet, ("127.0.0.1", port))
        return int.from_bytes(decode(await heard(relay)).options[51], "big")

    whole = await seconds(2)
    play.clock.time += 600
    play.journal.broken = True
    assert await seconds(3) == whole - 600
    play.journal.broken = False
    assert await seconds(4) == whole
    play.server.close()


async def test_of_a_client_that_repeats_itself_the_newest_message_counts_and_floods_lose_the_oldest(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port, queue=10))
    play.server.open()
    for xid in range(5):
        relay.sendto(discover(xid, MAC, giaddr=RELAY), ("127.0.0.1", port))
    assert decode(await heard(relay)).xid == 4
    for n in range(30):
        relay.sendto(discover(n, MAC[:4] + bytes([1, n]), giaddr=RELAY), ("127.0.0.1", port))
    answered = [decode(await heard(relay)).xid for _ in range(10)]
    assert answered == list(range(20, 30))
    assert play.server.stats.dropped == 20
    assert play.told().count("DHCP-OVERRUN") == 1
    play.server.close()


async def test_rubbish_and_defects_end_nothing(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port))
    play.server.open()
    relay.sendto(b"rubbish", ("127.0.0.1", port))
    await play.until(lambda: "DHCP-MALFORMED" in play.told())
    handle, play.engine.handle = play.engine.handle, None
    relay.sendto(discover(1, MAC, giaddr=RELAY), ("127.0.0.1", port))
    await play.until(lambda: "INTERNAL-ERROR" in play.told())
    play.engine.handle = handle
    relay.sendto(discover(2, MAC, giaddr=RELAY), ("127.0.0.1", port))
    assert decode(await heard(relay)).xid == 2
    play.server.close()


async def test_an_offer_to_a_client_without_address_is_a_frame_of_our_own():
    cable = Cable(eth1())
    play = bench(ethernet(probe=False), cable)
    play.server.open()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(discover(1, MAC), ("127.0.0.1", cable.port))
    datagram = parse_udp(await heard(cable.ends["frames eth1"]))
    assert datagram is not None
    assert (datagram.src_mac, datagram.dst_mac) == (OUR_MAC, MAC)
    assert (datagram.src_ip, datagram.dst_ip) == (ROUTER, ip_int("10.20.0.10"))
    assert (datagram.src_port, datagram.dst_port) == (67, 68)
    assert decode(datagram.payload).type_name == "OFFER"
    client.close()
    play.server.close()


async def test_an_address_is_probed_twice_and_offered_when_nobody_answers():
    cable = Cable(eth1())
    play = bench(ethernet(), cable)
    play.server.open()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(discover(1, MAC), ("127.0.0.1", cable.port))
    frames = cable.ends["frames eth1"]
    probes = [parse_arp(await heard(frames)) for _ in range(2)]
    assert [(probe.sender_ip, probe.target_ip) for probe in probes if probe] == [(0, ip_int("10.20.0.10"))] * 2
    datagram = parse_udp(await heard(frames))
    assert datagram is not None
    assert decode(datagram.payload).yiaddr == ip_int("10.20.0.10")
    client.close()
    play.server.close()


async def test_an_address_that_somebody_answers_for_is_skipped_but_not_for_the_client_itself():
    cable = Cable(eth1())
    play = bench(ethernet(probe_time=1.0), cable)  # whoever answers is in time, also on a busy machine
    play.server.open()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(discover(1, MAC), ("127.0.0.1", cable.port))
    frames, arp = cable.ends["frames eth1"], cable.ends["arp eth1"]
    await heard(frames)
    arp.send(arp_reply(MAC[::-1], ip_int("10.20.0.10"), OUR_MAC, 0))
    await play.until(lambda: "DHCP-CONFLICT" in play.told())
    arp.send(arp_reply(MAC, ip_int("10.20.0.11"), OUR_MAC, 0))
    arp.send(b"no arp")
    await play.until(lambda: "DHCP-OFFER" in play.told())
    assert play.journal.batches[0][0].record.state is LeaseState.DECLINED
    assert [lease.ip for lease in play.server.leases()] == [ip_int("10.20.0.10")]
    client.close()
    play.server.close()


async def test_interfaces_come_and_go():
    cable = Cable()
    play = bench(ethernet(probe=False), cable)
    play.server.open()
    assert play.told() == ["DEGRADED"]
    cable.changed()
    assert play.told() == ["DEGRADED"]
    cable.there = [eth1(up=False)]
    cable.changed()
    cable.there = [eth1()]
    cable.changed()
    assert play.told() == ["DEGRADED", "DEGRADED", "RECOVERED"]
    first = cable.port
    cable.there = [eth1(addresses=((ip_int("10.20.0.2"), 16),))]
    cable.changed()
    assert cable.port == first
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(discover(1, MAC), ("127.0.0.1", cable.port))
    datagram = parse_udp(await heard(cable.ends["frames eth1"]))
    assert datagram is not None
    assert decode(datagram.payload).address(54) == ip_int("10.20.0.2")
    cable.there = [eth1(index=8)]
    cable.changed()
    assert cable.port != first
    client.close()
    play.server.close()


class Overwhelmed(Cable):
    """A kernel that does not list the interfaces the next time it is asked."""

    fails = False

    def interfaces(self) -> list[Interface]:
        if self.fails:
            self.fails = False
            raise ProvdError("the kernel does not list the interfaces: Too many open files")
        return super().interfaces()


def test_a_change_that_could_not_be_looked_at_is_looked_at_a_moment_later():
    async def told() -> list[str]:
        cable = Overwhelmed(eth1(up=False))
        play = bench(ethernet(probe=False), cable)
        play.server.open()
        cable.fails, cable.there = True, [eth1()]
        cable.changed()
        assert play.told() == ["DEGRADED"] * 2
        await play.until(lambda: play.told().count("RECOVERED") == 2)
        play.server.close()
        return play.told()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(told()) == ["DEGRADED", "DEGRADED", "RECOVERED", "RECOVERED"]


async def test_a_turn_that_goes_wrong_is_not_the_last_one(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port, queue=1000))
    play.server.open()
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    send = play.server._outbox.send

    def fails(sends: object) -> None:
        del sends
        raise RuntimeError("out of order")

    play.server._outbox.send = fails
    play.server._working = True  # somebody else's datagrams wait
    play.server._waiting[b""] = (play.server._wires["127.0.0.1"], discover(1, MAC, giaddr=RELAY), "127.0.0.2", [])
    asyncio.get_running_loop().call_soon(play.server._work)
    await asyncio.sleep(0)
    assert len(told) == 1
    play.server._outbox.send = send
    relay.sendto(discover(2, MAC, giaddr=RELAY), ("127.0.0.1", port))
    assert decode(await heard(relay)).xid == 2
    play.server.close()


async def test_a_reservation_that_nobody_can_be_given_is_told_once():
    cable, settings = Cable(eth1()), ethernet(probe=False)
    play = bench(settings, cable)
    play.server.open()
    ours, nowhere, good = (ReservedAddress(ip=ip_int(ip), client=b"x") for ip in ("10.20.0.1", "10.9.9.9", "10.20.0.9"))
    for _ in range(2):
        play.server.reload(settings, (ours, nowhere, good))
    assert {fact.ip for fact in play.facts if isinstance(fact, DhcpReservationIdle)} == {"10.20.0.1", "10.9.9.9"}
    assert play.told() == ["DHCP-RESERVATION-IDLE"] * 2
    play.server.reload(settings, ())
    play.server.reload(settings, (ours,))
    assert len(play.told()) == 3, "it was mended in between"
    play.server.close()


async def test_an_interface_without_an_address_is_told_until_it_has_one():
    cable = Cable()
    cable.there = [eth1(addresses=())]
    play = bench(ethernet(probe=False), cable)
    play.server.open()
    assert play.told() == ["DEGRADED"]
    for addresses, told in ((((ROUTER, 16),), "RECOVERED"), ((), "DEGRADED"), (((ROUTER, 24),), "RECOVERED")):
        cable.there = [eth1(addresses=addresses)]
        cable.changed()
        assert play.told()[-1] == told
    assert len(play.told()) == 4
    play.server.close()


async def test_without_raw_sockets_it_works_degraded_and_takes_addresses_as_free():
    cable = Cable(eth1())
    cable.raw = False
    play = bench(ethernet(), cable)
    play.server.open()
    assert play.told() == ["DEGRADED"]
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(discover(1, MAC), ("127.0.0.1", cable.port))
    await play.until(lambda: "DHCP-OFFER" in play.told())
    client.close()
    play.server.close()


async def test_reload_opens_and_closes_what_changed(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port, mode=Mode.OFF))
    play.server.open()
    play.server.reload(loopback(port), ())
    relay.sendto(discover(1, MAC, giaddr=RELAY), ("127.0.0.1", port))
    assert decode(await heard(relay)).type_name == "OFFER"
    play.server.reload(loopback(port, interfaces=()), ())
    play.server.reload(loopback(port), ())
    relay.sendto(discover(2, MAC, giaddr=RELAY), ("127.0.0.1", port))
    assert decode(await heard(relay)).xid == 2
    play.server.reload(loopback(port, mode=Mode.OFF), ())
    play.server.close()


async def test_a_clock_that_is_set_forward_ends_no_lease(relay):
    port = relay.getsockname()[1]
    play = bench(loopback(port))
    play.server.open()
    relay.sendto(discover(1, MAC, giaddr=RELAY), ("127.0.0.1", port))
    offered = decode(await heard(relay)).yiaddr
    relay.sendto(request(2, MAC, address=offered, server=ip_int("127.0.0.1"), giaddr=RELAY), ("127.0.0.1", port))
    assert decode(await heard(relay)).type_name == "ACK"
    play.clock.time += 86400
    play.server.leapt(86400.2)
    assert play.server.holder(ip_text(offered)) == MAC.hex()
    assert play.journal.batches[-1][0].record.starts == 1_000_000 + 86400
    play.server.close()


async def test_what_ends_while_nobody_speaks_is_freed():
    play = bench(loopback(0, interfaces=(), offer_hold=0.01))
    play.engine.handle(decode(discover(1, MAC, giaddr=RELAY)), Ingress(Link("x", (ROUTER,))), play.clock.now())
    play.server.open()
    expired = asyncio.Event()
    expire = play.engine.expire
    play.engine.expire = lambda now: [expired.set(), *expire(now)][1:]
    play.clock.time += 1
    await asyncio.wait_for(expired.wait(), PATIENCE)
    assert play.engine.deadline == float("inf")
    play.server.close()


async def test_leases_that_make_no_sense_are_told(relay):
    lease = Lease(ip=0, client=b"x", mac="0" * 12, state=LeaseState.ACTIVE, starts=1, expires=2)
    play = bench(loopback(relay.getsockname()[1]), leases=[lease])
    play.server.open()
    assert play.told() == ["DHCP-LEASE-SKIPPED"]
    play.server.close()


class Recorder:
    """Stands for a UDP socket."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def sendto(self, *what: object) -> None:
        self.calls.append(what)

    def sendmsg(self, *what: object) -> None:
        self.calls.append(what)

    def close(self) -> None:
        pass


DESTINATIONS = [
    (To.RELAY, "10.20.0.2", ("10.20.0.2", 67)),
    (To.UNICAST, "10.20.0.9", ("10.20.0.9", 68)),
    (To.BROADCAST, "10.20.0.9", ("255.255.255.255", 68)),
]


@pytest.mark.parametrize(("to", "address", "peer"), DESTINATIONS)
def test_destinations(to, address, peer):
    cable = Cable(eth1())
    wire = Wire(cable, ethernet(), "eth1", eth1())
    wire.udp.close()
    wire.udp = recorder = Recorder()
    wire.send(Send(b"x", to, ip_int(address), MAC + bytes(10), "eth1", ROUTER))
    assert recorder.calls == [(b"x", peer)]
    wire.moved(eth1(addresses=((ROUTER, 16), (ip_int("10.20.0.2"), 16))))
    wire.send(Send(b"x", to, ip_int(address), MAC + bytes(10), "eth1", ip_int("10.20.0.2")))
    (_, control, _, where) = recorder.calls[1]
    assert where == peer
    assert control[0][2][4:8] == bytes((10, 20, 0, 2))
    wire.close()
    cable.close()
