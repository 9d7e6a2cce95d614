"""Session descriptions of phones, of programs, and of nobody who means well."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import WireError
from provd.sip.sdp import PCMA, PCMU, answer, choose, parse_offer
from tests.kit.mutate import Mutator

DESK_PHONE = b"""v=0\r
o=- 20064 20064 IN IP4 10.77.128.5\r
s=SDP data\r
c=IN IP4 10.77.128.5\r
t=0 0\r
m=audio 11780 RTP/AVP 9 8 0 18 101\r
a=rtpmap:9 G722/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:18 G729/8000\r
a=fmtp:18 annexb=no\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-15\r
a=ptime:20\r
a=sendrecv\r
"""
WITH_VIDEO = b"""v=0
o=x 1 1 IN IP4 192.0.2.9
s=-
t=0 0
a=recvonly
m=audio 4002 RTP/SAVP 0
c=IN IP4 192.0.2.8
m=audio 4000 RTP/AVP 0 97
c=IN IP4 192.0.2.9
a=rtpmap:97 iLBC/8000
a=ptime:30
m=video 4004 RTP/AVP 31
c=IN IP4 192.0.2.9
"""


def test_a_desk_phone() -> None:
    offer = parse_offer(DESK_PHONE)
    audio = offer.audio
    assert audio is not None
    assert (offer.remote, audio.ptime, audio.direction, audio.telephone_event) == (
        ("10.77.128.5", 11780),
        20,
        "sendrecv",
        101,
    )
    assert offer.hears
    assert choose(offer) == PCMA, "its preference, not ours"
    assert answer(offer, address="10.77.0.1", port=16384, payload_type=PCMA, session=7) == (
        b"v=0\r\no=- 7 7 IN IP4 10.77.0.1\r\ns=-\r\nc=IN IP4 10.77.0.1\r\nt=0 0\r\n"
        b"m=audio 16384 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        b"a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_further_streams_are_refused_in_their_order() -> None:
    offer = parse_offer(WITH_VIDEO)
    assert (offer.index, offer.remote, choose(offer)) == (1, ("192.0.2.9", 4000), PCMU)
    lines = answer(offer, address="10.0.0.1", port=16384, payload_type=PCMU, session=1).decode().split("\r\n")
    assert [line for line in lines if line.startswith("m=")] == [
        "m=audio 0 RTP/SAVP 0",
        "m=audio 16384 RTP/AVP 0",
        "m=video 0 RTP/AVP 31",
    ]
    assert "a=sendonly" in lines, "the session's direction holds for its streams"


def test_without_an_offer_we_make_one_that_we_understand_ourselves() -> None:
    ours = parse_offer(answer(None, address="10.0.0.1", port=16384, payload_type=PCMU, session=1))
    assert (ours.remote, choose(ours), ours.hears) == (("10.0.0.1", 16384), PCMU, True)


@pytest.mark.parametrize(
    ("changed", "hears"),
    [
        ((b"a=sendrecv", b"a=recvonly"), True),
        ((b"a=sendrecv", b"a=sendonly"), False),
        ((b"a=sendrecv", b"a=inactive"), False),
        ((b"c=IN IP4 10.77.128.5", b"c=IN IP4 0.0.0.0"), False),
        ((b"m=audio 11780", b"m=audio 0"), False),
        ((b"m=audio", b"m=image"), False),
    ],
)
def test_who_wants_to_hear_nothing_is_told_nothing(changed: tuple[bytes, bytes], *, hears: bool) -> None:
    assert parse_offer(DESK_PHONE.replace(*changed)).hears is hears


@pytest.mark.parametrize(
    "body",
    [
        DESK_PHONE.replace(b"9 8 0 18 101", b"9 18 101"),
        DESK_PHONE.replace(b"9 8 0 18 101", b"9 08 00 101"),
        DESK_PHONE.replace(b"RTP/AVP", b"RTP/SAVP"),
        DESK_PHONE.replace(b"PCMA/8000", b"PCMA/16000").replace(b"PCMU", b"OPUS"),
    ],
)
def test_no_codec_in_common(body: bytes) -> None:
    assert choose(parse_offer(body)) is None


def test_a_stream_that_is_refused_is_no_stream() -> None:
    offer = parse_offer(DESK_PHONE.replace(b"m=audio 11780", b"m=audio 0"))
    assert (offer.audio, offer.remote, choose(offer)) == (None, ("", 0), None)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "line 1 of the session description is not type=value"),
        (b"v=1\r\n", "begins with v=0"),
        (b"v=0\r\ns=-\r\n", "no media line"),
        (DESK_PHONE.replace(b"IP4 10.77.128.5\r\nt", b"IP6 2001:db8::1\r\nt"), "only IPv4 is spoken here, not IP6"),
        (DESK_PHONE.replace(b"c=IN IP4 10.77.128.5", b"c=IN IP4 phone.example.com"), "not an IPv4 address"),
        (DESK_PHONE.replace(b"c=IN IP4 10.77.128.5", b"c=IN IP4 239.1.1.1"), "not the address of one host"),
        (DESK_PHONE.replace(b"c=IN IP4 10.77.128.5", b"c=IN IP4 255.255.255.255"), "not the address of one host"),
        (DESK_PHONE.replace(b"c=IN IP4 10.77.128.5\r\n", b""), "no c= line for the audio stream"),
        (DESK_PHONE.replace(b"c=IN IP4 10.77.128.5", b"c=IN"), "a connection line is"),
        (DESK_PHONE.replace(b"11780", b"65536"), "not a port"),
        (DESK_PHONE.replace(b"11780", b"-1"), "not a port"),
        (DESK_PHONE.replace(b"11780", "\u0661".encode()), "not a port"),
        (DESK_PHONE.replace(b"11780", b"9" * 5000), "not a port"),
        (DESK_PHONE.replace(b"s=SDP data", b"s=\x1b[2J"), "line 3 of the session description has control characters"),
        (DESK_PHONE.replace(b"s=SDP data", b"s"), "line 3 of the session description is not type=value"),
        (b"v=0\r\n" + b"m=audio 1 RTP/AVP 0\r\n" * 17, "more than 16 media lines"),
        (b"v=0\r\n" + b"a=x\r\n" * 600, "601 lines"),
        (b"v=0\r\n" + b"a=" + b"x" * 20000, "octets"),
        (b"v=0\r\nm=audio 1 RTP/AVP" + b" 0" * 100, "a media line is"),
    ],
)
def test_what_is_none_is_said(body: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        parse_offer(body)


@given(st.binary(max_size=300))
def test_noise_is_a_wire_error(noise: bytes) -> None:
    for body in (noise, b"v=0\r\n" + noise):
        try:
            parse_offer(body)
        except WireError:
            continue


def test_every_mutation_is_read_or_refused_and_what_is_read_can_be_answered() -> None:
    read = 0
    for body in itertools.islice(Mutator(4, [DESK_PHONE, WITH_VIDEO]), 3000):
        try:
            offer = parse_offer(body)
        except WireError:
            continue
        read += 1
        if (kind := choose(offer)) is not None:
            again = parse_offer(answer(offer, address="10.0.0.1", port=16384, payload_type=kind, session=1))
            assert len(again.media) == len(offer.media)
    assert read > 100
