"""Who is not answered at all."""

from __future__ import annotations

import ipaddress

import pytest

from provd.tftp.gate import Gate, acceptable

OURS = "10.0.0.1"


@pytest.mark.parametrize("port", [0, 7, 19, 53, 67, 69, 123, 1023])
def test_well_known_ports_reflect(port: int) -> None:
    assert Gate(()).closed(("10.0.0.9", port), OURS) == "port"


@pytest.mark.parametrize("address", ["255.255.255.255", "224.0.0.1", "239.1.2.3", "0.0.0.0", OURS])
def test_sources_that_nobody_has(address: str) -> None:
    assert Gate(()).closed((address, 40000), OURS) == "source"


def test_an_honest_client() -> None:
    assert Gate(()).closed(("10.0.0.9", 1024), OURS) == ""
    assert Gate(()).closed(("127.0.0.1", 40000), "127.0.0.1") == ""
    assert Gate(()).closed(("10.0.0.9", 40000), "") == "broadcast"


def test_networks() -> None:
    gate = Gate([ipaddress.IPv4Network("10.0.0.0/24"), ipaddress.IPv4Network("192.168.0.0/16")])
    asked = ["10.0.0.255", "10.0.1.0", "192.168.9.9", "8.8.8.8"]
    assert [gate.closed((address, 2000), OURS) for address in asked] == ["", "network", "", "network"]


def test_names() -> None:
    assert acceptable(b"805ec0112233.cfg")
    assert acceptable(b"/a/b..c/d e.xml")
    assert acceptable(b"x" * 255)
    assert not acceptable(b"x" * 256)
