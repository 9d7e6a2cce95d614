"""SIP over TCP: messages torn and glued, keep-alives between them, streams that cannot be followed."""

from __future__ import annotations

import random

import pytest

from provd.base.errors import WireError
from provd.sip.message import LARGEST
from provd.sip.stream import PING, Framer
from tests.sip.stage import Phone

PHONE = Phone(1, transport="tcp")


def messages() -> list[bytes]:
    return [PHONE.register(), PHONE.invite(), PHONE.register(0), PHONE.invite(body=b""), PHONE.invite("*1")]


@pytest.mark.parametrize("seed", range(30))
def test_however_torn_the_same_messages_come_out(seed: int) -> None:
    chance, sent = random.Random(seed), messages()
    stream = b"".join(sent)
    framer, found = Framer(), []
    while stream:
        size = chance.choice((1, 2, 3, 40, 700, 5000))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == sent
    assert framer.pending == 0


def test_pings_between_messages() -> None:
    one, two = messages()[:2]
    framer = Framer()
    assert framer.feed(PING + one + PING + PING + two) == [PING, one, PING, PING, two]


@pytest.mark.parametrize("at", range(1, 4))
def test_a_torn_ping(at: int) -> None:
    framer = Framer()
    assert framer.feed(PING[:at]) == []
    assert framer.feed(PING[at:]) == [PING]


def test_a_pong_is_not_answered() -> None:
    one = messages()[0]
    framer = Framer()
    assert framer.feed(b"\r\n") == []
    assert framer.feed(one) == [one]
    assert framer.feed(b"\r\n" + one) == [one]


def test_without_content_length_there_is_no_body() -> None:
    one = messages()[0].replace(b"Content-Length: 0\r\n", b"")
    assert Framer().feed(one + one) == [one, one]


def test_the_compact_form_counts() -> None:
    one = messages()[1].replace(b"Content-Length:", b"l :")
    assert Framer().feed(one + one) == [one, one]


@pytest.mark.parametrize(
    "stream",
    [
        b"A" * 20_000,
        b"X: y\r\n" * 4000,
        messages()[0].replace(b"Content-Length: 0", f"Content-Length: {LARGEST}".encode()),
        messages()[0].replace(b"Content-Length: 0", b"Content-Length: 0\r\nl: 7"),
    ],
)
def test_a_stream_that_cannot_be_followed(stream: bytes) -> None:
    with pytest.raises(WireError):
        Framer().feed(stream)


def test_a_slow_stream_costs_no_more_than_its_length() -> None:
    """Octet by octet: the end of the head is not searched from the start each time."""
    framer = Framer()
    for octet in b"X" * 12_000:
        assert framer.feed(bytes([octet])) == []
    assert framer.pending == 12_000
