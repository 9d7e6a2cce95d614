"""The store fails: nothing is promised that is not on disk, and what is on disk is still worth an answer."""

from __future__ import annotations

import pytest

from provd.dhcp.lease import INFINITE
from tests.dhcp.playbook import SERVER, Client, Playbook, ip, lan

ADDRESS = "10.20.0.10"


def bound(play: Playbook) -> Client:
    """A client with a lease of an hour that began ten minutes ago, and a store that fails from now on."""
    client = play.client(1)
    assert play.bind(client) == ADDRESS
    play.passes(600)
    play.disk_works = False
    return client


def lease_time(play: Playbook) -> tuple[int, int, int]:
    options = play.reply.options
    return tuple(int.from_bytes(options[code], "big") for code in (51, 58, 59))  # type: ignore[return-value]


def test_a_renewal_gets_what_is_left_of_the_stored_lease():
    play = Playbook()
    phone = bound(play)
    before = play.disk[ip(ADDRESS)]
    assert play(phone.renew(ADDRESS), to=SERVER) == [
        f"== {ADDRESS} ACTIVE fails",
        "!! DHCP-NOT-STORED",
        f"<< ACK {ADDRESS} unicast {ADDRESS}",
        "!! DHCP-ACK-REST",
    ]
    assert lease_time(play) == (3000, 1500, 2625)
    assert play.now + 3000 <= before.expires, "not a second beyond what is on disk"
    assert play.engine.leases() == [before]


@pytest.mark.parametrize("how", ["select", "reboot", "renew"])
def test_every_state_of_a_client_that_holds_a_lease_is_answered(how: str):
    play = Playbook()
    phone = bound(play)
    if how == "select":
        play(phone.discover())
    asked = getattr(phone, how)(ADDRESS)
    lines = play(asked, to=SERVER if how == "renew" else 0xFFFFFFFF)
    assert any(line.startswith(f"<< ACK {ADDRESS}") for line in lines), lines
    assert lease_time(play)[0] == 3000


def test_each_further_answer_promises_less_and_none_outlives_the_lease():
    play = Playbook()
    phone = bound(play)
    ends = play.disk[ip(ADDRESS)].expires
    answers = 0
    while play.now < ends:
        lines = play(phone.renew(ADDRESS), to=SERVER)
        if any("<< ACK" in line for line in lines):
            answers += 1
            assert play.now + lease_time(play)[0] <= ends
        else:
            assert ends - play.now < 61, lines
        play.passes(59.5)
    assert answers > 40
    lines = play(phone.renew(ADDRESS), to=SERVER)
    assert not any("<<" in line for line in lines), "it has ended"


def test_newcomers_and_ended_leases_get_no_answer():
    play = Playbook()
    bound(play)
    newcomer = play.client(2)
    play(newcomer.discover())
    assert play(newcomer.select("10.20.0.11")) == ["== 10.20.0.11 ACTIVE fails", "!! DHCP-NOT-STORED"]


def test_once_it_is_known_the_answer_does_not_wait_for_a_store_that_hangs():
    play = Playbook()
    phone = bound(play)
    play(phone.renew(ADDRESS), to=SERVER)
    play.disk_waits = True
    play.passes(60)
    assert play(phone.renew(ADDRESS), to=SERVER) == [
        f"== {ADDRESS} ACTIVE waits",
        f"<< ACK {ADDRESS} unicast {ADDRESS}",
        "!! DHCP-ACK-REST",
    ]
    xid = play.reply.xid
    assert play(phone.renew(ADDRESS), to=SERVER) == [f"<< ACK {ADDRESS} unicast {ADDRESS}", "!! DHCP-ACK-REST"]
    assert play.reply.xid != xid
    assert lease_time(play)[0] == 2940


def test_when_the_store_is_back_leases_are_whole_again():
    play = Playbook()
    phone = bound(play)
    play(phone.renew(ADDRESS), to=SERVER)
    play.disk_waits = True
    play(phone.renew(ADDRESS), to=SERVER)
    play.disk_waits, play.disk_works = False, True
    assert play.flush() == [], "that REQUEST has had its answer"
    assert play.engine.leases()[0].expires == play.now + 3600
    assert f"<< ACK {ADDRESS} unicast {ADDRESS}" in play(phone.renew(ADDRESS), to=SERVER)
    assert lease_time(play)[0] == 3600
    assert play.fact.ID == "DHCP-ACK"


def test_a_failure_that_comes_too_late_is_not_answered_any_more():
    play = Playbook()
    phone = bound(play)
    play.disk_waits = True
    play(phone.renew(ADDRESS), to=SERVER)
    play.passes(11)
    assert play.perform(play.engine.persist_failed(play.waiting, "hangs", play.now)) == ["!! DHCP-NOT-STORED"]


def test_who_gave_its_address_back_meanwhile_is_not_told_that_it_has_it():
    play = Playbook()
    phone = bound(play)
    play.disk_waits = True
    play(phone.renew(ADDRESS), to=SERVER)
    play(phone.release(ADDRESS))
    assert play.perform(play.engine.persist_failed(play.waiting, "hangs", play.now)) == ["!! DHCP-NOT-STORED"]
    assert not any("<<" in line for line in play(phone.reboot(ADDRESS)))


def test_an_endless_lease_stays_endless_but_a_shorter_setting_counts():
    play = Playbook(lan(lease=INFINITE))
    phone = bound(play)
    play(phone.renew(ADDRESS), to=SERVER)
    assert int.from_bytes(play.reply.options[51], "big") == INFINITE
    assert 58 not in play.reply.options
    play.settings = play.settings.__class__(mode=play.settings.mode, subnets=(lan(lease=600),), reserve_share=0.0)
    play.engine.reconfigure(play.settings, (), play.now)
    play(phone.renew(ADDRESS), to=SERVER)
    assert lease_time(play)[0] == 600
