"""A region that is away for hours, and clocks that do not agree."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from provd.app.regions.courier import LEASE
from provd.domain.regions.home import LONGEST_PAUSE, Home, HomeState, Role
from provd.domain.regions.speech import said_octets, said_of
from tests.kit.federation import Disk, Instance, body_of, everybody_to, key_hash, key_of, provision, query, run

HOUR = 3600.0


class Pair:
    """A global instance and a region, each with a clock of its own."""

    def __init__(self, skew: float = 0.0) -> None:
        self.at = 1_700_000_000.0
        self.skew = skew
        self.numbers = itertools.count(1)
        fresh = lambda: f"id-{next(self.numbers)}"  # noqa: E731
        rules = lambda: everybody_to("eu")  # noqa: E731
        self.world = Instance("world", Role.GLOBAL, Disk(), lambda: self.at, fresh=fresh, rules=rules)
        self.eu = Instance("eu", Role.REGIONAL, Disk(), lambda: self.at + self.skew, fresh=fresh)
        for here, there in ((self.world, self.eu), (self.eu, self.world)):
            here.disk.know(there.name)
            here.start()
        self.world.register(Home(device_id="d", key_hash=key_hash("d")))

    def carry(self, sender: Instance, *, reached: bool = True) -> int:
        """Everything that is due at a moment; gives how much that was."""
        hearer = self.eu if sender is self.world else self.world
        found = run(sender.courier.take())
        for outgoing, _, said in found:
            if reached:
                heard = run(hearer.neighbour.hear(said_of(said_octets(said)), sender.name))
                run(sender.courier.settle(outgoing, heard))
            else:
                run(sender.courier.postpone(outgoing, "no answer"))
        return len(found)

    def ask(self, make: object, number: str, instance: Instance) -> tuple[int, dict[str, object]]:
        reply = run(instance.desk.handle(make("d", number, ecu_type="UNIT"), key_of("d"), "10.0.0.9"))  # type: ignore[operator]
        return reply.status, body_of(reply)

    def state(self, instance: Instance) -> HomeState | None:
        home = instance.home("d")
        return None if home is None else home.state


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.world.disk.close()
    made.eu.disk.close()


def test_a_region_that_is_away_for_hours(pair: Pair) -> None:
    assert pair.ask(query, "m1", pair.world)[0] == 202
    began, attempts = pair.at, 0
    while pair.at < began + 6 * HOUR:
        attempts += pair.carry(pair.world, reached=False)
        home = pair.world.home("d")
        assert home is not None
        assert home.served, "nobody else has it"
        pair.at += 1.0
    # Twice as long each time, up to five minutes: no storm, and no long wait when it is back.
    assert 6 * HOUR / LONGEST_PAUSE <= attempts <= 6 * HOUR / LONGEST_PAUSE + 10
    assert pair.ask(query, "m2", pair.world)[0] == 202
    back = pair.at
    while pair.state(pair.world) is not HomeState.REGIONAL:
        pair.carry(pair.world)
        pair.at += 1.0
        assert pair.at < back + LONGEST_PAUSE + 5
    assert pair.ask(query, "m3", pair.world)[1]["endpoint"] == "at eu"


def test_word_that_it_has_arrived_may_be_late_by_hours(pair: Pair) -> None:
    pair.ask(query, "m1", pair.world)
    while pair.carry(pair.world):
        continue
    assert pair.ask(provision, "m2", pair.eu)[1]["lifecycle_state"] == "PROVISIONED"
    for _ in range(int(5 * HOUR / 60)):
        pair.carry(pair.eu, reached=False)
        home = pair.world.home("d")
        assert home is not None
        assert (home.state, home.served, home.key_hash) == (HomeState.REGIONAL, False, key_hash("d"))
        pair.at += 60.0
    pair.at += LONGEST_PAUSE
    assert pair.carry(pair.eu) == 1
    assert pair.state(pair.world) is None
    stone = pair.world.disk.look(lambda book: book.tombstone("d"))
    assert stone is not None
    assert (stone.region, stone.epoch) == ("eu", 1)
    assert pair.world.owed() == pair.eu.owed() == 0


@pytest.mark.parametrize("skew", [-400 * 86400.0, -HOUR, HOUR, 400 * 86400.0])
def test_clocks_that_do_not_agree_change_nothing(skew: float) -> None:
    pair = Pair(skew)
    pair.ask(query, "m1", pair.world)
    while pair.carry(pair.world):
        continue
    pair.ask(provision, "m2", pair.eu)
    assert pair.carry(pair.eu) == 1
    assert (pair.state(pair.world), pair.state(pair.eu)) == (None, HomeState.PROVISIONED)
    pair.world.disk.close()
    pair.eu.disk.close()


def test_what_a_dead_daemon_had_in_its_hands_is_said_by_the_next_one(pair: Pair) -> None:
    pair.ask(query, "m1", pair.world)
    assert len(run(pair.world.courier.take())) == 1
    pair.world.start()
    assert run(pair.world.courier.take()) == [], "it may still be at work"
    pair.at += LEASE
    assert len(run(pair.world.courier.take())) == 1
    pair.world.start()
    run(pair.world.courier.free())  # there can be no other daemon
    assert pair.carry(pair.world) == 1


def test_a_region_that_is_off_is_not_spoken_to(pair: Pair) -> None:
    pair.ask(query, "m1", pair.world)
    region = pair.world.disk.look(lambda book: book.region("eu"))
    assert region is not None
    from dataclasses import replace

    pair.world.disk.look(lambda book: book.put_region(replace(region, enabled=False)))
    assert pair.carry(pair.world) == 0
    pair.world.disk.look(lambda book: book.put_region(region))
    pair.at += LEASE
    assert pair.carry(pair.world) == 1
