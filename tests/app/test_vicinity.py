"""Who has taken over an address, and who only seems to have."""

from __future__ import annotations

from provd.app.vicinity import FRESH, QUIET, Vicinity
from provd.base.types import Mac
from tests.app.fakes import OTHER, PHONE, FakeNeighbours

IP = "10.0.0.5"
PROXY = Mac("02ffff000001")


class Link:
    """A link with one leased address, looked at every now and then."""

    def __init__(self) -> None:
        self.neighbours = FakeNeighbours()
        self.vicinity = Vicinity(self.neighbours)
        self.now = 1000.0

    def seen(self, mac: Mac | None, holder: Mac = PHONE) -> Mac | None:
        """Who is said to be a usurper when that MAC stands for the address."""
        self.now += FRESH + 0.1
        self.neighbours.known = {} if mac is None else {IP: mac}
        return self.vicinity.usurper(IP, holder, self.now)


def test_another_mac_where_the_phone_was_seen_is_a_usurper():
    link = Link()
    assert link.seen(PHONE) is None
    assert link.seen(OTHER) == OTHER
    assert link.seen(OTHER) == OTHER
    assert link.seen(PHONE) is None, "the phone is back"


def test_no_entry_says_nothing():
    link = Link()
    assert link.seen(None) is None
    assert link.seen(PHONE) is None
    assert link.seen(None) is None


def test_who_speaks_for_the_phone_from_the_beginning_is_a_proxy():
    link = Link()
    assert [link.seen(PROXY) for _ in range(3)] == [None] * 3


def test_a_phone_that_asks_for_its_address_anew_may_have_been_carried_behind_a_repeater():
    link = Link()
    link.seen(PHONE)
    assert link.seen(PROXY) == PROXY
    link.vicinity.begins(PHONE, link.now)
    assert link.vicinity.usurper(IP, PHONE, link.now) is None, "at once"
    assert link.seen(PROXY) is None


def test_the_next_holder_of_the_address_is_another_matter():
    link = Link()
    link.seen(PHONE)
    assert link.seen(PHONE, holder=OTHER) is None, "the kernel may still have the entry of the one before"
    assert link.seen(OTHER, holder=OTHER) is None
    assert link.seen(PHONE, holder=OTHER) == PHONE


def test_one_answer_of_the_kernel_is_enough_for_some_seconds():
    link = Link()
    link.seen(PHONE)
    for _ in range(100):
        assert link.vicinity.usurper(IP, PHONE, link.now + FRESH - 0.1) is None
    assert link.neighbours.asked == 1
    assert link.vicinity.usurper(IP, OTHER, link.now) is None
    assert link.neighbours.asked == 2, "it was about another holder"


def test_a_phone_is_seen_when_it_renews_its_lease_and_not_asked_about_while_it_boots():
    link = Link()
    link.neighbours.known = {IP: PHONE}
    link.vicinity.begins(PHONE, link.now)
    link.vicinity.leased(IP, PHONE, link.now + 1)
    assert link.neighbours.asked == 0
    link.neighbours.known = {}
    for _ in range(3):
        link.vicinity.leased(IP, PHONE, link.now + QUIET)
    assert link.neighbours.asked == 1
    link.neighbours.known = {IP: PHONE}
    for _ in range(3):
        link.vicinity.leased(IP, PHONE, link.now + 2 * QUIET)
    assert link.neighbours.asked == 2
    link.now += 2 * QUIET
    assert link.seen(OTHER) == OTHER


def test_a_clock_that_is_set_back_makes_no_answer_last():
    link = Link()
    link.seen(PHONE)
    link.now -= 3600.0
    assert link.seen(OTHER) == OTHER
    link.vicinity.begins(PHONE, link.now)
    link.neighbours.known = {IP: PHONE}
    link.vicinity.leased(IP, PHONE, link.now - 3600.0)
    assert link.vicinity._at == {PHONE: IP}


def test_where_nobody_can_be_asked_nobody_is_a_usurper():
    assert Vicinity(None).usurper(IP, PHONE, 0.0) is None
