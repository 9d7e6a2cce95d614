from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.types import ip_int
from provd.simulate.dhcp_client import ACK, DISCOVER, OFFER, Reply, decode, encode

CHADDR = bytes.fromhex("805ec0112233")


def reply(options: bytes, *, op: int = 2, hlen: int = 6, sname: bytes = b"", file: bytes = b"") -> bytes:
    fixed = bytes([op, 1, hlen, 0]) + b"\1\2\3\4" + bytes(8) + b"\x0a\x14\x10\5" + b"\x0a\x14\0\1" + bytes(4)
    return (
        fixed
        + CHADDR.ljust(16, b"\0")
        + sname.ljust(64, b"\0")
        + file.ljust(128, b"\0")
        + b"\x63\x82\x53\x63"
        + options
    )


def test_scapy_reads_what_we_write():
    dhcp = pytest.importorskip("scapy.layers.dhcp")
    options = [(55, bytes([1, 3, 66])), (60, b"yealink"), (12, b""), (50, b"\x0a\x14\x10\5")]
    message = encode(DISCOVER, 0x01020304, CHADDR, options, secs=7, giaddr=ip_int("10.20.0.1"))
    packet = dhcp.BOOTP(message)
    assert (packet.op, packet.xid, packet.secs, packet.hops, packet.giaddr) == (1, 0x01020304, 7, 1, "10.20.0.1")
    assert packet.chaddr[:6] == CHADDR
    said = [option for option in packet[dhcp.DHCP].options if isinstance(option, tuple)]
    assert said == [
        ("message-type", 1),
        ("param_req_list", [1, 3, 66]),
        ("vendor_class_id", b"yealink"),
        ("requested_addr", "10.20.16.5"),
    ]


def test_we_read_what_scapy_writes():
    dhcp = pytest.importorskip("scapy.layers.dhcp")
    options = [("message-type", "ack"), ("server_id", "10.20.0.1"), ("tftp_server_name", b"http://h"), "end"]
    packet = dhcp.BOOTP(op=2, xid=9, yiaddr="10.20.16.5", chaddr=CHADDR) / dhcp.DHCP(options=options)
    read = decode(bytes(packet))
    assert read is not None
    assert (read.kind, read.xid, read.yiaddr, read.chaddr) == (ACK, 9, ip_int("10.20.16.5"), CHADDR)
    assert read.address(54) == ip_int("10.20.0.1")
    assert read.options[66] == b"http://h"
    assert read.address(3) == 0


def test_a_message_is_never_shorter_than_bootp_relays_like_it():
    assert len(encode(DISCOVER, 1, CHADDR, [])) == 300


def test_pieces_of_an_option_are_joined():
    read = decode(reply(bytes([53, 1, 2, 0, 66, 2]) + b"ht" + bytes([66, 2]) + b"tp" + b"\xff" + b"\x42\1x"))
    assert read == Reply(OFFER, 0x01020304, ip_int("10.20.16.5"), ip_int("10.20.0.1"), CHADDR, {53: b"\2", 66: b"http"})


def test_options_in_sname_and_file_are_read_when_they_are_announced():
    sname, file = bytes([60, 1]) + b"s\xff", bytes([66, 1]) + b"f\xff"
    read = decode(reply(bytes([53, 1, 5, 52, 1, 3, 255]), sname=sname, file=file))
    assert read is not None
    assert (read.options[60], read.options[66]) == (b"s", b"f")
    read = decode(reply(bytes([53, 1, 5, 255]), sname=sname, file=file))
    assert read is not None
    assert 66 not in read.options


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        reply(bytes([53, 1, 5, 255]), op=1),
        reply(bytes([53, 1, 5, 255]), hlen=17),
        reply(bytes([53, 1, 5, 255])).replace(b"\x63\x82\x53\x63", b"\x63\x82\x53\x64"),
        reply(bytes([255])),
        reply(bytes([53])),
        reply(bytes([53, 4, 1])),
    ],
)
def test_anything_else_is_none(octets):
    assert decode(octets) is None


@given(st.binary(max_size=40))
def test_noise_is_never_an_error(noise):
    decode(noise)
    decode(reply(noise))
