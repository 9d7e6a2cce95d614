"""A phone that stays plugged in while the world around it changes."""

from __future__ import annotations

import pytest

from provd.base.errors import UsageError
from provd.base.types import Mac
from provd.plugin.phone import NEVER, Account, Dhcp, Dialed, Fetch, Fetched, Script, Settled, Wait
from provd.simulate.memory import MemoryWorld

URL = "http://h/f"


class Poller:
    """Asks for one file every minute; a file that says "stop" is the last one."""

    mac = Mac("020000000001")
    accounts: tuple[Account, ...] = ()

    def dial(self, digits: str) -> Dialed:
        return Dialed(digits)

    def run(self) -> Script:
        yield Dhcp()
        while True:
            answer = yield Fetch(URL)
            yield Settled(())
            stop = isinstance(answer, Fetched) and answer.body == b"stop"
            yield Wait(NEVER if stop else 60, "the next poll")


def test_it_lives_from_rest_to_rest() -> None:
    world = MemoryWorld(files={URL: b"go on"})
    plugged = world.plug_in(Poller())
    assert world.story == []
    plugged.live()
    assert (world.now, len(world.asked())) == (0, 1)
    plugged.live()
    assert (world.now, len(world.asked())) == (60, 2)


def test_it_lives_for_so_many_seconds_and_keeps_what_is_left_of_a_wait() -> None:
    world = MemoryWorld(files={URL: b"go on"})
    plugged = world.plug_in(Poller())
    plugged.live(90)
    assert (world.now, len(world.asked())) == (90, 2)
    plugged.live(29)
    assert (world.now, len(world.asked())) == (119, 2)
    plugged.live(1)
    assert (world.now, len(world.asked())) == (120, 3)
    world.files[URL] = b"stop"
    plugged.live(1000)
    plugged.live()
    assert (world.now, len(world.asked())) == (1120, 4)


def test_two_phones_share_one_clock() -> None:
    world = MemoryWorld()
    early, late = world.plug_in(Poller()), world.plug_in(Poller())
    early.live()
    late.live(100)
    early.live()
    assert world.now == 100
    assert world.asked() == [f"GET {URL} 404"] * 4


def test_a_phone_that_never_rests_is_stopped() -> None:
    world = MemoryWorld()
    with pytest.raises(UsageError, match="did not come to rest within 50 steps"):
        world.plug_in(Poller()).live(1e9, most_steps=50)
