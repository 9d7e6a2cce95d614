from __future__ import annotations

from provd.base.types import Mac
from provd.plugin.phone import Account
from provd.simulate.crowd import is_temporary
from provd.simulate.report import Tally, Times
from provd.simulate.session import PhoneEvent

ONE, TWO = Mac("805ec0000001"), Mac("805ec0000002")


def account(user: str) -> Account:
    return Account(1, user, "", "h")


def test_times_of_nobody_and_of_some():
    assert str(Times.of([])) == "none"
    assert Times.of([3.0, 1.0, 2.0]) == Times(3, 2.0, 3.0, 3.0)
    assert str(Times.of([1.0])) == "1 (median 1.00 s, 95 % 1.00 s, longest 1.00 s)"


def test_a_tally_counts_the_first_time_a_phone_gets_somewhere():
    tally = Tally(is_temporary)
    for at, mac, kind in ((0, ONE, "start"), (1, TWO, "start"), (2, ONE, "address"), (4, TWO, "address")):
        tally.hear(PhoneEvent(at, mac, kind))
    tally.hear(PhoneEvent(5, ONE, "address"))
    tally.hear(PhoneEvent(5, ONE, "missing"))
    tally.hear(PhoneEvent(6, ONE, "file"))
    tally.hear(PhoneEvent(6, ONE, "settled"))
    tally.hear(PhoneEvent(7, ONE, "settled", "", (account(f"ap{ONE}"),)))
    tally.hear(PhoneEvent(9, ONE, "settled", "", (account("200"),)))
    report = tally.report(ok=False, seconds=9.0, retransmissions=2, notes=("a note",))
    assert report.addresses == Times(2, 3.0, 3.0, 3.0)
    assert report.accounts == Times(1, 7.0, 7.0, 7.0)
    assert report.claimed == Times(1, 9.0, 9.0, 9.0)
    assert (report.served, report.missing, report.failed) == (1, 1, 0)
    assert report.lines() == [
        "2 phones in 9.0 s: NOT all done",
        "  address        2 (median 3.00 s, 95 % 3.00 s, longest 3.00 s)",
        "  first file     1 (median 6.00 s, 95 % 6.00 s, longest 6.00 s)",
        "  an account     1 (median 7.00 s, 95 % 7.00 s, longest 7.00 s)",
        "  a user's own   1 (median 9.00 s, 95 % 9.00 s, longest 9.00 s)",
        "  files          1 served, 1 not there, 0 failed",
        "  DHCP           2 messages sent again",
        "  note           a note",
    ]


def test_another_phones_temporary_account_is_not_mine():
    assert is_temporary(ONE, account(f"ap{ONE}"))
    assert not is_temporary(ONE, account(f"ap{TWO}"))


def test_complaints_of_many_phones_become_one_line():
    tally = Tally(is_temporary)
    for mac in (ONE, TWO):
        tally.hear(PhoneEvent(0, mac, "start"))
        tally.hear(PhoneEvent(0, mac, "complaint", f"{mac}.cfg: odd"))
    report = tally.report(ok=True, seconds=1.0, retransmissions=0, notes=())
    assert report.complaints == (("<mac>.cfg: odd", 2),)


def test_a_flood_of_different_complaints_is_bounded():
    tally = Tally(is_temporary)
    tally.hear(PhoneEvent(0, ONE, "start"))
    for number in range(1000):
        tally.hear(PhoneEvent(0, ONE, "complaint", f"line {number} is odd"))
    assert len(tally.report(ok=True, seconds=1.0, retransmissions=0, notes=()).complaints) == 50
