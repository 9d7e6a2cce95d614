"""kill -9 under load: what was acknowledged is there, and no address is given twice."""

import random
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import RELAY, Lan, leases_of
from tests.kit.netns import Bed

pytestmark = [pytest.mark.root, pytest.mark.fault]

LANES, KILLS = 2, 25
CLIENTS = 48_000


def acknowledged(acks: Path) -> dict[str, str]:
    """Every ``mac ip`` that the crowd has written, by address; fails when one address went to two clients."""
    holders: dict[str, str] = {}
    for line in acks.read_text().splitlines():
        mac, ip = line.split()
        assert holders.setdefault(ip, mac) == mac, f"{ip} was given to {holders[ip]} and to {mac}"
    return holders


def kill_again_and_again(folder: Path, seed: int) -> tuple[dict[str, str], dict[str, str]]:
    """What the clients were told and what the daemon knows after the last start; the crowd outlives every kill."""
    folder.mkdir()
    moment = random.Random(seed)
    with Bed(client_ip=RELAY) as bed, (folder / "acks").open("wb") as acks:
        daemon = Daemon(lan_config(bed, folder / "state", lease="4h"), folder, bed=bed)
        crowd = bed.python(
            bed.client,
            *["-m", "tests.kit.dhcp_load", bed.server_ip, RELAY, "0", str(CLIENTS), "32"],
            stdout=acks,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(KILLS):
                daemon.start()
                # Some load, and then a moment of random length: the kill is to fall anywhere between two commits.
                for _ in range(moment.randrange(30, 90)):
                    daemon.wait_for("DHCP-ACK")
                deadline = time.monotonic() + moment.uniform(0.0, 0.02)
                while time.monotonic() < deadline:
                    daemon.drain()
                daemon.kill()
            assert crowd.poll() is None, "the crowd was to be larger than what it gets"
            crowd.kill()
            crowd.wait()
            daemon.start()
            held = leases_of(daemon)
        finally:
            daemon.kill()
    return acknowledged(folder / "acks"), held


def test_fifty_kills_under_load_lose_no_acknowledged_lease(tmp_path: Path) -> None:
    with ThreadPoolExecutor(LANES) as pool:
        lanes = pool.map(kill_again_and_again, (tmp_path / f"lane{n}" for n in range(LANES)), range(LANES))
        for given, held in lanes:
            assert len(given) > 20 * KILLS
            lost = {ip: mac for ip, mac in given.items() if held.get(ip) != mac}
            assert not lost, f"{len(lost)} of {len(given)} acknowledged leases are gone: {list(lost.items())[:5]}"


@pytest.mark.peer
def test_the_lease_is_on_the_disk_before_the_ack_leaves(lan: Lan, tmp_path: Path) -> None:
    """strace sees every call of every thread, in order."""
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,sendto,sendmsg"
    strace = (program("strace"), "-f", "-xx", "-s", "300", "-o", str(trace), "-e", calls)
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed, prefix=strace) as daemon:
        assert lan.offer()
        daemon.wait_for("DHCP-OFFER")
        before = len(trace.read_text().splitlines())
        assert lan.lease()
        daemon.wait_for("DHCP-ACK")
    seen = []
    for line in trace.read_text().splitlines()[before:]:
        # Option 53 follows the magic cookie: 02 is an OFFER, 05 an ACK.
        if kind := re.search(r"send(?:to|msg)\(.*\\x63\\x82\\x53\\x63\\x35\\x01\\x0([25])", line):
            seen.append({"2": "OFFER", "5": "ACK"}[kind[1]])
        elif re.search(r"f(?:data)?sync.*= 0", line):
            seen.append("sync")
    assert "ACK" in seen
    between = seen[: seen.index("ACK")]
    assert "sync" in between[between.index("OFFER") :], f"no sync between OFFER and ACK: {seen}"
