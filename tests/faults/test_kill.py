"""kill -9 under load: what was acknowledged is there, and no address is given twice."""

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, lan_config
from tests.kit.netns import Bed

pytestmark = [pytest.mark.root, pytest.mark.fault, pytest.mark.timeout(600)]

KILLS = 50


def acknowledged(folder: Path) -> dict[str, str]:
    """Every ``mac ip`` that any crowd has written, by address; fails when one address went to two clients."""
    holders: dict[str, str] = {}
    for file in sorted(folder.glob("acks.*")):
        for line in file.read_text().splitlines():
            if len(parts := line.split()) == 2:
                mac, ip = parts
                assert holders.setdefault(ip, mac) == mac, f"{ip} was given to {holders[ip]} and to {mac}"
    return holders


def test_fifty_kills_under_load_lose_no_acknowledged_lease(tmp_path: Path) -> None:
    moment = random.Random(7)
    with Bed(client_ip="10.77.0.2") as bed:
        config = lan_config(bed, tmp_path / "state", log_level="warning", lease="4h")
        daemon = Daemon(config.replace('log_level = "warning"', 'log_level = "info"', 1), tmp_path, bed=bed)
        crowd: subprocess.Popen[bytes] | None = None
        try:
            for round_number in range(KILLS):
                daemon.start()
                with (tmp_path / f"acks.{round_number:03}").open("wb") as acks:
                    crowd = bed.python(
                        bed.client,
                        *["-m", "tests.kit.dhcp_load", bed.server_ip, "10.77.0.2"],
                        *[str(round_number * 10_000), "10000", "32"],
                        stdout=acks,
                    )
                    daemon.wait_for("DHCP-ACK")
                    # A moment of load of random length: the kill is to fall anywhere between two commits.
                    deadline = time.monotonic() + moment.uniform(0.0, 0.15)
                    while time.monotonic() < deadline:
                        daemon.drain()
                    daemon.kill()
                    crowd.kill()
                    crowd.wait()
            daemon.start()
            held = {lease["ip"]: lease["mac"].replace(":", "") for lease in daemon.json("lease", "list")}
        finally:
            daemon.kill()
            if crowd is not None and crowd.poll() is None:
                crowd.kill()
    given = acknowledged(tmp_path)
    assert len(given) > KILLS
    lost = {ip: mac for ip, mac in given.items() if held.get(ip) != mac}
    assert not lost, f"{len(lost)} of {len(given)} acknowledged leases are gone: {dict(list(lost.items())[:5])}"
