"""DHCP option values as octets."""

from __future__ import annotations

import pytest

from provd.app.options import encode, placeholders
from provd.base.errors import PluginError
from provd.plugin import OptionValue

NAMES = {
    "base": "http://h:1/t0",
    "host": "h",
    "port": "1",
    "path": "t0",
    "address": "10.0.0.1",
    "tftp": "t",
    "mac": "02aaaa000001",
}


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (OptionValue("text", "{base}/x?m={mac}"), b"http://h:1/t0/x?m=02aaaa000001"),
        (OptionValue("text", "{unknown} {}"), b"{unknown} {}"),
        (OptionValue("text", "SERVER={host},PORT={port},DIR={path}"), b"SERVER=h,PORT=1,DIR=t0"),
        (OptionValue("ip", "{address}, 10.0.0.2"), bytes((10, 0, 0, 1, 10, 0, 0, 2))),
        (OptionValue("hex", "01:02 ff"), bytes((1, 2, 255))),
        (OptionValue("suboptions", suboptions={2: "{host}", 1: "ab"}), b"\x01\x02ab\x02\x01h"),
    ],
)
def test_every_encoding(value, octets):
    assert encode(value, NAMES) == octets


@pytest.mark.parametrize(
    "value",
    [OptionValue("ip", "{host}"), OptionValue("hex", "zz"), OptionValue("suboptions", suboptions={1: "x" * 256})],
)
def test_what_cannot_be_encoded_is_a_plugin_error(value):
    with pytest.raises(PluginError, match="cannot be encoded"):
        encode(value, NAMES)


def test_placeholders_are_known_beforehand():
    assert placeholders(OptionValue("text", "{base}/{mac}{mac}")) == {"base", "mac"}
    assert placeholders(OptionValue("suboptions", suboptions={1: "{tftp}", 2: "x"})) == {"tftp"}
