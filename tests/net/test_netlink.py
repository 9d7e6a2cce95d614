from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess

import pytest

from provd.base.types import ip_int
from provd.net.netlink import Interface, LinkWatch, NeighbourTable, interfaces
from provd.simulate.lan import entered
from tests.kit.lan import socket_in
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_loopback_is_there():
    loopback = next(interface for interface in interfaces() if interface.name == "lo")
    assert loopback.index == socket.if_nametoindex("lo")
    assert loopback.up
    assert (ip_int("127.0.0.1"), 8) in loopback.addresses


def test_the_system_knows_the_same_interfaces():
    assert {(interface.index, interface.name) for interface in interfaces()} >= set(socket.if_nameindex())


@pytest.mark.root
@needs_root
def test_a_switched_off_interface_keeps_its_address():
    with Bed() as bed:
        bed.run(bed.server, "ip", "link", "set", bed.server_interface, "down")
        with entered(bed.server):
            [seen] = [interface for interface in interfaces() if interface.name == bed.server_interface]
    assert (seen.mac, seen.up, seen.addresses) == (bytes.fromhex("027700000001"), False, ((ip_int("10.77.0.1"), 16),))


@pytest.mark.root
@needs_root
def test_the_bed_leaves_nothing_behind():
    with Bed(anyip="10.77.16.0/20") as bed:
        names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        assert bed.server in names
        program = bed.popen(bed.server, "sleep", "60")
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert bed.server not in names
    assert bed.client not in names
    assert program.poll() is not None


@pytest.mark.root
@needs_root
async def test_changes_that_come_together_are_told_once():
    told: asyncio.Queue[dict[str, Interface]] = asyncio.Queue()
    with Bed() as bed, entered(bed.server):

        def changed() -> None:
            told.put_nowait({interface.name: interface for interface in interfaces()})

        watch = LinkWatch(asyncio.get_running_loop(), changed)
        bed.run(bed.server, "ip", "link", "add", "pair0", "type", "veth", "peer", "name", "pair1")
        bed.run(bed.server, "ip", "addr", "add", "192.0.2.9/32", "dev", "pair0")
        bed.run(bed.server, "ip", "link", "set", "pair0", "up")
        first = (await asyncio.wait_for(told.get(), PATIENCE))["pair0"]
        # The first telling came after all three changes.
        assert (first.up, first.addresses) == (False, ((ip_int("192.0.2.9"), 32),))
        bed.run(bed.server, "ip", "link", "set", "pair1", "up")
        while not (await asyncio.wait_for(told.get(), PATIENCE))["pair0"].up:
            pass
        watch.close()


async def test_a_closed_watch_is_silent():
    watch = LinkWatch(asyncio.get_running_loop(), lambda: pytest.fail("told after close"))
    watch.close()
    await asyncio.sleep(0)


@pytest.mark.root
@needs_root
def test_the_neighbour_table_knows_who_has_spoken_on_the_link():
    with Bed(client_ip="10.77.0.9") as bed, entered(bed.server):
        table = NeighbourTable()

        def speaks() -> None:
            with socket_in(bed.client, socket.SOCK_STREAM) as caller:
                caller.settimeout(PATIENCE)
                assert caller.connect_ex((bed.server_ip, 9)) == errno.ECONNREFUSED

        assert table.find("10.77.0.9") is None, "nobody has spoken yet"
        speaks()
        assert table.find("10.77.0.9") == "027700000002"
        bed.run(bed.client, "ip", "link", "set", bed.client_interface, "address", "02:77:00:00:00:ee")
        speaks()
        assert table.find("10.77.0.9") == "0277000000ee"
        neighbour = ("ip", "neigh", "replace", "10.77.0.9", "dev", bed.server_interface)
        bed.run(bed.server, *neighbour, "lladdr", "02:77:00:00:00:dd", "nud", "permanent")
        assert table.find("10.77.0.9") is None, "somebody has entered it by hand"
        # Also a neighbour by that route would be another host's.
        bed.run(bed.server, "ip", "route", "add", "10.88.0.0/16", "via", "10.77.0.9")
        for beyond in ("10.88.0.1", bed.server_ip, "203.0.113.1", "127.0.0.1", "nonsense"):
            assert table.find(beyond) is None
        table.close()
        assert table.find("10.77.0.9") is None, "it opens its socket again"
        table.close()
