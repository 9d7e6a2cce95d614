from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
from contextlib import AsyncExitStack, ExitStack

import pytest

from provd.base.errors import ConfigError
from provd.base.types import Mac, ip_int
from provd.net.frame import ARP_REPLY, ETHERTYPE_ARP, arp_probe, parse_arp
from provd.net.sockets import packet_socket
from provd.plugin.phone import Dhcp, Failed, Fetch, Fetched, LeaseGot
from provd.simulate.forward import Forward
from provd.simulate.http_client import http_get
from provd.simulate.lan import LOOPBACK, entered, private_lan
from provd.simulate.link import RawLink
from provd.simulate.wire import WireTransport
from tests.kit.miniserver import MiniServer
from tests.kit.patience import PATIENCE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def namespaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


def test_on_loopback_nothing_has_to_be_entered():
    assert LOOPBACK.at_server("provd", "serve") == ["provd", "serve"]
    with socket.socket() as sock:
        sock.bind((LOOPBACK.pool_first, 0))


@pytest.mark.root
@needs_root
def test_the_lan_is_gone_afterwards_whatever_happened():
    with ExitStack() as stack:
        lan = stack.enter_context(private_lan())
        assert lan.server_namespace in namespaces()
        assert not stack.__exit__(RuntimeError, RuntimeError(), None)
    assert lan.server_namespace not in namespaces()
    assert lan.phones_namespace not in namespaces()


@pytest.mark.root
@needs_root
def test_what_a_killed_run_left_is_swept_away():
    left = "pd4194305xdeads"  # no process has a pid beyond 2^22
    subprocess.run(["ip", "netns", "add", left], check=True)
    with private_lan():
        assert left not in namespaces()


def test_a_namespace_that_is_not_there_is_said():
    with pytest.raises(ConfigError, match="network namespace nosuch: No such file"), entered("nosuch"):
        pass


@pytest.mark.root
@needs_root
async def test_phones_boot_from_their_own_macs_and_addresses():
    async with AsyncExitStack() as stack:
        lan = stack.enter_context(private_lan())
        server = MiniServer({"a.cfg": b"content"}, lan.server_ip, lan.pool_first, interface=lan.server_interface)
        server.dhcp_port = 67
        with entered(lan.server_namespace):  # what listens here stays here
            await stack.enter_async_context(server)
            probing = stack.enter_context(packet_socket(lan.server_interface, ETHERTYPE_ARP))
        stack.enter_context(entered(lan.phones_namespace))
        transport = WireTransport(RawLink(lan.phones_interface), random.Random(1))
        transport.open()
        stack.callback(transport.close)

        lease = await transport.dhcp(Mac("805ec0112233"), Dhcp("yealink", (1, 66)))
        assert isinstance(lease, LeaseGot)
        assert (lease.ip, lease.server, lease.text(66)) == (lan.pool_first, lan.server_ip, server.http)
        assert await transport.fetch(lease.ip, Fetch(f"{server.http}/a.cfg")) == Fetched(b"content")
        assert server.asked == [("http", lan.pool_first, "/a.cfg")]
        # Who probes finds the address that a phone holds, and no other.
        async with asyncio.timeout(PATIENCE):
            while not await _answered(probing, ip_int(lan.pool_first)):  # on a busy machine it may be late
                continue
        assert not await _answered(probing, ip_int(lan.pool_last))


async def _answered(sock: socket.socket, address: int) -> bool:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, arp_probe(bytes.fromhex("027700000001"), address))
    try:
        async with asyncio.timeout(0.5):
            while True:
                packet = parse_arp(await loop.sock_recv(sock, 2048))
                if packet is not None and (packet.op, packet.sender_ip) == (ARP_REPLY, address):
                    return True
    except TimeoutError:
        return False


@pytest.mark.root
@needs_root
async def test_a_page_inside_is_reached_from_outside():
    async with AsyncExitStack() as stack:
        lan = stack.enter_context(private_lan())
        server = MiniServer({"page": b"hello" * 100_000}, lan.server_ip, interface=lan.server_interface)
        with entered(lan.server_namespace):
            await stack.enter_async_context(server)
        forward = Forward("127.0.0.1", 0, lan.server_namespace, (lan.server_ip, server.http_port))
        port = await forward.open()
        stack.push_async_callback(forward.close)
        assert await http_get(f"http://127.0.0.1:{port}/page", {}) == Fetched(b"hello" * 100_000)
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            await Forward("127.0.0.1", port, lan.server_namespace, ("127.0.0.1", 1)).open()


@pytest.mark.root
@needs_root
async def test_nobody_inside_means_a_closed_connection_outside():
    with private_lan() as lan:
        forward = Forward("127.0.0.1", 0, lan.server_namespace, ("127.0.0.1", 1))
        port = await forward.open()
        assert isinstance(await http_get(f"http://127.0.0.1:{port}/page", {}), Failed)
        await forward.close()
