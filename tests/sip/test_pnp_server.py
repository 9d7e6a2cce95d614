"""Multicast PnP on a real link, beside a SIP server that has the same port."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator

import pytest

from provd.base.clock import SystemClock
from provd.base.facts import Fact
from provd.net.sockets import udp_socket
from provd.simulate.lan import entered
from provd.simulate.sip_message import Message
from provd.sip.message import Request, parse
from provd.sip.pnp import GROUP, Advice
from provd.sip.pnp_server import PnpServer
from tests.kit.loop import VirtualLoop, in_virtual_time
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE
from tests.sip.test_pnp import Desk, Shape

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.xdist_group("netns"),
]
_IP_RECVTTL = 12  # linux/in.h
_IP_MULTICAST_ALL = 49
PHONE = "10.77.128.5"
SHAPE = Shape("MAC001565f4f9e1", port=5059, words=';vendor="acme";model="A1"', address=PHONE)


@pytest.fixture
def bed() -> Iterator[Bed]:
    with Bed(client_ip=PHONE) as made:
        yield made


class Link:
    """A phone's socket at one end, everything else at the other."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.facts: list[Fact] = []
        self.told = asyncio.Event()
        self.desk = Desk(Advice(url="http://10.77.0.1:8667/", plugin="acme", model="A1"))
        self.loop = asyncio.get_running_loop()
        with entered(bed.client):
            self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.phone.settimeout(0)
            self.phone.bind((PHONE, 5059))
            index = socket.if_nametoindex(bed.client_interface)
        request = struct.pack("=4s4si", bytes(4), bytes(4), index)
        self.phone.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        self.pnp = PnpServer(self.desk, self.tell, SystemClock())

    def asks(self, call: str = "one") -> None:
        self.phone.sendto(SHAPE.octets(call), (GROUP, 5060))

    async def hears(self) -> tuple[bytes, tuple[str, int], int]:
        """The next datagram for the phone, who sent it, and with which TTL."""
        self.phone.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        ready: asyncio.Future[None] = self.loop.create_future()
        self.loop.add_reader(self.phone, lambda: ready.done() or ready.set_result(None))
        try:
            await asyncio.wait_for(ready, PATIENCE)
        finally:
            self.loop.remove_reader(self.phone)
        octets, [(_, _, ttl)], _, source = self.phone.recvmsg(65535, 64)
        return octets, source, struct.unpack("=i", ttl)[0]

    def tell(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.told.set()

    async def until(self, fact_id: str) -> None:
        """Wait until that fact was told last."""
        async with asyncio.timeout(PATIENCE):
            while not self.facts or fact_id != self.facts[-1].ID:
                self.told.clear()
                await self.told.wait()

    def close(self) -> None:
        self.pnp.close()
        self.phone.close()


def at_server(bed: Bed, story: Callable[[Link], Awaitable[None]]) -> None:
    async def told() -> None:
        link = Link(bed)
        try:
            await story(link)
        finally:
            link.close()

    with entered(bed.server):
        asyncio.run(told())


def test_a_phone_is_answered_and_the_sip_server_keeps_what_is_its_own(bed: Bed) -> None:
    async def story(link: Link) -> None:
        with udp_socket(None, "0.0.0.0", 5060, exclusive=True) as sip:
            sip.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sip.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)  # the group is not its business
            link.pnp.serve([bed.server_interface], speak=True)
            assert link.pnp.joined == [bed.server_interface]
            link.asks()
            ok, source, ttl = await link.hears()
            assert (ok.partition(b"\r\n")[0], source, ttl) == (b"SIP/2.0 200 OK", ("10.77.0.1", 5060), 1)
            octets, source, _ = await link.hears()
            notify = parse(octets)
            assert isinstance(notify, Request)
            assert (notify.method, notify.body, source) == ("NOTIFY", b"http://10.77.0.1:8667/", ("10.77.0.1", 5060))
            # The phone's answer is unicast: it comes to the SIP server and to nobody else.
            headers = [(name, notify.headers.get(name)) for name in ("via", "from", "to", "call-id", "cseq")]
            link.phone.sendto(Message("SIP/2.0 200 OK", headers).encode(), ("10.77.0.1", 5060))
            octets, sender = await asyncio.wait_for(link.loop.sock_recvfrom(sip, 65535), PATIENCE)
            assert octets.startswith(b"SIP/2.0 200 OK"), "and nothing of what was sent to the group"
            assert link.pnp.confirmed(octets, sender)
            with pytest.raises(BlockingIOError):
                sip.recv(1)
            assert (link.pnp.stats.received, link.pnp.stats.confirmed) == (1, 1)
            assert [fact.ID for fact in link.facts] == ["PNP-ANSWERED"]

    at_server(bed, story)


def test_a_link_that_went_away_is_joined_again(bed: Bed) -> None:
    async def story(link: Link) -> None:
        link.pnp.serve([bed.server_interface], speak=True)
        bed.run(bed.server, "ip", "link", "set", bed.server_interface, "down")
        await link.until("DEGRADED")
        assert link.pnp.joined == []
        bed.run(bed.server, "ip", "link", "set", bed.server_interface, "up")
        await link.until("RECOVERED")
        assert link.pnp.joined == [bed.server_interface]
        link.asks()
        octets, _, _ = await link.hears()
        assert octets.startswith(b"SIP/2.0 200 OK")

    at_server(bed, story)


def test_silence_where_it_is_not_wanted(bed: Bed) -> None:
    async def story(link: Link) -> None:
        link.pnp.serve([bed.server_interface], speak=False)
        link.asks()
        await link.until("PNP-WOULD-ANSWER")
        link.pnp.serve([], speak=True)
        assert link.pnp.joined == []
        link.asks("two")
        link.pnp.serve(["10.77.0.1"], speak=True)
        link.asks("three")
        octets, _, _ = await link.hears()
        assert b"Call-ID: three@" in octets, "neither the observed nor the unheard one was answered"

    at_server(bed, story)


def test_an_interface_that_is_not_there_is_a_degraded_part(bed: Bed) -> None:
    async def story(link: Link) -> None:
        link.pnp.serve(["nosuch0"], speak=True)
        (fact,) = link.facts
        assert "nosuch0" in getattr(fact, "reason", "")
        link.pnp.refresh()
        assert len(link.facts) == 1, "told once"

    at_server(bed, story)


def test_the_group_is_heard_when_whoever_had_the_port_has_gone(bed: Bed) -> None:
    told: list[str] = []

    async def story(_loop: VirtualLoop) -> None:
        pnp = PnpServer(Desk(Advice(url="http://10.77.0.1:8667/")), lambda fact: told.append(fact.ID), SystemClock())
        with udp_socket(None, "0.0.0.0", 5060, exclusive=True):
            pnp.serve([bed.server_interface], speak=True)
            await asyncio.sleep(60)
            assert (told, pnp.joined) == (["DEGRADED"], [])
        await asyncio.sleep(5)
        assert (told, pnp.joined) == (["DEGRADED", "RECOVERED"], [bed.server_interface])
        pnp.close()

    with entered(bed.server):
        in_virtual_time(story)
