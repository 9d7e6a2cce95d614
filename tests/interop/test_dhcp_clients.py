"""DHCP clients that we did not write, in a network namespace."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.daemon import Daemon, lan_config
from tests.kit.netns import Bed

pytestmark = [pytest.mark.root, pytest.mark.peer]

PHONE = "80:5e:c0:11:22:33"
SCRIPT = """#!/bin/sh
env > {out}.tmp && mv {out}.tmp {out}.$1
"""

DHCLIENT_SCRIPT = """#!/bin/sh
env > {folder}/got.$reason
[ -n "$new_ip_address" ] && ip addr replace $new_ip_address/16 dev $interface
exit 0
"""
BEHIND_THE_RELAY = """
[[dhcp.subnet]]
network = "10.88.0.0/24"
pools = ["10.88.0.10-10.88.0.20"]
routers = ["10.88.0.1"]
"""
DHCPCD_CONF = """
duid
vendorclassid yealink
option tftp_server_name
option domain_name_servers
nohook resolv.conf
noipv6
noarp
"""


@pytest.fixture
def bed():
    with Bed() as bed:
        bed.run(bed.client, "ip", "link", "set", bed.client_interface, "address", PHONE)
        yield bed


def hook(tmp_path: Path) -> tuple[Path, Path]:
    out, script = tmp_path / "environment", tmp_path / "hook"
    script.write_text(SCRIPT.format(out=out))
    script.chmod(0o755)
    return script, out


def environment(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


class Overheard:
    """The server's replies as another implementation reads them off the wire."""

    def __init__(self, bed: Bed) -> None:
        self._process = bed.python(
            bed.client, "-m", "tests.kit.sniff", bed.client_interface, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout.readline() == "ready\n"

    def ack(self) -> dict[str, str]:
        """The options of the next ACK."""
        while True:
            reply = json.loads(self._process.stdout.readline())
            if reply["type"] == 5:
                return reply["options"]


def udhcpc(bed: Bed, script: Path, *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """One lease, for which it asks 60 times, or as often as ``more`` says."""
    usual = ("-i", bed.client_interface, "-n", "-q", "-f", "-t", "60", "-s", str(script))
    return bed.run(bed.client, program("udhcpc"), *usual, *more, check=check)


def test_udhcpc_of_one_vendor_sees_the_directory_url_in_option_66(bed: Bed, tmp_path: Path) -> None:
    script, out = hook(tmp_path)
    with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon:
        wire = Overheard(bed)
        udhcpc(bed, script, "-V", "yealink", "-O", "tftp")
        got = environment(out.with_suffix(".bound"))
        assert wire.ack()["66"] == "http://10.77.0.1:8667/"
        assert got["ip"].startswith("10.77.")
        assert (got["router"], got["dns"], got["lease"]) == ("10.77.0.1", "10.77.0.1", "3600")
        leases = daemon.json("lease", "list")
        assert [(lease["ip"], lease["mac"]) for lease in leases] == [(got["ip"], PHONE)]


def test_udhcpc_as_the_other_vendor_sees_the_whole_path(bed: Bed, tmp_path: Path) -> None:
    script, out = hook(tmp_path)
    with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed):
        wire = Overheard(bed)
        udhcpc(bed, script, "-V", "Cisco SPA504G", "-O", "tftp")
        assert wire.ack()["66"] == "http://10.77.0.1:8667/spa$PSN.cfg"
        assert environment(out.with_suffix(".bound"))["ip"].startswith("10.77.")


def test_what_is_no_phone_gets_a_plain_lease_in_full_mode_and_nothing_in_phones_only(bed: Bed, tmp_path: Path) -> None:
    bed.run(bed.client, "ip", "link", "set", bed.client_interface, "address", "02:11:22:33:44:55")
    script, out = hook(tmp_path)
    with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed):
        udhcpc(bed, script, "-V", "MSFT 5.0", "-O", "tftp")
        assert "tftp" not in environment(out.with_suffix(".bound"))
    with Daemon(lan_config(bed, tmp_path / "other", mode="phones-only"), tmp_path, bed=bed):
        refused = udhcpc(bed, script, "-t", "2", "-T", "1", check=False)
        assert refused.returncode != 0


def test_observe_says_what_it_would_have_answered_and_stays_silent(bed: Bed, tmp_path: Path) -> None:
    script, _ = hook(tmp_path)
    with Daemon(lan_config(bed, tmp_path / "state", mode="observe"), tmp_path, bed=bed) as daemon:
        silent = udhcpc(bed, script, "-t", "1", "-T", "1", "-V", "yealink", check=False)
        assert silent.returncode != 0
        assert PHONE in daemon.wait_for("DHCP-WOULD-ANSWER")


def test_dhclient_gets_renews_and_releases(bed: Bed, tmp_path: Path) -> None:
    script = tmp_path / "hook"
    script.write_text(DHCLIENT_SCRIPT.format(folder=tmp_path))
    script.chmod(0o755)
    common = ["-sf", str(script), "-lf", str(tmp_path / "leases"), "-pf", str(tmp_path / "pid"), bed.client_interface]
    with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon:
        bed.run(bed.client, program("dhclient"), "-1", *common)
        first = environment(tmp_path / "got.BOUND")["new_ip_address"]
        daemon.wait_for("DHCP-ACK")
        bed.run(bed.client, program("dhclient"), "-x", *common, check=False)
        bed.run(bed.client, program("dhclient"), "-1", *common)
        again = environment(tmp_path / "got.REBOOT")["new_ip_address"]
        assert again == first
        bed.run(bed.client, program("dhclient"), "-r", *common)
        daemon.wait_for("DHCP-RELEASE")
        assert [lease["state"] for lease in daemon.json("lease", "list")] in ([], ["released"])


def test_dhcpcd_gets_and_releases(bed: Bed, tmp_path: Path) -> None:
    config = tmp_path / "dhcpcd.conf"
    config.write_text(DHCPCD_CONF)
    arguments = ["-f", str(config), bed.client_interface]
    try:
        with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon:
            bed.run(bed.client, program("dhcpcd"), "-4", "-1", "-w", "-t", "200", *arguments)
            daemon.wait_for("DHCP-ACK")
            shown = bed.run(bed.client, program("dhcpcd"), "-4", "-U", bed.client_interface, check=False).stdout
            assert "http://10.77.0.1:8667/" in shown or daemon.json("lease", "list")[0]["state"] == "active"
            bed.run(bed.client, program("dhcpcd"), "-4", "-k", *arguments, check=False)
    finally:
        for state in Path("/var/lib/dhcpcd").glob(f"*{bed.client_interface}*"):
            state.unlink()


def test_nmap_finds_the_server_and_what_it_offers(bed: Bed, tmp_path: Path) -> None:
    with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed):
        bed.run(bed.client, "ip", "addr", "add", "10.77.0.2/16", "dev", bed.client_interface)
        found = bed.run(
            bed.client,
            program("nmap"),
            "--script",
            "broadcast-dhcp-discover",
            "-e",
            bed.client_interface,
        ).stdout
        assert "Server Identifier: 10.77.0.1" in found
        assert "IP Offered: 10.77." in found


def test_perfdhcp_loses_nothing_through_its_relay(bed: Bed, tmp_path: Path) -> None:
    bed.run(bed.client, "ip", "addr", "add", "10.77.0.2/16", "dev", bed.client_interface)
    with Daemon(lan_config(bed, tmp_path / "state", log_level="warning"), tmp_path, bed=bed):
        done = bed.run(
            bed.client,
            program("perfdhcp"),
            "-4",
            "-l",
            bed.client_interface,
            "-r",
            "100",
            "-R",
            "400",
            "-p",
            "4",
            # what is late is not lost, and what is in flight at the end of the period may still come back
            "-d",
            "60",
            "-W",
            "10000000",
            "-x",
            "i",
            "10.77.0.1",
            check=False,
        )
        drops = [line for line in done.stdout.splitlines() if line.startswith("drops:")]
        assert drops
        assert all(line.split(":")[1].strip().split()[0] == "0" for line in drops), done.stdout


def test_a_real_relay_agent_brings_phones_of_another_network(tmp_path: Path) -> None:
    """Phone - relay (dhcrelay, two interfaces) - provd: matched by giaddr, option 82 echoed to the relay."""
    relay = program("dhcrelay")
    script, out = hook(tmp_path)
    with Bed() as bed:
        # the client namespace becomes the relay; the phone lives in a third one behind it
        phone = f"{bed.client}p"
        inner = f"{bed.client_interface[:-1]}r"
        outer = f"{bed.client_interface[:-1]}p"
        bed.run(bed.client, "ip", "addr", "add", "10.77.0.2/16", "dev", bed.client_interface)
        subprocess.run(["ip", "netns", "add", phone], check=True)
        try:
            bed.run(bed.client, "ip", "link", "add", inner, "type", "veth", "peer", "name", outer)
            bed.run(bed.client, "ip", "link", "set", outer, "netns", phone)
            bed.run(bed.client, "ip", "addr", "add", "10.88.0.1/24", "dev", inner)
            bed.run(bed.client, "ip", "link", "set", inner, "up")
            bed.run(phone, "ip", "link", "set", outer, "address", PHONE)
            bed.run(phone, "ip", "link", "set", outer, "up")
            bed.run(bed.server, "ip", "route", "add", "10.88.0.0/24", "via", "10.77.0.2")
            bed.run(bed.client, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            config = lan_config(bed, tmp_path / "state").replace("[policy]", BEHIND_THE_RELAY + "[policy]")
            with Daemon(config, tmp_path, bed=bed):
                bed.popen(bed.client, relay, "-4", "-d", "-a", "-i", inner, "-i", bed.client_interface, "10.77.0.1")
                bed.run(
                    phone,
                    program("udhcpc"),
                    "-i",
                    outer,
                    "-n",
                    "-q",
                    "-f",
                    "-t",
                    "8",
                    "-T",
                    "1",
                    "-s",
                    str(script),
                    "-V",
                    "yealink",
                    "-O",
                    "tftp",
                )
                got = environment(out.with_suffix(".bound"))
                assert got["ip"] == "10.88.0.10"
                assert "tftp" in got
        finally:
            subprocess.run(["ip", "netns", "del", phone], check=False)
