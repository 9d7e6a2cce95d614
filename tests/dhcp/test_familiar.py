"""Messages that need no decoding because their like was seen: nothing may differ from what the decoder's way gives."""

import random
from dataclasses import astuple, replace

import pytest

from provd.base.errors import WireError
from provd.base.types import ip_text
from provd.dhcp.advice import Advice
from provd.dhcp.effects import Effect, Persist
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.ingress import Ingress, Link
from provd.dhcp.packet import build, decode
from provd.dhcp.subnet import DhcpSettings, Mode, ReservedAddress
from tests.dhcp.playbook import BROADCAST, NOW, SERVER, Playbook, Switchboard, ip, lan

RELAY, OTHER_RELAY = ip("10.20.0.2"), ip("10.30.0.2")
FAR = lan(name="far", network=ip("10.30.0.0"), pools=((ip("10.30.0.10"), ip("10.30.0.40")),), circuit_limit=2)
LINK = Link("eth1", (SERVER,))
SECOND = Link("eth2", (ip("10.30.0.1"),))
ASKED = bytes((1, 3, 6, 12, 15, 66, 43))


def found(play: Playbook, datagram: bytes, *, to: int = BROADCAST, source: int = 0, link: Link | None = None) -> bool:
    destination = to.to_bytes(4, "big")
    x = play.engine._familiar.find(datagram, link or play.link, ip_text(source), destination, play.now)
    return x is not None


def phone(play: Playbook, number: int, **options: object):
    made = play.client(number, "model", **options)
    made.options |= {61: b"\1" + made.mac, 55: ASKED}
    return made


def taught(play: Playbook) -> None:
    """Two phones of the model have been here."""
    for number in (1, 2):
        play.bind(phone(play, number))


def test_the_third_of_a_kind_is_familiar_and_gets_the_same():
    play = Playbook()
    taught(play)
    third, fourth = phone(play, 3), phone(play, 4)
    discover = third.discover()
    assert found(play, discover)
    assert play(discover) == ["<< OFFER 10.20.0.12 frame", "!! DHCP-OFFER"]
    assert play.reply.options[61] == third.options[61]
    select = third.select("10.20.0.12")
    assert found(play, select)
    assert play(select)[1] == "<< ACK 10.20.0.12 frame"
    assert (play.reply.xid, play.reply.chaddr[:6]) == (third.xid, third.mac)
    assert not found(play, fourth.renew("10.20.0.12"), to=SERVER)


@pytest.mark.parametrize(
    "different",
    [
        {60: b"other"},
        {55: ASKED[:-1]},
        {12: b"name"},
        {61: b"\1other."},
        {61: b"\0\x80\x5e\xc0\0\0\x03"},
        {57: b"\5\xdc"},
        {61: b"\1\xfeprovd"},
        {82: b"\1\1x"},
        {60: b"mo\x80\x5e\xc0\0\0\x03"},
    ],
)
def test_every_other_option_makes_another_kind(different):
    play = Playbook()
    taught(play)
    third = phone(play, 3)
    assert found(play, third.discover())
    third.options |= different
    assert not found(play, third.discover())


def test_fields_where_it_came_in_and_where_to_make_another_kind():
    play = Playbook()
    taught(play)
    third = phone(play, 3)
    datagram = third.discover()
    assert found(play, datagram)
    for offset in (0, 1, 2, 12, 24, 34, 44, 108, 236, 240, 241, 242, 250):
        assert not found(play, datagram[:offset] + bytes([datagram[offset] ^ 4]) + datagram[offset + 1 :]), offset
    for offset in (3, 4, 8, 10, 16, 20):
        assert found(play, datagram[:offset] + bytes([datagram[offset] ^ 4]) + datagram[offset + 1 :]), offset
    assert not found(play, datagram, to=SERVER)
    assert not found(play, datagram, link=SECOND)
    assert not found(play, datagram[:-1])
    assert not found(play, b"")


def test_another_sender_behind_the_same_giaddr_is_looked_at_again():
    play = Playbook(relays=((RELAY, 32),))
    for number in (1, 2):
        play(phone(play, number, giaddr=RELAY).discover(), to=SERVER, source=RELAY)
    third = phone(play, 3, giaddr=RELAY).discover()
    assert found(play, third, to=SERVER, source=RELAY)
    assert play(third, to=SERVER, source=ip("10.20.9.9")) == ["!! DHCP-IGNORED"]


@pytest.mark.parametrize(
    "options",
    [
        {61: b"\1\x80\x5e\xc0\0\0\1", 60: b"x\x80\x5e\xc0\0\0\1"},
        {55: b"\1\x32\4\3"},
        {55: b"\1\x32\4\3", 50: b"\x0a\x14\0\x0a"},
        {60: b"\xfeprovd"},
        {50: b"\x0a\x14\0"},
        {52: b"\1"},
    ],
)
def test_what_could_be_mistaken_is_never_learned(options):
    play = Playbook()
    datagram = build(1, 1, 7, bytes.fromhex("805ec0000001"), options=options)
    for _ in range(3):
        play(datagram)
        assert not found(play, datagram)


def test_an_option_that_comes_in_two_pieces_is_never_learned():
    play = Playbook()
    head = build(1, 1, 7, bytes.fromhex("805ec0000001"), options={12: b"ab"})[:-1]
    datagram = head[: head.index(b"\x0c\2ab") + 4] + b"\x0c\2cd\xff".ljust(60, b"\0")
    for _ in range(3):
        play(datagram)
        assert not found(play, datagram)


def test_a_new_configuration_and_new_addresses_of_ours_forget_everything():
    for change in (
        lambda play: play.engine.reconfigure(play.settings, (), play.now),
        lambda play: play.engine.addressed(frozenset({SERVER, ip("10.20.0.3")}), play.now),
    ):
        play = Playbook()
        taught(play)
        datagram = phone(play, 3).discover()
        assert found(play, datagram)
        change(play)
        assert not found(play, datagram)


def test_a_flood_of_kinds_is_forgotten():
    play = Playbook(lan(pools=((ip("10.20.16.0"), ip("10.20.255.250")),)))
    for number in range(5000):
        client = play.client(number % 50, f"v{number}")
        play(client.discover())
        play(client.discover())
    familiar = play.engine._familiar
    assert 0 < len(familiar._patterns) <= 4096
    assert len(familiar._seen) <= 4096


# --- the same conversation, with and without


class Twins:
    """Two engines in the same situation: one that remembers, one that decodes everything."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.settings = DhcpSettings(mode=Mode.FULL, subnets=(lan(), FAR), authoritative=True)
        self.boards = (Switchboard(), Switchboard())
        self.now = NOW
        own = frozenset({SERVER, *SECOND.addresses})
        self.engines = tuple(DhcpEngine(self.settings, board, own=own, now=NOW) for board in self.boards)
        self.xid = self.familiar = self.messages = 0
        self.waiting: list[tuple[Persist, Persist]] = []

    def mostly(self, usual: object, *others: object) -> object:
        return usual if self.dice.random() < 0.93 else self.dice.choice(others)

    def datagram(self, *, near: bool, giaddr: int) -> bytes:
        dice = self.dice
        mac = bytes((0x80, 0x5E, 0xC0, 0, 0, dice.randrange(16)))
        kind = dice.choice((1, 1, 3, 3, 3, 3, self.mostly(3, 4, 7, 8)))
        address = ip("10.20.0.10" if near else "10.30.0.10") + dice.randrange(10)
        held = self.engines[0]._table.by_ip.get(address)
        client = b"\1" + mac
        if held is not None and held.lease is not None and dice.random() < 0.9:
            mac, client = bytes.fromhex(held.lease.mac), held.lease.client
        options = {} if client == b"\1" + mac and mac[5] % 2 else {61: self.mostly(client, b"shared", mac)}
        options |= {60: (b"phone", b"own", b"plain")[mac[5] % 3], 55: ASKED}
        options |= self.mostly({}, {12: b"host"}, {57: b"\2\x40"}, {43: bytes(200), 57: b"\5\xdc"})
        ciaddr = address if kind in (7, 8) or (kind == 3 and dice.random() < 0.5) else 0
        if kind == 4 or (kind == 3 and not ciaddr) or dice.random() < 0.05:
            options[50] = address.to_bytes(4, "big")
        if kind in (4, 7) or (kind == 3 and not ciaddr and dice.random() < 0.5) or dice.random() < 0.02:
            options[54] = self.mostly(SERVER, SECOND.addresses[0], 7).to_bytes(4, "big")
        if giaddr:
            options[82] = self.mostly(b"\1\1a", b"\1\1b", b"")
        self.xid += 1
        flags = dice.choice((0, 0x8000))
        made = build(1, kind, self.xid, mac, ciaddr=ciaddr, giaddr=giaddr, flags=flags, options=options)
        if dice.random() < 0.1:
            at = dice.randrange(len(made))
            made = made[:at] + dice.choice((bytes([dice.randrange(256)]), b"", mac, b"\x32\4")) + made[at + 1 :]
        return made

    def step(self) -> None:
        dice = self.dice
        self.now += self.mostly(dice.random(), 30.0, 200.0, 2000.0)
        if dice.random() < 0.004:
            self.change()
        near, relayed = dice.random() < 0.8, dice.random() < 0.5
        giaddr = (RELAY if near else OTHER_RELAY) if relayed else 0
        datagram = self.datagram(near=near, giaddr=giaddr)
        link = self.mostly(LINK if near else SECOND, LINK, SECOND)
        to = self.mostly(SERVER if relayed or any(datagram[12:16]) else BROADCAST, BROADCAST, SERVER, 7)
        source = self.mostly(giaddr, RELAY, OTHER_RELAY)
        remembering, decoding = self.engines
        destination = to.to_bytes(4, "big")
        x = remembering._familiar.find(datagram, link, ip_text(source), destination, self.now)
        self.familiar += x is not None
        self.messages += 1
        try:
            expected = decoding.handle(decode(datagram), Ingress(link, source, to), self.now)
        except WireError:
            with pytest.raises(WireError):
                remembering.receive(datagram, link, ip_text(source), destination, self.now)
            return
        self.same(remembering.receive(datagram, link, ip_text(source), destination, self.now), expected)

    def same(self, ours: list[Effect], theirs: list[Effect]) -> None:
        assert [shown(effect) for effect in ours] == [shown(effect) for effect in theirs]
        pairs = [pair for pair in zip(ours, theirs, strict=True) if isinstance(pair[0], Persist)]
        self.waiting += pairs
        if self.waiting and self.dice.random() < 0.8:
            waiting, self.waiting = self.waiting, []
            batches = [[pair[place] for pair in waiting] for place in (0, 1)]
            if self.dice.random() < 0.1:
                told = [
                    engine.persist_failed(batch, "disk", self.now)
                    for engine, batch in zip(self.engines, batches, strict=True)
                ]
            else:
                told = [engine.persisted(batch, self.now) for engine, batch in zip(self.engines, batches, strict=True)]
            self.same(*told)

    def change(self) -> None:
        dice = self.dice
        reserved = [ReservedAddress(ip=ip("10.20.0.12"), mac="805ec0000003", hostname="boss")]
        reservations = dice.choice(([], reserved))
        mode = dice.choice((Mode.FULL, Mode.FULL, Mode.FULL, Mode.PHONES_ONLY, Mode.OBSERVE))
        lease = dice.choice((600, 3600, 0xFFFFFFFF))
        subnets = (lan(lease=lease), replace(FAR, options={66: b"far"}))
        self.settings = replace(self.settings, mode=mode, subnets=subnets)
        number = dice.randrange(3)
        for engine, board in zip(self.engines, self.boards, strict=True):
            board.advices = {
                "phone": Advice(number, {66: b"u%d" % number}, frozenset({43}), phone=True, boot="b"),
                "own": Advice("own", {}, frozenset(), {66: b"url" * (50 + number)}, phone=True),
            }
            engine.reconfigure(self.settings, reservations, self.now)


def shown(effect: Effect) -> object:
    return (
        type(effect),
        astuple(effect) if not isinstance(effect, Persist) else (effect.lease, effect.then, effect.advice.boot),
    )


@pytest.mark.parametrize("seed", range(8))
def test_nothing_differs_from_what_the_decoder_gives(seed):
    twins = Twins(seed)
    twins.change()
    for _ in range(1200):
        twins.step()
    assert twins.familiar > 100
    first, second = twins.boards
    assert first == second
    assert twins.engines[0].leases() == twins.engines[1].leases()
