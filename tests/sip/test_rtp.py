"""RTP packets and their numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import WireError
from provd.sip.rtp import RtpPacket, RtpSender, decode


def test_the_first_packet_octet_by_octet() -> None:
    sender = RtpSender(8, ssrc=0x01020304, sequence=0xFFFF, timestamp=0xFFFFFFF0)
    assert sender.packet(b"\xd5" * 160) == bytes.fromhex("8088fffffffffff001020304") + b"\xd5" * 160


def test_numbers_go_on_and_wrap_round() -> None:
    sender = RtpSender(0, ssrc=7, sequence=0xFFFE, timestamp=0xFFFFFFFF - 159)
    heard = [decode(sender.packet(bytes(160))) for _ in range(4)]
    assert [packet.sequence for packet in heard] == [0xFFFE, 0xFFFF, 0, 1]
    assert [packet.timestamp for packet in heard] == [0xFFFFFF60, 0, 160, 320]
    assert [packet.marker for packet in heard] == [True, False, False, False]
    sender.talk()
    assert decode(sender.packet(b"x")) == RtpPacket(0, 2, 480, 7, b"x", marker=True)


def test_padding_sources_and_extension_are_no_payload() -> None:
    header = bytes.fromhex("b200 0001 00000002 00000003".replace(" ", ""))
    packet = decode(header + b"CSRCCSRC" + b"\xbe\xde\0\1ext!" + b"hello" + b"\0\0\3")
    assert (packet.payload, packet.payload_type, packet.ssrc) == (b"hello", 0, 3)


@pytest.mark.parametrize(
    "octets", [b"", b"\x80" * 11, b"\0" * 20, b"\x8f" + b"\0" * 20, b"\x90" + b"\0" * 11, b"\xa0" + b"\xff" * 12]
)
def test_what_is_no_rtp(octets: bytes) -> None:
    with pytest.raises(WireError):
        decode(octets)


@given(st.binary(max_size=80))
def test_noise_is_a_wire_error(noise: bytes) -> None:
    try:
        decode(noise)
    except WireError:
        return
