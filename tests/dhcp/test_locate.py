"""Which subnet, which identity: relays, link selection, several addresses, several interfaces."""

import pytest

from provd.dhcp.ingress import Link
from provd.dhcp.subnet import ReservedAddress
from tests.dhcp.playbook import SERVER, Playbook, ip, lan

FAR = lan(name="far", network=ip("10.30.0.0"), pools=((ip("10.30.0.10"), ip("10.30.0.19")),))
RELAY = ip("10.20.0.2")
LINK_30 = b"\5\4" + ip("10.30.0.0").to_bytes(4, "big")
TRUSTED = ((ip("10.20.0.0"), 24),)


@pytest.mark.parametrize("giaddr", ["8.8.8.8", "127.0.0.1", "255.255.255.255", "10.20.0.1"])
def test_relays_of_networks_that_are_not_ours(giaddr):
    play = Playbook()
    assert play(play.client(1, giaddr=ip(giaddr)).discover(), to=SERVER) == ["!! DHCP-IGNORED"]


def test_only_listed_relays_are_answered_where_there_is_a_list():
    play = Playbook(relays=TRUSTED)
    phone = play.client(1, giaddr=RELAY)
    assert play(phone.discover(), to=SERVER, source=ip("10.20.9.9")) == ["!! DHCP-IGNORED"]
    assert play(phone.discover(), to=SERVER, source=RELAY)[0] == "<< OFFER 10.20.0.10 relay 10.20.0.2"


@pytest.mark.parametrize("relays", [TRUSTED, ()])
def test_link_selection(relays):
    play = Playbook(lan(), FAR, relays=relays)
    phone = play.client(1, giaddr=RELAY)
    phone.options[82] = LINK_30
    for _ in range(3):  # the third one is understood without being decoded
        assert play(phone.discover(), to=SERVER, source=RELAY)[0] == "<< OFFER 10.30.0.10 relay 10.20.0.2"
        assert play.reply.options[82] == LINK_30
        assert play.reply.options[3] == SERVER.to_bytes(4, "big")
    assert play(phone.select("10.30.0.10"), to=SERVER, source=RELAY)[1] == "<< ACK 10.30.0.10 relay 10.20.0.2"
    del phone.options[82]
    assert play(phone.discover(), to=SERVER, source=RELAY)[0] == "<< OFFER 10.20.0.10 relay 10.20.0.2"


def test_a_relay_outside_every_subnet_may_select_a_link_if_it_is_listed():
    outside = ip("192.168.9.9")
    for relays, line in ((((outside, 32),), "<< OFFER 10.30.0.10 relay 192.168.9.9"), ((), "!! DHCP-IGNORED")):
        play = Playbook(lan(), FAR, relays=relays)
        phone = play.client(1, giaddr=outside)
        phone.options[82] = LINK_30
        assert play(phone.discover(), to=SERVER, source=outside)[0] == line


def test_link_selection_of_an_unknown_link():
    play = Playbook(relays=TRUSTED)
    phone = play.client(1, giaddr=RELAY)
    phone.options[82] = LINK_30
    assert play(phone.discover(), to=SERVER, source=RELAY) == ["!! DHCP-IGNORED"]
    phone.options[82] = b"\5\4x"
    assert play(phone.discover(), to=SERVER, source=RELAY)[0].startswith("<< OFFER")


def test_the_server_identifier_override():
    play = Playbook(relays=TRUSTED)
    phone = play.client(1, giaddr=RELAY)
    override = ip("10.20.0.254")
    phone.options[82] = b"\x0b\4" + override.to_bytes(4, "big")
    play(phone.discover(), to=SERVER, source=RELAY)
    assert play.reply.address(54) == override
    lines = play(phone.select("10.20.0.10", override), to=SERVER, source=RELAY)
    assert lines[1] == "<< ACK 10.20.0.10 relay 10.20.0.2"
    assert play.sent[-1].source == SERVER
    untrusting = Playbook()
    untrusting(phone.discover(), to=SERVER, source=RELAY)
    assert untrusting.reply.address(54) == SERVER


def test_a_server_with_several_addresses_answers_to_all_of_them():
    second = ip("10.20.0.3")
    play = Playbook(addresses=(ip("192.0.2.1"), SERVER, second))
    phone = play.client(1)
    play(phone.discover())
    assert play.reply.address(54) == SERVER
    assert play(phone.select("10.20.0.10", second))[1] == "<< ACK 10.20.0.10 frame"
    assert play(phone.renew("10.20.0.10"), to=second)[1].startswith("<< ACK")
    assert play.reply.address(54) == second
    far = play.client(2, giaddr=RELAY)
    play(far.discover(), to=second)
    assert play.reply.address(54) == second


def test_the_interface_decides_without_a_relay_and_answers_leave_through_it():
    play = Playbook(lan(), FAR)
    other = Link("eth2", (ip("10.30.0.1"),))
    assert play(play.client(1).discover(), link=other)[0] == "<< OFFER 10.30.0.10 frame"
    assert (play.sent[-1].interface, play.reply.address(54)) == ("eth2", ip("10.30.0.1"))
    assert play(play.client(2).discover(), link=Link("eth3", (ip("192.0.2.1"),))) == ["!! DHCP-IGNORED"]
    assert play(play.client(2).discover(), link=Link("eth4")) == ["!! DHCP-IGNORED"]
    assert play(play.client(2, giaddr=RELAY).discover(), link=Link("eth4")) == ["!! DHCP-IGNORED"]


def shared_link(**settings: object) -> Playbook:
    return Playbook(lan(), FAR, addresses=(SERVER, ip("10.30.0.1")), **settings)


def test_subnets_of_one_interface_share_their_link():
    play = shared_link()
    phones = [play.client(number) for number in range(20)]
    got = [play.bind(phone) for phone in phones]
    assert got == [f"10.20.0.{last}" for last in range(10, 20)] + [f"10.30.0.{last}" for last in range(10, 20)]
    assert play.reply.address(54) == ip("10.30.0.1")
    assert play.reply.options[1] == bytes((255, 255, 0, 0))
    assert play(play.client(99).discover()) == ["!! DHCP-NO-ADDRESS"]
    play.boot()
    for number in (0, 19, 3, 12):
        phone, address = phones[number], got[number]
        assert play(phone.discover())[0] == f"<< OFFER {address} frame"
        assert play(phone.select(address))[1] == f"<< ACK {address} frame"
        assert play(phone.reboot(address))[1] == f"<< ACK {address} frame"
        assert play(phone.renew(address))[1] == f"<< ACK {address} unicast {address}", "to everybody: rebinding"
    assert play(phones[0].reboot("10.40.0.1"))[0] == "<< NAK - broadcast"
    assert play(phones[15].decline("10.30.0.15"))[0] == "== 10.30.0.15 DECLINED"
    assert play.fact.subnet == "far"


def test_a_reservation_or_a_wish_chooses_among_the_subnets_of_a_link():
    reserved = Playbook().client(1)
    play = shared_link(reservations=[ReservedAddress(ip=ip("10.30.0.200"), mac=reserved.mac.hex())])
    assert play.bind(reserved) == "10.30.0.200"
    assert play.bind(play.client(2), "10.30.0.15") == "10.30.0.15"
    assert play.bind(play.client(3), "10.30.0.15") == "10.30.0.10"
    assert play.bind(play.client(4), "10.99.0.15") == "10.20.0.10"


def test_the_share_for_phones_is_the_last_of_a_shared_link():
    play = shared_link(reserve_share=0.5)
    got = [play.bind(play.client(number)) for number in range(10)]
    assert got == [f"10.20.0.{last}" for last in range(10, 15)] + [f"10.30.0.{last}" for last in range(10, 15)]
    assert play(play.client(11).discover()) == ["!! DHCP-NO-ADDRESS"]


def test_a_subnet_inside_another_one_is_found():
    inner = lan(name="inner", network=ip("10.20.5.0"), prefixlen=24, pools=((ip("10.20.5.10"), ip("10.20.5.19")),))
    play = Playbook(lan(), inner)
    phone = play.client(1, giaddr=ip("10.20.5.1"))
    assert play(phone.discover(), to=SERVER)[0] == "<< OFFER 10.20.5.10 relay 10.20.5.1"
