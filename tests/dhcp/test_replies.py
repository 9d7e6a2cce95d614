"""Which options a client gets: what it asks for, in its order, from subnet, advice and its own."""

import pytest

from provd.dhcp.advice import Advice
from provd.dhcp.lease import INFINITE
from tests.dhcp.playbook import SERVER, Playbook, ip, lan


def octets(text: str) -> bytes:
    return ip(text).to_bytes(4, "big")


def asking(play: Playbook, *codes: int, vendor: str = "phone"):
    phone = play.client(1, vendor)
    phone.options[55] = bytes(codes)
    return phone


def test_offer_and_ack_carry_type_server_and_lease_time():
    play = Playbook()
    phone = asking(play)
    for datagram, kind in ((phone.discover(), b"\2"), (phone.select("10.20.0.10"), b"\5")):
        play(datagram)
        options = play.reply.options
        assert (options[53], options[54], options[51]) == (kind, octets("10.20.0.1"), b"\0\0\x0e\x10")
        assert list(options)[:3] == [53, 54, 51]


def test_every_requested_option_once_and_only_what_is_configured():
    play = Playbook(lan(ntp=(SERVER,), options={119: b"\1a\0"}))
    everything = list(range(255, -1, -1))
    play(asking(play, *everything[:200], *everything[:55]).discover())
    sent = list(play.reply.options)
    assert sorted(sent) == sorted({53, 54, 51, 58, 59, 1, 119})
    play(asking(play, 119, 42, 28, 15, 6, 3, 1, 1, 3, 6).discover())
    assert list(play.reply.options)[5:] == [1, 119, 42, 28, 15, 6, 3]


def test_what_only_clients_say_is_never_said_back():
    play = Playbook()
    phone = asking(play, 50, 55, 57, 1)
    phone.options[57] = b"\5\xdc"
    play(phone.discover("10.20.0.12"))
    assert not {50, 55, 57} & set(play.reply.options)


def test_without_option_55_the_basics():
    play = Playbook(lan(ntp=(SERVER,)))
    play.board.advices["phone"] = Advice("a", {66: b"url", 43: b"x"}, frozenset({43}))
    play(play.client(1, "phone").discover())
    assert list(play.reply.options) == [53, 54, 51, 58, 59, 1, 3, 6, 15, 43]


def test_advice_only_when_asked_or_forced_and_it_overrides_the_subnet():
    play = Playbook()
    play.board.advices["phone"] = Advice("a", {66: b"http://x/", 3: octets("10.20.0.9"), 160: b"u"}, frozenset({160}))
    play(asking(play, 1, 3).discover())
    assert play.reply.options[3] == octets("10.20.0.9")
    assert play.reply.options[160] == b"u"
    assert 66 not in play.reply.options
    play(asking(play, 1, 66).discover())
    assert play.reply.options[66] == b"http://x/"
    play(asking(play, 1, 3, 66, vendor="PXEClient").discover())
    assert play.reply.options[3] == octets("10.20.0.1")
    assert 66 not in play.reply.options


@pytest.mark.parametrize("vendor", ["", "Phone", "phoneX", "MSFT 5.0"])
def test_vendor_options_only_for_whom_option_60_selected(vendor):
    play = Playbook()
    play.board.advices["phone"] = Advice("a", {43: b"secret", 60: b"phone"})
    play(asking(play, 43, 60, vendor=vendor).discover())
    assert not {43, 60} & set(play.reply.options)
    play(asking(play, 43, 60).discover())
    assert (play.reply.options[43], play.reply.options[60]) == (b"secret", b"phone")


def test_what_is_a_devices_own_is_not_given_to_another():
    play = Playbook()
    one, two = play.client(1, "one"), play.client(2, "two")
    for name, phone in (("one", one), ("two", two)):
        play.board.advices[name] = Advice("same", {66: b"general", 42: b"\1\2\3\4"}, own={66: name.encode(), 43: b"x"})
        phone.options[55] = bytes((66, 42))
    play(one.discover())
    assert play.reply.options[66] == b"one"
    play(two.discover())
    assert play.reply.options[66] == b"two"
    assert 43 not in play.reply.options
    play.board.advices["two"] = Advice("same", {66: b"general", 42: b"\1\2\3\4"})
    play(two.discover())
    assert play.reply.options[66] == b"general"


def test_an_advisor_cannot_forge_what_the_protocol_says():
    play = Playbook()
    forged = {54: b"evil", 51: b"\0\0\0\1", 82: b"x"}
    play.board.advices["phone"] = Advice("a", forged, frozenset(forged), own={61: b"x"})
    play(asking(play, 51, 54, 61, 82).discover())
    assert play.reply.options[54] == octets("10.20.0.1")
    assert not {61, 82} & set(play.reply.options)


def test_option_66_has_no_nul_and_150_is_addresses():
    play = Playbook()
    play.board.advices["phone"] = Advice("a", {66: b"http://10.20.0.1:8667/", 150: octets("10.20.0.1") * 2})
    play(asking(play, 66, 150).discover())
    assert b"\0" not in play.reply.options[66]
    assert len(play.reply.options[150]) == 8


def test_classless_routes_go_out_under_both_numbers():
    play = Playbook(lan(routes=((ip("10.9.0.0"), 16, SERVER),)))
    play(asking(play, 121, 3, 249).discover())
    value = bytes((16, 10, 9)) + octets("10.20.0.1")
    assert (play.reply.options[121], play.reply.options[249]) == (value, value)
    play(asking(play, 3).discover())
    assert not {121, 249} & set(play.reply.options)


def test_ipv6_only_when_set_and_asked():
    play = Playbook(lan(options={108: b"\0\0\1\x2c"}))
    play(asking(play, 1).discover())
    assert 108 not in play.reply.options
    play(asking(play, 108).discover())
    assert play.reply.options[108] == b"\0\0\1\x2c"
    play = Playbook()
    play(asking(play, 108).discover())
    assert 108 not in play.reply.options


@pytest.mark.parametrize("lease", [2, 3, 60, 3600, INFINITE])
def test_t1_before_t2_before_the_end(lease):
    play = Playbook(lan(lease=lease))
    play(asking(play).discover())
    options = play.reply.options
    times = [int.from_bytes(options[code], "big") for code in (58, 59, 51) if code in options]
    assert times == sorted(set(times))
    assert times[-1] == lease
    assert (58 in options) == (59 in options) == (lease in {3, 60, 3600})


def test_t1_and_t2_as_configured():
    play = Playbook(lan(t1=100, t2=200))
    play(asking(play).discover())
    assert (play.reply.options[58], play.reply.options[59]) == (b"\0\0\0\x64", b"\0\0\0\xc8")


def test_order_of_option_55_decides_when_space_is_short():
    long = {code: bytes([code]) * 120 for code in (200, 201, 202, 203, 204)}
    play = Playbook(lan(options=long))
    first = asking(play, 200, 201, 202, 203, 204)
    first.options[57] = b"\2\x40"
    play(first.discover())
    kept = set(play.reply.options) & set(long)
    first.options[55] = bytes((204, 203, 202, 201, 200))
    play(first.discover())
    turned = set(play.reply.options) & set(long)
    assert 200 in kept
    assert 204 not in kept
    assert 204 in turned
    assert 200 not in turned


def test_the_next_server():
    play = Playbook(lan(next_server=ip("10.20.0.7")))
    play(asking(play).discover())
    assert play.reply.siaddr == ip("10.20.0.7")


def test_cached_options_are_forgotten_with_the_configuration():
    play = Playbook()
    phone = asking(play, 6)
    play(phone.discover())
    play.settings = type(play.settings)(mode=play.settings.mode, subnets=(lan(dns=(ip("9.9.9.9"),)),))
    play.engine.reconfigure(play.settings, (), play.now)
    play(phone.discover())
    assert play.reply.options[6] == octets("9.9.9.9")
