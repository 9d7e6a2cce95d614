"""Phones that another instance looks after: who is led where, who is shown the token there, and who is served here."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from provd.app.elsewhere import Place
from provd.app.files import UNKNOWN
from provd.app.site import Site
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import DeviceState
from tests.app.fakes import BOLT, OTHER, PHONE, MemoryJournal, World, claimed, context_of, line, tenant

THERE, TOKEN = "http://north.example:8667", "n" * 26
NORTH = Place(THERE, Secret(TOKEN))
AGENT = {"user_agent": "Acme A1/1.2.3"}


@dataclass
class Places:
    places: dict[Mac, Place] = field(default_factory=dict)
    holders: dict[str, Mac] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def place(self, mac: Mac) -> Place | None:
        return self.places.get(mac)

    def holder(self, token: str) -> Mac | None:
        return self.holders.get(token)

    def asked(self, mac: Mac) -> None:
        self.told.append(f"asked {mac}")

    def came(self, mac: Mac) -> None:
        self.told.append(f"came {mac}")


def world_with(places: Places, *records: object, **site: object) -> World:
    world = World(MemoryJournal(*records), site=Site(**site))
    world.boot.station.elsewhere = places
    return world


async def test_a_phone_that_proves_itself_is_led_to_its_home_with_its_token_there() -> None:
    places = Places({PHONE: NORTH})
    world = world_with(places)
    world.dhcp(PHONE, "10.0.0.5")
    assert world.fleet.tables.device(PHONE) is None, "it is nobody's here"
    common = await world.fetch("/acme-a1.cfg", "10.0.0.5", **AGENT)
    assert context_of(common)["urls"]["home"] == ""
    own = await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", **AGENT)
    context = context_of(own)
    assert (own.kind, own.private, own.revision) == ("elsewhere", True, 0)
    assert context["urls"]["home"] == f"{THERE}/{TOKEN}"
    assert (context["account"], context["lines"], context["device"]["mac"]) == (None, [], "")
    assert context["settings"]["admin"]["password"] is None
    assert world.fleet.tables.device(PHONE) is None
    assert [fact.kind for fact in world.facts if fact.ID == "FILE-SERVED"] == ["common", "elsewhere"]
    assert set(places.told) == {f"asked {PHONE}"}, "and it has not come here"


@pytest.mark.parametrize("policy", ["open", "bound", "token"])
async def test_nobody_else_is_shown_the_token_whatever_the_policy(policy: str) -> None:
    world = world_with(Places({PHONE: NORTH}), secrets=policy)
    world.leases.held = {"10.0.0.6": OTHER}
    for asker in ({"peer": "10.0.0.6"}, {"peer": "198.51.100.7", "direct": False}):
        reply = await world.fetch(f"/{PHONE}.cfg", **asker, **AGENT)
        assert context_of(reply)["urls"]["home"] == THERE


async def test_where_tokens_count_a_lease_is_not_enough_and_the_token_of_here_is() -> None:
    world = world_with(Places({PHONE: NORTH}), secrets="token")
    world.dhcp(PHONE, "10.0.0.5")
    assert context_of(await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", **AGENT))["urls"]["home"] == THERE
    own = world.tokens.token(PHONE)
    reply = await world.fetch(f"/{own}/{PHONE}.cfg", "10.0.0.5", **AGENT)
    assert context_of(reply)["urls"]["home"] == f"{THERE}/{TOKEN}"
    assert context_of(reply)["urls"]["files"].endswith(f"/{own}")


async def test_two_askers_are_never_given_each_others_file() -> None:
    world = world_with(Places({PHONE: NORTH}))
    world.leases.held = {"10.0.0.5": PHONE}
    mine = await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", **AGENT)
    stranger = await world.fetch(f"/{PHONE}.cfg", "10.0.0.9", **AGENT)
    again = await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", **AGENT)
    assert TOKEN.encode() in mine.body
    assert TOKEN.encode() not in stranger.body
    assert again.body == mine.body


async def test_what_it_was_given_here_is_served_no_more() -> None:
    places = Places()
    world = world_with(places, tenant(), line("n1"), claimed(PHONE, "n1"))
    world.leases.held = {"10.0.0.5": PHONE}
    assert context_of(await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", **AGENT))["lines"]
    places.places[PHONE] = Place()
    waiting = context_of(await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", **AGENT))
    assert (waiting["lines"], waiting["urls"]["home"]) == ([], waiting["urls"]["base"]), "it is to come again here"
    places.places[PHONE] = NORTH
    led = await world.fetch(f"/{PHONE}.cfg", "10.0.0.5", **AGENT)
    assert context_of(led)["urls"]["home"] == f"{THERE}/{TOKEN}"


async def test_a_token_of_the_hand_over_proves_the_phone_that_was_sent_here() -> None:
    places = Places(holders={TOKEN: PHONE})
    world = world_with(places, secrets="token")
    common = await world.fetch(f"/{TOKEN}/acme-a1.cfg", "198.51.100.7", **AGENT)
    assert context_of(common)["urls"]["files"].endswith(world.tokens.token(PHONE)), "from now on by the one of here"
    own = await world.fetch(f"/{TOKEN}/{PHONE}.cfg", "198.51.100.7", **AGENT)
    assert context_of(own)["account"]["username"] == f"ap{PHONE}"
    assert world.device(PHONE).state is DeviceState.UNCLAIMED
    assert places.told == [f"asked {PHONE}", f"came {PHONE}"]
    assert await world.fetch(f"/{TOKEN}/{OTHER}.cfg", "198.51.100.7", **AGENT) is UNKNOWN


async def test_a_phone_whose_plugin_cannot_lead_it_gets_nothing() -> None:
    world = world_with(Places({BOLT: NORTH}))
    world.leases.held = {"10.0.0.5": BOLT}
    assert await world.fetch(f"/{BOLT}.cfg", "10.0.0.5", user_agent="Bolt B9") is UNKNOWN
    assert world.facts[-1].reason == "it is looked after elsewhere, and this file cannot lead there"
