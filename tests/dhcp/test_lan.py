"""A real LAN in two network namespaces, and clients that we did not write."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

ROOT = Path(__file__).resolve().parents[2]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def client(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return str(path)


@pytest.fixture
def lan() -> Iterator[tuple[str, str]]:
    """Names of the server's and the client's namespace, joined by ``eth0``."""
    tag = secrets.token_hex(3)
    names = (f"dhs{tag}", f"dhc{tag}")
    for name in names:
        ip("netns", "add", name)
    try:
        ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        ip("-n", names[0], "addr", "add", "10.77.0.1/24", "dev", "eth0")
        for name in names:
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


@pytest.fixture
def server(lan: tuple[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = ["ip", "netns", "exec", lan[0], sys.executable, "-m", "tests.dhcp.lan_server", "eth0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line == "READY\n" for line in lines)
        yield process
        process.terminate()


def told(server: subprocess.Popen[str]) -> list[str]:
    """Up to the ACK; what the client of a busy machine asked for twice was answered twice."""
    assert server.stdout is not None
    lines = [""]
    while lines[-1] != "DHCP-ACK":
        lines.append(server.stdout.readline().split(" ", 1)[0].strip())
    return list(dict.fromkeys(lines[1:]))


@pytest.mark.parametrize("flags", [[], ["-B"]], ids=["frame", "broadcast"])
def test_udhcpc(lan, server, flags):
    command = [client("udhcpc"), "-i", "eth0", "-n", "-q", "-f", "-t", "60", "-s", "/bin/true", *flags]
    done = subprocess.run(
        ["ip", "netns", "exec", lan[1], *command], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert "lease of 10.77.0.16 obtained from 10.77.0.1" in done.stdout + done.stderr
    assert told(server) == ["DHCP-OFFER", "DHCP-ACK"]


def test_dhclient(lan, server, tmp_path):
    files = ["-lf", str(tmp_path / "leases"), "-pf", str(tmp_path / "pid"), "-cf", "/dev/null"]
    command = [client("dhclient"), "-4", "-1", "-d", "-sf", "/bin/true", *files, "eth0"]
    with subprocess.Popen(["ip", "netns", "exec", lan[1], *command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("bound to 10.77.0.16" in line for line in lines)
        process.terminate()
    assert told(server) == ["DHCP-OFFER", "DHCP-ACK"]
    assert 'option domain-name "lan.example"' in (tmp_path / "leases").read_text()
