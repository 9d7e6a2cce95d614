"""A device that has lost the answer, and a serial that is a MAC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from provd.app.activation.limits import AT_ONCE, Failures
from provd.app.caller import Caller
from provd.base.facts.activation import ThingKeyUsed, ThingReissued
from provd.domain.activation.thing import REISSUE
from tests.http.activation.kit import DAY, World, world

ACME = Caller(name="acme", tenant="acme")
MAC, OTHER_MAC = "020304050607", "0203040506ff"
HERE = "127.0.0.1"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "state") as found:
        await found.give("S1")
        await found.office.registry.set_model("acme", "m1", lambda model: replace(model, recovery=REISSUE), ACME)
        yield found


async def test_another_key_for_who_never_showed_the_first_one(here: World) -> None:
    first = (await here.activate()).text
    here.clock.time += 29
    assert (await here.activate()).status == 409
    here.clock.time += 1
    again = await here.activate()
    assert (again.status, again.octets <= 198, again.text != first) == (200, True, True)
    assert isinstance(await here.heard(ThingReissued), ThingReissued)
    assert (await here.download(first)).status == 401
    assert (await here.download(again.text)).status == 200
    # Now it has arrived for certain.
    here.clock.time += 60
    assert (await here.activate()).status == 409
    log = (await here.manage("GET", "m1/S1?show=log")).text
    assert [line.split(",")[2] for line in log.split("\r\n")] == [
        "activated", "refused activated", "activated anew", "refused activated",
    ]  # fmt: skip


async def test_the_pause_begins_anew_with_each_key(here: World) -> None:
    await here.activate()
    here.clock.time += 30
    assert (await here.activate()).status == 200
    here.clock.time += 29
    assert (await here.activate()).status == 409


async def test_of_many_at_once_one_gets_it(here: World) -> None:
    await here.activate()
    here.clock.time += 30
    replies = await asyncio.gather(*(here.activate() for _ in range(30)))
    keys = [reply.text for reply in replies if reply.status == 200]
    assert len(keys) == 1
    assert (await here.download(keys[0])).status == 200


async def test_not_after_the_window(here: World) -> None:
    await here.activate()
    here.clock.time += DAY - 1
    assert (await here.activate()).status == 200
    here.clock.time += 30
    assert (await here.activate()).status == 409


async def test_not_without_the_models_leave(here: World) -> None:
    await here.office.registry.set_model("acme", "m1", lambda model: replace(model, recovery=""), ACME)
    await here.activate()
    here.clock.time += 60
    assert (await here.activate()).status == 409


@pytest.mark.parametrize(
    ("first", "later", "status"),
    [
        (MAC, MAC, 200),
        (MAC, OTHER_MAC, 409),
        (MAC, None, 409),
        (None, MAC, 409),
        (None, None, 200),
    ],
)
async def test_only_from_the_same_lease(here: World, first: str | None, later: str | None, status: int) -> None:
    for mac, expected in ((first, 200), (later, status)):
        here.leases.pop(HERE, None)
        here.leases |= {HERE: mac} if mac else {}
        assert (await here.activate()).status == expected
        here.clock.time += 30


async def test_only_from_the_same_address_where_there_is_no_lease(here: World) -> None:
    await here.activate()
    things = await here.ledger.read(lambda book: book.things("acme", "m1", ["S1"]))
    moved = replace(things["S1"], activated_from="192.0.2.7")

    def move(book) -> None:
        book.things("acme", "m1", ["S1"])
        book.put([moved])

    await here.ledger.change((), move)
    here.clock.time += 60
    assert (await here.activate()).status == 409


async def test_a_key_of_its_own_making_is_not_replaced(here: World) -> None:
    await here.activate(more=f"&key_sha256={'a' * 64}")
    here.clock.time += 60
    assert (await here.activate(more=f"&key_sha256={'b' * 64}")).status == 409
    assert (await here.activate(more=f"&key_sha256={'a' * 64}")).status == 204


async def test_a_serial_that_is_a_mac_comes_from_its_lease(here: World) -> None:
    await here.office.registry.set_model("acme", "m1", lambda model: replace(model, serial_is_mac=1), ACME)
    sn = "02-03-04-05-06-07"
    await here.give(sn)
    await here.give("02-03-04-05-06-08", "unclaimed")
    assert (await here.activate(sn)).status == 409
    here.leases[HERE] = OTHER_MAC
    assert (await here.activate(sn)).status == 409
    assert (await here.activate("02-03-04-05-06-08")).status == 409
    assert (await here.activate("02-03-04-05-06-09")).status == 404
    here.leases[HERE] = MAC
    assert (await here.activate(sn)).status == 200
    assert (await here.activate(sn)).status == 409
    log = (await here.manage("GET", f"m1/{sn}?show=log")).text
    outcomes = [line.split(",")[2] for line in log.split("\r\n")]
    assert outcomes == ["refused other lease"] * 2 + ["activated", "refused activated"]
    # A serial that is no MAC may come from anywhere.
    assert (await here.activate("S1")).status == 200


async def test_whoever_tries_the_macs_of_others_is_slowed_down(here: World) -> None:
    await here.office.registry.set_model("acme", "m1", lambda model: replace(model, serial_is_mac=1), ACME)
    await here.give(MAC)
    statuses = [(await here.activate(MAC)).status for _ in range(AT_ONCE + 1)]
    assert statuses == [409] * AT_ONCE + [429]


@pytest.mark.parametrize("path", ["/timestamp", "/ip"])
async def test_a_key_counts_as_used_wherever_it_is_shown(here: World, path: str) -> None:
    key = (await here.activate()).text
    assert (await here.ask("GET", path)).status == 200
    assert (await here.ask("GET", path, "", ("X-Exosite-CIK", ""))).status == 200
    assert not [fact for fact in here.facts if isinstance(fact, ThingKeyUsed)]
    assert (await here.ask("GET", path, "", ("Authorization", f"Bearer {key}"))).status == 200
    assert len([fact for fact in here.facts if isinstance(fact, ThingKeyUsed)]) == 1
    assert (await here.manage("POST", "m1/S1", "enable=true")).status == 205
    assert (await here.ask("GET", path, "", ("X-Exosite-CIK", key))).status == 401


async def test_a_first_use_is_told_once_however_many_at_once(here: World) -> None:
    key = (await here.activate()).text
    replies = await asyncio.gather(*(here.download(key) for _ in range(20)))
    assert {reply.status for reply in replies} == {200}
    assert len([fact for fact in here.facts if isinstance(fact, ThingKeyUsed)]) == 1


def test_a_whole_network_of_ipv6_is_one_source() -> None:
    failures = Failures(lambda _fact: None)
    for number in range(AT_ONCE):
        failures.count(f"2001:db8:1:2::{number:x}", 1000.0, ("acme", "m1"))
    assert failures.wait("2001:db8:1:2:ffff::1", 1000.0, ("acme", "m1")) > 0
    assert failures.wait("2001:db8:1:3::1", 1000.0, ("acme", "m1")) == 0
    assert failures.wait("::ffff:192.0.2.1", 1000.0, ("acme", "m1")) == 0
