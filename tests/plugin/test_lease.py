"""What a simulated phone reads in the options of its lease."""

import pytest

from provd.plugin.phone import LeaseGot


def lease(code: int, octets: bytes) -> LeaseGot:
    return LeaseGot("10.0.0.9", {code: octets}, "10.0.0.1")


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (b"", []),
        (b"\x0a\0\0\1", ["10.0.0.1"]),
        (b"\x0a\0\0\1\x0a\0\0\2", ["10.0.0.1", "10.0.0.2"]),
        (b"\x0a\0\0\1\x0a\0\0", ["10.0.0.1"]),
        (b"\x0a\0\0", []),
    ],
)
def test_a_list_of_addresses(octets, found):
    assert lease(150, octets).addresses(150) == found
    assert lease(150, octets).addresses(66) == []


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (b"", ""),
        (b"\2\3abc\1\2hi", "hi"),
        (b"\1\2hi\1\2no", "hi"),
        (b"\1", ""),
        (b"\1\x09cut", "cut"),
        (b"\2\3abc", ""),
    ],
)
def test_an_option_within_an_option(octets, found):
    assert lease(43, octets).suboption(43, 1) == found
    assert lease(43, octets).suboption(60, 1) == ""
