"""The codec: what travels, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import UsageError, WireError
from provd.tftp.packet import (
    Ack,
    Data,
    Error,
    Opcode,
    OptionAck,
    Packet,
    Request,
    decode,
)

STRINGS = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20)
NAMES = STRINGS.filter(bool).map(str.lower).filter(lambda text: all(ord(c) < 256 for c in text))
OPTIONS = st.dictionaries(NAMES.filter(lambda name: name == name.lower()), STRINGS, max_size=4)
BLOCKS = st.integers(0, 65535)
PACKETS = st.one_of(
    st.builds(
        Request,
        st.binary(max_size=40).map(lambda name: name.replace(b"\0", b"")),
        st.sampled_from(["octet", "netascii", "mail"]),
        OPTIONS,
        st.sampled_from([Opcode.RRQ, Opcode.WRQ]),
    ),
    st.builds(Data, BLOCKS, st.binary(max_size=600)),
    st.builds(Ack, BLOCKS),
    st.builds(Error, st.integers(0, 65535), STRINGS),
    st.builds(OptionAck, OPTIONS.filter(bool)),
)


def test_a_request_as_it_travels() -> None:
    datagram = b"\0\1/config.cfg\0OcTeT\0BLKSIZE\0001428\0tsize\0000\0"
    request = decode(datagram)
    assert request == Request(b"/config.cfg", "octet", {"blksize": "1428", "tsize": "0"})
    assert request.encode() == b"\0\1/config.cfg\0octet\0blksize\0001428\0tsize\0000\0"


@pytest.mark.parametrize(
    ("packet", "datagram"),
    [
        (Request(b"x", "netascii", {}, Opcode.WRQ), b"\0\2x\0netascii\0"),
        (Data(513, b"abc"), b"\0\3\2\1abc"),
        (Data(65536, b""), b"\0\3\0\0"),
        (Ack(65535), b"\0\4\xff\xff"),
        (Error(1, "file not found"), b"\0\5\0\1file not found\0"),
        (OptionAck({"blksize": "1428", "windowsize": "16"}), b"\0\6blksize\x001428\0windowsize\x0016\0"),
    ],
)
def test_every_packet_as_it_travels(packet: Packet, datagram: bytes) -> None:
    assert packet.encode() == datagram


def test_block_numbers_beyond_sixteen_bits_roll_over_to_zero() -> None:
    assert Data(65536, b"x").encode() == b"\0\3\0\0x"
    assert Ack(65537).encode() == b"\0\4\0\1"


@given(PACKETS)
def test_decoding_undoes_encoding(packet: Packet) -> None:
    assert decode(packet.encode()) == packet


@given(
    st.binary(max_size=700)
    | st.tuples(st.integers(0, 8), st.binary(max_size=80)).map(lambda t: bytes([0, t[0]]) + t[1])
)
def test_decoding_raises_nothing_but_wire_errors(datagram: bytes) -> None:
    try:
        packet = decode(datagram)
    except WireError:
        return
    if isinstance(packet, Request):
        assert isinstance(packet.name, str)


@pytest.mark.parametrize(
    "datagram", [b"", b"\0", b"\0\1", b"\0\1x", b"\0\1x\0octet", b"\0\0xx", b"\0\7xx", b"\1\1x\0octet\0", b"\0\4\1"]
)
def test_what_is_no_packet(datagram: bytes) -> None:
    with pytest.raises(WireError):
        decode(datagram)


def test_padding_and_half_options_are_no_part_of_a_request() -> None:
    assert decode(b"\0\1x\0octet\0\0\0\0\0") == Request(b"x")
    assert decode(b"\0\1x\0octet\0blksize\0001024\0tsize\0") == Request(b"x", options={"blksize": "1024"})
    assert decode(b"\0\1x\0octet\0blksize\0001024\0tsi") == Request(b"x", options={"blksize": "1024"})


def test_an_option_that_comes_twice_counts_once() -> None:
    assert decode(b"\0\1x\0octet\0blksize\x00512\0BlkSize\x00900\0") == Request(b"x", options={"blksize": "512"})


def test_an_error_without_its_nul_is_still_an_error() -> None:
    assert decode(b"\0\5\0\0gone") == Error(0, "gone")
    assert decode(b"\0\5\0\1") == Error(1, "")


def test_every_octet_string_is_some_name() -> None:
    assert Request("señal".encode()).name == "señal"
    assert Request(b"\xff\xfe").name == "\xff\xfe"


@pytest.mark.parametrize(
    "packet", [Request(b"a\0b"), Request(b"a", "oct\0et"), Error(0, "\0"), OptionAck({"a": "\u20ac"})]
)
def test_what_cannot_travel_is_refused(packet: Packet) -> None:
    with pytest.raises(UsageError):
        packet.encode()
