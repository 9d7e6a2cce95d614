from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys

import pytest

from provd.base.types import ip_int
from provd.net.netlink import LinkWatch, interfaces
from tests.kit.netns import Bed

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_loopback_is_there():
    loopback = next(interface for interface in interfaces() if interface.name == "lo")
    assert loopback.index == socket.if_nametoindex("lo")
    assert loopback.up
    assert (ip_int("127.0.0.1"), 8) in loopback.addresses


def test_the_system_knows_the_same_interfaces():
    assert {(interface.index, interface.name) for interface in interfaces()} >= set(socket.if_nameindex())


SHOW = """
import json
from provd.net.netlink import interfaces
print(json.dumps([(i.name, i.mac.hex(), i.up, i.addresses) for i in interfaces()]))
"""


@pytest.mark.root
@needs_root
def test_a_switched_off_interface_keeps_its_address():
    with Bed(client_ip="10.77.0.2") as bed:
        bed.run(bed.server, "ip", "link", "set", bed.server_interface, "down")
        seen = json.loads(bed.run(bed.server, sys.executable, "-c", SHOW).stdout)
        assert [bed.server_interface, "027700000001", False, [[ip_int("10.77.0.1"), 16]]] in seen


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


WATCH = """
import asyncio, subprocess
from provd.base.types import ip_text
from provd.net.netlink import LinkWatch, interfaces

async def main():
    told = asyncio.Queue()
    watch = LinkWatch(asyncio.get_running_loop(), lambda: told.put_nowait(interfaces()))
    for command in ("link add pair0 type veth peer name pair1", "addr add 192.0.2.9/32 dev pair0", "link set pair0 up"):
        subprocess.run(["ip", *command.split()], check=True)
    for interface in await asyncio.wait_for(told.get(), 5):
        print(interface.name, interface.up, *(ip_text(ip) for ip, _ in interface.addresses))
    subprocess.run("ip link set pair1 up".split(), check=True)
    while True:
        if any(interface.name == "pair0" and interface.up for interface in await asyncio.wait_for(told.get(), 5)):
            break
    print("carrier")
    watch.close()

asyncio.run(main())
"""


@pytest.mark.root
@needs_root
def test_changes_that_come_together_are_told_once():
    with Bed() as bed:
        said = bed.run(bed.server, sys.executable, "-c", WATCH).stdout
    assert "pair0 False 192.0.2.9" in said.splitlines(), "the first telling came after all three changes"
    assert said.endswith("carrier\n")


async def test_a_closed_watch_is_silent():
    watch = LinkWatch(asyncio.get_running_loop(), lambda: pytest.fail("told after close"))
    watch.close()
    await asyncio.sleep(0)
