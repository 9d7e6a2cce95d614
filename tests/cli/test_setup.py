"""``provd setup``: from a machine's network to a configuration that is valid."""

from __future__ import annotations

import json
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from provd.base.errors import UsageError
from provd.base.types import ip_int
from provd.cli.first_config import default_router, name_servers, proposal, usable
from provd.cli.setup import _asked
from provd.net.netlink import Interface
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

MAC = b"\x02\0\0\0\0\1"


def interface(address: str, length: int, name: str = "eth1", *, up: bool = True) -> Interface:
    return Interface(name, 2, MAC, up, ((ip_int(address), length),))


@pytest.mark.parametrize(
    ("address", "length", "network", "pool"),
    [
        ("10.20.0.1", 16, "10.20.0.0/16", "10.20.16.0-10.20.255.254"),
        ("192.168.1.1", 24, "192.168.1.0/24", "192.168.1.16-192.168.1.254"),
        ("192.168.1.254", 24, "192.168.1.0/24", "192.168.1.16-192.168.1.253"),
        ("192.168.1.200", 24, "192.168.1.0/24", "192.168.1.16-192.168.1.199"),
        ("192.168.1.40", 24, "192.168.1.0/24", "192.168.1.41-192.168.1.254"),
        ("10.1.1.33", 27, "10.1.1.32/27", "10.1.1.42-10.1.1.62"),
    ],
)
def test_a_proposal_fits_the_interface(address: str, length: int, network: str, pool: str) -> None:
    choices = proposal(interface(address, length), "observe")
    assert (choices.network, choices.pool, choices.router, choices.dns) == (network, pool, address, (address,))


def test_a_network_without_room_is_said() -> None:
    with pytest.raises(UsageError, match="too small"):
        proposal(interface("10.0.0.1", 30), "observe")


def test_loopback_and_what_is_down_are_no_places_for_phones() -> None:
    good = interface("10.0.0.1", 24)
    others = [
        interface("127.0.0.1", 8, "lo"),
        interface("10.0.1.1", 24, "eth2", up=False),
        Interface("eth3", 4, MAC, up=True),
    ]
    assert usable([*others, good]) == [good]


def test_router_and_name_servers_of_the_machine(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    routes.write_text("Iface Destination Gateway\neth0 00000000 0101A8C0\neth1 0000140A 00000000\n")
    assert default_router("eth0", routes) == "192.168.1.1"
    assert default_router("eth1", routes) == ""
    assert default_router("eth1", tmp_path / "none") == ""
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("# c\nnameserver 127.0.0.53\nnameserver fe80::1\nnameserver 10.0.0.53\nsearch x\nnameserver\n")
    assert name_servers(resolv) == ["10.0.0.53"]


def test_questions_have_the_proposal_as_their_answer() -> None:
    proposed = proposal(interface("10.20.0.1", 16), "observe")
    with CliRunner().isolation(input="\n\n10.20.0.254\nloud\nfull\n10.0.0.53, 10.0.0.54\n"):
        asked = _asked(proposed)
    assert asked == replace(proposed, router="10.20.0.254", mode="full", dns=("10.0.0.53", "10.0.0.54"))


@pytest.mark.root
def test_a_machine_with_one_network_needs_no_answer(tmp_path: Path) -> None:
    with Bed() as bed:
        path = tmp_path / "etc" / "provd.toml"
        command = ["-m", "provd", "--config", str(path), "setup", "--yes", "--state-dir", str(tmp_path), "--json"]
        made = bed.python(bed.server, *command, stdout=subprocess.PIPE)
        told = json.loads(made.communicate(timeout=PATIENCE)[0])
        assert made.returncode == 0
        assert (told["interface"], told["mode"]) == (bed.server_interface, "observe")
        checked = bed.python(
            bed.server, "-m", "provd", "--config", str(path), "check-config", "--deep", stdout=subprocess.PIPE
        )
        assert checked.communicate(timeout=PATIENCE)[0] == b"OK\n"
        assert path.stat().st_mode & 0o777 == 0o640
        again = bed.python(bed.server, *command, stderr=subprocess.PIPE)
        assert b"--replace" in again.communicate(timeout=PATIENCE)[1]
        assert again.returncode == 5
        over = bed.python(bed.server, *command, "--replace", "--mode", "full", stdout=subprocess.DEVNULL)
        assert over.wait(PATIENCE) == 0
        assert tomllib.loads(path.read_text())["dhcp"]["mode"] == "full"
        assert tomllib.loads(path.with_name("provd.toml.old").read_text())["dhcp"]["mode"] == "observe"


@pytest.mark.root
def test_what_does_not_go_together_is_not_written(tmp_path: Path) -> None:
    with Bed() as bed:
        path = tmp_path / "provd.toml"
        for arguments, code, words in (
            (["--pool", "192.168.9.1-192.168.9.9"], 3, "is not inside"),
            (["--lease", "soon"], 3, "lease"),
            (["--router", "fe80::1"], 3, "routers"),
            (["--interface", "nowhere0"], 4, "nowhere0"),
        ):
            ended = bed.python(
                bed.server, "-m", "provd", "--config", str(path), "setup", "--yes", *arguments, stderr=subprocess.PIPE
            )
            assert words in ended.communicate(timeout=PATIENCE)[1].decode(), arguments
            assert ended.returncode == code
        assert list(tmp_path.iterdir()) == []
