"""What phones are told that ask by multicast, and what we learn from it."""

from __future__ import annotations

from dataclasses import replace

from provd.app.site import Site
from provd.base.types import Mac
from provd.plugin import PnpAdvice
from provd.sip.pnp import Advice, Arrival, Asked, Words
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
    line,
    tenant,
)

BASE = "http://10.0.0.1:8667"
PNP = PnpAdvice(("acme",), "{base}/{mac}/", r"(?:acme-)?(?P<model>\w+)")


def site_of(*records: object, **site: object) -> World:
    world = World(MemoryJournal(*records), site=Site(**site))
    world.catalogue.manifests = (replace(ACME, pnp=PNP), BOLTS)
    world.catalogue.revision += 1
    return world


def asks(world: World, mac: Mac = PHONE, peer: str = "10.0.0.9", model: str = "acme-A1G", **words: str) -> Advice:
    said = Words("ua-profile", **{"vendor": "ACME", "model": model, "version": "2.1", **words})
    asked = Asked(mac, said, "", Arrival((peer, 5060), "eth1", 2, SERVER))
    welcoming = world.boot.welcoming
    advice = welcoming.asked(asked, 5.0)
    if advice.url:
        welcoming.told(asked, 5.0)
    return advice


def test_a_new_phone_gets_its_url_and_is_known_from_then_on() -> None:
    world = site_of()
    assert asks(world) == Advice(f"{BASE}/{PHONE}/", "", "acme", "A1G", "t1")
    device = world.device(PHONE)
    assert (device.vendor, device.model, device.version, device.plugin) == ("Acme", "A1G", "2.1", "acme")
    assert world.ids() == ["DEVICE-SIGHTED", "DEVICE-IDENTIFIED", "DEVICE-STATE"]


def test_a_model_that_nobody_knows_is_still_of_its_vendor() -> None:
    world = site_of()
    assert asks(world, model="Z99").url
    assert (world.device(PHONE).model, world.device(PHONE).confidence) == ("", 45)


def test_who_is_not_told_and_why() -> None:
    world = site_of()
    assert asks(world, Mac("0c0000000001"), vendor="other").reason == "no plugin recognises it"
    assert asks(world, BOLT, vendor="bolt").reason == "its plugin has no [pnp]"
    assert not world.fleet.tables.devices
    assert asks(site_of(auto_add=False)).reason == "it was not announced, and policy.auto_add is off"


def test_what_was_announced_is_told_also_where_nothing_is_added_by_itself() -> None:
    world = site_of(claimed(PHONE, tenant="master"), auto_add=False)
    assert asks(world).url
    assert world.device(PHONE).model == "A1G"
    unsaid = site_of(claimed(PHONE, tenant="master", plugin="acme", vendor="Acme"))
    assert asks(unsaid, vendor="", model="").url, "known from before"


def test_new_phones_are_bounded() -> None:
    world = site_of()
    world.boot.station.roster.newcomers = FakeBuckets(1)
    assert asks(world).url
    assert asks(world, OTHER).url
    assert list(world.fleet.tables.devices) == [PHONE]


def test_a_token_is_not_given_to_whoever_says_a_mac() -> None:
    world = site_of(tenant(), line(), claimed(PHONE, "n1"), secrets="token")
    assert asks(world, OTHER).url == f"{BASE}/{world.tokens.token(OTHER)}/{OTHER}/", "nothing secret is in its file"
    assert asks(world).reason == "its address is not one that we leased to it"
    world.leases.held["10.0.0.9"] = PHONE
    assert asks(world).url == f"{BASE}/{world.tokens.token(PHONE)}/{PHONE}/"
