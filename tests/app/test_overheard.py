"""The version that a phone says when it registers closes the loop of a rollout, also where no file was asked for."""

from __future__ import annotations

import pytest

from provd.app.overheard import Overheard
from provd.base.facts.sip import AutoprovRegistered
from provd.base.types import Mac
from provd.domain.records import Device, DeviceState
from tests.app.fakes import OTHER, PHONE, MemoryJournal, World


def known(mac: Mac = PHONE, version: str = "1.0") -> Device:
    return Device(
        mac=mac, vendor="Acme", model="A1", plugin="acme", version=version, confidence=90,
        state=DeviceState.UNCLAIMED, first_seen=1.0, last_seen=1.0,
    )  # fmt: skip


def says(world: World, user_agent: str, mac: Mac = PHONE) -> list[str]:
    """What follows from a registration with that User-Agent."""
    before = len(world.facts)
    fact = AutoprovRegistered(
        at=world.clock.now(), mac=mac, account=f"ap{mac}", peer="10.0.0.9:5060", contact="sip:x", seconds=60,
        user_agent=user_agent,
    )  # fmt: skip
    Overheard(world.boot.station)([fact])
    return [each.ID for each in world.facts[before:]]


def test_another_version_is_taken_over_and_told() -> None:
    world = World(MemoryJournal(known()))
    assert says(world, "Acme A1/2.0 02aaaa000001") == ["DEVICE-IDENTIFIED"]
    assert world.device(PHONE).version == "2.0"
    assert says(world, "Acme A1/2.0 02aaaa000001") == []
    assert says(world, "Acme A1/2.1") == ["DEVICE-IDENTIFIED"]


@pytest.mark.parametrize(
    ("user_agent", "mac"),
    [
        ("", PHONE),
        ("Acme A1/2.0 02aaaa0000ff", PHONE),  # a proxy, or a phone with another one's account
        ("Bolt B1", PHONE),
        ("Asterisk PBX 20.1", PHONE),
        ("Acme A1/2.0", OTHER),  # nobody knows that one
    ],
)
def test_what_others_say_changes_nothing(user_agent: str, mac: Mac) -> None:
    world = World(MemoryJournal(known()))
    assert says(world, user_agent, mac) == []
    assert world.device(PHONE).version == "1.0"
