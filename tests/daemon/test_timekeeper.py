"""The daemon's time, while the system's clock does what it likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.base.clock import SystemClock
from provd.base.facts import Fact
from provd.base.facts.clock import ClockLeapt, ClockStepped, ClockSuspect
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.types import Mac
from provd.daemon.timekeeper import Timekeeper
from provd.dhcp.lease import Lease, LeaseState
from provd.dhcp.restart import as_of
from provd.domain.reckoning import Leap, Mark
from provd.storage.clock_mark import read_mark, write_mark

NOW = 1_900_000_000.0
YEARS = 10 * 365 * 86400.0


class Machine:
    """A machine whose wall clock can be set."""

    def __init__(self, folder: Path, wall: float) -> None:
        self.folder = folder
        self.wall = wall
        self.uptime = 50.0
        self.facts: list[Fact] = []

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds

    def start(self) -> Timekeeper:
        keeper = Timekeeper(
            self.folder, lambda start: SystemClock(start, wall=lambda: self.wall, monotonic=lambda: self.uptime)
        )
        keeper.tell(self.facts.append)
        return keeper

    def told(self) -> list[type[Fact]]:
        facts, self.facts = self.facts, []
        return [type(fact) for fact in facts]


@pytest.mark.parametrize("step", [YEARS, -YEARS])
def test_a_step_while_it_runs_changes_nothing_and_is_told_once(step: float, tmp_path: Path) -> None:
    machine = Machine(tmp_path, NOW)
    keeper = machine.start()
    machine.wall += step
    machine.passes(60)
    assert keeper.clock.now() == NOW + 60
    keeper.tick(machine.facts.append)
    keeper.tick(machine.facts.append)
    assert machine.told() == [ClockStepped]
    assert read_mark(tmp_path) == Mark(NOW + 60), "the mark is of our own time"


def test_a_slow_drift_is_not_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, NOW)
    keeper = machine.start()
    machine.wall += 30
    keeper.tick(machine.facts.append)
    assert machine.told() == []


def test_a_clock_without_battery_is_not_believed_until_it_is_set(tmp_path: Path) -> None:
    write_mark(tmp_path, Mark(NOW))
    machine = Machine(tmp_path, 1000.0)
    keeper = machine.start()
    assert machine.told() == [ClockSuspect, Degraded]
    assert keeper.clock.now() == NOW
    machine.passes(60)
    keeper.tick(machine.facts.append)
    assert keeper.clock.now() == NOW + 60
    assert machine.told() == []
    machine.wall = NOW + 7200
    keeper.tick(machine.facts.append)
    assert keeper.clock.now() == NOW + 7200
    assert machine.told() == [Recovered]
    keeper.tick(machine.facts.append)
    assert machine.told() == []


def test_a_clock_that_is_still_wrong_is_not_followed(tmp_path: Path) -> None:
    write_mark(tmp_path, Mark(NOW))
    machine = Machine(tmp_path, 1000.0)
    keeper = machine.start()
    machine.told()
    for wrong in (NOW - 86400, NOW + YEARS):
        machine.wall = wrong
        keeper.tick(machine.facts.append)
        assert keeper.clock.now() == NOW
        assert machine.told() == [ClockStepped]


def test_ten_years_ahead_and_back_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path, NOW)
    machine.start().mark()
    machine.wall = NOW + YEARS
    keeper = machine.start()
    assert machine.told() == [ClockLeapt]
    assert keeper.leap is not None
    machine.passes(300)
    keeper.mark()
    assert machine.start().leap == keeper.leap, "a second start knows it, too"
    assert machine.told() == []
    machine.wall = NOW + 600
    keeper = machine.start()
    assert machine.told() == []
    assert keeper.clock.now() == NOW + 600


def test_a_step_that_was_not_followed_is_a_leap_for_the_next_start(tmp_path: Path) -> None:
    machine = Machine(tmp_path, NOW)
    keeper = machine.start()
    machine.passes(600)
    machine.wall += 8 * 3600
    keeper.tick(machine.facts.append)
    assert machine.told() == [ClockStepped]
    machine.passes(60)
    keeper.mark()
    machine.passes(10)
    keeper = machine.start()
    assert machine.told() == []
    assert keeper.clock.now() == machine.wall
    assert keeper.leap == Leap(NOW + 660, NOW + 660 + 8 * 3600)
    lease = Lease(
        ip=1,
        client=b"c",
        mac=Mac("805ec0112233"),
        state=LeaseState.ACTIVE,
        starts=int(NOW) + 30,
        expires=int(NOW) + 3630,
    )
    (kept,) = as_of([lease], keeper.clock.now(), (keeper.leap.start, keeper.leap.end))
    assert kept.expires == lease.expires + 8 * 3600
    keeper.mark()
    assert machine.start().leap == keeper.leap, "what was not renewed since is not forgotten at the next start"
