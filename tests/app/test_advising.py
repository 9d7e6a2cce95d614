"""What phones are told over DHCP, and what we learn from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.site import Site
from provd.dhcp.advice import PLAIN, ClientInfo
from provd.domain.records import DeviceState
from provd.plugin import DhcpAdvice, Match
from tests.app.fakes import (
    ACME,
    BOLT,
    BOLTS,
    OTHER,
    PHONE,
    SERVER,
    FakeBuckets,
    MemoryJournal,
    World,
    claimed,
    client,
    lease,
    line,
    option,
    tenant,
)

BASE = b"http://10.0.0.1:8667"


def test_a_laptop_gets_a_plain_lease_and_leaves_no_trace():
    world = World()
    assert world.boot.advise(client("0c0000000001", "MSFT 5.0"), 1.0) is PLAIN
    world.boot.bound(lease("0c0000000001", "10.0.0.5", "MSFT 5.0"), "", 1.0)
    assert world.ids() == []
    assert not world.fleet.tables.devices
    assert len(world.boot.station.sightings) == 0


def test_a_phone_gets_its_vendors_options():
    world = World()
    advice = world.boot.advise(client(PHONE), 1.0)
    assert advice.phone
    assert advice.options == {66: BASE, 150: bytes((10, 0, 0, 1))}
    assert advice.own == {67: b"02aaaa000001.cfg"}
    assert advice.force == frozenset({66})
    assert advice.boot == "t1"
    assert world.ids() == ["DEVICE-SIGHTED"]


def test_phones_of_one_kind_share_a_key_and_others_do_not():
    world = World()
    first, second = (world.boot.advise(client(mac), 1.0) for mac in (PHONE, OTHER))
    better = world.boot.advise(client("02aaaa000003", "acme A1G"), 1.0)
    elsewhere = world.boot.advise(client("02aaaa000004", server="10.9.0.1"), 1.0)
    assert first.key == second.key
    assert first.options is second.options
    assert len({first.key, better.key, elsewhere.key}) == 3
    assert better.options == {66: BASE + b"/new"}
    assert elsewhere.options[66] == b"http://10.9.0.1:8667"


def test_the_second_message_of_an_exchange_gets_the_same_advice():
    world = World()
    offer = world.boot.advise(client(PHONE), 1.0)
    assert world.boot.advise(client(PHONE, first=False), 2.0) is offer


def test_a_known_model_keeps_its_advice_though_option_60_tells_the_vendor_only():
    world = World(MemoryJournal(tenant(), claimed(PHONE, model="A1G")))
    assert world.boot.advise(client(PHONE, "acme"), 1.0).options[66] == BASE + b"/new"


def test_who_calls_itself_another_vendors_phone_now_is_told_what_that_one_understands():
    world = World()
    match = Match("option60", ("bolt",), "bolt", 25)
    there = DhcpAdvice({66: option("{base}/bolt")})
    world.catalogue.manifests = (ACME, replace(BOLTS, matches=(*BOLTS.matches, match), dhcp=(there,)))
    world.catalogue.revision += 1
    world.dhcp(PHONE, "10.0.0.5", "acme A1G")
    assert world.boot.advise(client(PHONE, "bolt"), 2.0).options == {66: BASE + b"/bolt"}
    world.boot.bound(lease(PHONE, "10.0.0.5", "bolt"), "", 3.0)
    assert world.fleet.tables.devices[PHONE].plugin == "acme", "vaguer evidence does not change what it is"
    for again in ("acme", "laptop", ""):
        assert world.boot.advise(client(PHONE, again), 4.0).options[66] == BASE + b"/new"


def test_a_phone_that_becomes_known_better_is_advised_better():
    world = World()
    world.dhcp(PHONE, "10.0.0.5", "acme")
    assert world.boot.advise(client(PHONE, "acme A1G", first=False), 2.0).options[66] == BASE + b"/new"


def test_a_mac_prefix_alone_is_enough():
    world = World()
    assert world.boot.advise(client(BOLT, ""), 1.0).phone
    # This vendor's plugin advises nothing.
    assert world.boot.advise(client(BOLT, ""), 1.0).options == {}


def test_where_tokens_are_wanted_option_66_carries_one_for_each_device():
    world = World(site=Site(secrets="token"))
    advice = world.boot.advise(client(PHONE), 1.0)
    assert advice.own[66] == BASE + b"/" + world.tokens.token(PHONE).encode()
    assert 66 not in advice.options
    assert world.boot.advise(client(OTHER), 1.0).key == advice.key


def test_a_path_in_an_option_is_each_devices_own_where_tokens_are_wanted():
    world = World(site=Site(secrets="token"))
    said = option("SERVER={host},PORT={port},DIR={path}")
    world.catalogue.manifests = (replace(ACME, dhcp=(DhcpAdvice({242: said}),)), BOLTS)
    world.catalogue.revision += 1
    advice = world.boot.advise(client(PHONE), 1.0)
    assert advice.own[242] == f"SERVER=10.0.0.1,PORT=8667,DIR={world.tokens.token(PHONE)}".encode()
    world.boot.reconfigure(Site(), FakeBuckets(1))
    advice = world.boot.advise(client(PHONE, first=False), 2.0)
    assert (advice.own | advice.options)[242] == b"SERVER=10.0.0.1,PORT=8667,DIR="


def test_another_token_epoch_shows_in_the_next_offer():
    world = World(MemoryJournal(claimed(PHONE, tenant="master", token_epoch=3)), site=Site(secrets="token"))
    assert world.boot.advise(client(PHONE), 1.0).own[66].decode().endswith(world.tokens.token(PHONE, 3))
    world.fleet.note(replace(world.device(PHONE), token_epoch=4), 2.0)
    assert world.boot.advise(client(PHONE, first=False), 2.0).own[66].decode().endswith(world.tokens.token(PHONE, 4))


def test_an_advertised_name_stands_in_urls_and_our_address_where_an_address_is_needed():
    world = World(site=Site(advertise="phones.example:80"))
    advice = world.boot.advise(client(PHONE), 1.0)
    assert advice.options == {66: b"http://phones.example", 150: bytes((10, 0, 0, 1))}


def test_a_discover_that_is_repeated_is_the_same_boot_and_one_after_the_lease_is_another():
    world = World()
    boots = [world.boot.advise(client(PHONE), now).boot for now in (1.0, 4.0, 9.0)]
    world.boot.bound(lease(PHONE, "10.0.0.5"), boots[0], 9.5)
    boots.append(world.boot.advise(client(PHONE), 20.0).boot)
    boots.append(world.boot.advise(client(PHONE), 200.0).boot)
    assert boots == ["t1", "t1", "t1", "t2", "t3"]


def test_a_lease_on_disk_adds_the_phone():
    world = World()
    world.dhcp(PHONE, "10.0.0.5", "acme A1")
    device = world.device(PHONE)
    assert (device.vendor, device.model, device.plugin, device.ip) == ("Acme", "A1", "acme", "10.0.0.5")
    assert (device.state, device.tenant) == (DeviceState.IDENTIFIED, "master")
    assert device.last_boot == world.clock.now()
    assert world.journal.device(PHONE).state is DeviceState.IDENTIFIED
    assert world.ids() == ["DEVICE-SIGHTED", "DEVICE-IDENTIFIED", "DEVICE-STATE"]
    world.boot.bound(lease(PHONE, "10.0.0.5", "acme A1"), "", world.clock.now() + 10)
    assert world.device(PHONE).last_boot == world.clock.now()
    assert world.ids() == []


def test_nothing_is_added_where_that_is_not_wanted():
    world = World(site=Site(auto_add=False))
    world.dhcp(PHONE, "10.0.0.5")
    assert not world.fleet.tables.devices
    assert world.ids() == ["DEVICE-SIGHTED"]


def test_one_network_brings_so_many_new_devices_and_no_more():
    world = World(newcomers=2)
    for number in range(5):
        world.dhcp(f"02aaaa00000{number}", f"10.0.0.{number + 1}")
    assert len(world.fleet.tables.devices) == 2
    limits = [fact for fact in world.facts if fact.ID == "DEVICE-LIMIT"]
    assert [(fact.network, fact.mac) for fact in limits] == [("10.0.0.0/24", "02aaaa000002")]
    # Known devices are not concerned.
    world.boot.bound(lease("02aaaa000000", "10.0.0.77"), "", world.clock.now())
    assert world.device("02aaaa000000").ip == "10.0.0.77"


def test_a_discover_in_a_claimed_devices_name_changes_nothing_until_the_lease_is_there():
    world = World(MemoryJournal(tenant(), line(), claimed(PHONE, "n1", confidence=30)))
    world.boot.advise(client(PHONE, "acme A1G"), 1.0)
    assert world.device(PHONE).model == "A1"
    world.boot.bound(lease(PHONE, "10.0.0.5", "acme A1G"), "", 1.0)
    assert world.device(PHONE).model == "A1G"


def test_an_address_that_is_given_back_is_forgotten():
    world = World()
    world.dhcp(PHONE, "10.0.0.5")
    world.boot.unbound(lease(PHONE, "10.0.0.99"), world.clock.now())
    assert world.device(PHONE).ip == "10.0.0.5"
    world.boot.unbound(lease(PHONE, "10.0.0.5"), world.clock.now())
    assert world.device(PHONE).ip == ""


def test_new_plugins_and_a_new_policy_show_in_the_next_message():
    world = World()
    key = world.boot.advise(client(PHONE), 1.0).key
    world.catalogue.manifests = (replace(ACME, dhcp=(DhcpAdvice({66: option("tftp://{tftp}")}),)), BOLTS)
    world.catalogue.revision += 1
    advice = world.boot.advise(client(PHONE, first=False), 2.0)
    assert advice.options == {66: b"tftp://10.0.0.1"}
    assert advice.key != key
    world.boot.reconfigure(Site(advertise="other.example"), FakeBuckets(1))
    assert world.boot.advise(client(PHONE, first=False), 3.0).options == {66: b"tftp://other.example"}


def test_a_bad_option_is_told_and_the_others_are_sent():
    world = World()
    world.catalogue.manifests = (replace(ACME, dhcp=(DhcpAdvice({66: option("x"), 150: option("{mac}", "ip")}),)),)
    world.catalogue.revision += 1
    assert world.boot.advise(client(PHONE), 1.0).own == {}
    assert world.ids() == ["ADVICE-FAILED", "DEVICE-SIGHTED"]


@pytest.mark.parametrize("server", [SERVER, "10.7.0.1"])
def test_advice_follows_the_address_the_client_talks_to(server):
    world = World()
    world.boot.advise(client(PHONE), 1.0)
    assert (
        world.boot.advise(client(PHONE, first=False, server=server), 2.0).options[66]
        == f"http://{server}:8667".encode()
    )


def test_a_user_class_tells_the_model_where_a_plugin_looks_at_it():
    world = World()
    match = Match("option77", ("room,", "acme"), r"(?:room,)?acme (?P<model>[A-Z0-9]+)", 70)
    world.catalogue.manifests = (replace(ACME, matches=(*ACME.matches, match)), BOLTS)
    world.catalogue.revision += 1
    asks = ClientInfo("0c0000000009", "", "", SERVER, "10.0.0.0/24", first=True, user_class="room,acme A1G")
    assert world.boot.advise(asks._replace(user_class="room"), 1.0) is PLAIN
    advice = world.boot.advise(asks, 2.0)
    assert advice.options[66] == BASE + b"/new", "that of the model"
    assert world.boot.advise(asks._replace(first=False, user_class="acme A1"), 3.0).options[66] == BASE
    world.boot.advise(asks, 4.0)
    world.boot.bound(lease("0c0000000009", "10.0.0.5", ""), advice.boot, 5.0)
    device = world.fleet.tables.devices["0c0000000009"]
    assert (device.model, device.plugin, device.confidence) == ("A1G", "acme", 70)
