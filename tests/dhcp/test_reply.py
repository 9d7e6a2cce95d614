"""Replies on the wire: fields, padding, size limit, what survives, overload, long options, options 61 and 82."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.dhcp.packet import Message, build, decode
from provd.dhcp.reply import Tail, encode_reply, lease_options, nak_tail, size_limit

MAC = bytes(range(1, 17))
ESSENTIAL = [*lease_options(2, 1, 3600, 1800, 3150), (1, b"\xff\0\0\0"), (3, b"\x0a\0\0\1")]


def client(**more: object) -> Message:
    options = more.pop("options", {})
    return decode(build(1, 1, 0xABCDEF01, MAC, options=options, **more))


def codes(payload: bytes) -> list[int]:
    """Codes of the options field as they stand there, read without our decoder."""
    found, rest = [], payload[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        found.append(rest[0])
        rest = rest[2 + rest[1] :]
    return found


def test_fields_come_back():
    asked = client(hops=7, secs=99, flags=0x8001, giaddr=0x0A000002, ciaddr=5)
    payload = encode_reply(asked, Tail(ESSENTIAL), yiaddr=b"\x0a\0\0\x09", siaddr=b"\x0a\0\0\1")
    reply = decode(payload)
    assert (reply.op, reply.htype, reply.hlen, reply.hops, reply.secs) == (2, 1, 6, 0, 0)
    assert (reply.xid, reply.flags, reply.giaddr, reply.chaddr) == (0xABCDEF01, 0x8001, 0x0A000002, MAC)
    assert (reply.ciaddr, reply.yiaddr, reply.siaddr) == (0, 0x0A000009, 0x0A000001)


def test_padding():
    assert len(encode_reply(client(), nak_tail(1, "no"))) == 300
    assert len(encode_reply(client(options={61: b"x" * 100}), Tail(ESSENTIAL))) > 300


@pytest.mark.parametrize("length", [1, 7, 19, 255])
def test_the_client_identifier_comes_back(length):
    value = bytes(range(length))
    asked = client(options={61: value})
    assert decode(encode_reply(asked, Tail(ESSENTIAL))).options[61] == value
    assert decode(encode_reply(asked, nak_tail(1, "no"))).options[61] == value


AGENTS = [b"\1\1x", b"\2\1x", b"\x09\4abcd", b"\x97\5abcde", b"\1\xfd" + b"x" * 253]


@pytest.mark.parametrize("agent", AGENTS)
def test_relay_information_comes_back_last(agent):
    asked = client(options={82: agent, 61: b"\1me"})
    payload = encode_reply(asked, Tail(ESSENTIAL), own={66: b"url"})
    assert decode(payload).options[82] == agent
    assert codes(payload)[-1] == 82


def test_repeated_relay_information_comes_back_whole():
    agent = b"\1\xfd" + b"x" * 253 + b"\2\x10" + b"y" * 16
    payload = encode_reply(client(options={82: agent}), Tail(ESSENTIAL))
    assert decode(payload).options[82] == agent
    assert codes(payload)[-2:] == [82, 82]


@pytest.mark.parametrize(
    ("stated", "limit"),
    [(None, 548), (0, 548), (1, 548), (575, 548), (576, 548), (590, 562), (1500, 1472), (65535, 1472)],
)
def test_size_limit(stated, limit):
    options = {} if stated is None else {57: stated.to_bytes(2, "big")}
    assert size_limit(client(options=options)) == limit


@pytest.mark.parametrize("stated", [0, 1, 576, 590, 1500])
def test_forty_long_options_stay_within_the_limit_and_the_important_ones_survive(stated):
    many = [(code, bytes([code]) * 60) for code in range(160, 200)]
    urls = [(66, b"http://10.0.0.1/"), (67, b"file"), (150, b"\x0a\0\0\1")]
    asked = client(options={57: stated.to_bytes(2, "big"), 61: b"\1me", 82: b"\1\4port"})
    payload = encode_reply(asked, Tail([*ESSENTIAL, *many, *urls]))
    assert len(payload) <= max(stated, 576) - 28
    reply = decode(payload)
    assert {53, 54, 51, 1, 3, 66, 67, 150, 61, 82} <= set(reply.options)
    given = dict([*ESSENTIAL, *many, *urls]) | {61: b"\1me", 82: b"\1\4port"}
    assert all(reply.options[code] == given[code] for code in reply.options if code != 52)
    assert codes(payload)[0] == 53
    assert codes(payload)[-1] == 82


def test_overload_only_when_needed():
    short = encode_reply(client(), Tail([*ESSENTIAL, (66, b"x" * 100)]))
    assert 52 not in codes(short)
    assert short[44:236] == bytes(192)
    full = encode_reply(client(), Tail([*ESSENTIAL, (66, b"x" * 200), (67, b"y" * 100), (15, b"z" * 50)]))
    assert decode(full).options[52] in {b"\1", b"\3"}
    assert len(full) <= 548
    assert set(decode(full).options) >= {66, 67, 15}


def test_overloaded_fields_end_with_end_and_pads_also_to_another_implementation():
    from scapy.layers.dhcp import BOOTP, DHCP

    items = [*ESSENTIAL, (66, b"u" * 200), (67, b"f" * 100), (15, b"d" * 50), (12, b"n" * 40)]
    payload = encode_reply(client(), Tail(items))
    for field in (payload[108:236], payload[44:108]):
        length = 0
        while field[length] not in {0, 255}:
            length += 2 + field[length + 1]
        assert field[length] == 255
        assert not field[length + 1 :].strip(b"\0")
    parsed = BOOTP(payload)
    names = [option[0] for option in parsed[DHCP].options if isinstance(option, tuple)]
    assert names[:3] == ["message-type", "dhcp-option-overload", "server_id"]


def test_a_long_url_is_split_and_read_back():
    url = b"http://10.0.0.1:8667/" + b"t" * 279
    asked = client(options={57: b"\5\xdc"})
    payload = encode_reply(asked, Tail([*ESSENTIAL, (66, url)]))
    assert decode(payload).options[66] == url
    assert codes(payload).count(66) == 2


def test_a_long_option_keeps_its_order_over_the_fields():
    value = bytes(n % 251 for n in range(300))
    payload = encode_reply(client(), Tail([*ESSENTIAL, (66, value), (15, b"d" * 50)]))
    assert decode(payload).options[66] == value


def test_relay_information_that_does_not_fit_is_left_out_whole():
    agent = b"\1\xff" + b"x" * 255 + b"\2\x30" + b"y" * 48
    payload = encode_reply(client(options={82: agent}), Tail(ESSENTIAL))
    assert 82 not in decode(payload).options
    assert len(payload) <= 548


@given(
    st.lists(st.tuples(st.integers(1, 254), st.binary(max_size=400)), max_size=40, unique_by=lambda item: item[0]),
    st.binary(min_size=1, max_size=255),
    st.binary(min_size=1, max_size=255),
    st.integers(0, 65535),
)
def test_whatever_is_sent_is_true_and_fits(items, identifier, agent, stated):
    more = [item for item in items if item[0] not in {1, 3, 51, 52, 53, 54, 58, 59, 61, 82}]
    asked = client(options={57: stated.to_bytes(2, "big"), 61: identifier, 82: agent})
    payload = encode_reply(asked, Tail([*ESSENTIAL, *more]))
    assert 300 <= len(payload) <= size_limit(asked)
    truth = dict([*ESSENTIAL, *more]) | {61: identifier, 82: agent}
    reply = decode(payload)
    assert {code: truth[code] for code in reply.options if code != 52} == {
        code: value for code, value in reply.options.items() if code != 52
    }
    assert {53, 54, 51} <= set(reply.options)
