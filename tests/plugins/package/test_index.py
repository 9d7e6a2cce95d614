"""The publisher's list: what is newest, and what somebody in between cannot do with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provd.plugins.package.index import IndexRefusedError, Offer, check, read, write

DAY = 86400.0
NOW = 1_800_000_000.0


def offer(version: str, plugin: str = "acme", contract: int = 1) -> Offer:
    return Offer(plugin, version, contract, "Acme", "made up", f"{plugin}-{version}.zip", 10, "0" * 64)


def index(*offers: Offer, serial: int = 7, expires: float = NOW + DAY) -> Any:
    return read(write(serial, expires, offers))


def test_a_list_survives_its_file_and_is_the_same_octets_in_any_order() -> None:
    offers = (offer("1.10.0"), offer("1.9.0"))
    assert write(7, NOW, offers) == write(7, NOW, reversed(offers))
    found = index(*offers)
    assert found.serial == 7
    assert found.expires == NOW + DAY
    assert found.offers == (offer("1.9.0"), offer("1.10.0"))


def test_the_newest_that_this_provd_can_use() -> None:
    found = index(
        offer("1.9.0"), offer("1.10.0"), offer("2.0.0-rc.1"), offer("3.0.0", contract=2), offer("9.0.0", "other")
    )
    assert found.newest("acme", 1).version == "1.10.0"
    assert index(offer("2.0.0-rc.1")).newest("acme", 1).version == "2.0.0-rc.1"
    assert found.newest("nobody", 1) is None
    assert found.find("acme", "3.0.0").contract == 2
    assert found.find("acme", "4.0.0") is None


def test_an_old_list_and_one_that_ran_out_count_no_more() -> None:
    check(index(), now=NOW, seen=7)
    with pytest.raises(IndexRefusedError, match="number 8 was seen before"):
        check(index(), now=NOW, seen=8)
    with pytest.raises(IndexRefusedError, match="counted until"):
        check(index(), now=NOW + DAY, seen=7)


GOOD = json.loads(write(7, NOW, [offer("1.0.0")]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"serial": 0}, "serial"),
        ({"serial": "7"}, "serial"),
        ({"expires": "tomorrow"}, "Invalid isoformat"),
        ({"expires": "2027-01-01T00:00:00"}, "no time zone"),
        ({"packages": [{**GOOD["packages"][0], "file": "../../etc/passwd"}]}, "no name of a package"),
        ({"packages": [{**GOOD["packages"][0], "sha256": "x"}]}, "sha256"),
        ({"packages": [{**GOOD["packages"][0], "version": "new"}]}, "no version"),
        ({"packages": {}}, "packages"),
    ],
)
def test_what_is_no_list(change: dict[str, Any], why: str) -> None:
    with pytest.raises(IndexRefusedError, match=why):
        read(json.dumps({**GOOD, **change}).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_nor_is_this(content: bytes) -> None:
    with pytest.raises(IndexRefusedError):
        read(content)
