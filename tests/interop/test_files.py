"""Files through TFTP and HTTP clients that we did not write; equal byte for byte, and nothing for a neighbour."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.daemon import Daemon, lan_config
from tests.kit.netns import Bed

pytestmark = [pytest.mark.root, pytest.mark.peer]

PHONE = "80:5e:c0:11:22:33"
MAC = PHONE.replace(":", "")
LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr replace $ip/16 dev $interface
exit 0
"""


class Lan:
    """A daemon, and a client that holds a lease as a phone."""

    def __init__(self, bed: Bed, daemon: Daemon, folder: Path) -> None:
        self.bed, self.daemon, self.folder = bed, daemon, folder

    def lease(self, vendor_class: str = "yealink") -> None:
        script = self.folder / "script"
        script.write_text(LEASE_SCRIPT)
        script.chmod(0o755)
        interface = self.bed.client_interface
        udhcpc = [
            program("udhcpc"),
            "-i",
            interface,
            "-n",
            "-q",
            "-f",
            "-t",
            "5",
            "-s",
            str(script),
            "-V",
            vendor_class,
        ]
        self.bed.run(self.bed.client, *udhcpc)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.bed.run(self.bed.client, *command, check=check)

    def fetch(self, how: str, name: str) -> bytes:
        out = self.folder / "fetched"
        out.unlink(missing_ok=True)
        server = self.bed.server_ip
        commands = {
            "http": [program("curl"), "-sf", "-o", str(out), f"http://{server}:8667/{name.lstrip('/')}"],
            "curl": [program("curl"), "-sf", "-o", str(out), f"tftp://{server}/{name}"],
            "curl-no-options": [program("curl"), "-sf", "--tftp-no-options", "-o", str(out), f"tftp://{server}/{name}"],
            "curl-1400": [program("curl"), "-sf", "--tftp-blksize", "1400", "-o", str(out), f"tftp://{server}/{name}"],
            "tftp-hpa": [program("tftp"), "-m", "binary", server, "-c", "get", name, str(out)],
            "atftp": [program("atftp"), "-g", "-r", name, "-l", str(out), server],
            "atftp-options": [
                *[program("atftp"), "--option", "blksize 1428", "--option", "tsize 0", "--option", "windowsize 16"],
                *["-g", "-r", name, "-l", str(out), server],
            ],
            "tftpy": [
                *[sys.executable, "-c", "import sys, tftpy; tftpy.TftpClient(sys.argv[1], 69).download(*sys.argv[2:])"],
                *[server, name, str(out)],
            ],
            "tftpy-options": [
                *[sys.executable, "-c", TFTPY_OPTIONS],
                *[server, name, str(out)],
            ],
        }
        self.run(*commands[how], check=False)
        return out.read_bytes() if out.exists() else b""


TFTPY_OPTIONS = """
import sys, tftpy
tftpy.TftpClient(sys.argv[1], 69, options={"blksize": 1024, "tsize": 0}).download(*sys.argv[2:])
"""
CLIENTS = [
    *["curl", "curl-no-options", "curl-1400", "tftp-hpa", "atftp", "atftp-options", "tftpy", "tftpy-options"],
]


@pytest.fixture
def lan(tmp_path: Path):
    with Bed() as bed:
        bed.run(bed.client, "ip", "link", "set", bed.client_interface, "address", PHONE)
        with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon:
            yield Lan(bed, daemon, tmp_path)


def test_every_client_gets_the_same_bytes_by_every_transport(lan: Lan) -> None:
    lan.lease()
    for name in ("spa504G.cfg", "spa504g.cfg", "y000000000035.cfg", f"{MAC}.cfg", f"{MAC.upper()}.cfg"):
        over_http = lan.fetch("http", name)
        assert len(over_http) > 200, name
        for client in CLIENTS:
            assert lan.fetch(client, name) == over_http, (client, name)
    assert lan.fetch("tftp-hpa", "/spa504G.cfg") == lan.fetch("http", "spa504G.cfg")


def test_a_neighbours_file_looks_like_one_that_does_not_exist(lan: Lan) -> None:
    lan.lease()
    neighbour = "805ec0445566"
    lan.daemon.provd("tenant", "add", "acme")
    lan.daemon.provd("line", "add", "100", "--tenant", "acme", "--username", "u100", "--server", "10.77.0.1")
    lan.daemon.provd("device", "add", neighbour, "--vendor", "Yealink", "--model", "T27P")
    lan.daemon.provd("device", "assign", neighbour, "100")

    def head(name: str) -> str:
        shown = lan.run(program("curl"), "-si", f"http://{lan.bed.server_ip}:8667/{name}").stdout
        return "\n".join(line for line in shown.splitlines() if not line.lower().startswith("date:"))

    refused, unknown = head(f"{neighbour}.cfg"), head("805ec0ffffff.cfg")
    assert refused == unknown == head("nothing-of-the-kind.cfg")
    assert "404" in refused
    lan.daemon.wait_for("FILE-REFUSED")
    for client in ("tftp-hpa", "curl", "atftp"):
        assert lan.fetch(client, f"{neighbour}.cfg") == lan.fetch(client, "nothing.cfg") == b""
    # its own file it gets, before and after
    assert lan.fetch("http", f"{MAC}.cfg")


def test_the_phone_itself_gets_its_lines_and_is_then_provisioned(lan: Lan) -> None:
    lan.lease()
    assert b"account.1.user_name = ap" in lan.fetch("http", f"{MAC}.cfg").replace(b"=ap", b"= ap")
    lan.daemon.provd("tenant", "add", "acme", "--set", "sip.server=10.77.0.1")
    lan.daemon.provd("line", "add", "100", "--tenant", "acme", "--username", "u100", "--display-name", "Zoë & Co")
    lan.daemon.provd("device", "assign", MAC, "100")
    assert b"u100" in lan.fetch("http", f"{MAC}.cfg")
    lan.daemon.wait_for("DEVICE-PROVISIONED")
    shown = lan.daemon.json("device", "show", MAC)
    assert (shown["state"], shown["tenant"]) == ("provisioned", "acme")


def test_upload_is_refused_without_harm(lan: Lan) -> None:
    lan.lease()
    put = lan.run(
        program("curl"), "-si", "-T", str(lan.folder / "script"), f"http://{lan.bed.server_ip}:8667/{MAC}-local.cfg"
    )
    assert put.stdout.splitlines()[-1:] == [""] or "405" in put.stdout
    assert "405" in put.stdout.splitlines()[0] or "405" in put.stdout
    lan.run(
        program("tftp"),
        "-m",
        "binary",
        lan.bed.server_ip,
        "-c",
        "put",
        str(lan.folder / "script"),
        "x.cfg",
        check=False,
    )
    lan.daemon.wait_for("TFTP-REFUSED")


def token_daemon(bed: Bed, folder: Path) -> Daemon:
    return Daemon(lan_config(bed, folder / "state", secrets="token"), folder, bed=bed)


def test_a_token_in_the_url_is_enough_where_there_is_no_lease(tmp_path: Path) -> None:
    with Bed(client_ip="10.77.0.2") as bed, token_daemon(bed, tmp_path) as daemon:
        lan = Lan(bed, daemon, tmp_path)
        daemon.provd("device", "add", MAC, "--vendor", "Yealink", "--model", "T27P")
        assert lan.fetch("http", f"{MAC}.cfg") == b""
        url = daemon.json("device", "show", MAC, "--reveal")["url"]
        token = url.rstrip("/").rpartition("/")[2]
        assert len(token) == 26
        with_token = lan.fetch("http", f"{token}/{MAC}.cfg")
        assert b"account.1" in with_token
        assert lan.fetch("curl", f"{token}/{MAC}.cfg") == with_token
        assert lan.fetch("http", f"{token[:-1]}a/{MAC}.cfg") in (b"", with_token if token.endswith("a") else b"")
        assert lan.fetch("http", f"{token}/805ec0445566.cfg") == b""
