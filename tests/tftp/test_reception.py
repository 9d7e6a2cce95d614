"""Requests are read once, and mean the same every time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provd.base.errors import WireError
from provd.tftp.options import Terms
from provd.tftp.packet import Ack, Opcode, Request
from provd.tftp.reception import Heard, Reception
from provd.tftp.sender import RouteMtu

PEER = ("127.0.0.1", 2000)


@pytest.fixture
def reception() -> Iterator[Reception]:
    mtu = RouteMtu(1500)
    yield Reception(mtu, 16)
    mtu.close()


def heard(reception: Reception, request: Request) -> Heard:
    found = reception.read(request.encode())
    assert isinstance(found, Heard)
    return found


def test_the_same_octets_are_the_same_request(reception: Reception) -> None:
    first = heard(reception, Request(b"/a.cfg", options={"blksize": "1428"}))
    assert (first.path, first.objection, first.packet.options) == ("a.cfg", "", {"blksize": "1428"})
    assert heard(reception, Request(b"/a.cfg", options={"blksize": "1428"})) is first
    assert heard(reception, Request(b"/a.cfg", options={"blksize": "1429"})) is not first


@pytest.mark.parametrize(
    ("request_", "objection"),
    [
        (Request(b"a", opcode=Opcode.WRQ), "write"),
        (Request(b"a", "mail"), "mode"),
        (Request(b"../a"), "name"),
        (Request(b"a", opcode=Opcode.WRQ, mode="mail"), "write"),
    ],
)
def test_objections_are_the_same_every_time(reception: Reception, request_: Request, objection: str) -> None:
    assert [heard(reception, request_).objection for _ in range(3)] == [objection] * 3


def test_what_is_no_request(reception: Reception) -> None:
    assert reception.read(Ack(7).encode()) == Ack(7)
    for _ in range(2):
        with pytest.raises(WireError):
            reception.read(b"\0\7xx")


def test_terms_follow_the_size_and_the_options(reception: Reception) -> None:
    packet = heard(reception, Request(b"a", options={"blksize": "9000", "tsize": "0"})).packet
    small, large = (reception.terms(PEER, packet, size, 0.0) for size in (10, 5000))
    assert (small.blksize, small.oack) == (1468, b"\0\6blksize\x001468\0tsize\x0010\0")
    assert large.oack == b"\0\6blksize\x001468\0tsize\x005000\0"
    assert reception.terms(PEER, packet, 10, 0.0) is small
    assert reception.terms(PEER, Request(b"a"), 10, 0.0) == Terms()


def test_terms_of_requests_that_are_not_remembered(reception: Reception) -> None:
    for blksize in range(100, 200):
        packet = Request(b"a", options={"blksize": str(blksize)})
        assert reception.terms(PEER, packet, 10, 0.0).blksize == blksize


def test_a_flood_of_different_requests_only_empties_the_memory(reception: Reception) -> None:
    first = heard(reception, Request(b"first"))
    for number in range(4096):
        heard(reception, Request(b"%d" % number))
    assert heard(reception, Request(b"first")) == first
    assert len(reception._heard) <= 4096
