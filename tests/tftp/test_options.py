"""Negotiation: RFC 2347, 2348, 2349 and 7440."""

from __future__ import annotations

import pytest

from provd.tftp.options import Terms, negotiate
from provd.tftp.packet import OptionAck, decode


def agreed(options: dict[str, str], *, size: int = 1000, mtu: int = 1500, windowsize_max: int = 16) -> dict[str, str]:
    terms = negotiate(options, size, mtu=lambda: mtu, windowsize_max=windowsize_max)
    if terms.oack is None:
        return {}
    packet = decode(terms.oack)
    assert isinstance(packet, OptionAck)
    return dict(packet.options)


def test_no_option_no_oack() -> None:
    assert negotiate({}, 5, mtu=lambda: 1500, windowsize_max=16) == Terms(512, 1, None, None)


def test_unknown_options_are_left_out() -> None:
    assert agreed({"bogus": "1"}) == {}
    assert agreed({"bogus": "1", "tsize": "0", "multicast": ""}) == {"tsize": "1000"}


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("8", "8"), ("512", "512"), ("1428", "1428"), ("1468", "1468"), ("1469", "1468"), ("65464", "1468"),
        ("7", None), ("0", None), ("65465", None), ("99999999", None), ("9" * 5000, None), ("abc", None), ("-5", None),
        ("", None), ("+512", None), (" 512", None), ("5_12", None), ("\xb2", None), ("0x200", None),
    ],
)  # fmt: skip
def test_blksize(asked: str, granted: str | None) -> None:
    assert agreed({"blksize": asked}).get("blksize") == granted


def test_blksize_follows_the_mtu_but_not_below_the_default() -> None:
    assert agreed({"blksize": "65464"}, mtu=65536) == {"blksize": "65464"}
    assert agreed({"blksize": "1428"}, mtu=1280) == {"blksize": "1248"}
    assert agreed({"blksize": "1428"}, mtu=300) == {"blksize": "512"}


def test_the_mtu_is_not_asked_for_when_it_cannot_matter() -> None:
    def mtu() -> int:
        raise AssertionError

    assert negotiate({"blksize": "512", "tsize": "0"}, 1, mtu=mtu, windowsize_max=16).blksize == 512


@pytest.mark.parametrize(
    ("asked", "granted"), [("1", "1"), ("255", "255"), ("7", "7"), ("0", None), ("256", None), ("1.5", None)]
)
def test_timeout_is_taken_exactly_or_not_at_all(asked: str, granted: str | None) -> None:
    terms = negotiate({"timeout": asked}, 1, mtu=lambda: 1500, windowsize_max=16)
    assert terms.timeout == (int(granted) if granted else None)
    assert agreed({"timeout": asked}).get("timeout") == granted


@pytest.mark.parametrize(
    ("asked", "granted"),
    [("1", "1"), ("4", "4"), ("16", "16"), ("64", "16"), ("65535", "16"), ("0", None), ("65536", None)],
)
def test_windowsize_is_the_same_or_smaller(asked: str, granted: str | None) -> None:
    assert agreed({"windowsize": asked}).get("windowsize") == granted


def test_a_window_fits_into_socket_buffers() -> None:
    assert agreed({"windowsize": "64", "blksize": "65464"}, mtu=65536, windowsize_max=64)["windowsize"] == "1"
    assert agreed({"windowsize": "64", "blksize": "1428"}, windowsize_max=64)["windowsize"] == "45"


def test_tsize_is_the_true_size() -> None:
    assert agreed({"tsize": "0"}, size=123456) == {"tsize": "123456"}
    assert agreed({"tsize": "0"}, size=1) == {"tsize": "1"}
    assert agreed({"tsize": "x"}) == {}


def test_only_what_was_asked_for_in_the_order_of_the_rfcs() -> None:
    assert list(agreed({"tsize": "0", "blksize": "1024"})) == ["blksize", "tsize"]


def test_the_size_of_an_empty_file_is_not_told() -> None:
    assert agreed({"tsize": "0"}, size=0) == {}  # curl takes "0" for an error
