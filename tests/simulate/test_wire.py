from __future__ import annotations

import random
from contextlib import asynccontextmanager

from provd.base.types import Mac
from provd.plugin.phone import Dhcp, Failed, Fetch, Fetched, LeaseGot, NotFound
from provd.simulate.link import RelayLink
from provd.simulate.wire import WireTransport
from tests.kit.loop import VirtualLoop, in_virtual_time
from tests.kit.miniserver import MiniServer

MAC = Mac("805ec0112233")
STEP = Dhcp("yealink", (1, 66), "SIP-T27P")


@asynccontextmanager
async def wired(server: MiniServer):
    async with server:
        link = RelayLink("127.20.0.1", server.ip, server_port=server.dhcp_port)
        transport = WireTransport(link, random.Random(1), tick=0.0)
        transport.open()
        try:
            yield transport
        finally:
            transport.close()


def test_an_address_through_the_relay():
    async def story(_loop: VirtualLoop) -> None:
        server = MiniServer()
        async with wired(server) as transport:
            lease = await transport.dhcp(MAC, STEP)
            assert isinstance(lease, LeaseGot)
            assert (lease.ip, lease.server, lease.text(66)) == ("127.20.16.1", "127.0.0.1", server.http)
            assert transport.retransmissions == 0

    in_virtual_time(story)


def test_lost_messages_are_sent_again():
    async def story(_loop: VirtualLoop) -> None:
        async with wired(MiniServer(mute=2)) as transport:
            assert isinstance(await transport.dhcp(MAC, STEP), LeaseGot)
            assert transport.retransmissions == 2

    in_virtual_time(story)


def test_a_server_that_never_answers():
    async def story(_loop: VirtualLoop) -> None:
        async with wired(MiniServer(mute=99)) as transport:
            assert await transport.dhcp(MAC, STEP) == Failed("no OFFER")
            assert transport.retransmissions == 3

    in_virtual_time(story)


async def test_a_server_that_changes_its_mind():
    async with wired(MiniServer(nak=1)) as transport:
        assert await transport.dhcp(MAC, STEP) == Failed("NAK")
        assert isinstance(await transport.dhcp(MAC, STEP), LeaseGot)


async def test_files_over_both_transports():
    server = MiniServer({"a.cfg": b"content"})
    async with wired(server) as transport:
        assert await transport.fetch("127.20.16.7", Fetch(f"{server.http}/a.cfg")) == Fetched(b"content")
        assert await transport.fetch("127.20.16.7", Fetch(f"{server.tftp}//a.cfg")) == Fetched(b"content")
        assert await transport.fetch("127.20.16.7", Fetch(f"{server.tftp}/b.cfg")) == NotFound()
        assert await transport.fetch("127.20.16.7", Fetch("ftp://x/b.cfg")) == Failed("'ftp' is not simulated")
        assert not transport.foreign_source
    assert server.asked == [
        ("http", "127.20.16.7", "/a.cfg"),
        ("tftp", "127.20.16.7", "/a.cfg"),
        ("tftp", "127.20.16.7", "b.cfg"),
    ]


async def test_an_address_of_another_machine_is_not_insisted_upon():
    server = MiniServer({"a.cfg": b"content"})
    async with wired(server) as transport:
        assert await transport.fetch("192.0.2.1", Fetch(f"{server.http}/a.cfg")) == Fetched(b"content")
        assert transport.foreign_source


async def test_waiting_is_measured_in_ticks():
    async with wired(MiniServer()) as transport:
        await transport.wait(3600)
