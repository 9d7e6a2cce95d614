"""How much one client or one relay port may take of a pool."""

from provd.base.facts import dhcp as facts
from tests.dhcp.playbook import SERVER, Client, Playbook, ip, lan

RELAY = ip("10.20.0.2")
PORT = b"\1\4eth3"


def behind(play: Playbook, number: int, port: bytes = PORT) -> Client:
    phone = play.client(number, giaddr=RELAY)
    phone.options[82] = port
    return phone


def bound(play: Playbook, phone: Client) -> str:
    """The address that a client behind the relay gets, empty for none."""
    if not any(line.startswith("<< OFFER") for line in play(phone.discover(), to=SERVER)):
        return ""
    address = play.reply.yiaddr
    play(phone.request(server=SERVER, address=address), to=SERVER)
    return f"10.20.{address >> 8 & 255}.{address & 255}"


def test_a_relay_port_gets_as_many_addresses_as_it_may():
    play = Playbook(lan(pools=((ip("10.20.1.0"), ip("10.20.1.255")),), circuit_limit=8))
    for n in range(200):
        phone = play.client(n, giaddr=RELAY)
        phone.options[82] = b"\1\4eth3\2\2sw"
        lines = play(phone.discover(), to=SERVER)
        if n < 8:
            assert lines[0].startswith("<< OFFER")
        else:
            assert not any(line.startswith("<<") for line in lines)
    other = play.client(300, giaddr=RELAY)
    other.options[82] = b"\1\4eth4\2\2sw"
    assert play(other.discover(), to=SERVER)[0].startswith("<< OFFER")
    play.passes(121)
    late = play.client(301, giaddr=RELAY)
    late.options[82] = b"\1\4eth3\2\2sw"
    assert play(late.discover(), to=SERVER)[0].startswith("<< OFFER")


def test_who_makes_up_relay_ports_leaves_none_behind():
    play = Playbook(lan(circuit_limit=1))
    phone = behind(play, 1)
    for number in range(50):
        phone.options[82] = b"\1\4%04d" % number
        assert bound(play, phone) == "10.20.0.10"
    (pool,) = play.engine._table.pools
    assert list(pool.circuits) == [b"\1\0040049"]
    assert not bound(play, behind(play, 2, phone.options[82])), "the last one counts"
    assert bound(play, behind(play, 3, b"\1\0040001"))


def test_leases_count_for_their_port_after_a_restart():
    play = Playbook(lan(circuit_limit=1))
    phone = play.client(1, giaddr=RELAY)
    phone.options[82] = b"\1\4eth3"
    play(phone.discover(), to=SERVER)
    play(phone.select("10.20.0.10"), to=SERVER)
    play.boot()
    other = play.client(2, giaddr=RELAY)
    other.options[82] = b"\1\4eth3"
    assert play(other.discover(), to=SERVER) == ["!! DHCP-NO-ADDRESS"]


def test_who_was_behind_a_port_before_counts_like_everybody_else():
    play = Playbook(lan(circuit_limit=2))
    phones = [behind(play, number) for number in range(10)]
    for phone in phones:
        address = bound(play, phone)
        play(phone.release(address), to=SERVER)
    assert [bool(bound(play, phone)) for phone in phones] == [True, True, *[False] * 8]
    assert bound(play, phones[0]), "who has its address gets it again"


def test_who_moves_to_a_full_port_gets_no_address_there():
    play = Playbook(lan(circuit_limit=1))
    there, mover = behind(play, 1), behind(play, 2, b"\1\4eth4")
    assert bound(play, there)
    address = bound(play, mover)
    mover.options[82] = PORT
    assert play(mover.reboot(address), to=SERVER) == ["!! DHCP-NO-ADDRESS"]
    assert not bound(play, mover)
    play(there.release("10.20.0.10"), to=SERVER)
    assert play(mover.reboot(address), to=SERVER)[1].startswith("<< ACK")
    assert not bound(play, there), "the port has changed hands"


def test_a_renewal_past_the_relay_leaves_the_client_behind_it():
    play = Playbook(lan(circuit_limit=1))
    phone = behind(play, 1)
    address = bound(play, phone)
    direct = play.client(1)
    for _ in range(3):
        play.passes(1800)
        lines = play(direct.renew(address), to=SERVER, source=ip(address))
        assert lines[1] == f"<< ACK {address} unicast {address}"
        assert 82 not in play.reply.options, "what the relay has not added does not come back"
    assert play.disk[ip(address)].agent == PORT
    play.boot()
    assert not bound(play, behind(play, 2))


def test_one_client_does_not_decline_a_whole_pool_away():
    play = Playbook(lan(pools=((ip("10.20.0.10"), ip("10.20.0.29")),)))
    phone, other = play.client(1), play.client(2)
    declined = []
    while any(line.startswith("<< OFFER") for line in play(phone.discover())):
        address = f"10.20.0.{play.reply.yiaddr & 255}"
        play(phone.select(address))
        play(phone.decline(address))
        declined.append(address)
        play.passes(10)
    assert len(declined) == 10, "as long as half of the pool is free it may be right"
    told = [fact for fact in play.facts if isinstance(fact, facts.DhcpNoAddress)]
    assert [(fact.mac, fact.reason) for fact in told] == [(phone.mac.hex(), "it has declined 10 addresses")]
    assert play.bind(other) == "10.20.0.20"
    play.boot()
    assert not any(line.startswith("<<") for line in play(phone.discover())), "a restart forgets nothing"
    play.passes(3601)
    assert play.bind(phone)


def test_few_declines_are_believed_also_in_a_small_pool():
    play = Playbook(lan(pools=((ip("10.20.0.10"), ip("10.20.0.13")),)))
    phone = play.client(1)
    for last in range(10, 13):
        assert play.bind(phone) == f"10.20.0.{last}"
        play(phone.decline(f"10.20.0.{last}"))
    assert play.bind(phone) == "10.20.0.13"


def found_in_use(play, phone, holder="02000000000f"):
    """How many addresses are found in use before one is offered, and whether one is: this holder answers each probe."""
    lines, found = play(phone.discover()), 0
    while lines[-1].startswith("?? "):
        found += 1
        lines = play.probed(lines[-1].removeprefix("?? "), holder)
    offered = lines[0].startswith("<< OFFER")
    return found - offered, offered


def test_who_answers_for_every_address_does_not_have_them_all():
    play = Playbook(lan(probe=True, pools=((ip("10.20.0.10"), ip("10.20.0.29")),)))
    assert found_in_use(play, play.client(1)) == (9, True)
    assert found_in_use(play, play.client(2)) == (0, True)
    assert found_in_use(play, play.client(3), "0200000000aa") == (5, True), "another one is believed"
    play.passes(3601)
    found, offered = found_in_use(play, play.client(4))
    assert offered
    assert found > 5, "an hour later it is believed anew"


def test_who_answers_in_a_large_subnet_is_believed_for_some_addresses():
    play = Playbook(lan(probe=True, pools=((ip("10.20.0.10"), ip("10.20.9.250")),)))
    assert found_in_use(play, play.client(1)) == (32, True)
    assert found_in_use(play, play.client(2)) == (0, True)
