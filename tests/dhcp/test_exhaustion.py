"""Who asks and never takes must not keep a pool from others for longer than a moment."""

from provd.base.facts import dhcp as facts
from provd.dhcp.advice import Advice
from provd.dhcp.ingress import Link
from tests.dhcp.playbook import SERVER, Playbook, ip, lan

TEN = [f"<< OFFER 10.20.0.{number} frame" for number in range(10, 20)]
RELAY = ip("10.20.0.2")


def flooded(**settings: object) -> Playbook:
    play = Playbook(**settings)
    for number in range(10):
        assert play(play.client(100 + number).discover())[0] == TEN[number]
        play.passes(0.1)
    return play


def test_an_offer_is_safe_for_a_moment_and_the_oldest_goes_first():
    play = flooded()
    phone = play.client(1)
    assert play(phone.discover()) == ["!! DHCP-NO-ADDRESS"]
    play.passes(1.5)
    assert play(phone.discover()) == ["!! DHCP-OFFER-TAKEN", TEN[0], "!! DHCP-OFFER"]
    told = next(fact for fact in play.facts if isinstance(fact, facts.DhcpOfferTaken))
    assert (told.mac, told.ip, told.subnet, told.count) == (phone.mac.hex(), "10.20.0.10", "lan", 1)
    assert play(phone.select("10.20.0.10"))[1] == "<< ACK 10.20.0.10 frame"
    assert play(play.client(100).select("10.20.0.10")) == ["<< NAK - broadcast", "!! DHCP-NAK"]
    assert play(play.client(2).discover())[0] == TEN[1]
    assert [fact.ID for fact in play.facts].count("DHCP-OFFER-TAKEN") == 1


def test_who_asks_again_is_the_youngest():
    play = flooded()
    play.passes(3)
    assert play(play.client(100).discover())[0] == TEN[0]
    assert play(play.client(1).discover())[1] == TEN[1]


def test_leases_and_who_had_one_are_never_taken():
    play = Playbook(lan(pools=((ip("10.20.0.10"), ip("10.20.0.12")),)))
    leased, returning, waiting = play.client(1), play.client(2), play.client(3)
    play.bind(leased)
    play.bind(returning)
    play.passes(4000)
    play.bind(leased)
    play(returning.discover())
    play.bind(waiting)
    play.passes(60)
    assert play(play.client(4).discover()) == ["!! DHCP-NO-ADDRESS"]
    assert play(returning.select("10.20.0.11"))[1] == "<< ACK 10.20.0.11 frame"


def test_a_request_on_its_way_to_the_disk_is_safe():
    play = Playbook(lan(pools=((ip("10.20.0.10"), ip("10.20.0.10")),)))
    phone = play.client(1)
    play(phone.discover())
    play.disk_waits = True
    play(phone.select("10.20.0.10"))
    play.passes(5)
    assert play(play.client(2).discover()) == ["!! DHCP-NO-ADDRESS"]
    assert play.flush()[0] == "<< ACK 10.20.0.10 frame"
    assert play(play.client(2).discover()) == []


def test_the_share_for_phones_is_not_taken_over_by_others():
    play = Playbook(reserve_share=0.5)
    play.board.advices["phone"] = Advice("p", phone=True)
    for number in range(10):
        play(play.client(100 + number, "phone").discover())
    play.passes(5)
    assert play(play.client(1, "pc").discover()) == ["!! DHCP-NO-ADDRESS"]
    assert play(play.client(2, "phone").discover())[1] == TEN[0]


def test_the_new_holder_is_probed_for_anew():
    play = Playbook(lan(probe=True, pools=((ip("10.20.0.10"), ip("10.20.0.10")),)))
    assert play(play.client(1).discover()) == ["?? 10.20.0.10"]
    play.passes(5)
    assert play(play.client(2).discover()) == ["!! DHCP-OFFER-TAKEN", "?? 10.20.0.10"]
    assert play.probed("10.20.0.10")[0] == TEN[0]
    assert play.reply.chaddr[:6] == play.client(2).mac


def test_looking_on_takes_nothing_and_a_new_configuration_forgets_nothing():
    play = flooded()
    play.passes(1)
    play.engine.reconfigure(play.settings, (), play.now)
    assert play(play.client(1).discover()) == ["!! DHCP-NO-ADDRESS"]
    play.passes(2.5)
    assert play(play.client(1).discover(), link=Link("eth1", (SERVER,)))[1] == TEN[0]


def test_an_operator_sees_how_often():
    play = flooded()
    for number in range(5):
        play.passes(3)
        play(play.client(number, giaddr=RELAY).discover(), to=SERVER)
    play.passes(60)
    play(play.client(50).discover())
    told = [fact.count for fact in play.facts if isinstance(fact, facts.DhcpOfferTaken)]
    assert told == [1, 5]
