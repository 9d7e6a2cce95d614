"""Phones that ask by multicast, answered with the shipped plugins; and the collected capture, when it is there."""

from __future__ import annotations

import itertools

import pytest

from provd.base.types import ip_text
from provd.net.pcap import read_capture, udp_in
from provd.sip.message import parse
from provd.sip.pnp import Arrival, Responder, Send
from tests.conftest import shared_folder
from tests.e2e.world import BASE, SERVER, House
from tests.sip.test_pnp import DECT, ESCAPED, NO_BRANCH, OLD

SHARED = shared_folder()


class Street:
    """A house that listens to the group."""

    def __init__(self, house: House) -> None:
        self.house = house
        numbers = itertools.count()
        self.machine = Responder(house.boot.welcoming, speak=True, token=lambda: f"t{next(numbers)}")

    def hears(self, octets: bytes, source: tuple[str, int]) -> bytes:
        """The body of the NOTIFY, empty where none is sent."""
        effects = self.machine.handle(octets, Arrival(source, "eth1", 2, SERVER), self.house.clock.now())
        sent = [effect for effect in effects if isinstance(effect, Send)]
        return parse(sent[1].octets).body if sent else b""


def test_the_vendors_phones_are_told_their_directory() -> None:
    with House() as house:
        street = Street(house)
        for shape, model in ((DECT, "W52P"), (ESCAPED, "T53W")):
            assert street.hears(shape.octets(), shape.arrival.source) == f"{BASE}/".encode()
            assert house.device(street_mac(shape.user)).model == model
        assert street.hears(OLD.octets("another"), OLD.arrival.source) == f"{BASE}/".encode()
        assert house.device(street_mac(OLD.user)).model == "T21P", "T21D is its name on the wire"
        assert street.hears(NO_BRANCH.octets(), NO_BRANCH.arrival.source) == b""
        assert street.machine.stats.answered == 3


def street_mac(user: str) -> str:
    return user[-12:].lower()


@pytest.mark.shared
@pytest.mark.skipif(SHARED is None, reason="no material beside the repository")
def test_the_collected_capture() -> None:
    assert SHARED is not None
    with House() as house, (SHARED / "captures/synthetic/pnp-subscribe-variants.pcap").open("rb") as stream:
        street = Street(house)
        heard = []
        for frame in read_capture(stream):
            datagram = udp_in(frame)
            assert datagram is not None
            heard.append(street.hears(datagram.payload, (ip_text(datagram.src_ip), datagram.src_port)))
        url, plain = f"{BASE}/".encode(), BASE.encode()
        assert heard == [url, b"", url, plain, plain], "the second one repeats a Call-ID; two vendors want no slash"
        assert street.machine.stats.repeated == 1
