"""REQUEST in its four states, and in those that RFC 2131 table 4 forbids."""

import itertools

import pytest

from provd.base.facts import dhcp as facts
from provd.dhcp.packet import build
from tests.dhcp.playbook import BROADCAST, SERVER, Playbook, ip, lan

RELAY = ip("10.20.0.2")
FOREIGN = ip("10.20.0.99")


def octets(text: str) -> bytes:
    return ip(text).to_bytes(4, "big")


def test_selecting_another_server_withdraws_our_offer_in_silence():
    play = Playbook(lan(pools=((ip("10.20.0.10"), ip("10.20.0.10")),)))
    a, b = play.client(1), play.client(2)
    play(a.discover())
    assert play(a.select("10.20.0.10", FOREIGN)) == ["!! DHCP-FOREIGN-SERVER"]
    assert isinstance(play.fact, facts.DhcpForeignServer)
    assert play.fact.server == "10.20.0.99"
    assert play(b.discover())[0] == "<< OFFER 10.20.0.10 frame"
    assert play(b.select("10.20.0.10", FOREIGN)) == []


def test_selecting_an_address_that_was_not_offered():
    play = Playbook()
    a = play.client(1)
    play(a.discover())
    assert play(a.select("10.20.0.11")) == ["<< NAK - broadcast", "!! DHCP-NAK"]
    assert play(play.client(2).select("10.20.0.10")) == ["<< NAK - broadcast", "!! DHCP-NAK"]
    assert play(a.select("10.20.0.10"))[1] == "<< ACK 10.20.0.10 frame"


def test_selecting_after_the_offer_has_ended_but_nobody_took_it():
    play = Playbook()
    a = play.client(1)
    play(a.discover())
    play.passes(200)
    assert play(a.select("10.20.0.10"))[1] == "<< ACK 10.20.0.10 frame"
    assert play(play.client(2).discover("10.20.0.10"))[0] == "<< OFFER 10.20.0.11 frame"


@pytest.mark.parametrize(("server", "requested", "ciaddr"), list(itertools.product([False, True], repeat=3)))
def test_table_4(server, requested, ciaddr):
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    packet = phone.request(
        server=SERVER * server, address=ip("10.20.0.10") * requested, ciaddr=ip("10.20.0.10") * ciaddr
    )
    lines = play(packet, to=SERVER if ciaddr else BROADCAST)
    legal = {(True, True, False), (False, True, False), (False, False, True)}
    if (server, requested, ciaddr) in legal:
        assert lines[1].startswith("<< ACK 10.20.0.10")
    else:
        assert lines == ["!! DHCP-IGNORED"]


def test_init_reboot_right():
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    assert play(phone.reboot("10.20.0.10")) == ["== 10.20.0.10 ACTIVE", "<< ACK 10.20.0.10 frame", "!! DHCP-ACK"]
    assert play.board.asked[-1].first


@pytest.mark.parametrize("address", ["10.99.0.10", "10.20.0.11"])
def test_init_reboot_of_a_known_client_with_a_wrong_address(address):
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    assert play(phone.reboot(address)) == ["<< NAK - broadcast", "!! DHCP-NAK"]


def test_init_reboot_of_a_stranger():
    play = Playbook()
    assert play(play.client(1).reboot("10.20.0.10")) == ["!! DHCP-IGNORED"]
    assert play(play.client(1).reboot("10.99.0.10"))[0] == "<< NAK - broadcast"
    play = Playbook(authoritative=True)
    assert play(play.client(1).reboot("10.20.0.10")) == ["<< NAK - broadcast", "!! DHCP-NAK"]
    assert not play.disk


def test_an_offer_that_was_not_taken_is_no_record():
    play = Playbook()
    phone = play.client(1)
    play(phone.discover())
    play(phone.select("10.20.0.77", FOREIGN))
    assert play(phone.reboot("10.20.0.77")) == ["!! DHCP-IGNORED"]


def test_renewing_extends_from_now_and_goes_to_ciaddr():
    play = Playbook()
    phone = play.client(1)
    play.bind(phone)
    play.now += 1000
    assert play(phone.renew("10.20.0.10"), to=SERVER)[1] == "<< ACK 10.20.0.10 unicast 10.20.0.10"
    assert play.disk[ip("10.20.0.10")].expires == play.now + 3600
    assert play.reply.ciaddr == play.reply.yiaddr == ip("10.20.0.10")
    assert not play.board.asked[-1].first


def test_rebinding_and_a_stolen_ciaddr():
    play = Playbook()
    owner, thief, stranger = (play.client(n) for n in range(1, 4))
    play.bind(owner)
    play.bind(thief)
    assert play(owner.renew("10.20.0.10"))[1] == "<< ACK 10.20.0.10 unicast 10.20.0.10"
    assert isinstance(play.fact, facts.DhcpAck)
    assert play.fact.state == "rebinding"
    assert play(thief.renew("10.20.0.10"))[0] == "<< NAK - broadcast"
    assert play(stranger.renew("10.20.0.10")) == ["!! DHCP-IGNORED"]
    assert play(owner.renew("10.99.0.10"))[0] == "<< NAK - broadcast"
    assert play(owner.renew("10.99.0.10"), to=SERVER) == ["!! DHCP-IGNORED"]


def test_renewing_from_behind_a_router():
    far = lan(name="far", network=ip("10.30.0.0"), pools=((ip("10.30.0.10"), ip("10.30.0.19")),), routers=())
    play = Playbook(lan(), far)
    phone = play.client(1, giaddr=ip("10.30.0.1"))
    play(phone.discover(), to=SERVER)
    play(phone.select("10.30.0.10"), to=SERVER)
    phone.giaddr = 0
    assert play(phone.renew("10.30.0.10"), to=SERVER)[1] == "<< ACK 10.30.0.10 unicast 10.30.0.10"


def test_a_nak_says_why_and_nothing_else():
    play = Playbook()
    phone = play.client(1)
    phone.options |= {55: bytes(range(1, 255)), 61: b"\1me", 57: b"\2\x40"}
    play(phone.reboot("10.99.0.10"))
    reply = play.reply
    assert set(reply.options) == {53, 54, 56, 61}
    assert (reply.yiaddr, reply.siaddr, reply.sname, reply.file) == (0, 0, b"", b"")
    assert reply.options[56] == b"address is not of this network"


def test_a_nak_through_a_relay_has_the_broadcast_flag():
    play = Playbook()
    phone = play.client(1, giaddr=RELAY)
    assert play(phone.reboot("10.99.0.10"), to=SERVER)[0] == "<< NAK - relay 10.20.0.2"
    assert play.reply.flags == 0x8000


@pytest.mark.parametrize(
    ("giaddr", "flags", "way"),
    [(0, 0, "frame"), (0, 0x8000, "broadcast"), (RELAY, 0, "relay 10.20.0.2"), (RELAY, 0x8000, "relay 10.20.0.2")],
)
def test_destinations(giaddr, flags, way):
    play = Playbook()
    phone = play.client(1, giaddr=giaddr, flags=flags)
    assert play(phone.discover())[0] == f"<< OFFER 10.20.0.10 {way}"
    assert play(phone.select("10.20.0.10"))[1] == f"<< ACK 10.20.0.10 {way}"
    assert play.reply.flags == flags
    assert play.sent[-1].interface == "eth1"


def test_a_discover_with_ciaddr_is_not_answered_there():
    play = Playbook()
    packet = build(1, 1, 1, b"\1" * 6, ciaddr=ip("10.20.0.15"))
    assert play(packet)[0] == "<< OFFER 10.20.0.10 frame"
    assert play.reply.ciaddr == 0
