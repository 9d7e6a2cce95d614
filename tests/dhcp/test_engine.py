"""DISCOVER, DECLINE, RELEASE, INFORM, persistence and modes."""

from dataclasses import replace

import pytest

from provd.base.facts import dhcp as facts
from provd.base.types import ip_text
from provd.dhcp.advice import Advice
from provd.dhcp.lease import INFINITE, Lease, LeaseState
from provd.dhcp.options import Type
from provd.dhcp.packet import build, decode
from provd.dhcp.subnet import DhcpSettings, Mode, ReservedAddress
from tests.dhcp.playbook import BROADCAST, NOW, SERVER, Client, Playbook, ip, lan

ONE = ((ip("10.20.0.10"), ip("10.20.0.10")),)
RELAY = ip("10.20.0.2")


def test_a_whole_exchange():
    play = Playbook()
    phone = play.client(1, vendor="phone")
    play.board.advices["phone"] = Advice("phone", phone=True)
    assert play(phone.discover()) == ["<< OFFER 10.20.0.10 frame", "!! DHCP-OFFER"]
    assert play(phone.select("10.20.0.10")) == ["== 10.20.0.10 ACTIVE", "<< ACK 10.20.0.10 frame", "!! DHCP-ACK"]
    lease = play.disk[ip("10.20.0.10")]
    assert (lease.mac, lease.client, lease.starts, lease.expires) == (
        "805ec0000001",
        b"\1" + phone.mac,
        NOW,
        NOW + 3600,
    )
    assert play.board.bound_leases == [lease]
    assert play.engine.holder(lease.ip, play.now) == "805ec0000001"
    assert play.bind(play.client(2)) == "10.20.0.11"
    assert play.board.bound_leases == [lease], "only phones are of interest"


def test_address_choice_order():
    play = Playbook()
    current, previous, wishing, new = (play.client(n) for n in range(1, 5))
    assert play.bind(current) == "10.20.0.10"
    assert play.bind(previous) == "10.20.0.11"
    play(previous.release("10.20.0.11"))
    assert play(wishing.discover("10.20.0.17"))[0] == "<< OFFER 10.20.0.17 frame"
    assert play(current.discover("10.20.0.18"))[0] == "<< OFFER 10.20.0.10 frame"
    assert play(new.discover())[0] == "<< OFFER 10.20.0.12 frame"
    assert play(previous.discover())[0] == "<< OFFER 10.20.0.11 frame"


def test_the_address_that_was_free_for_longest_comes_first():
    play = Playbook(lan(pools=((ip("10.20.0.10"), ip("10.20.0.12")),)))
    first, second, third = (play.client(n) for n in range(1, 4))
    for phone in (first, second, third):
        play.bind(phone)
    play(second.release("10.20.0.11"))
    play.now += 1
    play(first.release("10.20.0.10"))
    assert play(play.client(9).discover())[0] == "<< OFFER 10.20.0.11 frame"
    assert play(play.client(8).discover())[0] == "<< OFFER 10.20.0.10 frame"
    assert play(play.client(7).discover()) == ["!! DHCP-NO-ADDRESS"]


@pytest.mark.parametrize("wanted", ["10.20.0.0", "10.20.255.255", "10.20.0.1", "10.20.0.99", "10.99.0.1", "0.0.0.1"])
def test_a_wish_for_an_address_that_nobody_may_have_is_not_granted(wanted):
    play = Playbook(lan(pools=((ip("10.20.0.0"), ip("10.20.0.19")), (ip("10.20.255.250"), ip("10.20.255.255")))))
    assert play(play.client(1).discover(wanted))[0] == "<< OFFER 10.20.0.2 frame"


def test_every_address_but_ours_network_and_broadcast_is_given_out():
    play = Playbook(
        lan(network=ip("10.20.0.0"), prefixlen=29, pools=((ip("10.20.0.0"), ip("10.20.0.7")),)),
    )
    got = {play.bind(play.client(n)) for n in range(5)}
    assert got == {f"10.20.0.{n}" for n in range(2, 7)}
    assert play(play.client(6).discover()) == ["!! DHCP-NO-ADDRESS"]


def test_an_outstanding_offer_is_not_made_twice():
    play = Playbook(lan(pools=ONE))
    a, b = play.client(1), play.client(2)
    play(a.discover())
    assert play(b.discover()) == ["!! DHCP-NO-ADDRESS"]
    assert play(a.discover())[0] == "<< OFFER 10.20.0.10 frame"
    play.passes(121)
    assert play(b.discover())[0] == "<< OFFER 10.20.0.10 frame"


def test_no_address_is_told_once_a_minute_with_its_number():
    play = Playbook(lan(pools=ONE))
    play.bind(play.client(1))
    told = [play(play.client(n).discover()) for n in range(2, 102)]
    assert told == [["!! DHCP-NO-ADDRESS"], *([[]] * 99)]
    play.passes(60)
    assert play(play.client(200).discover()) == ["!! DHCP-NO-ADDRESS"]
    assert isinstance(play.fact, facts.DhcpNoAddress)
    assert play.fact.count == 100


def test_an_expired_lease_is_free_but_remembered():
    play = Playbook()
    a = play.client(1)
    play.bind(a)
    play.passes(3601)
    assert [lease.ip for lease in play.board.unbound_leases] == [ip("10.20.0.10")]
    assert play.engine.holder(ip("10.20.0.10"), play.now) is None
    assert play(a.discover())[0] == "<< OFFER 10.20.0.10 frame"


def test_a_lease_that_is_renewed_lives_on():
    play = Playbook()
    a = play.client(1)
    play.bind(a)
    for _ in range(10):
        play.passes(1800)
        assert play(a.renew("10.20.0.10"), to=SERVER)[1] == "<< ACK 10.20.0.10 unicast 10.20.0.10"
    assert play.disk[ip("10.20.0.10")].expires == NOW + 10 * 1800 + 3600
    assert not play.board.unbound_leases


def test_an_infinite_lease_survives_restart_and_ten_years():
    play = Playbook(lan(lease=INFINITE))
    a = play.client(1)
    play.bind(a)
    assert play.reply.options[51] == b"\xff\xff\xff\xff"
    assert 58 not in play.reply.options
    play.now += 10 * 365 * 86400
    play.boot()
    assert play.disk[ip("10.20.0.10")].expires == INFINITE
    assert play.engine.holder(ip("10.20.0.10"), play.now) == "805ec0000001"
    assert play(a.reboot("10.20.0.10"))[1] == "<< ACK 10.20.0.10 frame"


def test_the_client_identifier_is_the_key():
    play = Playbook()
    one_mac = play.client(1)
    other = play.client(2)
    one_mac.options[61] = b"\0first"
    assert play.bind(one_mac) == "10.20.0.10"
    one_mac.options[61] = b"\0second"
    assert play.bind(one_mac) == "10.20.0.11"
    other.options[61] = b"\0first"
    assert play.bind(other) == "10.20.0.10"
    assert play.disk[ip("10.20.0.10")].mac == "805ec0000002"


def test_two_devices_with_one_identifier_are_told_of_when_they_come_in_turn():
    play = Playbook()
    one, other = play.client(1), play.client(2)
    one.options[61] = other.options[61] = b"\0copied"
    address = play.bind(one)
    assert play.bind(other) == address
    assert "DHCP-CLIENT-SHARED" not in [fact.ID for fact in play.facts], "it may be another card of one machine"
    told = "!! DHCP-CLIENT-SHARED"
    play.passes(600)
    assert told in play(one.renew(address), to=SERVER)
    (fact,) = [fact for fact in play.facts if isinstance(fact, facts.DhcpClientShared)]
    assert (fact.mac, fact.other, fact.ip, fact.count) == (one.mac.hex(), other.mac.hex(), address, 1)
    play.passes(300)
    assert told not in play(other.renew(address), to=SERVER), "every ten minutes at most"
    play.passes(301)
    assert told in play(one.renew(address), to=SERVER)
    assert [fact.count for fact in play.facts if isinstance(fact, facts.DhcpClientShared)] == [1, 2]
    for _ in range(3):
        play.passes(1800)
        assert told not in play(one.renew(address), to=SERVER)
    assert told not in play(other.renew(address), to=SERVER), "long after the last time it may be another card again"


def test_duid_identifiers_are_opaque():
    play = Playbook()
    iaid = b"\xff\0\0\0\1"
    a, b = play.client(1), play.client(1)
    a.options[61] = iaid + b"\0\1\0\1aaaa"
    b.options[61] = iaid + b"\0\1\0\1bbbb"
    assert play.bind(a) != play.bind(b)


def test_an_identifier_that_is_the_mac_is_the_client_without_one():
    play = Playbook()
    plain, named = play.client(1), play.client(1)
    named.options[61] = b"\1" + named.mac
    assert play.bind(plain) == play.bind(named)


def test_the_advisor_sees_chaddr_and_never_the_identifier():
    play = Playbook()
    phone = play.client(1, "yealphone 1.0\0")
    phone.options |= {61: b"\1" + play.client(2).mac, 12: b"desk"}
    play(phone.discover())
    (seen,) = play.board.asked
    assert (seen.mac, seen.vendor_class, seen.hostname) == ("805ec0000001", "yealphone 1.0", "desk")
    assert (seen.server, seen.subnet, seen.first) == ("10.20.0.1", "lan", True)


HOSTILE = [b'"; drop', b"a\r\nb", b"\x1b[31m", b"a\0b", b"<script>", b"x" * 255, b"\xff\xfe\xc3", b""]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_not_reach_anybody_as_control_characters(name):
    play = Playbook()
    phone = play.client(1)
    phone.options |= {12: name, 60: name, 81: name, 15: name}
    play.bind(phone)
    lease = play.disk[ip("10.20.0.10")]
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in lease.hostname + lease.vendor_class)


# --- probing


def test_a_new_address_is_probed_before_it_is_offered():
    play = Playbook(lan(probe=True))
    phone = play.client(1)
    assert play(phone.discover()) == ["?? 10.20.0.10"]
    assert play(phone.discover()) == []
    assert play.probed("10.20.0.10") == ["<< OFFER 10.20.0.10 frame", "!! DHCP-OFFER"]
    assert play.reply.xid == phone.xid
    assert play(phone.discover())[0] == "<< OFFER 10.20.0.10 frame"


def test_an_address_in_use_is_left_alone_and_the_next_one_probed():
    play = Playbook(lan(probe=True))
    phone = play.client(1)
    play(phone.discover())
    assert play.probed("10.20.0.10", "020000000009") == ["== 10.20.0.10 DECLINED", "!! DHCP-CONFLICT", "?? 10.20.0.11"]
    assert play.probed("10.20.0.11")[0] == "<< OFFER 10.20.0.11 frame"
    play.boot()
    assert play(play.client(2).discover("10.20.0.10")) == ["?? 10.20.0.11"]
    play.passes(3601)
    assert play(play.client(3).discover("10.20.0.10")) == ["?? 10.20.0.10"]


def test_who_has_a_lease_is_not_probed_and_neither_is_who_comes_through_a_relay():
    play = Playbook(lan(probe=True))
    phone = play.client(1)
    play(phone.discover())
    play.probed("10.20.0.10")
    play(phone.select("10.20.0.10"))
    assert play(phone.discover())[0] == "<< OFFER 10.20.0.10 frame"
    far = play.client(2, giaddr=RELAY)
    assert play(far.discover(), to=SERVER)[0] == "<< OFFER 10.20.0.11 relay 10.20.0.2"


def test_the_end_of_a_probe_nobody_waits_for_is_nothing():
    play = Playbook(lan(probe=True))
    assert play.probed("10.20.0.10") == []
    play(play.client(1).discover())
    play(play.client(1).select("10.20.0.10", ip("10.20.0.99")))
    assert play.probed("10.20.0.10") == []


def test_who_waits_for_a_probe_when_the_subnets_change_asks_again():
    play = Playbook(lan(probe=True))
    phone = play.client(1)
    play(phone.discover())
    other = replace(play.settings, subnets=(lan(probe=True, pools=((ip("10.20.0.50"), ip("10.20.0.59")),)),))
    play.engine.reconfigure(other, (), play.now)
    assert play.probed("10.20.0.10", "020000000009") == []
    assert play(phone.discover()) == ["?? 10.20.0.50"]
    play.engine.reconfigure(replace(other, mode=Mode.OBSERVE), (), play.now)
    assert play.probed("10.20.0.50") == [], "who only looks on offers nothing"


# --- persistence


def test_no_ack_before_the_disk():
    play = Playbook()
    play.disk_waits = True
    phone = play.client(1)
    play(phone.discover())
    assert play(phone.select("10.20.0.10")) == ["== 10.20.0.10 ACTIVE waits"]
    assert play.engine.holder(ip("10.20.0.10"), play.now) is None
    assert play.flush() == ["<< ACK 10.20.0.10 frame", "!! DHCP-ACK"]


def test_what_stays_the_same_but_for_its_times_is_an_extension():
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    play.disk_waits = True

    def extends(datagram: bytes) -> bool:
        play.now += 60
        play(datagram, to=SERVER)
        found = play.waiting[-1].extends
        play.flush()
        return found

    assert extends(phone.renew("10.20.0.10"))
    assert extends(phone.reboot("10.20.0.10"))
    phone.options[12] = b"other-name"
    assert not extends(phone.renew("10.20.0.10"))
    assert extends(phone.renew("10.20.0.10"))
    assert not extends(phone.release("10.20.0.10"))
    assert not extends(phone.reboot("10.20.0.10")), "it was released on the disk"
    play.boot()
    assert extends(phone.renew("10.20.0.10"))


def test_a_repeated_request_is_one_lease_and_one_ack_with_the_newest_xid():
    play = Playbook()
    play.disk_waits = True
    phone = play.client(1)
    play(phone.discover())
    play(phone.select("10.20.0.10"))
    assert play(phone.select("10.20.0.10")) == []
    assert play.flush() == ["<< ACK 10.20.0.10 frame", "!! DHCP-ACK"]
    assert play.reply.xid == phone.xid


def test_a_failed_disk_means_no_ack_and_the_binding_as_before():
    play = Playbook()
    a = play.client(1)
    play.bind(a)
    before = play.disk[ip("10.20.0.10")]
    play.now += 60
    play.disk_works = False
    assert play(a.renew("10.20.0.10"), to=SERVER)[:2] == ["== 10.20.0.10 ACTIVE fails", "!! DHCP-NOT-STORED"]
    assert play.engine.leases() == [before]
    b = play.client(2)
    play(b.discover())
    play(b.select("10.20.0.11"))
    play.passes(121)
    play.disk_works = True
    assert play(play.client(3).discover("10.20.0.11"))[0] == "<< OFFER 10.20.0.11 frame"


def test_a_release_overtakes_an_ack_that_waits():
    play = Playbook()
    a = play.client(1)
    play.bind(a)
    play.disk_waits = True
    play(a.renew("10.20.0.10"), to=SERVER)
    play(a.release("10.20.0.10"))
    assert play.flush() == []
    assert play.engine.holder(ip("10.20.0.10"), play.now) is None
    assert play.disk[ip("10.20.0.10")].state is LeaseState.RELEASED


def test_a_clock_that_is_set_forward_ends_no_lease_that_it_has_given():
    play = Playbook()
    before, asking, waiting = play.client(1), play.client(2), play.client(3)
    play.bind(before)
    play.now += 1000
    play.boot()
    phone, declining = play.client(4), play.client(5)
    address, declined = play.bind(phone), play.bind(declining)
    play(declining.decline(declined))
    play(asking.discover())
    play.disk_waits = True
    play(waiting.discover())
    play(waiting.select("10.20.0.14"))
    day = 86400
    play.now += day
    play.disk_waits = False
    play.perform(play.engine.leapt(day, play.now))
    play.flush()
    play.passes(0)
    assert play.engine.holder(ip("10.20.0.10"), play.now) is None, "while we were away the time has passed"
    assert play.engine.holder(ip(address), play.now) == phone.mac.hex()
    assert play.disk[ip(address)].expires == NOW + 1000 + day + 3600
    assert play.disk[ip(declined)].expires == NOW + 1000 + day + 3600
    assert play(asking.select("10.20.0.13"))[1].startswith("<< ACK 10.20.0.13")
    assert play(waiting.select("10.20.0.14"))[1].startswith("<< ACK 10.20.0.14"), "it asks again"
    assert play.disk[ip("10.20.0.14")].starts == play.now
    play.passes(3599)
    assert play.engine.holder(ip(address), play.now) == phone.mac.hex()
    play.passes(2)
    assert play.engine.holder(ip(address), play.now) is None


def test_restart_loses_nothing():
    play = Playbook()
    clients = [play.client(n) for n in range(5)]
    addresses = [play.bind(client) for client in clients]
    play.boot()
    for client, address in zip(clients, addresses, strict=True):
        assert play(client.reboot(address))[1] == f"<< ACK {address} frame"
    assert play(play.client(9).discover())[0] == "<< OFFER 10.20.0.15 frame"


def test_stored_leases_that_make_no_sense_are_left_out():
    play = Playbook()
    good = Lease(
        ip=ip("10.20.0.10"), client=b"\1a", mac="805ec0000001", state=LeaseState.ACTIVE, starts=1, expires=2_000_000
    )
    bad = [Lease(ip=0, client=b"x", mac="0" * 12, state=LeaseState.ACTIVE, starts=1, expires=2), good]
    play.disk = dict(enumerate([good, *bad]))
    engine = play.boot()
    assert [reason for _, reason in engine.skipped] == ["no such address", "a second lease of the address"]
    assert engine.leases() == [good]


# --- DECLINE, RELEASE


def test_a_declined_address_is_in_quarantine_also_after_a_restart():
    play = Playbook()
    a = play.client(1)
    play.bind(a)
    assert play(a.decline("10.20.0.10")) == ["== 10.20.0.10 DECLINED", "!! DHCP-DECLINE"]
    assert play(a.discover())[0] == "<< OFFER 10.20.0.11 frame"
    play.boot()
    assert play(play.client(2).discover("10.20.0.10"))[0] == "<< OFFER 10.20.0.11 frame"
    play.passes(3601)
    assert play(play.client(3).discover("10.20.0.10"))[0] == "<< OFFER 10.20.0.10 frame"


def strangers(play: Playbook) -> list[Client]:
    other_mac, other_id, both = play.client(2), play.client(1), play.client(2)
    other_mac.options[61] = b"\0me"
    other_id.options[61] = b"\0you"
    both.options[61] = b"\0you"
    return [other_mac, other_id, both]


@pytest.mark.parametrize("stranger", range(3))
@pytest.mark.parametrize("verb", ["decline", "release"])
def test_only_the_holder_is_believed(verb, stranger):
    play = Playbook()
    owner = play.client(1)
    owner.options[61] = b"\0me"
    play.bind(owner)
    liar = strangers(play)[stranger]
    assert play(getattr(liar, verb)("10.20.0.10")) == ["!! DHCP-IGNORED"]
    assert play.engine.holder(ip("10.20.0.10"), play.now) == "805ec0000001"
    assert play(getattr(owner, verb)("10.20.0.10", ip("10.20.0.77"))) == ["!! DHCP-IGNORED"]


def test_release_frees_the_address_in_silence_and_keeps_the_record():
    play = Playbook()
    a = play.client(1)
    play.bind(a)
    assert play(a.release("10.20.0.10")) == ["== 10.20.0.10 RELEASED", "!! DHCP-RELEASE"]
    assert play.disk[ip("10.20.0.10")].client == b"\1" + a.mac
    assert play(a.release("10.20.0.10")) == ["!! DHCP-IGNORED"]
    assert [lease.ip for lease in play.board.unbound_leases] == [ip("10.20.0.10")]


def test_an_operator_releases_a_lease():
    play = Playbook()
    play.bind(play.client(1))
    effects = play.engine.release(ip("10.20.0.10"), play.now)
    assert play.perform(effects) == ["== 10.20.0.10 RELEASED", "!! DHCP-RELEASE"]
    assert play.engine.release(ip("10.20.0.10"), play.now) == []
    assert play.engine.release(ip("10.20.0.11"), play.now) == []


# --- INFORM


def test_inform_gets_options_and_no_lease():
    play = Playbook()
    phone = play.client(1)
    assert play(phone.inform("10.20.3.4"), to=SERVER) == ["<< ACK - unicast 10.20.3.4", "!! DHCP-INFORM"]
    reply = play.reply
    assert (reply.yiaddr, reply.ciaddr) == (0, ip("10.20.3.4"))
    assert not {51, 58, 59} & set(reply.options)
    assert reply.options[3] == SERVER.to_bytes(4, "big")
    assert not play.disk


def test_inform_without_ciaddr_is_answered_to_its_source_or_not_at_all():
    play = Playbook()
    phone = play.client(1)
    assert play(phone.says(Type.INFORM)) == ["!! DHCP-IGNORED"]
    assert play(phone.says(Type.INFORM), source=ip("10.20.3.4"))[0] == "<< ACK - unicast 10.20.3.4"
    assert play(phone.says(Type.INFORM), source=ip("8.8.8.8")) == ["!! DHCP-IGNORED"]
    assert play(phone.inform("8.8.8.8"), to=SERVER) == ["!! DHCP-IGNORED"]


def test_inform_through_a_relay_goes_back_through_it():
    play = Playbook()
    phone = play.client(1, giaddr=RELAY)
    phone.options[82] = b"\1\1x"
    assert play(phone.inform("10.20.3.4"), to=SERVER)[0] == "<< ACK - relay 10.20.0.2"
    assert play.reply.options[82] == b"\1\1x"


# --- what is not answered


@pytest.mark.parametrize("kind", [0, *range(9, 256)])
def test_unknown_message_types_are_ignored(kind):
    play = Playbook()
    assert play(play.client(1).says(kind)) == ["!! DHCP-IGNORED"]


@pytest.mark.parametrize("hlen", [0, 7, 16])
def test_other_hardware_addresses_are_ignored(hlen):
    play = Playbook()
    assert play(build(1, Type.DISCOVER, 1, b"\1" * 16, hlen=hlen)) == ["!! DHCP-IGNORED"]


def test_a_reply_from_another_server_is_reported_once():
    play = Playbook()
    stray = build(2, Type.OFFER, 1, b"\1" * 6, options={54: b"\x0a\x14\0\x09"})
    assert play(stray) == ["!! DHCP-FOREIGN-SERVER"]
    assert isinstance(play.fact, facts.DhcpForeignServer)
    assert play.fact.server == "10.20.0.9"
    assert play(stray) == []
    ours = build(2, Type.OFFER, 1, b"\1" * 6, options={54: SERVER.to_bytes(4, "big")})
    assert play(ours) == ["!! DHCP-IGNORED"]


def test_secs_and_hops_change_nothing():
    play = Playbook()
    plain = build(1, Type.DISCOVER, 7, b"\2" * 6)
    odd = build(1, Type.DISCOVER, 7, b"\2" * 6, secs=65535, hops=255)
    play(plain)
    first = play.sent[-1].payload
    play(odd)
    assert play.sent[-1].payload == first


# --- modes


def test_off_is_silent():
    play = Playbook(mode=Mode.OFF)
    assert play(play.client(1).discover()) == []


def test_observe_says_and_does_nothing():
    play = Playbook(lan(probe=True), mode=Mode.OBSERVE, authoritative=True)
    phone = play.client(1)
    assert play(phone.discover()) == ["!! DHCP-WOULD-ANSWER"]
    assert play(play.client(2).discover()) == ["!! DHCP-WOULD-ANSWER"]
    fact = play.fact
    assert isinstance(fact, facts.DhcpWouldAnswer)
    assert (fact.answer, fact.ip, fact.options) == ("OFFER", "10.20.0.10", "53,54,51,58,59,1,3,6,15")
    assert play(phone.reboot("10.20.0.11")) == ["!! DHCP-WOULD-ANSWER"]
    assert play(phone.inform("10.20.0.11")) == ["!! DHCP-WOULD-ANSWER"]
    assert play(phone.release("10.20.0.11")) == ["!! DHCP-IGNORED"]
    assert not play.engine.leases()
    assert play.engine.usage() == {"lan": (10, 10)}


def test_observe_of_an_old_lease():
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    play.settings = DhcpSettings(mode=Mode.OBSERVE, subnets=(lan(),))
    play.boot()
    assert play(phone.renew("10.20.0.10"), to=SERVER) == ["!! DHCP-WOULD-ANSWER"]


def test_phones_only():
    play = Playbook(mode=Mode.PHONES_ONLY)
    play.board.advices["phone"] = Advice("phone", phone=True)
    phone, pc = play.client(1, "phone"), play.client(2, "MSFT 5.0")
    assert play.bind(phone) == "10.20.0.10"
    assert play(pc.discover()) == ["!! DHCP-IGNORED"]
    assert play(pc.reboot("10.99.0.1")) == ["!! DHCP-IGNORED"]
    assert play(pc.inform("10.20.0.15")) == ["!! DHCP-IGNORED"]
    assert play(phone.inform("10.20.0.10"))[1] == "!! DHCP-INFORM"


def test_the_last_share_is_for_phones_and_clients_seen_before():
    play = Playbook(reserve_share=0.2)
    play.board.advices["phone"] = Advice("phone", phone=True)
    old = play.client(1)
    play.bind(old)
    for n in range(2, 9):
        play.bind(play.client(n))
    play(old.release("10.20.0.10"))
    play.bind(play.client(20, "phone"), "10.20.0.18")
    assert play(play.client(30).discover()) == ["!! DHCP-NO-ADDRESS"]
    assert play(old.discover())[0] == "<< OFFER 10.20.0.10 frame"
    assert play(play.client(21, "phone").discover())[0] == "<< OFFER 10.20.0.19 frame"


# --- reservations and reload


def test_reserved_addresses_are_for_their_clients_alone():
    reserved = [
        ReservedAddress(ip=ip("10.20.0.10"), mac="805ec0000007", hostname="boss"),
        ReservedAddress(ip=ip("10.20.9.9"), client=b"\0gate"),
    ]
    play = Playbook(reservations=reserved)
    boss, gate = play.client(7), play.client(8)
    boss.options[55] = bytes((1, 12))
    gate.options[61] = b"\0gate"
    assert play(play.client(1).discover("10.20.0.10"))[0] == "<< OFFER 10.20.0.11 frame"
    assert play(play.client(2).discover("10.20.9.9"))[0] == "<< OFFER 10.20.0.12 frame"
    assert play.bind(boss, "10.20.0.15") == "10.20.0.10"
    assert play.reply.options[12] == b"boss"
    assert play.bind(gate) == "10.20.9.9"
    assert play.engine.usage() == {"lan": (7, 9)}


@pytest.mark.parametrize("address", ["10.20.0.1", "10.20.0.0", "10.20.255.255"])
def test_what_nobody_may_have_is_not_given_for_being_reserved(address):
    phone = Playbook().client(1)
    play = Playbook(reservations=[ReservedAddress(ip=ip(address), mac=phone.mac.hex())])
    assert play.bind(phone) == "10.20.0.10"
    assert play(phone.renew("10.20.0.10"))[1].startswith("<< ACK")
    assert list(play.engine.unusable) == [ip(address)]


def test_of_two_addresses_reserved_for_one_client_one_is_told_to_be_idle():
    phone = Playbook().client(1)
    play = Playbook(reservations=[ReservedAddress(ip=ip(f"10.20.9.{last}"), mac=phone.mac.hex()) for last in (8, 9)])
    assert play.bind(phone) == "10.20.9.9"
    assert play.engine.unusable == {ip("10.20.9.8"): "another address of the subnet is reserved for its client"}


def test_a_new_reservation_takes_effect_at_the_next_renewal():
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    play.engine.reconfigure(play.settings, [ReservedAddress(ip=ip("10.20.0.99"), mac="805ec0000001")], play.now)
    assert play(phone.renew("10.20.0.10"), to=SERVER)[0] == "<< NAK - broadcast"
    assert play.bind(phone) == "10.20.0.99"


def test_reload_keeps_leases_also_of_a_subnet_that_comes_back():
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    play.engine.reconfigure(DhcpSettings(mode=Mode.FULL), (), play.now)
    assert play(phone.renew("10.20.0.10"), to=SERVER) == ["!! DHCP-IGNORED"]
    assert len(play.engine.leases()) == 1
    moved = DhcpSettings(mode=Mode.FULL, subnets=(lan(pools=((ip("10.20.1.0"), ip("10.20.1.9")),)),))
    play.engine.reconfigure(moved, (), play.now)
    assert play(phone.renew("10.20.0.10"), to=SERVER)[1] == "<< ACK 10.20.0.10 unicast 10.20.0.10"
    play.passes(3601)
    assert play(phone.discover())[0] == "<< OFFER 10.20.1.0 frame"


def test_our_own_addresses_are_followed():
    play = Playbook()
    play.engine.addressed(frozenset({SERVER, ip("10.20.0.10")}), play.now)
    assert play(play.client(1).discover())[0] == "<< OFFER 10.20.0.11 frame"


# --- relay ports


def test_option_82_without_a_relay_is_no_evidence_but_comes_back():
    play = Playbook(lan(circuit_limit=1))
    for n in range(3):
        phone = play.client(n)
        phone.options[82] = b"\1\4eth3"
        play.bind(phone)
        assert play.reply.options[82] == b"\1\4eth3"
    assert {lease.agent for lease in play.disk.values()} == {b""}


def test_a_malformed_datagram_is_told_once_a_minute_for_each_source():
    play = Playbook()
    engine = play.engine
    assert play.perform(engine.malformed("short", "10.0.0.9", "eth1", play.now)) == ["!! DHCP-MALFORMED"]
    assert engine.malformed("short", "10.0.0.9", "eth1", play.now) == []
    assert play.perform(engine.malformed("short", "10.0.0.8", "eth1", play.now)) == ["!! DHCP-MALFORMED"]
    assert len(play.perform(engine.malformed("short", "10.0.0.9", "eth1", play.now + 60))) == 1
    assert isinstance(play.fact, facts.DhcpMalformed)
    assert play.fact.count == 2


def test_deadline():
    play = Playbook()
    assert play.engine.deadline == float("inf")
    play(play.client(1).discover())
    assert play.engine.deadline == NOW + 120
    assert decode(play.sent[-1].payload).yiaddr == ip("10.20.0.10")
    assert ip_text(BROADCAST) == "255.255.255.255"
